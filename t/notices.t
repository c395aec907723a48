#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# What the postmaster is told of sessions in which something went wrong (notify_classes), and recipients that are named twice
# (duplicate_filter_limit), with mtasmtp, sendmail and mtaqueue add.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use SMTP;
use Test::More;
use MIME::Base64;

-x build() . '/mtasmtp' or plan skip_all => 'mtasmtp is not built';

sub slurp { my $p = shift; open my $f, '<', $p or return ''; local $/; <$f> // '' }
# Closes the connection and gives the notice about its session, '' when there is none; the queue is empty then.
sub notice {
    my ($srv, $s, %o) = @_;
    my $gone = () = logged($srv) =~ /disconnect from/g;
    if ($s) { print $s "QUIT\r\n" unless $o{cut}; shutdown $s, 1; rest($s, 2); close $s }
    # the server says good-bye in its log when the notice is in the queue
    wait_for(sub { my $n = () = logged($srv) =~ /disconnect from/g; $n > $gone }, 10);
    my $text = queue_text($srv);
    clear_queue($srv);
    unlink "$srv->{dir}/queue/state/notices-smtpd" unless $o{spend};
    return $text;
}
# A session of those commands, with the notice about it.
sub after { my ($srv, @lines) = @_; my $s = dial($srv); ehlo($s); cmd($s, $_) for @lines; notice($srv, $s) }
sub classes { my $t = shift; $t =~ /^Subject: SMTP server: errors from \S+ \(([a-z ]*)\)$/m ? $1 : '' }

my @all = (notify_classes => 'bounce, data, policy, protocol, resource, software', smtpd_sasl_auth_enable => 'yes',
    double_bounce_sender => 'double-bounce', message_size_limit => 20000, smtpd_recipient_limit => 4,
    smtpd_recipient_overshoot_limit => 1, bounce_notice_recipient => 'bouncer');
my $srv = start_server(@all);
auth_server($srv->{dir});
my ($s, $n);

# --- the notice -------------------------------------------------------------------------------------------------------
$n = after($srv, 'WIZ', "RSET");
like $n, qr/^sender <double-bounce\@example\.com>\n/m, 'a session with an error: a notice is queued, from double_bounce_sender';
like $n, qr/^rcpt T <postmaster\@example\.com>\n/m, 'to error_notice_recipient';
like $n, qr/^From: Mail Delivery System <MAILER-DAEMON\@example\.com>\n/m, 'its From';
like $n, qr/^Subject: SMTP server: errors from localhost\[127\.0\.0\.1\] \(protocol\)\n/m, 'its subject names client and class';
like $n, qr/^Auto-Submitted: auto-generated\n/m, 'it is no answer to anybody';
like $n, qr/protocol: the client did not keep to the protocol/, 'it says in words what that is';
like $n, qr/^    S: 220 .*\n    C: EHLO client\.example\.net\n    S: 250 mail\.example\.com,PIPELINING,.*\n    C: WIZ\n    S: 500 5\.5\.2 .*\n    C: RSET\n    S: 250 2\.0\.0 Ok\n    C: QUIT\n    S: 221 /m,
    'and what was said';
like logged($srv), qr/postmaster notice \(protocol\): errors from localhost\[127\.0\.0\.1\]: \w+/, 'the log tells of it';
is after($srv, 'NOOP', 'VRFY joe'), '', 'a session without error: none';
unlike after($srv, "MAIL FROM:<a\e[31m\x9b\@b.org>"), qr/[\x00-\x09\x0b-\x1f\x7f-\xff]/, 'control characters are made visible';
like after($srv, "WIZ \\\x9b"), qr/^    C: WIZ \\\\\\x9b$/m, 'and can be told from text that looks like them';
like after($srv, 'WIZ ' . 'x' x 900), qr/^    C: WIZ x{100,230} \.\.\. \(904 bytes\)$/m, 'of a long line the beginning is shown';

# --- which errors belong to which class (as with Postfix) --------------------------------------------------------------
my @mail = ('MAIL FROM:<a@example.org>');
my %is = (
    'an unknown command' => ['protocol', 'WIZ'], 'an empty line' => ['protocol', ''], 'RCPT before MAIL' => ['protocol', 'RCPT TO:<joe@example.com>'],
    'a bad address' => ['protocol', 'MAIL FROM:<a@b'], 'an unknown parameter' => ['protocol', 'MAIL FROM:<a@b.org> X=1'],
    'relaying' => ['policy', @mail, 'RCPT TO:<x@elsewhere.example>'], 'too large a message' => ['policy', 'MAIL FROM:<a@b.org> SIZE=99999999'],
    'an unknown recipient' => ['bounce', @mail, 'RCPT TO:<nosuch@example.com>'],
    'some recipients more than the limit' => ['', @mail, ('RCPT TO:<joe@example.com>') x 5],
    'too many recipients' => ['policy', @mail, ('RCPT TO:<joe@example.com>') x 6],
    'DATA when all recipients were refused' => ['bounce', @mail, 'RCPT TO:<nosuch@example.com>', 'DATA'],
    'errors of two classes' => ['policy protocol', 'WIZ', @mail, 'RCPT TO:<x@elsewhere.example>'],
    'a wrong password' => ['', 'AUTH PLAIN ' . encode_base64("\0joe\0wrong", '')],
);
for (sort keys %is) { my ($class, @lines) = @{ $is{$_} }; is classes(after($srv, @lines)), $class, "$_: " . ($class || 'none') }
like after($srv, @mail, 'RCPT TO:<nosuch@example.com>'), qr/^rcpt T <bouncer\@example\.com>/m, 'class bounce alone goes to bounce_notice_recipient';
$s = dial($srv); ehlo($s); send_mail($s, "Subject: secret1\r\n\r\n" . ("secret2\r\n" x 4000));
$n = notice($srv, $s);
is classes($n), 'bounce', 'a message that is refused: bounce';
like $n, qr/^    C: \(a message of \d+ bytes\)\n    S: 552 5\.3\.4/m, 'its size is told';
unlike $n, qr/secret/, 'but nothing of its content';
like logged($srv), qr/: [0-9A-Za-z]{17}: reject: END-OF-MESSAGE from localhost\[127\.0\.0\.1\]: 552 /, 'the log has its queue ID';
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<a@example.org>');
is classes(notice($srv, $s, cut => 1)), '', 'a client that goes away: none';
$s = dial($srv); ehlo($s); cmd($s, 'WIZ'); send_mail($s, "a: b\r\n\r\nhi\r\n");
unlike notice($srv, $s), qr/^Subject: SMTP server/m, 'an error before a message that was taken is forgiven';
$s = dial($srv); ehlo($s); send_mail($s, "a: b\r\n\r\nhi\r\n"); cmd($s, 'WIZ');
is classes(notice($srv, $s)), 'protocol', 'one behind it is not';
is after($srv, 'WIZ', 'MAIL FROM:<double-bounce@example.com>'), '', 'no notice about a session that carries a notice';

# --- what must not be seen ---------------------------------------------------------------------------------------------
my $secret = encode_base64("\0joe\0secret", '');
$n = after($srv, "AUTH PLAIN $secret", 'WIZ');
like $n, qr/^    C: AUTH PLAIN \(what follows is not shown\)\n/m, 'AUTH is shown with its mechanism';
unlike $n, qr/\Q$secret/, 'and without the password';
$s = dial($srv); ehlo($s); cmd($s, 'AUTH LOGIN'); cmd($s, encode_base64('joe', '')); cmd($s, encode_base64('geheim', ''));
$n = notice($srv, $s);
is $n, '', 'a login that fails is no notice of its own';
$s = dial($srv); ehlo($s); cmd($s, 'AUTH LOGIN'); cmd($s, 'am9l'); cmd($s, 'Z2VoZWlt'); cmd($s, 'WIZ');
$n = notice($srv, $s);
like $n, qr/^    C: \(an answer, not shown\)/m, 'answers to challenges are not shown';
unlike $n, qr/am9l|Z2VoZWlt/, 'neither name nor password';
$n = after($srv, 'AUTH FOOBAR', 'am9l', 'Z2VoZWlt');
is classes($n), 'protocol', 'a client that sends its login though AUTH was refused';
unlike $n, qr/am9l|Z2VoZWlt/, 'has its password hidden as well';
unlike after($srv, "AUTH $secret"), qr/\Q$secret/, 'a password in the place of the mechanism is hidden';
unlike after($srv, "AUTH PLAIN \x01$secret"), qr/\Q$secret/, 'so it is in a line that is no command';
unlike after($srv, "AUTHPLAIN $secret"), qr/\Q$secret/, 'and behind a word that begins like AUTH';
$s = dial($srv); ehlo($s); cmd($s, $_) for @mail, 'RCPT TO:<nosuch@example.com>', 'DATA', 'Subject: secret1', 'Help me secret2', '', 'mail secret3', '.';
$n = notice($srv, $s);
is classes($n), 'bounce protocol', 'a client that sends its message though DATA was refused';
unlike $n, qr/secret/, 'its message is hidden';
$s = dial($srv); ehlo($s); send_mail($s, "a: b\r\n\r\nhi\r\n"); cmd($s, 'and secret4'); cmd($s, 'RSET'); cmd($s, 'rset secret5');
unlike notice($srv, $s), qr/secret/, 'so is what follows a dot that was not meant as the end';
$s = dial($srv); ehlo($s); send_mail($s, "a: b\r\n\r\nhi\r\n"); cmd($s, 'RSET'); cmd($s, 'MAIL FROM:<a@shown.example'); 
like notice($srv, $s), qr/C: MAIL FROM:<a\@shown/, 'a client that is in step is shown again';

# --- floods --------------------------------------------------------------------------------------------------------------
clear_queue($srv);
for my $i (1 .. 8) { $s = dial($srv); ehlo($s); cmd($s, 'WIZ'); cmd($s, 'QUIT'); close $s }
wait_for(sub { my @d = split ' ', slurp("$srv->{dir}/queue/state/notices-smtpd"); @d == 2 && $d[1] == 3 && queued($srv) == 5 }, 10);
is scalar(queued($srv)), 5, 'of eight bad sessions five are told of';
my ($full) = split ' ', slurp("$srv->{dir}/queue/state/notices-smtpd");
open my $f, '>', "$srv->{dir}/queue/state/notices-smtpd" or die; printf $f "%020d %020d\n", $full - 3600 * 1e6, 3; close $f;
clear_queue($srv);
like after($srv, 'WIZ'), qr/Since the last notice of this kind, 3 more sessions with such errors were\nnot reported/, 'later one says how many were left out';
open $f, '>', "$srv->{dir}/queue/state/notices-smtpd" or die; printf $f "%020d %020d\n", (time + 1e9) * 1e6, 0; close $f;
chmod 0666, "$srv->{dir}/queue/state/notices-smtpd";
ok after($srv, 'WIZ'), 'an account from the future (a clock was set back) does not silence it';
stop_server($srv);

my $many = start_server(@all, smtpd_hard_error_limit => 10000000, smtpd_soft_error_limit => 10000000);
sub memory { my ($pid) = logged($many) =~ /smtpd\[(\d+)\]: connect from(?!.*smtpd\[\d+\]: connect from)/s or return 0; slurp("/proc/$pid/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0 }
$s = dial($many); ehlo($s); cmd($s, "WIZ $_") for 1 .. 10;
wait_for(sub { memory() }, 5);
my $before = memory();
my $lines = 200000;
for my $k (1 .. $lines / 1000) { print $s join '', map { "BAD$_ command\r\n" } ($k - 1) * 1000 + 1 .. $k * 1000; reply($s) for 1 .. 1000 }
my $more = memory() - $before;
cmp_ok $more, '<', 1000, "$lines bad commands in one session: $more KB of memory more" if $before;
pass 'the memory of a worker cannot be seen here' unless $before;
$n = notice($many, $s);
like $n, qr/^    -- 399\d\d\d lines are left out here --$/m, 'the notice has a mark for what is left out';
like $n, qr/C: WIZ 3\n/, 'the beginning of the session';
like $n, qr/C: BAD200000 command\n/, 'and its end';
cmp_ok length $n, '<', 20000, 'and it is short';
stop_server($many);

# --- main.cf, and a queue that cannot take the notice -------------------------------------------------------------------
$srv = start_server();
is after($srv, 'WIZ', @mail, 'RCPT TO:<nosuch@example.com>'), '', 'by default the faults of clients are not told of';
stop_server($srv);
$srv = start_server(local_recipient_maps => 'fail:x', notify_classes => 'data');
is classes(after($srv, @mail, 'RCPT TO:<joe@example.com>')), 'data', 'a table that cannot be searched: data';
stop_server($srv);
$srv = start_server(smtpd_recipient_restrictions => 'nonsense');
is classes(after($srv, @mail, 'RCPT TO:<joe@example.com>')), 'software', 'a wrong main.cf: software, told of by default';
stop_server($srv);
$srv = start_server(queue_minfree => '8000000000G');
is classes(after($srv, @mail)), 'resource', 'a full disk: resource, told of by default';
stop_server($srv);
$srv = start_server(@all, error_notice_recipient => '');
is after($srv, 'WIZ'), '', 'an empty error_notice_recipient: nobody is told';
stop_server($srv);
$srv = start_server(@all);
my $closed = () = logged($srv) =~ /disconnect from/g;
close(IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $srv->{port})) for 1 .. 20;
wait_for(sub { my $n = () = logged($srv) =~ /disconnect from/g; $n >= $closed + 20 }, 10);
is queue_text($srv), '', 'who only looks whether the port is open is no error';
unlike logged($srv), qr/synchronization|pipelining/, 'nor does the log say so';
stop_server($srv);
SKIP: {
    $srv = start_server(@all);
    $s = dial($srv); ehlo($s); # the server has made the directory by now
    rmdir "$srv->{dir}/queue/state"; open my $f, '>', "$srv->{dir}/queue/state" or die "queue/state: $!"; close $f;
    cmd($s, 'WIZ');
    like cmd($s, 'QUIT'), qr/^221 /, 'where the notice cannot be written, the session ends as ever';
    ok wait_for(sub { logged($srv) =~ /warning: postmaster notice about localhost\S* not sent: / }, 5), 'and the log says so';
    stop_server($srv);
}

# --- recipients that are named twice --------------------------------------------------------------------------------------
$srv = start_server(smtpd_recipient_limit => 10);
sub rcpts { my $t = queue_text($srv); clear_queue($srv); join ' ', sort map { s/^rcpt T <(.*)>(.*)/$1$2/r } $t =~ /^(rcpt T .*)$/mg }
sub named { my $s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<a@example.org>'); like cmd($s, "RCPT TO:$_"), qr/^250 /, "RCPT TO:$_" for @_;
    cmd($s, 'DATA'); cmd($s, "a: b\r\n\r\nhi\r\n."); close $s; rcpts() }
is named('<joe@example.com>', '<joe@EXAMPLE.com>', '<Joe@example.com>', '<root@example.com>', '<joe>'), 'joe@example.com root@example.com',
    'who is named again gets the message once';
is named('<joe@example.com>', '<joe@example.com> NOTIFY=NEVER', '<joe@example.com> ORCPT=rfc822;x@y.example'),
    'joe@example.com joe@example.com notify=NEVER joe@example.com orcpt=rfc822;x@y.example', 'but not when other reports are asked for';
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>') for 1 .. 10;
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^452 4\.5\.3 /, 'those count for smtpd_recipient_limit';
cmd($s, 'RSET'); cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>'); cmd($s, 'DATA'); cmd($s, "\r\n.");
is rcpts(), 'joe@example.com', 'the next message has its recipient';
like join('', map { "$_\n" } named('<joe@example.com>', '<joe@example.com>')), qr/joe/, 'another message, too';
close $s;
stop_server($srv);
$srv = start_server(duplicate_filter_limit => 1);
is named('<joe@example.com>', '<root@example.com>', '<root@example.com>', '<joe@example.com>'), 'joe@example.com root@example.com root@example.com',
    'duplicate_filter_limit bounds how many are remembered';
stop_server($srv);
my $dir = new_dir();
$srv = { dir => $dir };
chmod 0777, glob("$dir/queue/*"), "$dir/queue";
sub add { my ($how, $in) = @_; open my $p, '|-', "$how > $dir/out 2>&1" or die; print $p $in; close $p; slurp("$dir/out") }
my $b = build();
add("$b/mtaqueue -C $dir add -f a\@example.org 'x\@y.example, X\@Y.example' z\@y.example x\@y.example", "a: b\n\nhi\n");
is rcpts(), 'x@y.example z@y.example', 'mtaqueue add: once';
add("$b/mtaqueue -C $dir add -t -f a\@example.org x\@y.example", "To: x\@Y.example\nCc: z\@y.example\n\nhi\n");
is rcpts(), 'x@y.example z@y.example', 'mtaqueue add -t: an argument and the header';
add("$b/sendmail -C $dir -f a\@example.org x\@y.example z\@y.example X\@Y.example", "a: b\n\nhi\n");
is rcpts(), 'x@y.example z@y.example', 'sendmail, where it writes the queue itself: once';
$n = slurp("$dir/log");
like $n, qr/pickup\[\d+\]: \w+: uid=$< from=<a\@example\.org>/, 'the log has who sent it';
done_testing;
