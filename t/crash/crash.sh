# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# shellcheck shell=sh
#
# Crash harness: a program is traced once, then run again and again, killed at each of its system calls,
# then with each call failing with each of several errors; after each run the scenario's check tells whether
# what was acknowledged is there, nothing partial is visible and the next run is normal. Sourced.
#
# A scenario defines:
#   prepare        puts $S (its state directory) into the starting state
#   input          name of the file that is standard input
#   program        array-like: the words of the command, set by  command NAME ARG ...
#   as             words before the command that make it run as the user that it is for; empty: the caller
#   check STATUS   $OUT has its standard output; prints why and returns 1 when something is wrong
#
# Counters of strace's inject= are per call name, so a point is a pair (name, n).

# Calls that change nothing that outlives the process, at which a kill in quick mode tells nothing new.
CRASH_QUICK='openat|write|writev|pwrite64|linkat|link|fsync|fdatasync|rename|renameat|renameat2|unlink|unlinkat|close|ftruncate|utimensat|sendmsg|recvmsg|sendto|recvfrom|fchmod|fchown|mkdirat'

# crash_points FILE: "name n" for each traced call of the program itself
crash_points() {
	sed -n 's/^\([a-z_0-9]*\)(.*/\1/p' "$1" |
		awk '$1 != "execve" && $1 != "exit_group" && $1 != "exit" { print $1, ++n[$1] }'
}

# crash_once INJECT...: one run of the scenario with the given strace -e inject= words; status in $rc
crash_once() {
	prepare || { echo "# $1: cannot prepare"; return 1; }
	# shellcheck disable=SC2086
	$as strace -qq -o "$C/strace.out" -e trace="$1" -e "inject=$1:$2:when=$3" -- $program <"$input" >"$OUT" 2>"$C/err"
	rc=$?
}

# crash_scenario NAME MODE: MODE is quick or all. Prints points and failures; 0 when all is well.
crash_scenario() {
	C=$T/points; rm -rf "$C"; mkdir "$C" && chmod 777 "$C" || return 1
	OUT=$C/out bad=0 runs=0
	prepare || { echo "# $1: cannot prepare"; return 1; }
	# shellcheck disable=SC2086
	$as strace -qq -o "$C/trace" -- $program <"$input" >"$OUT" 2>"$C/err"; rc=$?
	why=$(check $rc) || { echo "# $1: wrong without any fault (exit $rc): $why $(head -3 "$C/err")"; rm -rf "$C"; return 1; }
	crash_points "$C/trace" >"$C/points"
	if [ "$2" = quick ]; then
		grep -E "^($CRASH_QUICK) " "$C/points" >"$C/p"; errors='ENOSPC EIO'
	else
		cp "$C/points" "$C/p"; errors='EIO ENOSPC EINTR EMFILE ENOMEM'
	fi
	while read -r call nth <&9; do
		for how in signal=SIGKILL $(for e in $errors; do echo "error=$e"; done); do
			# In quick mode errors only where they mean something.
			case $2-$how-$call in quick-error=*-close | quick-error=*-sendmsg | quick-error=*-recvmsg) continue ;; esac
			crash_once "$call" "$how" "$nth"
			runs=$((runs + 1))
			if ! why=$(check "$rc"); then
				bad=$((bad + 1))
				echo "# $1: $how at $call #$nth (exit $rc): $why"
				[ $bad -lt 20 ] || break 2
			fi
		done
	done 9<"$C/p"
	echo "# $1: $((runs - bad)) of $runs runs right ($(wc -l <"$C/p") system calls)"
	rm -rf "$C"
	[ $bad -eq 0 ] && [ $runs -gt 0 ]
}
command_is() { program=$*; }
