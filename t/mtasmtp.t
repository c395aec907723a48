#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtasmtp as its clients see it: commands, extensions, relay policy, messages as they reach the queue.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use SMTP;
use Test::More;
use MIME::Base64;

-x build() . '/mtasmtp' or plan skip_all => 'mtasmtp is not built';
my ($s, $r);

# --- by hand: a pipe --------------------------------------------------------------------------------------------------
my $dir = new_dir(myhostname => 'mail.example.com');
sub by_hand { my ($text, @args) = @_; open my $f, '>', "$dir/in" or die; print $f $text; close $f;
    my $out = qx(${\build()}/mtasmtp -C $dir @args < $dir/in 2>$dir/err); my $st = $? >> 8;
    # regular files are no pipe: the same through one
    my $piped = qx(cat $dir/in | ${\build()}/mtasmtp -C $dir @args 2>>$dir/err);
    return wantarray ? ($piped, $out, $st) : $piped }
($r, my $from_file, my $status) = by_hand("EHLO me\r\nQUIT\r\n");
like $r, qr/^220 mail\.example\.com ESMTP .*^250[- ]mail\.example\.com\r\n.*^221 /ms, 'a session on a pipe: greeting, EHLO, QUIT';
is $status, 0, 'and exit status 0';
$r = by_hand("ehlo me\nmail from:abc\@abc.com\nrcpt to:root\ndata\nSubject:hello\n\nhi\n..x\n.\nquit\n");
like $r, qr/^250 2\.1\.0 .*^250 2\.1\.5 .*^354 .*^250 2\.0\.0 Ok: queued as \w+\r\n^221 /ms, 'a session typed by hand: small letters, no angle brackets, bare local part, LF alone';
my $q = queue_text({ dir => $dir });
like $q, qr/^sender <abc\@abc\.com>\n/m, 'its sender';
like $q, qr/^rcpt T <root\@example\.com>\n/m, 'its recipient got the domain of myorigin';
like $q, qr/^Subject:hello\n/m, 'its header as it was typed';
like $q, qr/\nhi\n\.x\n\z/, 'its body, with the dot undone';
like $q, qr/^Received: by mail\.example\.com \(mtakit, from userid $<\)\n\tid \w+; \w+, +\d+ \w+ \d+ [\d:]+ [-+]\d+ \(\w+\)\n/m, 'Received tells the user ID';
like $q, qr/^from uid=$< /m, 'so does the queue file';
like $q, qr/^Date: .*\n/m, "Date is added when it is missing";
like $q, qr/^Message-Id: <\S+\@mail\.example\.com>\n/mi, 'Message-Id is added when it is missing';
like $q, qr/^From: abc\@abc\.com\n/m, 'From is added when it is missing';
clear_queue({ dir => $dir });
by_hand("MAIL FROM:<a\@b.org>\r\nRCPT TO:<joe>\r\nDATA\r\nFrom: x\@y.org\r\nDATE: now\r\nmessage-id: <1\@2>\r\n\r\nbody\r\n.\r\n");
$q = queue_text({ dir => $dir });
like $q, qr/\(\w+\)\nFrom: x\@y\.org\nDATE: now\nmessage-id: <1\@2>\n\nbody\n/, 'and not when it is there';
clear_queue({ dir => $dir });
by_hand("MAIL FROM:<a\@b.org>\r\nRCPT TO:<joe>\r\nDATA\r\njust text\r\n.\r\n");
like queue_text({ dir => $dir }), qr/\nDate: .*\nMessage-Id: .*\nFrom: .*\n\njust text\n\z/, 'a message without header gets one, and an empty line';
clear_queue({ dir => $dir });
like scalar by_hand("MAIL FROM:<a\@b.org>\r\nRCPT TO:<who\@elsewhere.example>\r\nRCPT TO:<nobody-here\@example.com>\r\n"),
    qr/^250 2\.1\.5 .*^550 5\.1\.1 /ms, 'a user of this host may send anywhere; an unknown address of ours is refused';
like scalar by_hand("HELO me\nQUIT"), qr/^221 /m, 'the last line needs no line end';
is system("${\build()}/mtasmtp -V > $dir/v") >> 8, 0, '-V';
like do { open my $f, '<', "$dir/v"; <$f> }, qr/^mtasmtp \(mtakit\) \d/, 'prints the version';
is system("${\build()}/mtasmtp -x 2> $dir/v") >> 8, 64, 'a wrong option: usage, exit status 64';
is system("${\build()}/mtasmtp -C $dir -o smtpd_timeout=nonsense </dev/null >/dev/null 2> $dir/v") >> 8, 78, 'a wrong parameter: exit status 78';

# --- over the network: commands ---------------------------------------------------------------------------------------
my $srv = start_server();
$s = dial($srv);
is cmd($s, 'HELO client.example.net'), '250 mail.example.com', 'HELO';
$r = ehlo($s);
like $r, qr/^250-mail\.example\.com\n/, 'EHLO';
like $r, qr/^250[- ]$_$/m, "EHLO offers $_" for qw(PIPELINING VRFY 8BITMIME ENHANCEDSTATUSCODES SMTPUTF8 CHUNKING), 'SIZE 10240000';
unlike $r, qr/STARTTLS|AUTH|XCLIENT|XFORWARD/, 'and neither TLS, logins nor XCLIENT when they are not configured';
is cmd($s, 'NOOP hello'), '250 2.0.0 Ok', 'NOOP';
is cmd($s, 'RSET'), '250 2.0.0 Ok', 'RSET';
like cmd($s, 'HELP'), qr/^214 /, 'HELP';
like cmd($s, 'VRFY joe'), qr/^252 2\.\d\.\d /, 'VRFY of a known user: 252';
is cmd($s, 'VRFY nosuch'), cmd($s, 'VRFY joe'), 'VRFY of an unknown one gives the same answer';
like cmd($s, 'EXPN list'), qr/^502 5\./, 'EXPN: 502';
like cmd($s, 'WIZ'), qr/^500 5\.5\.\d /, 'an unknown command: 500';
like cmd($s, ''), qr/^500 5\.5\.2 /, 'an empty line: 500';
like cmd($s, 'AUTH PLAIN'), qr/^503 5\.5\.1 /, 'AUTH where it is not enabled: 503';
like cmd($s, 'STARTTLS'), qr/^502 5\.5\.1 /, 'STARTTLS where it is not enabled: 502';
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^503 5\.5\.1 /, 'RCPT before MAIL: 503';
like cmd($s, 'DATA'), qr/^503 5\.5\.1 /, 'DATA before MAIL: 503';
like cmd($s, 'MAIL'), qr/^501 5\.5\.4 /, 'MAIL without FROM: 501';
like cmd($s, 'MAIL FROM:<a@b'), qr/^501 5\.1\.7 /, "a sender without its bracket: 501";
like cmd($s, 'MAIL FROM:<a@example.org>'), qr/^250 2\.1\.0 /, 'MAIL';
like cmd($s, 'MAIL FROM:<a@example.org>'), qr/^503 5\.5\.1 /, 'MAIL in a transaction: 503';
like cmd($s, 'DATA'), qr/^554 5\.5\.1 /, 'DATA without recipients: 554';
like cmd($s, 'RCPT TO:<joe@example.com> FOO=bar'), qr/^555 5\.5\.4 /, 'an unknown parameter: 555';
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^250 2\.1\.5 /, 'RCPT';
like cmd($s, 'RCPT TO:<nosuch@example.com>'), qr/^550 5\.1\.1 <nosuch\@example\.com>: .*[Uu]nknown/, 'RCPT of an unknown user: 550 5.1.1';
like cmd($s, 'RCPT TO:<x@elsewhere.example>'), qr/^[45]54 [45]\.7\.1 <x\@elsewhere\.example>: Relay access denied/, 'RCPT elsewhere: relay access denied';
like cmd($s, 'RCPT TO:<x@relay.example.net>'), qr/^250 /, 'RCPT in relay_domains';
like cmd($s, 'RCPT TO:<postmaster>'), qr/^250 /, 'RCPT TO:<postmaster>';
like cmd($s, 'DATA now'), qr/^501 5\.5\.4 /, 'DATA with an argument: 501';
is cmd($s, 'EHLO again'), ehlo($s), 'EHLO again';
like cmd($s, 'DATA'), qr/^503 /, 'ended the transaction';
like cmd($s, 'QUIT'), qr/^221 2\.0\.0 /, 'QUIT';
is rest($s), '(closed)', 'and the connection is closed';
my $log = logged($srv);
like $log, qr/mta\/smtpd\[\d+\]: connect from localhost\[127\.0\.0\.1\]\n/, 'log: connect';
like $log, qr/NOQUEUE: reject: RCPT from localhost\[127\.0\.0\.1\]: [45]54 [45]\.7\.1 <x\@elsewhere\.example>: Relay access denied; from=<a\@example\.org> to=<x\@elsewhere\.example> proto=ESMTP helo=<client\.example\.net>\n/, 'log: reject';
like $log, qr/disconnect from localhost\[127\.0\.0\.1\] helo=1 ehlo=\d .*mail=1\/\d .*commands=\d+\/\d+\n/, 'log: disconnect with counts';

# --- a message --------------------------------------------------------------------------------------------------------
$s = dial($srv);
ehlo($s);
$r = send_mail($s, "Received: old\r\nMessage-ID: <m1\@example.org>\r\nSubject: a\r\n\r\n..dot\r\n\xff\xfe\r\n", from => 'a@example.org', mail => ' SIZE=100 BODY=8BITMIME');
like $r, qr/^250 2\.0\.0 Ok: queued as (\w+)$/, 'a message is acknowledged with its queue ID';
my ($id) = $r =~ /as (\w+)$/;
is_deeply [map { m{([^/]+)$} } queued($srv)], [$id], 'the queue file bears it';
$q = queue_text($srv);
like $q, qr/\Amtaq1 \d{20} \d{20}\nid $id\ntime \d+\.\d{6}\nsender <a\@example\.org>\nopt body=8BITMIME\nfrom client=localhost\[127\.0\.0\.1\] helo=client\.example\.net proto=ESMTP\nrcpt T <joe\@example\.com>\n\n/, 'envelope';
like $q, qr/\n\nReceived: from client\.example\.net \(localhost \[127\.0\.0\.1\]\)\n\tby mail\.example\.com \(mtakit\) with ESMTP id $id\n\tfor <joe\@example\.com>; .*\nReceived: old\n/, 'Received';
like $q, qr/\nSubject: a\n\n\.dot\n\xff\xfe\n\z/, 'content';
unlike $q, qr/^(Date|From):/m, 'the header of a stranger is left alone';
like logged($srv), qr/mta\/smtpd\[\d+\]: $id: client=localhost\[127\.0\.0\.1\]\n.*mta\/cleanup\[\d+\]: $id: message-id=<m1\@example\.org>\n/, 'log: client and message-id';
clear_queue($srv);
send_mail($s, "Subject: two\r\n\r\n", to => ['joe@example.com', 'root@example.com']);
unlike queue_text($srv), qr/for </, 'with two recipients Received names neither';
clear_queue($srv);
send_mail($s, "Message-ID:\r\n <folded\@example.org>\r\n\r\n");
like logged($srv), qr/message-id=<folded\@example\.org>\n/, 'log: a Message-ID that stands on a line of its own';
clear_queue($srv);
like send_mail($s, ''), qr/^250 /, 'an empty message';
clear_queue($srv);
print $s join "\r\n", 'MAIL FROM:<>', 'RCPT TO:<joe@example.com>', 'RCPT TO:<nosuch@example.com>', 'RCPT TO:<root@example.com>', "DATA\r\n";
is join(' ', map { substr reply($s), 0, 3 } 1 .. 5), '250 250 550 250 354', 'pipelined: each recipient has its reply';
print $s "x\r\n.\r\nMAIL FROM:<>\r\nRSET\r\n";
is join(' ', map { substr reply($s), 0, 3 } 1 .. 3), '250 250 250', 'the next transaction may follow the end of data at once';
like queue_text($srv), qr/sender <>\n.*\nrcpt T <joe\@example\.com>\nrcpt T <root\@example\.com>\n\n/s, 'null sender; good recipients only';
clear_queue($srv);

# --- extensions -------------------------------------------------------------------------------------------------------
like cmd($s, 'MAIL FROM:<a@example.org> SIZE=10240001'), qr/^552 5\.3\.4 /, 'SIZE over the limit: 552 at MAIL';
like cmd($s, "MAIL FROM:<a\@example.org> $_"), qr/^501 5\.5\.4 /, "MAIL ... $_: 501" for 'SIZE=-1', 'SIZE=x', 'BODY=9BIT', 'RET=ALL', 'SIZE=1 SIZE=2', 'ENVID=+0A';
like cmd($s, 'MAIL FROM:<a@example.org> RET=hdrs ENVID=QQ+2B314159 AUTH=<>'), qr/^250 /, 'RET, ENVID, AUTH';
like cmd($s, 'RCPT TO:<joe@example.com> NOTIFY=success,FAILURE ORCPT=rfc822;joe+2Bx@example.com'), qr/^250 /, 'NOTIFY, ORCPT';
like cmd($s, "RCPT TO:<joe\@example.com> $_"), qr/^501 5\.5\.4 /, "RCPT ... $_: 501" for 'NOTIFY=NEVER,DELAY', 'NOTIFY=', 'NOTIFY=SOMETIMES', 'ORCPT=joe', 'ORCPT=rfc822;a+0Ab';
cmd($s, 'DATA'); print $s "x\r\n.\r\n"; reply($s);
$q = queue_text($srv);
like $q, qr/^opt ret=HDRS envid=QQ\+2B314159$/m, 'stand in the queue file';
like $q, qr/^rcpt T <joe\@example\.com> notify=SUCCESS,FAILURE orcpt=rfc822;joe\+2Bx\@example\.com$/m, 'with the recipient';
clear_queue($srv);
like cmd($s, "MAIL FROM:<gr\xc3\xbcn\@example.org>"), qr/^553 5\.6\.7 /, 'a UTF-8 address without SMTPUTF8: 553';
like cmd($s, "MAIL FROM:<gr\xc3\xbcn\@example.org> SMTPUTF8"), qr/^250 /, 'and with it';
like cmd($s, "RCPT TO:<x\@gr\xc3\xbcn.example>"), qr/Relay access denied/, 'a UTF-8 recipient is one like others';
like cmd($s, "RCPT TO:<joe\@example.com>"), qr/^250 /, 'RCPT';
cmd($s, 'DATA'); print $s "x\r\n.\r\n"; reply($s);
like queue_text($srv), qr/^opt smtputf8\n.* with UTF8SMTP /ms, 'SMTPUTF8 stands in the queue file and in Received';
clear_queue($srv);
cmd($s, 'MAIL FROM:<a@example.org>'); cmd($s, 'RCPT TO:<joe@example.com>');
print $s "BDAT 8\r\nA: b\r\n\r\nBDAT 6\r\n.x\r\n..BDAT 0 LAST\r\n";
is join(' ', map { substr reply($s), 0, 3 } 1 .. 3), '250 250 250', 'BDAT in three chunks, a line end cut in two';
like queue_text($srv), qr/\nA: b\n\n\.x\n\.\.\n\z/, 'its content, dots untouched';
clear_queue($srv);
print $s "BDAT 4 LAST\r\nabc\r";
like reply($s), qr/^503 5\.5\.1 /, 'BDAT without MAIL: 503, and its bytes are read';
like cmd($s, 'NOOP'), qr/^250 /, 'the next command is understood';
like cmd($s, 'MAIL FROM:<a@example.org>'), qr/^250/, 'MAIL'; cmd($s, 'RCPT TO:<joe@example.com>');
print $s "BDAT 4\r\nab\r\n"; reply($s);
like cmd($s, 'RCPT TO:<root@example.com>'), qr/^503 /, 'RCPT between two chunks: 503';
like cmd($s, 'RSET'), qr/^250 /, 'RSET';
is scalar(queued($srv)), 0, 'leaves nothing in the queue';
cmd($s, 'QUIT');

# --- local submission -------------------------------------------------------------------------------------------------
$s = dial_unix($srv);
ehlo($s);
like send_mail($s, "Subject: x\r\n\r\n", to => ['who@elsewhere.example', 'nosuch@example.com']), qr/^250 /, 'on the Unix socket any recipient is taken';
like queue_text($srv), qr/^from uid=$< .*^Received: by mail\.example\.com \(mtakit, from userid $<\)/ms, 'and the user ID is that of the caller';
like logged($srv), qr/mta\/pickup\[\d+\]: \w+: uid=$< from=<a\@example\.org>\n/, 'log: uid';
clear_queue($srv);

# --- limits and habits that parameters change -------------------------------------------------------------------------
stop_server($srv);
$srv = start_server(mynetworks => '127.0.0.0/8', smtpd_helo_required => 'yes', disable_vrfy_command => 'yes', strict_rfc821_envelopes => 'yes',
    smtpd_discard_ehlo_keywords => 'chunking, dsn', smtpd_banner => 'mail.example.com ESMTP hello', soft_bounce => 'no', smtpd_noop_commands => 'XNOOP',
    smtpd_recipient_limit => 3, message_size_limit => 5000);
$s = dial($srv, early => 1);
is reply($s), '220 mail.example.com ESMTP hello', 'smtpd_banner';
like cmd($s, 'MAIL FROM:<a@example.org>'), qr/^503 5\.5\.1 /, 'smtpd_helo_required';
$r = ehlo($s);
unlike $r, qr/CHUNKING|DSN|VRFY/, 'smtpd_discard_ehlo_keywords, disable_vrfy_command';
like cmd($s, 'VRFY joe'), qr/^502 5\.5\.1 /, 'VRFY: 502';
like cmd($s, 'XNOOP'), qr/^250 /, 'smtpd_noop_commands';
like cmd($s, 'MAIL FROM:a@example.org'), qr/^501 5\.1\.7 /, 'strict_rfc821_envelopes';
like send_mail($s, "x\r\n", to => ['who@elsewhere.example']), qr/^250 /, 'a client in mynetworks may relay';
clear_queue($srv);
cmd($s, 'MAIL FROM:<>');
is join(' ', map { substr cmd($s, "RCPT TO:<u$_\@elsewhere.example>"), 0, 9 } 1 .. 5), '250 2.1.5 250 2.1.5 250 2.1.5 452 4.5.3 452 4.5.3', 'smtpd_recipient_limit: 452 for those past it';
cmd($s, 'DATA'); print $s "x\r\n.\r\n"; reply($s);
is scalar(() = queue_text($srv) =~ /^rcpt T/mg), 3, 'the others are kept';
clear_queue($srv);
like send_mail($s, 'x' x 70 . "\r\n" . ('y' x 70 . "\r\n") x 100), qr/^552 5\.3\.4 /, 'message_size_limit at the end of data';
is scalar(queued($srv)), 0, 'nothing is queued';
like send_mail($s, "ok\r\n"), qr/^250 /, 'the session goes on';
is cmd($s, 'QUIT'), '221 2.0.0 Bye', 'QUIT';

$srv = start_server(smtpd_relay_restrictions => 'permit_mynetworks, reject_unauth_destination', smtpd_recipient_restrictions => 'permit_auth_destination reject_nonsense', header_checks => 'inline:{a=b}');
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<>');
like cmd($s, 'RCPT TO:<x@elsewhere.example>'), qr/^554 5\.7\.1 .*Relay access denied/, 'reject_unauth_destination: 554';
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^250 /, 'permit_auth_destination';
like logged($srv), qr/unknown restriction: reject_nonsense/, 'an unknown restriction is warned of';
like logged($srv), qr/header_checks is set .*does nothing/, 'so is a parameter that has no effect yet';
$srv = start_server(mynetworks => '127.0.0.0/8', smtpd_recipient_restrictions => 'reject_nonsense');
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<>');
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^451 4\.3\.5 /, 'an unknown restriction that is reached: 451';
$srv = start_server(smtpd_relay_restrictions => 'permit_mynetworks', smtpd_recipient_restrictions => '');
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<>');
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^451 4\.3\.5 /, 'lists that would relay for strangers: 451';
$srv = start_server(local_recipient_maps => 'fail:broken', soft_bounce => 'yes');
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<>');
like cmd($s, 'RCPT TO:<joe@example.com>'), qr/^451 4\.3\.0 /, 'a table that fails: 451, not unknown';
like cmd($s, 'WIZ'), qr/^400 4\.5\.2 /, 'soft_bounce';

# --- AUTH -------------------------------------------------------------------------------------------------------------
sub plain { encode_base64(join("\0", @_), '') }
my $d = new_dir(smtpd_sasl_auth_enable => 'yes', broken_sasl_auth_clients => 'yes', smtpd_sasl_authenticated_header => 'yes',
    smtpd_relay_restrictions => 'permit_sasl_authenticated, reject_unauth_destination');
my $auth = auth_server($d);
$srv = start_server(dir => $d);
$s = dial($srv);
like cmd($s, 'AUTH PLAIN'), qr/^503 5\.5\.1 /, 'AUTH before EHLO: 503';
$r = ehlo($s);
like $r, qr/^250-AUTH PLAIN LOGIN$/m, 'EHLO offers AUTH PLAIN LOGIN';
like $r, qr/^250-AUTH=PLAIN LOGIN$/m, 'and AUTH= for old clients (broken_sasl_auth_clients)';
like cmd($s, 'AUTH'), qr/^501 5\.5\.4 /, 'AUTH without mechanism: 501';
like cmd($s, 'AUTH FOO'), qr/^504 5\.5\.4 /, 'an unknown mechanism: 504';
like cmd($s, 'AUTH PLAIN !!!'), qr/^501 5\.5\.2 /, 'bad base64: 501';
like cmd($s, 'AUTH PLAIN'), qr/^334 /, 'AUTH PLAIN without initial response: a challenge';
like cmd($s, '*'), qr/^501 5\.7\.0 /, '* cancels: 501';
like cmd($s, 'AUTH PLAIN ' . plain('', 'joe', 'wrong')), qr/^535 5\.7\.8 /, 'a wrong password: 535';
like cmd($s, 'AUTH PLAIN ' . plain('', 'who', 'secret')), qr/^535 5\.7\.8 /, 'an unknown user: the same';
cmd($s, 'MAIL FROM:<a@example.org>');
like cmd($s, 'AUTH PLAIN'), qr/^503 5\.5\.1 /, 'AUTH in a transaction: 503';
like cmd($s, 'RCPT TO:<x@elsewhere.example>'), qr/Relay access denied/, 'no relaying before the login';
cmd($s, 'RSET');
like cmd($s, 'auth plain'), qr/^334 /, 'auth plain in small letters';
like cmd($s, plain('', 'joe', 'secret')), qr/^235 2\.7\.0 /, 'AUTH PLAIN with a challenge: 235';
like cmd($s, 'AUTH PLAIN ' . plain('', 'joe', 'secret')), qr/^503 5\.5\.1 /, 'AUTH a second time: 503';
like send_mail($s, "Subject: x\r\n\r\n", to => ['x@elsewhere.example']), qr/^250 /, 'relaying after the login';
$q = queue_text($srv);
like $q, qr/^from .* auth=joe$/m, 'the login stands in the queue file';
like $q, qr/\(Authenticated sender: joe\)\n\tby \S+ \(mtakit\) with ESMTPA id /, 'and in Received';
like $q, qr/^From: a\@example\.org$/m, 'missing fields are added for a client that has logged in';
like logged($srv), qr/: \w+: client=localhost\[127\.0\.0\.1\], sasl_method=PLAIN, sasl_username=joe\n/, 'log: sasl_method, sasl_username';
like logged($srv), qr/warning: localhost\[127\.0\.0\.1\]: SASL PLAIN authentication failed: /, 'log: a failed login, as fail2ban reads it';
$s = dial($srv); ehlo($s);
is cmd($s, 'AUTH LOGIN'), '334 ' . encode_base64('Username:', ''), 'AUTH LOGIN asks for the name';
is cmd($s, encode_base64('joe', '')), '334 ' . encode_base64('Password:', ''), 'and for the password';
like cmd($s, encode_base64('secret', '')), qr/^235 2\.7\.0 Authentication successful/, 'AUTH LOGIN: 235';
$s = dial($srv); ehlo($s);
like cmd($s, 'AUTH LOGIN ' . encode_base64('joe', '')), qr/^334 /, 'AUTH LOGIN with the name at once';
like cmd($s, encode_base64('secret', '')), qr/^235 /, 'is understood';
kill 'KILL', $auth; waitpid $auth, 0;
$auth = auth_server($d, answer => sub { ['FAIL', "temp\treason=database down"] });
$s = dial($srv); ehlo($s);
like cmd($s, 'AUTH PLAIN ' . plain('', 'joe', 'secret')), qr/^454 4\.7\.0 /, 'the auth server was restarted and has a temporary failure: 454';
kill 'KILL', $auth; waitpid $auth, 0;
stop_server($srv);
$srv = start_server(dir => $d);
$s = dial($srv);
unlike ehlo($s), qr/AUTH/, 'no auth server: AUTH is not offered';
like cmd($s, 'AUTH PLAIN'), qr/^454 4\.7\.0 /, 'and is answered with 454';
like cmd($s, 'NOOP'), qr/^250 /, 'the session goes on';
$auth = auth_server($d, answer => sub { ['EXIT'] });
ehlo($s);
like cmd($s, 'AUTH PLAIN ' . plain('', 'joe', 'secret')), qr/^454 4\.7\.0 /, 'an auth server that dies in the middle: 454';

# --- TLS --------------------------------------------------------------------------------------------------------------
SKIP: {
    eval { require IO::Socket::SSL; 1 } or skip 'IO::Socket::SSL is not installed', 20;
    have_program('openssl') or skip 'openssl is not installed', 20;
    my $t = new_dir(smtpd_tls_security_level => 'may', smtpd_sasl_auth_enable => 'yes', smtpd_tls_auth_only => 'yes', smtpd_tls_received_header => 'yes');
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail.example.com -keyout $t/key.pem -out $t/cert.pem 2>/dev/null") == 0 or die 'openssl';
    open my $f, '>>', "$t/main.cf"; print $f "smtpd_tls_cert_file = $t/cert.pem\nsmtpd_tls_key_file = $t/key.pem\n"; close $f;
    auth_server($t);
    my $port = free_port();
    $srv = start_server(dir => $t, args => ['-l', "tls:127.0.0.1:$port"]);
    $s = dial($srv);
    $r = ehlo($s);
    like $r, qr/STARTTLS/, 'STARTTLS is offered';
    unlike $r, qr/AUTH/, 'smtpd_tls_auth_only: AUTH is not offered in the clear';
    like cmd($s, 'AUTH PLAIN ' . plain('', 'joe', 'secret')), qr/^538 5\.7\.11 /, 'and refused with 538';
    like cmd($s, 'STARTTLS now'), qr/^501 5\.5\.4 /, 'STARTTLS with an argument: 501';
    cmd($s, 'MAIL FROM:<>');
    like cmd($s, 'STARTTLS'), qr/^503 5\.5\.1 /, 'STARTTLS in a transaction: 503';
    cmd($s, 'RSET');
    like cmd($s, 'STARTTLS'), qr/^220 2\.0\.0 /, 'STARTTLS';
    ok(IO::Socket::SSL->start_SSL($s, SSL_verify_mode => 0), 'the handshake succeeds');
    like cmd($s, 'AUTH PLAIN'), qr/^503 5\.5\.1 /, 'EHLO is forgotten';
    $r = ehlo($s);
    unlike $r, qr/STARTTLS/, 'STARTTLS is no longer offered';
    like $r, qr/AUTH PLAIN LOGIN/, 'AUTH is';
    like cmd($s, 'STARTTLS'), qr/^503 5\.5\.1 /, 'a second STARTTLS: 503';
    like cmd($s, 'AUTH PLAIN ' . plain('', 'joe', 'secret')), qr/^235 /, 'a login under TLS';
    like cmd($s, 'STARTTLS'), qr/^503 5\.5\.1 /, 'STARTTLS after AUTH: 503';
    like send_mail($s, "Subject: x\r\n\r\n" . ("line of text\r\n" x 3000), to => ['x@elsewhere.example']), qr/^250 /, 'a message under TLS';
    like queue_text($srv), qr/\n\t\(using TLSv1\.[23] with cipher \S+ \(\d+\/\d+ bits\)\)\n.* with ESMTPSA id /s, 'Received says ESMTPSA and the cipher';
    cmd($s, 'QUIT');
    $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $port, SSL_verify_mode => 0);
    ok $s, 'implicit TLS';
    like reply($s), qr/^220 /, 'its greeting';
    unlike ehlo($s), qr/STARTTLS/, 'no STARTTLS there';
    is cmd($s, 'QUIT'), '221 2.0.0 Bye', 'QUIT';
    stop_server($srv);
    $srv = start_server(dir => $t, args => ['-o', 'smtpd_tls_security_level=encrypt']);
    $s = dial($srv); ehlo($s);
    like cmd($s, 'MAIL FROM:<>'), qr/^530 5\.7\.0 Must issue a STARTTLS command first/, 'smtpd_tls_security_level = encrypt: 530 before STARTTLS';
    like cmd($s, 'NOOP'), qr/^250 /, 'but for NOOP';
    stop_server($srv);
    $srv = start_server(dir => $t, args => ['-o', 'smtpd_tls_cert_file=/nonexistent']);
    $s = dial($srv); ehlo($s);
    like cmd($s, 'STARTTLS'), qr/^454 4\.7\.0 /, 'a certificate that cannot be read: 454';
}

# --- start and stop ---------------------------------------------------------------------------------------------------
$srv = start_server();
$s = dial($srv); ehlo($s); cmd($s, 'MAIL FROM:<>'); cmd($s, 'RCPT TO:<joe@example.com>');
open my $f, '>>', "$srv->{dir}/main.cf"; print $f "smtpd_banner = mail.example.com ESMTP changed\n"; close $f;
reload_server($srv);
ok wait_for(sub { my $c = dial($srv, early => 1); reply($c) =~ /changed/ }, 10), 'SIGHUP: the new configuration is in force';
like cmd($s, 'DATA'), qr/^354 /, 'a transaction under way goes on';
print $s "x\r\n.\r\n";
like reply($s), qr/^250 /, 'to its end';
open $f, '>>', "$srv->{dir}/main.cf"; print $f "smtpd_timeout = nonsense\n"; close $f;
reload_server($srv);
ok wait_for(sub { logged($srv) =~ /nonsense/ }, 10), 'SIGHUP with a wrong main.cf is logged';
$s = dial($srv);
like ehlo($s), qr/^250/, 'and changes nothing';
is stop_server($srv), 0, 'SIGTERM ends the server with exit status 0';
like rest($s), qr/^421 4\.3\.2 .*\(closed\)$/s, 'and idle clients get 421';
done_testing;
