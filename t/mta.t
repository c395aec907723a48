#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mta(8): starting, stopping, watching the services of a private mail system.
. "$(dirname "$0")/lib.sh"

have_program mta mtaconf || skip_all "mta is not built"

# A service for tests: says that it is ready (with the word "ready" in its arguments), then waits. "fail": ends at once.
cat >"$T/fake" <<'END'
#!/usr/bin/perl
use IO::Socket::UNIX; use Socket;
print STDERR "fake: no luck today\n" and exit 70 if grep { $_ eq 'fail' } @ARGV;
$SIG{HUP} = sub { open my $f, '>>', "$0.hup"; print $f "$$\n" };
$SIG{TERM} = sub { exit 0 } unless grep { $_ eq 'stubborn' } @ARGV;
$SIG{TERM} = 'IGNORE' if grep { $_ eq 'stubborn' } @ARGV;
if ($ENV{NOTIFY_SOCKET} && grep { $_ eq 'ready' } @ARGV) {
	my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => $ENV{NOTIFY_SOCKET}) or die; $s->send("READY=1");
}
sleep 1 while 1;
END
chmod +x "$T/fake"
pid() { cat "$QUEUE/pid/$1.pid" 2>/dev/null; }
left() { find "$QUEUE/pid" -type f ! -name mta.pid; }
gone() { ! kill -0 "$1" 2>/dev/null; }
restarted() { [ -n "$(pid a)" ] && [ "$(pid a)" != "$old" ]; }

mail_config services="a b" service_a="$T/fake ready" service_b="$T/fake ready \$mydomain" fork_delay=0
C="mta -C $DIR"
SYSTEMS=$DIR

# --- not running ---
out=$($C status); is $? 3 "status of a system that is not running exits with 3"
like "$out" "not running" "and says so"
$C stop 2>/dev/null; is $? 1 "stop of a system that is not running fails"
$C reload 2>/dev/null; is $? 1 "reload, too"

# --- start, status, a second start ---
out=$($C start 2>&1); is $? 0 "start"
like "$out" "^mta: started" "says that it did"
out=$($C status); is $? 0 "status of a running system exits with 0"
like "$out" "^a +running +$(pid a) " "and shows the services with their processes"
like "$(tr '\0' ' ' <"/proc/$(pid b)/cmdline")" "$T/fake -C $DIR ready $DOMAIN" "a service gets -C and its words with names expanded"
is "$(readlink "/proc/$(pid a)/fd/1")" /dev/null "its standard output leads nowhere"
like "$(cat "$LOG")" "^[A-Z][a-z]{2} [ 0-9]{2} [0-9:]{8} [^ ]+ mta/master\[[0-9]+\]: daemon started" "the log has lines like Postfix's"
out=$($C start 2>&1); is $? 1 "a second start fails"
like "$out" "already running \(process [0-9]+\)" "and says why"

# --- a service dies ---
old=$(pid a); kill -9 "$old"
wait_for 5 restarted; ok $? "a service that was killed is started again"
like "$(cat "$LOG")" "service a: process $old was ended by signal 9 .*started again" "with a line in the log"

# --- reload ---
old=$(pid a); oldb=$(pid b)
mtaconf -C "$DIR" services="a c" service_c="$T/fake ready"
$C -q reload; is $? 0 "reload"
wait_for 5 test -s "$QUEUE/pid/c.pid"; ok $? "starts a new service"
wait_for 5 gone "$oldb"; ok $? "ends one that is named no more"
is "$(pid a)" "$old" "leaves the others running"
wait_for 5 grep -q "^$old$" "$T/fake.hup"; ok $? "and tells them by SIGHUP"
mtaconf -C "$DIR" service_a="$T/fake ready other"
$C -q reload; wait_for 5 restarted; ok $? "a service with another command line is started anew"
echo 'message_size_limit = x' >>"$DIR/main.cf"
out=$($C reload 2>&1); is $? 78 "reload of a wrong main.cf is refused"
like "$out" "main.cf:[0-9]+: message_size_limit" "with file and line"
mtaconf -C "$DIR" -X message_size_limit
is "$($C -q reload 2>&1)" "" "reload of a good main.cf warns of nothing"
echo 'mesage_size_limit = 1000' >>"$DIR/main.cf"
out=$($C reload 2>&1); is $? 0 "reload with a misspelt name succeeds"
like "$out" "^mta: .*main.cf:[0-9]+: .*mesage_size_limit: unknown parameter; did you mean message_size_limit" "but warns, with file and line"
sed -i '/^mesage_size_limit/d' "$DIR/main.cf"
mv "$LOG" "$LOG.1"; $C -q reload
wait_for 5 grep -q 'reload' "$LOG"; ok $? "after the log was rotated, reload begins a new one"
is "$(readlink "/proc/$(sed 1q "$QUEUE/pid/mta.pid")/fd/2")" "$LOG" "also for standard error"

# --- stop ---
a=$(pid a); m=$(sed 1q "$QUEUE/pid/mta.pid")
$C -q stop; is $? 0 "stop"
wait_for 2 gone "$a" && wait_for 2 gone "$m"; ok $? "all processes are gone when it returns"
is "$(left)" "" "and their pid files"

# --- the supervisor is killed ---
$C -q start; a=$(pid a); kill -9 "$(sed 1q "$QUEUE/pid/mta.pid")"
wait_for 5 gone "$a"; ok $? "when the supervisor is killed, its services end"
$C status >/dev/null; is $? 3 "and the pid file it left does not count"
$C -q start; is $? 0 "the system can be started again"
$C -q abort; is $? 0 "abort"

background $C start-fg
wait_for 5 test -s "$QUEUE/pid/a.pid"; $C status >/dev/null; is $? 0 "start-fg stays in the foreground and runs the system"
kill -TERM $!; wait $!; is $? 0 "and ends by SIGTERM"

# --- services that do not start ---
out=$($C -o service_a="$T/fake fail" start 2>&1); is $? 69 "start fails when a service ends at once"
like "$out" "service a: .* exit status 70: fake: no luck today" "with its exit status and what it said"
is "$(left)" "" "and nothing is left running"
out=$($C -o service_a="$T/nonexistent" start 2>&1); is $? 69 "start fails when a program is not there"
like "$out" "nonexistent: No such file" "and says so"
out=$($C -o services="a zz" start 2>&1); is $? 78 "a service without a command line is an error of the configuration"
like "$out" "service_zz" "and the parameter is named"
port=$(free_port); background perl -MIO::Socket::INET -e "my \$s = IO::Socket::INET->new(LocalAddr => '127.0.0.1:$port', Listen => 1) or die; sleep 60"
wait_for 5 perl -MIO::Socket::INET -e "IO::Socket::INET->new('127.0.0.1:$port') or exit 1"
if have_program mtasmtp; then
	out=$($C -o "service_a=mtasmtp -l 127.0.0.1:$port" start 2>&1); is $? 69 "start fails when a port is taken"
	like "$out" "$port.*Address already in use" "and says which"
else
	skip 2 "mtasmtp is not built"
fi
out=$($C -o service_start_timeout=1 -o "service_a=$T/fake -l 127.0.0.1:1" start 2>&1); is $? 69 "start fails when a service does not answer in time"
like "$out" "service a .*does not answer: .*127.0.0.1:1: Connection refused" "and says where"
$C -q -o service_a="$T/fake ready stubborn" -o service_stop_timeout=1 start; a=$(pid a)
$C -q -o service_stop_timeout=1 stop; is $? 0 "a service that does not end is killed after service_stop_timeout"
gone "$a"; ok $? "and is gone then"

# --- check ---
mtaconf -C "$DIR" services=a
out=$($C check 2>&1); is "$?/$out" "0/" "check of a good system finds nothing"
rmdir "$QUEUE/defer"; out=$($C check 2>&1); is $? 0 "a missing directory"
like "$out" "made $QUEUE/defer" "is made, with a word"
chmod 755 "$QUEUE/hold"; out=$($C check 2>&1); is $? 78 "a directory with a wrong mode is an error"
like "$out" "$QUEUE/hold .*mode 755" "that is named"
$C start >/dev/null 2>&1; is $? 78 "the system does not start with it"
$C set-permissions 2>/dev/null; is "$?/$(stat -c %a "$QUEUE/hold")" 0/700 "set-permissions puts it right"
mtaconf -C "$DIR" smtpd_reipient_limit=1 2>/dev/null
out=$($C check 2>&1); is $? 78 "check tells what mtaconf check finds"
like "$out" "did you mean smtpd_recipient_limit" "as it does"
mtaconf -C "$DIR" -X smtpd_reipient_limit 2>/dev/null

mtaconf -C "$DIR" services='a pop3s submissions' smtpd_tls_cert_file= smtpd_tls_key_file= smtpd_tls_security_level=
out=$($C check 2>&1); is $? 78 "a service for TLS alone without a certificate is an error"
like "$out" "error: service pop3s .*there is no certificate: set smtpd_tls_cert_file" "that says what to do"
like "$out" "warning: service submissions .*there is no certificate" "submissions starts, and is of no use"
$C set-permissions; is $? 0 "for set-permissions it is none"
out=$($C start 2>&1); is $? 78 "start finds it, too"
like "$out" "service pop3s .*there is no certificate" "and says so"
mtaconf -C "$DIR" services='a pop3s' service_pop3s='mtapop -l tls:1 -o ssl_cert=/x'
out=$($C check 2>&1); is "$?/$out" 0/ "one that brings its own is not meant"
mtaconf -C "$DIR" -X service_pop3s smtpd_tls_security_level; mtaconf -C "$DIR" services=a
if [ ! -e /dev/log ]; then
	like "$($C -o maillog_file= check 2>&1)" "warning: maillog_file is empty and there is no syslog" "a log that goes nowhere is told"
	mtaconf -C "$DIR" services=b service_b="$T/silent"; printf '#!/bin/sh\nexit 7\n' >"$T/silent"; chmod +x "$T/silent"
	like "$($C -o maillog_file= start 2>&1)" "exit status 7; there is no syslog .*set maillog_file" "and where the reason of a failure is to be had"
	mtaconf -C "$DIR" services=a
fi
if [ "$(id -u)" -eq 0 ]; then
	mkdir -p "$T/closed/in" && chmod 700 "$T/closed"
	out=$($C -o queue_directory="$T/closed/in/queue" check 2>&1); is $? 78 "a queue that mail_owner cannot reach is an error"
	like "$out" "error: user [^ ]+ \(mail_owner\) cannot reach $T/closed/in/queue: $T/closed is closed to it" "that names the directory"
	out=$(mtaconf init "$T/closed/in/mail" 2>&1); is $? 0 "mtaconf init makes a system there"
	like "$out" "warning: user [^ ]+, who will run the servers, cannot reach" "with a warning"
	out=$(mta -C "$T/closed/in/mail" start 2>&1); is $? 78 "that does not start"
	like "$out" "cannot reach $T/closed/in/mail/queue: $T/closed is closed" "and says why"
fi

# --- other names, other users, wrong use ---
ln -s "$B/mta" "$T/postfix"
P="$T/postfix -c $DIR" S="postfix/postfix-script: "
is "$($P start 2>&1; echo $?)" "${S}starting the Postfix mail system
0" "postfix start, with Postfix's words and status"
is "$($P start 2>&1; echo $?)" "${S}fatal: the Postfix mail system is already running
1" "a second start"
is "$($P status 2>&1; echo $?)" "${S}the Postfix mail system is running: PID: $(sed 1q "$QUEUE/pid/mta.pid")
0" "postfix status"
is "$($P reload 2>&1; echo $?)" "${S}refreshing the Postfix mail system
0" "postfix reload"
is "$($P check 2>&1; echo $?)$($P flush 2>&1; echo $?)$($P set-permissions 2>&1; echo $?)" 000 "postfix check, flush, set-permissions say nothing"
is "$($P stop 2>&1; echo $?)" "${S}stopping the Postfix mail system
0" "postfix stop"
is "$($P status 2>&1; echo $?)" "${S}the Postfix mail system is not running
1" "postfix status of a system that is down"
for v in stop abort reload; do
	is "$($P $v 2>&1; echo $?)" "${S}fatal: the Postfix mail system is not running
1" "postfix $v of a system that is down"
done
$P nosuch 2>/dev/null; is $? 1 "an unknown command"
$P start 2>/dev/null; is "$($P abort 2>&1; echo $?)" "${S}aborting the Postfix mail system
0" "postfix abort"
$C -q condrestart; is $? 0 "condrestart of a system that is not running does nothing"
$C -q restart; is $? 0 "restart starts it"; a=$(pid a)
$C -q restart; gone "$a"; is $? 0 "restart of a running one ends it first"; $C -q stop
out=$(mta -C "$DIR" begin 2>&1); is $? 64 "an unknown command is a usage error"
like "$out" "usage: mta" "with the usage"
mta -C "$T/nonexistent" start 2>/dev/null; is $? 78 "no configuration"
if [ "$(id -u)" -eq 0 ] && have_program setpriv; then
	mkdir "$T/u"; chown nobody "$T/u"
	u="setpriv --reuid=nobody --regid=nogroup --clear-groups"
	$u mtaconf init "$T/u/p" services=a service_a="$T/fake ready" >/dev/null 2>&1
	$u mta -q -C "$T/u/p" start; is $? 0 "an ordinary user starts a private system"
	is "$(ps -o user= -p "$(cat "$T/u/p/queue/pid/a.pid")")" nobody "that runs as that user"
	$u mta -q -C "$T/u/p" stop; is $? 0 "and stops it"
	$C -q start; $u mta -C "$DIR" stop 2>/dev/null; is $? 77 "but not somebody else's"
	out=$($u mta -C "$DIR" status); is $? 0 "whose status is for all to see"; $C -q stop
else
	skip 5 "not root"
fi

# --- the whole system ---
if have_program mtasmtp mtaqmgr mtaauth mtapop mtadeliver mtaqueue; then
	mail_system
	is "$(mta -C "$DIR" status | grep -c ' running ')" 10 "the whole system starts: ten services"
	unlike "$(cat "$LOG")" "connect from|warning" "without a warning, and without a connection to itself"
	mta -C "$DIR" flush; is $? 0 "flush"
	mail_stop; is $? 0 "and stops"
	is "$(left)" "" "all of it"
else
	skip 5 "not all programs are built"
fi

done_testing
