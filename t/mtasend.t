#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtasend: against smtp-sink, a server that says odd things (t/smtp-script.pl), LMTP servers, DNS, TLS and AUTH.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"
cd "$T" || exit 1
exec 2> "$T/stderr"

cat > main.cf <<END
myhostname = client.example.test
inet_protocols = ipv4
smtp_connect_timeout = 2s
smtp_helo_timeout = 2s
smtp_starttls_timeout = 2s
smtp_mail_timeout = 1s
smtp_rcpt_timeout = 2s
smtp_data_done_timeout = 1s
END
printf 'From: a@example.org\nSubject: hello\n\nbody\n.dot\n..\nlast\n' > msg
sed 's/$/\r/' msg > msg.crlf

# script RULE...: starts the scripted server: $PORT, log in ./log
LOGS=0
script() {
	LOGS=$((LOGS + 1)) LOG=log$LOGS
	perl "$HERE/smtp-script.pl" $SCRIPT "$LOG" "$@" > "$LOG.port" &
	PIDS="$PIDS $!"
	wait_for 5 test -s "$LOG.port"
	PORT=$(cat "$LOG.port")
}
# send ARGUMENT...: output in $OUT, exit status in $S
send() { OUT=$(timeout 30 mtasend -C "$T" "$@" < "${MSG:-msg}"); S=$?; }
# to RULE...: a message to three recipients by the scripted server
to() { script "$@"; send -n "[127.0.0.1]:$PORT" -f a@example.org x@r.test y@r.test z@r.test; }
status() { echo "$OUT" | cut -d' ' -f1,2 | tr '\n' ' '; }

# by hand
send -n '[127.0.0.1]:1' x@r.test; is $S 64 "no sender: EX_USAGE"
send -f a@example.org -n '[127.0.0.1]:1'; is $S 64 "no recipient: EX_USAGE"
send -f 'a@example.org
x' -n '[127.0.0.1]:1' x@r.test; is "$S$OUT" 64 "a line feed in the sender is refused"
like "$(mtasend -V)" '^mtasend \(mtakit\) ' "-V"
send -f a@example.org -n 'smtp:[host' x@r.test; is "$S $(status)" "75 deferred 4.3.5 " "a malformed next hop: deferred"
PORT=$(free_port)
send -f a@example.org -n "[127.0.0.1]:$PORT" x@r.test
is "$OUT" "deferred 4.4.1 <x@r.test> connect to 127.0.0.1[127.0.0.1]:$PORT: Connection refused" "nobody listens"

# one transaction
to
is "$S $(status)" "0 sent 2.0.0 sent 2.0.0 sent 2.0.0 " "three recipients are sent"
like "$OUT" "^sent 2.0.0 <x@r.test> relay=127.0.0.1\[127.0.0.1\]:$PORT delays=[0-9.]+/[0-9.]+/[0-9.]+ action=relayed 250 2.0.0 queued$" "with relay, delays and the server's words"
is "$(grep -c '^C' $LOG) $(sed -n 's/^> //p' $LOG | head -6 | tr '\n' ';')" \
	"1 EHLO client.example.test;MAIL FROM:<a@example.org>;RCPT TO:<x@r.test>;RCPT TO:<y@r.test>;RCPT TO:<z@r.test>;DATA;" "in one transaction"
sed 's/^\./../' msg.crlf > want; same want $LOG.1 "dots are doubled, line ends are CRLF"
script 'EHLO=250-script\n250-SIZE 1000\n250-8BITMIME\n250-SMTPUTF8\n250 DSN'
send -n "[127.0.0.1]:$PORT" -o body=8BITMIME -o smtputf8 -o ret=HDRS -o envid=a+b -f '' 'ü@r.test'
is "$(grep '> MAIL' $LOG)" "> MAIL FROM:<> SIZE=$(wc -c < msg) BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb" "SIZE, BODY, SMTPUTF8, RET and ENVID where they are offered"
is "$(grep '> RCPT' $LOG)" "> RCPT TO:<ü@r.test>" "a UTF-8 address"
to 'EHLO=250-script\n250 SIZE 10'
is "$S $(status)" "69 bounced 5.3.4 bounced 5.3.4 bounced 5.3.4 " "a message larger than the server's SIZE is bounced at once"
script; send -n "[127.0.0.1]:$PORT" -o smtputf8 -f a@example.org 'ü@r.test'
is "$(status)" "bounced 5.6.7 " "SMTPUTF8 is needed and not offered: bounced"
send -n "[127.0.0.1]:$PORT" -o smtputf8 -f a@example.org 'u@r.test'
is "$(status)" "sent 2.0.0 " "nor needed by this message: sent"
to 'EHLO=500 what?'
is "$(status)$(grep -c HELO $LOG)" "sent 2.0.0 sent 2.0.0 sent 2.0.0 1" "a server without EHLO gets HELO"
to 'EHLO=250 script' 'RCPT:1=550 5.1.1 no'
is "$(status)$(grep -c DATA $LOG)" "bounced 5.1.1 sent 2.0.0 sent 2.0.0 1" "without PIPELINING"
script; send -n "[127.0.0.1]:$PORT" -f a@example.org '"a>b"@r.test' x@r.test
is "$(status)$(grep -c '> RCPT' $LOG)" "bounced 5.1.3 sent 2.0.0 1" "an address with '>' in it never reaches the wire"

# replies
to 'RCPT:2=550 5.1.1 no such user' 'RCPT:3=450 4.2.1 busy'
is "$S $(status)" "75 sent 2.0.0 bounced 5.1.1 deferred 4.2.1 " "each recipient has its own result"
like "$OUT" '<y@r.test> .* host 127.0.0.1\[127.0.0.1\] said: 550 5.1.1 no such user \(in reply to RCPT TO command\)' "with what the server said"
to 'MAIL=552-5.7.1 not\n552 5.7.1 you'
is "$S $(status)$(grep -c '^=' $LOG)" "69 bounced 5.7.1 bounced 5.7.1 bounced 5.7.1 1" "MAIL refused"
like "$OUT" 'said: 552 5.7.1 not you \(in reply to MAIL FROM' "a reply of two lines is one text"
to 'RCPT=550 no'
is "$S $(status)$(grep '^=' $LOG)" "69 bounced 5.0.0 bounced 5.0.0 bounced 5.0.0 = 0" "all recipients refused: no content is sent"
to 'DATA=452 4.3.1 full'; is "$(status)" "deferred 4.3.1 deferred 4.3.1 deferred 4.3.1 " "DATA refused for now"
to 'DOT=554 5.6.0 spam'; is "$(status)" "bounced 5.6.0 bounced 5.6.0 bounced 5.6.0 " "the message refused"
to 'GREETING=554 go away'; is "$(status)" "deferred 4.0.0 deferred 4.0.0 deferred 4.0.0 " "a greeting of 554: deferred"
to 'RCPT:2=@close 421 4.3.2 bye'; is "$(status)" "deferred 4.3.2 deferred 4.3.2 deferred 4.3.2 " "421 in the middle"
to 'DOT=@cut'
is "$(status)$(grep -c ^C $LOG)" "deferred 4.4.2 deferred 4.4.2 deferred 4.4.2 1" "connection lost after the final dot: deferred, not sent again at once"
like "$OUT" 'may be sent more than once' "and the text says what that may mean"
to 'MAIL=@cut'; like "$OUT" '4.4.2 .* lost connection with .* while sending MAIL FROM' "connection lost"
to 'RCPT:2=999 what'; is "$(status)" "deferred 4.5.0 deferred 4.5.0 deferred 4.5.0 " "code 999 is no reply"
to 'RCPT=hello'; is "$(status)" "deferred 4.5.0 deferred 4.5.0 deferred 4.5.0 " "nor is a line without code"
to 'RCPT=@endless'; is "$(status)" "deferred 4.5.0 deferred 4.5.0 deferred 4.5.0 " "an endless reply is bounded"
to 'EHLO=@endless'; like "$(status)" "^deferred 4.[45].[02] deferred 4.[45].[02] " "to EHLO as well"
to 'MAIL=@long'; is "$(status)" "deferred 4.5.0 deferred 4.5.0 deferred 4.5.0 " "a line of 10 MB"
to 'MAIL=@slow 250 2.1.0 this is a very slow reply'; like "$OUT" 'timed out while sending MAIL FROM' "one byte at a time: the time limit is for the whole reply"
to 'GREETING=@slow 220 this is a very slow greeting, the slowest of them'; like "$OUT" 'timed out while receiving the initial server greeting' "for the greeting too"
to 'DOT=@hang'; like "$OUT" 'timed out while sending end of data' "no reply to the end of data"

# content
head -c 3000000 /dev/urandom | od -An -tx1 > big
script; MSG=big send -n "[127.0.0.1]:$PORT" -f a@example.org x@r.test
sed 's/$/\r/' big > want; same want $LOG.1 "a message of $(wc -c < big) bytes"
perl -e 'srand 7; my @b = ("\r", ".", "a", "\n", "\r.", "\n.", "..", "\r\r"); print map { $b[rand @b] } 1 .. 400000; print "x\n"' > random
script; MSG=random send -n "[127.0.0.1]:$PORT" -f a@example.org x@r.test
perl -0777 -pe 's/(?<!\r)\n/\r\n/g; s/(^|\n)\./$1../g' random > want
same want $LOG.1 "random bytes with CR, LF and dots arrive byte for byte"
printf 'Subject: x\n\nno line end' > odd
script; MSG=odd send -n "[127.0.0.1]:$PORT" -f a@example.org x@r.test
is "$(tail -c 13 $LOG.1)" "$(printf 'no line end\r\n')" "a last line without its end gets one"

# resident
script
OUT=$("$B/t/agentjob" -n 3 -S "transport=smtp nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg)
is "$(echo "$OUT" | grep -c ^sent) $(grep -c ^C $LOG) $(grep -c '> MAIL' $LOG) $(grep -c RSET $LOG)" "3 1 3 0" "resident: three messages over one connection"
script
"$B/t/agentjob" -n 2 -w 1000 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out & J=$!
wait_for 3 pgrep -P $J; sleep 0.4
is "$(sed -n 's/^\(CapEff\|CapPrm\|NoNewPrivs\|Seccomp\):[^0-9]*//p' "/proc/$(pgrep -P $J)/status" | tr '\n' ' ')" \
	"0000000000000000 0000000000000000 1 2 " "it has no capabilities, gets none, and is confined"
wait $J
script
"$B/t/agentjob" -n 2 -w 700 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -o smtp_connection_cache_time_limit=0 -b < msg > out
sleep 0.1
is "$(grep -c ^sent out) $(grep -c ^C $LOG) $(grep -c QUIT $LOG)" "2 2 2" "an idle connection is closed after its time, with QUIT"
script 'DOT=@close 250 2.0.0 and now I close'
"$B/t/agentjob" -n 3 -w 200 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out
is "$(grep -c ^sent out) $(grep -c ^C $LOG)" "3 3" "a connection that the server has closed meanwhile is made again"
script '#1:MAIL:2=@cut'
"$B/t/agentjob" -n 2 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out
is "$(grep -c ^sent out) $(grep -c ^C $LOG)" "2 2" "also when that shows only with the next MAIL"
script 'RCPT:1=550 no'
"$B/t/agentjob" -n 2 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out
is "$(cut -d' ' -f1 out | tr '\n' ' ')$(grep -c ^C $LOG)" "bounced done sent done 1" "after a refused recipient the connection serves the next message"
script 'DOT=250 2.0.0 ok\n250 2.0.0 and more'
"$B/t/agentjob" -n 2 -w 100 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out
is "$(grep -c ^sent out) $(grep -c ^C $LOG)" "2 2" "a server that says more than it was asked gets a new connection"
script 'RCPT=450 4.2.0 later'
"$B/t/agentjob" -n 2 -S "nexthop=[127.0.0.1]:$PORT" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out
is "$(grep -c ^deferred out) $(grep -c '> RCPT' $LOG)" "2 2" "a server that says later is not asked twice in one attempt"

# LMTP
SCRIPT=-l
lmtp() { script "$@"; send -n "lmtp:inet:127.0.0.1:$PORT" -f a@example.org x@r.test y@r.test z@r.test; }
lmtp
is "$S $(status)$(head -2 $LOG | tail -1)" "0 sent 2.0.0 sent 2.0.0 sent 2.0.0 > LHLO client.example.test" "LMTP"
lmtp 'RCPT:1=550 5.1.1 no' 'DOT:2=452 4.2.2 full'
is "$(status)" "bounced 5.1.1 sent 2.0.0 deferred 4.2.2 " "LMTP: a reply for each recipient after the message"
lmtp 'DOT:2=@cut'; is "$(status)" "sent 2.0.0 deferred 4.4.2 deferred 4.4.2 " "LMTP: lost between those replies"
lmtp 'LHLO=@endless'; is "$(status)" "deferred 4.5.0 deferred 4.5.0 deferred 4.5.0 " "LMTP: an endless reply"
SCRIPT="-l -u $T/sock"; script
send -n "lmtp:unix:$T/sock" -f a@example.org x@r.test
like "$OUT" "^sent 2.0.0 <x@r.test> relay=client.example.test\[$T/sock\] " "LMTP over a Unix socket"
"$B/t/agentjob" -n 2 -S "transport=lmtp nexthop=unix:$T/sock" -f a@example.org -r x@r.test mtasend -C "$T" -b < msg > out
is "$(grep -c ^sent out) $(grep -c ^C $LOG)" "2 2" "resident, over one connection"
SCRIPT=
send -n "lmtp:unix:$T/none" -f a@example.org x@r.test; is "$(status)" "deferred 4.4.1 " "no such socket: deferred"

. "$HERE/mtasend-peers.sh"
done_testing
