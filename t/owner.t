#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# A private system that root starts runs as its mail_owner, whoever that is: servers, passwords and mailboxes.
. "$(dirname "$0")/lib.sh"
have_program mta mtaconf mtasmtp mtapop mtaauth mtaqmgr mtadeliver sendmail || skip_all "not all programs are built"
[ "$(id -u)" -eq 0 ] || skip_all "needs root, whose system it is"
OWNER=
for u in games daemon bin; do
	id -u "$u" >/dev/null 2>&1 && [ "$(id -g "$u")" -ne 0 ] && OWNER=$u && break
done
[ -n "$OWNER" ] || skip_all "this system has no user to be mail_owner"

mail_system "mail_owner=$OWNER" || { fail "a system of $OWNER"; done_testing; }
printf 'Subject: x\n\nx\n' | sendmail -C "$CONF" -f a@example.com "$USER_ADDR"; ok $? "sendmail submits"
arrived() { [ "$(count_files "$MAILDIR/new")" -eq 1 ]; }
wait_for 20 arrived; ok $? "the mail is delivered" || diag "$(tail -5 "$LOG")"
is "$(find "$MAILDIR/new" -type f -exec stat -c %U {} +)" "$OWNER" "to a mailbox of $OWNER"
is "$(curl -s "pop3://127.0.0.1:$POP3_PORT/1" --ssl-reqd -k -u "$USER_ADDR:$PASSWORD" | grep -c '^Subject: x')" 1 "and fetched from there"
done_testing
