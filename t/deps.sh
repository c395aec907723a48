#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# deps.sh [build] [test] [dev] - install what is missing of the packages that mtakit is built with, and of
# the programs that its tests talk to. Does nothing when nothing is missing. Build packages are
# required; a test peer that cannot be installed only makes its tests skip.
set -u

BUILD='gcc make libc6-dev libssl-dev libtdb-dev libcurl4-openssl-dev libcrypt-dev openssl perl'
TEST='postfix dovecot-core dovecot-pop3d dovecot-lmtpd swaks curl msmtp mpop fetchmail mutt sasl2-bin
	libsasl2-modules openbsd-inetd ucspi-tcp procmail maildrop knot dnsmasq-base bsd-mailx mandoc strace
	netcat-openbsd socat jq git binutils procps util-linux libio-socket-ssl-perl pflogsumm git-email
	libmailtools-perl libauthen-sasl-perl iproute2'

DEV='clang libclang-rt-14-dev cppcheck shellcheck clang-tidy e2fsprogs xfsprogs' # fuzz, lint, test-long

list=
for set in "${@:-build}"; do
	case $set in
	build) list="$list $BUILD" ;;
	test) list="$list $TEST" ;;
	dev) list="$list $DEV" ;;
	*) echo "usage: deps.sh [build] [test] [dev]" >&2; exit 64 ;;
	esac
done

if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
	command -v cc >/dev/null && exit 0
	echo "deps.sh: this is no Debian system; install the equivalents of:" $list >&2
	exit 69
fi

missing() {
	# shellcheck disable=SC2086 # a list of words
	dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' $1 2>/dev/null | awk '$1 == "ii" { print $2 }' >"$tmp"
	for p in $1; do
		grep -qxF "$p" "$tmp" || printf '%s ' "$p"
	done
}
tmp=$(mktemp) || exit 75
trap 'rm -f "$tmp"; [ -z "${policy:-}" ] || rm -f "$policy"' EXIT
need=$(missing "$list")
[ -n "$need" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo='sudo -n'
	else
		echo "deps.sh: not root, and sudo asks for a password; missing packages: $need" >&2
		[ -z "$(missing "$BUILD")" ] && exit 0
		exit 77
	fi
fi

echo "installing: $need"
export DEBIAN_FRONTEND=noninteractive
# Peers are talked to by tests that start them themselves: no service of theirs starts now.
if [ "$(id -u)" -eq 0 ] && [ ! -e /usr/sbin/policy-rc.d ]; then
	policy=/usr/sbin/policy-rc.d
	printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
fi
command -v debconf-set-selections >/dev/null &&
	echo 'postfix postfix/main_mailer_type select No configuration' | $sudo debconf-set-selections 2>/dev/null
apt() {
	# --no-remove: never replace what the machine has, such as another mail server
	# shellcheck disable=SC2086
	$sudo apt-get install -y -qq --no-install-recommends --no-remove -o DPkg::Lock::Timeout=120 "$@" >"$tmp" 2>&1
}
$sudo apt-get update -qq -o DPkg::Lock::Timeout=120 >/dev/null 2>&1
# shellcheck disable=SC2086
if ! apt $need; then
	for p in $need; do
		apt "$p" && continue
		case " $BUILD " in
		*" $p "*) echo "deps.sh: cannot install $p:" >&2; tail -5 "$tmp" >&2; exit 69 ;;
		*) echo "deps.sh: cannot install $p (its tests will skip)" >&2 ;;
		esac
	done
fi
exit 0
