#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# Sessions that are nearly right: scripts of SMTP and POP3 with bytes changed, lines lost, doubled,
# swapped, made long, cut into odd packets. Servers answer in well-formed lines or close, no worker
# dies, the log stays clean, and the queue holds exactly the messages that were acknowledged.
# GARBAGE sessions of each kind (60), SEED (1) for which ones.
. "$(dirname "$0")/lib.sh"
for p in mta mtaconf mtaauth mtasmtp mtapop mtaqueue; do
	have_program $p || skip_all "$p is not built"
done
mail_config services="auth smtp pop3" smtpd_timeout=20s smtpd_client_connection_count_limit=0 smtpd_error_sleep_time=0 smtpd_forbid_unauth_pipelining=no auth_failure_delay=0
mail_start
mkdir -p "$MAILDIR/new"
i=0
while [ $i -lt 20 ]; do
	i=$((i + 1))
	printf 'Subject: %s\n\n.dot\nline %s\n' $i $i >"$MAILDIR/new/1700000000.M$i.test"
done
[ "$(id -u)" -eq 0 ] && chown -R --reference="$DIR/mail" "$DIR/mail"

cat >"$T/garbage.pl" <<'PERL'
use strict; use warnings;
use IO::Socket::INET; use IO::Select; use MIME::Base64; use Time::HiRes 'time';
my ($kind, $port, $count, $seed, $user, $password) = @ARGV;
srand $seed; local $SIG{PIPE} = 'IGNORE';
my $plain = encode_base64("\0$user\0$password", '');
my @body = ('Subject: x', 'From: a@b.example', '', 'text', '..dots', '.x', "\xc3\xa9", 'x' x 900, '.');
my %script = (
    smtp => [
        ['EHLO me.example', 'MAIL FROM:<a@b.example> SIZE=100 BODY=8BITMIME', "RCPT TO:<$user>", 'DATA', @body, 'QUIT'],
        ['HELO x', 'mail from:<>', "rcpt to:$user NOTIFY=NEVER ORCPT=rfc822;a+40b", 'data', @body, 'RSET', 'NOOP', 'QUIT'],
        ['EHLO [127.0.0.1]', 'MAIL FROM:<"a \" b"@c.example> SMTPUTF8 RET=HDRS ENVID=x+2Bx', "RCPT TO:<\@r.example:$user>", "RCPT TO:<\"x\@y\"\@z.example>",
            'DATA', @body, 'MAIL FROM:<a@b.example>', "RCPT TO:<$user>", 'DATA', @body, 'QUIT'],
        ['EHLO x', 'MAIL FROM:<a@b.example>', "RCPT TO:<$user>", 'BDAT 10', '01234567', 'BDAT 6 LAST', 'abcd', 'QUIT'],
        ['EHLO x', 'STARTTLS', 'RSET', 'VRFY root', 'HELP', 'EXPN x', 'AUTH PLAIN ' . $plain, 'AUTH LOGIN', 'dXNlcg==', 'cGFzcw==', 'QUIT'],
    ],
    pop3 => [
        ['CAPA', "USER $user", "PASS $password", 'STAT', 'LIST', 'LIST 1', 'UIDL', 'UIDL 2', 'RETR 3', 'TOP 4 1', 'NOOP', 'RSET', 'LAST'],
        ['STLS', 'CAPA', 'AUTH', "AUTH PLAIN $plain", 'STAT', 'RETR 1', 'DELE 2', 'LIST', 'RSET', 'TOP 1 0'],
        ["USER $user", 'PASS wrong', 'RETR 1', 'AUTH PLAIN', $plain, 'RETR 18446744073709551616', 'DELE -1', 'TOP 1 -1', 'RETR 0'],
    ]);
my @nasty = ("\0", "\r", "\n", "\r\n", "\r\n.\r\n", "\n.\r\n", "\n.\n", ".", "\x9b", "\e[2J", "\xff", "\xc0\xaf", "<", ">", "\"", "\\", "\@", ":", " ", "\t", "%s%n",
    '${run{x}}', '`x`', '-1', '4294967296', '18446744073709551616', '[', '[IPv6:', ',', '+0A', '=', '*', 'x' x 600, 'x' x 3000, '(' x 100, "\t" x 100);
sub pick { $_[rand @_] }
sub spoil {
    my @l = @{ +shift };
    for (1 .. int rand 4) {
        my $i = int rand @l; my $how = int rand 8;
        if ($how == 0) { splice @l, $i, 1 if @l > 1 }
        elsif ($how == 1) { splice @l, $i, 0, $l[$i] }
        elsif ($how == 2) { my $j = int rand @l; @l[$i, $j] = @l[$j, $i] }
        elsif ($how == 3) { substr($l[$i], rand(1 + length $l[$i]), 0) = pick(@nasty) }
        elsif ($how == 4) { substr($l[$i], rand(length($l[$i]) || 1), 1) = chr rand 256 if length $l[$i] }
        elsif ($how == 5) { $l[$i] = substr $l[$i], 0, rand length $l[$i] }
        elsif ($how == 6) { $l[$i] .= pick(@nasty) x (1 + rand 3) }
        else { $l[$i] = $l[$i] . pick("\n", "\r", "") . (($i + 1 < @l) ? splice(@l, $i + 1, 1) : '') }
    }
    return join '', map { $_ . (rand 150 < 1 ? pick("\n", "\r", "", "\r\r\n") : "\r\n") } @l;
}
my ($acked, $bad, $slow) = (0, 0, 0); # each session from an address of its own: wrong passwords slow an address down
for my $n (1 .. $count) {
    my $text = spoil(pick(@{ $script{$kind} }));
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", LocalAddr => join('.', 127, map { 1 + int rand 250 } 1 .. 3), Timeout => 10) or do { print "# cannot connect\n"; $bad++; next };
    my ($got, $sent, $began, $mode, $shut) = ('', 0, time, int rand 3, 0);
    my $sel = IO::Select->new($s); $s->blocking(0);
    # The greeting first: sending before it is another test's business. Then line by line, or all at once, or in odd pieces.
    while (time - $began < 10) {
        my $data;
        my $wait = $got eq '' ? 5 : $shut ? 5 : $mode == 0 ? 0.05 : 0;
        if ($sel->can_read($wait)) {
            my $k = sysread $s, $data, 65536;
            last if defined $k && $k == 0 || !defined $k && !$!{EAGAIN};
            $got .= $data if $k;
            next if $mode;
        }
        if ($sent < length $text) {
            my $by = $mode == 1 ? length $text : $mode == 2 ? 1 + int rand 200 : do { my $i = index $text, "\n", $sent; $i < 0 ? length $text : $i + 1 - $sent };
            my $k = syswrite $s, substr $text, $sent, $by;
            last if !defined $k && !$!{EAGAIN};
            $sent += $k || 0;
        } elsif (!$shut) { shutdown $s, 1; $shut = 1 }
    }
    $slow++ if time - $began >= 10;
    printf "# session $n took %.1f seconds\n", time - $began if $ENV{SLOW} && time - $began > $ENV{SLOW};
    $got =~ s/\x15\x03.*//s; # an alert of TLS
    $acked += () = $got =~ /^250 .*queued as/mg;
    next if $kind eq 'pop3' && $got =~ /^\+OK/ && $got !~ /\0/;
    next if $kind eq 'smtp' && $got =~ /\A(?:[2-5]\d\d[- ][\x20-\x7e]*\r\n)*\z/;
    $bad++; $got =~ s/([^\n -~])/sprintf '\x%02x', ord $1/ge; print "# session $n: $got\n# sent: ", $text =~ s/([^ -~])/sprintf q(\x%02x), ord $1/ger, "\n";
}
print "acked $acked\nbad $bad\nslow $slow\n";
PERL

for kind in smtp pop3; do
	[ $kind = smtp ] && port=$SMTP_PORT || port=$POP3_PORT
	perl "$T/garbage.pl" $kind "$port" "${GARBAGE:-60}" "${SEED:-1}" "$USER_ADDR" "$PASSWORD" >"$T/$kind"
	ok $? "$kind: ${GARBAGE:-60} sessions that are nearly right"
	grep '^#' "$T/$kind" | cut -c 1-500 | head -20
	is "$(sed -n 's/^bad //p' "$T/$kind")" 0 "$kind: every answer is well formed"
	is "$(sed -n 's/^slow //p' "$T/$kind")" 0 "$kind: every session comes to its end"
done
acked=$(sed -n 's/^acked //p' "$T/smtp")
diag "$acked messages were acknowledged"
is "$(count_files "$QUEUE/incoming")" "$acked" "the queue holds just the messages that were acknowledged"
is "$(mtaqueue -C "$CONF" list -j | grep -c '"queue_id"')" "$acked" "and each can be read"
is "$(count_files "$QUEUE/tmp")" 0 "nothing is left behind"
is "$(count_files "$MAILDIR")" 20 "no message of the mailbox was lost"
unlike "$(cat "$LOG")" 'killed by signal|ended with status|Sanitizer|runtime error|panic|fatal' "no worker died"
[ "$(tr -d '\n\t\040-\176\200-\377' <"$LOG" | wc -c)" -eq 0 ]
ok $? "no control character reached the log"
done_testing
