#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# The same sessions with Postfix and with mtasmtp: of which errors the postmaster is told by which class of notify_classes, and which
# recipients that are named twice get the message twice.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use SMTP;
use Test::More;
use File::Temp 'tempdir';

-x build() . '/mtasmtp' or plan skip_all => 'mtasmtp is not built';
$< == 0 or plan skip_all => 'Postfix needs root';
-x '/usr/sbin/postfix' && -x '/usr/lib/postfix/sbin/smtpd' && getpwnam 'postfix' or plan skip_all => 'Postfix is not installed';
my ($dist) = grep { -e } '/usr/share/postfix/master.cf.dist', '/etc/postfix/master.cf' or plan skip_all => 'no master.cf to begin with';

sub slurp { my $p = shift; open my $f, '<', $p or return ''; local $/; <$f> // '' }
sub spew { my ($p, $text) = @_; open my $f, '>', $p or die "$p: $!"; print $f $text; close $f or die "$p: $!" }

# --- a private Postfix --------------------------------------------------------------------------------------------------
my $w = tempdir('mtapostfix.XXXXXX', DIR => $ENV{TMPDIR} // '/tmp', CLEANUP => 1);
my $port = free_port();
chmod 0755, $w;
mkdir "$w/$_" for qw(cf queue data mail);
chown scalar(getpwnam 'postfix'), -1, "$w/data";
chown 65534, -1, "$w/mail";
(my $master = slurp($dist)) =~ s/^smtp +inet .*$/127.0.0.1:$port inet n - n - - smtpd/m;
$master =~ s/^([a-z]+ +(?:unix|inet) +[-yn] +[-yn] +)[-y]( )/$1n$2/mg;
spew("$w/cf/master.cf", $master);
spew("$w/cf/users", "joe\@example.com joe/\npostmaster\@example.com notices/\nbouncer\@example.com notices/\n");
spew("$w/cf/main.cf", <<"END");
compatibility_level = 3.6
queue_directory = $w/queue
data_directory = $w/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
myhostname = mail.example.com
myorigin = example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 192.0.2.0/24
virtual_mailbox_domains = example.com
virtual_mailbox_base = $w/mail
virtual_mailbox_maps = texthash:$w/cf/users
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
mailbox_size_limit = 0
virtual_mailbox_limit = 0
alias_maps =
maillog_file = $w/postfix.log
maillog_file_prefixes = $w
smtpd_relay_restrictions = reject_unauth_destination
smtpd_error_sleep_time = 0
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_recipient_limit = 4
smtpd_recipient_overshoot_limit = 1
message_size_limit = 20000
bounce_notice_recipient = bouncer
notify_classes =
END
sub postfix { system("/usr/sbin/postfix -c $w/cf $_[0] >> $w/out 2>&1") == 0 }
if (!postfix('start') || !wait_for(sub { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port) }, 10)) {
    postfix('abort');
    plan skip_all => 'Postfix does not start here';
}
my $main = $$;
END { my $status = $?; postfix('stop') if $main && $$ == $main; $? = $status }

# Waits until Postfix has delivered what came of so many sessions.
sub settled {
    my $n = shift;
    wait_for(sub { my $d = () = slurp("$w/postfix.log") =~ /disconnect from/g; $d >= $n }, 15);
    wait_for(sub { `/usr/sbin/postqueue -c $w/cf -p` =~ /is empty/ }, 15);
}
sub mails { my $box = shift; map { my $t = slurp($_); unlink $_; $t } glob "$w/mail/$box/new/*" }

# --- sessions -----------------------------------------------------------------------------------------------------------------
my @mail = ('MAIL FROM:<a@example.org>');
my @good = (@mail, 'RCPT TO:<joe@example.com>', 'DATA');
my %session = (
    unknown => ['WIZ'], empty => [''], outoforder => ['RCPT TO:<joe@example.com>'], nested => [@mail, @mail], badpath => ['MAIL FROM:<a@b'],
    parameter => ['MAIL FROM:<a@example.org> FOO=1'], noauth => ['AUTH PLAIN AGEAYg=='], relay => [@mail, 'RCPT TO:<x@elsewhere.example>'],
    size => ['MAIL FROM:<a@example.org> SIZE=99999999'], recipients => [@mail, ('RCPT TO:<joe@example.com>') x 5],
    toomany => [@mail, ('RCPT TO:<joe@example.com>') x 6],
    nosuch => [@mail, 'RCPT TO:<nosuch@example.com>'], nobody => [@mail, 'DATA'],
    large => [@good, "a: b\r\n\r\n" . ("x" x 70 . "\r\n") x 500 . '.'], hops => [@good, join('', map { "Received: by h$_\r\n" } 1 .. 60) . "\r\nhi\r\n."],
    forgiven => ['WIZ', @good, "a: b\r\n\r\nhi\r\n."], later => [@good, "a: b\r\n\r\nhi\r\n.", 'WIZ'], fine => ['NOOP', 'RSET', 'HELO me'],
);
# Names the session in EHLO, runs it to its end.
sub run {
    my ($to, $name, @lines) = @_;
    my $s = dial({}, port => $to);
    cmd($s, $_) for "EHLO session-$name", @lines, 'QUIT';
    close $s;
}
my (%postfix, $sessions);
$sessions = () = slurp("$w/postfix.log") =~ /disconnect from/g;
for my $class (qw(policy protocol bounce)) {
    system "/usr/sbin/postconf -c $w/cf -e notify_classes=$class";
    postfix('reload');
    select undef, undef, undef, 1.5; # smtpd processes that know the old value end
    run($port, $_, @{ $session{$_} }) for sort keys %session;
    settled($sessions += keys %session);
    for (mails('notices')) { push @{ $postfix{$1} }, $class if /In:  EHLO session-(\w+)/ }
}
mails('joe');
my $srv = start_server(notify_classes => 'policy, protocol, bounce', smtpd_recipient_limit => 4, smtpd_recipient_overshoot_limit => 1,
    message_size_limit => 20000);
for my $name (sort keys %session) {
    my $gone = () = logged($srv) =~ /disconnect from/g;
    run($srv->{port}, $name, @{ $session{$name} });
    wait_for(sub { my $n = () = logged($srv) =~ /disconnect from/g; $n > $gone }, 10);
    my ($classes) = queue_text($srv) =~ /^Subject: SMTP server: errors from \S+ \(([a-z ]*)\)$/m;
    is $classes // '', join(' ', sort @{ $postfix{$name} // [] }), "session $name: " . (join(', ', sort @{ $postfix{$name} // [] }) || 'none');
    clear_queue($srv);
    unlink "$srv->{dir}/queue/state/notices-smtpd";
}

# --- recipients that are named twice -----------------------------------------------------------------------------------------------
my %twice = (
    'the same' => ['<joe@example.com>', '<joe@example.com>'], 'in capitals' => ['<joe@example.com>', '<JOE@EXAMPLE.com>'],
    'ORCPT that says the same' => ['<joe@example.com>', '<joe@example.com> ORCPT=rfc822;joe@example.com'],
    'another ORCPT' => ['<joe@example.com>', '<joe@example.com> ORCPT=rfc822;x@example.net'],
    'ORCPT in capitals' => ['<joe@example.com> ORCPT=rfc822;X@example.net', '<joe@example.com> ORCPT=rfc822;x@example.net'],
    'NOTIFY in another order' => ['<joe@example.com> NOTIFY=FAILURE,DELAY', '<joe@example.com> NOTIFY=DELAY,FAILURE'],
    'NOTIFY and none' => ['<joe@example.com> NOTIFY=FAILURE,DELAY', '<joe@example.com>'],
    'another NOTIFY' => ['<joe@example.com> NOTIFY=NEVER', '<joe@example.com> NOTIFY=FAILURE'],
);
for my $name (sort keys %twice) {
    my @lines = (@mail, (map { "RCPT TO:$_" } @{ $twice{$name} }), 'DATA', "a: b\r\n\r\nhi\r\n.");
    run($port, 'twice', @lines);
    settled(++$sessions);
    my $theirs = () = mails('joe');
    run($srv->{port}, 'twice', @lines);
    wait_for(sub { queued($srv) }, 5);
    my $ours = () = queue_text($srv) =~ /^rcpt T /mg;
    clear_queue($srv);
    is $ours, $theirs, "named twice, $name: $theirs";
}
done_testing;
