#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# notices-client.t: what the postmaster is told of servers that mail was sent to (notify_classes = protocol): mtasend says what
# was said, mtaqmgr puts it into the queue.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"

mail_config recipient_delimiter=+ minimal_backoff_time=1h maximal_backoff_time=1h smtp_mail_timeout=5s 'smtp_sasl_auth_enable=yes' \
	'smtp_sasl_security_options=' smtp_tls_security_level=none notify_classes=protocol
# server NAME RULE...: a scripted SMTP server for NAME.test
server() {
	name=$1; shift
	perl "$HERE/smtp-script.pl" "$T/$name.log" "$@" > "$T/$name.port" &
	PIDS="$PIDS $!"
	wait_for 5 test -s "$T/$name.port"
	echo "$name.test	smtp:[127.0.0.1]:$(cat "$T/$name.port")" >> "$DIR/transport"
}
server good
server refuses 'RCPT=550 5.1.1 no such user'
server later 'RCPT=450 4.2.1 later'
server syntax 'RCPT=500 5.5.2 what is that'
server data 'DATA=250 2.0.0 I have it'
server mail 'MAIL=354 go on'
server garbage 'MAIL=HELLO there'
server end "$(printf 'DOT=503 5.5.1 \033[31m nested')"
server login 'EHLO=250-script\n250 AUTH PLAIN LOGIN' 'MAIL=503 5.5.1 bad sequence'
server prompts 'EHLO=250-script\n250 AUTH LOGIN' 'AUTH=334 UGFzc3dvcmQ6' 'Z2VOZWLT=235 2.7.0 in' 'MAIL=503 5.5.1 bad sequence'
cat >> "$DIR/main.cf" <<END
error_notice_recipient = $USER_ADDR
transport_maps = texthash:$DIR/transport
smtp_sasl_password_maps = inline:{[127.0.0.1]:$(cat "$T/login.port")=joe:geheim, [127.0.0.1]:$(cat "$T/prompts.port")=joe:geheim}
END
mail_start

settled() { [ ! -e "$QUEUE/incoming/$ID" ] && [ ! -e "$QUEUE/active/$ID" ]; }
# to NAME [SENDER]: a message to x@NAME.test; its ID in $ID, the notice in $NOTICE, "" when there was none
to() {
	rm -f "$QUEUE/state/notices-delivery"
	ID=$(printf 'Subject: the subject\n\nthe message\n' | mtaqueue -C "$DIR" add -f "${2-me@example.com}" "x@$1.test")
	wait_for 15 grep -q "$ID: to=<x@$1.test>.*status=" "$LOG"
	wait_for 15 settled # a notice follows the results
	NOTICE=
	n=$(sed -n "s/.*$ID: postmaster notice (protocol): errors of [^ ]*: //p" "$LOG")
	[ -n "$n" ] || return 0
	wait_for 15 grep -q "$n: to=<$USER_ADDR>.*status=sent" "$LOG"
	NOTICE=$(cat "$(grep -l "transport smtp: errors of .*:$(cat "$T/$1.port") " "$MAILDIR"/new/* | tail -1)")
}

for name in good refuses later; do
	to $name; is "$NOTICE" "" "$name: what servers say every day is not told"
done
to syntax
like "$NOTICE" "^Return-Path: <double-bounce@" "a server that does not understand us: the postmaster is told, from double_bounce_sender"
like "$NOTICE" "^Subject: transport smtp: errors of 127\.0\.0\.1\[127\.0\.0\.1\]:$(cat "$T/syntax.port") \(protocol\)" "the subject names the server"
like "$NOTICE" "message $ID was to be delivered" "the text the message"
like "$NOTICE" "^    S: 220 script ESMTP" "and what was said: greeting"
like "$NOTICE" "^    C: EHLO " "EHLO"
like "$NOTICE" "^    S: 250 ENHANCEDSTATUSCODES" "its reply"
like "$NOTICE" "^    C: RCPT TO:<x@syntax.test>" "commands"
like "$NOTICE" "^    S: 500 5\.5\.2 what is that" "and the reply in question"
for name in data mail garbage; do
	to $name; like "$NOTICE" "^Subject: transport smtp: errors of" "$name: a reply that does not belong there"
done
like "$NOTICE" "^    S: HELLO there" "what is no reply is shown as well"
to end
like "$NOTICE" "^    C: \(a message, not shown\)" "of the message it is said that it was sent"
like "$NOTICE" "^    S: 503 5\.5\.1 .x1b\[31m nested" "control characters are made visible"
unlike "$NOTICE" "the message\$|the subject" "and nothing of it is shown"
to login
like "$NOTICE" "^    C: AUTH PLAIN" "AUTH is shown with its mechanism"
like "$(cat "$T/login.log")" "AUTH PLAIN [A-Za-z0-9+/=]+" "(it was sent with the password)"
unlike "$NOTICE" "$(printf '\0joe\0geheim' | base64)" "which is not shown"
to prompts
like "$NOTICE" "^    C: AUTH LOGIN\$" "AUTH LOGIN is shown"
like "$(cat "$T/prompts.log")" "Z2VoZWlt" "(the password came by itself)"
like "$NOTICE" "^    C: \(an answer, not shown\)" "that there was an answer is shown"
unlike "$NOTICE" "Z2VoZWlt|am9l" "and the answer is not"
to syntax "double-bounce@$DOMAIN"
is "$NOTICE" "" "no notice about the delivery of a notice"

# --- many ---
rm -f "$QUEUE/state/notices-delivery"
before=$(grep -c "postmaster notice" "$LOG")
for i in 1 2 3 4 5 6 7; do
	id=$(printf 'a: b\n\n' | mtaqueue -C "$DIR" add -f me@example.com "x$i@syntax.test")
	wait_for 15 grep -q "$id: to=<x$i@syntax.test>.*status=" "$LOG"
done
ID=$id; wait_for 15 settled
is "$(($(grep -c "postmaster notice" "$LOG") - before))" 5 "of seven in a row five are told"
like "$(cat "$QUEUE/state/notices-delivery")" " 0*2$" "and two are counted"
mail_stop
done_testing
