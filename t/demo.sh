#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# demo.sh - a message goes in by SMTP, through the queue, into a Maildir and out by POP3, in a private
# mail system that is made for it and taken away again. KEEP=1 leaves the system running.
# Exits 0 only if the bytes that were fetched are those that were sent, plus the expected header fields.
set -u
PATH=${MTA_BUILD:?}:$PATH
W=$(mktemp -d "${TMPDIR:-/tmp}/mtademo.XXXXXX") || exit 75
chmod 711 "$W"
MTA_CONFIG=$W/mta
export PATH MTA_CONFIG
b= n=
if [ -t 1 ]; then b=$(printf '\033[1m') n=$(printf '\033[0m'); fi

end() {
	[ -n "${KEEP:-}" ] && [ "$1" -eq 0 ] && return
	mta stop >/dev/null 2>&1
	rm -rf "$W"
}
trap 'end $?' EXIT
trap 'exit 130' INT TERM
step() { printf '\n%s%s%s\n' "$b" "$*" "$n"; }
fail() { printf '\nDEMO FAILED: %s\n' "$*" >&2; [ ! -s "$W/mta/log" ] || tail -20 "$W/mta/log" >&2; exit 1; }
# prints the command as typed, runs it, prints what came back
typed() {
	printf '$ %s\n' "$*"
	sh -c "$*" >"$W/out" 2>&1; rc=$?
	sed 's/^/    /' "$W/out"
	[ $rc -eq 0 ] || fail "$* (exit $rc)"
}

step '1. A private mail system: configuration, queue, mailbox, certificate, one user'
typed mtaconf init "$MTA_CONFIG"
user=$(sed -n 's/^ *user  *//p' "$W/out") password=$(sed -n 's/^ *password  *//p' "$W/out")
smtp=$(mtaconf -xh smtpd_port) pop3=$(mtaconf -xh pop3_port) pop3s=$(mtaconf -xh pop3s_port)
[ -n "$user" ] && [ -n "$password" ] && [ -n "$smtp" ] && [ -n "$pop3s" ] || fail 'mtaconf init did not say user, password and ports'
typed mta start
typed mta status

step '2. In by SMTP: mtasend is the client, mtasmtp the server'
cat >"$W/message" <<EOF
From: Alice <alice@example.com>
To: $user
Subject: A first message
Message-ID: <demo.$$@example.com>
Date: Fri, 20 Nov 2026 12:00:00 +0000
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Grüße aus der Warteschlange.
.
A line with a dot stands above this one.
EOF
typed "mtasend -n '[127.0.0.1]:$smtp' -f alice@example.com $user < $W/message"
grep -q '^sent ' "$W/out" || fail 'the server did not take the message'
id=$(sed -n 's/.*queued as \([0-9A-Za-z]*\).*/\1/p' "$W/out")

step '3. Through the queue: mtaqmgr gives it to mtadeliver'
box=$(mtaconf -xh virtual_mailbox_base)
i=0
while found=$(find "$box" -path '*/new/*' -type f) && [ -z "$found" ] && [ $i -lt 100 ]; do sleep 0.1; i=$((i + 1)); done
[ -n "$found" ] || { mtaqueue list; fail 'the message did not reach the Maildir'; }
typed "grep -F ${id:-none} $(mtaconf -xh maillog_file)"
typed mtaqueue list

step '4. In the Maildir'
typed ls -l "$found"

step '5. The password: mtaauth answers testauth'
typed "printf '%s\\n' '$password' | testauth -u $user"

step '6. Out by POP3 over TLS'
fetch() {
	printf 'USER %s\r\nPASS %s\r\nSTAT\r\nRETR 1\r\nQUIT\r\n' "$user" "$password" |
		openssl s_client -quiet -nocommands -connect "127.0.0.1:$pop3s" 2>/dev/null
}
printf '$ %s\n' "printf 'USER ..\\r\\nPASS ..\\r\\nSTAT\\r\\nRETR 1\\r\\nQUIT\\r\\n' | openssl s_client -quiet -connect 127.0.0.1:$pop3s"
fetch >"$W/session"
sed 's/\r$//; s/^/    /' "$W/session"

# The message: between the answer to RETR (the second "+OK <number>") and the lone dot.
awk '{ sub(/\r$/, "") }
	/^\+OK/ && !body { if (++ok == 5) { body = 1 } next }
	body && $0 == "." { exit }
	body { sub(/^\./, ""); print }' "$W/session" >"$W/fetched"
added='^(Return-Path: <alice@example\.com>|X-Original-To: .*|Delivered-To: .*)$'
awk -v added="$added" '!past && $0 ~ added { next } !past && /^Received: / { r = 1; next } r && /^[ \t]/ { next } { r = 0; past = 1; print }' \
	"$W/fetched" >"$W/compare"
for f in Return-Path Delivered-To Received; do
	grep -q "^$f: " "$W/fetched" || fail "the fetched message has no $f field"
done
cmp "$W/message" "$W/compare" || fail 'the fetched message is not the one that was sent'

step 'The fetched bytes are the sent ones, plus Return-Path, Delivered-To and Received.'
if [ -n "${KEEP:-}" ]; then
	cat <<EOF

The system is still running. For a mail client:
    address   $user
    password  $password
    SMTP      127.0.0.1 port $smtp
    POP3      127.0.0.1 port $pop3 (TLS: $pop3s, self-signed certificate)
In a shell:   export PATH=$MTA_BUILD:\$PATH MTA_CONFIG=$MTA_CONFIG
Stop it:      mta stop; rm -rf $W
EOF
fi
