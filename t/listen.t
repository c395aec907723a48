#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# How a server gets its connection, all five ways, and its pool of workers: by a tiny server that
# stands on the same code as all others.
# shellcheck disable=SC2015,SC2016,SC2317
set -u
. "$(dirname "$0")/lib.sh"
ECHO=$B/t/echoserver
# a confined worker cannot be searched for leaks, and a crash shall be one (make SAN=1)
ASAN_OPTIONS=detect_leaks=0:handle_segv=0; export ASAN_OPTIONS
cd "$T" || exit 1

# check NAME COMMAND... - passes when COMMAND succeeds
check() {
	name=$1
	shift
	if "$@"; then
		pass "$name"
	else
		fail "$name"
		[ ! -s log ] || diag "log: $(cat log)"
	fi
}
# One that is free on all addresses, and not of those that the kernel gives to connections of others meanwhile.
port() {
	perl -MIO::Socket::INET -e 'for (1..200) { my $p = 15000 + int rand 17000;
		print $p and exit if IO::Socket::INET->new(Listen => 1, LocalAddr => "0.0.0.0", LocalPort => $p) }'
}
# talk PORT LINE... - says the lines, prints what comes back
talk() {
	where=$1
	shift
	for line; do printf '%s\r\n' "$line"; done | nc -N -w 5 127.0.0.1 "$where" | tr -d '\r'
}
talks() { talk "$PORT" "$@"; }
has() { printf '%s\n' "$out" | grep -qE -- "$1"; }
# until_ok COMMAND... - tries for ten seconds
until_ok() {
	n=0
	until "$@" >/dev/null 2>&1; do
		n=$((n + 1))
		[ $n -lt 200 ] || return 1
		sleep 0.05
	done
}
answers() { talk "$PORT" QUIT | grep -q '^220'; }
refuses() { ! nc -z 127.0.0.1 "$PORT" 2>/dev/null; }
# start ARGUMENT... - runs the server on its port (or what $LISTEN says)
start() {
	PORT=$(port)
	: >log
	# shellcheck disable=SC2086
	"$ECHO" -l "${LISTEN:-127.0.0.1:$PORT}" $USERARG "$@" 2>log </dev/null &
	SERVER=$!
	PIDS="$PIDS $SERVER"
	until_ok answers || diag "server does not answer: $(cat log)"
}
stop() {
	kill "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	status=$?
}
workers() { pgrep -P "$SERVER" | wc -l; }
worker_count_is() { [ "$(workers)" -eq "$1" ]; }
worker_count_over() { [ "$(workers)" -gt "$1" ]; }

root=false
USERARG=
me=$(id -u)
[ "$(id -u)" -ne 0 ] || { root=true; USERARG='-u nobody'; me=$(id -u nobody); }

## by hand
# shellcheck disable=SC2086
out=$(printf 'WHO\r\nASK\r\nQUIT\r\n' | "$ECHO" $USERARG 2>log | tr -d '\r')
check 'on a pipe it serves one session on standard input and output' has "peer=stdin uid=-1 .* terminal=1 me=$me\$"
check 'and its privileged parent answers it' has "^250 monitor uid=$(id -u)\$"
out=$("$ECHO" -N </dev/null 2>/dev/null | tr -d '\r')
check 'with nothing on standard input it ends' has '^220 ready'
"$ECHO" -l nonsense:here:25 </dev/null 2>log
check 'an address that is none is a usage error' [ $? -eq 64 ]
check 'which is told' grep -qx 'echoserver: listen on nonsense:here:25: not host:port, port or unix:/path' log
if $root; then
	"$ECHO" -u root </dev/null >out 2>log
	check 'it does not serve as root when told to be another user that is root' [ $? -eq 78 -a ! -s out ]
	"$ECHO" -u no-such-user </dev/null >out 2>log
	check 'nor when that user does not exist' grep -q 'become user no-such-user: no such user' log
else
	skip 2 'not root'
fi

## -l
start -n 2
out=$(talks WHO QUIT)
check 'with -l host:port it serves there' has "peer=127.0.0.1 uid=-1 local=127.0.0.1:$PORT tls=0 terminal=0 me=$me"
"$ECHO" -l "127.0.0.1:$PORT" </dev/null 2>log2
check 'a second server on the same port ends' [ $? -eq 69 ]
check 'saying why' grep -qx "echoserver: listen on 127.0.0.1:$PORT: Address already in use" log2
check 'as many workers as it shall are ready' until_ok worker_count_over 1
one=$(talks PID QUIT | sed -n 's/^250 pid=//p')
two=$(talks PID QUIT | sed -n 's/^250 pid=//p')
check 'a worker serves one connection after the other' [ "$one" = "$two" -a -n "$one" ]
kill -9 "$one" 2>/dev/null
check 'a worker that is killed is reported with its signal' until_ok grep -q "worker $one killed by signal 9 (Killed)" log
check 'the others still serve' answers
check 'and it is replaced' until_ok worker_count_over 1
out=$(talks EXEC QUIT)
check 'a worker may not run programs' has '^250 Operation not permitted'
out=$(talks CRASH)
check 'a crash ends one session only' answers
check 'and is reported' until_ok grep -q 'killed by signal 11 (Segmentation fault)' log
stop "$SERVER"
check 'SIGTERM ends it with status 0' [ $status -eq 0 ]
check 'and nobody listens any more' refuses

PORT=$(port)
"$ECHO" -I "127.0.0.1 127.0.0.2" -l "$PORT" 2>log </dev/null &
SERVER=$!
PIDS="$PIDS $SERVER"
until_ok answers
out=$(printf 'WHO\r\nQUIT\r\n' | nc -N -w 5 127.0.0.2 "$PORT")
check 'with -l port it serves on each interface that is configured' has "local=127.0.0.2:$PORT"
check 'and on no other' sh -c "! nc -z 127.0.0.3 $PORT"
stop "$SERVER"
PORT=$(port)
"$ECHO" -I all -l "$PORT" 2>log </dev/null &
SERVER=$!
PIDS="$PIDS $SERVER"
until_ok answers
out=$(talks WHO QUIT)
check 'on all interfaces IPv4 clients are seen as such' has "peer=127.0.0.1 .* local=127.0.0.1:$PORT"
if nc -z ::1 "$PORT" 2>/dev/null; then
	out=$(printf 'WHO\r\nQUIT\r\n' | nc -N -w 5 ::1 "$PORT")
	check 'and IPv6 clients too' has "peer=::1 .* local=::1:$PORT"
else
	skip 1 'no IPv6 here'
fi
stop "$SERVER"

## Unix sockets
unix() { printf 'WHO\r\nQUIT\r\n' | nc -N -U -w 5 "$T/sock" | tr -d '\r'; }
unix_answers() { unix | grep -q ^220; }
"$ECHO" -l "unix:$T/sock" 2>log </dev/null &
SERVER=$!
PIDS="$PIDS $SERVER"
until_ok unix_answers
out=$(unix)
check "on a Unix socket it knows the caller's uid" has "peer=unix uid=$(id -u) "
check 'the socket has its mode' [ "$(stat -c %a sock)" = 666 ]
"$ECHO" -l "unix:$T/sock" 2>log2 </dev/null
check 'a second server does not take the socket away' grep -q "listen on unix:$T/sock: Address already in use" log2
check 'the first still serves' unix_answers
kill -9 "$SERVER"
wait "$SERVER" 2>/dev/null
check 'a server that was killed takes its workers along' until_ok sh -c "! nc -z -U $T/sock"
"$ECHO" -l "unix:$T/sock" 2>log </dev/null &
SERVER=$!
PIDS="$PIDS $SERVER"
check 'what it left behind does not disturb the next one' until_ok unix_answers
stop "$SERVER"
check 'a server that ends in order removes its socket' [ ! -e sock ]
echo precious >sock
"$ECHO" -l "unix:$T/sock" 2>log2 </dev/null
check 'a file that is no socket is left alone' [ "$(cat sock)" = precious ]

## the pool
start -n 1 -m 10 -i 1
for i in 1 2 3 4 5 6 7 8; do
	talks 'SLEEP 800' QUIT >"busy.$i" &
	eval "b$i=\$!"
done
sleep 0.4
check 'while eight clients are served a ninth does not wait' answers
eval "wait $b1 $b2 $b3 $b4 $b5 $b6 $b7 $b8"
check 'all eight got their replies' [ "$(cat busy.* | grep -c 'slept')" -eq 8 ]
check 'workers that are not needed any more end' until_ok worker_count_is 1
stop "$SERVER"
start -x 3
a=$(for i in 1 2 3 4 5 6; do talks PID QUIT; done | sed -n 's/^250 pid=//p' | sort | uniq -c | awk '$1 > 3 { bad = 1 } END { print bad + 0, NR }')
check 'a worker ends after as many sessions as it may serve' [ "${a% *}" = 0 -a "${a#* }" -ge 2 ]
stop "$SERVER"
start -m 2
talks 'SLEEP 600' QUIT >/dev/null & b1=$!
talks 'SLEEP 600' QUIT >/dev/null & b2=$!
sleep 0.2
out=$(talks WHO QUIT)
check 'when all workers that may run are busy a client waits and is served' has '^250 peer'
check 'and the log says so' grep -q 'all 2 workers are busy' log
wait $b1 $b2
stop "$SERVER"
start -p 2 -n 5
talks 'SLEEP 600' QUIT >/dev/null & b1=$!
talks 'SLEEP 600' QUIT >/dev/null & b2=$!
sleep 0.2
out=$(talks WHO QUIT)
check 'a client with too many connections is told so' has '^421 too many connections from 127.0.0.1'
out=$(printf 'WHO\r\nQUIT\r\n' | nc -N -w 5 -s 127.0.0.9 127.0.0.1 "$PORT")
check 'others are served' has 'peer=127.0.0.9'
wait $b1 $b2
out=$(talks WHO QUIT)
check 'and it is served again when the others are over' has '^250 peer'
stop "$SERVER"

## SIGTERM and SIGHUP
start
(printf 'SLEEP 700\r\n'; sleep 2) | nc -w 5 127.0.0.1 "$PORT" >under 2>&1 & b1=$!
(sleep 2) | nc -w 5 127.0.0.1 "$PORT" >idle 2>&1 & b2=$!
sleep 0.3
kill "$SERVER"
check 'after SIGTERM new connections are refused at once' until_ok refuses
wait "$SERVER"
check 'and it waits for its sessions' [ $? -eq 0 ]
check 'a session under way got its reply' grep -q '^250 slept' under
check 'and a good-bye' grep -q '^421' under
check 'an idle session got its good-bye' grep -q '^421' idle
kill $b1 $b2 2>/dev/null
echo one >greeting
start -g "$T/greeting" -n 2
check 'a setting is read' sh -c "nc -N -w 5 127.0.0.1 $PORT </dev/null | grep -q '^220 one'"
talks 'SLEEP 500' 'ECHO still' QUIT >busy & b1=$!
sleep 0.2
echo two >greeting
kill -HUP "$SERVER"
reloaded() { nc -N -w 5 127.0.0.1 "$PORT" </dev/null | grep -q '^220 two'; }
check 'after SIGHUP new sessions see the new setting' until_ok reloaded
wait $b1
check 'the session under way went on to its end' grep -q '^250 still' busy
rm greeting
kill -HUP "$SERVER"
until_ok grep -q 'reload failed' log
check 'when it cannot be read the old one stays' reloaded
echo three >greeting
(for i in 1 2 3 4 5 6 7 8 9 10; do kill -HUP "$SERVER"; sleep 0.05; done) & b1=$!
good=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	talks WHO QUIT | grep -q '^250 peer' && good=$((good + 1))
done
wait $b1
check 'no connection is lost while it reloads again and again' [ $good -eq 20 ]
out=$( (printf 'ECHO x\r\nFORK\r\n'; sleep 0.1; printf 'one\r\n'; sleep 0.1; kill "$SERVER"; sleep 0.5) | nc -w 5 127.0.0.1 "$PORT" | tr -d '\r')
check 'a session can go on in a process that the privileged parent forks' has "^250 taken over by uid=$(id -u)\$"
check 'which gets every byte from then on' has '^250 got one'
check 'and is told to end too' has '^421 the other process ends'
stop "$SERVER"

## TLS
if openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=first -keyout key -out crt >/dev/null 2>&1; then
	cat key crt >cert.pem
	chmod 600 cert.pem
	PORT=$(port)
	$ECHO $USERARG -c "$T/cert.pem" -n 3 -l "tls:127.0.0.1:$PORT" 2>log </dev/null &
	SERVER=$!
	PIDS="$PIDS $SERVER"
	client() { printf 'TLS\r\nPID\r\nQUIT\r\n' | timeout 10 openssl s_client -connect "127.0.0.1:$PORT" -quiet "$@" 2>&1; }
	tls_answers() { client | grep -q ^220; }
	until_ok tls_answers
	for v in tls1_2 tls1_3; do
		w=
		until [ -n "$w" ]; do
			client -$v -sess_out "sess.$v" >first
			w=$(sed -n 's/^250 pid=//p' first | tr -d '\r')
		done
		kill -9 "$w" # so that it is another worker that resumes
		out=$(client -$v -sess_in "sess.$v")
		check "another worker resumes a session ($v)" has '250 TLSv1\.[23] resumed'
	done
	out=$(client -tls1_1)
	check 'TLS 1.1 is refused' sh -c '! printf "%s" "$1" | grep -q ^220' x "$out"
	subject() { openssl s_client -connect "127.0.0.1:$PORT" </dev/null 2>/dev/null | grep -i '^subject'; }
	out=$(subject)
	check 'the certificate is served' has 'CN *= *first'
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=second -keyout key -out crt >/dev/null 2>&1
	cat key crt >cert.new && chmod 600 cert.new && mv cert.new cert.pem
	n=0
	until subject | grep -q 'CN *= *second'; do
		n=$((n + 1))
		[ $n -lt 80 ] || break
		sleep 0.1
	done
	out=$(subject)
	check 'a certificate that was replaced is served without a restart or signal' has 'CN *= *second'
	$root && diag 'workers may not read the new key themselves: their parent did'
	out=$(printf 'EHLO me\r\nQUIT\r\n' | nc -N -w 5 127.0.0.1 "$PORT")
	check 'plaintext on a TLS port is not answered in plaintext' sh -c '! printf "%s" "$1" | grep -q "^[25]"' x "$out"
	for name in "$(printf '%0255d' 0)" '../../etc/passwd' '%s%n' '*'; do
		openssl s_client -connect "127.0.0.1:$PORT" -servername "$name" </dev/null >/dev/null 2>&1
	done
	check 'odd server names (SNI) do no harm' tls_answers
	check 'nobody crashed' sh -c '! grep -q "signal 11" log'
	stop "$SERVER"
else
	skip 9 'no openssl(1)'
fi

## systemd
if command -v systemd-socket-activate >/dev/null; then
	PORT=$(port)
	systemd-socket-activate -l "127.0.0.1:$PORT" "$ECHO" -n 2 >log 2>&1 </dev/null &
	SERVER=$!
	PIDS="$PIDS $SERVER"
	until_ok answers
	out=$(talks WHO QUIT)
	check 'from systemd (LISTEN_FDS) it serves the listening socket' has "local=127.0.0.1:$PORT .*terminal=0"
	talks QUIT >/dev/null
	check 'with a pool' until_ok worker_count_over 1
	stop "$SERVER"
	check 'and ends on SIGTERM' [ $status -eq 0 ]
	for how in --accept '--accept --inetd'; do
		PORT=$(port)
		# shellcheck disable=SC2086
		systemd-socket-activate $how -l "127.0.0.1:$PORT" "$ECHO" >log 2>&1 </dev/null &
		SERVER=$!
		PIDS="$PIDS $SERVER"
		until_ok answers
		out=$(talks WHO QUIT)
		check "from systemd ($how) it serves one connection" has "peer=127.0.0.1 .*local=127.0.0.1:$PORT .*terminal=0"
		stop "$SERVER"
	done
else
	skip 5 'no systemd-socket-activate'
fi

## tcpserver
if command -v tcpserver >/dev/null; then
	PORT=$(port)
	tcpserver -HRl0 127.0.0.1 "$PORT" "$ECHO" 2>log </dev/null &
	SERVER=$!
	PIDS="$PIDS $SERVER"
	until_ok answers
	out=$(talks WHO QUIT)
	check 'under tcpserver it serves one connection' has "peer=127.0.0.1 .*local=127.0.0.1:$PORT .*terminal=0"
	stop "$SERVER"
else
	skip 1 'no tcpserver'
fi

## inetd
if ! $root; then
	skip 6 'inetd wants root'
elif ! command -v inetd >/dev/null; then
	skip 6 'no inetd'
else
	one=$(port)
	two=$(port)
	cat >inetd.conf <<-END
	127.0.0.1:$one stream tcp nowait root $ECHO echoserver -u nobody
	127.0.0.1:$two stream tcp wait root $ECHO echoserver -u nobody -n 2 -i 1
	END
	inetd -d "$T/inetd.conf" >log 2>&1 </dev/null &
	INETD=$!
	PIDS="$PIDS $INETD"
	PORT=$one
	until_ok answers
	out=$(talks WHO QUIT)
	check 'under inetd (nowait) it serves one connection' has "peer=127.0.0.1 .*local=127.0.0.1:$one .*terminal=0"
	check 'not as root' has "me=$me\$"
	PORT=$two
	until_ok answers
	out=$(talks WHO QUIT)
	check 'under inetd (wait) it serves the listening socket' has "local=127.0.0.1:$two .*terminal=0 me=$me\$"
	SERVER=$(pgrep -P "$INETD" | head -1)
	check 'with a pool' until_ok worker_count_over 1
	gone() { ! kill -0 "$SERVER"; }
	check 'when nobody comes it gives the socket back' until_ok gone
	check 'and inetd starts it again for the next one' answers
	stop "$INETD"
	for p in $(pgrep -f "^echoserver -u nobody -n 2 -i 1\$"); do [ "$(readlink "/proc/$p/exe")" = "$ECHO" ] && kill "$p"; done
fi

## memory
start -n 5 -m 250
perl -MIO::Socket::INET -e '
	my ($port, $server) = @ARGV;
	my @c = map { my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$port"); scalar <$s>; $s } 1 .. 200;
	my ($pss, $n) = (0, 0);
	for my $p ($server, split /\n/, `pgrep -P $server`) {
		open my $f, "<", "/proc/$p/smaps_rollup" or next;
		/^Pss: *(\d+)/ and $pss += $1, $n++ while <$f>;
	}
	printf "# 200 idle sessions: %d KiB PSS in %d processes, %.0f KiB a session\n", $pss, $n, $pss / 200;
	exit(@c != 200);
' "$PORT" "$SERVER"
check 'two hundred sessions at once are served' [ $? -eq 0 ]
stop "$SERVER"

done_testing
