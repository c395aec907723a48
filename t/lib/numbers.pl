#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# numbers.pl DIR...: the numbers of load.pl's messages in the regular files of directories (not below them), one a line, and
# "partial FILE" for each that is not whole.
use strict; use warnings;
for my $dir (@ARGV) {
	opendir my $d, $dir or next;
	for my $name (readdir $d) {
		next unless -f "$dir/$name" && open my $f, '<', "$dir/$name";
		my $text = do { local $/; <$f> } // '';
		my ($n) = $text =~ /^X-Number: <(\d+)>$/m;
		if (defined $n && $text =~ /^BEGIN $n\n/m && $text =~ /^END $n\n\z/m) { print "$n\n" }
		else { print "partial $dir/$name ", length $text, "\n" }
	}
}
