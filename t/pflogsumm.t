#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# pflogsumm (Debian's) reads a log of a real run: received, delivered, deferred, bounced, rejected; its totals are right. It
# looks for the program name that Postfix has, so either syslog_name is set to that, or pflogsumm is told ours.
. "$(dirname "$0")/lib.sh"
have_program pflogsumm || skip_all 'pflogsumm is not installed'
have_program swaks || skip_all 'swaks is not installed'
mail_config default_transport=smtp:[127.0.0.1]:1 mydestination= "transport_maps=inline:{{gone.invalid = error:5.1.6 moved}}" \
	smtpd_error_sleep_time=0 syslog_name=postfix "smtpd_relay_restrictions=permit_sasl_authenticated, reject_unauth_destination"
mail_start
send() { swaks --server "127.0.0.1:$SMTP_PORT" --ehlo client.example.org --silent 3 "$@" >>"$T/swaks" 2>&1; }
local_mail() { printf 'Subject: local\n\nx\n' | mtaqueue -C "$CONF" add -f "$USER_ADDR" "$@" >/dev/null; }
done_all() { [ "$(grep -c 'status=' "$LOG")" -ge "$1" ] && [ "$(count_files "$QUEUE/incoming")$(count_files "$QUEUE/active")" = 00 ]; }

# 5 by SMTP and 3 from here are delivered; 2 have another recipient that is deferred; 1 bounces; 4 are refused
for i in 1 2 3 4 5; do send --from "s$i@sender.example" --to "$USER_ADDR"; done
for i in 1 2 3; do local_mail "$USER_ADDR"; done
local_mail a@away.invalid "$USER_ADDR"; local_mail b@away.invalid c@away.invalid "$USER_ADDR"
local_mail x@gone.invalid
for i in 1 2 3; do send --from s@sender.example --to "nobody$i@${USER_ADDR#*@}"; done
send --from s@sender.example --to stranger@elsewhere.example
# delivered 5 + 3 + 2 and the report; deferred 3; bounced 1
wait_for 15 done_all 15
mail_stop

summary() { sed -n "s/^ *\([0-9][0-9]*\)k\{0,1\} *\(([^)]*) *\)\{0,1\}$1.*/\1/p" "$T/summary" | head -1; }
log_count() { grep -E -c -e "$1" "$LOG"; }
check() { # NAME
	sed -n '/^Grand Totals/,/^Per-/p' "$T/summary" | head -30 >"$T/totals"
	is "$(summary delivered)" 11 "$1: delivered"
	is "$(summary deferred)" 2 "$1: deferred messages"
	is "$(sed -n 's/^ *[0-9]* *deferred *(\([0-9]*\) *deferrals).*/\1/p' "$T/summary")" 3 "$1: deferrals"
	is "$(summary bounced)" 1 "$1: bounced"
	is "$(summary rejected)" 4 "$1: rejected"
	is "$(summary received)" 11 "$1: received (the report is of our own making)"
	[ "$TAP_FAILED" -eq 0 ] || diag "$(cat "$T/totals")"
}
is "$(log_count 'status=sent')" 11 "the log has the deliveries"
is "$(log_count 'NOQUEUE: reject')" 4 "and the rejections"
pflogsumm "$LOG" >"$T/summary" 2>"$T/err"; ok $? "pflogsumm reads it under Postfix's name (syslog_name = postfix)"
is "$(cat "$T/err")" "" "without a warning"
check 'syslog_name = postfix'
like "$(cat "$T/summary")" "^ *[0-9]+ +$USER_ADDR\$" "recipients by name"
like "$(cat "$T/summary")" 'Connection refused' "the reason of the deferrals"
like "$(cat "$T/summary")" 'moved' "and of the bounce"
like "$(cat "$T/summary")" 'RCPT' "rejections by command"
# and under our own, which it has to be told
sed 's/ postfix\// mta\//' "$LOG" >"$T/mta.log"
pflogsumm --syslog-name=mta "$T/mta.log" >"$T/summary" 2>&1
check '--syslog-name=mta'
done_testing
