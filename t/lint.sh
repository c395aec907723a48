#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# lint.sh COMPILER FLAGS... - all that can be checked without running anything: a second
# compiler's warnings, cppcheck, shellcheck, manual pages, and the house rules. Prints what
# is wrong; exit status 1 when anything is. Run by make lint.
set -u
cd "$(dirname "$0")/.." || exit 66
failed=0

have() {
	command -v "$1" >/dev/null && return
	echo "lint: $1 is not installed: its checks are left out" >&2
	return 1
}

# step NAME COMMAND...: a step fails by its exit status
step() {
	name=$1
	shift
	echo "lint: $name"
	"$@" || { echo "lint: $name: failed" >&2; failed=1; }
}

existing() {
	for f; do
		[ -e "$f" ] && printf '%s\n' "$f"
	done
}

sources=$(existing common/*/*.c cmd/*/*.c t/unit/*.c t/fuzz/*.c t/helper/*.c)
headers=$(existing common/*/*.h cmd/*/*.h t/unit/*.h t/fuzz/*.h)
product=$(existing common/*/*.[ch] cmd/*/*.[ch])
scripts=$(existing t/*.sh t/*.t t/long/*.t t/*/*.sh .ci/run | while read -r f; do
	head -1 "$f" | grep -q '^#!.*sh$' && echo "$f"
done)
pages=$(existing doc/*.[1-8])

# shellcheck disable=SC2086 # the lists are words without blanks
{
	[ $# -eq 0 ] || ! have "$1" || step "$1: warnings" "$@" -Wno-unused-command-line-argument -It/unit $sources
	! have cppcheck || step cppcheck cppcheck --std=c11 --quiet --error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability --suppress=missingIncludeSystem \
		--suppress=normalCheckLevelMaxBranches --suppress=nullPointerRedundantCheck --suppress=autoVariables \
		-D_GNU_SOURCE -DVERSION='"0"' -DCONFDIR='"/"' -DLIBEXECDIR='"/"' -Icommon -It/unit $sources
	! have shellcheck || [ -z "$scripts" ] || step shellcheck shellcheck -s sh -x -S warning -e SC1007,SC2046,SC2034,SC2154 $scripts
}

pages_clean() {
	# shellcheck disable=SC2086
	said=$(mandoc -T lint -W warning $pages 2>&1)
	[ -z "$said" ] || { printf '%s\n' "$said" >&2; return 1; }
}
# Every program has its page, with the sections that people look for.
pages_whole() {
	bad=0
	for dir in cmd/*/; do
		page=$(existing "doc/$(basename "$dir")".[18] | head -1)
		[ -n "$page" ] || { echo "${dir}: no manual page" >&2; bad=1; continue; }
		for section in 'EXIT STATUS' EXAMPLES STANDARDS; do
			grep -q "^\.Sh $section" "$page" || { echo "$page: no section $section" >&2; bad=1; }
		done
	done
	return $bad
}
step "a page for every program" pages_whole
! have mandoc || [ -z "$pages" ] || step "manual pages" pages_clean

# A layer includes only the layers named before it; a program only its own headers and common/.
layers() {
	bad=0
	allowed=
	for layer in base syntax sys map mail; do
		allowed="$allowed${allowed:+|}$layer"
		grep -nE '^#include "' common/$layer/*.[ch] 2>/dev/null | grep -vE "#include \"(($allowed)/|[^/]*\$)" && bad=1
	done
	for dir in cmd/*/; do
		[ -d "$dir" ] || continue
		grep -nE '^#include "' "$dir"*.[ch] | grep -E '#include "[^"]*/' |
			grep -vE '#include "(base|syntax|sys|map|mail)/' && bad=1
	done
	return $bad
}
step "layers" layers

# Each library that is not libc has one place.
places() {
	bad=0
	grep -lE '#include <openssl/ssl' -r common cmd | grep -vx 'common/sys/tls.c' && bad=1
	grep -lE '#include <openssl/' -r common cmd | grep -vxE 'common/sys/(tls|hash)\.c' && bad=1
	grep -lE '#include <tdb' -r common cmd | grep -vx 'common/map/tdb.c' && bad=1
	grep -lE '#include <curl/' -r common cmd | grep -v '^cmd/mtasend/' && bad=1
	return $bad
}
step "one place for each library" places

# Functions that cannot be used safely, and results in static memory.
calls() {
	# shellcheck disable=SC2086
	grep -nE '(^|[^a-z_>.])(gets|strcat|sprintf|vsprintf|strtok|system|popen|mktemp|tmpnam|alloca|localtime|gmtime|ctime|asctime) ?\(' \
		$product /dev/null | grep -vE ':[0-9]+:[[:space:]]*(/?\*|//)' && return 1
	return 0
}
step "calls that are never made" calls

# A parameter that mtaconf says nobody reads, and that a program reads (mtasmtp/settings.c warns of some of them).
unread() {
	words=$(find cmd common -name '*.c' ! -path 'cmd/mtaconf/*' ! -path cmd/mtasmtp/settings.c -exec grep -hoE '"[a-z0-9_A-Z]+"' {} + | sort -u)
	found=$(printf '%s\n' "$words" | grep -Fx "$(grep -v '^#' cmd/mtaconf/unread.c | grep -oE '"[a-z0-9_A-Z]+"')") || return 0
	printf 'cmd/mtaconf/unread.c names %s, which a program reads\n' $found
	return 1
}
step "parameters without effect" unread

# Size of files and functions, the licence line.
shape() {
	plain=$(find t -name '*.t' ! -perm -u+x)
	[ -z "$plain" ] || { echo "not executable: $plain"; return 1; }
	# shellcheck disable=SC2086
	awk '
	FNR == 1 { head = 0; inside = 0 }
	FNR <= 3 && /SPDX-License-Identifier: ISC/ { head = 1 }
	FNR == 4 && !head { print FILENAME ": no SPDX line"; bad = 1 }
	FNR == 601 { print FILENAME ": more than 600 lines"; bad = 1 }
	/^\{$/ { inside = FNR }
	/^\}$/ && inside {
		if (FNR - inside - 1 > 60) { print FILENAME ":" inside ": a function of " FNR - inside - 1 " lines"; bad = 1 }
		inside = 0
	}
	/[ \t]$/ { print FILENAME ":" FNR ": blank at the end of the line"; bad = 1 }
	/(^|[^A-Za-z])(TO[D]O|FIX[M]E|XX[X])([^A-Za-z]|$)/ { print FILENAME ":" FNR ": unfinished"; bad = 1 }
	END { exit bad }' $sources $headers $scripts
}
step "shape of files" shape

exit $failed
