#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# dsn.t: reports that senders ask for (RFC 3461), delay warnings, templates, notices to the postmaster, recipients who have
# moved. Mail comes in by SMTP; the reports are read in the sender's Maildir.
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/lib.sh"

# script NAME RULE...: a scripted SMTP server; its port in $PORT
script() {
	name=$1; shift
	perl "$HERE/smtp-script.pl" "$T/$name.log" "$@" > "$T/$name.port" &
	PIDS="$PIDS $!"
	wait_for 5 test -s "$T/$name.port"; PORT=$(cat "$T/$name.port")
}
script plain; PLAIN=$PORT
script knows 'EHLO=250-script\n250-PIPELINING\n250 DSN'; KNOWS=$PORT

mail_config minimal_backoff_time=1s maximal_backoff_time=2s queue_run_delay=1s
: > "$DIR/jobs"; chmod 666 "$DIR/jobs"
cat > "$DIR/transport" <<END
plain.test	smtp:[127.0.0.1]:$PLAIN
knows.test	smtp:[127.0.0.1]:$KNOWS
fake.test	fake:
true.test	true:
final.test	final:
broken.test	broken:
*	fake:
