#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Crash proof: programs killed at each system call, and with each failing in several ways. This is the quick part;
# MODE=all (t/long/crash.t) takes every system call and every error. SCENARIOS=... picks some.
# Killed processes need no real disk: in memory, fsync costs nothing.
[ ! -w /dev/shm ] || export TMPDIR="${TMPDIR:-/dev/shm}"
. "${CRASH_HOME:-$(dirname "$0")}/lib.sh"
here=$(cd "${CRASH_HOME:-$(dirname "$0")}/crash" && pwd)
have_program strace || skip_all 'strace is not installed'
strace -qq -o /dev/null true 2>/dev/null || skip_all 'strace cannot trace here'
MODE=${MODE:-quick}
all="add sendmail drop pickup smtp bdat deliver mixed"
[ "$MODE" = quick ] || all="$all take defer bounce giveup reroute pop"
mail_config
C=$T/crash
mkdir -p "$C/queue" "$C/mail/u/new" "$C/mail/u/cur" "$C/mail/u/tmp" "$C/conf"
for q in incoming active deferred hold corrupt trash defer tmp; do mkdir "$C/queue/$q" && chmod 700 "$C/queue/$q"; done
mkdir "$C/queue/maildrop"
owner=$(id -un)
[ "$(id -u)" -ne 0 ] || owner=$(sed -n 's/^mail_owner *= *//p' "$CONF/main.cf")
uid=$(id -u "$owner") gid=$(id -g "$owner")
cp "$CONF/main.cf" "$C/conf/main.cf"
echo 'u@crash.test u/' >"$C/conf/boxes"
printf 'busy.test\tretry:4.3.2 closed today\ngone.test\terror:5.1.6 moved away\n' >"$C/conf/transport"
: >"$C/log"
mtaconf -C "$C/conf" -e "queue_directory=$C/queue" "virtual_mailbox_base=$C/mail" "virtual_mailbox_maps=texthash:$C/conf/boxes" \
	virtual_mailbox_domains=crash.test "virtual_uid_maps=static:$uid" "virtual_gid_maps=static:$gid" virtual_minimum_uid=1 \
	"transport_maps=texthash:$C/conf/transport" default_transport=error:nobody mydestination= relay_domains= "maillog_file=$C/log" \
	minimal_backoff_time=100s notify_classes= smtpd_error_sleep_time=0 smtpd_tls_security_level=none >/dev/null || { echo 'Bail out! mtaconf -e'; exit 1; }
chmod 777 "$C"
[ "$(id -u)" -ne 0 ] || chown -R "$owner:$gid" "$C/queue" "$C/mail" "$C/log"
chmod 3733 "$C/queue/maildrop"
case " ${SCENARIOS:-$all} " in *' pop '*)
	echo "u:{PLAIN}x:$uid:$gid::$C/mail/pop::userdb_mail=maildir:$C/mail/pop" >"$C/conf/passwd"
	background mtaauth -C "$C/conf" -o "auth_backends=passwd-file:$C/conf/passwd" -o auth_user=root -p auth -l "unix:$C/auth" </dev/null
	wait_for 5 test -S "$C/auth"
	chmod 666 "$C/auth" ;;
esac
for s in ${SCENARIOS:-$all}; do
	: >"$C/log"
	out=$(perl "$here/crash.pl" "$MODE" "$C" "$s" 2>&1); rc=$?
	printf '%s\n' "$out" | sed 's/^\([^#]\)/# \1/'
	ok $rc "$(printf '%s\n' "$out" | sed -n 's/^# \(.*\): [0-9]* of [0-9]* runs.*/\1/p' | grep . || echo "$s"): acknowledged is there, nothing partial, nothing else harmed, the next run is normal"
done
done_testing
