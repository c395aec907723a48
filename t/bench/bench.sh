#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# bench.sh - SMTP to Maildir, mtakit and Debian's Postfix in turns, in one run: messages a second until the last
# message stands in the Maildir, and CPU microseconds a message; then memory of 200 idle SMTP sessions.
# RUNS (3), COUNT (2000), SESSIONS (20), SIZE (4096).
. "$(dirname "$0")/lib.sh"
RUNS=${RUNS:-3} COUNT=${COUNT:-2000} SESSIONS=${SESSIONS:-20} SIZE=${SIZE:-4096}
have smtp-source || { note 'smtp-source (package postfix) is missing'; exit 69; }
note "$(nproc) cores, $(uname -r), $(df -T "$W" | awk 'NR == 2 { print $2 }'), $COUNT messages of $SIZE bytes, $SESSIONS sessions, median of $RUNS"
[ -n "$cg_kind" ] || note 'no control group can be made here: CPU time and memory are not measured'

mta_setup; mta_start
servers=mta
if postfix_setup; then servers='postfix mta'; postfix_start; else note 'no Postfix to compare with (not installed, or not root)'; fi
run() { # SERVER [options]
	case $1 in
	mta) shift; inject mta "$MTA_PORT" "$MTA_BOX" "$COUNT" "$SESSIONS" "$SIZE" "$@" ;;
	postfix) shift; inject postfix "$PF_PORT" "$PF_BOX" "$COUNT" "$SESSIONS" "$SIZE" "$@" ;;
	esac
}
for s in $servers; do COUNT=200 run "$s" >/dev/null; done

printf '%-10s %-18s %12s %16s\n' server connections 'messages/s' 'CPU us/message'
for mode in new kept; do
	d=; [ $mode = new ] || d=-d
	i=0
	while [ $i -lt "$RUNS" ]; do
		for s in $servers; do
			# shellcheck disable=SC2086
			run "$s" $d >>"$W/$s.$mode"; sleep 0.3
		done
		i=$((i + 1))
	done
	for s in $servers; do
		printf '%-10s %-18s %12s %16s\n' "$s" "$mode" "$(cut -d' ' -f1 "$W/$s.$mode" | median)" "$(cut -d' ' -f2 "$W/$s.$mode" | median)"
	done
	[ "$servers" = mta ] || awk -v a="$(cut -d' ' -f1 "$W/mta.$mode" | median)" -v b="$(cut -d' ' -f1 "$W/postfix.$mode" | median)" \
		-v c="$(cut -d' ' -f2 "$W/mta.$mode" | median)" -v d="$(cut -d' ' -f2 "$W/postfix.$mode" | median)" -v m="$mode" \
		'BEGIN { printf "ratio      %-18s %12.2f %16.2f\n", m, a / b, (d ? c / d : 0) }'
done

[ -n "$cg_kind" ] || exit 0
sleep 1
printf '\n%-10s %22s %28s\n' server 'PSS KiB, no session' 'PSS KiB, 200 idle sessions'
PF_LIMIT=250
for s in $servers; do
	case $s in
	mta) mta_stop; mta_start; port=$MTA_PORT ;;
	postfix) postfix_stop; postfix_setup; postfix_start; port=$PF_PORT ;;
	esac
	sleep 1
	none=$(pss_kib "$s")
	idle=$(perl "$here/idle.pl" "$port" 200 "cat $(cg "$s")/cgroup.procs | while read p; do awk '/^Pss:/ { print \$2 }' /proc/\$p/smaps_rollup; done | awk '{ s += \$1 } END { print s }'")
	printf '%-10s %22s %28s\n' "$s" "$none" "$idle"
	awk -v a="$none" -v b="$idle" -v s="$s" 'BEGIN { printf "# %s: %.1f KiB a session\n", s, (b - a) / 200 }'
done
