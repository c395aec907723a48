#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# idle.pl PORT N COMMAND - holds N SMTP sessions (greeted, EHLO answered) on 127.0.0.1, then runs COMMAND.
use strict; use warnings; use IO::Socket::INET;
my ($port, $n, $cmd) = @ARGV;
my @held;
for (1 .. $n) {
    my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", Timeout => 20) or die "connect: $!\n";
    my $l = <$s> // ''; $l =~ /^220 / or die "greeting: $l";
    print $s "EHLO idle.example.net\r\n";
    while (defined($l = <$s>)) { last if $l =~ /^250 /; $l =~ /^250-/ or die "EHLO: $l"; }
    push @held, $s;
}
select undef, undef, undef, 1.5;
system $cmd;
