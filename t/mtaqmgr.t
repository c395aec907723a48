#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtaqmgr: results, retries, bounces, agents, and what must not hurt it. The agents are fakes (t/helper/fakeagent.c).
. "$(dirname "$0")/lib.sh"

OWNER=$(id -un)
[ "$(id -u)" = 0 ] && OWNER=nobody
D=$T/s Q=$T/s/queue LOG=$T/s/log
mkdir "$D" "$D/bin"
[ "$(id -u)" = 0 ] && chown "$OWNER" "$D"

cat > "$D/bin/status" <<'END'
#!/bin/sh
# status WANTED RECIPIENT...: notes what it was given, ends with that status
{ echo "status $*"; cat; } >> "${0%/*}/../status.out"
[ "$1" = kill ] && kill -9 $$
[ "$1" = long ] && { sleep 60 & echo $! > "${0%/*}/../sleeper"; wait; }
[ "$1" = many ] && yes 'too much to say' | head -c 2000000
echo "it says so"
exit "$1"
END
cat > "$D/bin/lines" <<'END'
#!/bin/sh
cat > /dev/null
for r; do
	case $r in
	good*) echo "sent 2.0.0 <$r> 250 fine" ;;
	bad*) echo "bounced 5.1.1 <$r> 550 none of ours" ;;
	later*) echo "deferred 4.2.0 <$r> 450 later" ;;
	esac
done
exit 75
END
chmod 755 "$D/bin/"*
: > "$D/status.out"; : > "$D/jobs"; : > "$D/sleeper"; chmod 666 "$D/status.out" "$D/jobs" "$D/sleeper"

cat > "$D/transport" <<END
down.test       fake:down.test
two.test        fake:two.test
hang.test       hang:hang.test
err.test        error:5.1.6 moved away
busy.test       retry:4.3.2 closed today
gone.test       discard:silently
s0.test         s0:
s67.test        s67:
s70.test        s70:
skill.test      skill:
slong.test      slong:
smany.test      smany:
lines.test      lines:
none.test       nowhere:x
broken.test     broken:x
daemon.test     daemon:
local.test      fake:local.test
*               fake:
END
: > "$D/once"
cat > "$D/main.cf" <<END
mail_owner = $OWNER
auth_user = $OWNER
myhostname = mx.here.test
mydomain = here.test
myorigin = here.test
queue_directory = $Q
maillog_file = $LOG
mydestination = local.test
local_transport = fake
alias_maps =
relay_domains =
transport_maps = texthash:$D/transport
default_transport = fake
recipient_delimiter = +
fake_agent = $B/t/fakeagent -b $D/jobs
daemon_agent = user=daemon $B/t/fakeagent -b $D/jobs
hang_agent = $B/t/fakeagent -b $D/jobs
broken_agent = $D/bin/not-there -b
s0_agent = argv=$D/bin/status 0 \${sender} \${recipient} \${user} \${extension} \${domain} \${nexthop}
s67_agent = $D/bin/status 67 \${recipient}
s70_agent = $D/bin/status 70 \${recipient}
skill_agent = $D/bin/status kill \${recipient}
slong_agent = $D/bin/status long \${recipient}
smany_agent = flags=DRO $D/bin/status many \${recipient}
lines_agent = $D/bin/lines \${recipient}
slong_time_limit = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s
transport_retry_time = 1s
END
if [ "$(id -u)" = 0 ]; then
	mta -C "$D" set-permissions >/dev/null 2>&1 || { echo "Bail out! set-permissions"; exit 1; }
fi
: > "$LOG"; chmod 666 "$LOG"

# standard error that is a file is where the log goes
manager() { background mtaqmgr -C "$D" "$@" 2>>"$LOG"; M=$!; wait_for 5 grep -q "qmgr.*started" "$LOG"; }
stop() { kill "$M" 2>/dev/null; wait "$M"; }
# add SENDER RECIPIENT...: into the queue; sets ID
add() { f=$1; shift; ID=$(printf 'From: %s\nSubject: test\n\ntext of the body\n' "$f" | mtaqueue -C "$D" add -f "$f" "$@") || fail "mtaqueue add"; }
logged() { wait_for 8 grep -Eq "$1" "$LOG"; }
gone() { wait_for 8 sh -c "[ -z \"\$(find '$Q' -name '$1*')\" ]"; }
in_queue() { wait_for 8 test -f "$Q/$1/$2"; }
rcpt_letter() { sed -n "s/^rcpt \(.\) <$2>.*/\1/p" "$Q/$1/$ID"; }

manager
ok $? "the queue manager starts"

# --- two managers ---
out=$(mtaqmgr -C "$D" 2>&1 | cat; echo "status $?"); mtaqmgr -C "$D" 2>/dev/null; s=$?
is $s 75 "a second manager on the same queue ends"
like "$out$(cat "$LOG")" "another queue manager is at work" "and says why"

# --- results ---
add ok@send.test ok1@a.test
gone "$ID" && logged "$ID: removed"; ok $? "a delivered message leaves the queue"
like "$(grep "$ID" "$LOG")" "fake\[[0-9]+\]: $ID: to=<ok1@a.test>, relay=mx.fake\[192.0.2.1\]:25, delay=[0-9.]+, delays=[0-9.]+/[0-9.]+/0.3/0.3, dsn=2.0.0, status=sent \(250 2.0.0 taken\)" "one line a delivery in the log, as Postfix writes it"
like "$(grep "$ID" "$LOG")" "qmgr\[[0-9]+\]: $ID: from=<ok@send.test>, size=[0-9]+, nrcpt=1 \(queue active\)" "the message's line too"

add ok@send.test okb@two.test defer1@two.test bounce1@two.test
in_queue deferred "$ID"; ok $? "a message with a deferred recipient waits in deferred/"
is "$(rcpt_letter deferred okb@two.test)$(rcpt_letter deferred defer1@two.test)$(rcpt_letter deferred bounce1@two.test)" DTB "each recipient has its own letter"
like "$(cat "$Q/defer/$ID")" "^[0-9]+ 4.2.0 <defer1@two.test> 450 4.2.0 mailbox busy" "the reason is on record"
is "$(wc -l < "$Q/defer/$ID" | tr -d ' ')" 1 "only of what is deferred"
logged "bounce\[[0-9]+\]: $ID: sender non-delivery notification:"; ok $? "what bounced is reported at once"
now=$(date +%s); due=$(stat -c %Y "$Q/deferred/$ID")
[ $((due - now)) -ge 0 ] && [ $((due - now)) -le 3 ]; ok $? "the next attempt is due after minimal_backoff_time"
first=$ID
wait_for 8 sh -c "[ \$(grep -c '$first.*defer1' '$D/jobs') -ge 2 ]"; ok $? "it is tried again when its time has come"
is "$(grep -c "^$first .*okb" "$D/jobs")" 1 "what is delivered is not delivered again"
mtaqueue -C "$D" delete --now "$first" >/dev/null; gone "$first"; ok $? "a deleted message is forgotten"

# --- built-in transports ---
add ok@send.test a@err.test b@busy.test c@gone.test
logged "$ID: to=<a@err.test>.*dsn=5.1.6, status=bounced \(moved away\)"; ok $? "error: bounces with its text and code"
logged "$ID: to=<b@busy.test>.*dsn=4.3.2, status=deferred \(closed today\)"; ok $? "retry: defers"
logged "$ID: to=<c@gone.test>.*status=sent \(silently\)"; ok $? "discard: drops"
mtaqueue -C "$D" delete --now "$ID" >/dev/null

# --- the report ---
add ok@send.test 'bounce2@two.test'
logged "$ID: sender non-delivery notification" || true
n=$(sed -n "s/.*$ID: sender non-delivery notification: //p" "$LOG")
logged "$n: removed"; ok $? "the report is delivered to the sender"
like "$(grep "^$n " "$D/jobs")" "^$n <> ok@send.test" "from the null sender"
printf 'From: x\nSubject: the subject\n\nsecret body\n' > "$T/m"
stop
sed -i 's/^default_transport.*/default_transport = retry:kept/; s/^\* .*/* retry:kept/' "$D/main.cf" "$D/transport"
ID=$(mtaqueue -C "$D" add -f who@send.test bounce4@two.test < "$T/m")
manager
logged "$ID: sender non-delivery notification"; n=$(sed -n "s/.*$ID: sender non-delivery notification: //p" "$LOG")
in_queue deferred "$n"; mtaqueue -C "$D" show --raw "$n" > "$T/report" 2>/dev/null || cp "$Q/deferred/$n" "$T/report"
like "$(cat "$T/report")" "^Content-Type: multipart/report; report-type=delivery-status" "the report is a multipart/report (RFC 3464)"
like "$(cat "$T/report")" "^Final-Recipient: rfc822; bounce4@two.test" "it names the recipient"
like "$(cat "$T/report")" "^Status: 5.1.1" "the status"
like "$(cat "$T/report")" "^Remote-MTA: dns; mx.fake" "the other server"
like "$(cat "$T/report")" "There is no mailbox with this address" "it says in plain words what happened"
like "$(cat "$T/report")" "said: 550 5.1.1" "what the other server said"
like "$(cat "$T/report")" "^secret body" "and has the message"
if have_program python3; then
	python3 - "$T/report" <<'END'
import email, sys
text = open(sys.argv[1]).read()
text = text[text.index('Date:'):]
m = email.message_from_string(text)
p = m.get_payload()
assert [x.get_content_type() for x in p] == ['text/plain', 'message/delivery-status', 'message/rfc822'], [x.get_content_type() for x in p]
assert p[1].get_payload()[1]['Action'] == 'failed'
assert p[2].get_payload()[0]['Subject'] == 'the subject'
END
	ok $? "a MIME parser takes it apart"
else
	skip 1 "python3 is not installed"
fi
mtaqueue -C "$D" delete --now "$n" >/dev/null
stop
sed -i 's/^default_transport.*/default_transport = fake/' "$D/main.cf"; sed -i 's/^\* .*/* fake:/' "$D/transport"
find "$Q/deferred" "$Q/defer" -type f -exec rm -f {} +
manager

# --- a bounce of a bounce ends ---
add bounceme@send.test bounce6@two.test
logged "$ID: sender non-delivery notification"
n=$(sed -n "s/.*$ID: sender non-delivery notification: //p" "$LOG")
logged "$n: postmaster non-delivery notification:"; ok $? "a report that bounces is reported to the postmaster"
add '' bounce7@two.test
logged "$ID: postmaster non-delivery notification"; p=$(sed -n "s/.*$ID: postmaster non-delivery notification: //p" "$LOG")
logged "$p: removed"
add double-bounce@here.test bounce8@two.test
logged "$ID: a report to the postmaster could not be delivered: dropped"; ok $? "and if that bounces, it ends"
gone "$ID"; ok $? "nothing of it stays in the queue"

# --- one-shot agents ---
add ok@send.test 'joe+x@s0.test'
logged "$ID: removed"; ok $? "a command that ends with 0 has delivered"
like "$(cat "$D/status.out")" "^status 0 ok@send.test joe\+x@s0.test joe x s0.test s0.test$" "its arguments are expanded"
like "$(cat "$D/status.out")" "^Subject: test" "the message is on its standard input"
unlike "$(cat "$D/status.out")" "^mtaq1|^rcpt" "the envelope is not"
add ok@send.test '"a;touch${IFS}x"@s0.test'
logged "$ID: removed"; like "$(cat "$D/status.out")" 'a;touch\$\{IFS\}x"@s0.test' "no shell comes near an address"
add ok@send.test joe@s67.test
logged "$ID: to=<joe@s67.test>.*dsn=5.1.1, status=bounced \(user unknown. Command output: it says so\)"; ok $? "exit status 67 is an unknown user"
add ok@send.test joe@s70.test
logged "$ID: to=<joe@s70.test>.*status=deferred"; ok $? "any other exit status is temporary"
add ok@send.test joe@skill.test
logged "$ID: to=<joe@skill.test>.*status=deferred \(command died with signal 9"; ok $? "death by a signal is temporary"
add ok@send.test joe@slong.test
logged "$ID: to=<joe@slong.test>.*status=deferred \(command time limit of 1 seconds exceeded"; ok $? "a command that takes longer than TRANSPORT_time_limit is ended"
wait_for 3 sh -c "! kill -0 $(cat "$D/sleeper")"; ok $? "with what it has started"
add ok@send.test joe@smany.test
logged "$ID: to=<joe@smany.test>.*status=deferred"; ok $? "a command may say as much as it likes"
like "$(cat "$D/status.out")" "^Delivered-To: joe@smany.test" "flags=DRO puts headers in front"
add ok@send.test good@lines.test bad@lines.test later@lines.test nothing@lines.test
logged "$ID: to=<good@lines.test>.*status=sent \(250 fine"; ok $? "result lines of a command count"
logged "$ID: to=<bad@lines.test>.*status=bounced" && logged "$ID: to=<nothing@lines.test>.*status=deferred"; ok $? "recipients without one are tried again"
add ok@send.test -- -x@s0.test 2>/dev/null
logged "$ID: to=<-x@s0.test>.*status=bounced"; ok $? "an address that begins with - is not passed to a command"
add ok@send.test '"-x y"@s0.test' well@s0.test
logged "$ID: to=<\"-x y\"@s0.test>.*status=bounced"; ok $? "nor one whose quotes hide that"
logged "$ID: to=<well@s0.test>.*status=sent"; ok $? "another recipient of the message is not harmed"

# --- agents that fail ---
add ok@send.test die1@a.test
logged "$ID: to=<die1@a.test>.*dsn=4.3.0, status=deferred \(the delivery agent ended"; ok $? "an agent that dies in its work: tried again later"
add ok@send.test mute1@a.test
logged "$ID: to=<mute1@a.test>.*dsn=4.3.0, status=deferred \(the delivery agent gave no result"; ok $? "a recipient without a result: tried again later"
add ok@send.test x@none.test
logged "$ID: to=<x@none.test>.*status=deferred .*nowhere_agent is not set"; ok $? "a transport without an agent: deferred, with the name of what is missing"
add ok@send.test x@broken.test
logged "$ID: to=<x@broken.test>.*status=deferred .*not-there"; ok $? "an agent that cannot be run: deferred"
is "$(grep -c 'transport broken:.*another attempt in 1 seconds' "$LOG")" 4 "after fork_attempts, fork_delay apart"
logged "transport broken:.*no other attempt for 1 seconds"; ok $? "then the transport is left alone for transport_retry_time"
broken=$ID
printf '#!/bin/sh\nexec %s -b %s\n' "$B/t/fakeagent" "$D/jobs" > "$D/bin/new"; chmod 755 "$D/bin/new"; mv "$D/bin/new" "$D/bin/not-there"
logged "$broken: removed"; ok $? "and once it can be run, its mail is delivered"
add ok@send.test ok3@a.test
logged "$ID: removed"; ok $? "other mail goes on"

# --- a destination that is down, one that hangs ---
for i in 1 2 3 4 5 6; do add ok@send.test "down$i@down.test"; done
logged "$ID: to=<down6@down.test>.*status=deferred"
for i in 7 8 9; do add ok@send.test "down$i@down.test"; done
logged "$ID: to=<down9@down.test>.*status=deferred \(delivery temporarily suspended: connect to mx.fake"; ok $? "a destination that is down is left alone for a while"
unlike "$(cat "$D/jobs")" "^$ID" "its mail is deferred without an attempt"
for i in 1 2 3 4 5 6 7 8 9 10; do add ok@send.test "hang$i@hang.test"; done
add ok@send.test ok4@b.test
logged "$ID: removed"; ok $? "a destination that hangs stops no other"
grep -l hang.test "$Q"/active/* | sed "s,.*/,," > "$T/active"
is "$(wc -l < "$T/active" | tr -d ' ')" 10 "its messages are in active/"

# --- an administrator asks for an attempt ---
add ok@send.test down5@down.test
logged "$ID: to=<down5@down.test>.*suspended"
mtaqueue -C "$D" flush "$ID" >/dev/null
logged "$ID: to=<down5@down.test>.*status=deferred \(connect to mx.fake"; ok $? "a flush tries even a destination that is left alone"

# --- users ---
if [ "$(id -u)" = 0 ]; then
	add ok@send.test okd@daemon.test
	logged "$ID: removed"; like "$(grep "^$ID" "$D/jobs")" "uid=$(id -u daemon)\$" "user= of an agent is who it runs as"
	add ok@send.test oku@a.test
	logged "$ID: removed"; like "$(grep "^$ID" "$D/jobs")" "uid=$(id -u nobody)\$" "any other agent runs as mail_owner"
	add ok@send.test root@local.test
	logged "$ID: removed"; like "$(grep "^$ID" "$D/jobs")" "uid=$(id -u nobody)\$" "mail for root is delivered as default_privs"
	add ok@send.test daemon@local.test
	logged "$ID: removed"; like "$(grep "^$ID" "$D/jobs")" "uid=$(id -u daemon)\$" "mail for a system user as that user"
else
	skip 4 "not root"
fi

# --- administrators at work ---
victim=$(grep -l 'hang9@hang.test' "$Q"/active/* | sed 's,.*/,,')
mtaqueue -C "$D" hold "$victim" >/dev/null; in_queue hold "$victim"; ok $? "an active message can be held"
mtaqueue -C "$D" delete --now $(cat "$T/active") >/dev/null 2>&1
add ok@send.test ok5@b.test
logged "$ID: removed"; ok $? "and deleted; the manager goes on"
kill -HUP "$M"; logged "qmgr.*: reload"; ok $? "SIGHUP reads the configuration again"
add ok@send.test ok6@b.test
logged "$ID: removed"; ok $? "and deliveries go on"
stop; is $? 0 "SIGTERM stops it in time, whatever hangs"

# --- what a stopped or killed manager leaves is found again ---
: > "$LOG"
add ok@send.test slow1@a.test; mv "$Q/incoming/$ID" "$Q/active/$ID"
manager
logged "$ID: removed"; ok $? "what was active is taken up again at the start"
add ok@send.test slow2@a.test slow3@a.test slow4@a.test
wait_for 5 grep -q "slow2@a.test" "$D/jobs"
kid=$(pgrep -P "$M" -x mtaqmgr || echo "$M"); kill -9 $kid; wait "$M"
: > "$LOG"; manager
logged "$ID: removed"; ok $? "nothing is lost when it is killed"

# --- files that are no messages ---
add ok@send.test ok7@a.test; logged "$ID: removed"; stop; : > "$LOG"
add ok@send.test okc@a.test; c=$ID; head -c 100 "$Q/incoming/$c" > "$T/cut"; cat "$T/cut" > "$Q/incoming/$c"
ln -s /etc/passwd "$Q/incoming/0sym1ink00000"; mkfifo "$Q/incoming/0fifo00000000"; mkdir "$Q/incoming/0dir00000000"
add ok@send.test okd@a.test; ln "$Q/incoming/$ID" "$T/link" ; l=$ID
ln -s /etc/passwd "$Q/deferred/0sym1ink00001"
echo garbage > "$Q/incoming/not-an-id.txt"
manager
in_queue corrupt "$c"; ok $? "a truncated queue file goes to corrupt/"
logged "$c: moved to corrupt: truncated"; ok $? "and is reported"
logged "incoming/0sym1ink00000: not a queue file" && logged "incoming/0fifo00000000: not a queue file" && logged "incoming/$l: not a queue file" &&
	logged "deferred/0sym1ink00001: not a regular file"; ok $? "symbolic links, FIFOs and hard links are ignored and reported"
rm "$T/link"; rm -r "$Q/incoming/0sym1ink00000" "$Q/incoming/0fifo00000000" "$Q/incoming/0dir00000000" "$Q/deferred/0sym1ink00001" "$Q/incoming/not-an-id.txt"
add ok@send.test oke@a.test; logged "$ID: removed"; ok $? "nothing else stops"

# --- lifetime and clocks ---
add ok@send.test defer5@a.test; in_queue deferred "$ID"; stop; : > "$LOG"
manager -o maximal_queue_lifetime=1s -o bounce_queue_lifetime=1s
logged "$ID: from=<ok@send.test>, status=expired, returned to sender"; ok $? "a message older than maximal_queue_lifetime is returned"
stop; : > "$LOG"
add ok@send.test defer6@a.test
sed -i 's/^time .*/time 1000000000.000000/' "$Q/incoming/$ID" # same length: 10 + 1 + 6
chown "$OWNER" "$Q/incoming/$ID" 2>/dev/null
manager
in_queue deferred "$ID"; ok $? "a clock that jumps by years does not bounce mail before it was tried for a while"
unlike "$(cat "$LOG")" "$ID.*expired" "no early bounce"
touch -d '+10 years' "$Q/deferred/$ID"
wait_for 14 sh -c "[ \$(grep -c '$ID.*defer6' '$D/jobs') -ge 3 ]"; ok $? "a time of retry years ahead is not believed"

# --- nobody is delayed by others ---
stop; : > "$LOG"; : > "$D/jobs"
# addmany N SENDER RECIPIENT: queue files by hand, faster than a program each
addmany() {
	perl -e 'my ($n, $from, $to, $q) = @ARGV; my $t = time; for my $i (1..$n) {
		my $id = sprintf "0many%08dX%d", $i, $$ % 1000; my $c = "Subject: x\n\n";
		my $e = "id $id\ntime $t.000000\nsender <$from>\nrcpt T <$to>\n\n"; my $o = 48 + length $e;
		open my $f, ">", "$q/tmp/$id" or die; chmod 0600, $f; chown((stat "$q/incoming")[4,5], $f);
		printf $f "mtaq1 %020d %020d\n%s%s", $o, length $c, $e, $c; close $f; rename "$q/tmp/$id", "$q/incoming/$id" }' "$1" "$2" "$3" "$Q"
}
manager -o qmgr_message_active_limit=100
addmany 1000 bulk@send.test hang@hang.test
add ok@send.test okx@b.test; t0=$(date +%s%N)
logged "$ID: removed"; t1=$(date +%s%N)
[ $(((t1 - t0) / 1000000)) -lt 1000 ]; ok $? "1000 messages for a destination that hangs, active limit 100: other mail leaves at once ($(((t1 - t0) / 1000000)) ms)"
stop; find "$Q/active" "$Q/incoming" -type f -exec rm -f {} +; : > "$LOG"
manager -o qmgr_message_active_limit=100 -o fake_destination_concurrency_limit=1
addmany 1000 bulk@send.test slow@one.test
wait_for 5 grep -q slow@one.test "$D/jobs"
add ok@send.test oky@one.test; t0=$(date +%s%N)
logged "$ID: removed"; t1=$(date +%s%N)
[ $(((t1 - t0) / 1000000)) -lt 2000 ]; ok $? "1000 messages of one sender: another sender's message to the same destination is next ($(((t1 - t0) / 1000000)) ms)"
stop; find "$Q/active" "$Q/incoming" -type f -exec rm -f {} +; : > "$LOG"
: > "$D/jobs.pids"; chmod 666 "$D/jobs.pids"
manager -o qmgr_message_active_limit=10 -o max_use=20
addmany 2000 bulk@send.test okbulk@one.test
wait_for 20 sh -c "[ -z \"\$(find '$Q/active' '$Q/incoming' -type f)\" ]"; ok $? "a heap of messages of one sender is worked off"
is "$(grep -c okbulk "$D/jobs")" 2000 "each of them once"
n=$(wc -l < "$D/jobs.pids"); [ "$n" -ge 100 ]; ok $? "max_use=20: after so many jobs an agent is replaced ($n processes)"
like "$(cat "$LOG")" "warning: the active queue is full \([0-9]+ messages\).* deliveries of it are for [a-z.]*one.test by transport fake" "a full active queue is told of, and of whom it is full"

# --- one message with very many recipients ---
: > "$D/jobs"
seq 1 4000 | sed 's/.*/ok&@d&.test/' > "$T/many"
ID=$(printf 'Subject: many\n\nx\n' | mtaqueue -C "$D" add -f list@send.test $(cat "$T/many")); big=$ID
add ok@send.test ok8@z.test
wait_for 20 sh -c "grep -q '$ID: removed' '$LOG'"; before=$(grep -c "^$big" "$D/jobs")
wait_for 30 grep -q "$big: removed" "$LOG"; ok $? "a message with 4000 recipients at 4000 destinations is delivered"
is "$(grep "^$big" "$D/jobs" | tr ' ' '\n' | grep -c '@d')" 4000 "each recipient once"
[ "$before" -lt 3990 ]; ok $? "another message did not wait for it ($before of 4000 were done)"
stop; is $? 0 "stops"

# --- soft_bounce ---
: > "$LOG"
manager -o soft_bounce=yes
add ok@send.test bounce10@a.test x@err.test
logged "$ID: to=<bounce10@a.test>.*dsn=4.1.1, status=SOFTBOUNCE \(550 5.1.1"; ok $? "soft_bounce: what would be returned waits"
in_queue deferred "$ID" && logged "$ID: to=<x@err.test>.*dsn=4.1.6, status=SOFTBOUNCE"; ok $? "whoever refuses it"
unlike "$(cat "$LOG")" "$ID: sender non-delivery" "and nobody is told"
mtaqueue -C "$D" delete --now "$ID" >/dev/null
stop

# --- recipients in memory ---
: > "$LOG"; : > "$D/jobs"
manager -o qmgr_message_recipient_limit=10 -o qmgr_message_recipient_minimum=3
add ok@send.test $(seq -f 'ok%.0f@a.test' 25)
logged "$ID: removed"; is "$(awk -v id="$ID" '$1 == id { if (NF - 3 > m) m = NF - 3; n += NF - 3 } END { print m, n }' "$D/jobs")" "10 25" "qmgr_message_recipient_limit bounds what is read of one message at once"
stop

# --- a command under way when it stops ---
: > "$LOG"; : > "$D/sleeper"
manager -o slong_time_limit=60s
add ok@send.test joe@slong.test; wait_for 5 test -s "$D/sleeper"
stop; wait_for 3 sh -c "! kill -0 $(cat "$D/sleeper")"; ok $? "a command that does not end in time is ended with what it has started, when the manager stops"
mtaqueue -C "$D" delete --now "$ID" >/dev/null

# --- one run ---
add ok@send.test ok9@a.test defer9@a.test bounce9@a.test
timeout 20 mtaqmgr -1 -C "$D" 2>>"$LOG"; is $? 0 "-1: one run through the queue ends by itself"
is "$(rcpt_letter deferred ok9@a.test)$(rcpt_letter deferred defer9@a.test)$(rcpt_letter deferred bounce9@a.test)" DTB "with everything done that could be"
is "$(count_files "$Q/incoming")$(count_files "$Q/active")" 00 "reports, too"

# --- very many commands at once ---
: > "$LOG"
manager -o "transport_maps=texthash:$D/once" -o default_transport=once -o default_process_limit=2000 -o "once_agent=/bin/true {\${recipient}}"
add ok@send.test $(seq 1 1000 | sed 's/.*/ok&@d&.test/')
wait_for 20 grep -q "$ID: removed" "$LOG"; ok $? "a thousand commands are started at once: neither of the two processes waits for the other for ever"
kill -9 "$M" $(pgrep -P "$M") 2>/dev/null
done_testing
