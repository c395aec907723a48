#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# The commands of queue(7) and mtaqueue(1): each is understood, and the larger recipes do what the guide says.
. "$(dirname "$0")/lib.sh"
doc=$(cd "$(dirname "$0")/../doc" && pwd)
mail_config services=qmgr default_transport=smtp:[127.0.0.1]:1
export MTA_CONFIG="$CONF"

# Every mtaqueue command that stands alone on a line of an example, on an empty queue. Wrong options would be a usage error.
for page in queue.7 mtaqueue.1; do
	sed -n "s/^\\.Dl //; s/\\\\e/\\\\/g; /^mtaqueue [a-z]/p; s/.*| \\(mtaqueue [a-z].*\\)/\\1/p" "$doc/$page" >"$T/commands"
	like "$(wc -l <"$T/commands")" '[0-9]' "$page has commands"
	while IFS= read -r line; do
		command=$(printf '%s\n' "$line" | sed "s/ | .*//; s/ >[\\/a-z].*//; s/ \\\\\$//; s/ --for 1m//; s/^mtaqueue watch/mtaqueue watch --for 1s/; s/  *\$//")
		case $command in *'"$id"'*|*add\ *) continue ;; esac
		timeout 10 sh -c "$command" </dev/null >"$T/out" 2>&1
		case $? in
		0|66) ;;
		*) fail "$page: $command" || diag "$(cat "$T/out")" ;;
		esac
	done <"$T/commands"
done
mtaqueue resume -q --all
pass "all of them are understood"

# --- restore a backup: on hold, nothing overwritten, released ---

mail_start
waits() { [ "$(mtaqueue list --queue deferred --format %i | wc -l)" -eq "$1" ] 2>/dev/null; }
for i in 1 2 3; do printf 'Subject: %s\n\nx\n' "$i" | mtaqueue add -f "$USER_ADDR" "r$i@away.invalid" >/dev/null; done
wait_for 10 waits 3
tar -C "$QUEUE" --warning=no-timestamp -cf "$T/queue.tar" incoming active deferred hold defer; ok $? "back up"
kept=$(mtaqueue list --format %i | head -1)
mtaqueue delete -q --now $(mtaqueue list --format %i | tail -2)
mtaqueue hold -q "$kept"
mkdir "$T/restore" && tar -C "$T/restore" --warning=no-timestamp -xf "$T/queue.tar" && cd "$T/restore" || exit 1
cp -pn incoming/* active/* deferred/* hold/* "$QUEUE/hold/" 2>/dev/null
chown "$(stat -c %u "$QUEUE/hold")" "$QUEUE"/hold/* 2>/dev/null
is "$(mtaqueue list --queue hold --format %i | wc -l | tr -d ' ')" 3 "restored messages are on hold, none of them twice"
mtaqueue release -q --queue hold --all; wait_for 10 waits 3; ok $? "released, they are tried"

# --- move the queue to another host ---

first=$DIR
mail_stop
# what users leave before the queue is copied is moved with it, what they leave later stays
[ "$(id -u)" != 0 ] || chmod 755 "$T" "$first"
drop() { printf 'Subject: %s\n\nx\n' "$1" | mtaqueue -C "$first" add -f "$USER_ADDR" "$1@away.invalid" >"$T/id"; mv "$first/queue/incoming/$(cat "$T/id")" "$first/queue/maildrop/"; }
drop early
mtaqueue -C "$first" pickup 2>/dev/null; ok $? "mail of users is taken first"
drop late
mail_config services=qmgr default_transport=smtp:[127.0.0.1]:1
(cd "$first/queue" && tar -cf - incoming active deferred hold defer) | (cd "$QUEUE" && tar --warning=no-timestamp -xpf -); ok $? "move the queue to another system"
mta -q -C "$CONF" set-permissions; ok $? "mta set-permissions"
export MTA_CONFIG="$CONF"
waits 3; ok $? "all of it is there"
is "$(mtaqueue list --queue incoming --format %r)" early@away.invalid "and what a user had left"
mail_start
mtaqueue flush -q
sleep 0.2; wait_for 10 waits 4
is "$(grep -c 'status=deferred' "$LOG")" 4 "and is tried from there"
is "$(mtaqueue list -j | grep -c '"delay_reason"')" 4 "with the history"
one=$(mtaqueue list --format %i --limit 1)
mtaqueue delete -q "$one"
mail_stop; mail_start
sleep 0.3
mtaqueue undelete -q "$one"
is "$(mtaqueue list --format %q "$one")" hold "what was deleted is brought back, also after a restart"
mtaqueue -C "$first" delete -q --queue incoming,active,deferred,hold --all --now
is "$(mtaqueue -C "$first" list --format '%q %r')" "maildrop late@away.invalid" "and is gone from the old one, but for what was not moved"
done_testing
