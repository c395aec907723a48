#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# fair.t: nobody waits because of somebody else's mail, with figures; and the limits of deliveries at once. bench-queue.sh
# measures the same with a hundred thousand messages.
. "$(dirname "$0")/lib.sh"
MANY=${MANY:-5000} SENDER=${SENDER:-800} RCPTS=${RCPTS:-50000}

# takes connections, never says a word
perl -MIO::Socket::INET -e 'my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1", Listen => 1000) or die;
	$| = 1; print $s->sockport, "\n"; close STDOUT; my @c; while (my $c = $s->accept) { push @c, $c }' > "$T/silent" &
PIDS="$PIDS $!"
wait_for 5 test -s "$T/silent"

mail_config minimal_backoff_time=1s maximal_backoff_time=2s queue_run_delay=1s services=qmgr recipient_delimiter=+ smtp_helo_timeout=2s
cat > "$DIR/count" <<'END'
#!/bin/sh
# count FILE SECONDS RECIPIENT...: notes when it begins and ends
f=$1 s=$2; shift 2
echo "+ $*" >> "$f"; cat > /dev/null; sleep "$s"; echo "-" >> "$f"
END
cat > "$DIR/stamp" <<'END'
#!/bin/sh
f=$1 s=$2; shift 2
echo "$(date +%s%N) + $*" >> "$f"; cat > /dev/null; sleep "$s"; echo "$(date +%s%N) -" >> "$f"
END
chmod 755 "$DIR/count" "$DIR/stamp"
: > "$DIR/jobs"; chmod 666 "$DIR/jobs"
for n in box two four flat all one rate begin; do : > "$DIR/$n.out"; chmod 666 "$DIR/$n.out"; done
cat > "$DIR/transport" <<END
.dead.test	smtp:[127.0.0.1]:$(cat "$T/silent")
fake.test	fake:
box.test	box:box
two.test	two:two
four.test	four:four
flat.test	flat:flat
one.test	one:
bold.test	bold:
shy.test	shy:
.begin.test	begin:
.all.test	all:
rate.test	rate:
END
cat >> "$DIR/main.cf" <<END
transport_maps = texthash:$DIR/transport
fake_agent = $B/t/fakeagent -b $DIR/jobs
rate_agent = $DIR/stamp $DIR/rate.out 0.5 \${recipient}
rate_destination_rate_delay = 1s
begin_agent = $DIR/stamp $DIR/begin.out 0.5 \${recipient}
begin_transport_rate_delay = 1s
bold_agent = $B/t/fakeagent -b $DIR/jobs
bold_destination_recipient_limit = 2
bold_initial_destination_concurrency = 4
bold_destination_concurrency_limit = 4
bold_destination_concurrency_failed_cohort_limit = 0
bold_destination_concurrency_positive_feedback = 0
bold_destination_concurrency_negative_feedback = 0
shy_agent = $B/t/fakeagent -b $DIR/jobs
shy_destination_recipient_limit = 2
shy_initial_destination_concurrency = 4
shy_destination_concurrency_limit = 4
shy_destination_concurrency_failed_cohort_limit = 0
shy_destination_concurrency_positive_feedback = 0
shy_destination_concurrency_negative_feedback = 1
box_agent = $DIR/count $DIR/box.out 0.5 \${recipient}
box_destination_recipient_limit = 1
box_destination_concurrency_limit = 1
one_agent = $DIR/count $DIR/one.out 0.5 \${recipient}
one_destination_recipient_limit = 1
one_destination_concurrency_limit = 1
two_agent = $DIR/count $DIR/two.out 0.2 \${recipient}
two_destination_recipient_limit = 2
two_initial_destination_concurrency = 2
two_destination_concurrency_limit = 2
four_agent = $DIR/count $DIR/four.out 0.2 \${recipient}
four_destination_recipient_limit = 2
four_initial_destination_concurrency = 2
four_destination_concurrency_limit = 4
flat_agent = $DIR/count $DIR/flat.out 0.2 \${recipient}
flat_destination_recipient_limit = 2
flat_initial_destination_concurrency = 2
flat_destination_concurrency_positive_feedback = 0
all_agent = $DIR/count $DIR/all.out 0.2 \${recipient}
all_process_limit = 3
END

add() { f=$1; shift; ID=$(printf 'Subject: x\n\nx\n' | mtaqueue -C "$DIR" add -f "$f" "$@"); }
removed() { wait_for "$2" grep -q "$1: removed" "$LOG"; }
# leaves FROM TO: sends a message; how long until it has left, in milliseconds
leaves() {
	start=$(date +%s%N); add "$1" "$2"
	until grep -q "$ID: removed" "$LOG"; do
		[ $((($(date +%s%N) - start) / 1000000)) -lt 20000 ] || break
		sleep 0.02
	done
	echo $((($(date +%s%N) - start) / 1000000))
}
# slowest N FROM TO: the slowest of N
slowest() {
	worst=0 n=$1; shift
	while [ "$n" -gt 0 ]; do
		ms=$(leaves "$@"); [ "$ms" -gt "$worst" ] && worst=$ms
		n=$((n - 1)); sleep 0.1
	done
	echo "$worst"
}
under() { [ "$1" -lt "$2" ] || { fail "$3" || diag "$1 ms, not under $2"; return; }; pass "$3: $1 ms"; }
# The most that ran at once, by the notes of count.
most() { awk '/^\+/ { if (++n > m) m = n } /^-/ { n-- } END { print m + 0 }' "$1"; }
# and until the first one had ended
at_first() { awk '/^-/ { exit } { n++ } END { print n + 0 }' "$1"; }

# --- a dead destination ---
"$B/t/mkqueue" "$QUEUE" "$MANY" dead.test 0 || echo "Bail out! mkqueue"
mail_start
wait_for 10 grep -q "to=<.*@.*dead.test>\|queue active" "$LOG"
under "$(slowest 8 me@home.test ok@fake.test)" 1000 "a message to a healthy destination leaves while $MANY wait for a dead one; the slowest of 8"
wait_for 20 grep -q "to=<.*dead.test>.*status=deferred" "$LOG"
ok $? "the dead one is tried meanwhile, and put off"
mta -q -C "$DIR" abort 2>/dev/null; mta -q -C "$DIR" stop 2>/dev/null
find "$QUEUE" -type f -path '*/[adi]*' -name '0*' -delete
mail_start

# --- one sender with many messages to the same destination ---
n=0; while [ $n -lt "$SENDER" ]; do n=$((n + 1)); printf 'Subject: x\n\nx\n' | mtaqueue -C "$DIR" add -f many@send.test "slow$n@fake.test" >/dev/null; done
waiting=$(($(count_files "$QUEUE/active") + $(count_files "$QUEUE/incoming")))
under "$(slowest 3 me@home.test ok@fake.test)" 1000 "a message leaves while $waiting of one sender wait for the same destination; the slowest of 3"
mtaqueue -C "$DIR" delete --now --from many@send.test >/dev/null 2>&1
wait_for 10 sh -c "[ \$(find '$QUEUE/active' '$QUEUE/incoming' -type f | wc -l) -eq 0 ]"

# --- a message with many recipients ---
start=$(date +%s%N)
# shellcheck disable=SC2046
add many@send.test $(seq -f 'r%.0f@fake.test' "$RCPTS"); large=$ID
under "$(leaves me@home.test ok@fake.test)" 1000 "a message leaves while one with $RCPTS recipients is delivered to the same destination"
removed "$large" 40; ok $? "that is delivered to all: $((($(date +%s%N) - start) / 1000000)) ms"
is "$(grep -c "$large: to=<.*status=sent" "$LOG")" "$RCPTS" "once to each"
is "$(grep "^$large " "$DIR/jobs" | awk '{ if (NF - 3 > m) m = NF - 3 } END { print m }')" 50 "in deliveries of default_destination_recipient_limit"

# --- limits ---
add me@home.test a@box.test b@box.test c@box.test d@box.test; box=$ID
add me@home.test e@one.test; one=$ID; add me@home.test E+x@one.test; removed "$one" 20; removed "$ID" 20
# shellcheck disable=SC2046
add me@home.test $(seq -f 'r%.0f@two.test' 12); two=$ID
# shellcheck disable=SC2046
add me@home.test $(seq -f 'r%.0f@four.test' 48); four=$ID
# shellcheck disable=SC2046
add me@home.test $(seq -f 'r%.0f@flat.test' 16); flat=$ID
# shellcheck disable=SC2046
add me@home.test $(seq -f 'r@h%.0f.all.test' 9); all=$ID
removed "$box" 20; removed "$two" 20; removed "$four" 20; removed "$flat" 20; removed "$all" 20; ok $? "all are delivered"
is "$(grep -c '^+ [^ ]*$' "$DIR/box.out")" 4 "TRANSPORT_destination_recipient_limit = 1: one recipient each"
[ "$(most "$DIR/box.out")" -ge 3 ]; ok $? "with it each recipient is a destination: several at once, though TRANSPORT_destination_concurrency_limit = 1"
is "$(most "$DIR/one.out") $(grep -c ^- "$DIR/one.out")" "1 2" "one after the other to one recipient, whatever the case and extension"
is "$(grep -c '^+ [^ ]* [^ ]*$' "$DIR/two.out")" 6 "TRANSPORT_destination_recipient_limit = 2: two recipients each"
is "$(most "$DIR/two.out")" 2 "two deliveries at once"
is "$(at_first "$DIR/four.out")" 2 "TRANSPORT_initial_destination_concurrency = 2: it begins with two"
is "$(most "$DIR/four.out")" 4 "and grows to the limit as they go well"
is "$(most "$DIR/flat.out")" 2 "TRANSPORT_destination_concurrency_positive_feedback = 0: it stays with that"
is "$(most "$DIR/all.out")" 3 "TRANSPORT_process_limit: three processes for nine destinations"
add me@home.test a@rate.test; add me@home.test b@rate.test; removed "$ID" 8
ms=$(awk 'NR == 2 { end = $1 } NR == 3 { printf "%d", ($1 - end) / 1000000 }' "$DIR/rate.out")
[ "$ms" -ge 950 ] && [ "$ms" -lt 2500 ]; ok $? "TRANSPORT_destination_rate_delay: a second from the end of one delivery to the next ($ms ms)"
add me@home.test a@1.begin.test a@2.begin.test a@3.begin.test; removed "$ID" 8
ms=$(awk '$2 == "+" { if (last && (!min || $1 - last < min)) min = $1 - last; last = $1; n++ } END { printf "%d", n == 3 ? min / 1000000 : 0 }' "$DIR/begin.out")
[ "$ms" -ge 900 ] && [ "$ms" -lt 2500 ]; ok $? "TRANSPORT_transport_rate_delay: a second between the beginnings of deliveries to different destinations ($ms ms)"
for t in shy bold; do
	for n in 1 2 3; do add me@home.test "down$n@$t.test"; done
	wait_for 8 grep -q "$ID: to=<down3@$t.test>.*deferred" "$LOG"
	mtaqueue -C "$DIR" delete --now --domain "$t.test" >/dev/null
	add me@home.test slow1@$t.test slow2@$t.test slow3@$t.test slow4@$t.test slow5@$t.test slow6@$t.test slow7@$t.test slow8@$t.test
	removed "$ID" 8
	eval "${t}_s=\$(sed -n 's/.*$ID: to=<slow.*, delay=\([0-9.]*\),.*/\1/p' '$LOG' | sort -n | tail -1)"
done
awk "BEGIN { exit !($shy_s >= 2.3 && $bold_s < 2.2) }"; ok $? "TRANSPORT_destination_concurrency_negative_feedback: after failures fewer at once ($shy_s s; with feedback 0 $bold_s s)"
done_testing
