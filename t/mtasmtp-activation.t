#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtasmtp started in each way that a server is started: inetd, systemd, tcpserver, by itself, by hand. Through each a message
# must reach the queue.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use SMTP;
use Test::More;
use POSIX ':sys_wait_h';

-x build() . '/mtasmtp' or plan skip_all => 'mtasmtp is not built';
my $smtp = build() . '/mtasmtp';
my $dir = new_dir(max_idle => '2s');
my $me = { dir => $dir };
my $n = 0;

# A message through the port; what of it is in the queue.
sub through {
    my ($port, $what, $like) = @_;
    my $s;
    wait_for(sub { $s = eval { dial({ port => $port }, early => 1) } and reply($s) =~ /^220 / }, 10) or return fail "$what: no greeting: " . logged($me);
    like ehlo($s), qr/PIPELINING/, "$what: EHLO";
    like send_mail($s, 'Subject: ' . ++$n . "\r\n\r\n"), qr/^250 2\.0\.0 Ok: queued as/, "$what: a message";
    like cmd($s, 'QUIT'), qr/^221 /, "$what: QUIT";
    like queue_text($me), $like // qr/^from client=localhost\[127\.0\.0\.1\] .*\n\nReceived: from client\.example\.net \(localhost \[127\.0\.0\.1\]\)\n.*^Subject: $n$/ms,
        "$what: the client's address is known";
    like join('', map { sprintf "%s ", (stat $_)[4] } queued($me)), $< == 0 ? qr/^${\ scalar getpwnam 'nobody'} $/ : qr/^$< $/, "$what: the queue file belongs to mail_owner";
    clear_queue($me);
}

sub run { # a helper program in its own process group
    my @cmd = @_;
    my $pid = fork // die;
    if (!$pid) { setpgrp 0, 0; open STDIN, '<', '/dev/null'; open STDOUT, '>>', "$dir/stderr"; open STDERR, '>>', "$dir/stderr"; exec @cmd or POSIX::_exit(127) }
    $pid;
}
sub end { my ($pid) = @_; kill 'TERM', -$pid; wait_for(sub { waitpid($pid, WNOHANG) == $pid }, 5) or do { kill 'KILL', -$pid; waitpid $pid, 0 } }

# by itself
my $srv = start_server(dir => $dir);
through($srv->{port}, 'mtasmtp -l');
is stop_server($srv), 0, 'mtasmtp -l: ends on SIGTERM with 0';

# a pipe
my $out = qx(printf 'EHLO me\\r\\nMAIL FROM:<a\@example.org>\\r\\nRCPT TO:<joe>\\r\\nDATA\\r\\nSubject: pipe\\r\\n\\r\\n.\\r\\nQUIT\\r\\n' | $smtp -C $dir 2>&1);
like $out, qr/^220 .*^250 2\.0\.0 Ok: queued.*^221 /ms, 'a pipe';
like queue_text($me), qr/from userid $<\)/, 'a pipe: the caller is known';
clear_queue($me);

SKIP: {
    my $prog = have_program('systemd-socket-activate') or skip 'systemd-socket-activate is not installed', 15;
    my $port = free_port();
    my $p = run($prog, '-l', "127.0.0.1:$port", $smtp, '-C', $dir);
    through($port, 'systemd, Accept=no') for 1 .. 2;
    end($p);
    $port = free_port();
    $p = run($prog, '--accept', '-l', "127.0.0.1:$port", $smtp, '-C', $dir);
    through($port, 'systemd, Accept=yes');
    end($p);
    $port = free_port();
    $p = run($prog, '--accept', '--inetd', '-l', "127.0.0.1:$port", $smtp, '-C', $dir);
    through($port, 'systemd, StandardInput=socket');
    end($p);
    eval { require IO::Socket::SSL; 1 } && have_program('openssl') or skip 'IO::Socket::SSL is not installed', 1;
    system("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=mail.example.com -keyout $dir/key.pem -out $dir/cert.pem 2>/dev/null") == 0 or die;
    $port = free_port();
    $p = run($prog, '--fdname=tls', '-l', "127.0.0.1:$port", $smtp, '-C', $dir, '-o', "smtpd_tls_cert_file=$dir/cert.pem", '-o', "smtpd_tls_key_file=$dir/key.pem");
    my $s;
    wait_for(sub { $s = IO::Socket::SSL->new(PeerAddr => '127.0.0.1', PeerPort => $port, SSL_verify_mode => 0) }, 5);
    like $s ? reply($s) : 'none', qr/^220 /, 'systemd, FileDescriptorName=tls: TLS from the first byte';
    end($p);
}

SKIP: {
    my $prog = have_program('tcpserver') or skip 'tcpserver is not installed', 5;
    my $port = free_port();
    my $p = run($prog, '-HRl0', '127.0.0.1', $port, $smtp, '-C', $dir);
    through($port, 'tcpserver');
    end($p);
}

SKIP: {
    my $prog = have_program('inetd') or skip 'inetd is not installed', 15;
    $< == 0 or skip 'inetd needs root', 15;
    my ($one, $two, $three) = map { free_port() } 1 .. 3;
    open my $f, '>', "$dir/inetd.conf" or die;
    print $f "127.0.0.1:$one stream tcp nowait nobody $smtp mtasmtp -C $dir\n127.0.0.1:$two stream tcp nowait root $smtp mtasmtp -C $dir\n127.0.0.1:$three stream tcp wait root $smtp mtasmtp -C $dir\n";
    close $f;
    my $p = run($prog, '-d', "$dir/inetd.conf");
    through($one, 'inetd, nowait, as mail_owner');
    through($two, 'inetd, nowait, as root');
    through($three, 'inetd, wait') for 1 .. 2;
    my ($kid) = split ' ', qx(pgrep -P $p);
    ok wait_for(sub { !kill 0, $kid }, 10), 'inetd, wait: it gives the socket back when nobody comes (max_idle)';
    through($three, 'inetd, wait, again');
    $_ and kill 'TERM', $_ for split ' ', qx(pgrep -P $p);
    end($p);
}

# the shipped files name options that exist
for my $file (glob("$FindBin::Bin/../doc/systemd/*.service"), "$FindBin::Bin/../doc/inetd.conf") {
    open my $f, '<', $file or die "$file: $!";
    my $text = do { local $/; <$f> };
    $text =~ s/\\\n//g;
    my @bad;
    for my $line ($text =~ /^[^#\n]*\bmtasmtp\b[^\n]*/mg) {
        $line =~ /ExecStart=|stream/ or next;
        my @o = map { /"([^"]*)"|(\S+)/ ? $1 // $2 : () } $line =~ /-o ("[^"]*"|\S+)/g;
        next unless @o;
        my $said = join ' ', map { "-o '$_'" } @o;
        push @bad, $line if qx(printf QUIT | $smtp -C $dir $said 2>&1) !~ /^221 /m;
    }
    ok !@bad, (split '/', $file)[-1] . ': its options are understood' or diag @bad;
}
done_testing;
