#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Power cuts: queue and mailbox on a loop-mounted ext4 and xfs that is shut down at random moments while mail
# comes in. Of all messages that were acknowledged, none is lost. ROUNDS (100) for each file system.
: "${MTA_BUILD:=$(cd "$(dirname "$0")/../.." && pwd)/build}"
. "$(dirname "$0")/../lib.sh"
ROUNDS=${ROUNDS:-100}
[ "$(id -u)" -eq 0 ] || skip_all 'needs root for loop mounts'
have_program mkfs.ext4 || skip_all 'mkfs.ext4 is missing'
modprobe loop 2>/dev/null
plan 2
P=$T
unmount() { mountpoint -q "$P/mnt" && { umount "$P/mnt" || { sleep 1; umount -l "$P/mnt"; }; }; }
trap 'mta -q -C "$P/mnt/s" abort 2>/dev/null; unmount; lib_cleanup' EXIT

# Loads PORT with numbered messages until the connection fails; prints each number once it is acknowledged.
cat >"$P/load.pl" <<'EOF'
use strict; use warnings; use IO::Socket::INET; $| = 1;
my ($port, $user, $from, $until) = @ARGV; my $n = $from; local $SIG{PIPE} = 'IGNORE';
my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 5) or exit 0; $s->timeout(5);
sub reply { my $l; do { $l = <$s> // exit 0 } while $l =~ /^\d\d\d-/; return $l }
reply(); print $s "EHLO load\r\n"; reply();
while (time < $until) {
    my $m = "MAIL FROM:<>\r\nRCPT TO:<$user>\r\nDATA\r\n"; print $s $m or exit 0;
    my @r = map { reply() } 1 .. 3; if ($r[2] !~ /^354/) { select undef, undef, undef, 0.05; next }
    print $s "Subject: n$n\r\nX-Number: <$n>\r\n\r\n" . ("x" x 60 . "\r\n") x int(rand 80) . ".\r\n" or exit 0;
    my $r = reply(); print "$n\n" if $r =~ /^250/; $n++;
}
EOF

rounds() { # FS
	fs=$1 acked=0 lost=0 twice=0 r=0 base=0
	mkdir -p "$P/mnt"; rm -f "$P/img"; truncate -s 512M "$P/img"
	case $fs in ext4) mkfs.ext4 -q "$P/img" ;; xfs) mkfs.xfs -q "$P/img" ;; esac || return 2
	mount -o loop "$P/img" "$P/mnt" || return 2
	chmod 755 "$P/mnt"
	mtaconf -j init "$P/mnt/s" >"$P/init" 2>&1 || { diag "$(cat "$P/init")"; return 2; }
	mtaconf -C "$P/mnt/s" -e 'services=qmgr smtp' 'maillog_file=/dev/null' 2>/dev/null
	port=$(lib_json smtp_port "$P/init"); user=$(lib_json user "$P/init")
	sync
	while [ $r -lt "$ROUNDS" ]; do
		r=$((r + 1)); : >"$P/acked"
		mta -C "$P/mnt/s" start >"$P/start" 2>&1 || { diag "$(cat "$P/start")"; return 2; }
		pids=
		for k in 1 2 3 4; do
			perl "$P/load.pl" "$port" "$user" $((r * 1000000 + k * 100000)) "$(($(date +%s) + 10))" >"$P/acked.$k" 2>/dev/null & pids="$pids $!"
		done
		perl -e 'select undef, undef, undef, 0.15 + rand 0.8; open my $f, "<", $ARGV[0] or die; ioctl($f, 0x8004587d, pack("L", 2)) or die "shutdown: $!"' "$P/mnt" || return 2
		mta -C "$P/mnt/s" abort >/dev/null 2>&1; sleep 0.1
		# shellcheck disable=SC2086
		kill $pids 2>/dev/null; wait $pids 2>/dev/null
		fuser -km "$P/mnt" >/dev/null 2>&1
		i=0; until umount "$P/mnt" 2>/dev/null; do i=$((i + 1)); [ $i -lt 50 ] || return 2; sleep 0.1; done
		mount -o loop "$P/img" "$P/mnt" || return 2
		cat "$P"/acked.[1-4] | sort >"$P/acked"
		mta -C "$P/mnt/s" start >"$P/start" 2>&1 || { diag "$(cat "$P/start")"; return 2; }
		i=0
		while [ "$(mtaqueue -C "$P/mnt/s" list -j 2>/dev/null | grep -c '"id"')" -gt 0 ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i + 1)); done
		mta -C "$P/mnt/s" stop >/dev/null 2>&1
		find "$P/mnt/s" -path '*/new/*' -type f -exec sed -n 's/^X-Number: <\(.*\)>$/\1/p' {} + | sort >"$P/have"
		n=$(wc -l <"$P/acked"); miss=$(sort -u "$P/have" | comm -23 "$P/acked" - | wc -l)
		acked=$((acked + n)); lost=$((lost + miss)); twice=$((twice + $(uniq -d "$P/have" | wc -l)))
		[ "$miss" -eq 0 ] || diag "$fs round $r: lost $(sort -u "$P/have" | comm -23 "$P/acked" - | tr '\n' ' ')"
		find "$P/mnt/s" -path '*/new/*' -type f -delete
	done
	umount "$P/mnt"
	diag "$fs: $ROUNDS power cuts, $acked messages acknowledged, $((acked - lost)) of $acked kept, $twice delivered twice"
	[ "$lost" -eq 0 ] && [ "$acked" -gt 0 ]
}
for fs in ext4 xfs; do
	if ! command -v "mkfs.$fs" >/dev/null; then skip 1 "mkfs.$fs is missing"; continue; fi
	rounds $fs; ok $? "$fs: no acknowledged message is lost in $ROUNDS power cuts"
done
done_testing
