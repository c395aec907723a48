#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Power cuts: a whole system on a loop-mounted ext4 and xfs that is shut down at random moments while mail comes in by
# SMTP and by mtaqueue add, is delivered and deferred. Of all messages that were acknowledged, none is lost, and no mailbox shows
# one in part. ROUNDS (150) for each file system.
: "${MTA_BUILD:=$(cd "$(dirname "$0")/../.." && pwd)/build}"
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/lib.sh"
ROUNDS=${ROUNDS:-150}
[ "$(id -u)" -eq 0 ] || skip_all 'needs root for loop mounts'
have_program mkfs.ext4 losetup || skip_all 'mkfs.ext4 or losetup is missing'
losetup -f >/dev/null 2>&1 || skip_all 'no loop devices here'
M=$T/mnt
top=
trap 'end_system; unmount || umount -l "$M"; lib_cleanup' EXIT
# By the list of mounts: a file system that is shut down does not even answer stat(2).
mounted() { grep -qF " $M " /proc/mounts; }
unmount() { i=0; while mounted && ! umount "$M" 2>/dev/null; do i=$((i + 1)); [ $i -lt 100 ] || { return 1; }; sleep 0.1; done; }
start_system() {
	( cd / && exec mta -C "$M/s" start-fg ) </dev/null >"$T/start" 2>&1 & top=$!
	wait_for 10 perl -MIO::Socket::INET -e 'exit !IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]")' "$port" || { diag "$(cat "$T/start")"; return 1; }
}
# The supervisor and all below it, at once, as the power cut does.
below() { for p in $(pgrep -P "$1"); do below "$p"; done; echo "$1"; }
end_system() {
	[ -n "$top" ] || return 0
	kill -STOP "$top" 2>/dev/null
	# shellcheck disable=SC2046
	kill -9 $(below "$top") 2>/dev/null
	wait "$top" 2>/dev/null
	top=
}
# load FILE ARG...: begins to load; the process is added to pids
load() { f=$1; shift; perl "$here/lib/load.pl" "port=$port" "rcpt=$user" seconds=20 ${KEEP:+verbose=1} "$@" >"$f" 2>"$f.said" & pids="$pids $!"; }
boxes() { find "$M/s/mail" -type d \( -name new -o -name cur \); }
waiting() { find "$M/s/queue/incoming" "$M/s/queue/active" -type f | grep -q .; }
drained() { ! waiting; }
# Shuts the file system down as a power cut would: nothing in memory reaches the disk. A random moment from now.
cut_power() {
	perl -e 'select undef, undef, undef, 0.1 + rand 0.9; open my $f, "<", $ARGV[0] or die "$ARGV[0]: $!\n"; my $how = pack "L", 2;
		ioctl $f, 0x8004587d, $how or die "shutdown: $!\n"' "$M"
}
count() { wc -l <"$1" | tr -d ' '; }

rounds() { # FS
	acked=0 lost=0 twice=0 partial=0 corrupt=0 deferred=0 r=0
	mkdir -p "$M"; rm -f "$T/$1.img"; truncate -s 512M "$T/$1.img"
	case $1 in ext4) mkfs.ext4 -q "$T/$1.img" ;; xfs) mkfs.xfs -q "$T/$1.img" ;; esac || return 2
	mount -o loop "$T/$1.img" "$M" && chmod 755 "$M" || return 2
	mtaconf -j init "$M/s" >"$T/init" 2>&1 || { diag "$(cat "$T/init")"; return 2; }
	port=$(lib_json smtp_port "$T/init"); user=$(lib_json user "$T/init")
	mtaconf -C "$M/s" -e 'services=qmgr smtp' default_transport=retry:later "maillog_file=$T/log" >/dev/null 2>&1
	: >"$T/log"; chmod 666 "$T/log"; sync
	while [ $r -lt "$ROUNDS" ]; do
		r=$((r + 1))
		start_system || return 2
		pids=
		for k in 1 2 3 4; do load "$T/acked.$k" first=$((r * 1000000 + k * 100000)); done
		load "$T/acked.5" first=$((r * 1000000 + 500000)) "rcpt=$user,later@elsewhere.test" "command=mtaqueue -C $M/s add -f a@example.com"
		cut_power || { diag 'the file system cannot be shut down'; return 2; }
		end_system
		# shellcheck disable=SC2086
		kill $pids 2>/dev/null; wait $pids 2>/dev/null
		unmount || { diag "$1 round $r: cannot unmount: $(fuser -vM -m "$M" 2>&1)"; return 2; }
		[ -z "${KEEP:-}" ] || cp --sparse=always "$T/$1.img" "$T/$1.keep"
		mount -o loop "$T/$1.img" "$M" || { diag "cannot mount again"; return 2; }
		sort "$T"/acked.[1-5] >"$T/acked"
		# shellcheck disable=SC2046
		perl "$here/lib/numbers.pl" $(boxes) | grep '^partial' >"$T/left"
		start_system || return 2
		wait_for 20 drained || diag "$1 round $r: not all mail was delivered again in 20 s: $(find "$M/s/queue" -type f -path '*/[iad][nce]*' | head -5)"
		mta -q -C "$M/s" stop || { diag 'mta stop fails'; return 2; }
		wait "$top"; top=
		# shellcheck disable=SC2046
		perl "$here/lib/numbers.pl" $(boxes) "$M"/s/queue/incoming "$M"/s/queue/active "$M"/s/queue/deferred | grep -v '^partial' | sort >"$T/have"
		sort -u "$T/have" | comm -23 "$T/acked" - >"$T/missing"
		[ ! -s "$T/missing" ] || diag "$1 round $r: lost $(tr '\n' ' ' <"$T/missing")"
		[ ! -s "$T/missing" ] || [ -z "${KEEP:-}" ] || return 1
		acked=$((acked + $(count "$T/acked"))) lost=$((lost + $(count "$T/missing"))) twice=$((twice + $(uniq -d "$T/have" | wc -l)))
		partial=$((partial + $(count "$T/left"))) corrupt=$((corrupt + $(count_files "$M/s/queue/corrupt")))
		deferred=$((deferred + $(count_files "$M/s/queue/deferred")))
		find "$M/s/mail" "$M/s/queue/corrupt" "$M/s/queue/deferred" "$M/s/queue/defer" -type f -exec rm -f {} +
	done
	unmount
	diag "$1: $ROUNDS power cuts, $acked messages acknowledged: $((acked - lost)) of $acked kept ($deferred of them deferred), $twice delivered twice;" \
		"of files that were not acknowledged yet, $partial were partial in the Maildir, $corrupt in the queue (put into corrupt/)"
	[ "$lost" -eq 0 ] && [ "$partial" -eq 0 ] && [ "$acked" -gt 0 ]
}
for fs in ${FS:-ext4 xfs}; do
	if ! command -v "mkfs.$fs" >/dev/null; then skip 1 "mkfs.$fs is missing"; continue; fi
	rounds "$fs"; ok $? "$fs: no acknowledged message is lost, none is seen in part, in $ROUNDS power cuts"
	end_system; unmount
done
done_testing
