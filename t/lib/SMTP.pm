# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Helpers of the tests of mtasmtp: a private server with its own directory, port and queue, raw connections to
# it, and a stand-in for the auth server. All is gone when the test ends.
package SMTP;
use strict;
use warnings;
use Exporter 'import';
use File::Temp 'tempdir';
use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use POSIX ':sys_wait_h';

our @EXPORT = qw(build have_program free_port new_dir start_server stop_server reload_server dial dial_unix reply cmd ehlo send_mail
    queued queue_text clear_queue logged rest auth_server wait_for);
my (%kids, @dirs);
my %pending;                      # what was read from a connection and not used
my $main = $$;
$SIG{PIPE} = 'IGNORE';
$SIG{INT} = $SIG{TERM} = sub { exit 1 };

# Where the programs are. As root, tests run them as other users too: from a copy where those could not reach the build.
my ($build, $copy);
sub build {
    return $build if $build;
    $build = $ENV{MTA_BUILD} // "$ENV{PWD}/build";
    return $build if $< || system(qw(setpriv --reuid=65534 --regid=65534 --clear-groups test -x), "$build/mtasmtp") == 0;
    $copy = tempdir('mtabuild.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
    chmod 0755, $copy;
    system('cp', grep({ -f && -x } glob "$build/*"), $copy) == 0 or die "copy the programs: $?";
    return $build = $copy;
}
sub have_program { my $p = shift; for (split(/:/, $ENV{PATH}), '/usr/sbin', '/sbin') { return "$_/$p" if -x "$_/$p" } undef }

sub free_port {
    for (1 .. 200) { # below the ports that connections get
        my $p = 15000 + int rand 17000;
        return $p if IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', LocalPort => $p);
    }
    die "no free port: $!";
}

# A directory with main.cf and a queue; the arguments are parameters.
sub new_dir {
    my %cf = @_;
    my $d = tempdir('mtasmtp.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp');
    push @dirs, $d;
    chmod 0755, $d;
    mkdir "$d/$_" or die "$d/$_: $!" for qw(queue queue/incoming queue/active queue/deferred queue/hold queue/corrupt queue/tmp queue/defer
        queue/private queue/public);
    my $owner = $< == 0 ? 'nobody' : getpwuid $<;
    if ($< == 0) { my @p = getpwnam $owner; chown $p[2], $p[3], "$d/queue", glob "$d/queue/*" }
    %cf = (queue_directory => "$d/queue", mail_owner => $owner, myhostname => 'mail.example.com', myorigin => 'example.com',
        mydestination => 'example.com, localhost', mynetworks => '192.0.2.0/24', inet_interfaces => '127.0.0.1',
        local_recipient_maps => 'inline:{root=x, joe=x, postmaster=x}', virtual_mailbox_domains => '',
        alias_maps => '', relay_domains => 'relay.example.net', maillog_file => "$d/log", fork_delay => '1s',
        smtpd_error_sleep_time => '0s', smtpd_client_connection_count_limit => 0, %cf);
    open my $f, '>', "$d/main.cf" or die $!;
    print $f "$_ = $cf{$_}\n" for sort keys %cf;
    close $f;
    open $f, '>', "$d/log" or die $!;
    close $f;
    chmod 0666, "$d/log";
    $d;
}

# Starts mtasmtp in a new directory (or that of dir => ...); waits until it answers.
sub start_server {
    my %cf = @_;
    my @args = @{ delete $cf{args} // [] };
    my $dir = delete $cf{dir} // new_dir(%cf);
    my @unix = -S "$dir/queue/public/submit" ? () : ('-l', "unix:$dir/queue/public/submit"); # of another server
    my $port = free_port();
    my $gone = sub { my $n = () = logged({ dir => $dir }) =~ /disconnect from/g; $n };
    my $before = $gone->();
    my $pid = fork // die "fork: $!";
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDERR, '>>', "$dir/stderr";
        exec build() . '/mtasmtp', '-C', $dir, '-l', "127.0.0.1:$port", @unix, @args or POSIX::_exit(127);
    }
    $kids{$pid} = 1;
    my $up = wait_for(sub {
        waitpid($pid, WNOHANG) == $pid and die "mtasmtp ended: " . logged({ dir => $dir });
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, 10);
    die "mtasmtp does not listen: " . logged({ dir => $dir }) unless $up;
    close $up;
    wait_for(sub { $gone->() > $before }, 2); # that session is not to be taken for one of the test's
    { dir => $dir, port => $port, pid => $pid };
}

sub stop_server {
    my $s = shift;
    kill 'TERM', $s->{pid};
    my $gone = wait_for(sub { waitpid($s->{pid}, WNOHANG) == $s->{pid} }, 10);
    delete $kids{$s->{pid}} if $gone;
    $gone ? $? : undef;
}

sub reload_server { kill 'HUP', $_[0]{pid} }

sub wait_for {
    my ($what, $seconds) = @_;
    my $end = time + ($seconds // 5);
    while (1) {
        my $r = $what->();
        return $r if $r;
        return undef if time > $end;
        select undef, undef, undef, 0.02;
    }
}

# A connection whose greeting has been read, unless early => 1.
sub dial {
    my ($srv, %o) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $o{port} // $srv->{port}, Timeout => 10) or die "connect: $!";
    $s->autoflush(1);
    delete $pending{$s};
    reply($s) unless $o{early};
    $s;
}

sub dial_unix {
    my $s = IO::Socket::UNIX->new(Peer => "$_[0]{dir}/queue/public/submit") or die "connect: $!";
    $s->autoflush(1);
    delete $pending{$s};
    reply($s);
    $s;
}

# One line, with at most 15 seconds for it. '' at the end of the connection.
sub line {
    my ($s) = @_;
    my $end = time + 15;
    $pending{$s} //= '';
    until ($pending{$s} =~ /\n/) {
        my $left = $end - time;
        return "(timeout) $pending{$s}" if $left <= 0;
        if (!(ref $s eq 'IO::Socket::SSL' && $s->pending)) { IO::Select->new($s)->can_read($left) or return "(timeout)" }
        my $n = sysread $s, $pending{$s}, 65536, length $pending{$s};
        if (!$n) { my $r = $pending{$s}; $pending{$s} = ''; return $r }
    }
    $pending{$s} =~ s/\A(.*?\n)//s;
    $1;
}

# A reply of one or more lines, line ends as LF; '' at the end of the connection.
sub reply {
    my ($s) = @_;
    my $all = '';
    while (1) {
        my $l = line($s);
        (my $t = $l) =~ s/\r\n\z/\n/;
        $all .= $t;
        last if $l !~ /^\d\d\d-/;
    }
    chomp $all;
    $all;
}

sub cmd { my ($s, $line) = @_; print $s "$line\r\n"; reply($s) }
sub ehlo { my ($s) = @_; cmd($s, 'EHLO client.example.net') }

# All that comes until the connection ends or nothing came for that many seconds.
sub rest {
    my ($s, $quiet) = @_;
    my $all = delete $pending{$s} // '';
    while (IO::Select->new($s)->can_read($quiet // 1)) { sysread($s, $all, 65536, length $all) or return "$all(closed)" }
    $all;
}

# A whole transaction with the given content (lines end in CRLF, the last dot is added). The reply to it.
sub send_mail {
    my ($s, $content, %o) = @_;
    my $r = cmd($s, 'MAIL FROM:<' . ($o{from} // 'a@example.org') . '>' . ($o{mail} // ''));
    return $r if $r !~ /^250/;
    $r = cmd($s, "RCPT TO:<$_>") for $o{to} ? @{ $o{to} } : 'joe@example.com';
    return $r if $r !~ /^250/;
    $r = cmd($s, 'DATA');
    return $r if $r !~ /^354/;
    print $s "$content.\r\n";
    reply($s);
}

sub queued { my $s = shift; my @f = sort glob "$s->{dir}/queue/incoming/*"; @f }
sub queue_text { my $s = shift; join '', map { open my $f, '<', $_ or die "$_: $!"; local $/; <$f> } queued($s) }
sub clear_queue { unlink queued($_[0]) }
sub logged {
    my $s = shift;
    my $all = '';
    for (qw(log stderr)) { open my $f, '<', "$s->{dir}/$_" or next; local $/; $all .= <$f> // '' }
    $all;
}

# A stand-in for mtaauth on a socket: user joe, password secret. Behaviours: answer => sub { ($mech, $response) -> line without id },
# or the built-in PLAIN and LOGIN. Returns its process ID.
sub auth_server {
    my ($dir, %o) = @_;
    my $path = "$dir/queue/private/auth";
    unlink $path;
    my $l = IO::Socket::UNIX->new(Local => $path, Listen => 20) or die "$path: $!";
    chmod 0666, $path;
    chmod 0755, "$dir/queue/private";
    my $pid = fork // die;
    if ($pid) { $kids{$pid} = 1; return $pid }
    $SIG{TERM} = sub { POSIX::_exit(0) };
    my $sel = IO::Select->new($l);
    my (%buf, %step);
    while (1) {
        for my $c ($sel->can_read) {
            if ($c == $l) { my $n = $l->accept or next; $sel->add($n); $buf{$n} = '';
                syswrite $n, "VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t$$\nCUID\t1\nCOOKIE\t00112233445566778899aabbccddeeff\nDONE\n"; next }
            if (!sysread $c, $buf{$c}, 65536, length $buf{$c}) { $sel->remove($c); close $c; next }
            while ($buf{$c} =~ s/\A(.*?)\n//) {
                my @f = split /\t/, $1, -1;
                next if $f[0] ne 'AUTH' && $f[0] ne 'CONT';
                my ($resp) = map { /^resp=(.*)/ ? $1 : () } @f;
                $resp = $f[2] if $f[0] eq 'CONT';
                my $key = "$c $f[1]";
                $step{$key} //= { mech => $f[2], said => [] } if $f[0] eq 'AUTH';
                push @{ $step{$key}{said} }, MIME::Base64::decode($resp) if defined $resp;
                my ($mech, @said) = ($step{$key}{mech}, @{ $step{$key}{said} });
                my $out;
                if ($o{answer}) { $out = $o{answer}->($mech, @said) }
                elsif ($mech eq 'PLAIN' && !@said) { $out = ['CONT', ''] }
                elsif ($mech eq 'LOGIN' && @said < 2) { $out = ['CONT', MIME::Base64::encode(@said ? 'Password:' : 'Username:', '')] }
                else {
                    my (undef, $u, $p) = $mech eq 'PLAIN' ? split(/\0/, $said[0], -1) : ('', @said);
                    $out = ($u // '') eq 'joe' && ($p // '') eq 'secret' ? ['OK', "user=$u"] : ['FAIL', "user=" . ($u // '') =~ s/[\t\n]//gr];
                }
                next unless $out;
                POSIX::_exit(0) if $out->[0] eq 'EXIT';
                syswrite $c, "$out->[0]\t$f[1]\t$out->[1]\n";
            }
        }
    }
}
require MIME::Base64;

END {
    if ($$ == $main) {
        my $status = $?;
        kill 'TERM', keys %kids;
        my $end = time + 5;
        for my $k (keys %kids) {
            select undef, undef, undef, 0.02 while waitpid($k, WNOHANG) == 0 && time < $end;
            kill 'KILL', $k if time >= $end && kill 0, $k;
        }
        system 'rm', '-rf', @dirs if @dirs && !$ENV{KEEP};
        print "# kept: @dirs\n" if @dirs && $ENV{KEEP};
        $? = $status;
    }
}
1;
