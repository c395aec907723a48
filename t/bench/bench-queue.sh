#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# bench-queue.sh - a queue of COUNT (1,000,000) deferred messages: how soon after its start mtaqmgr delivers new mail,
# its memory a message that waits, how long list and stat take, and what a new message waits while many wait for a dead host.
. "$(dirname "$0")/lib.sh"
COUNT=${COUNT:-1000000}
now() { date +%s.%N; }
since() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.2f", b - a }'; }
pid_of() { pgrep -f "^[^ ]*mtaqmgr.*$W/mta" | while read -r p; do echo "$(awk '/VmRSS/ { print $2 }' "/proc/$p/status" 2>/dev/null) $p"; done | sort -n | tail -1 | cut -d' ' -f2; }
rss() { awk '/^VmRSS/ { print $2 }' "/proc/$(pid_of)/status"; }
say() { printf '%-66s %12s %s\n' "$1" "$2" "$3"; }

mta_setup 'services=qmgr smtp showq' "default_transport=smtp:[127.0.0.1]:1" 'minimal_backoff_time=4000' 'maximal_backoff_time=8000'
mta_start; empty=$(rss); mta_stop
note "$(nproc) cores, $(df -T "$W" | awk 'NR == 2 { print $2 }'); $COUNT messages in deferred/, with their reasons, 1,000 destinations"
t=$(now); "$B/t/mkqueue" "$W/mta/queue" "$COUNT" invalid 7000 || exit 1
say 'queue files made (not synced)' "$(since "$t")" s
sync
[ ! -w /proc/sys/vm/drop_caches ] || echo 2 >/proc/sys/vm/drop_caches

send() { printf 'Subject: now\n\nnow\n' | mtaqueue -C "$W/mta" add -f a@example.com u1@example.com >/dev/null; }
delivered() { [ "$(count_files "$MTA_BOX")" -ge "$1" ]; }
await() { # N: waits until N messages stand in the mailbox
	i=0; until delivered "$1"; do sleep 0.02; i=$((i + 1)); [ $i -lt 3000 ] || { note 'not delivered in a minute'; return 1; }; done
}
send
t=$(now); mta_start; await 1
say 'start to first delivery, cold directory' "$(since "$t")" s
n=1 worst=0
while [ $n -lt 20 ]; do
	n=$((n + 1)); t=$(now); send; await $n
	worst=$(awk -v a="$worst" -v b="$(since "$t")" 'BEGIN { print (b > a) ? b : a }')
	sleep 0.3
done
say 'slowest of 19 new messages while the queue is read' "$worst" s
i=0; last=0
while r=$(rss); [ "$r" -ne "$last" ] && [ $i -lt 120 ]; do last=$r; i=$((i + 1)); sleep 1; done
say 'memory of mtaqmgr for a message that waits' "$(((r - empty) * 1024 / COUNT))" bytes
t=$(now); mtaqueue -C "$W/mta" list | head -1 >/dev/null; say 'mtaqueue list: first line' "$(since "$t")" s
if [ -n "$root" ] && setpriv --reuid=65534 --regid=65534 --clear-groups test -r "$W/mta/main.cf" -a -x "$B/mtaqueue"; then # asks mtaqueue serve
	t=$(now); setpriv --reuid=65534 --regid=65534 --clear-groups mtaqueue -C "$W/mta" list --limit 1 >/dev/null
	say 'the same for a user who may not read the queue' "$(since "$t")" s
fi
t=$(now); mtaqueue -C "$W/mta" list -j | wc -l >"$W/lines"; say "mtaqueue list -j: all $(cat "$W/lines") lines" "$(since "$t")" s
if mtaqueue -C "$W/mta" stat >/dev/null 2>&1; then
	t=$(now); mtaqueue -C "$W/mta" stat >/dev/null; say 'mtaqueue stat' "$(since "$t")" s
fi

# A hundred thousand for one dead destination, due now, and a message for a healthy one.
mta_stop; find "$W/mta/queue/deferred" "$W/mta/queue/defer" -type f -delete; rm -rf "$MTA_BOX"
D=$((COUNT < 100000 ? COUNT : 100000))
"$B/t/mkqueue" "$W/mta/queue" "$D" invalid 0; mta_start; sleep 0.5
n=0 worst=0
while [ $n -lt 20 ]; do
	n=$((n + 1)); t=$(now); send; await $n
	worst=$(awk -v a="$worst" -v b="$(since "$t")" 'BEGIN { print (b > a) ? b : a }')
done
say "slowest of 20 new messages while $D are tried at a dead host" "$worst" s
