#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Kill storm: COUNT (100000) numbered messages go in by SMTP and by mtaqueue add while random processes of the system get
# SIGKILL, its supervisor among them. Clients send again what was not acknowledged. Afterwards every number is delivered once
# or more, each whole; what was delivered again is counted. (t/kill.t is a quick one.)
: "${MTA_BUILD:=$(cd "$(dirname "$0")/../.." && pwd)/build}"
here=$(cd "$(dirname "$0")/.." && pwd)
. "$here/lib.sh"
COUNT=${COUNT:-100000} CLIENTS=${CLIENTS:-8}
for p in mtasmtp mtadeliver mtaqmgr mtaauth mta mtaconf; do have_program "$p" || skip_all "$p is not built"; done
mail_system fork_delay=0 service_throttle_time=1 minimal_backoff_time=1s maximal_backoff_time=1s transport_retry_time=1s queue_run_delay=1s \
	smtpd_client_connection_count_limit=0
perl "$here/lib/killer.pl" "$CONF" "$T/stop" "pause=${PAUSE:-0.1}" top=20 >"$T/killed" 2>&1 & killer=$!
each=$((COUNT / CLIENTS)) k=0 clients=
while [ $k -lt "$CLIENTS" ]; do
	how=; [ $k -ne 0 ] || how="command=mtaqueue -C $CONF add -f a@example.com"
	perl "$here/lib/load.pl" "port=$SMTP_PORT" "rcpt=$USER_ADDR" first=$((k * each + 1)) count=$each seconds=3000 lines=40 retry=1 ${how:+"$how"} \
		>"$T/acked.$k" 2>"$T/client.$k" & clients="$clients $!"
	k=$((k + 1))
done
# shellcheck disable=SC2086
wait $clients
: >"$T/stop"; wait $killer
diag "$(cat "$T/killed")"
sort -u "$T"/acked.* >"$T/acked"
is "$(wc -l <"$T/acked" | tr -d ' ')" $((each * CLIENTS)) "every message was acknowledged in the end"
drained() { mtaqueue -C "$CONF" flush >/dev/null 2>&1; ! find "$QUEUE/incoming" "$QUEUE/active" "$QUEUE/deferred" -type f | grep -q .; }
wait_for 300 drained; ok $? "the queue is empty in the end" || diag "$(find "$QUEUE" -type f | head)"
login() { printf '%s\n' "$PASSWORD" | testauth -C "$CONF" -u "$USER_ADDR" >"$T/auth" 2>&1; }
wait_for 10 login; ok $? "passwords are checked again" || diag "$(cat "$T/auth")"
mail_stop; ok $? "the system stops in order"
perl "$here/lib/numbers.pl" "$MAILDIR/new" "$MAILDIR/cur" >"$T/have"
grep '^partial' "$T/have" >"$T/partial"; grep -v '^partial' "$T/have" | sort >"$T/whole"
sort -u "$T/whole" >"$T/once"
comm -23 "$T/acked" "$T/once" >"$T/lost"
n=$(wc -l <"$T/acked" | tr -d ' ') lost=$(wc -l <"$T/lost" | tr -d ' ') all=$(wc -l <"$T/whole" | tr -d ' ') once=$(wc -l <"$T/once" | tr -d ' ')
diag "$((n - lost)) of $n acknowledged messages delivered; $all deliveries, $((all - once)) of them duplicates"
is "$lost" 0 "every acknowledged message is delivered" || diag "$(head "$T/lost")"
is "$(wc -l <"$T/partial" | tr -d ' ')" 0 "none of them in part" || diag "$(head "$T/partial")"
is "$(count_files "$QUEUE/corrupt")" 0 "no queue file is damaged"
done_testing
