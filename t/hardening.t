#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# The built programs have the protections that config.mk asks for: position independent, full
# RELRO, no executable stack, stack protector, FORTIFY, and control-flow marks on x86; no program
# is setuid or setgid.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(dirname "$here")
build=${MTA_BUILD:-$top/build}
n=0

ok() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

skip_all() {
	echo "1..0 # SKIP $1"
	exit 0
}

command -v readelf >/dev/null || skip_all "readelf is not installed"
case $build in *-san) skip_all "a build with sanitizers is not hardened" ;; esac
programs=
for dir in "$top"/cmd/*/; do
	[ -x "$build/$(basename "$dir")" ] && programs="$programs $(basename "$dir")"
done
[ -n "$programs" ] || skip_all "no program is built"

# every PROGRAMS-WHERE-IT-FAILED NAME
every() {
	if [ -z "$1" ]; then ok 0 "$2"; else
		ok 1 "$2"
		echo "# not so:$1"
	fi
}

pie='' relro='' now='' stack='' wx='' canary='' fortify='' cet='' setid='' rpath=''
for p in $programs; do
	f=$build/$p
	elf=$(readelf -W -h -l -d -n --dyn-syms "$f" 2>/dev/null)
	has() { printf '%s\n' "$elf" | grep -qE "$1"; }
	has '^ +Type: +DYN' && has '\(FLAGS_1\).*PIE' || pie="$pie $p"
	has '^ +GNU_RELRO' || relro="$relro $p"
	has '\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*NOW|\(BIND_NOW\)' || now="$now $p"
	has '^ +GNU_STACK.* RW +0x' || stack="$stack $p"
	has '^ +LOAD.* RWE ' && wx="$wx $p"
	has ' __stack_chk_fail' || canary="$canary $p"
	has ' __[a-z]+_chk(@|$)' || fortify="$fortify $p"
	if [ "$(uname -m)" = x86_64 ]; then
		for o in "$build/cmd/$p"/*.o; do
			readelf -n "$o" | grep -q 'x86 feature: IBT, SHSTK' || cet="$cet ${o#"$build"/}"
		done
	fi
	{ [ -u "$f" ] || [ -g "$f" ]; } && setid="$setid $p"
	has '\((RPATH|RUNPATH)\)' && rpath="$rpath $p"
done
every "$pie" "every program is position independent"
every "$relro" "every program has read-only relocations"
every "$now" "every program binds its symbols at start, so that they can be read-only"
every "$stack" "no program has an executable stack"
every "$wx" "no program has memory that is writable and executable"
every "$canary" "every program has stack protectors"
every "$fortify" "every program uses the checked forms of libc functions"
every "$cet" "all code is marked for control-flow protection"
every "$rpath" "no program looks for libraries in places of its own"
every "$setid" "no program is setuid or setgid"
echo "1..$n"
