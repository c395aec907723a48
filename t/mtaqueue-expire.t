#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# mtaqueue expire, postsuper -e and -f: an administrator has messages returned to their senders.
. "$(dirname "$0")/lib.sh"
mail_config services=qmgr default_transport=smtp:[127.0.0.1]:1 minimal_backoff_time=600s maximal_backoff_time=1h \
	"transport_maps=inline:{slow.invalid=slow:}" "slow_agent=$T/slow"
printf '#!/bin/sh\nsleep 2\nexit 75\n' >"$T/slow"; chmod 755 "$T/slow"
Q="mtaqueue -C $CONF"
for n in postqueue postsuper; do ln -s "$B/mtaqueue" "$T/$n"; done
where() { (cd "$QUEUE" && for w in incoming active deferred hold corrupt trash; do [ -e "$w/$1" ] && printf '%s ' "$w"; done); }
is_in() { [ "$(where "$2")" = "$1 " ]; }
gone() { [ -z "$(where "$1")" ]; }
add() { printf 'Subject: %s\nTo: someone\n\nbody of %s\n' "$1" "$1" | { shift; $Q add -f "$@"; }; }
log() { grep -E -e "$1" "$LOG"; }
report() { f=$(grep -l "$1" "$MAILDIR"/new/* 2>/dev/null | head -1); [ -n "$f" ] && cat "$f"; }
deferred() { A=$(add "$1" "$USER_ADDR" "$2"); wait_for 10 is_in deferred "$A"; }
mail_start

# --- deferred messages ---

deferred one a1@away.invalid
is "$($Q expire -n "$A")" "$(printf 'would expire %s\nwould expire 1 message' "$A")" "expire -n tells what would be done"
is "$($Q list -j "$A" | grep -o '"forced_expire": [a-z]*')" '"forced_expire": false' "and nothing has happened"
is "$($Q expire "$A")" "$(printf 'expired %s\nexpired 1 message' "$A")" "expire"
wait_for 10 gone "$A"; ok $? "a deferred message is returned at once"
wait_for 10 report a1@away.invalid >/dev/null
like "$(report a1@away.invalid)" 'Connection refused' "the report has the reason of the last attempt"
like "$(report a1@away.invalid)" '^Action: failed' "that is final"
like "$(report a1@away.invalid)" '^Status: [45]\.4\.1' "with its status"
like "$(log "qmgr.*$A: from=")" 'status=force-expired, returned to sender' "the log says why"
is "$(log "mta/smtp.*$A: to=.*status=deferred" | wc -l | tr -d ' ')" 1 "it was not tried again"
is "$(ls "$QUEUE/defer")" "" "its history is gone, too"
$Q expire "$A" >/dev/null 2>&1; is $? 66 "expire of what is not there"
$Q expire >/dev/null 2>&1; is $? 64 "expire without a selection does nothing"
$Q release --release "$A" >/dev/null 2>&1; is $? 64 "--release is for expire"

# --- on hold ---

deferred two a2@away.invalid; $Q hold -q "$A"
$Q expire -q "$A"; is "$?$(where "$A")" "0hold " "a message on hold stays there"
is "$(stat -c %a "$QUEUE/hold/$A")" 610 "with the flag"
is "$($Q list -j "$A" | grep -o '"forced_expire": [a-z]*')" '"forced_expire": true' "list -j says so"
is "$("$T/postqueue" -c "$CONF" -j | grep -o '"forced_expire": [a-z]*')" '"forced_expire": true' "postqueue -j, too"
like "$("$T/postqueue" -c "$CONF" -p)" "^$A# +[0-9]+ " "mailq has Postfix's mark"
like "$($Q list "$A")" "$USER_ADDR \(to be returned\)" "list has words"
like "$($Q show "$A")" '^expired: ' "show, too"
$Q reroute -q --to-nexthop '[127.0.0.1]:2' "$A"
is "$(stat -c %a "$QUEUE/hold/$A")" 610 "the flag survives reroute"
$Q delete -q "$A"; $Q undelete -q "$A"
is "$(stat -c %a "$QUEUE/hold/$A")" 610 "and the way through the trash"
mail_stop; mail_start
$Q release -q "$A"
wait_for 10 gone "$A"; ok $? "once released it is returned"
wait_for 10 report a2@away.invalid >/dev/null; ok $? "to its sender"
A=$(add three "$USER_ADDR" --hold a3@away.invalid)
is "$($Q expire --release "$A" | tail -1)" "expired 1 message" "expire --release"
wait_for 10 gone "$A"; ok $? "returns what is on hold"
wait_for 10 report a3@away.invalid >/dev/null
like "$(report a3@away.invalid)" 'message is administratively expired' "a message that was never tried says what happened"
A=$(add four "$USER_ADDR" --hold "$USER_ADDR")
$Q expire -q "$A"; $Q requeue -q "$A"
wait_for 10 log "$A: removed"
like "$(log "$A: to=<$USER_ADDR>")" 'status=sent' "requeue takes it back: the message is delivered"
wait_for 5 report 'body of four'
like "$(report 'body of four')" '^Subject: four' "to its recipient"

# --- under way ---

A=$(add five "$USER_ADDR" a5@slow.invalid); wait_for 5 is_in active "$A"
$Q expire -q "$A"; ok $? "expire of a message that is being delivered"
wait_for 10 gone "$A"; ok $? "it is returned when that fails for now"
wait_for 10 report a5@slow.invalid >/dev/null
like "$(report a5@slow.invalid)" 'temporary failure' "with the reason of this attempt"

# --- paused ---

$Q pause -q --domain away.invalid
A=$(add six "$USER_ADDR" a6@away.invalid); wait_for 10 is_in deferred "$A"
$Q expire -q "$A"; wait_for 10 gone "$A"; ok $? "a paused message is returned as well"
$Q resume -q --all

# --- the sender is told once, and the two flags do not know each other ---

A=$(add seven "$USER_ADDR" --hold a7@away.invalid)
chmod 700 "$QUEUE/hold/$A"; $Q expire -q "$A"
is "$(stat -c %a "$QUEUE/hold/$A")" 710 "that the sender was warned is not forgotten"
chmod 755 "$QUEUE/hold/$A"
is "$($Q list -j "$A" | grep -o '"forced_expire": [a-z]*')" '"forced_expire": false' "a mode that is not ours has no flags: a careless chmod returns no mail"
$Q delete -q --now "$A"
A=$(add eight '<>' --hold a8@away.invalid)
$Q expire -q --release "$A"; wait_for 10 gone "$A"; ok $? "a report that nobody wants ends"

# --- postsuper ---

deferred nine a9@away.invalid
is "$("$T/postsuper" -c "$CONF" -e "$A" 2>&1)" "$(printf 'postsuper: %s: expired\npostsuper: Force-expired: 1 message' "$A")" "postsuper -e"
wait_for 10 gone "$A"; ok $? "returns the message"
A=$(add ten "$USER_ADDR" --hold a10@away.invalid); C=$(add eleven "$USER_ADDR" --hold a11@away.invalid)
is "$("$T/postsuper" -c "$CONF" -e ALL hold 2>&1)" "postsuper: Force-expired: 2 messages" "postsuper -e ALL hold"
is "$(where "$A")" "hold " "leaves them on hold"
is "$("$T/postqueue" -c "$CONF" -p | awk '/^[0-9A-Za-z]+#/ { print $1 }' | "$T/postsuper" -c "$CONF" -f - 2>&1 | tail -1)" \
	"postsuper: Force-expired: 2 messages" "postsuper -f with IDs of mailq"
wait_for 10 gone "$A" && wait_for 10 gone "$C"; ok $? "returns them"
done_testing
