#!/usr/bin/perl
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Names of clients: a PTR record holds what its owner likes. In a network of its own (a namespace), with a name server
# that tells lies.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/lib";
use Test::More;
use IO::Socket::INET;

-x ($ENV{MTA_BUILD} // "$ENV{PWD}/build") . '/mtasmtp' or plan skip_all => 'mtasmtp is not built';
$< == 0 or plan skip_all => 'needs root for a network namespace';
if (!$ENV{MTA_OWN_NET}) {
    my $can = system("unshare -mn sh -c 'ip link set lo up && ip addr add 192.0.2.1/24 dev lo' 2>/dev/null") == 0;
    $can or plan skip_all => 'cannot make a network namespace';
    $ENV{MTA_OWN_NET} = 1;
    exec 'unshare', '-mn', $^X, $0 or die "unshare: $!";
}
require SMTP;
SMTP->import;

# client address => PTR; and the addresses of names
my %ptr = (
    '192.0.2.11' => 'good.example.net', '192.0.2.12' => 'liar.example.net', '192.0.2.13' => "evil\e[2Jname.example.net", '192.0.2.14' => 'a b.example.net',
    '192.0.2.15' => 'x);drop.example.net', '192.0.2.16' => '192.0.2.200', '192.0.2.17' => join('.', ('a' x 60) x 4), '192.0.2.18' => "new\nline.example.net",
    '192.0.2.19' => 'localhost', '192.0.2.20' => '', '192.0.2.21' => "\x9b31m.example.net", '192.0.2.22' => 'x.example.net] by evil [y',
);
my %a = map { lc($_) => '192.0.2.66' } values %ptr;
$a{'good.example.net'} = '192.0.2.11';
$a{lc $ptr{$_}} = $_ for qw(192.0.2.13 192.0.2.14 192.0.2.15 192.0.2.16 192.0.2.18 192.0.2.21 192.0.2.22); # their owner can do that

system('ip link set lo up && ip addr add 192.0.2.1/24 dev lo') == 0 or die 'ip';
system("ip addr add $_/24 dev lo") for sort keys %ptr;
my $dir = SMTP::new_dir(mynetworks => '127.0.0.0/8', inet_interfaces => '192.0.2.1');
open my $f, '>', "$dir/resolv.conf" or die; print $f "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n"; close $f;
open $f, '>', "$dir/nsswitch.conf" or die; print $f "passwd: files\ngroup: files\nhosts: files dns\n"; close $f;
system("mount --bind $dir/resolv.conf /etc/resolv.conf && mount --bind $dir/nsswitch.conf /etc/nsswitch.conf") == 0 or plan skip_all => 'cannot set a resolver';

sub name_server {
    my $u = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1', LocalPort => 53) or die "port 53: $!";
    my $pid = fork // die;
    return $pid if $pid;
    while (1) {
        my $from = recv($u, my $q, 512, 0) or next;
        my ($id) = unpack 'n', $q;
        my ($at, @labels) = (12);
        while (my $n = ord substr $q, $at, 1) { push @labels, substr $q, $at + 1, $n; $at += 1 + $n }
        my $type = unpack 'n', substr $q, $at + 1, 2;
        my ($name, $data) = lc join '.', @labels;
        if ($type == 12 && $name =~ /^(\d+)\.(\d+)\.(\d+)\.(\d+)\.in-addr\.arpa$/ && defined $ptr{"$4.$3.$2.$1"}) {
            $data = join('', map { chr(length) . $_ } split /\./, $ptr{"$4.$3.$2.$1"}) . "\0";
        } elsif ($type == 1 && $a{$name}) { $data = pack 'C4', split /\./, $a{$name} }
        my $r = pack('nnnnnn', $id, 0x8180, 1, defined $data ? 1 : 0, 0, 0) . substr($q, 12, $at + 5 - 12);
        $r .= pack('nnnNn', 0xc00c, $type, 1, 60, length $data) . $data if defined $data;
        send $u, $r, 0, $from;
    }
}
my $ns = name_server();
my $port = SMTP::free_port();
my $srv = SMTP::start_server(dir => $dir, args => ['-l', "192.0.2.1:$port"]);

for my $addr (sort keys %ptr) {
    my $s = IO::Socket::INET->new(PeerAddr => '192.0.2.1', PeerPort => $port, LocalAddr => $addr, Timeout => 10) or die "connect from $addr: $!";
    $s->autoflush(1);
    SMTP::reply($s);
    SMTP::ehlo($s);
    my $r = SMTP::send_mail($s, "Subject: x\r\n\r\n");
    (my $shown = $ptr{$addr}) =~ s/[^ -~]/?/g;
    my $want = $addr eq '192.0.2.11' ? 'good.example.net' : 'unknown';
    my ($got) = SMTP::queue_text($srv) =~ /^Received: from client\.example\.net \((.*) \[\Q$addr\E\]\)$/m;
    is $got, $want, $want eq 'unknown' ? "'$shown' is not believed" : 'a name that leads back to the address is believed';
    like SMTP::logged($srv), qr/connect from \Q$want\E\[\Q$addr\E\]\n/, 'the log says so';
    SMTP::clear_queue($srv);
    close $s;
}
unlike SMTP::logged($srv), qr/[\x00-\x09\x0b-\x1f\x7f-\xff]/, 'no control character reaches the log';
kill 'KILL', $ns; waitpid $ns, 0;
my $start = time;
my $s = IO::Socket::INET->new(PeerAddr => '192.0.2.1', PeerPort => $port, LocalAddr => '192.0.2.11', Timeout => 10) or die;
like SMTP::reply($s), qr/^220 /, 'without a name server clients are served';
ok time - $start < 10, 'in time';
like SMTP::logged($srv), qr/connect from unknown\[192\.0\.2\.11\]\n/, 'as unknown';
done_testing();
