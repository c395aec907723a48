#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# Two queue managers on one queue, the first one stopped by SIGSTOP: the second one does not start, and when the first one goes on, or
# is ended and started anew, no message is delivered twice.
. "$(dirname "$0")/lib.sh"
mail_config services=qmgr service_stop_timeout=2s default_transport=rec initial_destination_concurrency=4 \
	default_destination_concurrency_limit=4 minimal_backoff_time=1s maximal_backoff_time=2s queue_run_delay=1s \
	"rec_agent=$T/rec {\${recipient}}" rec_destination_recipient_limit=1 rec_time_limit=30s
chmod 711 "$T" "$DIR"; : >"$T/delivered"; : >"$T/begun"; : >"$T/seconds"; chmod 666 "$T/delivered" "$T/begun" "$T/seconds"
cat >"$T/rec" <<EOT
#!/bin/sh
echo "\$1" >>$T/begun
sleep "\$(cat $T/seconds)"
cat >/dev/null
echo "\$1" >>$T/delivered
EOT
chmod 755 "$T/rec"
Q="mtaqueue -C $CONF"
manager() { sed 1q "$QUEUE/pid/qmgr.pid"; }
# the manager is one process, or, started as root, a parent and a child
processes() { m=$(manager); echo "$m" $(cat "/proc/$m/task/$m/children"); }
all_of_it() { m=$(manager); for p in $(processes); do [ "$p" = "$m" ] || [ "$(cat "/proc/$p/comm" 2>/dev/null)" = mtaqmgr ] && echo "$p"; done; }
stopped() { for p in "$@"; do grep -q '^State:[^a-zA-Z]*T' "/proc/$p/status" || return 1; done; }
lines() { wc -l <"$1" | tr -d ' '; }
at_least() { [ "$(lines "$1")" -ge "$2" ]; }
add() { i=0; while [ $i -lt "$2" ]; do i=$((i + 1)); echo x | $Q add -f s@example.com "$1$i@a.test" >/dev/null; done; }
twice() { sort "$T/delivered" | uniq -d; }
restarted() { [ "$(manager 2>/dev/null)" != "$1" ] && [ -n "$(manager 2>/dev/null)" ]; }

# --- stopped in the middle of its work, and continued ---

echo 0.3 >"$T/seconds"
mail_start
add one 24
wait_for 10 at_least "$T/delivered" 4
P=$(all_of_it); kill -STOP $P; wait_for 5 stopped $P; ok $? "the manager is stopped in the middle of its work"
sleep 0.5
before=$(lines "$T/delivered")
mtaqmgr -C "$CONF" >/dev/null 2>"$T/err"; is $? 75 "a second manager does not start"
like "$(cat "$T/err")" "another queue manager is at work" "and says why"
mtaqmgr -1 -C "$CONF" >/dev/null 2>&1; is $? 75 "nor for one run"
sleep 0.5
is "$(lines "$T/delivered")" "$before" "while it is stopped nothing is begun"
kill -CONT $P
wait_for 20 at_least "$T/delivered" 24; ok $? "when it goes on all is delivered"
wait_for 5 test "$(count_files "$QUEUE/active")" = 0
is "$(twice)" "" "nothing twice"
is "$(lines "$T/delivered")" 24 "each message once"

# --- stopped and idle: mta stop, mta start ---

P=$(all_of_it); kill -STOP $P; wait_for 5 stopped $P
add two 6
mail_stop; ok $? "mta stop ends a manager that is stopped"
ok "$(kill -0 $P 2>/dev/null; [ $? -ne 0 ]; echo $?)" "none of its processes is left"
mail_start
wait_for 10 at_least "$T/delivered" 30; ok $? "what came meanwhile is delivered after mta start"
is "$(twice)" "" "nothing twice"

# --- stopped while its agents are at work: they end with it, before they have delivered ---

echo 6 >"$T/seconds"; begun=$(lines "$T/begun")
add three 6
wait_for 10 at_least "$T/begun" $((begun + 4))
P=$(all_of_it); kill -STOP $P; wait_for 5 stopped $P
mail_stop; ok $? "mta stop while deliveries are under way"
echo 0 >"$T/seconds"
mail_start
wait_for 20 at_least "$T/delivered" 36; ok $? "they are made anew"
sleep 4
is "$(twice)" "" "and those that were under way have not gone on"

# --- the one process ended, the other one stopped ---

P=$(all_of_it); old=$(manager)
kill -STOP $P; wait_for 5 stopped $P; add four 6
kill -KILL "$old"
wait_for 15 restarted "$old"; ok $? "a manager that is killed while it is stopped is started anew"
wait_for 15 at_least "$T/delivered" 42; ok $? "and finds the queue free"
is "$(twice)" "" "nothing twice"
is "$(count_files "$QUEUE/incoming")$(count_files "$QUEUE/active")$(count_files "$QUEUE/deferred")" 000 "nothing is left"
done_testing
