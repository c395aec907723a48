#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# A file system that is full, out of inodes, or read-only under a running system: mail is refused for now, nothing is left in
# part, nothing that is there is harmed, and all goes on once there is room again. On tmpfs, and on ext4 where loop devices are.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" -eq 0 ] || skip_all 'needs root to mount small file systems'
mkdir "$T/mnt" && mount -t tmpfs -o size=1m tmpfs "$T/mnt" 2>/dev/null || skip_all 'cannot mount a file system here'
umount "$T/mnt"
mounted() { grep -qF " $T/mnt " /proc/mounts; }
unmount() { n=0; while mounted && ! umount "$T/mnt" 2>/dev/null; do n=$((n + 1)); [ $n -lt 50 ] || { umount -l "$T/mnt"; break; }; sleep 0.1; done; }
trap 'for d in $SYSTEMS; do mta -q -C "$d" abort 2>/dev/null; done; unmount; lib_cleanup' EXIT
awk 'BEGIN { print "Subject: large\n"; for (i = 0; i < 4000; i++) print "a line of a message that is larger than the room that is left on the disk" }' >"$T/large"
printf 'Subject: small\nX-Number: <7>\n\nBEGIN 7\nEND 7\n' >"$T/small"
cat >"$T/send.pl" <<'END'
use IO::Socket::INET; my ($port, $to, $file) = @ARGV; open my $f, '<', $file or die; my $t = do { local $/; <$f> }; $t =~ s/\n/\r\n/g;
my $s = IO::Socket::INET->new("127.0.0.1:$port") or die "connect: $!"; my @r; $SIG{PIPE} = 'IGNORE';
sub r { my $l; do { $l = <$s> // return 'closed' } while $l =~ /^\d\d\d-/; return $l } r();
for ("EHLO x", "MAIL FROM:<>", "RCPT TO:<$to>", "DATA") { print $s "$_\r\n"; $l = r(); if ($l !~ /^[23]/) { print $l; exit } }
print $s "$t.\r\n"; print r();
END
smtp() { perl "$T/send.pl" "$SMTP_PORT" "$USER_ADDR" "$1" 2>&1 | tr -d '\r'; }
add() { mtaqueue -C "$CONF" add -f '' "$USER_ADDR" <"$1" >"$T/added" 2>"$T/why"; }
queued() { find "$QUEUE/incoming" "$QUEUE/active" "$QUEUE/deferred" "$QUEUE/hold" -type f | wc -l | tr -d ' '; }
leftovers() { find "$QUEUE/tmp" -type f | wc -l | tr -d ' '; }
# A whole system on a file system of 3 MB (its log stands elsewhere); "mail": its mailboxes alone.
small_system() { # tmpfs|ext4 all|mail [number of inodes]
	case $1 in
	tmpfs) mount -t tmpfs -o "size=3m,mode=755${3:+,nr_inodes=$3}" tmpfs "$T/mnt" ;;
	ext4) rm -f "$T/img"; truncate -s 3M "$T/img"; mkfs.ext4 -q -b 1024 -m 0 ${3:+-N "$3"} "$T/img" 2>/dev/null && mount -o loop,errors=remount-ro "$T/img" "$T/mnt" ;;
	esac || return 1
	chmod 755 "$T/mnt"; : >"$T/log"; chmod 666 "$T/log"
	DIR=$T/$1$2$3; [ "$2" = mail ] || DIR=$T/mnt/s
	CONF=$DIR QUEUE=$DIR/queue
	# notify_classes: postmaster would be told of the 4xx replies, in the mailbox whose messages are counted
	mtaconf -j init "$DIR" notify_classes= queue_minfree=0 minimal_backoff_time=1s maximal_backoff_time=1s queue_run_delay=1s transport_retry_time=1s \
		"maillog_file=$T/log" "services=qmgr smtp" default_transport=retry:later >"$T/init" || return 1
	SMTP_PORT=$(lib_json smtp_port "$T/init") USER_ADDR=$(lib_json user "$T/init") MAILDIR=$(lib_json maildir "$T/init")
	if [ "$2" = mail ]; then
		mkdir "$T/mnt/mail" && chown "$(stat -c %U:%G "$QUEUE/incoming")" "$T/mnt/mail"
		mtaconf -C "$CONF" -e "virtual_mailbox_base=$T/mnt/mail" >/dev/null || return 1
		MAILDIR=$T/mnt/mail/${MAILDIR#"$DIR/mail/"}
	fi
	SYSTEMS="$SYSTEMS $DIR"
	mta -q -C "$DIR" start || return 1
	add "$T/small" && wait_for 10 arrived 1
}
end_system() { mta -q -C "$DIR" stop; end_status=$?; SYSTEMS=; unmount; return $end_status; }
fill_up() { sync "$T/mnt"; for b in 64k 1k 1; do dd if=/dev/zero bs=$b count=3000 >>"$T/mnt/fill" 2>/dev/null; done; sync "$T/mnt"; }
fill_inodes() { mkdir -p "$T/mnt/f"; perl -e 'my $i = 0; while (open my $f, ">", "$ARGV[0]/" . $i++) { close $f }' "$T/mnt/f"; }
room() { rm -rf "$T/mnt/fill" "$T/mnt/f"; sync "$T/mnt"; }
arrived() { [ "$(count_files "$MAILDIR/new")" -ge "$1" ]; }
empty() { [ "$(queued)" -eq 0 ]; }
quiet() { a=$(wc -l <"$T/log"); sleep 1.5; b=$(wc -l <"$T/log"); lines=$((b - a)); [ $lines -lt 60 ]; }
manager_cpu() { pgrep -f "mtaqmgr -C $DIR" | while read -r p; do awk '{ print $14 + $15 }' "/proc/$p/stat" 2>/dev/null; done | awk '{ s += $1 } END { print s + 0 }'; }
whole() { perl "${0%/*}/lib/numbers.pl" "$MAILDIR/new" | grep -c '^partial'; }
# old mail that waits in the queue, and must come through all of it
put_old() { mtaqueue -C "$CONF" add --hold -f '' "$USER_ADDR" <"$T/small" >"$T/old" 2>/dev/null || { add "$T/small"; mtaqueue -C "$CONF" hold "$(cat "$T/added")" >/dev/null; cp "$T/added" "$T/old"; }; old=$(cat "$T/old"); cp "$QUEUE/hold/$old" "$T/old.copy"; }

# refused WHAT: nothing can be added now, by any way, and nothing stays of it
refused() {
	add "$T/$2"; is $? 75 "$1: mtaqueue add says: try again later (exit 75)"
	like "$(cat "$T/why")" 'No space left|Read-only|too little room' "$1: and why"
	sendmail -C "$CONF" "$USER_ADDR" <"$T/$2" >"$T/out" 2>&1; is $? 75 "$1: sendmail, too"
	like "$(smtp "$T/$2")" '^4[35]2|^451' "$1: SMTP answers 4xx"
	is "$(queued) $(leftovers)" "${3:-1} 0" "$1: nothing is left of it in the queue"
	same "$QUEUE/hold/$old" "$T/old.copy" "$1: what is in the queue is as it was"
}
goes_on() {
	add "$T/small"; ok $? "$1: afterwards mail is accepted"
	mtaqueue -C "$CONF" release "$old" >/dev/null; n=$(($2 + 2))
	wait_for 15 arrived "$n"; ok $? "$1: and delivered, with what waited" || diag "$(tail -5 "$T/log")"
	is "$(whole)" 0 "$1: whole"
	wait_for 15 empty; ok $? "$1: the queue is empty in the end" || diag "$(find "$QUEUE" -type f; tail -5 "$T/log")"
	end_system
}
kinds=tmpfs; have_program mkfs.ext4 losetup && losetup -f >/dev/null 2>&1 && kinds="tmpfs ext4"
for fs in $kinds; do
	# --- no room ---
	small_system $fs all || { fail "$fs: a system on it"; diag "$(cat "$T/log")"; unmount; continue; }
	put_old
	fill_up; refused "$fs full" large; room
	goes_on "$fs full" 1
	# --- no inodes ---
	small_system $fs all 200 || { fail "$fs: a system on it"; unmount; continue; }
	put_old
	fill_inodes; refused "$fs without inodes" small; room
	goes_on "$fs without inodes" 1
	# --- no room in the mailboxes ---
	small_system $fs mail || { fail "$fs: a system on it"; unmount; continue; }
	fill_up
	for i in 1 2 3; do add "$T/large"; done
	waits() { [ "$(find "$QUEUE/deferred" -type f | wc -l)" -eq 3 ]; }
	wait_for 10 waits; ok $? "$fs, mailboxes full: mail waits in deferred/" || diag "$(tail -3 "$T/log")"
	is "$(count_files "$MAILDIR/new") $(count_files "$MAILDIR/tmp")" '1 0' "$fs, mailboxes full: no part of it is in the mailbox"
	like "$(grep -h 'status=deferred' "$T/log" | tail -1)" 'dsn=4\.[23]\..*(No space left|full)' "$fs, mailboxes full: the log says why"
	room; wait_for 15 arrived 4; ok $? "$fs, mailboxes full: with room again it is delivered" || diag "$(tail -3 "$T/log")"
	wait_for 15 empty; is "$(count_files "$MAILDIR/new")" 4 "$fs, mailboxes full: once each"
	end_system
	[ $fs = ext4 ] || continue
	# --- read-only, as ext4 makes itself when it finds an error, under open files ---
	small_system $fs all || { fail "$fs: a system on it"; unmount; continue; }
	put_old
	# and one that is tried each second
	waiting=$(mtaqueue -C "$CONF" add -f '' x@elsewhere.test <"$T/small"); wait_for 5 test -e "$QUEUE/deferred/$waiting"
	device=$(awk -v m="$T/mnt" '$2 == m { sub(".*/", "", $1); print $1 }' /proc/mounts)
	if echo test 2>/dev/null >"/sys/fs/ext4/$device/trigger_fs_error" && ! touch "$T/mnt/try" 2>/dev/null; then
		cpu=$(manager_cpu); refused "$fs read-only" small 2
		quiet; ok $? "$fs read-only: the log is not flooded ($lines lines in 1.5 s)"
		cpu=$(($(manager_cpu) - cpu)); [ $cpu -lt 50 ]; ok $? "$fs read-only: the manager does not spin ($cpu/100 s of CPU)"
		end_system; ok $? "$fs read-only: the system can be stopped"
		mount -o loop "$T/img" "$T/mnt"; SYSTEMS="$SYSTEMS $DIR"
		mta -q -C "$DIR" start; ok $? "$fs read-only: and started when the disk is well again"
		mtaqueue -C "$CONF" delete --now "$waiting" >/dev/null; ok $? "$fs read-only: what waited is still there"
		goes_on "$fs read-only" 1
	else
		skip 15 'ext4 of this kernel cannot be made to find an error'; end_system
	fi
done
done_testing
