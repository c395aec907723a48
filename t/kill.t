#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Numbered messages go in by SMTP while servers, the queue manager and agents get SIGKILL at random moments. Every
# message that was acknowledged must arrive, at least once. KILL_SECONDS (default 6) is how long.
. "$(dirname "$0")/lib.sh"
have_program perl || skip_all "perl is not installed"
for p in mtasmtp mtadeliver mtaqmgr mta mtaconf; do
	[ -x "$B/$p" ] || skip_all "$p is not built"
done
SECONDS_LONG=${KILL_SECONDS:-6}
mail_system fork_delay=0 service_throttle_time=1 minimal_backoff_time=1s maximal_backoff_time=1s transport_retry_time=1s queue_run_delay=1s 2>/dev/null
[ -n "${SMTP_PORT:-}" ] || { echo "Bail out! no mail system"; exit 1; }

# client FIRST: one message a connection or many, numbers FIRST, FIRST+10, ...; prints those that were acknowledged
cat > "$T/client" <<'END'
use strict; use IO::Socket::INET;
my ($port, $n, $to, $until) = @ARGV;
$SIG{PIPE} = 'IGNORE'; $| = 1;
sub say_ { my ($s, $line, $want) = @_; print $s "$line\r\n"; my $r; do { $r = <$s> // return 0 } while $r =~ /^\d\d\d-/; return $r =~ /^$want/ }
while (time < $until) {
	my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port, Timeout => 2) or do { select undef, undef, undef, 0.05; next };
	my $hi = <$s> // next; next unless $hi =~ /^220/ && say_($s, 'HELO c', 250);
	for (1..5) {
		last unless say_($s, 'MAIL FROM:<a@example.org>', 250) && say_($s, "RCPT TO:<$to>", 250) && say_($s, 'DATA', 354);
		print $s "Subject: number $n.\r\n\r\n" . ("x" x 70 . "\r\n") x 20;
		print "$n\n" if say_($s, '.', 250);
		$n += 10;
	}
	close $s;
}
END
# the processes of the system, but for the one that starts the services again
family() {
	ps -A -o pid= -o ppid= -o comm= | awk -v top="$(cat "$QUEUE/pid/mta.pid")" '
		{ parent[$1] = $2; name[$1] = $3 }
		END { for (p in parent) { q = p; while (q > 1 && q != top && (q in parent)) q = parent[q];
			if (q == top && p != top && name[p] ~ /^mta/) print p, name[p] } }'
}

stop_at=$(($(date +%s) + SECONDS_LONG))
for i in 1 2 3; do
	perl "$T/client" "$SMTP_PORT" "$i" "$USER_ADDR" "$stop_at" > "$T/acked.$i" 2>/dev/null &
	clients="${clients:-} $!"
done
: > "$T/killed"
while [ "$(date +%s)" -lt "$stop_at" ]; do
	family | perl -e 'my @l = <STDIN>; print $l[rand @l] if @l' > "$T/victim"
	read -r pid name < "$T/victim" || continue
	kill -9 "$pid" 2>/dev/null && echo "$name" >> "$T/killed"
	sleep 0.1
done
# shellcheck disable=SC2086
wait $clients
cat "$T"/acked.* | sort -n > "$T/acked"
sort "$T/killed" | uniq -c | sed 's/^/# killed:/'

n=$(wc -l < "$T/acked" | tr -d ' ')
[ "$n" -gt 20 ]; ok $? "mail was accepted in spite of it ($n messages)"
wait_for 60 sh -c "[ -z \"\$(find '$QUEUE/incoming' '$QUEUE/active' '$QUEUE/deferred' -type f)\" ]"
ok $? "the queue is empty in the end" || find "$QUEUE" -type f | head | sed 's/^/# /'
find "$MAILDIR/new" "$MAILDIR/cur" -type f -exec sed -n 's/^Subject: number \([0-9]*\)\.$/\1/p;/^$/q' {} \; 2>/dev/null > "$T/arrived.raw"
sort -n "$T/arrived.raw" > "$T/arrived"
sort -nu "$T/arrived" > "$T/arrived.once"
sort "$T/acked" > "$T/a"; sort "$T/arrived.once" > "$T/b"
lost=$(comm -23 "$T/a" "$T/b" | wc -l | tr -d ' ')
is "$lost" 0 "every acknowledged message has arrived" || comm -23 "$T/a" "$T/b" | head | sed 's/^/# lost: /'
diag "$(wc -l < "$T/arrived" | tr -d ' ') deliveries, $(($(wc -l < "$T/arrived") - $(wc -l < "$T/arrived.once"))) of them again"
is "$(find "$MAILDIR/new" "$MAILDIR/cur" -type f -exec awk 'FNR == 1 { if (NR > 1 && n != 20) print n; n = 0 } /^x+$/ && length == 70 { n++ }
	END { if (n != 20) print n }' {} +)" "" "no partial message is in the mailbox"
is "$(find "$QUEUE/corrupt" -type f | wc -l | tr -d ' ')" 0 "no queue file was damaged"
done_testing
