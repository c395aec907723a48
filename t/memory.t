#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# A session that takes more memory than default_vsz_limit ends alone: told so, nothing of it queued or deleted, all others
# go on, and the next one finds a worker at once.
. "$(dirname "$0")/lib.sh"
have_program mtasmtp mtapop mtaauth mta mtaconf || skip_all "not all programs are built"
have_program perl || skip_all "perl is not installed"
[ -e /proc/self/limits ] || skip_all "no /proc"
grep -q __asan_init "$B/mtasmtp" && skip_all "a build with sanitizers has no memory limit"

# fork_delay: a replacement that waited for it would be seen
mail_config "services=auth smtp pop3" default_vsz_limit=2M "service_auth=mtaauth -o default_vsz_limit=64M" smtpd_recipient_limit=10000000 auth_failure_delay=0s fork_delay=20s \
	default_process_limit=10 mynetworks=127.0.0.0/8 smtpd_client_connection_count_limit=0
mail_start

cat >"$T/smtp.pl" <<'P'
use strict; use warnings; use IO::Socket::INET; use Time::HiRes 'time';
my ($port, $times) = @ARGV;
$SIG{PIPE} = 'IGNORE';
$SIG{ALRM} = sub { print "nothing happens\n"; exit 1 };
alarm 60;
sub dial { my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 10) or return; $s }
sub cmd { my ($s, $c) = @_; print $s "$c\r\n" if defined $c; my $l; do { $l = <$s> // return 'closed' } while $l =~ /^\d+-/; $l =~ s/\r?\n//; $l }
# an honest session, open all the time
my $honest = dial();
cmd($honest); cmd($honest, 'EHLO honest.example');
for my $n (1 .. $times) {
    my $s = dial() or die "round $n: no connection";
    cmd($s); cmd($s, 'EHLO hungry.example'); cmd($s, 'MAIL FROM:<a@example.com>');
    my ($last, $sent) = ('', 0);
    ROUND: for my $k (1 .. 400) {
        my $block = join '', map { "RCPT TO:<recipient-number-$k-$_-with-a-long-name-of-its-own\@example.net>\r\n" } 1 .. 500;
        print $s $block or last;
        $sent += 500;
        for (1 .. 500) { my $l = <$s>; last ROUND unless defined $l; $last = $l; last ROUND if $l !~ /^250/ }
    }
    $last =~ s/\r?\n//;
    print "round $n: $last\n";
    my $rest = join '', <$s>;
    print "after it: $rest\n" if length $rest;
}
my $begin = time;
for (1 .. 10) {
    my $s = dial() or die 'no connection';
    cmd($s) =~ /^220/ && cmd($s, 'QUIT') =~ /^221/ or print "no service\n";
}
printf "others wait: %s\n", time - $begin < 5 ? 'no' : 'yes';
print cmd($honest, 'MAIL FROM:<b@example.com>'), "\n", cmd($honest, 'RCPT TO:<c@example.net>'), "\n", cmd($honest, 'DATA'), "\n",
    substr(cmd($honest, "Subject: x\r\n\r\nx\r\n."), 0, 12), "\n", cmd($honest, 'QUIT'), "\n";
P
OUT=$(perl "$T/smtp.pl" "$SMTP_PORT" 8)
is "$(printf '%s\n' "$OUT" | grep -c '^round .: 421 4\.3\.0 .* Error: out of memory$')" 8 "SMTP: a client with recipients without end gets 421 and is disconnected" || diag "$OUT"
unlike "$OUT" '^after it' "SMTP: nothing comes after the 421"
like "$OUT" '^others wait: no' "SMTP: after eight of them other clients are served at once, without fork_delay"
like "$OUT" '^250 2.0.0 Ok' "SMTP: a session that was open all the time delivers its mail" || diag "$OUT"
is "$(count_files "$DIR/queue/incoming")" 1 "SMTP: that mail, and nothing of the others, is in the queue"
is "$(find "$DIR/queue/tmp" -type f | wc -l | tr -d ' ')" 0 "SMTP: and no part of one"
LINES=$(cat "$LOG")
like "$LINES" 'session of .*127.0.0.1.* after RCPT: out of memory \(default_vsz_limit\)' "the log says who it was, and which limit"
like "$LINES" 'worker [0-9]+ ended with status 75, and its session with it' "and that the worker ended"

# --- POP3: a mailbox with more messages than the memory holds ---
mkdir -p "$MAILDIR/new" "$MAILDIR/cur" "$MAILDIR/tmp"
small() { rm -rf "$MAILDIR/cur"; mkdir "$MAILDIR/cur"; printf 'Subject: x\n\nx\n' >"$MAILDIR/cur/1700000000.M1P1.h:2,S"; }
perl -e 'for (1 .. 40000) { my $f = sprintf "%s/cur/17%08d.M%06dP12345V0000000000I000000000.a-long-host-name.example.com,S=0,W=0:2,S", $ARGV[0], $_, $_;
	open my $h, ">", $f or die; }' "$MAILDIR"
chown -R --reference="$DIR/mail" "$MAILDIR" 2>/dev/null
pop() { { printf 'USER %s\r\nPASS %s\r\n' "$USER_ADDR" "$PASSWORD"; printf '%s\r\n' "$@"; } | timeout 30 perl -e '
	use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die; print $s $_ while <STDIN>; print while <$s>' "$POP3_PORT" | tr -d '\r'; }
OUT=$(pop STAT QUIT)
is "$(printf '%s\n' "$OUT" | tail -1)" "-ERR [SYS/TEMP] Out of memory." "POP3: a mailbox with too many messages is a temporary failure for its owner" || diag "$OUT"
like "$(cat "$LOG")" 'pop3\(.*\): out of memory \(default_vsz_limit\), rip=127.0.0.1' "POP3: the log says whose it was"
is "$(find "$MAILDIR/cur" -type f | wc -l | tr -d ' ')" 40000 "POP3: all messages are still there"
small
chown -R --reference="$DIR/mail" "$MAILDIR" 2>/dev/null
like "$(pop STAT QUIT)" '^\+OK 1 17' "POP3: the service goes on"

# --- a hash that does not fit is no wrong password ---
printf 'AUTH\t1\tPLAIN\tservice=x\tresp=%s\n' "$(printf '\0%s\0%s' "$USER_ADDR" "$PASSWORD" | base64)" >"$T/right"
printf 'AUTH\t1\tPLAIN\tservice=x\tresp=%s\n' "$(printf '\0nobody@example.test\0x' | base64)" >"$T/nobody"
ask() { timeout 20 mtaauth -C "$DIR" -o "default_vsz_limit=$1" -o auth_failure_delay=0s -p auth <"$2" 2>/dev/null | grep -E '^(OK|FAIL)'; }
like "$(ask 64M "$T/right")" '^OK' "mtaauth: with memory enough the right password is right"
like "$(ask 2M "$T/right")" 'FAIL.*	temp' "mtaauth: without memory for its hash it is a temporary failure, not wrong"
like "$(ask 2M "$T/nobody")" 'FAIL.*	temp' "mtaauth: and so it is for a user who does not exist"

# --- what is limited ---
# limits PROGRAM: those of its processes here, but for the parents (whose own parent is mta)
limits() {
	for p in $(pgrep -f "^[^ ]*$1 .*$DIR"); do
		grep -q "^$1" "/proc/$(awk '{ print $4 }' "/proc/$p/stat")/comm" && awk '/^Max data size/ { print $4 }' "/proc/$p/limits"
	done 2>/dev/null | sort -u
}
for p in mtasmtp mtapop mtaauth; do
	like "$(limits $p)" '^[0-9]+$' "the workers of $p have a limit"
	unlike "$(limits $p)" unlimited "all of them"
done
mail_stop
mail_config "services=auth smtp" default_vsz_limit=0
mail_start
is "$(limits mtasmtp)" unlimited "default_vsz_limit = 0: no limit"
done_testing
