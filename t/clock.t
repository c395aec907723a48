#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Clocks that are wrong or jump: years ahead, years back, past 2038, under a running queue manager and between its runs. No mail is
# bounced early or left behind, and nothing spins.
. "$(dirname "$0")/lib.sh"
have_program mtaqmgr mtadeliver mtaqueue || skip_all 'not all programs are built'
cc -shared -fPIC -O2 -o "$T/skew.so" "$(dirname "$0")/lib/skew.c" 2>/dev/null || skip_all 'no C compiler for the clock that can be set'
jump() { printf '%+063d\n' "$1" >"$T/skew.new"; cat "$T/skew.new" >"$T/skew"; }
jump 0
# skewed COMMAND...: by that clock; the monotonic clock goes on as ever
skew=$T/skew.so
if grep -q __asan_init "$B/mtaqmgr"; then skew=$(cc -print-file-name=libasan.so):$skew; export ASAN_OPTIONS=detect_leaks=0; fi
skewed() { env LD_PRELOAD="$skew" "SKEW=$T/skew" "$@"; }
jump $((10 * 365 * 86400)); [ "$(skewed perl -e 'print +(gmtime)[5]')" -eq $(($(date +%Y) - 1900 + 10)) ] || skip_all 'LD_PRELOAD does not work here'
year=$((365 * 86400))
mail_config default_transport=retry:later minimal_backoff_time=2s maximal_backoff_time=4s queue_run_delay=1s maximal_queue_lifetime=5d
owner=$(stat -c %U "$QUEUE/incoming")
as=; [ "$(id -u)" -ne 0 ] || as="setpriv --reuid=$owner --regid=$(id -g "$owner") --clear-groups"
chmod 777 "$T"
message() { printf 'Subject: clock\n\nbody\n' | mtaqueue -C "$CONF" add -f sender@elsewhere.test "$@"; }
run() { skewed $as timeout 20 mtaqmgr -1 -C "$CONF" 2>>"$LOG"; }
inbox() { count_files "$MAILDIR/new"; }

for years in 10 -10 100; do
	off="$years years off"; : >"$LOG"; n=$(inbox)
	jump 0
	local=$(message "$USER_ADDR") later=$(message x@elsewhere.test)
	jump $((years * year)); run; is $? 0 "clock $off: a run through the queue ends"
	is "$(inbox)" $((n + 1)) "clock $off: what can be delivered is delivered"
	[ -e "$QUEUE/deferred/$later" ]; ok $? "clock $off: what must wait waits, and is not bounced" || diag "$(cat "$LOG")"
	skewed mtaqueue -C "$CONF" list >"$T/list" 2>&1; ok $? "clock $off: mtaqueue list"
	jump 0; sleep 3; : >"$LOG"
	run; grep -q "$later: to=<x@elsewhere.test>" "$LOG"; ok $? "clock right again: it is tried at once" || diag "$(cat "$LOG"; stat -c %y "$QUEUE/deferred/$later")"
	[ -e "$QUEUE/deferred/$later" ]; ok $? "clock right again: it still waits"
	mtaqueue -C "$CONF" delete --now "$later" >/dev/null 2>&1
done

# --- under a running manager; the 32-bit seconds end in between ---
: >"$LOG"
jump 0
later=$(message x@elsewhere.test)
env LD_PRELOAD="$skew" "SKEW=$T/skew" $as mtaqmgr -C "$CONF" 2>>"$LOG" & pid=$!; PIDS="$PIDS $pid"
wait_for 10 grep -q "$later: to=<x@elsewhere.test>" "$LOG"; ok $? 'a manager with a clock that is going to jump'
used() { awk '{ print $14 + $15 }' "/proc/$(pgrep -x -P "$pid" mtaqmgr || echo "$pid")/stat"; }
seconds_to_2038=$((2147483647 - $(date +%s)))
before=$(used)
for jump in $((10 * year)) $((-10 * year)) $((seconds_to_2038 - 1)) 0; do
	jump "$jump"; off="$jump seconds"; n=$(inbox)
	id=$(skewed mtaqueue -C "$CONF" add -f '' "$USER_ADDR" </dev/null)
	there() { [ "$(inbox)" -eq $((n + 1)) ]; }
	wait_for 5 there; ok $? "clock jumps to $off: new mail is delivered ($id)" || diag "$(tail -3 "$LOG")"
	tries=$(grep -c "$later: to=<x@" "$LOG"); sleep 5.5
	more=$(($(grep -c "$later: to=<x@" "$LOG") - tries))
	[ $more -ge 1 ] && [ $more -le 5 ]; ok $? "clock jumps to $off: old mail is tried again as often as it should be ($more times in 5.5 s)" || diag "$(tail -5 "$LOG"; stat -c %y "$QUEUE/deferred/$later")"
	[ -e "$QUEUE/deferred/$later" ]; ok $? "clock jumps to $off: and not bounced"
done
cpu=$(($(used) - before)); [ $cpu -lt 100 ]; ok $? "nothing spins ($cpu/100 s of CPU in 22 s)"
unlike "$(cat "$LOG")" 'expired' 'no message expired'
done_testing
