# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# shellcheck shell=sh
#
# lib.sh - for the tests in t/*.t: TAP, and a private mail system. A test begins with
#
#	. "$(dirname "$0")/lib.sh"
#	have_program swaks || skip_all "swaks is not installed"
#	mail_system message_size_limit=1M
#	swaks --server 127.0.0.1:$SMTP_PORT --to "$USER_ADDR" >"$T/out" 2>&1
#	ok $? "swaks sends a message"
#	done_testing
#
# $T is a directory of the test's own, gone when the test ends; $B is where the programs are, first in PATH.

LC_ALL=C; export LC_ALL
: "${MTA_BUILD:=$(cd "$(dirname "$0")/.." && pwd)/build}"
B=$MTA_BUILD
PATH=$B:$PATH:/usr/sbin:/sbin; export PATH
unset MTA_CONFIG
T=$(mktemp -d "${TMPDIR:-/tmp}/mta-t.XXXXXX") || exit 75
chmod 755 "$T"
# As root, tests run programs as other users too: from a copy where those could not reach the build.
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
	! setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$B/mtaqueue" 2>/dev/null; then
	mkdir "$T/build" && find "$B" -maxdepth 1 -type f -perm -100 -exec cp {} "$T/build" \; && [ ! -d "$B/t" ] || cp -r "$B/t" "$T/build/t"
	B=$T/build MTA_BUILD=$T/build PATH=$B:$PATH
fi
TAP_COUNT=0 TAP_FAILED=0
SYSTEMS=
PIDS=

# At the end, however it comes: stops what was started here and nothing else.
lib_cleanup() {
	lib_status=$?
	trap - EXIT
	for lib_d in $SYSTEMS; do
		mta -q -C "$lib_d" abort 2>/dev/null
	done
	for lib_p in $PIDS; do
		kill "$lib_p" 2>/dev/null
	done
	[ -n "${KEEP:-}" ] && echo "# kept: $T" || rm -rf "$T"
	exit "$lib_status"
}
trap lib_cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# --- TAP ---

# plan N: at the start, or done_testing at the end.
plan() { echo "1..$1"; TAP_PLAN=$1; }
skip_all() { echo "1..0 # SKIP $*"; exit 0; }
done_testing() { [ -n "${TAP_PLAN:-}" ] || echo "1..$TAP_COUNT"; exit "$((TAP_FAILED > 0))"; }
diag() { printf '%s\n' "$*" | sed 's/^/# /'; }
pass() { TAP_COUNT=$((TAP_COUNT + 1)); echo "ok $TAP_COUNT - $*"; }
fail() { TAP_COUNT=$((TAP_COUNT + 1)); TAP_FAILED=$((TAP_FAILED + 1)); echo "not ok $TAP_COUNT - $*"; return 1; }
# skip N WHY: counts N checks as skipped.
skip() {
	lib_n=$1; shift
	while [ "$lib_n" -gt 0 ]; do
		TAP_COUNT=$((TAP_COUNT + 1)); echo "ok $TAP_COUNT # SKIP $*"
		lib_n=$((lib_n - 1))
	done
}
# Each of the checks returns whether it passed, for "|| diag ..." after it.
# ok STATUS NAME: STATUS 0 passes. ("ok $? 'it works'")
ok() { if [ "$1" -eq 0 ]; then pass "$2"; else fail "$2" || { diag "status $1"; return 1; }; fi; }
# is GOT WANTED NAME
is() {
	if [ "$1" = "$2" ]; then pass "$3"; else fail "$3" || { diag "     got: $1"; diag "expected: $2"; return 1; }; fi
}
# like TEXT ERE NAME, unlike TEXT ERE NAME: any line of TEXT (none) matches
like() {
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then pass "$3"; else fail "$3" || { diag "     got: $1"; diag "does not match: $2"; return 1; }; fi
}
unlike() {
	if printf '%s\n' "$1" | grep -Eq -e "$2"; then fail "$3" || { diag "     got: $1"; diag "matches: $2"; return 1; }; else pass "$3"; fi
}
# same FILE FILE NAME: byte for byte
same() {
	if cmp -s "$1" "$2"; then pass "$3"; else fail "$3" || { diag "$(diff -a "$1" "$2" 2>&1 | head -20)"; return 1; }; fi
}

# --- helpers ---

# have_program NAME...: all of them are there (ours in $B, others in PATH)
have_program() {
	for lib_p in "$@"; do
		command -v "$lib_p" >/dev/null 2>&1 || return 1
	done
}
# wait_for SECONDS COMMAND...: until it succeeds; its last status at the end
wait_for() {
	lib_n=$(($1 * 20)); shift
	until "$@" >/dev/null 2>&1; do
		lib_n=$((lib_n - 1))
		[ "$lib_n" -gt 0 ] || return 1
		sleep 0.05
	done
}
# background COMMAND...: runs it beside the test, to be ended with it; $! is its process
background() { "$@" & PIDS="$PIDS $!"; }
# free_port: a port of 127.0.0.1 that nobody uses now
free_port() {
	perl -MIO::Socket::INET -e 'for (1..200) { my $p = 15000 + int rand 17000;
		my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => $p, Proto => "tcp", Listen => 1) or next;
		print "$p\n"; exit }; exit 1'
}
# count_files DIR: regular files in it
count_files() { find "$1" -type f 2>/dev/null | wc -l | tr -d ' '; }

# --- a private mail system ---

lib_json() { sed -n 's/^ *"'"$1"'": "\{0,1\}\([^",]*\)"\{0,1\},\{0,1\}$/\1/p' "$2"; }

# mail_config [name=value ...]: mtaconf init in a new directory, not started. Sets DIR and CONF (the directory for -C),
# SMTP_PORT SUBMISSION_PORT SUBMISSIONS_PORT POP3_PORT POP3S_PORT DOMAIN USER_ADDR PASSWORD MAILDIR LOG QUEUE.
# shellcheck disable=SC2034
mail_config() {
	lib_n=$((${lib_n_systems:-0} + 1)); lib_n_systems=$lib_n
	DIR=$T/mta$lib_n; CONF=$DIR
	mtaconf -j init "$DIR" "$@" >"$T/init.$lib_n" || { echo "Bail out! mtaconf init failed"; exit 1; }
	SMTP_PORT=$(lib_json smtp_port "$T/init.$lib_n")
	SUBMISSION_PORT=$(lib_json submission_port "$T/init.$lib_n")
	SUBMISSIONS_PORT=$(lib_json submissions_port "$T/init.$lib_n")
	POP3_PORT=$(lib_json pop3_port "$T/init.$lib_n")
	POP3S_PORT=$(lib_json pop3s_port "$T/init.$lib_n")
	DOMAIN=$(lib_json domain "$T/init.$lib_n")
	USER_ADDR=$(lib_json user "$T/init.$lib_n")
	PASSWORD=$(lib_json password "$T/init.$lib_n")
	MAILDIR=$(lib_json maildir "$T/init.$lib_n")
	LOG=$(lib_json log "$T/init.$lib_n")
	QUEUE=$DIR/queue
}

# mail_start [DIR]: starts those services whose programs are built.
mail_start() {
	lib_d=${1:-$DIR}
	lib_services=
	for lib_s in $(sed -n 's/^services *= *//p' "$lib_d/main.cf" | tr ',' ' ' | grep . || echo qmgr pickup auth submit showq smtp submission submissions pop3 pop3s); do
		case $lib_s in
		qmgr) lib_p=mtaqmgr ;; pickup|showq) lib_p=mtaqueue ;; auth) lib_p=mtaauth ;; pop3*) lib_p=mtapop ;; submit|smtp|submission*) lib_p=mtasmtp ;; *) lib_p=mta ;;
		esac
		[ -x "$B/$lib_p" ] && lib_services="$lib_services $lib_s"
	done
	SYSTEMS="$SYSTEMS $lib_d"
	mta -q -C "$lib_d" -o "services=$lib_services" start || { cat "$lib_d/log" 2>/dev/null | sed 's/^/# /'; echo "Bail out! mta start failed"; exit 1; }
}
mail_stop() { mta -q -C "${1:-$DIR}" stop; }

# mail_system [name=value ...]: mail_config and mail_start.
mail_system() { mail_config "$@"; mail_start; }
