#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# A message of more than 4 GB through everything: mtaqueue add, the queue manager, delivery, POP3, and another one through SMTP.
# It arrives with its size and its last line, and memory does not grow with it.
. "$(dirname "$0")/../lib.sh"
have_program mtaqueue mtaqmgr mtadeliver mtasmtp mtapop mtaauth mta || skip_all "not all programs are built"
room=$(df -Pk "$T" | awk 'NR == 2 { print int($4 / 1048576) }')
[ "$room" -ge 30 ] || skip_all "30 GB of disk are wanted, ${TMPDIR:-/tmp} has $room"
mail_system "services=auth qmgr smtp pop3" message_size_limit=0 virtual_mailbox_limit=0 mailbox_size_limit=0 default_vsz_limit=64M \
	smtpd_timeout=600s smtpd_total_timeout=1h

LINES=43000000 # of 100 bytes: 4,300,000,000, and 43,000,000 more as CRLF
cat >"$T/write.pl" <<'P'
my ($lines, $end) = @ARGV; $end =~ s/\\r/\r/; $end =~ s/\\n/\n/;
my $block = (('x' x 99) . $end) x 1000;
print "Subject: large$end$end"; print $block for 1 .. $lines / 1000; print "the last line$end";
P
SIZE=$((16 + LINES * 100 + 14))
START=$(date +%s)
ID=$(perl "$T/write.pl" $LINES '\n' | mtaqueue -C "$CONF" add -f sender@example.com "$USER_ADDR"); ok $? "mtaqueue add takes $SIZE bytes"
diag "in $(($(date +%s) - START)) s: $ID"
arrived() { [ "$(count_files "$MAILDIR/new")" -eq "$1" ]; }
wait_for 300 arrived 1; ok $? "it is delivered"
FILE=$(find "$MAILDIR/new" -type f)
[ "$(stat -c %s "$FILE")" -gt "$SIZE" ] && [ "$(stat -c %s "$FILE")" -lt $((SIZE + 10000)) ]; ok $? "with all its bytes"
is "$(tail -n 1 "$FILE")" "the last line" "and its last line"
OUT=$(perl -e 'use IO::Socket::INET; my ($port, $user, $pass) = @ARGV; my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die;
	sub cmd { print $s "$_[0]\r\n"; my $l = <$s>; $l =~ s/\r\n//; $l } <$s>; cmd("USER $user"); cmd("PASS $pass"); my $stat = cmd("STAT"); my $retr = cmd("RETR 1");
	print $s "DELE 1\r\nQUIT\r\n"; my ($n, $tail) = (0, "");
	while (read $s, my $b, 1 << 20) { $n += length $b; $tail = substr $tail . $b, -100 }
	my ($octets) = $stat =~ /(\d+)$/; $tail =~ s/\r\n\.(\r\n\+OK.*\r\n\+OK.*\r\n)\z//s; $n -= length($1) + 1;
	print $octets == $n && $n > 1 << 32 ? "same" : "$stat: $n"' "$POP3_PORT" "$USER_ADDR" "$PASSWORD")
like "$OUT" '^same$' "POP3: STAT tells just the octets that RETR sends" || diag "$OUT"
is "$(count_files "$MAILDIR")" 0 "and deletes it"

START=$(date +%s)
OUT=$(perl "$T/write.pl" $LINES '\r\n' | perl -e 'use IO::Socket::INET; my ($port, $rcpt) = @ARGV; my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port") or die;
	sub r { my $l; do { $l = <$s> // exit } while $l =~ /^\d+-/; $l } r();
	for ("EHLO x", "MAIL FROM:<a\@example.com> SIZE=4343000030", "RCPT TO:<$rcpt>", "DATA") { print $s "$_\r\n"; my $l = r(); $l =~ /^[23]/ or do { print $l; exit } }
	while (read STDIN, my $b, 1 << 20) { print $s $b } print $s ".\r\nQUIT\r\n"; print r()' "$SMTP_PORT" "$USER_ADDR")
like "$OUT" '^250 ' "SMTP: a message of $((SIZE + LINES)) octets is taken" || diag "$OUT"
diag "in $(($(date +%s) - START)) s"
wait_for 300 arrived 1; ok $? "and delivered"
FILE=$(find "$MAILDIR/new" -type f)
[ -n "$FILE" ] && [ "$(stat -c %s "$FILE")" -gt "$SIZE" ] && [ "$(stat -c %s "$FILE")" -lt $((SIZE + 10000)) ]; ok $? "with all its bytes"
unlike "$(cat "$LOG")" 'out of memory|ended with status|killed by' "64 MB of memory were enough for all"
like "$(cat "$LOG")" 'size=43000[0-9]*,' "the log tells the size"
done_testing
