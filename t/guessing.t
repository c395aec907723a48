#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Guessing passwords: thousands of guesses in many connections are slowed down, at mtaauth's socket, by AUTH in SMTP and by PASS in POP3;
# the user gets in all the same, from elsewhere and (with a password that was right before) from the same address; and
# connections that only sit there keep nobody out. Longer with GUESSES= and SECONDS_MOST= (t/long/guessing.t).
. "$(dirname "$0")/lib.sh"
have_program mtaauth mtasmtp mtapop mta mtaconf mtapasswd || skip_all "not all programs are built"
perl -MIO::Socket::INET -MIO::Socket::UNIX -MMIME::Base64 -MTime::HiRes -e 1 2>/dev/null || skip_all "modules of perl are missing"
: "${GUESSES:=2000}" "${SECONDS_MOST:=4}"
export SECONDS_MOST

mail_config "services=auth submission pop3" auth_failure_delay=0s auth_worker_max_count=40 disable_plaintext_auth=no \
	"service_submission=mtasmtp -l $(free_port) -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=no -o smtpd_client_connection_count_limit=0"
PORT=$(sed -n 's/^service_submission.*-l \([0-9]*\).*/\1/p' "$DIR/main.cf")
# wrong passwords cost no time here, so that nothing but the throttle slows guesses down
mkdir -p "$T/box/cur" "$T/box/new" "$T/box/tmp"; chown -R --reference="$DIR/mail" "$T/box" 2>/dev/null
for u in victim other third; do
	mtapasswd -C "$DIR" -s plain -m "maildir:$T/box" -w right add "$u@example.test" >"$T/err" 2>&1 || { diag "$(cat "$T/err")"; skip_all "no users can be added"; }
done
mail_start
AUTH=$QUEUE/private/auth

cat >"$T/guess.pl" <<'P'
use strict; use warnings; use IO::Socket::UNIX; use IO::Socket::INET; use MIME::Base64; use Time::HiRes qw(time sleep);
my ($how, $where, $n, $user, $ips, $connections) = @ARGV; # what is answered within SECONDS_MOST counts
$SIG{PIPE} = 'IGNORE'; $SIG{ALRM} = sub { exit 0 };
my @kids;
pipe my $r, my $w or die;
for my $k (0 .. $connections - 1) {
    my $pid = fork // die;
    if ($pid) { push @kids, $pid; next }
    alarm $ENV{SECONDS_MOST};
    my @mine = grep { $_ % $connections == $k } 1 .. $n;
    if ($how eq 'socket') {
        my $s = IO::Socket::UNIX->new($where) or exit 1;
        while (<$s>) { last if /^DONE/ }
        print $s "VERSION\t1\t1\nCPID\t$$\n";
        for my $i (@mine) {
            my $ip = $ips eq 'one' ? '192.0.2.66' : $ips eq 'v6' ? sprintf '2001:db8:0:1::%x:%x', $i >> 16, $i & 65535 : sprintf '10.%d.%d.%d', $i >> 16, $i >> 8 & 255, $i & 255;
            my $u = $user; $u =~ s/%/$i/;
            print $s "AUTH\t$i\tPLAIN\tservice=x\trip=$ip\tresp=" . encode_base64("\0$u\0guess$i", '') . "\n" or last;
            my $l = <$s> // last;
            syswrite $w, $l =~ /\ttemp/ ? 'r' : $l =~ /^FAIL/ ? 'w' : 'o';
        }
    } else {
        while (@mine) {
            my $s = IO::Socket::INET->new(PeerAddr => $where) or do { sleep 0.05; next };
            my $hello = <$s> // next;
            if ($how eq 'smtp') { print $s "EHLO x\r\n"; while (<$s>) { last if /^250 / } }
            while (@mine) {
                my $i = shift @mine;
                if ($how eq 'smtp') { print $s 'AUTH PLAIN ' . encode_base64("\0$user\0guess$i", '') . "\r\n" or last }
                else { print $s "USER $user\r\nPASS guess$i\r\n" or last; <$s> // last }
                my $l = <$s> // last;
                syswrite $w, $l =~ /^535|^-ERR \[AUTH/ ? 'w' : $l =~ /^4|^-ERR/ ? 'r' : 'o';
                last if $l =~ /^421/;
            }
        }
    }
    exit 0;
}
close $w;
my %n = (w => 0, r => 0, o => 0);
while (sysread $r, my $block, 4096) { $n{$_}++ for split //, $block }
waitpid $_, 0 for @kids;
print "wrong $n{w} refused $n{r} right $n{o}\n";
P
cat >"$T/login.pl" <<'P'
use strict; use warnings; use IO::Socket::UNIX; use IO::Socket::INET; use MIME::Base64; use Time::HiRes 'time';
my ($how, $where, $user, $password, $ip) = @ARGV;
my $begin = time; my $l = 'no answer'; $SIG{ALRM} = sub { print "nothing within 15 s\n"; exit }; alarm 15;
if ($how eq 'socket') {
    my $s = IO::Socket::UNIX->new($where) or die; while (<$s>) { last if /^DONE/ }
    print $s "VERSION\t1\t1\nCPID\t$$\nAUTH\t1\tPLAIN\tservice=x\trip=$ip\tresp=" . encode_base64("\0$user\0$password", '') . "\n"; $l = <$s>;
} else {
    my $s = IO::Socket::INET->new(PeerAddr => $where, LocalAddr => $ip) or die; <$s>;
    if ($how eq 'smtp') { print $s "EHLO x\r\n"; while (<$s>) { last if /^250 / } print $s 'AUTH PLAIN ' . encode_base64("\0$user\0$password", '') . "\r\n"; $l = <$s> }
    else { print $s "USER $user\r\nPASS $password\r\n"; <$s>; $l = <$s> }
}
printf "%s %s\n", time - $begin < 5 ? 'soon' : 'late', $l =~ /^(OK|235|\+OK)/ ? 'in' : $l;
P
wrong() { printf '%s\n' "$1" | sed -n 's/^wrong \([0-9]*\) .*/\1/p'; }
# few NAME OUTPUT LIMIT: guesses that were checked at all
few() { [ "$(wrong "$2")" -lt "$3" ] && ! printf '%s\n' "$2" | grep -q 'right [1-9]'; ok $? "$1" || :; diag "$GUESSES guesses: $2"; }
V=victim@example.test O=other@example.test
login() { perl "$T/login.pl" "$@"; }

# the user's own programs have logged in before
is "$(login socket "$AUTH" $V right 192.0.2.66)" "soon in" "a user logs in"
perl "$T/guess.pl" socket "$AUTH" "$GUESSES" $V one 20 >"$T/out" & G=$!
sleep 1
is "$(login socket "$AUTH" $V right 198.51.100.9)" "soon in" "while thousands of guesses come: the user gets in from another address"
is "$(login socket "$AUTH" $V right 192.0.2.66)" "soon in" "and from the address of the guesses"
is "$(login socket "$AUTH" $O right 198.51.100.9)" "soon in" "another user gets in who has never been here"
is "$(login socket "$AUTH" third@example.test right 192.0.2.66)" "soon in" "and one from the address of the guesses"
wait $G
few "of the guesses for one user from one address few are checked" "$(cat "$T/out")" 100

OUT=$(perl "$T/guess.pl" socket "$AUTH" "$GUESSES" $O v6 20)
few "addresses of one IPv6 network count as one" "$OUT" 100

# a dictionary of users: each attempt waits
BEGIN=$(date +%s)
OUT=$(perl "$T/guess.pl" socket "$AUTH" "$GUESSES" user%@example.test one 20)
[ "$(wrong "$OUT")" -lt $((60 + SECONDS_MOST * 25)) ]; ok $? "guesses for many users from one address are slowed down"; diag "$OUT in $(($(date +%s) - BEGIN)) s"

# addresses without end: memory stays as it is
W=$(pgrep -f "^[^ ]*mtaauth .*$DIR" | head -1)
size() { awk '/^VmSize/ { print $2 }' "/proc/$W/status"; }
BEFORE=$(size)
perl "$T/guess.pl" socket "$AUTH" "$((GUESSES * 5))" $V many 4 >"$T/out"
is "$(size)" "$BEFORE" "guesses from thousands of addresses take no memory"; diag "$(cat "$T/out")"
is "$(login socket "$AUTH" $V right 192.0.2.66)" "soon in" "and after them the user gets in"

# --- through the servers, all from one address ---
for how in smtp pop3; do
	[ $how = smtp ] && where=127.0.0.1:$PORT || where=127.0.0.1:$POP3_PORT
	perl "$T/guess.pl" $how "$where" "$GUESSES" $O one 20 >"$T/out" & G=$!
	sleep 1
	is "$(login $how "$where" $O right 127.0.0.9)" "soon in" "$how: the user gets in from another address meanwhile"
	is "$(login $how "$where" $O right 127.0.0.1)" "soon in" "$how: and from the same one, as that password was right before"
	wait $G
	few "$how: few guesses are checked" "$(cat "$T/out")" 150
done

# --- connections that sit there ---
perl -e 'use IO::Socket::UNIX; my @s; $SIG{ALRM} = sub { exit }; alarm 40;
	for (1 .. 120) { my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or last; print $s "VERSION\t1\t1\nCPID\t$$\nAUTH\t1\tLOGIN\tservice=x\n"; $s->flush; push @s, $s }
	open my $f, ">", $ARGV[1]; close $f; sleep 40' "$AUTH" "$T/sitting" & SIT=$!; PIDS="$PIDS $SIT"
wait_for 10 test -e "$T/sitting"
OUT=$(perl -e 'alarm 30; exec @ARGV' perl "$T/login.pl" socket "$AUTH" $V right 198.51.100.9)
like "$OUT" ' in$' "120 connections in the middle of AUTH, for 40 processes, keep nobody out" || diag "$OUT"
kill $SIT 2>/dev/null
done_testing
