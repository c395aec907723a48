#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# More mail comes in than goes out: in_flow_delay slows the clients until the queue manager keeps up; mail for a site may be
# asked for by users where fast_flush_domains says so.
. "$(dirname "$0")/lib.sh"
have_program smtp-source || skip_all 'smtp-source (package postfix) is not installed'
cat >"$T/slow" <<'EOF'
#!/bin/sh
while [ ! -e "$1" ]; do sleep 0.2; done
EOF
chmod +x "$T/slow"
mail_system 'services=qmgr smtp' "virtual_agent=$T/slow $T/go" 'qmgr_message_active_limit=10' 'in_flow_delay=5s' 'virtual_process_limit=5' \
	'smtpd_client_connection_count_limit=0' 'relay_domains=site.test'
seconds() { # for one message to be taken
	t=$(date +%s%N); smtp-source -t "$USER_ADDR" "127.0.0.1:$SMTP_PORT"; echo $((($(date +%s%N) - t) / 1000000))
}
[ "$(seconds)" -lt 4500 ]; ok $? "a message is taken at once"
smtp-source -s 10 -m 110 -t "$USER_ADDR" "127.0.0.1:$SMTP_PORT"
wait_for 10 test -e "$QUEUE/state/busy"
smtp-source -s 10 -m 5 -t "$USER_ADDR" "127.0.0.1:$SMTP_PORT"
wait_for 10 test -e "$QUEUE/state/busy"; ok $? "mtaqmgr says that it cannot keep up"
like "$(cat "$LOG")" 'more mail comes in than goes out' "and logs it"
[ "$(seconds)" -ge 5000 ]; ok $? "a client waits for in_flow_delay then"
: >"$T/go"
wait_for 20 test ! -e "$QUEUE/state/busy"; ok $? "when deliveries go on, it keeps up again"
[ "$(seconds)" -lt 4500 ]; ok $? "and a message is taken at once"

ln -s "$B/mtaqueue" "$T/postqueue"
"$T/postqueue" -c "$CONF" -s site.test; is $? 0 "postqueue -s flushes a site of fast_flush_domains"
out=$("$T/postqueue" -c "$CONF" -s other.test 2>&1); is $? 69 "and no other"
like "$out" 'not configured for destination "other.test"' "and says why"
done_testing
