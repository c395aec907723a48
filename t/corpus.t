#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Real mail and odd mail goes in by SMTP and comes back by POP3 byte for byte.
. "$(dirname "$0")/lib.sh"

top=$(cd "$(dirname "$0")/.." && pwd)
corpus=${MTA_CORPUS:-$top/../shared/corpus}
# A message with a bare CR is refused, unless the administrator lets such pass: the second port does.
LAX=$(free_port)
mail_system 'services=qmgr auth smtp pop3 lax' "service_lax=mtasmtp -l 127.0.0.1:$LAX -o smtpd_forbid_bare_newline=no"
mkdir -p "$T/in"
# Our own odd ones, so that there is something to send everywhere.
perl - "$T/in" <<'EOF'
use strict; use warnings;
my $dir = shift; srand 20261120;
my %m = (
    'empty'     => "",
    'body-only' => "\r\n",
    'no-body'   => "Subject: no body\r\n",
    'dots'      => "Subject: dots\r\n\r\n.\r\n..\r\n...\r\n.x\r\n",
    'longline'  => "Subject: long\r\n\r\n" . ("x" x 990) . "\r\n",
    'eightbit'  => "Subject: \xff\xfe\r\n\r\n" . join('', map { chr } 128 .. 255) . "\r\n",
    'blanks'    => "Subject: blanks\r\n\r\n\r\n \r\n\t\r\n\r\n",
    'from'      => "Subject: from\r\n\r\nFrom me to you\r\n>From\r\n",
    'bare-cr'   => "Subject: bare CR\r\n\r\none\rtwo\r\n",
    'big'       => "Subject: big\r\n\r\n" . join('', map { "$_ " . ("b" x 70) . "\r\n" } 1 .. 20000),
);
$m{"random$_"} = "Subject: random $_\r\n\r\n" . join('', map { join('', map { chr((1 .. 9, 11, 12, 14 .. 255)[rand 252]) } 1 .. rand 200) . "\r\n" } 1 .. 50) for 1 .. 5;
for (keys %m) { open my $f, '>:raw', "$dir/$_.eml" or die; print $f $m{$_}; close $f or die }
EOF
if [ -d "$corpus" ]; then
	for f in "$corpus"/*/*.eml; do
		d=${f%/*}; cp "$f" "$T/in/${d##*/}-${f##*/}"
	done
else
	diag "no corpus at $corpus (MTA_CORPUS names one): only the messages made here are sent"
fi
plan 4

# Sends every file (line ends made CRLF), fetches all, compares; the subject of comparison is what was
# sent, which stands in what was fetched after the fields that delivery added.
perl - "$T/in" "$SMTP_PORT" "$LAX" "$POP3_PORT" "$USER_ADDR" "$PASSWORD" >"$T/result" 2>&1 <<'EOF'
use strict; use warnings; use IO::Socket::INET;
my ($dir, $smtp, $lax, $pop, $user, $pass) = @ARGV;
my (%sent, @refused, $line);
sub talk { my ($s, $cmd, $want) = @_; print $s $cmd; do { $line = <$s> // die "connection lost after $cmd" } while $line =~ /^\d\d\d-/; return $line =~ /^$want/ }
sub hello { my $c = IO::Socket::INET->new("127.0.0.1:$_[0]") or die "connect: $!"; talk($c, '', 220) or die $line; talk($c, "EHLO corpus.test\r\n", 250) or die $line; $c }
sub submit { my ($c, $m) = @_;
    talk($c, "MAIL FROM:<sender\@example.net> BODY=8BITMIME\r\n", 250) && talk($c, "RCPT TO:<$user>\r\n", 250) && talk($c, "DATA\r\n", 354) or die $line;
    return talk($c, "$m.\r\n", 250) }
my $s = hello($smtp);
for my $f (sort glob "$dir/*.eml") {
    open my $h, '<:raw', $f or die; my $b = do { local $/; <$h> } // '';
    $b =~ s/\r?\n/\r\n/g; $b .= $b =~ /\r\z/ ? "\n" : "\r\n" if length $b && $b !~ /\n\z/;
    my $w = $b; $w =~ s/^\./../mg;
    if (submit($s, $w)) { $sent{$b}++ }
    elsif ($b =~ /\r(?!\n)/ && $line =~ /^5/) { push @refused, $f; my $l = hello($lax); submit($l, $w) or die "$f: $line"; $sent{$b}++; talk($l, "QUIT\r\n", 221) }
    else { die "$f: $line" }
}
talk($s, "QUIT\r\n", 221);
my $n = 0; $n += $_ for values %sent;
my ($p, $c);
for (1 .. 300) {
    $p = IO::Socket::INET->new("127.0.0.1:$pop") or die "connect: $!"; <$p>;
    print $p "USER $user\r\n"; <$p>; print $p "PASS $pass\r\n"; ($line = <$p>) =~ /^\+OK/ or die $line;
    print $p "STAT\r\n"; ($c) = (<$p> // '') =~ /^\+OK (\d+)/; last if $c == $n;
    print $p "QUIT\r\n"; <$p>; select undef, undef, undef, 0.1;
}
print "count $c of $n\n";
my ($same, $sizes) = (0, 0);
for my $i (1 .. $c) {
    print $p "LIST $i\r\n"; my ($size) = <$p> =~ /^\+OK $i (\d+)/;
    print $p "RETR $i\r\n"; ($line = <$p>) =~ /^\+OK/ or die $line;
    my $b = ''; while (defined($line = <$p>)) { last if $line eq ".\r\n"; $line =~ s/^\.//; $b .= $line }
    $sizes++ if length $b == $size;
    # What delivery added: Return-Path, X-Original-To, Delivered-To, and our own Received.
    $b =~ s/\A(?:(?:Return-Path|X-Original-To|Delivered-To): .*\r\n)*Received: .*\r\n(?:[ \t]+.*\r\n)*// or print "no Received field in $i\n";
    if ($sent{$b}) { $same++; $sent{$b}-- or delete $sent{$b} } else { printf "message %d differs (%d bytes): %s\n", $i, length $b, substr($b, 0, 60) =~ s/[^ -~]/?/gr }
}
print $p "QUIT\r\n"; <$p>;
print "same $same of $n\nsizes $sizes of $n\nrefused ", scalar @refused, "\n";
EOF
sed 's/^/# /' "$T/result"
n=$(sed -n 's/^count .* of //p' "$T/result")
grep -qx "count $n of $n" "$T/result"; ok $? "all messages arrived"
grep -qx "same $n of $n" "$T/result"; ok $? "each came back as it was sent, byte for byte"
grep -qx "sizes $n of $n" "$T/result"; ok $? "each has as many octets as LIST said"
r=$(sed -n 's/^refused //p' "$T/result"); [ "${r:-0}" -ge 1 ] && [ "$r" -lt 5 ]; ok $? "only messages with a bare CR are refused, until the administrator lets them pass"
done_testing
