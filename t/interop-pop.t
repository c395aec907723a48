#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtapop with the clients that people use: curl, fetchmail, mpop, mutt, openssl s_client, and without mtakit's auth server.
. "$(dirname "$0")/lib.sh"
have_program mtaauth mtapop mta mtaconf || skip_all "not all programs are built"

mail_system "services=auth pop3 pop3s" auth_failure_delay=0s
cat > "$T/m1" << 'END'
From: alice@example.com
To: user@example.test
Subject: first
Date: Fri, 20 Nov 2026 10:00:00 +0000
Message-ID: <1@example.com>

Hello.
.a line with a dot
..
From here on
END
sed 's/first/second/; s/<1@/<2@/' "$T/m1" > "$T/m2"
# mailbox: the two messages, unread
mailbox() {
	rm -rf "$MAILDIR"; mkdir -p "$MAILDIR/new" "$MAILDIR/cur" "$MAILDIR/tmp"
	cp "$T/m1" "$MAILDIR/new/1700000001.M1P1Q1.h"; cp "$T/m2" "$MAILDIR/new/1700000002.M1P1Q1.h"
	chown -R --reference="$DIR/mail" "$MAILDIR" 2>/dev/null
}
# body FILE: what a client must have kept of a message
body() { tr -d '\r' < "$1" | sed -n '/^Hello/,$p' | sed 's/^>From /From /' | sed '/^$/,$d'; }
export HOME="$T"

if have_program curl; then
	for url in "pop3://127.0.0.1:$POP3_PORT" "pop3s://127.0.0.1:$POP3S_PORT"; do
		mailbox
		curl -sk --max-time 20 -u "$USER_ADDR:$PASSWORD" "$url/2" | tr -d '\r' > "$T/got"
		same "$T/got" "$T/m2" "curl ${url%%:*}: RETR, byte for byte"
		is "$(curl -sk --max-time 20 -u "$USER_ADDR:$PASSWORD" "$url/" | wc -l | tr -d ' ')" 2 "curl ${url%%:*}: LIST"
		curl -sk --max-time 20 -u "$USER_ADDR:$PASSWORD" -X 'DELE 1' -I "$url/" > /dev/null
		is "$(count_files "$MAILDIR")" 1 "curl ${url%%:*}: DELE"
	done
	mailbox
	curl -sk --ssl-reqd --max-time 20 -u "$USER_ADDR:$PASSWORD" "pop3://127.0.0.1:$POP3_PORT/1" | tr -d '\r' > "$T/got"
	same "$T/got" "$T/m1" "curl with STLS"
	curl -sk --max-time 20 --login-options AUTH=PLAIN --sasl-ir -u "$USER_ADDR:$PASSWORD" "pop3://127.0.0.1:$POP3_PORT/1" | tr -d '\r' > "$T/got"
	same "$T/got" "$T/m1" "curl with AUTH PLAIN in one line"
	curl -sk --max-time 20 -u "$USER_ADDR:wrong" "pop3://127.0.0.1:$POP3_PORT/" > /dev/null
	is $? 67 "curl: a wrong password is told as such"
else
	skip 9 "curl is not installed"
fi

if have_program fetchmail; then
	mailbox
	printf 'poll 127.0.0.1 protocol pop3 service %s uidl user "%s" password "%s" keep sslproto "" mda "cat >> %s/fetched; echo >> %s/fetched"\n' \
		"$POP3_PORT" "$USER_ADDR" "$PASSWORD" "$T" "$T" > "$T/fetchmailrc"
	chmod 600 "$T/fetchmailrc"; chown "$(id -un)" "$T/fetchmailrc"
	timeout 30 fetchmail -f "$T/fetchmailrc" --idfile "$T/ids" --pidfile "$T/fm.pid" > "$T/out" 2>&1; is $? 0 "fetchmail fetches" || diag "$(cat "$T/out")"
	is "$(grep -c '^\.a line' "$T/fetched")" 2 "both messages"
	timeout 30 fetchmail -f "$T/fetchmailrc" --idfile "$T/ids" --pidfile "$T/fm.pid" > "$T/out" 2>&1; is $? 1 "and knows them by UIDL the next time"
	printf 'poll 127.0.0.1 protocol pop3 service %s user "%s" password "%s" fetchall nokeep ssl sslcertck mda "cat > /dev/null"\n' \
		"$POP3S_PORT" "$USER_ADDR" "$PASSWORD" | sed 's/ sslcertck/ no sslcertck/' > "$T/fetchmailrc"
	timeout 30 fetchmail -f "$T/fetchmailrc" --idfile "$T/ids2" --pidfile "$T/fm.pid" > "$T/out" 2>&1; is $? 0 "fetchmail over TLS"
	is "$(count_files "$MAILDIR")" 0 "deletes what it has fetched"
else
	skip 5 "fetchmail is not installed"
fi

if have_program mpop; then
	mailbox
	mkdir -p "$T/mpop/cur" "$T/mpop/new" "$T/mpop/tmp"
	cat > "$T/mpoprc" << END
account default
host 127.0.0.1
port $POP3_PORT
user $USER_ADDR
password $PASSWORD
tls on
tls_starttls on
tls_certcheck off
keep off
delivery maildir $T/mpop
uidls_file $T/mpop.uidls
received_header off
END
	chmod 600 "$T/mpoprc"
	timeout 30 mpop -C "$T/mpoprc" > "$T/out" 2>&1; is $? 0 "mpop fetches with STLS, pipelined" || diag "$(cat "$T/out")"
	for f in "$T"/mpop/new/*; do grep -q 'Subject: first' "$f" && cp "$f" "$T/got"; done
	same "$T/got" "$T/m1" "byte for byte"
	is "$(count_files "$MAILDIR")" 0 "and deletes"
else
	skip 3 "mpop is not installed"
fi

if have_program mutt; then
	mailbox
	mkdir -p "$T/Mail"
	printf 'set ssl_starttls=no\nset ssl_force_tls=no\nset pop_pass="%s"\nset pop_authenticators="user"\nset header_cache=""\nset message_cachedir=""\nset pop_delete=yes\nset quit=yes\nset delete=yes\n' "$PASSWORD" > "$T/muttrc"
	TERM=vt100 timeout 30 script -qc "mutt -n -F $T/muttrc -f 'pop://$USER_ADDR@127.0.0.1:$POP3_PORT' -e 'push <delete-message><quit>'" "$T/mutt.out" > /dev/null 2>&1 < /dev/null
	is "$(count_files "$MAILDIR")" 1 "mutt -f pop:// opens the mailbox and deletes a message"
else
	skip 1 "mutt is not installed"
fi

if have_program openssl; then
	mailbox
	OUT=$({ sleep 0.5; printf 'user %s\npass %s\nlist\nquit\n' "$USER_ADDR" "$PASSWORD"; sleep 1; } |
		timeout 20 openssl s_client -crlf -quiet -connect "127.0.0.1:$POP3S_PORT" 2>/dev/null)
	like "$OUT" '^\+OK 2 messages' "a session typed into openssl s_client, in lower case"
else
	skip 1 "openssl is not installed"
fi
unlike "$(cat "$LOG")" 'error:|warning:|killed|status' "nothing but logins and logouts in the log"
done_testing
