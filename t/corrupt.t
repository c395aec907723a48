#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Damaged queue files: one cut off at every length, and one with a bit turned over at FLIPS (1000) random places. Each must end in
# corrupt/ with a report in the log, or be treated as the message that it still is; good messages among them are delivered.
. "$(dirname "$0")/lib.sh"
have_program mtaqmgr mtadeliver mtaqueue || skip_all 'not all programs are built'
FLIPS=${FLIPS:-1000} SEED=${SEED:-$$}
mail_config notify_classes= default_transport=retry:no-such-place minimal_backoff_time=1000s qmgr_message_active_limit=200
owner=$(stat -c %U "$QUEUE/incoming")
as=; [ "$(id -u)" -ne 0 ] || as="setpriv --reuid=$owner --regid=$(id -g "$owner") --clear-groups"
printf 'Subject: to be damaged\nX-Number: <1>\n\nBEGIN 1\nsome lines\nof text\nEND 1\n' >"$T/message"
id=$(mtaqueue -C "$CONF" add -f '' "$USER_ADDR" other@elsewhere.test <"$T/message") || { echo 'Bail out! mtaqueue add'; exit 1; }
mv "$QUEUE/incoming/$id" "$T/good"
# fill HOW N: files of the queue, made from the good one; prints the ID of each
cat >"$T/fill.pl" <<'END'
my ($how, $good, $queue, $n, $seed) = @ARGV; srand $seed;
open my $f, '<:raw', $good or die; my $text = do { local $/; <$f> }; my @st = stat $good;
my @digits = split //, '0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz';
my ($old) = $text =~ /^id (\S+)$/m; my $k = 0;
sub put {
	my ($damage) = @_; my $id = substr($old, 0, 13); my $v = $k++; my $tail = '';
	for (1 .. 4) { $tail = $digits[$v % 52] . $tail; $v = int $v / 52 }
	$id .= $tail; (my $new = $text) =~ s/^id \S+/id $id/m; $new = $damage->($new);
	open my $o, '>:raw', "$queue/incoming/$id" or die "$id: $!"; print $o $new; close $o; chmod 0600, "$queue/incoming/$id"; chown $st[4], $st[5], "$queue/incoming/$id";
	print "$id\n";
}
if ($how eq 'cut') { for my $at (0 .. length($text) - 1) { put(sub { substr $_[0], 0, $at }) } }
elsif ($how eq 'flip') { for (1 .. $n) { put(sub { my $t = shift; my $at = int rand length $t; substr($t, $at, 1) ^= chr(1 << int rand 8); $t }) } }
elsif ($how eq 'more') { for my $m (1 .. $n) { put(sub { $_[0] . substr("more\n" x 400, 0, $m) }) } }
elsif ($how eq 'zero') { for my $at (0 .. length($text) - 1) { put(sub { substr($_[0], 0, $at) . "\0" x (length($_[0]) - $at) }) } }
END
fill() { perl "$T/fill.pl" "$1" "$T/good" "$QUEUE" "$2" "$SEED" | sort; }
run() { : >"$LOG"; for i in 1 2 3; do echo "$i" | mtaqueue -C "$CONF" add -f '' "$USER_ADDR" >>"$T/whole"; done; $as timeout 60 mtaqmgr -1 -C "$CONF" 2>>"$LOG"; }
listing() { ls "$QUEUE/$1" | sort; }
lines() { wc -l <"$1" | tr -d ' '; }
clear() { find "$QUEUE" "$MAILDIR" -type f ! -name '*.pid' -exec rm -f {} +; : >"$T/whole"; }
# damaged NAME: after a run; all of $T/ids must be somewhere sensible. Sets corrupt, left.
damaged() {
	listing corrupt >"$T/corrupt"; listing deferred >"$T/deferred"; { listing incoming; listing active; } >"$T/stuck"
	corrupt=$(lines "$T/corrupt")
	is "$(lines "$T/stuck")" 0 "$1: nothing is left in incoming/ or active/"
	is "$(count_files "$MAILDIR/new" | awk -v n="$2" '{ print ($1 == n + 3 || n == "") ? "yes" : $1 }')" yes "$1: the three good messages among them are delivered"
	sed 's/.*: \([0-9A-Za-z]*\): moved to corrupt: .*/\1/p;d' "$LOG" | sort | comm -13 - "$T/corrupt" >"$T/unreported"
	is "$(lines "$T/unreported")" 0 "$1: each file in corrupt/ is reported in the log"
}
clear
for how in cut more zero; do
	fill $how 300 >"$T/ids"; n=$(lines "$T/ids")
	mtaqueue -C "$CONF" list >"$T/list" 2>&1; ok $? "mtaqueue list shows the queue with $n damaged files ($how)"
	run; ok $? "mtaqmgr goes through $n damaged files ($how)"
	# content that is nothing but zeroes cannot be told from a message of zeroes
	if [ $how = zero ]; then damaged zeroed ''; else damaged "$how" 0; is "$corrupt" "$n" "$how: each of them is in corrupt/"; fi
	diag "$how: $corrupt of $n in corrupt/, $(lines "$T/deferred") deferred, $(($(count_files "$MAILDIR/new") - 3)) delivered"
	clear
done
fill flip "$FLIPS" >"$T/ids"
mtaqueue -C "$CONF" list -j >"$T/list" 2>&1; ok $? "mtaqueue list -j shows the queue with $FLIPS turned bits"
run; ok $? "mtaqmgr goes through $FLIPS files with a turned bit"
damaged flips ''
cat "$T/corrupt" "$T/deferred" | sort | comm -13 - "$T/ids" >"$T/gone"
grep -hE ': removed$' "$LOG" | sed 's/.*: \([0-9A-Za-z]*\): removed/\1/' | sort | comm -13 - "$T/gone" >"$T/unknown"
is "$(lines "$T/unknown")" 0 "each of them is in corrupt/, waits, or was done with as the log says" || diag "$(head -3 "$T/unknown")"
diag "flips: $FLIPS of $FLIPS accounted for: $corrupt in corrupt/, $(lines "$T/deferred") deferred, $(($(count_files "$MAILDIR/new") - 3)) copies delivered, $(lines "$T/gone") done with (SEED=$SEED)"
unlike "$(cat "$LOG")" 'signal [0-9]|Sanitizer|assert' 'nothing crashed'
for i in $(head -20 "$T/corrupt"); do mtaqueue -C "$CONF" show "$i" >"$T/show" 2>&1 || [ $? -lt 128 ] || echo "$i"; done >"$T/died"
is "$(lines "$T/died")" 0 'mtaqueue show does not crash on them'

# --- what is no queue file at all ---
clear; : >"$T/ids"
put() { echo "0dZ000000000BBBB$1"; }
echo secret >"$T/secret"; chmod 600 "$T/secret"
n=0
odd() { n=$((n + 1)); f=$QUEUE/$1/$(put "$n"); echo "$1/${f##*/}" >>"$T/ids"; }
for q in incoming deferred; do
	odd $q; ln -s "$T/secret" "$f"
	odd $q; mkfifo "$f"
	odd $q; mkdir "$f"
	odd $q; cp -p "$T/good" "$f"; ln "$f" "$T/link.$q"
	odd $q; perl -MIO::Socket::UNIX -e 'chdir shift; IO::Socket::UNIX->new(Local => shift, Listen => 1) or die' "$QUEUE/$q" "${f##*/}"
	if [ "$(id -u)" -eq 0 ]; then
		odd $q; mknod "$f" c 1 5 2>/dev/null || mkdir "$f"
		odd $q; cp "$T/good" "$f"; chown 4321 "$f"
	fi
done
find "$QUEUE" ! -type d ! -name '*.pid' ! -path '*/state/*' -exec ls -ln {} + | sort >"$T/before"
mtaqueue -C "$CONF" list >/dev/null 2>"$T/list"; ok $? "mtaqueue list passes over links, FIFOs, sockets, devices and files of others" || diag "$(cat "$T/list")"
rm "$T/whole"; run; ok $? 'mtaqmgr passes over them'
find "$QUEUE" ! -type d ! -name '*.pid' ! -path '*/state/*' -exec ls -ln {} + | sort >"$T/after"
same "$T/before" "$T/after" 'none is touched'
while read -r f; do grep -Eq "$f: (not a|Permission denied)" "$LOG" || echo "$f"; done <"$T/ids" >"$T/unreported"
is "$(lines "$T/unreported")" 0 "each of them is reported ($(lines "$T/ids") of $(lines "$T/ids"))" || diag "$(cat "$T/unreported"; cut -c1-150 "$LOG" | tail -20)"
is "$(count_files "$MAILDIR/new")" 3 'good messages among them are delivered'
done_testing
