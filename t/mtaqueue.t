#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# mtaqueue(1): what an administrator does with the queue while no daemon runs.
. "$(dirname "$0")/lib.sh"
mkdir -p "$T/queue"
for d in incoming active deferred hold corrupt tmp defer; do mkdir -m 700 "$T/queue/$d"; done
QUEUE=$T/queue
cat >"$T/main.cf" <<EOF
queue_directory = $QUEUE
maillog_file = $T/log
myhostname = mail.example.test
myorigin = example.test
message_size_limit = 5M
EOF
Q="mtaqueue -C $T"
has() { [ -e "$QUEUE/$1/$2" ]; }
# now: the queues that hold ID
where() { (cd "$QUEUE" && for w in incoming active deferred hold corrupt trash; do [ -e "$w/$1" ] && printf '%s ' "$w"; done); }

is "$($Q list)" "The queue is empty." "an empty queue says so"

# --- add ---

A=$(printf 'Subject: one\n\nbody\r\nlast' | $Q add -f alice@example.com bob@example.org 'Carol <carol@example.net>, dave')
is "$?$(where "$A")" "0incoming " "add prints the ID of a message that stands in incoming/"
like "$A" '^[0-9B-Zb-z]{17}$' "an ID is 17 letters and digits"
is "$(sed -n 's/^rcpt T <\(.*\)>$/\1/p' "$QUEUE/incoming/$A" | tr '\n' ' ')" "bob@example.org carol@example.net dave@example.test " "recipients"
is "$($Q show --message "$A")" "$(printf 'Subject: one\n\nbody\nlast')" "the content is as it was given, with LF line ends"
first=$(head -1 "$QUEUE/incoming/$A")
is "$(printf '%s\n' "$first" | awk '{ print $2 + $3 }')" "$(wc -c <"$QUEUE/incoming/$A" | tr -d ' ')" "the first line accounts for every byte"
is "$(stat -c %a "$QUEUE/incoming/$A")" 600 "nobody else can read it"
B2=$(printf 'From: Boss <boss@example.com>\nTo: x@example.org, y@example.org\nBcc: secret@example.org\nMessage-ID:\n <two@example.com>\nSubject: two\n\nt\n' | $Q add -t)
is "$(sed -n 's/^sender //p' "$QUEUE/incoming/$B2")" "<boss@example.com>" "-t takes the sender from the header"
is "$(grep -c '^rcpt' "$QUEUE/incoming/$B2")" 3 "and the recipients"
unlike "$($Q show --message "$B2")" 'secret' "without telling of the blind copy"
C=$(printf 'x\n' | $Q add --hold '<>' postmaster)
is "$(where "$C")" "hold " "add --hold"
is "$(sed -n 's/^sender //p' "$QUEUE/hold/$C")" "<>" "the null sender"
like "$(cat "$T/log")" "mta/pickup\\[[0-9]+\\]: $A: uid=$(id -u) from=<alice@example.com>" "each is logged"
like "$(cat "$T/log")" "mta/cleanup\\[[0-9]+\\]: $B2: message-id=<two@example.com>" "with its Message-ID, so that trace finds it"
$Q add -f alice@example.com </dev/null >/dev/null 2>&1; is $? 64 "add without recipients is a usage error"
$Q add alice@example.com 'bob@' </dev/null >/dev/null 2>"$T/err"; is $? 64 "add with a bad address, too"
head -c 6000000 /dev/zero | $Q add a@example.com b@example.com >/dev/null 2>"$T/err"; is $? 65 "add refuses more than message_size_limit"
head -c 3000000 /dev/urandom | base64 >"$T/big"
D=$($Q add big@example.com huge@example.net <"$T/big")
$Q show --message "$D" >"$T/out"
same "$T/out" "$T/big" "four megabytes go in and come out byte for byte"
is "$(count_files "$QUEUE/incoming")$(count_files "$QUEUE/tmp")" 30 "what was refused has left nothing"

# --- list ---

mv "$QUEUE/incoming/$B2" "$QUEUE/deferred/"
touch -d '+1 hour' "$QUEUE/deferred/$B2"
now=$(date +%s)
printf '%s 4.4.1 <x@example.org> connect to mx.example.org[192.0.2.1]:25: Connection timed out\n%s 4.2.2 <y@example.org> host said: 452 4.2.2 mailbox \033[31mfull \302\2332J\n' "$now" "$now" >"$QUEUE/defer/$B2"
out=$($Q list)
like "$out" '^ID +QUEUE +AGE +SIZE +NEXT +SENDER' "list has headings"
like "$out" "^$B2  deferred +[0-9]+s +[0-9]+ +(59m|60m) +boss@example.com\$" "a line a message: ID, queue, age, size, next try, sender"
like "$out" '^ +x@example.org: 4.4.1 connect to mx.example.org' "and what each recipient waits for"
unlike "$out" "$(printf '\033')" "no control characters"
like "$out" '^-- 4 messages, 3\.9M bytes$' "the total at the end"
is "$($Q list -j | wc -l | tr -d ' ')" 4 "-j: a line a message"
grep -v '<x@' "$QUEUE/defer/$B2" >"$T/y"; grep '<x@' "$QUEUE/defer/$B2" >"$QUEUE/defer/$B2.old"; mv "$QUEUE/defer/$B2" "$T/both"; mv "$T/y" "$QUEUE/defer/$B2"; chown "$(stat -c %u "$QUEUE/defer")" "$QUEUE/defer/$B2"
is "$($Q list "$B2" | grep -Ec '^ +[xy]@example.org: 4\.')$($Q show "$B2" | grep -c '^attempt:')" 22 "reasons that were moved to ID.old count as well"
rm -f "$QUEUE/defer/$B2.old"; mv "$T/both" "$QUEUE/defer/$B2"
if touch -a -d '2001-01-01' "$QUEUE/deferred/$B2"; then
	$Q list >/dev/null; is "$(stat -c %X "$QUEUE/deferred/$B2")" "$(date -d 2001-01-01 +%s)" "looking through the queue writes no inodes (the time of the last access stays)"
fi
is "$($Q list -j | grep -c '\\u001b\[31mfull \\u009b2J')$($Q list -j | LC_ALL=C grep -c "$(printf '\302\233')")" 10 "-j escapes the control characters of both kinds"
if have_program jq; then
	is "$($Q list -j | jq -r 'select(.queue_name == "deferred") | .queue_id + " " + .sender + " " + .recipients[0].address + " " + .recipients[0].delay_reason')" \
		"$B2 boss@example.com x@example.org connect to mx.example.org[192.0.2.1]:25: Connection timed out" "jq reads it, with postqueue's names"
else
	skip 1 "jq is not installed"
fi
is "$($Q list --sort age --format '%i %q %s %f %R')" "$(printf '%s incoming 24 alice@example.com 3\n%s deferred %s boss@example.com 3\n%s hold 2 <> 1\n%s incoming %s big@example.com 1' \
	"$A" "$B2" "$(sed -n '1s/.* 0*//p' "$QUEUE/deferred/$B2")" "$C" "$D" "$(wc -c <"$T/big" | tr -d ' ')")" "--format and --sort age"
is "$($Q list --sort size --reverse --limit 1 --format %i)" "$D" "the largest one"
$Q list | head -1 >/dev/null; ok $? "list | head"

# --- selection ---

sel() { $Q list --sort age --format %i "$@" 2>/dev/null | tr '\n' ' '; }
is "$(sel --from 'alice@*')" "$A " "--from with a pattern"
is "$(sel --from '<>')" "$C " "--from <>"
is "$(sel --from 'alice@*' --from 'BOSS@*')" "$A $B2 " "two of a kind mean or; letters of either case"
is "$(sel --from 'alice@*' --to 'x@*')" "" "different kinds mean and"
is "$(sel --to 'huge@example.net')" "$D " "--to"
is "$(sel --domain 'example.org')" "$A $B2 " "--domain"
is "$(sel --reason 'timed out')" "$B2 " "--reason, a part of the text"
is "$(sel --reason '4.2.*')" "$B2 " "--reason, a status code"
is "$(sel --size '>1M')" "$D " "--size"
is "$(sel --size '<=2')" "$C " "--size, the other way"
is "$(sel --age '>1h')" "" "--age"
is "$(sel --age '<1h' --queue hold,deferred)" "$B2 $C " "--queue"
is "$(sel --size '>20' --size '<1k')" "$A $B2 " "two bounds are a range"
is "$(sel --size '<10' --size '>1M')" "$C $D " "unless nothing can lie between them: then one or the other"
is "$(sel --size '=2' --size '= 24')" "$A $C " "several sizes, blanks or not"
is "$($Q hold -n --queue all --limit 1 --sort age --reverse | head -1)" "would hold $D" "queues that a verb does not work on do not count for --limit"
$Q release -n --queue deferred >/dev/null 2>"$T/err"; is $? 66 "a verb for other queues than those named has nothing to do"
like "$(cat "$T/err")" "release is not for messages that are there" "and says so"
is "$(sel --uid "$(id -u)" --uid nobody --limit 2)" "$A $B2 " "--uid and --limit"
is "$(sel --uid "$(id -un)" | wc -w | tr -d ' ')" 4 "--uid by name"
out=$("$B/mtaqueue" -C "$T" list --uid nosuchuser 2>&1); is $? 64 "--uid with a name that nobody has is a usage error"
like "$out" '--uid: no user "nosuchuser"' "which says so"
is "$(sel "$A" "$C")" "$A $C " "IDs"
is "$($Q list --format %i --from 'a*' | $Q list --format %f -)" "alice@example.com" "- takes IDs from standard input"
$Q flush - </dev/null >/dev/null; is $? 66 "- with nothing on standard input is nothing, not everything"
is "$($Q list -j - </dev/null)" "" "for list too"
$Q list --from nobody@nowhere >/dev/null; is $? 66 "nothing matches: EX_NOINPUT"
$Q list NOSUCHID1 >/dev/null 2>"$T/err"; is "$?$(cat "$T/err")" "66mtaqueue: NOSUCHID1: not in the queue" "an ID that is not there"
for bad in '--age x' '--size 1z' '--queue lost' '--sort colour' '--frm a' '--limit 0' '../etc/passwd'; do
	$Q list $bad >/dev/null 2>&1; is $? 64 "list $bad: a usage error"
done

# --- verbs ---

is "$($Q hold -n --sort age --domain example.net)" "$(printf 'would hold %s\nwould hold %s\nwould hold 2 messages' "$A" "$D")" "-n tells what would be done"
is "$(where "$A")" "incoming " "and does nothing"
is "$($Q hold --from 'alice@*')" "$(printf 'held %s\nheld 1 message' "$A")" "hold"
is "$(where "$A")" "hold " "it is on hold"
is "$($Q release "$A" | tail -1)" "released 1 message" "release"
is "$(where "$A")" "incoming " "it is back"
$Q release "$A" >/dev/null 2>"$T/err"; is "$?" 69 "releasing what is not on hold fails"
like "$(cat "$T/err")" "$A: is in incoming" "and says where it is"
mv "$QUEUE/incoming/$A" "$QUEUE/active/"
$Q hold "$A" >/dev/null; is "$(where "$A")" "hold " "hold takes a message out of active/ too"
$Q release -q "$A"
is "$($Q flush)" "$(printf 'flushed %s\nflushed 1 message' "$B2")" "flush"
is "$(where "$B2")" "incoming " "what waited is tried now"
ok "$([ -e "$QUEUE/defer/$B2" ]; echo $?)" "its history stays"
$Q flush >/dev/null && $Q flush -n >/dev/null && $Q flush --quiet; is $? 0 "flushing when nothing waits is no failure"
mv "$QUEUE/incoming/$B2" "$QUEUE/corrupt/"
$Q requeue "$B2" >/dev/null
is "$(where "$B2")$(ls "$QUEUE/defer")" "incoming " "requeue starts afresh, also from corrupt/"
for verb in hold release requeue delete undelete; do
	$Q $verb >/dev/null 2>&1; is $? 64 "$verb without a selection does nothing"
done
is "$($Q delete "$A" | tail -1)" "deleted 1 message" "delete"
is "$(where "$A")" "trash " "into the trash"
unlike "$($Q list)" "$A" "which list does not show"
like "$($Q list --queue trash)" "^$A" "unless asked"
$Q undelete "$A" >/dev/null
is "$(where "$A")" "hold " "undelete brings it back, on hold"
$Q delete --now "$A" >/dev/null
is "$(where "$A")" "" "delete --now does not leave it in the trash"
is "$(sed -n "s/.* mta.postsuper\[[0-9]*\]: $A: //p" "$T/log" | tail -4 | tr '\n' ';')" "released from hold;moved to the trash;brought back from the trash, placed on hold;removed;" "the log tells who did it, for trace"

# --- show ---

out=$($Q show "$B2")
like "$out" "^sender: +<boss@example.com>" "show: the envelope"
like "$out" "^Subject: two" "and the header"
unlike "$out" '^t$' "not the body"
is "$($Q show --body "$B2")" t "--body"
$Q show --raw "$B2" >"$T/out"
same "$T/out" "$QUEUE/incoming/$B2" "--raw"

# --- stat, trace, watch ---

mv "$QUEUE/incoming/$D" "$QUEUE/deferred/"
printf '%s 4.4.1 <huge@example.net> connect to mx.example.net[192.0.2.9]:25: Connection refused\n' "$now" >"$QUEUE/defer/$D"
out=$($Q stat)
like "$out" '^deferred +1 +1 +3\.9M +[0-9]+s$' "stat counts messages, recipients and bytes of each queue"
like "$out" '^active +0 +0 +0 +-$' "also of empty ones"
like "$out" '^TOTAL +3 +5 ' "and all"
like "$($Q stat --by domain)" '^example.org +1 +3 ' "stat --by domain"
like "$($Q stat --by reason)" '^4.4.1 connect to mx.example.net\[\*\]:25: Connection refused +1 +1 ' "--by reason"
like "$($Q stat --by sendr 2>&1)" '"sendr" is not one of queue, domain, sender' "a key that there is not: told with those that there are"
like "$($Q stat --by sender --top 1)" '^\.\.\. and 2 more' "--top"
like "$($Q stat --by age)" '^<5m +3 ' "--by age"
like "$($Q stat --prometheus)" '^mta_queue_messages\{queue="deferred"\} 1$' "--prometheus"
like "$($Q stat --prometheus)" '^mta_queue_deferred_recipients\{status="4.4.1"\} 1$' "with the reasons"
$Q stat --by colour >/dev/null 2>&1; is $? 64 "--by something unknown"
if have_program script && script -qec true /dev/null >/dev/null 2>&1; then
	U=$($Q add --hold "$(printf '\346\227\245\346\234\254@example.com')" "$(printf 'long%030d@example.net' 0)" <"$T/main.cf")
	printf '%s 4.4.1 <long%030d@example.net> a reason with many words that do not stand on one line of a terminal of eighty columns\n' "$now" 0 >"$QUEUE/defer/$U"
	tty() { script -qec "stty cols $1; mtaqueue -C $T $2" /dev/null | tr -d '\r'; }
	like "$(tty 160 'stat --by sender')" "^$(printf '\346\227\245\346\234\254')@example.com {4,}1 +1 .* 0  #+\$" "on a terminal stat has bars"
	tty 160 'stat --by sender' | sed 's/\xe6\x97\xa5\xe6\x9c\xac/====/; s/ *#*$//' | awk '{ print length }' | sort -u >"$T/out"
	is "$(wc -l <"$T/out" | tr -d ' ')" 1 "and its columns are aligned, also behind characters that are wide"
	unlike "$(tty 80 'stat --by sender' | tr -d '\200-\277')" '^.{81}' "no line is longer than the terminal"
	unlike "$(tty 80 "list $U" | tr -d '\200-\277')" '^.{81}' "nor those of list"
	like "$(tty 80 "list $U")" '^ {21}[a-z]' "a long reason goes on in the next line"
	like "$($Q list "$U")" 'eighty columns$' "but not in a pipe"
	$Q delete -q --now "$U"
else
	skip 6 "script(1) cannot make a terminal"
fi
cat >"$T/maillog" <<EOF
Nov 20 10:00:00 h mta/pickup[1]: AAAAAA1: uid=0 from=<a@example.com>
Nov 20 10:00:00 h mta/cleanup[1]: AAAAAA1: message-id=<m1@example.com>
Nov 20 10:00:01 h mta/qmgr[1]: BBBBBB2: from=<b@example.com>, size=1, nrcpt=1 (queue active)
Nov 20 10:00:02 h mta/smtp[1]: AAAAAA1: to=<x@example.org>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, status=bounced (no)
Nov 20 10:00:02 h mta/bounce[1]: AAAAAA1: sender non-delivery notification: CCCCCC3
Nov 20 10:00:03 h mta/qmgr[1]: CCCCCC3: from=<>, size=1, nrcpt=1 (queue active)
EOF
is "$($Q trace --log "$T/maillog" m1@example.com | wc -l | tr -d " ")" 5 "trace by message ID, with the bounce that came of it"
is "$($Q trace --log "$T/maillog" BBBBBB2 | wc -l | tr -d ' ')" 1 "trace by queue ID"
like "$($Q trace --log "$T/maillog" x@example.org)" "^$B2 " "trace by address also finds what is in the queue"
out=$($Q trace --log "$T/maillog" nobody@example.org 2>&1); is $? 66 "trace of what never was"
like "$out" "neither the log nor the queue" "says so"
cat >>"$T/maillog" <<EOF
Nov 20 10:01:00 h mta/smtpd[1]: NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 5.1.1 <z@example.org>: User unknown; from=<refused@example.com> to=<z@example.org> proto=ESMTP helo=<h>
Nov 20 10:01:01 h mta/smtpd[1]: NOQUEUE: reject: RCPT from h[192.0.2.1]: 550 5.1.1 <z@example.org>: User unknown; from=<other@example.com> to=<z@example.org> proto=ESMTP helo=<h>
EOF
is "$($Q trace --log "$T/maillog" refused@example.com | grep -c NOQUEUE)" 1 "trace of an address that was refused shows its refusals alone"
printf 'Nov 18 10:00:00 h mta/pickup[1]: DDDDDD4: uid=0 from=<old@example.com>\n' | gzip >"$T/log-20261118.gz"; touch -d '-3 days' "$T/log-20261118.gz"
printf 'Nov 19 10:00:00 h mta/pickup[1]: EEEEEE5: uid=0 from=<new@example.com>\n' >"$T/log.1"; touch -d '-1 days' "$T/log.1"
printf 'Nov 19 10:00:00 h mta/pickup[1]: EEEEEE6: uid=0 from=<new@example.com>\n' >"$T/log.bak"
is "$($Q trace new@example.com | grep -o 'EEEEEE.' | tr '\n' ' ')" "EEEEEE5 " "trace reads the log that was rotated away"
is "$($Q trace old@example.com | grep -o 'DDDDDD.')" DDDDDD4 "and older ones, compressed, when the new ones know nothing"
is "$($Q trace --log "$T/log-20261118.gz" DDDDDD4 | wc -l | tr -d ' ')" 1 "--log with a compressed log"
M=$(printf 'Subject: x\nMessage-Id:\n <known.only-by@header.example>\n\nx\n' | $Q add --hold q@example.com r@example.net); mv "$T/log" "$T/log.aside"
like "$($Q trace --log /dev/null known.only-by@header.example)" "^$M " "trace by Message-ID finds in the queue what no log tells of"
mv "$T/log.aside" "$T/log"; $Q delete -q --now "$M"
$Q watch --for 3s >"$T/watch" 2>&1 &
wpid=$!
$Q watch -j --for 3s >"$T/watch.json" 2>&1 &
sleep 0.3
W=$(echo x | $Q add w@example.com x@example.org)
wait_for 3 grep -q arrived "$T/watch"
$Q hold -q "$W"; wait_for 3 grep -q held "$T/watch"
$Q delete -q --now "$W"
wait_for 3 grep -q removed "$T/watch"
like "$(cat "$T/watch")" "^[0-9:]{8} $W arrived from=<w@example.com> size=2 to=<x@example.org>" "watch: arrival"
like "$(cat "$T/watch")" "^[0-9:]{8} $W held " "hold"
like "$(cat "$T/watch")" "^[0-9:]{8} $W removed from hold" "removal"
kill $wpid

# --- other names ---

for n in postqueue postsuper postcat; do ln -s "$B/mtaqueue" "$T/$n"; done
like "$("$T/postqueue" -c "$T" -p)" "^-- 3957 Kbytes in 3 Requests\\.\$" "postqueue -p"
is "$("$T/postqueue" -c "$T" -j | wc -l | tr -d ' ')" 3 "postqueue -j"
is "$("$T/postsuper" -c "$T" -h "$B2" 2>&1)" "$(printf 'postsuper: %s: placed on hold\npostsuper: Placed on hold: 1 message' "$B2")" "postsuper -h"
like "$("$T/postqueue" -c "$T" -p)" "^$B2! +[0-9]+ " "postqueue marks it"
is "$("$T/postsuper" -c "$T" -h "$C" -h "$D" -H "$B2" 2>&1)" "$(printf 'postsuper: %s: placed on hold\npostsuper: Placed on hold: 1 message\npostsuper: %s: released from hold\npostsuper: Released from hold: 1 message' "$D" "$B2")" \
	"several IDs, one total for each operation"
is "$(printf '%s\n-- 3 Kbytes\n\n' "$B2" | "$T/postsuper" -c "$T" -h - 2>&1)" "$(printf 'postsuper: warning: invalid mail queue id: --\npostsuper: %s: placed on hold\npostsuper: Placed on hold: 1 message' "$B2")" \
	"what is no ID is warned of, and the rest is done"
"$T/postsuper" -c "$T" -h ALL nosuchqueue 2>/dev/null; is $? 1 "an unknown directory is fatal"
is "$("$T/postsuper" -c "$T" -H ALL deferred 2>&1)" "postsuper: Released from hold: 0 messages" "ALL of one directory"
is "$("$T/postsuper" -c "$T" -H ALL 2>&1)" "postsuper: Released from hold: 3 messages" "postsuper -H ALL"
is "$(echo "$C" | "$T/postsuper" -c "$T" -d - 2>&1)" "$(printf 'postsuper: %s: removed\npostsuper: Deleted: 1 message' "$C")" "postsuper -d -"
is "$(where "$C")" "" "deletes at once, as there"
"$T/postsuper" -c "$T" -d NOSUCHID1 2>/dev/null; is $? 0 "an unknown ID is no failure, as there"
like "$("$T/postcat" -c "$T" -q "$B2")" '^\*\*\* MESSAGE CONTENTS incoming/' "postcat -q"
is "$("$T/postcat" -c "$T" -bq "$B2")" "$(printf '\nt')" "postcat -b: for Postfix the empty line is the body's"
is "$("$T/postcat" -c "$T" -hq "$B2" | tail -1)" "Subject: two" "postcat -h: and not the header's"
"$T/postcat" -c "$T" -bhq "$B2" >"$T/out"; $Q show --message "$B2" | cmp -s - "$T/out"; ok $? "postcat -bh: the message byte for byte"
like "$("$T/postcat" -c "$T" -vq "$B2")" '^regular_text: Subject: two$' "postcat -v tells the record of each line"
like "$("$T/postcat" -c "$T" -eq "$B2")" '^named_attribute: ' "postcat -e: the envelope"
unlike "$("$T/postcat" -c "$T" -eq "$B2")" 'Subject' "without the content"
sed "s/^from .*/from client=host.example.com[192.0.2.1] helo=h proto=ESMTPSA auth=al+20ice/" "$QUEUE/incoming/$B2" >"$T/file"
sed -i "1s/.*/$(awk '!c { n += length($0) + 1 } /^$/ { c = 1 } { t += length($0) + 1 } END { printf "mtaq1 %020d %020d", n, t - n }' "$T/file")/" "$T/file"
like "$("$T/postcat" -c "$T" "$T/file" | tr '\n' ' ')" 'named_attribute: client_name=host.example.com named_attribute: client_address=192.0.2.1 .*sasl_username=al ice ' \
	"postcat FILE, with Postfix's names for who sent it"
"$T/postcat" -c "$T" -q NOSUCHID1 2>"$T/err"; is "$?$(cat "$T/err")" "1postcat: fatal: open queue file NOSUCHID1: No such file or directory" "postcat of what is not there"
like "$("$T/postqueue" -c "$T" -j | grep "$B2")" '^\{"queue_name": "[a-z]+", "queue_id": "[^"]+", "arrival_time": [0-9]+, "message_size": [0-9]+, "forced_expire": false, "sender": "boss@example.com", "recipients": \[\{"address": "x@example.org"\}, ' \
	"postqueue -j has the members that Postfix's has, in its order"
"$T/postqueue" -c "$T" -f -p 2>/dev/null; is $? 69 "postqueue with two commands is an error, with Postfix's status"
"$T/postqueue" -c "$T" -s '[1.2.3.x]' 2>"$T/err"; like "$?$(cat "$T/err")" '^69.*invalid destination' "postqueue -s wants a domain or an address in brackets"
"$T/postqueue" -c "$T" -s example.net 2>"$T/err"; like "$?$(cat "$T/err")" '^69.*not configured for destination "example.net"' "that fast_flush_domains has"
"$T/postqueue" -c "$T" -o fast_flush_domains=example.net -s EXAMPLE.net; ok $? "postqueue -s"
"$T/postqueue" -c "$T" -f; is "$?$(where "$D")" "0incoming " "postqueue -f"

# --- damaged and foreign files ---

good=$QUEUE/incoming/$B2
head -c 150 "$good" >"$QUEUE/incoming/TRUNCATED1"
cp "$good" "$QUEUE/incoming/TOOLONG1"; echo more >>"$QUEUE/incoming/TOOLONG1"
sed '1s/mtaq1/mtaq9/' "$good" >"$QUEUE/incoming/OTHERVERSION"
ln -s /etc/passwd "$QUEUE/incoming/SYMLINK1"
mkfifo "$QUEUE/incoming/FIFO001"
: >"$QUEUE/incoming/EMPTY01"
echo x >"$QUEUE/incoming/not an id"
out=$($Q list 2>&1)
ok $? "damaged files do not stop list"
like "$out" '^TRUNCATED1 .*\(unreadable: truncated' "a truncated one is named"
like "$out" '^TOOLONG1 .*longer than it should be' "one that is too long"
like "$out" '^SYMLINK1 .*not a queue file' "a symbolic link"
like "$out" '^FIFO001 .*not a queue file' "a FIFO"
like "$out" "^$B2 .*boss@example.com" "and the good ones are listed"
is "$($Q list -j | grep -c '"error"')" 6 "-j tells of each"
$Q show TRUNCATED1 >/dev/null 2>"$T/err"; is $? 65 "show of a damaged one fails"
is "$($Q show --raw TRUNCATED1 | wc -c | tr -d ' ')" 150 "but its bytes can be seen"
$Q delete --now TRUNCATED1 SYMLINK1 FIFO001 >/dev/null; ok $? "they can be deleted"
ok "$([ -e /etc/passwd ]; echo $?)" "and the link's target is not touched"
rm -f "$QUEUE/incoming/TOOLONG1" "$QUEUE/incoming/OTHERVERSION" "$QUEUE/incoming/EMPTY01"

# --- a full disk ---

if [ "$(id -u)" -eq 0 ] && mkdir "$T/small" && mount -t tmpfs -o size=256k tmpfs "$T/small" 2>/dev/null; then
	for d in incoming active deferred hold corrupt tmp defer; do mkdir -m 700 "$T/small/$d"; done
	dd if=/dev/zero of="$T/small/fill" bs=1k count=150 2>/dev/null
	$Q -o "queue_directory=$T/small" add a@example.com b@example.com <"$T/big" >"$T/out" 2>"$T/err"
	is "$?" 75 "a full disk is a temporary failure"
	like "$(cat "$T/err")" 'No space left' "that says why"
	is "$(count_files "$T/small/incoming")$(count_files "$T/small/tmp")$(cat "$T/out")" 00 "and leaves nothing"
	umount "$T/small"
	mount -t tmpfs -o nr_inodes=12 tmpfs "$T/small"
	for d in incoming active deferred hold corrupt tmp defer; do mkdir -m 700 "$T/small/$d"; done
	for i in 1 2 3 4 5 6; do echo x | $Q -o "queue_directory=$T/small" add a@example.com b@example.com 2>"$T/err"; echo $?; done >"$T/out"
	is "$(tail -1 "$T/out")" 75 "no inodes left: a temporary failure"
	is "$(grep -c '^0$' "$T/out")" "$(count_files "$T/small/incoming")" "each 0 is a message in the queue"
	umount "$T/small"
else
	skip 5 "no mount of a small file system here"
fi
$Q -o "queue_directory=$T/none" list 2>"$T/err"; is $? 78 "a queue that is not there"
like "$(cat "$T/err")" "open $T/none: No such file" "is named"
if [ "$(id -u)" -eq 0 ]; then
	setpriv --reuid=12345 --regid=12345 --clear-groups "$B/mtaqueue" -C "$T" list 2>"$T/err"
	is "$? $(grep -c "mail system is down" "$T/err")" "69 1" "who may not read the queue is told that the mail system, which could, is down"
else
	skip 1 "not root: the queue is the caller's"
fi
is "$(mtaqueue -V)" "mtaqueue (mtakit) $(mtaqueue -V | sed 's/.* //')" "-V"
mtaqueue -C "$T" 2>/dev/null; is $? 64 "no verb: a usage error"
done_testing
