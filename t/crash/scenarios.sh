# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# shellcheck shell=sh
# The scenarios of the crash harness: sourced after lib.sh and crash.sh; $DIR is a private configuration that is
# not started. Each gives its command and its check.

# The one message that is submitted or delivered; MARK stands at its start and its end.
crash_setup() {
	S=$DIR/crash; Q=$S/queue; B=$S/mail
	mkdir -p "$S"
	awk 'BEGIN { print "Subject: crash\nFrom: a@example.com\nMessage-ID: <crash@example.com>\nDate: Fri, 20 Nov 2026 12:00:00 +0000\n\nBEGIN-MARK";
		for (i = 0; i < 60; i++) print "line " i " of the body of a message that must be whole or absent"; print "END-MARK" }' >"$S/message"
	O="-o queue_directory=$Q"
	owner=$(id -un)
	[ "$(id -u)" -ne 0 ] || owner=$(sed -n 's/^mail_owner *= *//p' "$CONF/main.cf")
	chmod 755 "$S"
}
fresh() { rm -rf "$Q" "$B"; mkdir -p "$B" && mkdir "$Q" "$Q/incoming" "$Q/active" "$Q/deferred" "$Q/hold" "$Q/corrupt" "$Q/defer" "$Q/tmp" && chown -R "$owner" "$Q" "$B"; }

# whole FILE: the message is in it from mark to mark, with all 60 lines
whole() { [ "$(grep -c -e '^BEGIN-MARK' -e '^line [0-9]* of' -e '^END-MARK$' "$1")" -eq 62 ]; }

# Every file that the queue shows is whole; prints their number.
queue_count() {
	n=0
	for f in "$Q"/incoming/* "$Q"/active/* "$Q"/deferred/* "$Q"/hold/*; do
		[ -e "$f" ] || continue
		whole "$f" || { echo "partial: $f"; return 1; }
		n=$((n + 1))
	done
	[ -z "$(ls -A "$Q/corrupt" 2>/dev/null)" ] || { echo "in corrupt/: $(ls "$Q/corrupt")"; return 1; }
	echo $n
}

# acknowledged N STATUS-OK: N messages may be there if it was not acknowledged, exactly one if it was
queued_once() { # ACKNOWLEDGED(yes|no)
	n=$(queue_count) || { echo "$n"; return 1; }
	if [ "$1" = yes ] && [ "$n" -ne 1 ]; then echo "acknowledged, but $n messages in the queue"; return 1; fi
	[ "$n" -le 1 ] || { echo "$n messages"; return 1; }
	# and the next run is normal
	# shellcheck disable=SC2086
	$program <"$input" >"$S/again" 2>&1 || { echo "the next run fails: $(head -2 "$S/again")"; return 1; }
	m=$(queue_count) || { echo "$m"; return 1; }
	[ "$m" -eq $((n + 1)) ] || { echo "the next run: $m messages, not $((n + 1))"; return 1; }
}

scenario_add() {
	as=
	input=$S/message
	prepare() { fresh; }
	command_is mtaqueue -C "$CONF" $O add -f a@example.com b@example.org
	check() { if [ "$1" -eq 0 ]; then queued_once yes; else queued_once no; fi; }
}
scenario_sendmail() {
	as=
	input=$S/message
	prepare() { fresh; }
	command_is sendmail -C "$CONF" $O -f a@example.com b@example.org
	check() { if [ "$1" -eq 0 ]; then queued_once yes; else queued_once no; fi; }
}
scenario_smtp() {
	as=
	{
		printf 'EHLO me.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n'
		sed 's/$/\r/' "$S/message"
		printf '.\r\nQUIT\r\n'
	} >"$S/session"
	input=$S/session
	prepare() { fresh; }
	command_is mtasmtp -C "$CONF" $O
	check() { if grep -q '^250 2\.0\.0 Ok: queued as' "$OUT" 2>/dev/null; then queued_once yes; else queued_once no; fi; }
}

# delivered N..M whole files in the Maildir
box_count() {
	n=0
	for f in "$B"/u/new/* "$B"/u/cur/*; do
		[ -e "$f" ] || continue
		whole "$f" || { echo "partial: $f"; return 1; }
		n=$((n + 1))
	done
	echo $n
}
scenario_deliver() {
	# as the mailbox's owner: as root it would fork for that, and the one killed not be the one that delivers
	as=; [ "$(id -u)" -ne 0 ] || as="setpriv --reuid=$owner --regid=$(id -g "$owner") --clear-groups"
	input=$S/message
	echo 'u@crash.test u/' >"$S/boxes"
	prepare() { fresh; }
	cp "$MTA_BUILD/mtadeliver" "$S/" # the owner may not be able to reach the folder of the build
	command_is "$S/mtadeliver" -C "$CONF" $O -o virtual_mailbox_domains=crash.test -o "virtual_mailbox_maps=texthash:$S/boxes" \
		-o "virtual_mailbox_base=$B" -o "virtual_uid_maps=static:$(id -u "$owner")" -o "virtual_gid_maps=static:$(id -g "$owner")" -o virtual_minimum_uid=0 \
		-f a@example.com u@crash.test
	check() {
		n=$(box_count) || { echo "$n"; return 1; }
		case $1 in
		0) [ "$n" -eq 1 ] || { echo "sent, but $n copies"; return 1; } ;;
		*) [ "$n" -le 1 ] || { echo "$n copies"; return 1; } ;;
		esac
		# shellcheck disable=SC2086
		$as $program <"$input" >"$S/again" 2>&1 || { echo "the next run fails: $(head -2 "$S/again")"; return 1; }
		m=$(box_count) || { echo "$m"; return 1; }
		[ "$m" -eq $((n + 1)) ] || { echo "the next run: $m copies, not $((n + 1))"; return 1; }
	}
}
