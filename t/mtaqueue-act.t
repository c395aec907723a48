#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# mtaqueue(1) beside a running queue manager: bounce, reroute, pause and resume, counters, what is tidied up.
. "$(dirname "$0")/lib.sh"
mail_config services=qmgr default_transport=smtp:[127.0.0.1]:1 queue_trash_lifetime=1s queue_run_delay=2s \
	minimal_backoff_time=600s maximal_backoff_time=1h
Q="mtaqueue -C $CONF"
where() { (cd "$QUEUE" && for w in incoming active deferred hold corrupt trash; do [ -e "$w/$1" ] && printf '%s ' "$w"; done); }
is_in() { [ "$(where "$2")" = "$1 " ]; }
add() { printf 'Subject: %s\nTo: someone\n\nbody of %s\n' "$1" "$1" | { shift; $Q add -f "$@"; }; }
log() { grep -E -e "$1" "$LOG"; }
came() { grep -qs "$1" "$MAILDIR"/new/*; }
inbox() { grep -l "$1" "$MAILDIR"/new/* 2>/dev/null | wc -l | tr -d ' '; }
owner=$(stat -c %u "$QUEUE/incoming")

# --- what lies about is taken away, at the start and later ---

printf x >"$QUEUE/tmp/.tmp.old"; touch -d '-2 days' "$QUEUE/tmp/.tmp.old"
printf x >"$QUEUE/tmp/.tmp.new"
OLD=$(add old "$USER_ADDR" t@away.invalid); $Q delete -q "$OLD"
ok "$([ -d "$QUEUE/trash" ]; echo $?)" "the trash is there from the beginning"
sleep 1.1
mail_start
wait_for 5 test ! -e "$QUEUE/trash/$OLD"; ok $? "the trash is emptied after queue_trash_lifetime"
is "$(ls -A "$QUEUE/tmp")" ".tmp.new" "at the start old files of tmp/ are removed, new ones are not"
rm -f "$QUEUE/tmp/.tmp.new"

# --- bounce ---

A=$(add one "$USER_ADDR" a@away.invalid b@away.invalid)
wait_for 10 is_in deferred "$A"
is "$($Q bounce -n "$A")" "$(printf 'would bounce %s\nwould bounce 1 message' "$A")" "bounce -n tells what would be done"
is "$(where "$A")" "deferred " "and does nothing"
is "$($Q bounce "$A")" "$(printf 'bounced %s\nbounced 1 message' "$A")" "bounce"
is "$(where "$A")$(ls "$QUEUE/defer")" "" "the message and its history are gone"
wait_for 10 test "$(inbox multipart/report)" = 1
wait_for 5 came a@away.invalid
report=$(cat "$MAILDIR"/new/* 2>/dev/null)
like "$report" '^Final-Recipient: rfc822; *a@away.invalid' "its sender has the report"
like "$report" '^Final-Recipient: rfc822; *b@away.invalid' "on all recipients"
like "$report" '^Status: 5\.4\.1' "the temporary code has become a final one"
like "$report" 'Connection refused' "with the reason of the last attempt"
like "$(log "bounce.*$A: sender non-delivery notification: ")" . "and the log says which report it is"
like "$(log "bounce.*$A: to=<a@away.invalid>.*status=bounced")" 'dsn=5.4.1' "and what became of each recipient"
rm -f "$MAILDIR"/new/*
A=$(add two "$USER_ADDR" a@away.invalid)
wait_for 10 is_in deferred "$A"
$Q bounce -q --status 5.7.1 --text 'not wanted here' --domain away.invalid; ok $? "bounce --status --text, by domain"
wait_for 20 came 'not wanted here'; ok $? "the text is in the report"
like "$(cat "$MAILDIR"/new/*)" '^Status: 5\.7\.1' "and the code"
$Q bounce --status 4.0.0 --all >/dev/null 2>&1; is $? 64 "a temporary code makes no bounce"
$Q bounce >/dev/null 2>&1; is $? 64 "bounce without a selection does nothing"
A=$(add three '<>' a@away.invalid)
wait_for 10 is_in deferred "$A"
$Q bounce -q "$A"
like "$(log "bounce.*$A: ")" "postmaster non-delivery|dropped" "a report that cannot be delivered goes to the postmaster, or nowhere"
is "$(where "$A")" "" "and is gone"
N=$(add four "$USER_ADDR" never@away.invalid)
wait_for 10 is_in deferred "$N"
sed -i 's/^rcpt T <never@away.invalid>$/rcpt T <n@away.invalid> notify=NEVER/' "$QUEUE/deferred/$N"
perl -pi -e 's/^(mtaq1 \d+) (\d+)/$1 $2/' "$QUEUE/deferred/$N"
len=$(awk '{ n += length($0) + 1 } /^$/ { print n; exit }' "$QUEUE/deferred/$N")
size=$(($(wc -c <"$QUEUE/deferred/$N") - len))
sed -i "1s/.*/$(printf 'mtaq1 %020d %020d' "$len" "$size")/" "$QUEUE/deferred/$N"
chown "$owner" "$QUEUE/deferred/$N"
before=$(log 'sender non-delivery' | wc -l)
$Q bounce -q "$N"; is "$?$(where "$N")" 0 "bounce of what asked for no report"
is "$(log 'sender non-delivery' | wc -l)" "$before" "makes none"

# --- reroute ---

A=$(add five "$USER_ADDR" "$USER_ADDR" a@away.invalid b@away.invalid)
wait_for 10 is_in deferred "$A"
body=$($Q show --message "$A")
is "$($Q reroute --to-nexthop '[127.0.0.1]:2' "$A" | tail -1)" "rerouted 1 message" "reroute"
wait_for 10 is_in deferred "$A"
wait_for 5 log "$A: to=<a@away.invalid>, relay=.*:2: Connection refused" >/dev/null; ok $? "it is tried at the new next hop"
like "$(sed -n 's/^opt //p' "$QUEUE/deferred/$A")" '^transport=smtp nexthop=' "the queue file says so"
is "$($Q show --message "$A")" "$body" "the content is the same"
is "$(sed -n 's/^rcpt \(.\).*/\1/p' "$QUEUE/deferred/$A" | tr -d '\n')" DTT "who has it already does not get it again"
is "$(stat -c '%a %u' "$QUEUE/deferred/$A")" "600 $owner" "the file is the owner's"
$Q hold -q "$A"
$Q reroute -q --reset "$A"; is "$(where "$A")$(sed -n 's/^opt //p' "$QUEUE/hold/$A")" "hold " "--reset: by the tables again; what is on hold stays there"
$Q reroute --to-transport nosuch --to-nexthop x "$A" 2>/dev/null; is $? 64 "an unknown transport is refused"
$Q reroute "$A" 2>/dev/null; is $? 64 "reroute without a next hop, too"
$Q reroute -q --to-transport discard --to-nexthop 'by hand' "$A"
$Q release -q "$A"
wait_for 5 log "$A: removed"
like "$(log "$A: to=<b@away.invalid>.*status=sent")" 'by hand' "to a built-in transport"
A=$(add six "$USER_ADDR" --hold a@away.invalid)
exec 5<"$QUEUE/hold/$A"
$Q bounce "$A" >/dev/null 2>"$T/err"; is $? 69 "a message that another program has open is left alone"
like "$(cat "$T/err")" "$A: another program is at work on it" "and this is said"
is "$(where "$A")" "hold " "it is where it was"
exec 5<&-
$Q delete -q --now "$A"

# --- an active message that goes away and comes back ---

A=$(add seven "$USER_ADDR" a@away.invalid)
wait_for 10 is_in deferred "$A"
$Q flush -q "$A"; $Q hold -q "$A"; $Q release -q "$A" 2>/dev/null
settled() { is_in deferred "$A" && [ "$(ls -A "$QUEUE/incoming")" = "" ]; }
wait_for 10 settled; ok $? "held and released while it is tried: it is not forgotten in incoming/"
$Q delete -q --now "$A"

# --- pause, resume ---

is "$($Q pause)" "Nothing is paused." "nothing is paused"
out=$($Q pause --domain '*.invalid' --for 2h --reason 'they move')
like "$out" '^paused: domain \*\.invalid, since 0s, for (119m|2h|120m) more: they move$' "pause says what is paused"
A=$(add eight "$USER_ADDR" a@away.invalid "$USER_ADDR")
wait_for 10 is_in deferred "$A"; ok $? "mail for it waits"
wait_for 5 log "$A: to=<$USER_ADDR>.*status=sent" >/dev/null; ok $? "other recipients of the message do not"
unlike "$(log "$A: ")" 'to=<a@away.invalid>.*status=' "without an attempt"
ok "$([ ! -e "$QUEUE/defer/$A" ]; echo $?)" "and without a reason on record"
like "$($Q list "$A")" 'a@away.invalid: paused: they move' "list says so"
like "$($Q list)" '^paused: domain' "list shows the pause"
like "$($Q stat)" '^paused: domain' "stat too"
is "$($Q list -j "$A" | grep -c '"paused": true')" 1 "and JSON"
like "$($Q pause -j)" '^\{"kind": "domain", "pattern": "\*\.invalid", "since": [0-9]+, "until": [0-9]+, "reason": "they move"\}$' "pause -j"
like "$($Q stat --prometheus)" '^mta_pauses 1$' "and the metrics"
next=$($Q list --format %N "$A"); now=$(date +%s)
ok "$([ "$next" -gt $((now + 3000)) ] && [ "$next" -le $((now + 3600)) ]; echo $?)" "it is looked at again after maximal_backoff_time at the latest"
mail_stop; mail_start
$Q flush -q "$A"
sleep 0.3; wait_for 10 is_in deferred "$A"
unlike "$(log "$A: ")" 'to=<a@away.invalid>.*status=' "the pause outlives a restart, and flush does not end it"
$Q resume --domain other.test >/dev/null 2>&1; is $? 66 "resuming what is not paused"
is "$($Q resume --domain '*.INVALID')" "$(printf 'resumed: domain *.INVALID\nflushed 1 message')" "resume"
wait_for 10 log "$A: to=<a@away.invalid>.*status=deferred" >/dev/null; ok $? "it is tried at once"
wait_for 10 is_in deferred "$A"
$Q delete -q --now "$A"
for how in "--nexthop [127.0.0.1]:1" "--transport smtp" --all; do
	$Q pause -q $how
	A=$(add nine "$USER_ADDR" a@away.invalid)
	wait_for 10 is_in deferred "$A"
	unlike "$(log "$A: ")" 'status=deferred' "pause $how"
	like "$($Q list "$A")" 'a@away.invalid: paused' "list says so of the recipient"
	is "$($Q list -j "$A" | grep -c '"paused": true')" 1 "and JSON"
	like "$($Q stat --by reason --queue deferred)" '^paused: (nexthop \[127\.0\.0\.1\]:1|transport smtp|all \*) +1 ' "stat --by reason counts it"
	$Q resume -q $how
	wait_for 10 log "$A: .*status=deferred" >/dev/null; ok $? "resume $how"
	wait_for 10 is_in deferred "$A"; $Q delete -q --now "$A"
done
$Q pause -q --nexthop '[127.0.0.1]:2'
A=$(add rerouted "$USER_ADDR" a@away.invalid); wait_for 10 is_in deferred "$A"
unlike "$($Q list "$A")" 'a@away.invalid: paused' "mail that goes elsewhere is not marked"
$Q reroute -q --to-nexthop '[127.0.0.1]:2' "$A"; wait_for 10 is_in deferred "$A"
like "$($Q list "$A")" 'a@away.invalid: paused' "mail that was rerouted there is"
like "$($Q -o "transport_maps=texthash:$T/missing" list "$A" 2>&1)" 'a@away.invalid: paused' "whatever the tables say"
A=$(add broken "$USER_ADDR" b@away.invalid); wait_for 10 is_in deferred "$A"
like "$($Q -o "transport_maps=texthash:$T/missing" list "$A" 2>/dev/null)" 'b@away.invalid' "a table that is missing does not stop list"
$Q resume -q --all; $Q delete -q --now --all
$Q pause -q --domain away.invalid --for 2s
A=$(add ten "$USER_ADDR" a@away.invalid)
wait_for 10 log "$A: .*status=deferred" >/dev/null; ok $? "a pause with --for ends by itself"
is "$($Q pause)" "Nothing is paused." "and is no longer shown"
wait_for 10 is_in deferred "$A"; n=$(log "$A: .*status=deferred" | wc -l)
is "$($Q resume --all; echo $?)" "$(printf 'Nothing is paused.\n0')" "resume --all where nothing is paused"
sleep 0.2
is "$(log "$A: .*status=deferred" | wc -l)" "$n" "tries nothing"
echo precious >"$T/precious"; ln -sf "$T/precious" "$QUEUE/state/pauses"; ln -sf "$T/precious" "$QUEUE/state/.pauses"
$Q pause -q --domain x.test 2>/dev/null; $Q resume -q --domain x.test
is "$(cat "$T/precious")" precious "links in state/ are not followed: who owns the queue does not write to other files by root's hand"
is "$(stat -c '%a %u' "$QUEUE/state/pauses")" "644 $owner" "the file of pauses is the owner's"
$Q pause --for 2h >/dev/null 2>&1; is $? 64 "pause of nothing is a usage error"
$Q pause --domain x --for soon >/dev/null 2>&1; is $? 64 "a wrong time, too"
$Q delete -q --now --all

# --- watch ---

$Q watch --for 6s --from "$USER_ADDR" >"$T/watch" & w1=$!
$Q watch -j --for 6s --from "$USER_ADDR" >"$T/watch.json" & w2=$!
$Q watch --for 20s --limit 2 >"$T/watch.two" & w3=$!
sleep 0.5
A=$(add eleven "$USER_ADDR" a@away.invalid "$USER_ADDR")
O=$(add twelve other@example.com "$USER_ADDR")
wait_for 10 is_in deferred "$A"
$Q bounce -q "$A"
mv "$LOG" "$LOG.1"; mta -q -C "$CONF" reload
N=$(add thirteen "$USER_ADDR" "$USER_ADDR")
wait_for 10 grep -q "$N sent to=" "$T/watch"
wait_for 5 grep -q "removed.*$N" "$T/watch.json"
kill $w1 $w2 2>/dev/null; wait $w1 $w2 2>/dev/null
like "$(cat "$T/watch")" "^[0-9:]{8} $A arrived from=<$USER_ADDR>" "watch tells of arrivals, however soon they are taken"
like "$(cat "$T/watch")" "^[0-9:]{8} $A sent to=<$USER_ADDR>, relay=virtual, .*dsn=2.0.0 \\(delivered" "of deliveries"
like "$(cat "$T/watch")" "^[0-9:]{8} $A deferred .*to=<a@away.invalid>: 4.4.1 .*connect" "of what waits, and why"
like "$(cat "$T/watch")" "^[0-9:]{8} $A bounced to=<a@away.invalid>.*dsn=5.4.1" "of bounces"
like "$(cat "$T/watch")" "^[0-9:]{8} $N sent to=" "also after the log was rotated"
unlike "$(cat "$T/watch" "$T/watch.json")" "$O" "and of nothing else than what was selected"
like "$(cat "$T/watch.json")" "^\{\"event\": \"sent\", \"time\": [0-9]+, \"message\": \{\"queue_id\": \"$A\"\}, \"recipient\": \{\"address\": \"$USER_ADDR\", \"relay\": \"virtual\", \"dsn\": \"2.0.0\", \"text\": \"delivered" "-j"
wait_for 2 sh -c "! kill -0 $w3"; is "$(wc -l <"$T/watch.two" | tr -d ' ')" 2 "--limit ends it"
mv "$LOG.1" "$T/log.first"; cat "$LOG" >>"$T/log.first"; cat "$T/log.first" >"$LOG"

# --- counters ---

mail_stop
$Q stat --prometheus >"$T/metrics"
cat >"$T/strict.pl" <<'END'
# Each family once: HELP, TYPE, its samples together; names, labels, values well formed; no sample twice; histograms add up.
my (%seen, %type, %sample, $family, %last, %inf);
while (<>) {
	chomp;
	if (/^# HELP ([a-zA-Z_:][\w:]*) \S.*$/) { die "twice: $1" if $seen{$1}++; $family = $1; next }
	if (/^# TYPE (\S+) (counter|gauge|histogram)$/) { die "TYPE $1 not behind its HELP" if $1 ne $family; $type{$1} = $2; next }
	/^([a-zA-Z_:][\w:]*)(?:\{((?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*"(?:,(?!\}))?)+)\})? (-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)$/ or die "line $.: $_";
	my ($name, $labels, $value) = ($1, $2 // '', $3);
	die "twice: $name $labels" if $sample{"$name $labels"}++;
	my $base = $name;
	$base =~ s/_(bucket|sum|count)$// if $type{$family} eq 'histogram';
	die "$name is not of $family" if $base ne $family;
	die "$name: a counter without _total" if $type{$family} eq 'counter' && $name !~ /_total$/;
	if ($name =~ /_bucket$/) {
		(my $rest = $labels) =~ s/,?le="([^"]*)"//; my $le = $1;
		die "$_: falls" if $value < ($last{$rest} // 0); $last{$rest} = $value;
		$inf{$rest} = $value if $le eq '+Inf';
	}
	die "$_: not the last bucket" if $name =~ /_count$/ && $value != $inf{$labels};
}
END
perl "$T/strict.pl" "$T/metrics" >"$T/out" 2>&1; ok $? "stat --prometheus is well formed" || diag "$(cat "$T/out")"
for s in sent deferred bounced; do
	for t in smtp virtual; do
		is "$(sed -n "s/^mta_deliveries_total{transport=\"$t\",status=\"$s\"} //p" "$T/metrics" | grep . || echo 0)" \
			"$(grep -E "mta/$t\\[" "$LOG" | grep -c "status=$s ")" "deliveries counted: $t $s"
	done
done
is "$(sed -n 's/^mta_delivery_delay_seconds_count{transport="virtual"} //p' "$T/metrics")" \
	"$(grep -E 'mta/virtual\[' "$LOG" | grep -c 'status=sent')" "and the histogram of their delays"
C=$QUEUE/state/counters
is "$(mtamap -q smtp "tdb:$C" | sed 's/ delay=.*//')" \
	"sent=$(grep -E 'mta/smtp\[' "$LOG" | grep -c 'status=sent ') deferred=$(grep -E 'mta/smtp\[' "$LOG" | grep -c 'status=deferred ') bounced=$(grep -E 'mta/smtp\[' "$LOG" | grep -c 'status=bounced ')" \
	"mtamap reads the counters of a transport"
like "$(mtamap -q virtual "tdb:$C")" '^sent=[0-9]+ deferred=[0-9]+ bounced=[0-9]+ delay=[0-9]+\.[0-9]{6} 0\.1s=[0-9]+ .* 86400s=[0-9]+ more=[0-9]+$' "a record that can be read"
is "$(find "$QUEUE/state" -name "*tmp*")" "" "the table was written beside and renamed"
cp "$C.tdb" "$T/good.tdb"; size=$(wc -c <"$T/good.tdb"); wrong=0; at=1
while [ "$at" -lt "$size" ]; do
	perl -e 'my ($at) = @ARGV; local $/; open F, "<", $ARGV[1]; my $t = <F>; substr($t, $at, 1) ^= chr(1 + $at % 255); open G, ">", $ARGV[2]; print G $t' "$at" "$T/good.tdb" "$C.tdb"
	$Q stat --prometheus 2>/dev/null | grep -q mta_deliveries && wrong=$((wrong + 1))
	at=$((at + size / 40))
done
is $wrong 0 "a byte that is wrong, wherever it is: no counters, never wrong ones"
for at in 0 1 100 $((size / 2)) $((size - 1)); do
	head -c "$at" "$T/good.tdb" >"$C.tdb"; $Q stat --prometheus 2>"$T/err" | grep -q mta_deliveries && wrong=$((wrong + 1))
done
is $wrong 0 "nor of a table that was cut short"
like "$(cat "$T/err")" 'counters.tdb: damaged' "and that is told"
$Q stat --prometheus 2>/dev/null | perl "$T/strict.pl" >"$T/out" 2>&1; ok $? "the other metrics are there, well formed"
rm -f "$C.tdb"; printf 'mtacounters1\nsince 1\nsmtp 1 1 1 1 0 0 0 0 0 0 0 0 0 0 0 0 1\nend\n' >"$C"
unlike "$($Q stat --prometheus 2>&1)" 'mta_deliveries|warning|counters' "the file of an earlier version is passed over"
rm -f "$C"; cp "$T/good.tdb" "$C.tdb"; chown "$owner" "$C.tdb"
before=$(mtamap -q smtp "tdb:$C" | sed 's/.*deferred=\([0-9]*\).*/\1/')
mail_start; A=$(add counted "$USER_ADDR" c@away.invalid); wait_for 10 is_in deferred "$A"; mail_stop
is "$(mtamap -q smtp "tdb:$C" | sed 's/.*deferred=\([0-9]*\).*/\1/')" $((before + 1)) "a manager that starts again goes on counting"
printf 'pause kind=domain\nnonsense\n' >"$QUEUE/state/pauses"
$Q list >/dev/null 2>"$T/err"; is $? 0 "a damaged file of pauses does not stop list"
like "$(cat "$T/err")" "state/pauses: not understood" "and is told of"
done_testing
