#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# killer.pl CONF STOP-FILE [pause=SECONDS] [top=N]: sends SIGKILL to random processes of the system of CONF, one each pause (of
# random length around it), until STOP-FILE is there. Each N-th victim is the supervisor, which is then started again by "mta
# start". Prints how many of which were killed.
use strict; use warnings; use Time::HiRes qw(sleep time);
my ($conf, $stop, @rest) = @ARGV;
my %o = (pause => 0.1, top => 0, map { split /=/ } @rest);
my (%killed, $n, $failed);
$n = $failed = 0;

sub read_line { open my $f, '<', $_[0] or return ''; return scalar(<$f>) // '' }
sub top { my ($p) = read_line("$conf/queue/pid/mta.pid") =~ /^(\d+)/; return $p && kill(0, $p) ? $p : 0 }
sub family {
	my ($top) = @_;
	my (%parent, %name);
	for (glob '/proc/[0-9]*/stat') {
		my ($pid, $name, $parent) = read_line($_) =~ /^(\d+) \((.*)\) \S (\d+)/ or next;
		($parent{$pid}, $name{$pid}) = ($parent, $name);
	}
	my @list;
	for my $p (keys %parent) {
		my $q = $p;
		$q = $parent{$q} while $q && $q != $top && exists $parent{$q};
		push @list, $p if $q && $q == $top && $p != $top;
	}
	return map { [$_, $name{$_}] } @list;
}
sub start { system "mta -q -C $conf start >/dev/null 2>&1" and $failed++ }

until (-e $stop) {
	sleep $o{pause} * (0.5 + rand);
	my $top = top();
	if (!$top) { start(); next }
	$n++;
	if ($o{top} && $n % $o{top} == 0) {
		$killed{'mta (the supervisor)'}++ if kill 'KILL', $top;
		sleep 0.05;
		start();
		next;
	}
	my @family = family($top) or next;
	# each kind of program is as likely as the other, however many workers it has
	my %kinds; push @{$kinds{$_->[1]}}, $_->[0] for @family;
	my @names = sort keys %kinds;
	my $name = $names[rand @names];
	my @pids = @{$kinds{$name}};
	$killed{$name}++ if kill 'KILL', $pids[rand @pids];
}
for (1 .. 50) { last if top(); start(); sleep 0.2 }
my $all = 0; $all += $_ for values %killed;
printf "%d processes killed: %s; mta start failed %d times\n", $all, join(', ', map { "$killed{$_} $_" } sort keys %killed), $failed;
