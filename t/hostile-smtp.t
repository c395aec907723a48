#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# What hostile clients try on an SMTP server, most of it from failures of real mail systems (CVE numbers, year-number,
# where there is one). Raw sockets on the loopback interface.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use SMTP;
use Test::More;
use IO::Select;
use IO::Socket::INET;
use MIME::Base64;
use POSIX ();
use Socket qw(IPPROTO_TCP TCP_NODELAY SOL_SOCKET SO_LINGER);
use Time::HiRes 'time';

-x build() . '/mtasmtp' or plan skip_all => 'mtasmtp is not built';
my ($s, $r, $srv);

sub envelope { my ($c, $from, $to) = @_;
    cmd($c, 'MAIL FROM:<' . ($from // 'a@example.org') . '>') =~ /^250/ && cmd($c, 'RCPT TO:<' . ($to // 'joe@example.com') . '>') =~ /^250/ && cmd($c, 'DATA') =~ /^354/ }
sub fresh { my $c = dial($srv, @_); ehlo($c); $c }
sub memory { my $max = 0; for my $p (split ' ', qx(pgrep -P $srv->{pid})) { open my $f, '<', "/proc/$p/status" or next; while (<$f>) { $max = $1 if /^VmRSS:\s+(\d+)/ && $1 > $max } } $max }

$srv = start_server();

# 1: ends of data that are none
my %ends = ('LF.LF' => "\n.\n", 'LF.CRLF' => "\n.\r\n", 'CRLF.LF' => "\r\n.\n", 'CR.CR' => "\r.\r", 'CR.CRLF' => "\r.\r\n", 'CRLF.CR' => "\r\n.\r", 'LF.CR' => "\n.\r",
    'CRCRLF.CRLF' => "\r\r\n.\r\r\n", 'NUL.CRLF' => "\r\n\0.\r\n", '.NUL' => "\r\n.\0\r\n", 'CR LF apart' => "\r \n.\r \n", 'LFLF.' => "\n\n.\n\n", 'dot blank' => "\r\n. \r\n");
for my $name (sort keys %ends) {
    $s = fresh();
    envelope($s) or die;
    my $smuggled = "MAIL FROM:<evil\@example.org>\r\nRCPT TO:<joe\@example.com>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n";
    print $s "Subject: one\r\n\r\ntext$ends{$name}$smuggled";
    my $all = rest($s, 0.15);
    my $n = () = queue_text($srv) =~ /^sender </mg;
    ok $n <= 1 && queue_text($srv) !~ /^sender <evil/m, "1: '$name' does not end a message (2023-51764)";
    like $all, $name =~ /^(dot blank)$/ ? qr/^250 / : qr/^5\d\d /, "1: '$name': the message is " . ($name eq 'dot blank' ? 'one, as it is' : 'refused');
    clear_queue($srv);
    close $s;
}

# 2: input that comes too early
for my $early ("EHLO a\r\nMAIL FROM:<>\r\n", "EHLO a\r\nEHLO b\r\n") {
    $s = dial($srv); print $s $early;
    like rest($s), qr/^554 5\.5\.0 .*\(closed\)$/s, '2: commands pipelined behind EHLO: refused';
}
$s = fresh();
print $s "MAIL FROM:<a\@example.org>\r\nRCPT TO:<joe\@example.com>\r\nDATA\r\nSubject: x\r\n\r\n.\r\n";
like rest($s), qr/^250 .*^250 .*^554 5\.5\.0 .*\(closed\)$/ms, '2: a message pipelined behind DATA: refused';
is scalar(queued($srv)), 0, '2: and nothing is queued';
like logged($srv), qr/improper command pipelining after DATA from/, '2: it is logged';
my $loose = start_server(smtpd_forbid_unauth_pipelining => 'no');
$s = dial($loose); print $s "EHLO a\r\nMAIL FROM:<a\@example.org>\r\nRCPT TO:<joe\@example.com>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n";
like rest($s), qr/^250 2\.0\.0 Ok: queued.*^221 /ms, '2: let pass where smtpd_forbid_unauth_pipelining = no';
stop_server($loose);

# 3, 4: bare CR, bare LF, NUL
$s = fresh();
print $s "NOOP\nNOOP\r\n";
is join(' ', map { substr reply($s), 0, 9 } 1 .. 2), '550 5.5.2 250 2.0.0', '3: a command line that ends in a bare LF is refused';
like cmd($s, "NOOP\rRSET"), qr/^500 5\.5\.2 /, '3: a bare CR in a command';
like cmd($s, "MAIL FROM:<a\0b\@example.org>"), qr/^500 5\.5\.2 /, '4: NUL in a command';
like cmd($s, "RSET"), qr/^250 /, '4: the session goes on';
for (['bare LF in the header' => "Subject: x\nEvil: y\r\n\r\nt\r\n"], ['bare CR in the header' => "Subject: x\rEvil: y\r\n\r\nt\r\n"],
    ['bare LF in the body' => "Subject: x\r\n\r\na\nb\r\n"], ['bare CR in the body' => "Subject: x\r\n\r\na\rb\r\n"], ['CR at the end' => "Subject: x\r\n\r\na\r\r\n"]) {
    envelope($s) or die; print $s "$_->[1].\r\n";
    like reply($s), qr/^550 5\.5\.2 /, "3: $_->[0]: refused";
}
for (['the header' => "Sub\0ject: x\r\n\r\nt\r\n"], ['the body' => "Subject: x\r\n\r\n\0\r\n"]) {
    envelope($s) or die; print $s "$_->[1].\r\n";
    like reply($s), qr/^554 5\.6\.0 /, "4: NUL in $_->[0]: refused";
}
is scalar(queued($srv)), 0, '3, 4: nothing is queued';
envelope($s) or die; print $s "BDAT";
close $s;

# 10: long lines
$s = fresh();
like cmd($s, 'NOOP ' . 'x' x 500), qr/^250 /, '10: a command line of 512 bytes';
like cmd($s, 'NOOP ' . 'x' x 1000), qr/^250 /, '10: of 1,000';
like cmd($s, 'NOOP ' . 'x' x 3000), qr/^500 5\.5\.2 /, '10: of 3,000: 500';
like cmd($s, 'NOOP'), qr/^250 /, '10: the next command is understood';
my $before = memory();
print $s 'y' x 1_000_000 for 1 .. 10;
print $s "\r\n";
like reply($s), qr/^500 5\.5\.2 /, '10: a command line of 10 MB: 500';
like cmd($s, 'NOOP'), qr/^250 /, '10: the next command is understood';
envelope($s) or die;
print $s "Subject: x\r\n\r\n", 'z' x 9_000_000, "\r\n.\r\n";
like reply($s), qr/^250 /, '10: a body line of 9 MB passes';
ok substr(queue_text($srv), -9_000_002) eq "\n" . 'z' x 9_000_000 . "\n", '10: as it is';
clear_queue($srv);
envelope($s) or die;
print $s 'Subject: ' . 'w' x 200_000, "\r\n\r\n.\r\n";
like reply($s), qr/^552 5\.3\.4 /, '10: a header field over header_size_limit is refused';
ok memory() - $before < 1500, '10: memory stays flat (' . (memory() - $before) . ' KB more)';

# 11, 12: sizes
like cmd($s, "MAIL FROM:<a\@example.org> SIZE=$_->[0]"), $_->[1], "11: SIZE=$_->[0]" for ['-1', qr/^501 /], ['2147483648', qr/^552 /], ['4294967297', qr/^552 /],
    ['9223372036854775808', qr/^552 /], ['18446744073709551616', qr/^552 /], ['99999999999999999999', qr/^552 /], ['184467440737095516160000', qr/^501 /];
for my $size ('-1', '18446744073709551617', '9223372036854775808', 'x', '5 LASTING', '') {
    $s = fresh(); cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>');
    print $s "BDAT $size\r\nMAIL FROM:<evil\@example.org>\r\n";
    like rest($s, 0.2), qr/^501 5\.5\.4 .*\(closed\)$/s, "12: 'BDAT $size': refused, and the connection ends";
}
$s = fresh(); cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>');
print $s "BDAT 4000000000 LAST\r\nabc";
like rest($s, 0.2), qr/^552 5\.3\.4 .*\(closed\)$/s, '12: BDAT of 4 GB: refused at once, not buffered';
$s = fresh(); cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>');
like cmd($s, 'BDAT 0 LAST'), qr/^250 2\.0\.0 Ok: queued/, '12: BDAT 0 LAST is an empty message';
like cmd($s, 'BDAT 0 LAST'), qr/^503 /, '12: a second one is none';
clear_queue($srv);
cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>');
for (1 .. 11) { last if cmd($s, 'BDAT 1000000' . "\r\n" . ("y" x 78 . "\r\n") x 12500 =~ s/\r\n\z//r) !~ /^250/ }
like cmd($s, 'NOOP'), qr/^250 /, '12: chunks over message_size_limit in all: refused, the session goes on';
is scalar(queued($srv)), 0, '12: nothing is queued';

# 13, 14: commands and line ends in addresses
for my $from ('<;touch /tmp/owned;>', '<$(id)@example.org>', '<${run{/bin/id}}@example.org>', '<|/bin/id@example.org>', '<"a;b"@example.org>', '<`id`@example.org>') {
    $s = fresh(); cmd($s, "MAIL FROM:$from"); cmd($s, 'RCPT TO:<joe@example.com>'); cmd($s, 'DATA'); print $s "x\r\n.\r\n"; rest($s, 0.1);
}
ok !-e '/tmp/owned', '13: what looks like a command in an address is not run (2020-7247, 2019-10149)';
clear_queue($srv);
$s = fresh();
like cmd($s, 'MAIL FROM:<a@example.org> ENVID=a+0Arcpt'), qr/^501 /, '14: LF in xtext is refused (2020-28015)';
like cmd($s, 'MAIL FROM:<a@example.org> AUTH=a+0Ab'), qr/^501 /, '14: in AUTH=, too (2020-28021)';
like cmd($s, "MAIL FROM:<\"a\nb\"\@example.org>"), qr/^[5]\d\d /, '14: LF in a quoted local part'; rest($s, 0.1);
$s = fresh();
like cmd($s, 'MAIL FROM:<"a\> b"@example.org>'), qr/^250 /, '14: > and blank in a quoted local part';
like cmd($s, 'RCPT TO:<joe@example.com> ORCPT=rfc822;x+3E+20y'), qr/^250 /, '14: and in xtext';
cmd($s, 'DATA'); print $s "x\r\n.\r\n"; like reply($s), qr/^250 /, '14: are queued';
like queue_text($srv), qr/\Amtaq1[^\n]*\nid \w+\ntime [\d.]+\nsender <[^\n]*>\nfrom [^\n]*\nrcpt T <joe\@example\.com> orcpt=\S+\n\n/, '14: without another line in the queue file';
clear_queue($srv);

# 15: relaying by odd addresses
$s = fresh(); cmd($s, 'MAIL FROM:<a@example.org>');
for my $to ('<u%elsewhere.example@example.com>', '<@example.com:u@elsewhere.example>', '<"u@elsewhere.example"@example.com>', '<elsewhere.example!u@example.com>', '<u@[198.51.100.7]>',
    '<u@example.com@elsewhere.example>', '<u@elsewhere.example.>', '<u@elsewhere.example@example.com>', '<@example.com,@x.example:u@elsewhere.example>', '<u@elsewhere.example..>',
    '<u@sub.example.com>', '<u@example.com.elsewhere.example>', '<u%elsewhere.example>', '<"u%elsewhere.example"@example.com>', '<u@EXAMPLE.COM.@elsewhere.example>', '<elsewhere.example!u>', '<"u@elsewhere.example">') {
    $s = fresh(), cmd($s, 'MAIL FROM:<a@example.org>') if $s->connected && cmd($s, 'NOOP') !~ /^250/;
    like cmd($s, "RCPT TO:$to"), qr/^[45]\d\d /, "15: no relaying: $to";
}
unlike cmd($s, 'DATA'), qr/^354/, '15: no recipient was taken';
$s = fresh(); cmd($s, 'MAIL FROM:<a@example.org>');
like cmd($s, 'RCPT TO:<JOE@Example.COM.>'), qr/^(250|550 5\.1\.1)/, '15: our own domain in another spelling is ours';

# 16: recipients past the limit (here; with more in mtasmtp.t)
my $few = start_server(smtpd_recipient_limit => 5, smtpd_recipient_overshoot_limit => 5, smtpd_hard_error_limit => 10);
$s = dial($few); ehlo($s); cmd($s, 'MAIL FROM:<>');
$r = join ' ', map { substr cmd($s, "RCPT TO:<joe\@example.com> ORCPT=rfc822;u$_\@x.example"), 0, 3 } 1 .. 9;
is $r, '250 250 250 250 250 452 452 452 452', '16: recipient limit + 1 gets 452';
like cmd($s, 'DATA'), qr/^354/, '16: the rest is kept';
print $s "x\r\n.\r\n"; like reply($s), qr/^250 /, '16: and delivered';
is scalar(() = queue_text($few) =~ /^rcpt T/mg), 5, '16: to five';
cmd($s, 'MAIL FROM:<>'); my $last = '';
for (1 .. 40) { $last = cmd($s, 'RCPT TO:<joe@example.com>'); last if $last =~ /^421|^$/ }
like $last, qr/^421 4\.7\.0 /, '16: a client that goes on without end is disconnected';
stop_server($few);

# 17: VRFY, and unknown users
$s = fresh(); cmd($s, 'MAIL FROM:<a@example.org>');
like cmd($s, 'RCPT TO:<nosuch@example.com>'), qr/^550 5\.1\.1 /, '17: an unknown user is refused at RCPT';
cmd($s, 'RSET');
is cmd($s, 'VRFY joe@example.com'), cmd($s, 'VRFY nosuch@example.com'), '17: VRFY gives nothing away';
like cmd($s, 'EXPN joe'), qr/^502 /, '17: nor EXPN';

# 18: UTF-8
like cmd($s, "MAIL FROM:<$_->[1]\@example.org> SMTPUTF8"), qr/^501 /, "18: $_->[0]: refused" for ['overlong UTF-8', "a\xc0\xafb"], ['a lone continuation byte', "a\x80"],
    ['a cut sequence', "a\xe2\x82"], ['a surrogate', "a\xed\xa0\x80"], ['past the last character', "a\xf4\x90\x80\x80"], ['a C1 control', "a\xc2\x9b"];
close $s;

# 19: slow clients
my $quick = start_server(smtpd_timeout => '2s', smtpd_session_time_limit => '4s', smtpd_min_data_rate => 100000);
$s = dial($quick); my $start = time; my $got = '';
for (1 .. 80) { print $s 'N' or last; if (IO::Select->new($s)->can_read(0.1)) { $got = rest($s, 0.1); last } }
like $got, qr/^421 4\.4\.2 /, '19: a command one byte at a time: 421 when smtpd_timeout is over'; ok time - $start < 4, '19: counted from its start (' . sprintf('%.1f s', time - $start) . ')';
$s = dial($quick); $start = time; $got = '';
for (1 .. 80) { print $s "NOOP\r\n" or last; select undef, undef, undef, 0.2; $got = rest($s, 0.01); last if $got =~ /^421/m }
like $got, qr/^421 4\.4\.2 /m, '19: commands without end: 421 when smtpd_session_time_limit is over'; ok time - $start < 7, '19: in time';
$s = dial($quick); ehlo($s); cmd($s, 'MAIL FROM:<>'); cmd($s, 'RCPT TO:<joe@example.com>'); cmd($s, 'DATA'); $start = time; $got = '';
for (1 .. 80) { print $s "x\r\n" or last; if (IO::Select->new($s)->can_read(0.1)) { $got = rest($s, 0.1); last } }
like $got, qr/^421 4\.4\.2 /, '19: a message slower than smtpd_min_data_rate: 421'; ok time - $start < 5, '19: in time';
is scalar(queued($quick)), 0, '19: nothing is queued';
like logged($quick), qr/timeout after DATA from/, '19: it is logged';
stop_server($quick);

# 20: connections of one address
my $cap = start_server(smtpd_client_connection_count_limit => 3, smtpd_client_event_limit_exceptions => '');
select undef, undef, undef, 0.5; # the connection that saw that the server is up is over by then
my @c = map { dial($cap, early => 1) } 1 .. 8;
my @first = map { my $l = ''; IO::Select->new($_)->can_read(5) and $l = reply($_); $l } @c;
is scalar(grep { /^220/ } @first), 3, '20: three of eight connections are served';
is scalar(grep { /^421 4\.7\.0 / } @first), 5, '20: the others get 421';
close $_ for @c;
ok wait_for(sub { my $c = dial($cap, early => 1); reply($c) =~ /^220/ }, 5), '20: when they end, another is served';
SKIP: {
    $< == 0 or skip '20: needs root to be other users', 2;
    my $local = sub { local $> = shift; IO::Socket::UNIX->new(Peer => "$cap->{dir}/queue/public/submit") or die "connect: $!" };
    my $greeting = sub { IO::Select->new($_[0])->can_read(5) ? reply($_[0]) : '' };
    @c = map { $local->(64123) } 1 .. 5;
    is join(' ', sort map { substr $greeting->($_), 0, 3 } @c), '220 220 220 421 421', '20: a user of this host gets as many of the Unix socket';
    is join(' ', map { my $c = $local->($_); push @c, $c; substr $greeting->($c), 0, 3 } 64124, 0, 0, 0, 0), '220 220 220 220 220', '20: another user, and root, are served';
    close $_ for @c;
}
stop_server($cap);

# 21, 22: full disks
my $low = start_server(queue_minfree => '900000000G');
$s = dial($low); ehlo($s);
like cmd($s, 'MAIL FROM:<>'), qr/^452 4\.3\.1 /, '21: little disk space: 452 at MAIL';
stop_server($low);
SKIP: {
    $< == 0 or skip '22: needs root for a small file system', 5;
    my $d = new_dir(message_size_limit => 0);
    system("mount -t tmpfs -o size=600k,mode=755 tmpfs $d/queue 2>/dev/null") == 0 or skip '22: cannot mount a small file system', 5;
    my @p = getpwnam 'nobody';
    for ('', map { "/$_" } qw(incoming active deferred hold corrupt tmp defer private public)) { mkdir "$d/queue$_"; chown $p[2], $p[3], "$d/queue$_" }
    my $full = start_server(dir => $d);
    $s = dial($full); ehlo($s); cmd($s, 'MAIL FROM:<>'); cmd($s, 'RCPT TO:<joe@example.com>'); cmd($s, 'DATA');
    print $s "x" x 70, "\r\n" for 1 .. 20000;
    print $s ".\r\n";
    like reply($s), qr/^452 4\.3\.1 /, '22: disk full during DATA: 452';
    is scalar(queued($full)), 0, '22: no orphan file';
    like send_mail($s, "small\r\n"), qr/^250 /, '22: the next, smaller message is taken';
    my $n = 0;
    my $line = 'y' x 70 . "\r\n";
    while ($n++ < 100) { last if send_mail($s, $line x 500) !~ /^250/ }
    my @files = queued($full);
    is scalar(grep { my $f = $_; open my $h, '<', $f; <$h> =~ /^mtaq1 0*(\d+) 0*(\d+)$/ ? -s $f != $1 + $2 : 1 } @files), 0, '22: all ' . @files . ' messages that were acknowledged are whole';
    ok $n < 100, '22: the disk was full';
    stop_server($full);
    system "umount $d/queue";
}

# 23: connections that break
$s = fresh(); envelope($s) or die; print $s "Subject: cut\r\n\r\nhalf"; close $s;
ok wait_for(sub { logged($srv) =~ /lost connection after DATA from/ }), '23: a connection lost before the final dot';
is scalar(queued($srv)), 0, '23: nothing is queued';
for my $linger (0, 1) {
    $s = fresh(); envelope($s) or die;
    setsockopt $s, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0) if $linger;
    syswrite $s, "Subject: whole\r\n\r\n.\r\n"; select undef, undef, undef, 0.2 if $linger; close $s;
    ok wait_for(sub { queued($srv) }), '23: lost after it' . ($linger ? ' by a reset' : '') . ': one message';
    select undef, undef, undef, 0.1;
    is scalar(queued($srv)), 1, '23: exactly one';
    clear_queue($srv);
}

# 24: control characters in names
$s = dial($srv);
for my $name ("\e[2Jevil", "a\x9bevil", "a\rb", "a\x07", "a b) by evil (", "caf\xc3\xa9", "x\x{7f}") { cmd($s, "EHLO $name"); cmd($s, "MAIL FROM:<$name\@example.org>"); cmd($s, "RCPT TO:<\"$name\"\@elsewhere.example>"); cmd($s, 'RSET') }
cmd($s, 'EHLO a) by evil.example (x'); envelope($s) or die; print $s "\r\n.\r\n"; reply($s);
unlike queue_text($srv), qr/by evil\.example/, '24: a HELO name cannot forge the Received field';
clear_queue($srv);
unlike logged($srv), qr/[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]/, '24: ESC, 0x9b, CR in HELO and addresses: none of it in the log';
is scalar(grep { !/^\w{3} [ \d]\d [\d:]{8} \S+ mta\/\w+\[\d+\]: / } split /\n/, logged($srv) =~ s/^[^\n]*mtasmtp: [^\n]*\n//mgr), 0, '24: each line is one of ours';

# 26: loops
$s = fresh(); envelope($s) or die; print $s "Received: by x\r\n" x 50, "\r\n.\r\n";
like reply($s), qr/^554 5\.4\.6 /, '26: hopcount_limit Received fields: refused as a loop';
envelope($s) or die; print $s "Received: by x\r\n" x 20, "\r\n", "Received: by x\r\n" x 100, ".\r\n";
like reply($s), qr/^250 /, '26: what looks like them in the body does not count';
clear_queue($srv);

# 29, and commands of other protocols
$s = fresh();
like cmd($s, $_), qr/^50\d /, "29: $_: refused" for 'XCLIENT ADDR=192.0.2.1', 'XFORWARD NAME=x', 'PROXY TCP4 192.0.2.1 192.0.2.2 1 25';
$s = dial($srv);
print $s "GET / HTTP/1.1\r\n";
like rest($s, 0.2), qr/^221 .*\(closed\)$/s, 'a web browser is sent away';

# a client that was sent away and goes on sending
$s = dial($srv); $start = time;
syswrite $s, "GET / HTTP/1.1\r\n" . 'x' x 100_000;
for (1 .. 3) { next if fork; alarm 6; $SIG{ALRM} = $SIG{PIPE} = 'DEFAULT'; my $x = 'x' x 500_000; 1 while syswrite $s, $x; POSIX::_exit(0) }
wait for 1 .. 3;
ok time - $start < 4, sprintf('who was sent away and goes on sending holds its worker for no more than a second (%.1f s)', time - $start);
close $s;

# errors without end
my $strict = start_server(smtpd_soft_error_limit => 3, smtpd_hard_error_limit => 6, smtpd_error_sleep_time => '1s', smtpd_junk_command_limit => 10);
$s = dial($strict); $start = time; my $n = 0;
while ($n++ < 30) { last if cmd($s, 'FOO') =~ /^421 4\.7\.0/ || !$s->connected }
is $n, 7, 'smtpd_hard_error_limit errors: 421';
ok time - $start > 1.9, 'the later ones with a delay (smtpd_soft_error_limit)';
$s = dial($strict); $n = 0;
while ($n++ < 100) { last if cmd($s, 'NOOP') =~ /^421 4\.7\.0/ }
ok $n < 30, "NOOP without end ends in 421 (after $n)";
stop_server($strict);

# 91: what a worker has given up
$s = fresh();
for my $p (split ' ', qx(pgrep -P $srv->{pid})) {
    open my $f, '<', "/proc/$p/status" or next;
    my %has = map { /^(CapEff|CapPrm|NoNewPrivs|Seccomp|Uid):\s+(\S+)/ ? ($1, $2) : () } <$f>;
    next if $has{Seccomp} && $has{NoNewPrivs} && $has{CapEff} !~ /[^0]/ && $has{CapPrm} !~ /[^0]/ && $has{Uid};
    fail "91: worker: " . join ' ', %has;
}
pass '91: no worker has capabilities, is root, or is not confined';
close $s;

# 94, 92: a worker that dies harms nobody else
my $pipe = IO::Socket::UNIX->new(Peer => "$srv->{dir}/queue/public/submit");
print $pipe map { chr int rand 256 } 1 .. 100_000; close $pipe;
$s = dial_unix($srv);
like ehlo($s), qr/^250/, '94: garbage on the Unix socket does not stop the service';
print $s "MAIL FROM:<>\r\nRCPT TO:<joe\@example.com>\r\n"; reply($s); reply($s);
my $other = fresh(); envelope($other) or die;
my $victim = fresh();
my ($busy) = logged($srv) =~ /.*mta\/smtpd\[(\d+)\]: connect from/s; # the last to connect
kill 'KILL', $busy;
is rest($victim, 2), '(closed)', '92: a worker that is killed ends its own session';
print $other "Subject: x\r\n\r\n.\r\n";
like reply($other), qr/^250 /, '92: no other session';
ok wait_for(sub { my $c = fresh(); cmd($c, 'NOOP') =~ /^250/ }), '92: and is replaced';

# 5 to 9: TLS
SKIP: {
    eval { require IO::Socket::SSL; 1 } or skip '5-9: IO::Socket::SSL is not installed', 10;
    have_program('openssl') or skip '5-9: openssl is not installed', 10;
    my $d = new_dir(smtpd_tls_security_level => 'may', smtpd_sasl_auth_enable => 'yes', smtpd_forbid_unauth_pipelining => 'no');
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail.example.com -keyout $d/key.pem -out $d/cert.pem 2>/dev/null") == 0 or die;
    open my $f, '>>', "$d/main.cf"; print $f "smtpd_tls_cert_file = $d/cert.pem\nsmtpd_tls_key_file = $d/key.pem\n"; close $f;
    auth_server($d);
    my $tls = start_server(dir => $d);
    my $start_tls = sub { my $c = dial($tls); ehlo($c); cmd($c, 'STARTTLS') =~ /^220/ or die; IO::Socket::SSL->start_SSL($c, SSL_verify_mode => 0, @_) or die "no TLS"; $c };

    $s = dial($tls); ehlo($s);
    print $s "STARTTLS\r\nRCPT TO:<evil\@example.com>\r\n";
    like reply($s), qr/^220 /, '5: a command in the segment of STARTTLS (2011-0411)';
    if (IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0)) {
        like cmd($s, 'NOOP'), qr/^250 2\.0\.0 Ok/, '5: is discarded';
        is rest($s, 0.2), '', '5: and gets no reply under TLS';
    } else { pass '5: ends the connection' for 1 .. 2 }
    my $tls2 = start_server(dir => $d, args => ['-o', 'smtpd_forbid_unauth_pipelining=yes']);
    $s = dial($tls2); ehlo($s); print $s "STARTTLS\r\nRCPT TO:<evil\@example.com>\r\n";
    like rest($s), qr/^554 5\.5\.0 .*\(closed\)$/s, '5: or refused, with smtpd_forbid_unauth_pipelining';
    stop_server($tls2);

    $s = dial($tls); ehlo($s); cmd($s, 'MAIL FROM:<>');
    like cmd($s, 'STARTTLS'), qr/^503 /, '7: STARTTLS in a transaction: 503';
    cmd($s, 'RSET'); cmd($s, 'AUTH PLAIN ' . encode_base64("\0joe\0secret", ''));
    like cmd($s, 'STARTTLS'), qr/^503 /, '7: STARTTLS after AUTH: 503';
    $s = $start_tls->();
    like cmd($s, 'AUTH PLAIN'), qr/^503 /, '6: STARTTLS makes the server forget EHLO';
    like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^503 /, '6: and MAIL';
    ehlo($s);
    like cmd($s, 'STARTTLS'), qr/^503 /, '7: STARTTLS twice: 503';

    for my $how ('DATA', 'BDAT 5000') {
        $s = $start_tls->(); ehlo($s); cmd($s, 'MAIL FROM:<>'); cmd($s, 'RCPT TO:<joe@example.com>');
        print $s "$how\r\n"; reply($s) if $how eq 'DATA';
        print $s "Subject: x\r\n\r\n";
        $s->stop_SSL(SSL_no_shutdown => 0, SSL_fast_shutdown => 1);
        bless $s, 'IO::Socket::INET';
        print $s "plain text\r\n.\r\n" . 'x' x 5000 . "\r\n"; my $all = rest($s, 0.5);
        unlike $all, qr/250/, "8: the end of TLS and then plaintext within $how: no acknowledgement";
        is scalar(queued($tls)), 0, '8: nothing is queued';
    }
    for (['a name of 255 bytes' => 'a' x 63 . '.' . 'b' x 63 . '.' . 'c' x 63 . '.' . 'd' x 61], ['a backslash at the end (2019-15846)' => 'evil\\'], ['a path' => '../../etc/passwd'], ['control characters' => "a\x01\x7fb"], ['an empty label' => 'a..b']) {
        my $c = dial($tls); ehlo($c); cmd($c, 'STARTTLS');
        IO::Socket::SSL->start_SSL($c, SSL_verify_mode => 0, SSL_hostname => $_->[1]);
        close $c;
        $c = $start_tls->();
        like ehlo($c), qr/^250/, "9: SNI with $_->[0] does no harm";
    }
    $s = dial($tls); ehlo($s); cmd($s, 'STARTTLS');
    print $s "\x16\x03\x01\xff\xff" . "\0" x 70000; close $s;
    $s = $start_tls->();
    like ehlo($s), qr/^250/, '9: garbage in place of a handshake does no harm';
    stop_server($tls);
}

is stop_server($srv), 0, 'after all that the server ends as it should';
unlike logged($srv), qr/segfault|Segmentation|signal 11|signal 6|AddressSanitizer|runtime error/, 'and no worker crashed';
done_testing;
