#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# install.sh install|uninstall - what make install and make uninstall do. The places come in the
# environment: O (where the programs were built), DESTDIR (put before every place, may be empty),
# SBINDIR, BINDIR, MANDIR, DOCDIR, CONFDIR, UNITDIR, COMPATDIR.
#
# One list says what goes where; install walks it to make things, uninstall to remove them.
# Nothing is setuid or setgid. Names of other mail systems (postconf, mailq, ...) are links in
# COMPATDIR, which an administrator puts into PATH or not. A file of another package is never
# overwritten, a main.cf that exists is left alone, and one that was edited is never removed.
set -eu
cd "$(dirname "$0")/.."
: "${O:?}" "${SBINDIR:?}" "${BINDIR:?}" "${MANDIR:?}" "${DOCDIR:?}" "${CONFDIR:?}" "${UNITDIR:?}" "${COMPATDIR:?}"
DESTDIR=${DESTDIR:-}

die() {
	echo "install.sh: $*" >&2
	exit 73
}

# The directory of a program.
place() {
	case $1 in
	mtaqueue | testauth) echo "$BINDIR" ;;
	*) echo "$SBINDIR" ;;
	esac
}

# The names of other systems' programs that a program answers to.
compat() {
	case $1 in
	sendmail) echo sendmail mailq newaliases ;;
	mtaconf) echo postconf ;;
	mtamap) echo postmap ;;
	mtaalias) echo postalias ;;
	mta) echo postfix ;;
	mtaqueue) echo postqueue postsuper postcat ;;
	testauth) echo testsaslauthd ;;
	mtapasswd) echo saslpasswd2 ;;
	esac
}

# Everything, a line each: program, page, unit or doc with SOURCE and DESTINATION; link with TARGET
# and NAME; config with SOURCE and DESTINATION. No name here has blanks in it but the directories.
list() {
	for dir in cmd/*/; do
		p=$(basename "$dir")
		[ -d "$dir" ] || continue
		printf 'program\t%s\t%s\n' "$O/$p" "$(place "$p")/$p"
		for name in $(compat "$p"); do
			printf 'link\t%s\t%s\n' "$(place "$p")/$p" "$COMPATDIR/$name"
		done
	done
	for f in doc/*.[1-8]; do
		[ -e "$f" ] && printf 'page\t%s\t%s\n' "$f" "$MANDIR/man${f##*.}/${f##*/}"
	done
	for f in doc/*.service doc/*.socket doc/*.target doc/*.timer doc/*/*.service doc/*/*.socket doc/*/*.target doc/*/*.timer; do
		[ -e "$f" ] && printf 'unit\t%s\t%s\n' "$f" "$UNITDIR/${f##*/}"
	done
	for f in README.md LICENSE doc/*.cf doc/inetd* doc/*.inetd doc/*.md; do
		[ -f "$f" ] && printf 'doc\t%s\t%s\n' "$f" "$DOCDIR/${f##*/}"
	done
	[ -f doc/main.cf ] && printf 'config\t%s\t%s\n' doc/main.cf "$CONFDIR/main.cf"
	return 0
}

# A program that is there already must be one of ours.
ours() {
	[ ! -e "$1" ] || grep -q mtakit "$1"
}

filled() { # SOURCE: a text with the places filled in
	sed "s|@SBINDIR@|$SBINDIR|g; s|@BINDIR@|$BINDIR|g; s|@CONFDIR@|$CONFDIR|g; s|@DOCDIR@|$DOCDIR|g" "$1"
}

put() { # KIND SOURCE DESTINATION
	to=$DESTDIR$3
	install -d "$(dirname "$to")"
	case $1 in
	program) install -m 755 "$2" "$to" ;;
	link) ln -sf "$2" "$to" ;;
	unit) filled "$2" >"$to.new" && chmod 644 "$to.new" && mv "$to.new" "$to" ;;
	config) [ -e "$to" ] || install -m 644 "$2" "$to" ;;
	*) install -m 644 "$2" "$to" ;;
	esac
}

take() { # KIND SOURCE DESTINATION
	to=$DESTDIR$3
	case $1 in
	program) ours "$to" || return 0 ;;
	link) [ "$(readlink "$to" || :)" = "$2" ] || return 0 ;;
	config) cmp -s "$2" "$to" || return 0 ;;
	esac
	rm -f "$to"
}

tab=$(printf '\t')
case ${1:-} in
install)
	list | while IFS=$tab read -r kind source dest; do
		[ "$kind" != program ] || ours "$DESTDIR$dest" ||
			die "$DESTDIR$dest is another package's program: choose another PREFIX or SBINDIR"
	done
	list | while IFS=$tab read -r kind source dest; do
		put "$kind" "$source" "$dest"
	done
	;;
uninstall)
	list | while IFS=$tab read -r kind source dest; do
		take "$kind" "$source" "$dest"
	done
	for dir in "$COMPATDIR" "$(dirname "$COMPATDIR")" "$DOCDIR" "$CONFDIR"; do
		[ ! -d "$DESTDIR$dir" ] || rmdir "$DESTDIR$dir" 2>/dev/null || :
	done
	;;
*)
	echo "usage: install.sh install|uninstall" >&2
	exit 64
	;;
esac
