#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# dsn-check.pl FILE...: is each a delivery status notification as RFC 3464, 6522 and 6533 (and 5322, 2045, 2046 below
# them) want it? Prints what is wrong, a line each; exit status 1 when anything is. A reader of its own: nothing of the project
# is used.
use strict;
use warnings;

my ($file, $bad);

sub wrong { print "$file: @_\n"; $bad = 1; }

# The fields of a header, unfolded: a list of [name, value]; and what follows it.
sub fields {
	my ($text, $what) = @_;
	my ($header, $body) = split /\n\n/, $text, 2;
	my @f;

	($header, $body) = ('', $1) if $text =~ /^\n(.*)/s;
	$header =~ s/\n\z//;
	for my $line (split /\n/, $header) {
		if ($line =~ /^[ \t]/) {
			wrong("$what: a line of a field has only white space") if $line !~ /\S/;
			@f ? ($f[-1][1] .= $line) : wrong("$what: begins with a folded line");
		} elsif ($line =~ /^([!-9;-~]+):[ \t]*(.*)$/) {
			push @f, [$1, $2];
		} else {
			wrong("$what: no field: $line");
		}
	}
	return (\@f, $body // '');
}

sub get { my ($f, $name) = @_; return map { $_->[1] } grep { lc $_->[0] eq lc $name } @$f; }

# A field that must be there once.
sub one {
	my ($f, $name, $what) = @_;
	my @v = get($f, $name);

	wrong("$what: $name: " . @v . " times") if @v != 1;
	return $v[0] // '';
}

sub at_most_one { my ($f, $name, $what) = @_; my @v = get($f, $name); wrong("$what: $name: " . @v . " times") if @v > 1; return $v[0]; }

sub date {
	my ($v, $what) = @_;
	wrong("$what: no date: $v") if $v !~ /^(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d? (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} \d\d:\d\d:\d\d [+-]\d{4}( \(\w+\))?$/;
}

# Content-Type: the type and its parameters.
sub type {
	my $v = shift;
	my ($type, %p) = $v =~ m{^([\w-]+/[\w.+-]+)};

	wrong("Content-Type: $v") if !$type;
	while ($v =~ /;\s*([\w-]+)=("([^"]*)"|[^\s;"]+)/g) { $p{lc $1} = $3 // $2 }
	return (lc($type // ''), %p);
}

sub one_recipient {
	my ($text, $wide) = @_;
	my ($f) = fields($text, 'recipient');
	my $action = lc one($f, 'Action', 'recipient');
	my $status = one($f, 'Status', 'recipient');
	my %class = (failed => '[45]', delayed => '4', delivered => '2', relayed => '2', expanded => '2');

	if (!$class{$action}) { wrong("Action: $action") }
	elsif ($status !~ /^$class{$action}\.\d{1,3}\.\d{1,3}( \(.*\))?$/) { wrong("Action: $action with Status: $status") }
	for my $name ('Final-Recipient', 'Original-Recipient') {
		my $v = $name eq 'Final-Recipient' ? one($f, $name, 'recipient') : at_most_one($f, $name, 'recipient') // next;
		my ($type, $addr) = $v =~ /^([\w-]+)\s*;\s*(.+)$/ or do { wrong("$name: $v"); next };
		wrong("$name: a type of rfc822 with other than ASCII: $v") if lc $type eq 'rfc822' && $addr =~ /[^ -~]/;
		wrong("$name: utf-8 in a report that is not message/global-delivery-status") if lc $type eq 'utf-8' && !$wide;
		wrong("$name: not UTF-8: $v") if !utf8::decode(my $copy = $addr);
	}
	my $mta = at_most_one($f, 'Remote-MTA', 'recipient');
	wrong("Remote-MTA: $mta") if defined $mta && $mta !~ /^dns; (?=.*[a-z.])[\w.-]+$/i && $mta !~ /^(dns; \[[\d.]+\]|[xX]-[\w-]+; .+)$/;
	my $code = at_most_one($f, 'Diagnostic-Code', 'recipient');
	wrong("Diagnostic-Code: $code") if defined $code && $code !~ /^([\w-]+)\s*;\s*\S/;
	wrong("Diagnostic-Code: no SMTP reply: $code") if defined $code && $code =~ /^smtp\s*;/i && $code !~ /^smtp\s*;\s*[245]\d\d([ -]|$)/i;
	wrong("Remote-MTA without what it said") if defined $mta && !defined $code;
	my $until = at_most_one($f, 'Will-Retry-Until', 'recipient');
	date($until, 'Will-Retry-Until') if defined $until;
	wrong("Will-Retry-Until with Action: $action") if defined $until && $action ne 'delayed';
	wrong("Action: delayed without Will-Retry-Until") if !defined $until && $action eq 'delayed';
	my $last = at_most_one($f, 'Last-Attempt-Date', 'recipient');
	date($last, 'Last-Attempt-Date') if defined $last;
	for (@$f) {
		wrong("a field that RFC 3464 does not know: $_->[0]")
		    if $_->[0] !~ /^((Original|Final)-Recipient|Action|Status|Remote-MTA|Diagnostic-Code|Last-Attempt-Date|Final-Log-ID|Will-Retry-Until|Localized-Diagnostic|X-.*)$/i;
	}
	return $action;
}

sub status {
	my ($body, $wide) = @_;
	my ($message, @recipients) = split /\n\n/, $body =~ s/\n\z//r, -1;
	my ($f) = fields($message . "\n", 'delivery-status');
	my %actions;

	wrong('Reporting-MTA: ' . one($f, 'Reporting-MTA', 'delivery-status')) if one($f, 'Reporting-MTA', 'delivery-status') !~ /^[\w-]+; \S+$/;
	my $date = at_most_one($f, 'Arrival-Date', 'delivery-status');
	date($date, 'Arrival-Date') if defined $date;
	at_most_one($f, 'Original-Envelope-Id', 'delivery-status');
	for (@$f) {
		wrong("a field that RFC 3464 does not know: $_->[0]")
		    if $_->[0] !~ /^(Original-Envelope-Id|Reporting-MTA|DSN-Gateway|Received-From-MTA|Arrival-Date|X-.*)$/i;
	}
	wrong('no recipient') if !@recipients;
	for (@recipients) {
		if (/\S/) { $actions{one_recipient($_ . "\n", $wide)} = 1 } else { wrong('an empty group of fields') }
	}
	wrong('other than ASCII in message/delivery-status') if !$wide && $body =~ /[^\n\t -~]/;
}

# One part of the report; what is the number of it.
sub part {
	my ($text, $number, $transport) = @_;
	my ($f, $body) = fields($text, "part $number");
	my ($type, %p) = type((get($f, 'Content-Type'))[0] // 'text/plain');
	my $encoding = lc((get($f, 'Content-Transfer-Encoding'))[0] // '7bit');
	my $charset = lc($p{charset} // 'us-ascii');
	my $wide = $body =~ /[\x80-\xff]/;

	wrong("part $number ($type): 8 bit characters with Content-Transfer-Encoding: $encoding") if $wide && $encoding ne '8bit';
	wrong("part $number: Content-Transfer-Encoding: 8bit in a report that is 7bit") if $encoding eq '8bit' && $transport ne '8bit';
	wrong("part $number: a NUL or CR") if $number < 3 && $body =~ /[\0\r]/;
	$_ > 998 and wrong("part $number: a line of $_ characters") for map { $number < 3 ? length : 0 } split /\n/, $text;
	if ($number == 1) {
		wrong("part 1 is $type") if $type ne 'text/plain';
		wrong("part 1: other than ASCII, charset $charset") if $wide && $charset eq 'us-ascii';
		wrong("part 1: not UTF-8") if $charset eq 'utf-8' && !utf8::decode(my $copy = $body);
	} elsif ($number == 2) {
		wrong("part 2 is $type") if $type !~ m{^message/(global-)?delivery-status$};
		status($body, $type eq 'message/global-delivery-status');
	} else {
		wrong("part $number is $type") if $type !~ m{^(message/rfc822|text/rfc822-headers|message/global|message/global-headers)$} || $number > 3;
		wrong("part $number: $type with a body") if $type =~ /headers$/ && $body =~ /\n\n/;
		wrong("part 3: no header") if $type =~ m{headers$} && $body !~ m{^[!-9;-~]+:};
	}
	return $type;
}

for (@ARGV) {
	$file = $_;
	open my $in, '<', $file or die "$file: $!\n";
	my $text = do { local $/; <$in> };
	# what delivery puts in front
	my ($f, $body) = fields($text, 'header');
	my ($type, %p) = type(one($f, 'Content-Type', 'header'));
	my $encoding = lc((get($f, 'Content-Transfer-Encoding'))[0] // '7bit');
	my $boundary = $p{boundary} // '';

	date(one($f, 'Date', 'header'), 'Date');
	one($f, $_, 'header') for qw(From To Subject Message-ID MIME-Version);
	wrong('From: ' . (get($f, 'From'))[0]) if (get($f, 'From'))[0] !~ /@/;
	wrong('Auto-Submitted: ' . one($f, 'Auto-Submitted', 'header')) if one($f, 'Auto-Submitted', 'header') !~ /^auto-(replied|generated)/;
	wrong("Content-Type: $type") if $type ne 'multipart/report';
	wrong('report-type: ' . ($p{'report-type'} // 'missing')) if lc($p{'report-type'} // '') ne 'delivery-status';
	wrong("boundary: $boundary") if $boundary !~ m{^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$};
	wrong("Content-Transfer-Encoding: $encoding of a multipart") if $encoding !~ /^(7bit|8bit|binary)$/;
	wrong('other than ASCII in the header of the report') if $encoding eq '7bit' && join('', map { @$_ } @$f) =~ /[\x80-\xff]/;

	my @parts = split /(?:^|\n)--\Q$boundary\E[ \t]*(?=\n|--)/, $body, -1;
	my $end = pop @parts;
	wrong('the last boundary is missing') if !defined $end || $end !~ /^--\s*$/;
	shift @parts;
	wrong(@parts . ' parts') if @parts != 2 && @parts != 3;
	my @types = map { part($parts[$_] =~ s/^\n//r, $_ + 1, $encoding) } 0 .. $#parts;
	wrong("types: @types") if @types > 2 && $types[2] =~ /global/ && $types[1] !~ /global/;
}
exit($bad ? 1 : 0);
