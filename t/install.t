#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# make install puts everything where it belongs, and nothing setuid; make uninstall removes just that.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
build=${MTA_BUILD:-$top/build}
root=$(mktemp -d) || exit 75
trap 'rm -rf "$root"' EXIT
n=0

ok() { # STATUS NAME
	n=$((n + 1))
	if [ "$1" -eq 0 ]; then echo "ok $n - $2"; else echo "not ok $n - $2"; fi
}

# The very command that make would run, without building anything first.
run() { # TARGET [MAKE ARGUMENTS...]
	target=$1
	shift
	cmd=$(make -s -n -C "$top" O="$build" DESTDIR="$root" "$@" "$target" | grep 't/install\.sh')
	[ -n "$cmd" ] && (cd "$top" && eval "$cmd") 2>"$root.err"
}
trap 'rm -rf "$root" "$root.err"' EXIT

programs=
for dir in "$top"/cmd/*/; do
	p=$(basename "$dir")
	[ -x "$build/$p" ] || { echo "1..0 # SKIP $p is not built"; exit 0; }
	programs="$programs $p"
done
umask 022
run install PREFIX=/usr/local CONFDIR=/etc/mta
ok $? "make install"
missing=
for p in $programs; do
	case $p in mtaqueue | testauth) dir=bin ;; *) dir=sbin ;; esac
	[ -x "$root/usr/local/$dir/$p" ] || missing="$missing $p"
done
[ -z "$missing" ]
ok $? "every program is installed${missing:+: missing$missing}"
[ -z "$(find "$root" -perm /6000)" ]
ok $? "nothing is setuid or setgid"
[ -z "$(find "$root" ! -type l -perm /022)" ]
ok $? "nothing can be written by others"
missing=
for f in "$top"/doc/*.[1-8]; do
	[ -e "$f" ] || continue
	[ -f "$root/usr/local/share/man/man${f##*.}/${f##*/}" ] || missing="$missing ${f##*/}"
done
[ -z "$missing" ]
ok $? "every manual page is installed${missing:+: missing$missing}"
broken=
for link in "$root"/usr/local/lib/mta/compat/*; do
	[ -L "$link" ] && [ -x "$root$(readlink "$link")" ] || broken="$broken $link"
done
[ -z "$broken" ]
ok $? "every compatibility name leads to an installed program${broken:+: not$broken}"
! grep -rqs '@[A-Z]*DIR@' "$root/usr/local/lib/systemd"
ok $? "units name the installed places"
mkdir -p "$root/etc/mta" && echo '# edited' >>"$root/etc/mta/main.cf"
run install PREFIX=/usr/local CONFDIR=/etc/mta && grep -q '^# edited' "$root/etc/mta/main.cf"
ok $? "installed again: a main.cf that was edited stays"
run uninstall PREFIX=/usr/local CONFDIR=/etc/mta && [ -f "$root/etc/mta/main.cf" ]
ok $? "make uninstall leaves it too"
rm -f "$root/etc/mta/main.cf"
[ -z "$(find "$root" ! -type d)" ] && [ ! -e "$root/usr/local/lib/mta" ] && [ ! -e "$root/usr/local/share/doc/mtakit" ]
ok $? "and nothing else"

mkdir -p "$root/usr/sbin" && p=${programs##* } && echo 'of another package' >"$root/usr/sbin/$p"
case $p in mtaqueue | testauth) p= ;; esac
if [ -n "$p" ]; then
	! run install PREFIX=/usr && grep -q "$p is another package's program" "$root.err" &&
		[ "$(find "$root/usr" -type f | wc -l)" -eq 1 ]
	ok $? "a program of another package is not overwritten, and nothing is installed beside it"
	run uninstall PREFIX=/usr && grep -q 'of another package' "$root/usr/sbin/$p"
	ok $? "nor removed"
fi
mkdir "$root/alt"
run install PREFIX=/opt/mta CONFDIR=/opt/mta/etc DESTDIR="$root/alt" && [ -z "$(find "$root/alt" -type f ! -path "$root/alt/opt/mta/*")" ]
ok $? "another PREFIX holds everything"
run uninstall PREFIX=/opt/mta CONFDIR=/opt/mta/etc DESTDIR="$root/alt" && [ -z "$(find "$root/alt" ! -type d)" ]
ok $? "and is emptied again"
# --- built for one place, installed to another ---
if command -v cc >/dev/null; then
	one() { make -s -C "$top" O="$root.o" "$@" "$root.o/common/base/num.o" >/dev/null 2>&1; stat -c %y "$root.o/common/base/num.o"; }
	first=$(one) again=$(one) other=$(one PREFIX=/elsewhere)
	rm -rf "$root.o"
	[ -n "$first" ] && [ "$again" = "$first" ]
	ok $? "what is built is not built again"
	[ -n "$other" ] && [ "$other" != "$first" ]
	ok $? "but for another PREFIX, which is compiled in, it is"
fi
echo "1..$n"
