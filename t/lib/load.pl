#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Loads a server with numbered messages and prints each number once the server has acknowledged it.
#
#   load.pl [port=N] [rcpt=A,B...] [first=N] [count=N] [seconds=N] [lines=N] [retry=0|1] [command=...]
#
# count=0: until the time is over. retry=1: a message that was not acknowledged is sent again, on a new connection, until it
# is; else the first failure of the connection ends it. command: a program that takes one message on standard input
# (words, no shell) instead of a connection. A message is of up to lines= lines; its first and last line say its number.
use strict; use warnings; use IO::Socket::INET;
$| = 1; $SIG{PIPE} = 'IGNORE';
my %o = (rcpt => '', first => 1, count => 0, seconds => 600, lines => 80, retry => 0, map { split /=/, $_, 2 } @ARGV);
my @rcpt = split /,/, $o{rcpt};
my $until = time + $o{seconds};
my ($s, $tries) = (undef, 0);

sub content {
	my ($n) = @_;
	return join "\r\n", "Subject: message $n", "X-Number: <$n>", "", "BEGIN $n", ("x" x 60) x int(rand $o{lines}), "END $n", "";
}
# One reply; undef when the connection is gone or silent.
sub reply {
	my $l;
	do {
		my $r = ''; vec($r, fileno $s, 1) = 1;
		# what IO::Handle has read ahead is a line or nothing: replies are asked for one by one
		$l = eval { local $SIG{ALRM} = sub { die "silent\n" }; alarm 20; my $x = <$s>; alarm 0; $x };
		return undef unless defined $l && $l =~ /\n\z/;
	} while $l =~ /^\d\d\d-/;
	return $l;
}
sub talk { print $s $_[0] or return undef; return reply() }
sub gone { close $s if $s; undef $s; return undef }
sub connection {
	return $s if $s;
	$s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$o{port}", Timeout => 10) or return undef;
	my $hello = reply() or return gone();
	$hello =~ /^220/ or return gone();
	(talk("EHLO load.example.com\r\n") // '') =~ /^250/ or return gone();
	return $s;
}
# 1 acknowledged, 0 refused for now, undef: the connection is gone, nobody knows
sub by_smtp {
	my ($n) = @_;
	connection() or return undef;
	my $to = $rcpt[$n % @rcpt];
	my $r = talk("MAIL FROM:<>\r\n") // return gone();
	$r =~ /^250/ or return talk("RSET\r\n") ? 0 : gone();
	$r = talk("RCPT TO:<$to>\r\n") // return gone();
	$r =~ /^250/ or return talk("RSET\r\n") ? 0 : gone();
	$r = talk("DATA\r\n") // return gone();
	$r =~ /^354/ or return talk("RSET\r\n") ? 0 : gone();
	$r = talk(content($n) . ".\r\n") // return gone();
	print STDERR "$n: $r" if $o{verbose};
	return $r =~ /^250/ ? 1 : 0;
}
sub by_command {
	my ($n) = @_;
	pipe my $r, my $w or return undef;
	my $pid = fork // return undef;
	if (!$pid) {
		open STDIN, "<&", $r; open STDOUT, ">", "/dev/null"; close $w;
		exec split(/ /, $o{command}), $rcpt[$n % @rcpt] or exit 1;
	}
	close $r;
	(my $text = content($n)) =~ s/\r//g;
	print $w $text;
	close $w;
	waitpid $pid, 0;
	return $? == 0 ? 1 : 0;
}

for (my $n = $o{first}; time < $until && (!$o{count} || $n < $o{first} + $o{count}); ) {
	my $done = $o{command} ? by_command($n) : by_smtp($n);
	if ($done) { print "$n\n"; $n++; $tries = 0; next }
	last if !$o{retry} && !defined $done;
	$n++ unless $o{retry};
	$tries++;
	select undef, undef, undef, $tries < 5 ? 0.02 : 0.2;
}
print $s "QUIT\r\n" if $s;
