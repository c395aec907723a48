#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# smtp-script.pl [-l] [-u path | -p port] [-c certificate] log [rule ...] - an SMTP (-l: LMTP) server for tests that says what it
# is told to. It takes one connection after the other on 127.0.0.1 (prints its port first) and writes what it gets to log: "C n" a
# connection, "> line" a command, "= n" the bytes of a message, which is kept in log.N as it came.
#
# A rule is VERB=reply or VERB:N=reply (the Nth of a connection; #C:VERB=... in connection C): VERB is GREETING,
# EHLO, LHLO, HELO, MAIL, RCPT, DATA, DOT, RSET, QUIT, STARTTLS, AUTH. \n in a reply is CRLF. Instead of a reply:
#   @cut        closes        @hang   says nothing for 20 s      @endless   a reply without end
#   @long       a line of 10 MB       @slow text   a byte every tenth of a second
#   @close text replies and closes
use strict;
use warnings;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Getopt::Std;

my %o;
getopts('lu:p:c:', \%o);
my $log = shift;
my %rule = map { my ($k, $v) = split /=/, $_, 2; $v =~ s/\\n/\r\n/g; ($k => $v) } @ARGV;
my $listen = $o{u} ? IO::Socket::UNIX->new(Local => $o{u}, Listen => 5)
    : IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $o{p} // 0, Listen => 5, ReuseAddr => 1);
die "listen: $!" unless $listen;
chmod 0666, $o{u} if $o{u};
open my $out, '>>', $log or die "$log: $!";
$out->autoflush(1);
$| = 1;
print $o{u} ? "ready\n" : $listen->sockport . "\n";
close STDOUT;
$SIG{PIPE} = 'IGNORE';
my ($connection, $messages) = (0, 0);
my %default = (GREETING => '220 script ESMTP', EHLO => "250-script\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
    HELO => '250 script', MAIL => '250 2.1.0 ok', RCPT => '250 2.1.5 ok', DATA => '354 go on', DOT => '250 2.0.0 queued',
    RSET => '250 2.0.0 reset', QUIT => '@close 221 2.0.0 bye', STARTTLS => '502 no', AUTH => '235 2.7.0 in');
$default{LHLO} = $default{EHLO};

# Says what the rules have for a verb. False: closed.
sub say_for {
	my ($c, $verb, $count) = @_;
	my $r = $rule{"#$connection:$verb:$count"} // $rule{"#$connection:$verb"} // $rule{"$verb:$count"} // $rule{$verb}
	    // $default{$verb} // '500 5.5.1 what?';
	return 0 if $r eq '@cut';
	if ($r eq '@hang') { sleep 20; return 0 }
	if ($r eq '@endless') { for (1 .. 1e6) { $c->print("250-more and more\r\n" x 100) or return 0 } return 0 }
	if ($r eq '@long') { $c->print('2' . '5' x 1e7 . "\r\n"); return 1 }
	if ($r =~ s/^\@slow //) { for (split //, "$r\r\n") { $c->print($_) or return 0; $c->flush; select undef, undef, undef, 0.1 } return 1 }
	if ($r =~ s/^\@close //) { $c->print("$r\r\n"); return 0 }
	$c->print("$r\r\n");
	return $r =~ /^[45]/ ? 2 : 1;
}

sub session {
	my ($c) = @_;
	my %n;
	my $accepted = 0;
	say_for($c, 'GREETING', 1) or return;
	while (defined(my $line = $c->getline)) {
		$line =~ s/\r?\n$//;
		print $out "> $line\n";
		my ($verb) = map { uc } $line =~ /^(\w+)/;
		$verb //= '';
		my $did = say_for($c, $verb, ++$n{$verb}) or return;
		$accepted = 0 if $verb eq 'MAIL';
		$accepted++ if $verb eq 'RCPT' && $did == 1;
		if ($verb eq 'STARTTLS' && $did == 1 && $o{c}) {
			require IO::Socket::SSL;
			IO::Socket::SSL->start_SSL($c, SSL_server => 1, SSL_cert_file => $o{c}, SSL_key_file => $o{c}) or return;
			print $out "TLS\n";
		}
		next unless $verb eq 'DATA' && ($rule{DATA} // $default{DATA}) =~ /^354/;
		my $data = '';
		while (defined($line = $c->getline)) { last if $line eq ".\r\n"; $data .= $line }
		return unless defined $line;
		open my $f, '>', "$log." . ++$messages or die;
		print $f $data;
		close $f;
		print $out '= ', length $data, "\n";
		for my $i ($o{l} ? 1 .. $accepted : 1) { say_for($c, 'DOT', $o{l} ? $i : ++$n{DOT}) or return }
	}
}

while (my $c = $listen->accept) {
	$connection++;
	print $out "C $connection\n";
	$c->autoflush(1);
	session($c);
	close $c;
	print $out "closed $connection\n";
}
