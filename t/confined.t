#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# A whole running system, process by process: what each that reads from the network, or passwords, may still do. And garbage on each of
# its local sockets: nothing stops.
. "$(dirname "$0")/lib.sh"
have_program mta mtaconf mtasmtp mtapop mtaauth mtaqmgr mtasend mtadeliver mtaqueue || skip_all "not all programs are built"
[ -e /proc/self/status ] || skip_all "no /proc"

mail_system auth_failure_delay=0s "default_transport=smtp:[127.0.0.1]:1" minimal_backoff_time=1h smtp_connect_timeout=2s
# so that the agents run: mtasend has something to send, mtadeliver to deliver
printf 'Subject: x\n\nx\n' | mtaqueue -C "$CONF" add -f a@example.com nobody@elsewhere.invalid "$USER_ADDR" >/dev/null
agents() { pgrep -f "^[^ ]*mtasend .*" >/dev/null && [ "$(count_files "$MAILDIR/new")" -ge 1 ]; }
wait_for 20 agents

# mine: the processes of this system: "PID PARENT NAME"
MTA=$(pgrep -f "^[^ ]*mta -q -C $DIR" | head -1)
[ -n "$MTA" ] || MTA=$(cat "$QUEUE"/pid/mta.pid)
tree() { # below PID
	for c in $(pgrep -P "$1"); do
		echo "$c $1 $(cat "/proc/$c/comm" 2>/dev/null)"
		tree "$c"
	done
}
tree "$MTA" >"$T/tree"
of() { sed -n "s/^$1:[^0-9A-Za-z]*\([0-9a-f]*\).*/\1/p" "/proc/$2/status"; }
parent_name() { cat "/proc/$1/comm" 2>/dev/null; }
# report: all processes of that name whose parent has the same name (workers), or whose parent is the manager (agents)
report() { # NAME worker|agent SECCOMP
	bad= count=0
	while read -r pid parent name; do
		[ "$name" = "$1" ] || continue
		case $2 in
		worker) [ "$(parent_name "$parent")" = "$1" ] || continue ;;
		agent) [ "$(parent_name "$parent")" = mtaqmgr ] || continue ;;
		esac
		count=$((count + 1))
		caps=$(of CapEff "$pid")$(of CapPrm "$pid")$(of CapInh "$pid")$(of CapAmb "$pid")
		case $caps in *[!0]*) bad="$bad $pid:capabilities=$caps" ;; esac
		[ "$(of NoNewPrivs "$pid")" = 1 ] || bad="$bad $pid:NoNewPrivs"
		[ "$(of Seccomp "$pid")" = "$3" ] || bad="$bad $pid:Seccomp=$(of Seccomp "$pid")"
		[ "$(id -u)" -ne 0 ] || [ "$(of Uid "$pid")" != 0 ] || bad="$bad $pid:root"
	done <"$T/tree"
	[ $count -gt 0 ] && [ -z "$bad" ]
}
for p in mtasmtp mtapop mtaauth mtaqueue; do
	report $p worker 2; ok $? "$p: all $count workers have no capabilities, no new privileges, a filter of system calls, and are not root" || diag "$bad"
done
report mtasend agent 2; ok $? "mtasend: so have all $count" || { diag "$bad"; diag "$(cat "$T/tree")"; }
roots=$(while read -r pid parent name; do [ "$(of Uid "$pid")" = 0 ] && echo "$name"; done <"$T/tree" | sort | uniq -c | awk '{ print $2 }' | tr '\n' ' ')
diag "parents that stay what started them: $roots"
listening=$(while read -r pid parent name; do
	case $name in mtasmtp|mtapop|mtaauth|mtaqueue) [ "$(parent_name "$parent")" = "$name" ] && of NoNewPrivs "$pid" ;; esac; done <"$T/tree" | sort -u)
is "$listening" 1 "no worker of any kind is left out"

# --- Landlock: no file in /proc tells, so the system calls do ---
traced() { printf 'QUIT\r\n' | timeout 20 strace -f -qq -e trace=landlock_create_ruleset,landlock_restrict_self -o "$T/trace" "$B/$1" -C "$CONF" ${2:+-p "$2"} >/dev/null 2>&1; }
if command -v strace >/dev/null && traced mtasmtp && grep -q 'LANDLOCK_CREATE_RULESET_VERSION) = [2-9]' "$T/trace"; then
	for p in mtasmtp mtapop "mtaauth saslauthd"; do
		# not root: a worker serves mailboxes itself, which it learns by logins
		[ "$p" = mtapop ] && [ "$(id -u)" -ne 0 ] && continue
		traced $p
		grep -Eq 'landlock_restrict_self(\(| resumed).* = 0' "$T/trace"; ok $? "${p%% *}: a worker can change no files but those it must (Landlock)" || diag "$(tail -5 "$T/trace")"
	done
else
	skip 3 "no strace, or no Landlock"
fi

# --- the local sockets ---
find "$QUEUE" -type s >"$T/sockets"
[ "$(wc -l <"$T/sockets")" -ge 3 ]; ok $? "the system has local sockets"; diag "$(tr '\n' ' ' <"$T/sockets")"
cat >"$T/garbage.pl" <<'P'
use strict; use warnings; use IO::Socket::UNIX; use Socket qw(:DEFAULT SCM_RIGHTS);
my ($path, $seed) = @ARGV; srand $seed; $SIG{PIPE} = 'IGNORE'; $SIG{ALRM} = sub { exit 0 }; alarm 20;
my @hold;
for my $n (1 .. 60) {
    my ($s, $type);
    for (SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET) { $type = $_; $s = IO::Socket::UNIX->new(Type => $_, Peer => $path) and last }
    $s or next;
    my $how = $n % 10; my $data = join '', map { chr rand 256 } 1 .. 1 + rand 4000;
    $data = '' if $how == 0; $data = "\n" x 3000 if $how == 1; $data = "\0" x 5000 if $how == 2; $data = 'A' x 200000 if $how == 3 && $type != SOCK_DGRAM;
    $data = "VERSION\t1\t1\nCPID\t1\nAUTH\t1\tPLAIN\tresp=" . ('A' x 30000) . "\n" if $how == 4;
    $data = "VERSION\t1\t1\nCPID\t99999999999\nREQUEST\t1\t\t\t\n\t\t\t\nUSER\nCONT\nAUTH\n" if $how == 5;
    $data = "\xff\xff" . $data if $how == 6; $data = "EHLO x\r\nMAIL FROM:<\0>\r\nDATA\r\n$data" if $how == 7;
    $data = "READY=1\nSTATUS=\e[2J\nMAINPID=1\n" . $data if $how == 8;
    $s->blocking(0); syswrite $s, $data;
    $how == 9 ? push @hold, $s : close $s; # some just stay
}
select undef, undef, undef, 0.3;
P
tree "$MTA" | grep -v mtadeliver | awk '$3 ~ /^mta/ { print $1, $2, $3 }' >"$T/before"
parents() { awk '$2 == "'"$MTA"'" { print $1, $3 }' "$1" | sort; }
n=0
while read -r socket; do
	n=$((n + 1))
	perl "$T/garbage.pl" "$socket" $n; ok $? "garbage on ${socket#"$QUEUE"/}"
done <"$T/sockets"
tree "$MTA" >"$T/after"
is "$(parents "$T/after")" "$(parents "$T/before")" "all services are there as before, none was started anew"
unlike "$(grep -v 'Subject' "$LOG")" 'killed by signal|ended with status [^0]|Sanitizer|runtime error' "no worker died"
[ "$(tr -d '\n\t\040-\176\200-\377' <"$LOG" | wc -c)" -eq 0 ]; ok $? "no control character reached the log"
like "$(testauth -C "$CONF" -u "$USER_ADDR" -p "$PASSWORD" 2>&1)" '^0: OK' "the auth service answers"
OUT=$(printf 'Subject: y\n\ny\n' | sendmail -C "$CONF" -f a@example.com "$USER_ADDR" 2>&1); ok $? "sendmail submits" || diag "$OUT"
arrived() { [ "$(count_files "$MAILDIR/new")" -ge 2 ]; }
wait_for 10 arrived; ok $? "and the mail is delivered: the manager goes on"

# --- what stands where a socket should be ---
mail_stop
SECRET=$T/secret; echo secret >"$SECRET"; chmod 600 "$SECRET"
mode() { stat -c '%a %u' "$SECRET"; }
for what in file fifo link dangling; do
	rm -f "$QUEUE/private/auth"
	case $what in
	file) echo precious >"$QUEUE/private/auth" ;;
	fifo) mkfifo "$QUEUE/private/auth" ;;
	link) ln -s "$SECRET" "$QUEUE/private/auth" ;;
	dangling) ln -s "$T/made-by-root" "$QUEUE/private/auth" ;;
	esac
	OUT=$(timeout 20 mtaauth -C "$CONF" </dev/null 2>&1); S=$?
	is "$S" 73 "a $what in place of the auth socket: mtaauth does not start" || diag "$OUT"
	like "$OUT" 'private/auth: ' "and says which"
done
is "$(mode)" "600 $(id -u)" "the file behind the link is as it was"
[ ! -e "$T/made-by-root" ]; ok $? "and none was made"
rm -f "$QUEUE/private/auth"
done_testing
