#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Crash harness: crash.pl MODE STATE-DIRECTORY SCENARIO. A program is traced once, then run again and again, killed at each of
# its system calls, and with each call failing with each of several errors; after each run the scenario tells whether what was
# acknowledged is there, nothing partial is visible, an older message is untouched, and the next run is normal.
# MODE quick: the calls that change files or talk, from the first one that touches the state; SIGKILL, and EIO and ENOSPC where
# they mean something. MODE all: every call; SIGKILL, EIO, ENOSPC, EINTR, EMFILE, ENOMEM. POINTS=regexp: only points that match.
# The counters of strace's inject= are per call name, so a point is a pair (name, n). Exits 0 when all is well.
use strict; use warnings;
use FindBin; use lib $FindBin::Bin;
use POSIX qw(:sys_wait_h setsid);
use Config;
use Scenario;

my ($mode, $dir, $name) = @ARGV;
my $quick = $mode eq 'quick';
my $worth = qr/^(openat|write|writev|pwrite64|link|linkat|fsync|fdatasync|rename|renameat|renameat2|unlink|unlinkat|close|ftruncate|utimensat|sendmsg|recvmsg|sendto|recvfrom|fchmod|fchown|mkdirat|copy_file_range|sendfile|pread64|read|sync_file_range)$/;
my $may_fail = qr/^(openat|write|writev|pwrite64|linkat|fsync|fdatasync|rename|renameat|renameat2|unlink|unlinkat|utimensat|copy_file_range|sendfile|sync_file_range)$/;
$SIG{PIPE} = 'IGNORE';
my $running;
$SIG{TERM} = $SIG{INT} = $SIG{HUP} = sub { kill 'KILL', -$running if $running; exit 1 };

# Processes that a killed one leaves behind become ours, so that we can wait for their end (prctl PR_SET_CHILD_SUBREAPER).
my %prctl = ('x86_64' => 157, 'aarch64' => 167, 'riscv64' => 167);
my ($machine) = (POSIX::uname())[4];
my $reaper = $prctl{$machine} && syscall($prctl{$machine}, 36, 1, 0, 0, 0) == 0;
sub wait_for_orphans {
	if (!$reaper) { select undef, undef, undef, 0.1; return }
	my $until = time + 20;
	while ((my $p = waitpid -1, WNOHANG) != -1) {
		last if time > $until;
		select undef, undef, undef, 0.002 if $p == 0;
	}
}

# Runs the scenario's command under the given words; its status as waitpid gives it, -1: it hangs.
sub run {
	my ($s, @under) = @_;
	my $pid = fork // die "fork: $!";
	if (!$pid) {
		setsid();
		open STDIN, '<', $s->{input} || '/dev/null' or die "$s->{input}: $!";
		open STDOUT, '>', "$dir/out"; open STDERR, '>', "$dir/err";
		if (defined $s->{uid} && $> == 0) { $) = "$s->{gid} $s->{gid}"; $( = $s->{gid}; $< = $> = $s->{uid} }
		exec @under, @{$s->{command}} or exit 127;
	}
	my $status = -1;
	$running = $pid;
	eval { local $SIG{ALRM} = sub { die "hangs\n" }; alarm 30; waitpid $pid, 0; $status = $?; alarm 0; };
	if ($status == -1) { kill 'KILL', -$pid; waitpid $pid, 0 }
	wait_for_orphans();
	$running = 0;
	return $status;
}
sub said {
	my ($file) = @_;
	open my $f, '<', "$dir/$file" or return '';
	local $/; return <$f> // '';
}
# What is wrong after a run with that status; '' nothing.
sub wrong {
	my ($s, $status) = @_;
	return 'hangs' if $status == -1;
	my $acked = $s->{acked}->($status, said('out'));
	my ($n, $why) = $s->{count}->();
	$why ||= Scenario::old_harmed();
	$why ||= $s->{judge}->($acked, $n);
	return $why if $why;
	$s->{between}->() if $s->{between};
	my $again = run($s);
	return "the next run fails ($again): " . substr said('err'), 0, 300 unless $s->{acked}->($again, said('out'));
	($n, $why) = $s->{count}->();
	return $why || Scenario::old_harmed() || $s->{after}->($acked, $n);
}
# The points (name, n) of a traced run, from the first that touches the state, or (begun) all.
sub points {
	my ($begun) = @_;
	my (%n, @points);
	open my $f, '<', "$dir/trace" or die "trace: $!";
	while (<$f>) {
		my ($call) = /^([a-z_0-9]+)\(/ or next;
		next if $call =~ /^(execve|exit|exit_group)$/;
		$n{$call}++;
		$begun ||= /\Q$dir\E\/(queue|mail)/;
		next if !$begun || ($quick && $call !~ $worth);
		next if $ENV{POINTS} && "$call $n{$call}" !~ /$ENV{POINTS}/;
		push @points, [$call, $n{$call}];
	}
	return @points;
}

my $s = Scenario::make($dir, $name);
$s->{prepare}->();
unlink "$dir/trace";
my $status = run($s, 'strace', '-qq', '-o', "$dir/trace", '--');
my $why = $s->{acked}->($status, said('out')) ? wrong($s, $status) : 'not acknowledged';
if ($why) { print "# $s->{title}: wrong without any fault (status $status): $why\n# ", said('err'), "\n"; exit 1 }
my @points = points(!$quick);
# strace is not always allowed to read the names of files
@points = points(1) unless @points;
my ($runs, $bad) = (0, 0);
my %done;
POINT: for my $p (@points) {
	my ($call, $n) = @$p;
	for my $how ('signal=SIGKILL', map { "error=$_" } $quick ? qw(EIO ENOSPC) : qw(EIO ENOSPC EINTR EMFILE ENOMEM)) {
		next if $quick && $how =~ /error/ && ($call !~ $may_fail || ($call eq 'openat' && $how =~ /ENOSPC/));
		# a close that strace lets fail did not happen, as no real one does
		next if $how =~ /error/ && $call eq 'close';
		$s->{prepare}->();
		$status = run($s, 'strace', '-qq', '-o', '/dev/null', '-e', "trace=$call", '-e', "inject=$call:$how:when=$n", '--');
		my $err = substr said('err'), 0, 200;
		$runs++;
		$why = wrong($s, $status) or next;
		$bad++;
		$err =~ s/\n/ | /g;
		print "# $s->{title}: $how at $call #$n (status $status): $why [$err]\n";
		last POINT if $bad >= 20;
	}
}
printf "# %s: %d of %d runs right (%d system calls)\n", $s->{title}, $runs - $bad, $runs, scalar @points;
exit($bad || !$runs ? 1 : 0);
