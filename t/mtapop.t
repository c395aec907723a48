#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtapop: every command, what clients may not do, large and odd mailboxes, lost connections, users of their own.
. "$(dirname "$0")/lib.sh"
have_program mtaauth mtapop mta mtaconf || skip_all "not all programs are built"
have_program socat || skip_all "socat is not installed"

mail_system "services=auth pop3 pop3s" auth_failure_delay=0s
as_owner() { chown -R --reference="$DIR/mail" "$@" 2>/dev/null || :; }
# mailbox: empties and fills the mailbox with three messages
mailbox() {
	rm -rf "$MAILDIR"
	mkdir -p "$MAILDIR/new" "$MAILDIR/cur" "$MAILDIR/tmp"
	printf 'Subject: one\n\nhello\n.dot\n..\nbody\n' > "$MAILDIR/new/1700000001.M1P1Q1.h"
	printf 'Subject: two\r\n\r\nhello\r\nno line end' > "$MAILDIR/new/1700000002.M1P1Q1.h"
	printf 'Subject: three\n\nx\n' > "$MAILDIR/cur/1700000003.M1P1Q1.h,S=18,W=21:2,RS"
	as_owner "$MAILDIR"
}
# pop PORT: commands of standard input, after a login
pop() {
	{ printf 'USER %s\r\nPASS %s\r\n' "$USER_ADDR" "$PASSWORD"; cat; } | raw "$1" | tr -d '\r' | sed 1,3d
}
raw() { timeout 20 socat -t 5 - "TCP:127.0.0.1:$1"; }
lines() { printf '%s\r\n' "$@"; }

# --- how many sessions ---
OUT=$(perl -e 'use IO::Socket::INET; my ($port, $user, $pass) = @ARGV; my @s; $SIG{ALRM} = sub { exit }; alarm 30;
	sub login { my ($from) = @_; my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port", LocalAddr => $from) or return "none"; <$s>;
		print $s "USER $user\r\nPASS $pass\r\n"; <$s>; my $l = <$s>; push @s, $s if $l =~ /^\+/; $l =~ s/\r\n//; $l }
	my @l = map { login("127.0.0.1") } 1 .. 12; print scalar(grep { /^\+OK/ } @l), "; $l[11]; ";
	close shift @s; select undef, undef, undef, 0.5; print login("127.0.0.1"), "; ", login("127.0.0.1")' "$POP3_PORT" "$USER_ADDR" "$PASSWORD")
REFUSED='-ERR [IN-USE] Too many sessions of this user from this address.'
is "$OUT" "10; $REFUSED; +OK Logged in.; $REFUSED" "mail_max_userip_connections: ten sessions of a user from one address, and another one when one has ended"

# --- the commands ---
mailbox
OUT=$(lines STAT LIST 'LIST 2' UIDL 'UIDL 3' NOOP 'DELE 1' STAT 'LIST' RSET STAT QUIT | pop "$POP3_PORT")
is "$OUT" "+OK 3 96
+OK 3 messages (96 octets)
1 39
2 36
3 21
.
+OK 2 36
+OK
1 1700000001.M1P1Q1.h
2 1700000002.M1P1Q1.h
3 1700000003.M1P1Q1.h
.
+OK 3 1700000003.M1P1Q1.h
+OK
+OK Marked to be deleted.
+OK 2 57
+OK 2 messages (57 octets)
2 36
3 21
.
+OK
+OK 3 96
+OK Logging out." "STAT, LIST, UIDL, NOOP, DELE, RSET, QUIT"
is "$(count_files "$MAILDIR")" 3 "RSET keeps everything"
OUT=$(lines 'RETR 1' 'TOP 1 1' 'TOP 1 0' 'retr 2' QUIT | pop "$POP3_PORT")
is "$OUT" "+OK 39 octets
Subject: one

hello
..dot
...
body
.
+OK
Subject: one

hello
.
+OK
Subject: one

.
+OK 36 octets
Subject: two

hello
no line end
.
+OK Logging out." "RETR and TOP, dots doubled, a missing line end added"
is "$(find "$MAILDIR" -type f | sed "s,$MAILDIR/,," | sort | tr '\n' ' ')" \
	"cur/1700000001.M1P1Q1.h:2,S cur/1700000002.M1P1Q1.h:2,S cur/1700000003.M1P1Q1.h,S=18,W=21:2,RS " "messages that were read are marked so at QUIT"
OUT=$(lines 'DELE 1' 'RETR 1' 'DELE 1' 'LIST 1' 'UIDL 1' QUIT | pop "$POP3_PORT")
is "$(printf '%s\n' "$OUT" | grep -c 'ERR Message is deleted')" 4 "a deleted message cannot be read, deleted, listed"
is "$(count_files "$MAILDIR")" 2 "QUIT deletes what was marked"
like "$(cat "$LOG")" 'pop3-login: Login: user=<'"$USER_ADDR"'>, method=PLAIN, rip=127.0.0.1, lip=127.0.0.1' "the login is logged"
like "$(cat "$LOG")" 'Logged out top=2/[0-9]+, retr=2/75, del=0/3, size=96' "the end of the session is logged with its counts"
like "$(cat "$LOG")" 'Logged out top=0/0, retr=0/0, del=1/3' "and the deletions"

# --- arguments ---
mailbox
OUT=$(for a in 0 -1 4 2147483648 18446744073709551616 1x x '' '1 1' 99999999999999999999999; do lines "RETR $a"; done | { cat; lines QUIT; } | pop "$POP3_PORT")
is "$(printf '%s\n' "$OUT" | grep -c '^-ERR')" 10 "numbers that are no message's are refused"
OUT=$(lines 'TOP 1' 'TOP 1 -1' 'TOP 1 x' 'TOP 1 99999999999999999999' 'TOP 1 1 1' 'STAT x' FOO "$(printf 'ST\001AT')" QUIT | pop "$POP3_PORT")
is "$(printf '%s\n' "$OUT" | grep -c '^-ERR')" 8 "so are other malformed commands"
OUT=$(lines 'TOP 1 2147483648' QUIT | pop "$POP3_PORT")
like "$OUT" '^body' "TOP with more lines than there are gives all"

# --- before the login ---
OUT=$(lines STAT 'RETR 1' 'PASS x' CAPA QUIT | raw "$POP3_PORT" | tr -d '\r')
is "$(printf '%s\n' "$OUT" | grep -c '^-ERR')" 3 "nothing but a login is possible at first"
like "$OUT" '^SASL PLAIN' "CAPA tells of SASL PLAIN"
for c in TOP UIDL RESP-CODES PIPELINING STLS USER; do like "$OUT" "^$c\$" "CAPA tells of $c"; done
OUT=$({ head -c 10000000 /dev/zero | tr '\0' x; printf '\r\n'; lines QUIT; } | raw "$POP3_PORT" | tr -d '\r')
is "$OUT" "+OK mtakit ready.
-ERR Line is too long.
+OK Logging out." "a line of 10 MB before the login is refused, and the session goes on"
OUT=$(i=0; while [ $i -lt 100 ]; do lines FOO; i=$((i + 1)); done | raw "$POP3_PORT")
is "$(printf '%s\n' "$OUT" | grep -c 'Unknown command')" 20 "after 20 errors the connection is closed"
OUT=$(lines "USER $USER_ADDR" 'PASS wrong' 'USER nobody' 'PASS wrong' QUIT | raw "$POP3_PORT" | tr -d '\r')
is "$(printf '%s\n' "$OUT" | grep -c '^-ERR \[AUTH\] Authentication failed.$')" 2 "wrong password and unknown user get the same reply"
like "$(cat "$LOG")" 'pop3-login: Disconnected: Aborted login \(auth failed, 2 attempts\): user=<nobody>, method=PLAIN, rip=127.0.0.1' "failed logins are logged"
P64=$(printf '\0%s\0%s' "$USER_ADDR" "$PASSWORD" | base64 | tr -d '\n')
is "$(lines "AUTH PLAIN $P64" STAT QUIT | raw "$POP3_PORT" | tr -d '\r' | sed -n 3p)" "+OK 3 96" "AUTH PLAIN with an initial response"
is "$(lines "AUTH PLAIN" "$P64" STAT QUIT | raw "$POP3_PORT" | tr -d '\r' | sed -n '2p;4p' | tr '\n' '|')" "+ |+OK 3 96|" "AUTH PLAIN without one"
is "$(lines "AUTH PLAIN" "*" "AUTH PLAIN !!!" "AUTH FOO" QUIT | raw "$POP3_PORT" | grep -c '^-ERR')" 3 "AUTH: cancelled, bad base64, unknown mechanism"

# --- sizes: what LIST says is what is sent ---
rm -rf "$MAILDIR"; mkdir -p "$MAILDIR/new"
: > "$MAILDIR/new/1.empty"
printf 'a\0b\n\0\n' > "$MAILDIR/new/2.nul"
printf 'a\rb\r\nc\n\r\n\r\r\n.\n..\n\n' > "$MAILDIR/new/3.odd"
printf 'end in cr\r' > "$MAILDIR/new/4.cr"
perl -e 'for (1..3000) { print "." x ($_ % 70), "\n" }' > "$MAILDIR/new/5.dots"
perl -e 'print "x" x 32767, "\r\n", "y" x 32767, "\n.", "z" x 65534, "\n.\n"' > "$MAILDIR/new/6.edges"
as_owner "$MAILDIR"
perl -MIO::Socket::INET -e '
my ($port, $user, $pass) = @ARGV;
my $s = IO::Socket::INET->new("127.0.0.1:$port") or die; binmode $s;
sub line { my $l = <$s>; $l =~ s/\r\n\z// or die "line end"; $l } sub say1 { print $s "$_[0]\r\n"; line() }
line(); say1("USER $user"); say1("PASS $pass") =~ /^\+OK/ or die; say1("LIST");
my %size; while ((my $l = line()) ne ".") { my ($n, $o) = split " ", $l; $size{$n} = $o }
my $bad = 0;
for my $n (1..6) { say1("RETR $n"); my $o = 0; while ((my $l = <$s>) ne ".\r\n") { $l =~ s/^\.//; $o += length $l } $bad++, print "# $n: listed $size{$n}, got $o\n" if $o != $size{$n} }
print "bad $bad\n"' "$POP3_PORT" "$USER_ADDR" "$PASSWORD" > "$T/sizes"
is "$(tail -1 "$T/sizes")" "bad 0" "octet counts are exact: empty, NUL, bare LF and CR, dots at the edges of blocks" || cat "$T/sizes"
lines 'RETR 6' QUIT | pop "$POP3_PORT" | sed '1d;$d' | sed '$d' | sed 's/^\.//' > "$T/edges"
tr -d '\r' < "$(find "$MAILDIR" -name '6.edges*')" > "$T/want"
same "$T/edges" "$T/want" "dots at the edges of blocks arrive as they were"

# --- lost connections, vanished things ---
mailbox
lines 'DELE 1' 'DELE 2' | pop "$POP3_PORT" > "$T/out"
sleep 0.2
is "$(count_files "$MAILDIR")" 3 "a connection lost before QUIT deletes nothing"
mailbox
{ lines "USER $USER_ADDR" "PASS $PASSWORD" STAT; sleep 1; lines 'RETR 1' 'DELE 2' 'TOP 3 0' QUIT; } | raw "$POP3_PORT" > "$T/out" &
W=$!
sleep 0.5; rm -rf "$MAILDIR"; wait $W
is "$(tr -d '\r' < "$T/out" | tail -4 | tr '\n' '|')" "-ERR Message is gone.|+OK Marked to be deleted.|-ERR Message is gone.|+OK Logging out, messages deleted.|" \
	"a mailbox removed during the session: messages are gone, no crash"
mailbox
{ lines "USER $USER_ADDR" "PASS $PASSWORD" STAT; sleep 1; lines 'RETR 1' 'DELE 1' QUIT; } | raw "$POP3_PORT" > "$T/out" &
W=$!
sleep 0.5; mv "$MAILDIR/new/1700000001.M1P1Q1.h" "$MAILDIR/cur/1700000001.M1P1Q1.h:2,FS"; wait $W
like "$(tr -d '\r' < "$T/out")" '^body' "a message that another program renamed is still read"
is "$(find "$MAILDIR" -name '1700000001*' | wc -l)" 0 "and deleted"
rm -rf "$MAILDIR"
is "$(lines STAT LIST QUIT | pop "$POP3_PORT" | head -1)" "+OK 0 0" "no mailbox yet: no messages"

# --- STLS ---
mailbox
OUT=$(printf 'STLS\r\nUSER a\r\nSTAT\r\n' | raw "$POP3_PORT" | tr -d '\r' | grep -ac '^+OK\|^-ERR')
is "$OUT" 2 "commands sent along with STLS are thrown away"
if have_program openssl; then
	OUT=$({ sleep 0.3; lines CAPA "USER $USER_ADDR" "PASS $PASSWORD" STLS QUIT; sleep 0.5; } |
		timeout 20 openssl s_client -quiet -starttls pop3 -connect "127.0.0.1:$POP3_PORT" 2>/dev/null | tr -d '\r')
	like "$OUT" 'Logged in' "login after STLS"
	unlike "$OUT" '^STLS$' "CAPA does not offer STLS again"
fi

# --- plaintext logins ---
mta -q -C "$DIR" stop
P=$(free_port)
background mtapop -C "$CONF" -o disable_plaintext_auth=yes -o inet_interfaces=127.0.0.1 -l "127.0.0.2:$P" -l "127.0.0.1:$P"
background mtaauth -C "$CONF" < /dev/null
A=$!
wait_for 5 test -S "$QUEUE/private/auth"
sleep 0.3
OUT=$(lines CAPA "USER $USER_ADDR" "AUTH PLAIN $P64" QUIT | timeout 10 socat -t 5 - "TCP:127.0.0.1:$P,bind=127.0.0.3" | tr -d '\r')
is "$(printf '%s\n' "$OUT" | grep -c '^-ERR \[AUTH\] Plaintext')" 2 "a password in the clear from another host is refused"
unlike "$OUT" '^(USER|SASL)' "and not offered"

# --- one client does not take all the places ---
H=$(free_port)
background mtapop -C "$CONF" -l "127.0.0.1:$H" -o default_process_limit=6 -o pop3_login_timeout=3s
wait_for 5 nc -z 127.0.0.1 "$H"
for i in 1 2 3 4 5; do
	timeout 20 socat -u "TCP:127.0.0.1:$H,bind=127.0.0.2" "CREATE:$T/many.$i" &
done
wait_for 2 grep -q ERR "$T"/many.*
is "$(cat "$T"/many.* | grep -c '^+OK')" 3 "one address gets half of the places"
like "$(cat "$T"/many.*)" '^-ERR .*Too many connections' "then it is told why"
like "$(echo QUIT | timeout 5 socat -t 2 - "TCP:127.0.0.1:$H,bind=127.0.0.3")" '^\+OK Logging out' "another one is served"
wait_for 5 sh -c "[ \$(cat '$T'/many.* | grep -c 'inactivity') -eq 3 ]"
ok $? "who does not log in is sent away after pop3_login_timeout"
{ for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do lines CAPA; sleep 0.5; done; } 2>/dev/null |
	timeout 20 socat -t 1 - "TCP:127.0.0.1:$H,bind=127.0.0.2" > "$T/out" 2>&1
like "$(cat "$T/out")" 'inactivity' "however busy it looks"

# --- the owner of a mailbox serves it ---
if [ "$(id -u)" = 0 ]; then
	printf 'secret\n' | mtapasswd -C "$CONF" -p -u 4242 -g 4343 -m "maildir:$T/own" add own
	mkdir -p "$T/own/new"
	printf 'Subject: own\n\nprivate\n' > "$T/own/new/1.own"
	chown -R 4242:4343 "$T/own"; chmod 700 "$T/own"
	OUT=$(lines 'USER own' 'PASS secret' 'RETR 1' 'DELE 1' QUIT | raw "$P" | tr -d '\r')
	like "$OUT" '^private$' "a mailbox of another user is served, all commands in one packet"
	OUT=$(printf 'USER own\r\nPASS secret\r\nNO\0OP\r\nSTAT\r\nNOOP\r\nQUIT\r\n' | raw "$P" | tr -d '\r' | sed 1,3d)
	is "$OUT" "-ERR Control character in command.
+OK 0 0
+OK
+OK Logging out." "NUL in what was pipelined behind PASS"
	is "$(count_files "$T/own/new")" 0 "and its message deleted"
	printf 'Subject: own\n\nprivate\n' > "$T/own/new/1.own"; chown 4242 "$T/own/new/1.own"
	{ lines 'USER own' 'PASS secret' STAT; sleep 5; lines QUIT; } | raw "$P" > "$T/out" &
	W=$!
	confined() { [ "$(sed -n 's/^Seccomp:[^0-9]*//p' "/proc/$(ps -eo uid,pid,comm | awk '$1 == 4242 && $3 == "mtapop" { print $2 }' | head -1)/status" 2>/dev/null)" = 2 ]; }
	wait_for 10 confined
	OUT=$(ps -eo uid,gid,comm | awk '$1 == 4242 && $3 == "mtapop" { print $1 ":" $2 }')
	is "$OUT" 4242:4343 "by a process of its owner"
	PID=$(ps -eo uid,pid,comm | awk '$1 == 4242 && $3 == "mtapop" { print $2 }' | head -1)
	is "$(sed -n 's/^\(CapEff\|CapPrm\|NoNewPrivs\|Seccomp\):[^0-9]*//p' "/proc/$PID/status" 2>/dev/null | tr '\n' ' ')" \
		"0000000000000000 0000000000000000 1 2 " "which has no capabilities, gets none, and is confined"
	wait $W
	if have_program openssl; then
		S=$(free_port)
		background mtapop -C "$CONF" -l "tls:127.0.0.1:$S"
		sleep 0.5
		OUT=$({ sleep 0.3; lines 'USER own' 'PASS secret' 'RETR 1' QUIT; sleep 0.5; } | timeout 20 openssl s_client -quiet -connect "127.0.0.1:$S" 2>/dev/null)
		like "$OUT" 'private' "and through TLS"
	fi
	for id in 0:4343 4242:0; do
		set -- "${id%:*}" "${id#*:}"
		printf 'secret\n' | mtapasswd -C "$CONF" -p -m "maildir:$T/own" add "bad$1" 2>/dev/null
		mtamap -s "tdb:$CONF/users" | sed -n "s/^bad$1	//p" > "$T/rec"
		printf 'bad%s %s\tuid=%s\tgid=%s\n' "$1" "$(cat "$T/rec")" "$1" "$2" | mtamap -ir "$CONF/users"
		OUT=$(lines "USER bad$1" 'PASS secret' STAT QUIT | raw "$P" | tr -d '\r' | tail -1)
		like "$OUT" 'not possible' "nobody's session runs as uid $1 gid $2"
	done
else
	skip 7 "needs root"
fi
kill "$A"
sleep 0.3
OUT=$(lines "USER $USER_ADDR" "PASS $PASSWORD" QUIT | raw "$P" | tr -d '\r')
like "$OUT" '^-ERR \[SYS/TEMP\]' "without mtaauth a login is a temporary failure"

# --- standard input ---
background mtaauth -C "$CONF" < /dev/null
wait_for 5 test -S "$QUEUE/private/auth"; sleep 0.2
OUT=$(lines "USER $USER_ADDR" "PASS $PASSWORD" STAT QUIT | timeout 10 mtapop -C "$CONF" 2>/dev/null | tr -d '\r')
like "$OUT" '^\+OK 3 96$' "a session on a pipe"
mtapop -x > "$T/out" 2>&1
is $? 64 "an unknown option: usage error"

# --- big ---
rm -rf "$MAILDIR"; mkdir -p "$MAILDIR/new"
perl -e 'my $l = "." . ("x" x 70) . "\n"; print "Subject: big\n\n"; print $l x 1456355' > "$MAILDIR/new/1700000000.big.h"
as_owner "$MAILDIR"
lines 'RETR 1' QUIT | pop "$P" | sed '1d;$d' | sed '$d' | sed 's/^\.//' | cksum > "$T/got"
cksum < "$(find "$MAILDIR" -type f)" > "$T/want"
same "$T/got" "$T/want" "a message of 100 MB arrives as it was"
PEAK=$(for p in $(pgrep -f "^mtapop.*$P"); do sed -n 's/^VmHWM:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$p/status"; done | sort -n | tail -1)
diag "peak memory of a process: $PEAK KB"
ok "$([ "${PEAK:-99999}" -lt 20000 ]; echo $?)" "with less than 20 MB of memory"
done_testing
