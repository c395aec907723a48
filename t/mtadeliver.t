#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtadeliver: by hand and resident, into Maildirs, and what must not hurt it.
. "$(dirname "$0")/lib.sh"
trap 'lib_s=$?; umount "$T/small" 2>/dev/null; (exit $lib_s); lib_cleanup' EXIT
D=$T
cd "$D" || exit 1
exec 2> "$D/stderr"
run() { "$@" > out 2> err; S=$?; }
files() { count_files "$1"; }
# as the user who owns the mailboxes
as() { "$@"; }
ME=$(id -u) GROUP=$(id -g)
if [ "$ME" = 0 ]; then
	ME=65534 GROUP=65534
	as() { setpriv --reuid=65534 --regid=65534 --clear-groups "$@"; }
fi

cat > main.cf <<END
myhostname = mx.example.test
mydestination =
alias_maps =
virtual_alias_maps =
home_mailbox = Maildir/
virtual_mailbox_domains = example.test, any.test
virtual_mailbox_base = $D/mail
virtual_mailbox_maps = texthash:$D/boxes, regexp:$D/any
virtual_minimum_uid = 1
virtual_uid_maps = static:$ME
virtual_gid_maps = static:$GROUP
END
cat > boxes <<END
alice@example.test example.test/alice/
bob@example.test   example.test/bob/
mbox@example.test  example.test/mbox
up@example.test    ../up/
link@example.test  link/box/
END
echo '/^(.*)@any\.test$/ any/$1/' > any
mkdir mail && chown "$ME:$GROUP" mail
printf 'From: a@example.org\nSubject: hello\n\nbody\nlast line\n' > msg
A=mail/example.test/alice
deliver() { run "$B/mtadeliver" -C "$D" "$@"; }

# by hand
deliver -f a@example.org alice@example.test < msg
is "$S $(cat out)" "0 sent 2.0.0 <alice@example.test> relay=virtual delivered to maildir" "a message by hand is delivered"
is "$(cd $A && echo *)" "cur new tmp" "the Maildir was made"
is "$(stat -c '%a %u' $A $A/new $A/tmp | sort -u)" "700 $ME" "with mode 0700, for its owner"
F=$(ls $A/new/*)
is "$(stat -c '%a %u' "$F")" "600 $ME" "the message has mode 0600"
{ printf 'Return-Path: <a@example.org>\nX-Original-To: alice@example.test\nDelivered-To: alice@example.test\n'; cat msg; } > want
cmp -s "$F" want; ok $? "it is the message, after Return-Path, X-Original-To and Delivered-To"
is "${F##*,S=}" "$(wc -c < want),W=$(sed 's/$/\r/' want | wc -c)" "its name tells its size, with LF and with CRLF"
is "$(files $A/tmp)" 0 "nothing is left in tmp"
rm "$F"
deliver -f '' alice@example.test bob@example.test < msg
is "$S $(grep -c ^sent out)" "0 2" "two recipients"
is "$(sed -sn 's/^Delivered-To: //p;1s/.*: //p' mail/example.test/*/new/* | tr '\n' ' ')" \
	"<> alice@example.test <> bob@example.test " "each gets a copy of its own, here with the null sender"
deliver -f a@example.org nobody@example.test < msg
is "$S $(cut -d" " -f1-3 out)" "67 bounced 5.1.1 <nobody@example.test>" "an unknown recipient is bounced: EX_NOUSER"
deliver -f a@example.org nobody@example.test mbox@example.test alice@example.test < msg
is "$S $(cut -d' ' -f1,2 out | tr '\n' ' ')" "75 bounced 5.1.1 deferred 4.3.5 sent 2.0.0 " "mixed results: EX_TEMPFAIL"
deliver -f a@example.org x@elsewhere.test < msg
is "$S $(cut -d' ' -f1,2 out)" "75 deferred 4.3.5" "a recipient without mailbox here is deferred, not bounced"
{ echo 'Subject: x'; cat $A/new/*; } 2> /dev/null | head -8 > again
deliver -f a@example.org Alice@Example.Test < again
is "$S $(cut -d' ' -f1,2 out)" "69 bounced 5.4.6" "a message that was delivered to the recipient before is a loop"
printf 'Subject: x\n\nDelivered-To: alice@example.test\n' > msg2
deliver -f a@example.org alice@example.test < msg2
is $S 0 "Delivered-To in the body is no loop"
deliver -f a@example.org -o body=8BITMIME -o virtual_mailbox_base=$D/missing alice@example.test < msg
is "$S $(cut -d' ' -f1,2 out) $(ls missing 2>&1 | wc -l)" "75 deferred 4.2.0 1" "a base directory that is missing is not made: deferred"
deliver alice@example.test < msg
is "$S $(grep -c usage err)" "64 1" "no sender: usage, EX_USAGE"
deliver -f a@example.org < msg
is $S 64 "no recipient: EX_USAGE"
deliver -f "a@example.org
Delivered-To: x" alice@example.test < msg
is "$S $(cat out)" "64 " "a line feed in an address is refused"
deliver -V
is "$(cut -d' ' -f1,2 out)" "mtadeliver (mtakit)" "-V"

# content
rm -f $A/new/*
{ printf 'Subject: big\n\n'; head -c 4000000 /dev/urandom | od -An -tx1; printf 'no line end'; } > big
deliver -f a@example.org alice@example.test < big
tail -n +4 $A/new/* | cmp -s - big; ok $? "a message of $(wc -c < big) bytes arrives byte for byte"
F=$(ls $A/new/*)
is "${F##*,W=}" "$(($(wc -c < "$F") + $(wc -l < "$F")))" "its size with CRLF is right"
rm -f $A/new/*
# shellcheck disable=SC2002 # a pipe is the point
cat big | deliver -f a@example.org alice@example.test
tail -n +4 $A/new/* | cmp -s - big; ok $? "also from a pipe"
rm -f $A/new/*
printf 'Subject: \000\351\r\n\r\nbin\000ary\r\n\r' > odd
deliver -f a@example.org alice@example.test < odd
tail -n +4 $A/new/* | cmp -s - odd; ok $? "NUL, CR and 8-bit bytes are kept"
rm -f $A/new/*
: > empty
deliver -f a@example.org alice@example.test < empty
is "$S $(cat $A/new/* | wc -l)" "0 3" "an empty message"

# names
for L in ../../up a/../../up .. ; do
	deliver -f a@example.org -- "$L@any.test" < msg
	is "$(cut -d' ' -f1,2 out) $(ls up 2>/dev/null)" "bounced 5.1.3 " "local part $L cannot leave the base"
done
deliver -f a@example.org -- -x@any.test < msg
is "$S $(files mail/any/-x/new)" "0 1" "local part -x is a name like any other"
deliver -f a@example.org "$(printf '%0300d' 1)@any.test" < msg
is "$S $(cut -d' ' -f1,2 out)" "69 bounced 5.1.3" "a local part of 300 bytes is bounced"
deliver -f '"$(touch pwned)`touch pwned`"@example.org' '"$(touch pwned);touch pwned"@any.test' < msg
is "$(ls pwned 2>/dev/null)" "" "no address reaches a shell"
deliver -f a@example.org up@example.test < msg
is "$(cut -d' ' -f1,2 out) $(ls up 2>/dev/null)" "deferred 4.3.5 " "a table whose value leads out of the base: deferred"

# symbolic links
mkdir target && chown "$ME:$GROUP" target
as ln -s "$D/target" mail/link
deliver -f a@example.org link@example.test < msg
is "$S $(find target | wc -l)" "75 1" "a path with a symbolic link below the base is not followed"
if as test -x "$B/mtadeliver" && as test -x "$B/t/agentjob"; then
	as rm mail/link
	as sh -c 'while [ -d "$1" ]; do mkdir mail/link 2>/dev/null; mv mail/link mail/l2 2>/dev/null; ln -s "$1" mail/link; rm mail/link; rm -rf mail/l2; done' \
		sh "$D/target" 2> /dev/null &
	RACE=$!
	for I in 1 2 3 4 5 6 7 8 9 10; do
		as "$B/t/agentjob" -n 50 -f a@example.org -S 'transport=virtual mailbox=link/box/' -r link@example.test \
			"$B/mtadeliver" -C "$D" -b < msg > out 2> err
	done
	FOUND=$(find target | wc -l)
	rmdir target 2> /dev/null; wait $RACE
	is "$FOUND" 1 "nor one that is swapped in while deliveries run (500 times)"

	# resident
	resident() { run as "$B/t/agentjob" -f a@example.org "$@" "$B/mtadeliver" -C "$D" -b; }
	rm -rf mail/*
	resident -n 3 -S 'transport=virtual mailbox=example.test/alice/' -r alice@example.test < msg
	is "$S $(grep -c ^sent out) $(files $A/new)" "0 3 3" "resident: three jobs, three messages"
	resident -S 'transport=local user=joe home='"$D/mail" -r joe@local.test -r joe+x@local.test < msg
	is "$(grep -c '^sent 2.0.0 .* relay=local ' out) $(files mail/Maildir/new)" "2 2" "a local user: Maildir/ in the home directory"
	run as "$B/t/agentjob" -f a@example.org -S "transport=local user=joe home=$D/mail" -r joe@local.test \
		"$B/mtadeliver" -C "$D" -o home_mailbox= -b < msg
	is "$(cut -d' ' -f1,2 out | head -1)" "deferred 4.3.5" "home_mailbox empty, an mbox: deferred with the reason"
	resident -r alice@example.test < msg
	is "$(cut -d' ' -f1 out | head -1) $(files $A/new)" "sent 4" "a job that does not tell the mailbox: found in the tables"
	resident -S 'mailbox=a/' -p orig=list+40example.test -r alice@example.test < msg
	is "$(grep -h X-Original-To mail/a/new/*)" "X-Original-To: list@example.test" "X-Original-To is the address before expansion"
	as "$B/t/agentjob" -n 12 -w 100 -f a@example.org -S 'mailbox=gone/' -r alice@example.test \
		"$B/mtadeliver" -C "$D" -b < msg > out &
	JOB=$!
	sleep 0.3; as mv mail/gone mail/gone.1; while ! as rm -rf mail/gone.1 2> /dev/null; do :; done; wait $JOB
	is "$(grep -c ^sent out) $(files mail/gone)" "12 $(files mail/gone)" "a mailbox removed under a resident agent is made again"
	[ "$(files mail/gone/new)" -gt 4 ]; ok $? "and gets the later messages"
	run as sh -c 'ulimit -n 24; exec "$@"' sh "$B/t/agentjob" -n 300 -q -f a@example.org -S mailbox=a/ -r alice@example.test -r bob@example.test \
		"$B/mtadeliver" -C "$D" -b < msg
	is "$(grep -c ^sent out)" 2 "600 deliveries leave no descriptor open"
	run as sh -c 'ulimit -n 14; exec "$@"' sh "$B/t/agentjob" -f a@example.org -p mailbox=b/c/d/ -r alice@example.test \
		"$B/mtadeliver" -C "$D" -b < msg
	is "$(head -1 out | cut -d' ' -f1)" sent "a mailbox is opened with few descriptors"

	# limits of space
	rm -rf mail/*
	run as sh -c 'ulimit -f 8; exec "$@"' sh "$B/t/agentjob" -f a@example.org -S mailbox=a/ -r alice@example.test "$B/mtadeliver" -C "$D" -b < big
	is "$(head -1 out | cut -d' ' -f1,2) $(files mail)" "deferred 4.2.2 0" "a file size limit: deferred, nothing is left"
	if mkdir small && mount -t tmpfs -o size=128k,mode=1777 tmpfs small 2> /dev/null; then
		run as "$B/t/agentjob" -f a@example.org -S mailbox=a/ -r alice@example.test "$B/mtadeliver" -C "$D" -o "virtual_mailbox_base=$D/small" -b < big
		is "$(head -1 out | cut -d' ' -f1,2) $(files small)" "deferred 4.3.1 0" "a full file system: deferred, nothing is left"
		run as "$B/t/agentjob" -n 60 -f a@example.org -S mailbox=a/ -r alice@example.test "$B/mtadeliver" -C "$D" -o "virtual_mailbox_base=$D/small" -b < msg
		is "$(grep -c ^sent out)" "$(files small/a/new)" "a file system that fills up: as many messages as were told sent"
		is "$(find small/a/new -type f -size -100c | wc -l)" 0 "each of them whole"
		umount small
	else
		skip 1 "no right to mount a tmpfs"
	fi

	# killed at each system call that matters
	if command -v strace > /dev/null && as strace -qq -o /dev/null true 2> /dev/null; then
		BAD=
		for CALL in openat:1 pread64:1 writev:1 linkat:1 fsync:1 close:6 close:8 sendto:1 openat:12 openat:16 mkdirat:1 mkdirat:3; do
			rm -rf mail/*
			as "$B/t/agentjob" -f a@example.org -S mailbox=a/ -r alice@example.test strace -qq -o /dev/null \
				-e "inject=${CALL%:*}:signal=SIGKILL:when=${CALL#*:}" "$B/mtadeliver" -C "$D" -b < msg > out 2> err
			for F in mail/a/new/*; do
				[ ! -e "$F" ] || tail -n +4 "$F" | cmp -s - msg || BAD="$BAD $CALL"
			done
			[ "$(files mail/a/tmp)" = 0 ] || BAD="$BAD tmp:$CALL"
			grep -q ^sent out && [ "$(files mail/a/new)" != 1 ] && BAD="$BAD lost:$CALL"
		done
		is "$BAD" "" "killed at any system call: a whole message in new/, or none"
		BAD=
		for CALL in openat writev linkat fsync; do for E in EIO ENOSPC EDQUOT ENOMEM EMFILE; do
			rm -rf mail/*
			as mkdir -p mail/a/new mail/a/tmp mail/a/cur
			as "$B/t/agentjob" -f a@example.org -S mailbox=a/ -r alice@example.test strace -qq -o /dev/null \
				-P "$D/mail/a/new" -P "$D/mail/a/tmp" -e "inject=$CALL:error=$E:when=1+" "$B/mtadeliver" -C "$D" -b < msg > out 2> err
			FOUND=$(head -1 out | cut -d' ' -f1)-$(files mail)
			[ "$FOUND" = deferred-0 ] || [ "$FOUND" = sent-1 ] || BAD="$BAD $CALL:$E:$FOUND"
		done; done
		is "$BAD" "" "an error of any of them: deferred and nothing left, or sent and there"
		rm -rf mail/*
		as "$B/t/agentjob" -f a@example.org -S mailbox=a/ -r alice@example.test strace -qq -o /dev/null \
			-e inject=fsync:error=EIO:when=4 "$B/mtadeliver" -C "$D" -b < msg > out 2> err
		is "$(head -1 out | cut -d' ' -f1) $(files mail/a/new)" "deferred 0" "a failed fsync: deferred, the file is taken back"
	else
		skip 1 "strace cannot be used here"
	fi
else
	skip 1 "the build directory is not accessible to the mailboxes' owner"
fi
if [ "$(id -u)" = 0 ]; then
	deliver -o virtual_uid_maps=static:0 -f a@example.org alice@example.test < msg
	is "$(cut -d' ' -f1,2 out)" "deferred 4.3.0" "a mailbox that belongs to root is refused"
	mkdir -p closed && chmod 700 closed
	deliver -o virtual_mailbox_base="$PWD/closed" -o virtual_uid_maps=static:12345 -o virtual_gid_maps=static:12345 -f a@example.org alice@example.test < msg
	like "$(cat out)" "^deferred 4.*open or create maildir .*: Permission denied \(as uid 12345\)" "a directory that is closed: deferred, and told whose rights did not do"
fi
done_testing
