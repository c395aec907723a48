#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# dsn.t: reports that senders ask for (RFC 3461), delay warnings, templates, notices to the postmaster, recipients who have
# moved. Mail comes in by SMTP; the reports are read in the sender's Maildir.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"

# script NAME RULE...: a scripted SMTP server; its port in $PORT
script() {
	name=$1; shift
	perl "$HERE/smtp-script.pl" "$T/$name.log" "$@" > "$T/$name.port" &
	PIDS="$PIDS $!"
	wait_for 5 test -s "$T/$name.port"; PORT=$(cat "$T/$name.port")
}
script plain; PLAIN=$PORT
script knows 'EHLO=250-script\n250-PIPELINING\n250 DSN'; KNOWS=$PORT

mail_config recipient_delimiter=+ minimal_backoff_time=1s maximal_backoff_time=2s queue_run_delay=1s
: > "$DIR/jobs"; chmod 666 "$DIR/jobs"
cat > "$DIR/transport" <<END
plain.test	smtp:[127.0.0.1]:$PLAIN
knows.test	smtp:[127.0.0.1]:$KNOWS
fake.test	fake:
true.test	true:
final.test	final:
broken.test	broken:
END
cat >> "$DIR/main.cf" <<END
transport_maps = texthash:$DIR/transport
relocated_maps = texthash:$DIR/relocated
smtpd_relay_restrictions = permit_mynetworks reject_unauth_destination
mynetworks = 127.0.0.0/8
fake_agent = $B/t/fakeagent -b $DIR/jobs
true_agent = true \${recipient}
final_agent = flags=X true \${recipient}
broken_agent = $T/not-there -b
transport_retry_time = 1s
END
printf 'moved@%s\tnew@far.test\n@closed.test\tnobody, it is closed\n' "$DOMAIN" > "$DIR/relocated"
mail_start

# smtp FROM RCPT...: a message; FROM and RCPT with their parameters. Replies in $OUT, ID in $ID
smtp() {
	OUT=$(perl -MIO::Socket::INET -e '
		my $port = shift; my $from = shift;
		my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or die "connect: $!";
		sub reply { local $_; while (<$s>) { print; last if /^\d{3} / } }
		reply();
		for ("EHLO client.test", "MAIL FROM:$from", (map { "RCPT TO:$_" } @ARGV), "DATA") { print $s "$_\r\n"; reply() }
		print $s "Subject: the subject\r\n\r\nsecret body\r\n.\r\n"; reply(); print $s "QUIT\r\n"; reply()' "$SMTP_PORT" "$@" | tr -d '\r')
	ID=$(printf '%s\n' "$OUT" | sed -n 's/^250 2.0.0 .*queued as //p')
}
logged() { wait_for 8 grep -Eq "$1" "$LOG"; }
# report KIND: waits for the report about $ID and its delivery; its text in $REPORT
report() {
	REPORT=
	wait_for 8 grep -q "$ID: sender $1 notification: " "$LOG" || return 1
	n=$(sed -n "s/.*$ID: sender $1 notification: //p" "$LOG" | tail -1)
	wait_for 8 grep -q "$n: removed" "$LOG" || return 1
	f=$(grep -l "X-Queue-ID: $ID" "$MAILDIR"/new/* "$MAILDIR"/cur/* 2>/dev/null | tail -1)
	[ "$f" ] || return 1
	REPORT=$(cat "$f"); perl "$HERE/dsn-check.pl" "$f" >> "$T/wrong" || :
}
# done_with: the message has left the queue
done_with() { logged "$ID: removed"; }
reports() { grep -c "$ID: sender .* notification: " "$LOG"; }
empty() { mtaqueue -C "$DIR" delete --now --all >/dev/null 2>&1; }
me="<$USER_ADDR>"
: > "$T/wrong"

# --- success ---
smtp "$me ENVID=QQ+2B1" "<$USER_ADDR> NOTIFY=SUCCESS ORCPT=rfc822;The+2BName@there.test"
like "$OUT" "^250[- ]DSN" "DSN is offered to everybody"
report 'delivery status'; ok $? "NOTIFY=SUCCESS: a delivery to a mailbox is reported"
like "$REPORT" "^Action: delivered" "as delivered"
like "$REPORT" "^Status: 2\." "with its status"
like "$REPORT" "^Original-Recipient: rfc822;The\+Name@there.test" "with the address that the sender wrote (ORCPT)"
like "$REPORT" "^Original-Envelope-Id: QQ\+1" "with the sender's ENVID"
like "$REPORT" "^Subject: Successful Mail Delivery Report" "its subject"
like "$REPORT" "has been delivered" "words for people"
like "$REPORT" "^Subject: the subject" "the header of the message"
unlike "$REPORT" "secret body" "and not its body"
smtp "$me" "<$USER_ADDR>"; done_with
is "$(reports)" 0 "without NOTIFY a delivery is not reported"
smtp "$me" "<$USER_ADDR> NOTIFY=NEVER"; done_with
is "$(reports)" 0 "nor with NOTIFY=NEVER"
smtp "<>" "<$USER_ADDR> NOTIFY=SUCCESS"; done_with
is "$(reports)" 0 "the null sender is told nothing"
smtp "$me" "<a@plain.test> NOTIFY=SUCCESS,FAILURE"
report 'delivery status'; like "$REPORT" "^Action: relayed" "a server without DSN: relayed"
unlike "$(grep RCPT "$T/plain.log")" NOTIFY "which is not asked for reports"
smtp "$me RET=HDRS ENVID=abc" "<a@knows.test> NOTIFY=SUCCESS ORCPT=rfc822;b@knows.test"; done_with
is "$(reports)" 0 "a server with DSN reports itself"
like "$(cat "$T/knows.log")" "^> MAIL FROM:$me.* RET=HDRS ENVID=abc" "it is given RET and ENVID"
like "$(cat "$T/knows.log")" "^> RCPT TO:<a@knows.test> NOTIFY=SUCCESS ORCPT=rfc822;b@knows.test" "and NOTIFY and ORCPT"
smtp "$me" "<expanded@fake.test> NOTIFY=SUCCESS"
report 'delivery status'; like "$REPORT" "^Action: expanded" "what an agent expands is reported as that"
smtp "$me" "<passed@fake.test> NOTIFY=SUCCESS"; done_with
is "$(reports)" 0 "what an agent passes on with the request is not reported"
smtp "$me" "<a@true.test> NOTIFY=SUCCESS"
report 'delivery status'; like "$REPORT" "^Action: relayed" "a command has relayed"
smtp "$me" "<a@final.test> NOTIFY=SUCCESS"
report 'delivery status'; like "$REPORT" "^Action: delivered" "or delivered, by flags=X"

# --- failure ---
smtp "$me RET=HDRS" "<bounce1@fake.test> NOTIFY=FAILURE" "<bounce2@fake.test> NOTIFY=SUCCESS,DELAY" "<bounce3@fake.test> NOTIFY=NEVER"
report non-delivery; ok $? "a failure is reported"
like "$REPORT" "^Final-Recipient: rfc822; bounce1@fake.test" "about those who asked for it"
unlike "$REPORT" "bounce[23]" "and not about the others"
unlike "$REPORT" "secret body" "RET=HDRS: without the body"
smtp "$me" "<bounce4@fake.test> NOTIFY=SUCCESS"; done_with
is "$(reports)" 0 "NOTIFY=SUCCESS alone: a failure is not reported"
smtp "$me" "<bounce5@fake.test>"; report non-delivery
like "$REPORT" "secret body" "without RET the body comes back"

# --- every NOTIFY, and what becomes of it ---
for n in '' NEVER SUCCESS FAILURE DELAY SUCCESS,FAILURE SUCCESS,DELAY FAILURE,DELAY SUCCESS,FAILURE,DELAY; do
	for from in "$me" "<>"; do
		smtp "$from" "<relayed6@fake.test>${n:+ NOTIFY=$n}" "<bounce6@fake.test>${n:+ NOTIFY=$n}"; done_with
		want=
		case $from:$n in "<>:"*) ;; *SUCCESS*) want="delivery status" ;; esac
		case $from:$n in "<>:"*) ;; *FAILURE*|*:) want="$want${want:+ }non-delivery" ;; esac
		is "$(sed -n "s/.*$ID: sender \(.*\) notification: .*/\1/p" "$LOG" | sort | tr '\n' ' ' | sed 's/ $//')" "$want" "$from NOTIFY=$n: ${want:-no report} to the sender"
	done
done
OUT=$(perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => shift); sub reply { local $_; while (<$s>) { last if /^\d{3} / } $_ }
	reply(); for ("EHLO x", @ARGV, "DATA") { print $s "$_\r\n"; reply() } print $s "Subject: eight\r\n\r\nb\303\266dy\r\n.\r\n"; print reply()' \
	"$SMTP_PORT" "MAIL FROM:$me" "RCPT TO:<bounce7@fake.test>"); ID=$(printf %s "$OUT" | tr -d '\r' | sed -n 's/.*queued as //p')
report non-delivery; like "$REPORT" "^Content-Transfer-Encoding: 8bit" "eight bit characters that came without BODY=8BITMIME: the report says that it has them"
like "$REPORT" "^b.*dy$" "and does"

# --- delay warnings ---
mail_stop
cat >> "$DIR/main.cf" <<END
delay_warning_time = 2s
notify_classes = delay, bounce, 2bounce, software
delay_notice_recipient = watch@fake.test
bounce_notice_recipient = watch@fake.test
error_notice_recipient = trouble@fake.test
END
mail_start
smtp "$me" "<defer1@fake.test>" "<defer2@fake.test> NOTIFY=FAILURE" "<defer3@fake.test> NOTIFY=NEVER" "<defer5@fake.test> NOTIFY=SUCCESS,DELAY" \
	"<defer6@fake.test> NOTIFY=DELAY" "<defer7@fake.test> NOTIFY=SUCCESS,FAILURE"
warned=$ID
report delay; ok $? "the sender is warned about a delay of delay_warning_time"
like "$REPORT" "^Action: delayed" "as delayed"
like "$REPORT" "^Will-Retry-Until: " "and until when it is tried"
like "$REPORT" "^Subject: Delayed Mail" "its subject"
like "$REPORT" "need not$" "the sender need do nothing"
like "$REPORT" "^Final-Recipient: rfc822; defer1@" "about those who did not refuse it"
is "$(printf '%s\n' "$REPORT" | sed -n 's/^Final-Recipient: rfc822; //p' | sort | tr '\n' ' ')" "defer1@fake.test defer5@fake.test defer6@fake.test " "or asked for it, and not about the others"
logged "$ID: postmaster delay notification: "; ok $? "notify_classes=delay: the postmaster has a copy"
n=$(sed -n "s/.*$ID: postmaster delay notification: //p" "$LOG")
logged "$n: to=<watch@fake.test>"; ok $? "delay_notice_recipient gets it"
logged "$n: from=<double-bounce@"; ok $? "from double_bounce_sender"
mail_stop; mail_start
tries=$(grep -c "$warned: to=<defer1@.*status=deferred" "$LOG")
wait_for 8 sh -c "[ \$(grep -c '$warned: to=<defer1@.*status=deferred' '$LOG') -gt $((tries + 1)) ]"
ok $? "it is tried again"
is "$(grep -c "$warned: sender delay notification" "$LOG")" 1 "the warning is sent once, also after a restart"
smtp "<>" "<defer4@fake.test>"; wait_for 12 sh -c "[ \$(grep -c '$ID: to=<defer4@.*status=deferred' '$LOG') -ge 3 ]"
is "$(grep -c "$ID: .* notification" "$LOG")" 0 "nobody is warned about a delayed report"
mtaqueue -C "$DIR" pause --domain fake.test >/dev/null
smtp "$me" "<ok@fake.test>"; report delay; ok $? "the sender is warned about mail that an administrator has paused, too"
like "$REPORT" "held back by the administrator" "and why it waits"
mtaqueue -C "$DIR" resume --domain fake.test >/dev/null
empty

# --- notices ---
smtp "$me" "<bounce6@fake.test>"
logged "$ID: postmaster non-delivery notification: "; ok $? "notify_classes=bounce: the postmaster has a copy"
n=$(sed -n "s/.*$ID: postmaster non-delivery notification: //p" "$LOG")
logged "$n: to=<watch@fake.test>"; ok $? "bounce_notice_recipient gets it"
smtp "$me" "<bounce8@fake.test> NOTIFY=NEVER"
logged "$ID: postmaster non-delivery notification: "; ok $? "also of what the sender wants no report of"
is "$(grep -c "$ID: sender .* notification" "$LOG")" 0 "who gets none"
smtp "<>" "<bounce9@fake.test> NOTIFY=NEVER"
logged "$ID: postmaster non-delivery notification: "; ok $? "notify_classes=2bounce: a report that fails, whatever its NOTIFY"
ID=$(printf 'Subject: x\n\nx\n' | mtaqueue -C "$DIR" add --hold -f "$USER_ADDR" someone@fake.test)
mtaqueue -C "$DIR" bounce "$ID" >/dev/null
logged "$ID: postmaster non-delivery notification: "; ok $? "what is bounced by hand, too"
smtp "<>" "<double-bounce@$DOMAIN>"
logged "$ID: to=<double-bounce@$DOMAIN>.*status=sent \(undeliverable postmaster notification discarded\)"; ok $? "what comes back to double_bounce_sender is taken and dropped"
smtp "$me" "<a@broken.test>"
logged "postmaster notice \(software\): .*broken"; ok $? "notify_classes=software: a transport whose agent cannot be started"
logged "to=<trouble@fake.test>"; ok $? "error_notice_recipient gets it"
empty

# --- templates ---
cat > "$DIR/bounce.cf" <<'END'
# our words
failure_template = <<EOF
Charset: utf-8
From: helpdesk@example.com (Help)
Subject: Nicht zugestellt
Postmaster-Subject: Kopie

Das ist $myhostname. Träge Welt.
Versucht wird ${maximal_queue_lifetime_days} Tage, gewarnt nach ${delay_warning_time_seconds} s.
EOF

delay_template = <<X
Subject: Es dauert

Geduld.
X
END
mail_stop
echo "bounce_template_file = $DIR/bounce.cf" >> "$DIR/main.cf"
mail_start
smtp "$me" "<bounce7@fake.test>"; report non-delivery
like "$REPORT" "^Subject: Nicht zugestellt" "bounce_template_file: the subject"
like "$REPORT" "^From: helpdesk@example.com \(Help\)" "the sender's name"
like "$REPORT" "^Das ist [a-z].* Träge Welt" "the text, with parameters expanded"
like "$REPORT" "^Versucht wird 5 Tage, gewarnt nach 2 s" "and times in units"
like "$REPORT" "^Action: failed" "the report for machines stays"
unlike "$REPORT" "This is the mail system" "the built-in words are gone"
logged "$ID: postmaster non-delivery"
n=$(sed -n "s/.*$ID: postmaster non-delivery notification: //p" "$LOG")
[ "$n" ]; ok $? "the postmaster's copy has its own subject"
ID=$(printf 'Subject: x\n\nx\n' | mtaqueue -C "$DIR" add --hold -f "$USER_ADDR" someone@fake.test)
mtaqueue -C "$DIR" bounce "$ID" >/dev/null; report non-delivery
like "$REPORT" "^Subject: Nicht zugestellt" "mtaqueue bounce uses the template too"
smtp "$me" "<defer5@fake.test>"; report delay
like "$REPORT" "^Geduld" "delay_template"
empty
mail_stop
printf 'failure_template = <<EOF\nSubject: x\n\n' > "$DIR/bounce.cf"
out=$(mtaqmgr -C "$DIR" -1 2>&1); s=$?
is "$s" 78 "a template without an end: EX_CONFIG"
like "$out$(tail -5 "$LOG")" "bounce.cf: line 3: the end of the template is missing" "and which line is wrong"
sed -i '/^bounce_template_file/d' "$DIR/main.cf"
mail_start

# --- moved ---
smtp "$me" "<moved@$DOMAIN>"
like "$OUT" "^550 5.1.6 <moved@$DOMAIN>: Recipient address rejected: User has moved to new@far.test" "relocated_maps: refused at RCPT, with the new address"
smtp "$me" "<any@closed.test>"
like "$OUT" "^550 5.1.6 .*User has moved to nobody, it is closed" "a whole domain"
smtp "$me" "<moved+box@$DOMAIN>"
like "$OUT" "^550 5.1.6 " "with an extension"
ID=$(printf 'Subject: x\n\nx\n' | mtaqueue -C "$DIR" add -f "$USER_ADDR" "moved@$DOMAIN")
report non-delivery
like "$REPORT" "^Status: 5.1.6" "in the queue: bounced with 5.1.6"
like "$REPORT" "User has moved to new@far.test" "and where to"
is "$(cat "$T/wrong")" "" "all these reports are what RFC 3464, 6522 and 6533 want"
done_testing
