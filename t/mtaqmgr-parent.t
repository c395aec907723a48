#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# mtaqmgr started as root: the privileged parent refuses what the unprivileged manager has no business to ask for. The manager is
# stopped, and requests are sent to the parent over its own socket, as somebody would who had taken it over.
use strict;
use warnings;
use Fcntl;
use File::Temp qw(tempdir);
use FindBin;
use Socket;

my ($count, $failed) = (0, 0);
sub ok { my ($good, $name) = @_; $count++; $failed++ unless $good; print $good ? "ok" : "not ok", " $count - $name\n"; $good }
sub like { my ($got, $re, $name) = @_; ok($got =~ $re, $name) or print "#      got: $got\n# expected: $re\n" }
sub skip_all { print "1..0 # SKIP @_\n"; exit 0 }
$> == 0 or skip_all("not root: the manager is one process without privilege");
my $build = $ENV{MTA_BUILD} // "$FindBin::Bin/../build";
my ($SYS_pidfd_open, $SYS_pidfd_getfd) = (434, 438);

my $dir = tempdir("mta-t.XXXXXX", TMPDIR => 1, CLEANUP => 1);
chmod 0755, $dir;
my ($user) = grep { getpwnam $_ } qw(daemon bin sync);
$user && getpwnam("games") or skip_all("this system has not the users for it");
sub put { my ($name, $mode, $text) = @_; open my $f, ">", "$dir/$name" or die; print $f $text; close $f; chmod $mode, "$dir/$name" }

put("agent", 0755, "#!/bin/sh\nexec >>$dir/ran 2>&1\nprintf '%s' \"uid=\$(id -u) gid=\$(id -g)\"\nprintf ' <%s>' \"\$@\"\necho\n");
put("stay", 0755, "#!/bin/sh\necho \$\$ >>$dir/stay.pids\nexec sleep 60\n");
put("evil", 0755, "#!/bin/sh\necho evil >>$dir/ran\n");
put("ran", 0666, "");
put("stay.pids", 0666, "");
put("main.cf", 0644, <<"EOT");
queue_directory = $dir/queue
myhostname = mail.test
mail_owner = nobody
auth_user = games
default_privs = nobody
virtual_uid_maps = inline:{box\@v.test=2000, low\@v.test=5}
virtual_gid_maps = static:2001
virtual_minimum_uid = 1000
command_directory = $dir
once_agent = \${command_directory}/agent \${recipient} \${mail_owner}
as_agent = user=root $dir/agent
odd_agent = $dir/\${nexthop} x
stay_agent = $dir/stay
stay_process_limit = 3
EOT
mkdir "$dir/queue", 0755;
for my $d (qw(incoming active deferred hold corrupt trash defer tmp state private)) {
	mkdir "$dir/queue/$d", 0700;
	chown((getpwnam "nobody")[2, 3], "$dir/queue/$d");
}
my $pid = fork // die;
if (!$pid) {
	open STDERR, ">", "$dir/stderr";
	exec "$build/mtaqmgr", "-C", $dir or exit 127;
}
END { if ($pid) { local $?; kill "KILL", grep { $_ } @{ children() }, map { split } slurp("stay.pids"); kill "TERM", $pid; waitpid $pid, 0 } }
sub slurp { open my $f, "<", "$dir/$_[0]" or return ""; local $/; my $t = <$f>; $t // "" }
sub children { open my $f, "<", "/proc/$pid/task/$pid/children" or return []; [ split " ", <$f> // "" ] }
sub wait_for { my $f = pop; for (1 .. 200) { return 1 if &$f(); select(undef, undef, undef, 0.05); } return 0; }


wait_for(sub { slurp("stderr") =~ /started: queue/ }) or do { print "Bail out! mtaqmgr did not start: ", slurp("stderr"), "\n"; exit 1 };
my $child = children()->[0];
kill "STOP", $child;
# its lowest socket is the one to the parent: it was there first
my ($fd) = sort { $a <=> $b } grep { (readlink("/proc/$child/fd/$_") // "") =~ /^socket:/ } map { m{/([0-9]+)$} ? $1 : () } glob "/proc/$child/fd/*";
my $pidfd = syscall $SYS_pidfd_open, $child, 0;
my $got = $pidfd >= 0 ? syscall($SYS_pidfd_getfd, $pidfd, $fd, 0) : -1;
skip_all("this system has no pidfd_getfd for us: $!") if $got < 0;
open my $sock, "+<&=", $got or die "socket: $!";

my $turn = 1000;
sub ask {
	my ($transport, $kind, $name, @attrs) = @_;
	$turn++;
	return raw("start $turn $transport $kind\0$name\0" . join "", map { "$_\0" } @attrs);
}
sub raw {
	my $answer = "";
	send $sock, $_[0], 0 or return "send: $!";
	my $in = "";
	vec($in, fileno $sock, 1) = 1;
	while (select my $ready = $in, undef, undef, 10) {
		recv $sock, $answer, 65536, 0;
		return $answer unless $answer =~ /^exit /;
	}
	return "no answer";
}
# asks, and returns what the command printed
sub run {
	my $before = length slurp("ran");
	my $answer = ask(@_);
	return $answer unless $answer =~ /^started /;
	wait_for(sub { substr(slurp("ran"), $before) =~ /\n/ });
	return substr slurp("ran"), $before;
}
my ($nobody, $uid) = ((getpwnam "nobody")[2], (getpwnam $user)[2]);

like(run("once", "none", "", "recipient=a\@b.test"), qr/^uid=$nobody gid=\d+ <a\@b.test> <nobody>$/, "a command runs as default_privs");
like(run("once", "local", $user, "recipient=a\@b.test"), qr/^uid=$uid /, "or as the user who is named");
like(run("once", "local", "root", "recipient=a\@b.test"), qr/^uid=$nobody /, "never as root");
like(run("once", "local", "games", "recipient=a\@b.test"), qr/^uid=$nobody /, "never as auth_user, who has the passwords");
like(run("as", "local", $user), qr/^uid=$nobody /, "not even when main.cf says root");
like(ask("once", "local", "no such user"), qr/^failed \d+ user no such user/, "a user who does not exist is refused");
like(run("once", "virtual", "box\@v.test", "recipient=a\@b.test"), qr/^uid=2000 gid=2001 /, "a virtual user is looked up by the parent");
like(run("once", "virtual", "nobody\@v.test", "recipient=a\@b.test"), qr/^uid=$nobody /, "one that has no number is default_privs");
like(ask("once", "virtual", "low\@v.test"), qr/^failed .*virtual_uid_maps.*at least 1000/, "virtual_minimum_uid holds");
like(ask("missing", "none", ""), qr/^failed .*mail transport unknown/, "a transport without a command is refused");
like(ask("../bin/sh", "none", ""), qr/^failed .*malformed request/, "and what is no transport's name");
like(run("once", "none", "", "recipient=a\@b.test", "mail_owner=x", "command_directory=/tmp"), qr/<a\@b.test> <nobody>$/,
	"parameters of main.cf are main.cf's, whatever the request says");
like(ask("odd", "none", "", "nexthop=evil"), qr/^failed /, "the program cannot be chosen by the request");
ok(slurp("ran") !~ /evil/, "and was not run");
like(ask("once", "none", "", "recipient=-x\@b.test"), qr/^failed .*begins with '-'/, "an address that is an option is refused");
like(raw("start 1 once 0 0\0"), qr/^failed 1 malformed/, "user and group by number are no request any more");
like(raw("start 2 once none"), qr/^failed 2 malformed/, "a request cut short");
like(raw("start 3 once none\0\0recipient=a"), qr/^failed 3 /, "values without an end");
like(raw("start 4 once local\0$user"), qr/^failed 4 malformed/, "a name without an end");
my ($started, $refused) = (0, "");
for (1 .. 60) {
	my $answer = ask("stay", "none", "");
	$started++, next if $answer =~ /^started/;
	$refused = $answer;
	last;
}
like($refused, qr/more processes .* than its limit/, "TRANSPORT_process_limit bounds what can be started");
ok($started >= 3 && $started <= 16, "at twice that, for those about to end ($started)");
like(run("once", "none", "", "recipient=a\@b.test"), qr/^uid=/, "other transports have limits of their own");
my $victim = fork // die;
if (!$victim) { sleep 60; exit }
send $sock, "kill $victim 9", 0;
send $sock, "kill $pid 15", 0;
send $sock, "garbage", 0;
like(run("once", "none", "", "recipient=a\@b.test"), qr/^uid=/, "garbage does no harm");
ok(waitpid($victim, 1) == 0, "a process that is no agent is not killed");
kill "KILL", $victim; waitpid $victim, 0;
kill "CONT", $child;
kill "TERM", $pid;
my $ended = wait_for(sub { waitpid($pid, 1) == $pid });
ok($ended, "the manager ends as ever");
undef $pid if $ended;
kill "KILL", map { split } slurp("stay.pids");
print "1..$count\n";
exit($failed > 0);
