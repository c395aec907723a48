#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# postsuper -p and -s: what crashes, copies by hand and restored backups leave in a queue.
. "$(dirname "$0")/lib.sh"
mail_config services=qmgr default_transport=retry:later minimal_backoff_time=600s maximal_backoff_time=1h queue_run_delay=1h
Q="mtaqueue -C $CONF"
ln -s "$B/mtaqueue" "$T/postsuper"
P="$T/postsuper -c $CONF"
mail_start; mail_stop # the directories are there
owner=$(stat -c %u:%g "$QUEUE/incoming")
where() { (cd "$QUEUE" && for w in incoming active deferred hold corrupt trash; do [ -e "$w/$1" ] && printf '%s ' "$w"; done); }
add() { printf 'Subject: %s\n\nbody of %s\n' "$1" "$1" | $Q add --hold -f s@example.com "${2:-$1@a.test}" "$1-2@a.test"; }
# put QUEUE ID: from hold to there
put() { mv "$QUEUE/hold/$2" "$QUEUE/$1/$2"; }
same_copy() { cp -p "$QUEUE/$1" "$QUEUE/$2"; }
own() { chown "$owner" "$@"; }
clean() { rm -rf "$QUEUE"/corrupt/*; $Q delete -q --now --all 2>/dev/null; rm -rf "$QUEUE"/trash/* "$QUEUE"/corrupt/* "$QUEUE"/defer/*; }
left() { (cd "$QUEUE" && find incoming active deferred hold trash corrupt defer tmp state -type f | sort | tr '\n' ' '); }

# --- -p ---

A=$(add one); put deferred "$A"
echo x >"$QUEUE/defer/$A"; echo x >"$QUEUE/defer/000000000AAAAAAA1"; echo x >"$QUEUE/defer/000000000AAAAAAA1.old"
echo x >"$QUEUE/defer/000000000AAAAAAA2"
touch -d '-5 minutes' "$QUEUE/defer/$A" "$QUEUE/defer/000000000AAAAAAA1" "$QUEUE/defer/000000000AAAAAAA1.old"
echo x >"$QUEUE/tmp/.tmp.dead"; echo x >"$QUEUE/incoming/.tmp.dead"; echo x >"$QUEUE/state/counters.tdb.tmp"; echo x >"$QUEUE/state/other"
echo x >"$QUEUE/tmp/.tmp.used"; exec 7<"$QUEUE/tmp/.tmp.used"
out=$($P -p 2>&1); is "$?$out" "0postsuper: Purged: 5 files" "postsuper -p removes what was left"
is "$(ls -A "$QUEUE/tmp")" ".tmp.used" "but no file that a program has open"
is "$(find "$QUEUE/incoming" "$QUEUE/state" -name '*dead*' -o -name '*.tmp')" "" "also in the queues"
ok "$([ -e "$QUEUE/state/other" ]; echo $?)" "what has no such name stays"
is "$(cd "$QUEUE/defer" && echo *)" "000000000AAAAAAA2 $A" "reasons of messages that are nowhere go, unless they are of this minute"
is "$(where "$A")" "deferred " "no message is touched"
exec 7<&-
is "$($P -p 2>&1)" "postsuper: Purged: 1 file" "once it is closed it goes"
is "$($P -p 2>&1)" "" "and then there is nothing to do"
rm -f "$QUEUE/state/other"; clean

# --- -s: a good queue ---

A=$(add one); C=$(add two); put deferred "$C"; touch -d '+10 minutes' "$QUEUE/deferred/$C"
before=$(cd "$QUEUE" && stat -c '%n %i %Y %a' hold/* deferred/*)
out=$($P -s 2>&1); is "$?$out" 0 "postsuper -s of a good queue says nothing"
is "$(cd "$QUEUE" && stat -c '%n %i %Y %a' hold/* deferred/*)" "$before" "and changes nothing"

# --- directories, owners, modes ---

rmdir "$QUEUE/corrupt" "$QUEUE/active" "$QUEUE/tmp"; chmod 755 "$QUEUE/hold"; chmod 644 "$QUEUE/hold/$A"; chmod 755 "$QUEUE/deferred/$C"
$P -s >"$T/out" 2>&1; is $? 0 "directories that are missing, modes that are wrong"
is "$(cd "$QUEUE" && stat -c '%a %u:%g' corrupt active tmp hold | sort -u)" "700 $owner" "are put right"
is "$(cd "$QUEUE" && stat -c '%a' "hold/$A" "deferred/$C" | sort -u)" 600 "files as well, and a mode that was not ours asks for nothing"
like "$(cat "$T/out")" "^mta: made $QUEUE/corrupt|made .*corrupt" "each is told of"
like "$(cat "$T/out")" "Repaired: 2 messages" "and counted"
if [ "$(id -u)" = 0 ]; then
	chown 12345:12345 "$QUEUE/hold/$A" "$QUEUE/incoming"
	$P -s 2>/dev/null; is "$?$(stat -c %u:%g "$QUEUE/hold/$A" "$QUEUE/incoming" | sort -u)" "0$owner" "files that a restore gave to another user"
else
	skip 1 "not root"
fi

# --- what is no queue file ---

good=$QUEUE/hold/$A
head -c 150 "$good" >"$QUEUE/hold/TRUNCATED1"
{ cat "$good"; echo more; } >"$QUEUE/deferred/TOOLONG1"
ln -s /etc/passwd "$QUEUE/incoming/SYMLINK1"; mkfifo "$QUEUE/incoming/FIFO001"; mkdir -p "$QUEUE/deferred/deferred/sub"
echo x >"$QUEUE/incoming/not an id"; : >"$QUEUE/hold/EMPTY01"; echo old >"$QUEUE/corrupt/EMPTY01"
own "$QUEUE/hold/TRUNCATED1" "$QUEUE/deferred/TOOLONG1" "$QUEUE/hold/EMPTY01"
timeout 20 $P -s 2>"$T/out"; is $? 0 "files that are no messages"
is "$(cd "$QUEUE" && find incoming deferred hold -mindepth 1 | wc -l | tr -d ' ')" 2 "are in the queues no more"
for n in TRUNCATED1 TOOLONG1 SYMLINK1 FIFO001 'not an id' deferred/sub; do
	ok "$([ -e "$QUEUE/corrupt/$n" ] || [ -L "$QUEUE/corrupt/$n" ]; echo $?)" "$n is in corrupt/"
done
is "$(cat "$QUEUE/corrupt/EMPTY01")" old "none takes the place of another"
is "$(find "$QUEUE/corrupt" -name 'EMPTY01*' | wc -l | tr -d ' ')" 2 "there are both"
like "$(cat "$T/out")" 'hold/TRUNCATED1: truncated: .*moved to corrupt/TRUNCATED1' "each is reported, with the reason"
like "$(cat "$T/out")" 'Moved to corrupt: 7 files' "and counted"
is "$(where "$A")$(where "$C")" "hold deferred " "messages stay where they are"
clean

# --- name and ID ---

A=$(add one); put deferred "$A"; touch -d '+10 minutes' "$QUEUE/deferred/$A"; time=$(stat -c %Y "$QUEUE/deferred/$A")
echo '1 4.4.1 <one@a.test> why' >"$QUEUE/defer/000000000AAAAAAA1"; mv "$QUEUE/deferred/$A" "$QUEUE/deferred/000000000AAAAAAA1"
is "$($P -s 2>&1 | tail -1)" "postsuper: Renamed to match its ID: 1 message" "a name that is another's"
is "$(where "$A")" "deferred " "becomes the ID"
ok "$([ -e "$QUEUE/defer/$A" ]; echo $?)" "its history goes with it"
mv "$QUEUE/deferred/$A" "$QUEUE/deferred/$A.restored"
$P -s 2>/dev/null; is "$(where "$A")$(stat -c %Y "$QUEUE/deferred/$A")" "deferred $time" "a name that is none; the time of the next attempt stays"
# another message that says it had this ID
C=$(add two); sed "s/^id $C/id $A/" "$QUEUE/hold/$C" >"$T/clash"; cat "$T/clash" >"$QUEUE/hold/$C"; chmod 610 "$QUEUE/hold/$C"
$P -s 2>"$T/out"; is $? 0 "two messages with one ID"
is "$(where "$A")$(where "$C")" "deferred hold " "both stay"
is "$(sed -n 's/^id //p' "$QUEUE/hold/$C")" "$C" "the one has its name for its ID"
is "$(sed '1,/^$/d' "$QUEUE/hold/$C")" "$(sed '1,/^$/d' "$T/clash")" "its content is the same"
is "$(stat -c '%a %u:%g' "$QUEUE/hold/$C")" "610 $owner" "and its flags"
# the same with one name in two queues
mv "$T/clash" "$QUEUE/hold/$A"; own "$QUEUE/hold/$A"; chmod 600 "$QUEUE/hold/$A"
$P -s 2>"$T/out"; is $? 0 "two messages with one ID, in two queues"
like "$(cat "$T/out")" "hold/$A: another message has the ID $A: its ID is " "one of them gets a new one"
new=$(sed -n "s/.*its ID is \\([0-9A-Za-z]*\\) now.*/\\1/p" "$T/out")
is "$(where "$A")$(where "$new")" "deferred hold " "and stays where it was"
is "$($Q show --message "$new")" "$(printf 'Subject: two\n\nbody of two\n' | cat)" "with its content" || $Q show "$new"
is "$($P -s 2>&1)" "" "nothing is left to do"
clean

# --- one message twice ---

A=$(add one); same_copy "hold/$A" "deferred/$A"; sed -i 's/^rcpt T <one@a.test>/rcpt D <one@a.test>/' "$QUEUE/deferred/$A"; own "$QUEUE/deferred/$A"
$P -s 2>"$T/out"; is $? 0 "the same message in two queues"
is "$(where "$A")" "hold trash " "the one on hold stays, the other one goes to the trash"
is "$(sed -n 's/^rcpt \(.\) <one@a.test>.*/\1/p' "$QUEUE/hold/$A")" D "what one of them had delivered is delivered"
is "$(sed -n 's/^rcpt \(.\) <one-2@a.test>.*/\1/p' "$QUEUE/hold/$A")" T "and nothing else"
like "$(cat "$T/out")" "deferred/$A: the same message is in hold/$A: moved to trash" "that is told"
rm -f "$QUEUE/trash/$A"; same_copy "hold/$A" "hold/$A.bak"; same_copy "hold/$A" hold/COPY001
$P -s 2>/dev/null; is "$(ls "$QUEUE/hold")$(ls "$QUEUE/trash" | wc -l | tr -d ' ')" "${A}2" "copies beside it"
rm -f "$QUEUE"/trash/*; ln "$QUEUE/hold/$A" "$T/elsewhere"
$P -s 2>"$T/out"; is "$(stat -c %h "$QUEUE/hold/$A")$(where "$A")" "1hold " "a file with another name elsewhere (a backup by links) becomes one of its own"
cmp -s "$QUEUE/hold/$A" "$T/elsewhere"; ok $? "with the same content"
clean

# --- killed in the middle of its work ---

A=$(add one); cp "$QUEUE/hold/$A" "$T/one"; sed "s/body of one/body of two/" "$T/one" >"$T/two"
restore() { cat "$T/$1" >"$QUEUE/$2"; own "$QUEUE/$2"; chmod 600 "$QUEUE/$2"; }
bodies() { (cd "$QUEUE" && cat incoming/* active/* deferred/* hold/* 2>/dev/null | grep '^body of' | sort | tr '\n' ' '); }
bad=0; ms=1
while [ $ms -le 40 ]; do
	rm -rf "$QUEUE"/incoming/* "$QUEUE"/deferred/* "$QUEUE"/hold/* "$QUEUE"/trash/*
	restore one "hold/$A"; restore two "deferred/$A"; restore one "incoming/$A.bak"
	perl -e 'my $p = fork; if (!$p) { open STDERR, ">", "/dev/null"; exec @ARGV[1 .. $#ARGV] } select undef, undef, undef, $ARGV[0] / 1000; kill KILL => $p; waitpid $p, 0' \
		$ms "$T/postsuper" -c "$CONF" -s
	# one of "one" may be there twice still, and "two" may be on hold; none may be lost
	bodies | grep -q 'body of one.*body of two' || bad=$((bad + 1))
	$P -s 2>/dev/null || bad=$((bad + 1))
	[ "$(bodies)" = "body of one body of two " ] || bad=$((bad + 1))
	ms=$((ms + 2))
done
is $bad 0 "killed at twenty moments: nothing is lost, and the next run puts the rest right"
is "$(count_files "$QUEUE/corrupt")" 0 "no part of a file is left"
clean

# --- beside a queue manager ---

mail_start
A=$(add one); $Q release -q "$A"; wait_for 10 test -e "$QUEUE/deferred/$A"
i=0; while [ $i -lt 40 ]; do i=$((i + 1)); echo x | $Q add -f s@example.com "b$i@a.test" >/dev/null; done &
i=0; while [ $i -lt 15 ]; do i=$((i + 1)); $P -s -p; $Q flush -q; done >"$T/out" 2>&1
wait $!
all_deferred() { [ "$(count_files "$QUEUE/deferred")" = 41 ]; }
wait_for 10 all_deferred
is "$(count_files "$QUEUE/deferred")" 41 "while messages come and go -s and -p lose none"
is "$(count_files "$QUEUE/corrupt")$(count_files "$QUEUE/trash")$(count_files "$QUEUE/hold")" 000 "and move none"
is "$(cat "$T/out")" "" "there is nothing to say"
is "$(count_files "$QUEUE/defer")" 41 "the reasons are all there"
mail_stop

# --- everything at once ---

same_copy "deferred/$A" "hold/$A"; own "$QUEUE/hold/$A"
is "$("$T/postsuper" -c "$CONF" 2>&1 | grep -c 'twice: 1 message')" 1 "postsuper without options does both"
$P -s -d ALL deferred 2>&1 | grep -q 'Deleted: 40 messages'; ok $? "-s before -d, and -d in that directory"
is "$(where "$A")" "hold trash " "the message that was there twice is where it was left"
done_testing
