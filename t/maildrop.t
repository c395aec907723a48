#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# Local submission while the mail system is down: users put files into maildrop/, without set-uid or set-gid programs, and
# mtaqueue pickup takes them into the queue, believing nothing that they say.
. "$(dirname "$0")/lib.sh"
have_program mta mtaconf mtaqueue sendmail || skip_all "mta, mtaconf, mtaqueue and sendmail are not built"
mail_config services='pickup submit' message_size_limit=1M
Q="mtaqueue -C $CONF"
D=$QUEUE/maildrop
OWNER=$(stat -c %u "$QUEUE/incoming")
if [ "$(id -u)" -eq 0 ] && have_program setpriv; then
	ROOT=1 U=12345
	user() { setpriv --reuid=12345 --regid=12345 --clear-groups "$@"; }
	other() { setpriv --reuid=12346 --regid=12346 --clear-groups "$@"; }
	# pickup leaves root behind by itself
else
	ROOT='' U=$(id -u)
	user() { "$@"; }
fi

# put NAME ENVELOPE-LINES CONTENT [FIRST-LINE]: a queue file in maildrop/, made by the user, with numbers that are right unless given
put() {
	printf '%s\n\n' "$2" >"$T/head"; printf '%s' "$3" >"$T/content"
	h=$(($(wc -c <"$T/head") + 48)) c=$(wc -c <"$T/content")
	{ printf '%s\n' "${4:-$(printf 'mtaq1 %020d %020d' "$h" "$c")}"; cat "$T/head" "$T/content"; } >"$T/made"
	chmod 644 "$T/made"
	user sh -c 'umask 022; cat "$1" >"$2/.w" && mv "$2/.w" "$2/$3"' sh "$T/made" "$D" "$1"
}
GOOD='id 0dZ8LK9g0PQQ85B3x
time 1795178175.019705
sender <a@b.example>
rcpt T <u@example.org>'
TEXT='Subject: x
Message-Id: <mine@b.example>

hello
'
good() { put "$1" "$GOOD" "$TEXT"; }
empty() { find "$D" "$QUEUE/incoming" "$QUEUE/corrupt" -mindepth 1 -delete; : >"$LOG"; }
in_corrupt() { find "$QUEUE/corrupt" -mindepth 1 | wc -l | tr -d ' '; }
taken() { count_files "$QUEUE/incoming"; }

# --- the directory ---

is "$(stat -c '%a %u' "$D")" "3733 $OWNER" "maildrop/ is for all to write, for its owner to list, sticky, and hands its group down"
chmod 0777 "$D"; out=$(mta -C "$CONF" check 2>&1)
like "$out" "maildrop.*mode 2?777, .*mode 3733" "mta check tells when it is not"
mta -C "$CONF" set-permissions >/dev/null 2>&1
is "$(stat -c %a "$D")" 3733 "mta set-permissions puts it right"

# --- a user, while the system is down ---

if [ "$ROOT" ]; then
	printf 'Subject: x\n\nsecret\n' | user sh -c "umask 077; exec sendmail -C $CONF -v -f me@example.org bob@example.org" 2>"$T/err"
	is "$?" 0 "sendmail of a user succeeds while no service runs"
	N=$(sed -n 's/.*waits in maildrop as \([0-9A-Za-z]*\):.*/\1/p' "$T/err")
	ok "$([ -n "$N" ] && [ -f "$D/$N" ]; echo $?)" "and -v tells that it waits, and by what name"
	is "$(taken)" 0 "nothing is in the queue itself"
	is "$(stat -c '%a %u %G' "$D/$N")" "640 12345 $(stat -c %G "$D")" "the file is the user's, for the queue's group to read, whatever the umask"
	other ls "$D" >/dev/null 2>&1; is $? 2 "another user cannot list the directory"
	other cat "$D/$N" >/dev/null 2>&1; is $? 1 "nor read the file, even if he knew its name"
	other rm -f "$D/$N" 2>/dev/null; other mv "$D/$N" "$D/mine" 2>/dev/null; other sh -c ": >>$D/$N" 2>/dev/null
	ok "$([ -f "$D/$N" ]; echo $?)" "nor delete, rename or change it"
	setpriv --reuid="$OWNER" --regid="$(stat -c %g "$QUEUE/incoming")" --clear-groups cat "$D/$N" >/dev/null; ok $? "the queue's owner can read it"
	M=$(printf 'Subject: y\n\nt\n' | user mtaqueue -C "$CONF" add -f me@example.org bob@example.org)
	is "$?$(test -f "$D/$M"; echo $?)" 00 "mtaqueue add of a user puts its message there as well"
	printf 't\n' | user mtaqueue -C "$CONF" add --hold -f me@example.org bob@example.org >/dev/null 2>&1; is $? 77 "but not on hold"
	(printf 'Subject: x\n\n'; head -c 300000 /dev/zero | tr '\0' x | fold -w 70) >"$T/big"
	user sh -c "ulimit -f 1; exec sendmail -C $CONF -f me@example.org bob@example.org" <"$T/big" 2>/dev/null
	is "$?$(find "$D" -type f | wc -l)" 752 "no room for the file: a temporary failure, and nothing is left of it"
else
	good abcdefghijklmnopqrst; good bcdefghijklmnopqrstu
	N=abcdefghijklmnopqrst M=bcdefghijklmnopqrstu
	skip 11 "not root: there is one user"
fi
is "$($Q list --queue maildrop --format '%i %q %u' | sort)" "$(printf '%s maildrop %s\n' "$N" "$U" "$M" "$U" | sort)" "mtaqueue list shows both, and whose they are"
ln -s "$B/mtaqueue" "$T/mailq"; ln -s "$B/mtaqueue" "$T/postsuper"; ln -s "$B/mtaqueue" "$T/postcat"
like "$("$T/mailq" -C "$CONF")" "^$N +[0-9]+ [A-Z][a-z][a-z] [A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8} " "mailq, too"
is "$($Q stat -j | sed -n 's/^{"queue": "maildrop", "messages": \([0-9]*\),.*/\1/p')" 2 "stat counts them"
like "$($Q show "$N")" '^queue: +maildrop$' "show shows one"
like "$("$T/postcat" -C "$CONF" -q "$N")" "^\*\*\* ENVELOPE RECORDS maildrop/$N \*\*\*\$" "and postcat -q"
$Q delete -q "$N"; is "$?$(test -e "$D/$N"; echo $?)" 01 "delete takes one away"
$Q undelete -q "$N"; rc=$?
[ "$ROOT" ] || mv "$QUEUE/hold/$N" "$D/" # without root the user is the queue's owner, whose files go on hold as ever
is "$rc$(test -e "$D/$N"; echo $?)" 00 "undelete brings it back to where it was"
"$T/postsuper" -C "$CONF" -d "$M" 2>"$T/err"; is "$?$(test -e "$D/$M"; echo $?)" 01 "postsuper -d deletes one"

# --- pickup ---

out=$(mta -C "$CONF" -o services=submit check 2>&1)
like "$out" 'warning: there is mail of users in .*maildrop, and services does not name pickup' "mta check warns when nobody will ever take it"
$Q pickup; is $? 0 "mtaqueue pickup"
is "$(taken)$(count_files "$D")" 10 "takes the message into the queue"
f=$(find "$QUEUE/incoming" -type f) ID=${f##*/}
is "$(stat -c '%a %u' "$f")" "600 $OWNER" "as a file of the queue's own"
like "$(cat "$f")" "^from proto=local uid=$U\$" "that says who it was from"
like "$(cat "$f")" "^Received: by mail.example.test \\(.*, from userid $U\\)" "with a Received: field"
like "$(cat "$LOG")" "/pickup\[[0-9]+\]: $ID: uid=$U from=<(me@example.org|a@b.example)> orig_id=$N\$" "the log has the line of pickup"
like "$(cat "$LOG")" "/cleanup\[[0-9]+\]: $ID: message-id=<[^ ]+>\$" "and that of cleanup"

empty
put goodgoodgoodgoodgood "$(printf '%s\n' 'id 0dZ8LK9g0PQQ85B3x' 'time 99.000000' 'sender <a@b.example>' \
	'opt body=8BITMIME transport=discard nexthop=x ret=HDRS envid=QQ314159 made=up' 'from client=localhost[127.0.0.1] auth=root uid=0' \
	'rcpt T <u@example.org> notify=FAILURE orcpt=rfc822;u@example.org made=up')" "$(printf 'Subject: x\n\nno end')"
$Q pickup
f=$(cat "$QUEUE"/incoming/*)
is "$(printf '%s\n' "$f" | sed -n 's/^opt //p')" "body=8BITMIME ret=HDRS envid=QQ314159" "of the options those stay that a user may set"
is "$(printf '%s\n' "$f" | sed -n 's/^from //p')" "proto=local uid=$U" "who it is from says the kernel, not the file"
is "$(printf '%s\n' "$f" | sed -n 's/^rcpt T //p')" "<u@example.org> notify=FAILURE orcpt=rfc822;u@example.org" "of the recipient's options as well"
unlike "$f" '^id 0dZ8LK9g0PQQ85B3x' "the queue ID is a new one"
is "$(tail -c 1 "$QUEUE"/incoming/* | od -An -c | tr -d ' ')" '\n' "the last line gets its end"

# What is no message. Each is tried beside a good one that must get through.
refused() { # NAME-OF-TEST TEXT-OF-LOG
	good zzzzzzzzzzzzzzzzzzzz
	timeout 30 $Q pickup; rc=$?
	is "$rc $(taken) $(in_corrupt) $(find "$D" -mindepth 1 | wc -l | tr -d ' ')" "0 1 1 0" "$1 is moved to corrupt/, what is beside it is taken"
	like "$(cat "$LOG")" "maildrop/.* of user $U: .*$2.*: moved to corrupt/[0-9A-Za-z]{17}\$" "and the log says why"
	empty
}
empty
put bad "$GOOD" "$TEXT" "$(printf 'mtaq1 %020d %020d' 150 99999)"; refused "a truncated message" truncated
put bad "$GOOD" "$TEXT" "$(printf 'mtaq1 %020d %020d' 150 1)"; refused "one that is longer than it says" 'longer than it should be|content does not begin'
user sh -c "echo hello >$D/bad"; refused "text" 'not a queue file'
user sh -c ": >$D/bad"; refused "an empty file" 'not a queue file'
put bad "$(printf '%s\n' "$GOOD" 'rcpt D <v@example.org>')" "$TEXT"; refused "a recipient who is said to be done" 'said to be done'
put bad "$(printf '%s\n' "$GOOD" 'rcpt T <v>')" "$TEXT"; refused "a recipient without a domain" 'no address'
put bad "$(printf '%s\n' "$GOOD" 'rcpt T <v@example..org>')" "$TEXT"; refused "a recipient with a broken domain" 'no address'
put bad "$(printf '%s' "$GOOD" | sed 's/<a@b.example>/<a b@b.example>/')" "$TEXT"; refused "a broken sender" 'no address'
put bad "$(printf '%s\n' "$GOOD" 'opt ret=ALL')" "$TEXT"; refused "an option that is wrong" 'option ret'
put bad "$(printf '%s\n' "$GOOD" 'rcpt T <v@example.org> notify=MAYBE')" "$TEXT"; refused "a notify that is wrong" 'notify'
put bad "$GOOD" "$(head -c 1100000 /dev/zero | tr '\0' x | fold -w 70)"; refused "more than message_size_limit" 'message_size_limit'
user truncate -s 1T "$D/bad"; refused "a sparse file of a terabyte" 'message_size_limit'
put bad "$GOOD" "$(i=0; while [ $i -lt 60 ]; do echo "Received: from a by b"; i=$((i + 1)); done; echo; echo loop)"; refused "a mail loop" 'too many hops'
perl -e 'my $l = join "", "id 0dZ8LK9g0PQQ85B3x\ntime 99.000000\nsender <>\n", (map { "rcpt T <u$_\@example.org>\n" } 0 .. 50000), "\n";
	printf "mtaq1 %020d %020d\n%s%s", 48 + length $l, 2, $l, "t\n"' >"$T/many"; chmod 644 "$T/many"
user sh -c "cat $T/many >$D/bad"; refused "more recipients than a message may have" 'more than 50000 recipients'
user ln -s "$T/many" "$D/bad"; refused "a symbolic link" 'not a regular file'
user mkfifo "$D/bad"; refused "a FIFO" 'not a regular file'
user perl -MIO::Socket::UNIX -e "IO::Socket::UNIX->new(Local => '$D/bad', Listen => 1) or die"; refused "a socket" 'not a regular file'
if [ "$ROOT" ]; then
	good bad; user chmod 0 "$D/bad"; refused "a file that cannot be read" 'Permission denied'
else
	skip 2 "not root: there is one user"
fi
good bad; user ln "$D/bad" "$D/bad2"; good zzzzzzzzzzzzzzzzzzzz; $Q pickup
like "$(cat "$LOG")" 'maildrop/bad2? of user .*more than one link: moved' "hard links are refused"
ok "$([ "$(taken)" -le 2 ] && [ "$(find "$D" -mindepth 1 | wc -l)" -eq 0 ]; echo $?)" "and nothing is left"
empty
printf 'x\n' >"$T/evil"
user sh -c "cp $T/evil \"$D/\$(printf 'a\\033[2Jb')\""; $Q pickup; unlike "$(cat "$LOG")" "$(printf '\033')" "a name with control characters does not get into the log as it is"
empty
user mkdir "$D/dir"; $Q pickup; is "$(find "$D" -mindepth 1 | wc -l | tr -d ' ')" 0 "an empty directory is removed"
user sh -c ": >$D/.tmp.new; : >$D/.tmp.old; touch -d '3 days ago' $D/.tmp.old"; $Q pickup
is "$(ls -A "$D" | tr '\n' ' ')" ".tmp.new .tmp.old " "files that are not finished yet are left alone"

# What cannot be taken now, but later.
empty; good zzzzzzzzzzzzzzzzzzzz
mtaqueue -C "$CONF" -o queue_minfree=900000000000000 pickup; is "$?$(taken)$(count_files "$D")" 7501 "no room in the file system: the message stays, and pickup says that it will have to be tried again"
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do good "aaaaaaaaaaaaaaaaaa$(printf %02d $i)"; done
# shellcheck disable=SC2016 # perl's
user perl -e '$SIG{IO} = "IGNORE"; for (map { sprintf "$ARGV[0]/aaaaaaaaaaaaaaaaaa%02d", $_ } 1 .. 15) { open $f{$_}, "+<", $_; fcntl $f{$_}, 1024, 1 or exit 1 } print "ready $$\n"; close STDOUT; sleep 60' "$D" >"$T/leases" &
if wait_for 10 grep -q ready "$T/leases"; then
	timeout 30 $Q pickup
	is "$?$(taken)$(count_files "$D")$(in_corrupt)" 751150 "a user who keeps the kernel from opening his files for us keeps no others waiting"
	kill "$(sed 's/ready //' "$T/leases")"; sleep 0.2
	$Q pickup; is "$?$(taken)" 016 "his are taken when he lets them go"
else
	skip 2 "no leases on this file system"
fi

# A run that was killed between the queue and maildrop/.
empty; good zzzzzzzzzzzzzzzzzzzz; $Q pickup
ID=$(ls "$QUEUE/incoming"); good "$ID"; $Q pickup
is "$(taken)$(count_files "$D")$(in_corrupt)" 100 "a message that was queued by a run that was then killed is not queued again"
empty; put 0dZDPTgs20smmhMtc "$GOOD" "$TEXT"; $Q pickup
is "$(taken)$(count_files "$D")" 10 "one that was not is"

# --- who may ---

if [ "$ROOT" ]; then
	A='authorized_submit_users=!unknown, static:all'
	empty; printf 't\n' | user sendmail -C "$CONF" -o "$A" -f a@b.example u@example.org 2>"$T/err"; is $? 77 "authorized_submit_users: sendmail refuses a user"
	like "$(cat "$T/err")" 'User unknown\(12345\) is not allowed to submit mail' "in words"
	printf 't\n' | user mtaqueue -C "$CONF" -o "$A" add -f a@b.example u@example.org >/dev/null 2>&1; is $? 77 "so does mtaqueue add"
	good zzzzzzzzzzzzzzzzzzzz; mtaqueue -C "$CONF" -o "$A" pickup; is "$(taken)$(in_corrupt)" 01 "and pickup, whatever program wrote the file"
	empty; good zzzzzzzzzzzzzzzzzzzz; mtaqueue -C "$CONF" -o "authorized_submit_users=nobody, unknown" pickup; is "$(taken)$(in_corrupt)" 10 "a user in the list may"
	chmod 700 "$DIR"; printf 't\n' | user sendmail -C "$CONF" -o "queue_directory=$QUEUE" -f a@b.example u@example.org 2>/dev/null
	ok "$([ $? -ne 0 ]; echo $?)" "a system whose directory is closed to users takes nothing from them"; chmod 755 "$DIR"
else
	skip 6 "not root: there is one user"
fi

# --- the service ---

empty
user sh -c "mkdir $D/dir && : >$D/dir/x"
good zzzzzzzzzzzzzzzzzzzz
one() { [ "$(taken)" -eq "$1" ]; }
mail_start
wait_for 10 one 1; ok $? "the service takes what waited when it starts"
good yyyyyyyyyyyyyyyyyyyy; wait_for 10 one 2; ok $? "and what comes later at once"
ps -o uid= -p "$(cat "$QUEUE/pid/pickup.pid")" | grep -qw "$OWNER"; ok $? "it runs as the queue's owner"
left_reports() { grep -c "maildrop/dir of user .*: left where it is" "$LOG"; }
if [ "$ROOT" ]; then
	mtaconf -C "$CONF" 'authorized_submit_users=!unknown, static:all'; mta -q -C "$CONF" reload; sleep 0.5
	printf 'EHLO me\r\nMAIL FROM:<a@b.example>\r\nQUIT\r\n' | user sendmail -C "$CONF" -o 'authorized_submit_users=static:all' -bs >"$T/out" 2>&1
	like "$(cat "$T/out")" '^550 5\.7\.1 User unknown\(12345\) is not allowed to submit mail' "the submission socket refuses a user whom authorized_submit_users does not name"
	mtaconf -C "$CONF" -X authorized_submit_users; mta -q -C "$CONF" reload; sleep 0.5
	is "$(left_reports)" 1 "a directory that is not empty cannot be moved: it is reported once"
else
	skip 2 "not root: there is one user"
fi

# One user with thousands of files of all kinds, some of which change all the time; another one's message is taken meanwhile.
rm -f "$QUEUE"/incoming/*
chmod 644 "$T/made"
cat >"$T/flood.pl" <<'EOF'
my ($d, $made, $n) = @ARGV; open my $h, "<", $made; my $text = do { local $/; <$h> };
	for (1 .. $n) { open my $f, ">", "$d/.w$_"; print $f $text; close $f; rename "$d/.w$_", "$d/flood$_";
		if ($_ % 3 == 0) { symlink "/etc/passwd", "$d/sym$_"; system "mkfifo", "$d/fifo$_" if $_ % 300 == 0; mkdir "$d/dir$_"; open $f, ">", "$d/dir$_/x" } }
EOF
user perl "$T/flood.pl" "$D" "$T/made" 3000
# shellcheck disable=SC2016 # perl's
user perl -e 'my $end = time + 3; my $d = shift; while (time < $end) { for (1 .. 20) { open my $f, ">", "$d/change$_" or next; print $f "mtaq1 " . rand() x 50; truncate $f, rand 100 } }' "$D" &
PIDS="$PIDS $!"
start=$(date +%s)
if [ "$ROOT" ]; then
	N=$(printf 'Subject: from another\n\nt\n' | other mtaqueue -C "$CONF" add -f me@example.org bob@example.org)
else
	N=xxxxxxxxxxxxxxxxxxxx; user sh -c "cp $T/made $D/.w; mv $D/.w $D/$N"
fi
wait_for 30 grep -q "orig_id=$N\$" "$LOG"; ok $? "another user's message is taken among thousands of things of one user"
diag "after $(($(date +%s) - start)) seconds"
wait_for 60 one 3001; ok $? "and so are all those that are messages"
cpu() { awk '{ print $14 + $15 }' "/proc/$(cat "$QUEUE/pid/pickup.pid")/stat"; }
sleep 4; before=$(cpu); sleep 2
ok "$([ $(($(cpu) - before)) -le 20 ]; echo $?)" "with a thousand directories left that it cannot move, it does not spin"
most=20000; ! grep -q __asan_init "$B/mtaqueue" || most=400000 # AddressSanitizer keeps what was freed
ok "$([ "$(awk '/^VmRSS/ { print $2 }' "/proc/$(cat "$QUEUE/pid/pickup.pid")/status")" -lt "$most" ]; echo $?)" "and it has not grown"
ok "$([ "$(grep -c 'left where it is' "$LOG")" -lt 1000 ]; echo $?)" "nor filled the log"
mail_stop; is $? 0 "it stops when it is told to"
user perl "$T/flood.pl" "$D" "$T/made" 4000
mail_start; start=$(date +%s); mail_stop; is $? 0 "also when it has just begun with much work"
ok "$([ $(($(date +%s) - start)) -le 10 ]; echo $?)" "at once"
done_testing
