#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# showq.t: the queue for users who may not read its directories: mailq, postqueue, sendmail -bp and -q, mtaqueue list, stat and
# flush ask the service showq (mtaqueue serve), which knows who they are; who may not, and hostile clients, get nothing.
. "$(dirname "$0")/lib.sh"
have_program mtaconf mtaqueue mta mtaqmgr || skip_all "mtaqueue, mtaqmgr, mta and mtaconf are not built"
[ "$(id -u)" -eq 0 ] && have_program setpriv || skip_all "needs root, to be another user as well"
mail_config services='qmgr showq' default_transport='retry:4.4.1 no way out' minimal_backoff_time=1h fast_flush_domains=one.test
MTA_CONFIG=$DIR; export MTA_CONFIG
SOCKET=$QUEUE/public/showq
for n in mailq sendmail; do ln -s "$B/sendmail" "$T/$n"; done
ln -s "$B/mtaqueue" "$T/postqueue"
PATH=$T:$PATH
# Two users: one that the password file knows, one that it does not.
DAEMON=$(id -u daemon)
as() { u=$1; shift; setpriv --reuid="$u" --regid="$u" --clear-groups timeout 20 "$@"; }
other() { as 12345 "$@"; }
# run COMMAND...: STATUS, and standard output and error in files
run() { "$@" >"$T/out" 2>"$T/err"; STATUS=$?; }

# --- the mail system is down ---
add() { mtaqueue add "$@" >>"$T/ids"; }
printf 'Subject: one\n\nThe text of it.\n' | add -f alice@example.com u1@one.test
printf 'Subject: two\n\nMore text.\n' | add -f bob@example.com u2@two.test u3@one.test
printf 'Subject: three\n\nHeld.\n' | add --hold -f '' u4@three.test
ID1=$(sed -n 1p "$T/ids") ID2=$(sed -n 2p "$T/ids") ID3=$(sed -n 3p "$T/ids")
run other mailq
is "$STATUS" 69 "mailq of an ordinary user says by its status that the mail system is down"
like "$(cat "$T/err")" "^mtaqueue: Queue report unavailable - mail system is down \\(connect to unix:" "and in words"
for c in 'postqueue -p' 'postqueue -f' 'postqueue -j' 'sendmail -bp' 'sendmail -q' 'mtaqueue stat'; do
	run other $c
	is "$STATUS $(grep -c 'mail system is down' "$T/err")" "69 1" "so does $c"
done
run mailq
is "$STATUS $(grep -c '@.*test$' "$T/out")" "0 4" "root sees the queue without it"

# --- the same for all ---
mail_start
wait_for 10 sh -c "[ \$(mtaqueue list --queue deferred --format %i | wc -l) = 2 ]"
without_age() { sed -E 's/(oldest[^ ]* )[0-9]+/\1N/; s/"origin": \{[^}]*\}//' "$1"; }
# same_as_root COMMAND...: output, messages and status of an ordinary user are those of root
same_as_root() {
	run "$@"; without_age "$T/out" >"$T/root.out"; cp "$T/err" "$T/root.err"; root=$STATUS
	run other "$@"; without_age "$T/out" >"$T/other.out"; cp "$T/other.out" "$T/out"
	if [ "$STATUS" = "$root" ] && cmp -s "$T/out" "$T/root.out" && cmp -s "$T/err" "$T/root.err"; then
		pass "\"$*\" prints for an ordinary user what it prints for root"
	else
		fail "\"$*\" prints for an ordinary user what it prints for root"
		diag "status $root and $STATUS"; diag "$(diff "$T/root.out" "$T/out"; diff "$T/root.err" "$T/err")"
	fi
}
same_as_root mailq
like "$(cat "$T/out")" "^$ID3! +22 .* MAILER-DAEMON\$" "with its shape"
same_as_root sendmail -bp
same_as_root postqueue -p
same_as_root postqueue -j
same_as_root mtaqueue list --format '%i %q %s %f %r %d'
same_as_root mtaqueue list -v --sort size --reverse --limit 2 --format %s
same_as_root mtaqueue list --to 'u2@*' --format %i
same_as_root mtaqueue list --from nobody@nowhere
same_as_root mtaqueue list "$ID1" 0abcdefgh "$ID3" --format %i
same_as_root mtaqueue list --sort nonsense
same_as_root mtaqueue list --no-such-option
same_as_root mtaqueue stat --by domain -j --sort age
same_as_root mtaqueue stat --prometheus --queue hold
same_as_root mtaqueue flush -n
same_as_root mtaqueue flush -n --from alice@example.com
same_as_root postqueue -q
same_as_root postqueue -s two.test
printf '%s  xyz\n\n%s*\n' "$ID2" "$ID3" >"$T/list"
other mtaqueue list --format %i - <"$T/list" >"$T/out"
is "$(cat "$T/out")" "$(printf '%s\n%s' "$ID2" "$ID3")" "IDs from standard input, - , reach the server"
other mtaqueue list - </dev/null >"$T/out" 2>&1
is "$? $(grep -c @ "$T/out")" "66 0" "and when there are none, nothing is meant"
here=$(TZ=Asia/Tokyo mtaqueue list --format %t "$ID1")
is "$(TZ=Asia/Tokyo other mtaqueue list --format %t "$ID1")" "$here" "times are those of the caller's time zone"
is "$(TZ='<X>-5:30' other mtaqueue list --format %t "$ID1")" "$(TZ='<X>-5:30' mtaqueue list --format %t "$ID1")" "also when that is a rule"
is "$(TZ=/etc/passwd other mtaqueue list --format %i "$ID1")" "$ID1" "a time zone that names a file is not passed on"
if have_program script; then
	printf 'stty cols 150; mtaqueue stat --by domain\n' >"$T/wide"
	like "$(other script -qec "sh $T/wide" /dev/null </dev/null)" '^(one|two).test .* ####' "on a terminal there are bars as wide as it"
else
	skip 1 "script is not installed"
fi

# --- what is not for everybody ---
for c in "show $ID1" "show --envelope $ID1" "hold $ID1" "delete $ID1" "bounce $ID1" 'release --all' 'requeue --all' 'pause --all' 'watch --for 1s' 'expire --all'; do
	run other mtaqueue $c
	is "$STATUS" 77 "an ordinary user may not: mtaqueue ${c%% *}"
done
is "$(mtaqueue list --queue deferred --format x | wc -l)$(mtaqueue list --queue hold --format x | wc -l)" 21 "and nothing has changed"
# message ID FROM-LINE: a queue file as the submission service writes it
message() {
	perl -e 'my ($id, $from) = @ARGV; my $c = "Subject: x\n\nx\n";
		my $e = "id $id\ntime 1795178175.019705\nsender <a\@b.example>\nfrom $from\nrcpt T <u5\@five.test>\n\n";
		printf "mtaq1 %020d %020d\n%s%s", 48 + length $e, length $c, $e, $c' "$1" "$2" >"$QUEUE/hold/$1" &&
		chown --reference="$QUEUE/hold" "$QUEUE/hold/$1" && chmod 600 "$QUEUE/hold/$1"
}
message 0dZ8LK9g0PQQ85B3x 'client=secret.example[192.0.2.9] uid=12345 auth=mine'
message 0dZ8LK9g0PQQ85B3y 'client=secret.example[192.0.2.9] uid=54321 auth=theirs'
J=$(other mtaqueue list -j --domain five.test)
like "$J" '"auth": "mine"' "where a message came from is shown to who sent it"
is "$(printf '%s\n' "$J" | grep -c 'B3y.*"origin": {},')" 1 "and to no other ordinary user"
like "$(mtaqueue list -j --domain five.test)" '"auth": "theirs"' "(root sees it)"
is "$(other mtaqueue list --client secret.example --format %i)$(other mtaqueue stat --by client -j | grep -c theirs)" "0dZ8LK9g0PQQ85B3x0" "nor can it be asked for"
mtaqueue delete --domain five.test --now -q

# --- flush ---
attempts() { grep -c "$1: to=.*status=deferred" "$LOG"; }
# tries COMMAND...: an ordinary user has message 1 tried again
tries() {
	before=$(attempts "$ID1"); wait_for 5 test -e "$QUEUE/deferred/$ID1"
	run other "$@"; status=$STATUS
	wait_for 5 sh -c "[ \$(grep -c '$ID1: to=.*status=deferred' '$LOG') -gt $before ]"
	is "$? $status" "0 0" "\"$*\" of an ordinary user has mail tried"
}
tries sendmail -q
is "$(cat "$T/out" "$T/err")" "" "without a word"
tries postqueue -f
tries postqueue -i "$ID1"
tries postqueue -s one.test
tries sendmail -qRone.test
tries mta flush
tries mtaqueue flush --from alice@example.com
like "$(cat "$T/out")" "^flushed $ID1" "mtaqueue flush tells which"
wait_for 5 test -e "$QUEUE/deferred/$ID1"

# --- authorized_mailq_users, authorized_flush_users ---
# Postfix's examples: names, !names, tables, a file
reload() { mtaconf -C "$DIR" "$@" && mta -q reload; }
# may USER COMMAND...: the status; a reload takes a moment
status_is() { wanted=$1; shift; run "$@"; [ "$STATUS" = "$wanted" ]; }
reload authorized_mailq_users='!daemon, static:anyone' authorized_flush_users=daemon
wait_for 10 status_is 77 as "$DAEMON" mailq; ok $? "authorized_mailq_users refuses a user: exit status 77"
like "$(cat "$T/err")" "^mtaqueue: User daemon\\($DAEMON\\) is not allowed to view the mail queue\$" "with a message that says who and why"
is "$(wc -c <"$T/out")" 0 "and nothing else"
run as "$DAEMON" postqueue -j; is "$STATUS $(grep -c '^postqueue: fatal: User daemon' "$T/err")" "77 1" "postqueue too, in its name"
run as "$DAEMON" mtaqueue stat; is "$STATUS" 77 "and mtaqueue stat"
like "$(cat "$LOG")" "mta/showq\\[[0-9]+\\]: warning: user ID $DAEMON: User daemon\\($DAEMON\\) is not allowed to view the mail queue" "the log tells"
run other mailq; is "$STATUS" 0 "another user, whom the password file does not know, sees it"
run mailq; is "$STATUS" 0 "root always"
run as "$(stat -c %u "$QUEUE/incoming")" mailq; is "$STATUS" 0 "mail_owner always"
before=$(attempts "$ID1")
run other mailq -q; run other sendmail -q
is "$STATUS" 77 "authorized_flush_users refuses: sendmail -q"
like "$(cat "$T/err")" "User unknown\\(12345\\) is not allowed to flush the mail queue" "with a message"
run other postqueue -f; is "$STATUS" 77 "postqueue -f"
run other postqueue -i "$ID1"; is "$STATUS" 77 "postqueue -i"
run as "$DAEMON" postqueue -i "$ID2"; is "$STATUS" 0 "who is on the list may flush"
run as "$DAEMON" mtaqueue flush --from alice@example.com -n
is "$STATUS $(cat "$T/out" "$T/err" | wc -c)" "0 0" "but, as he may not see the queue, is not told what is there"
run as "$DAEMON" mtaqueue flush --from nobody-at-all@example.com
is "$STATUS $(cat "$T/out" "$T/err" | wc -c)" "0 0" "and not what is not"
is "$(attempts "$ID1")" "$before" "nothing was tried for those who were refused"
printf 'daemon\n# comment\n' >"$T/users"
reload authorized_mailq_users="$T/users" authorized_flush_users="inline:{unknown=x}"
wait_for 10 status_is 77 other mailq; run as "$DAEMON" mailq; is "$STATUS" 0 "names in a file"
run other postqueue -f; is "$STATUS" 0 "names in a table; one that the system does not know is \"unknown\""
reload authorized_mailq_users=fail:broken authorized_flush_users=static:anyone
wait_for 10 status_is 75 other mailq; ok $? "a table that fails is a temporary failure"
like "$(cat "$T/err")" "^mtaqueue: authorized_mailq_users: " "with a message"
mtaconf -C "$DIR" authorized_mailq_users=bogus:x
wait_for 10 status_is 75 other mailq; mta -q reload 2>/dev/null
wait_for 5 grep -q "error: authorized_mailq_users: .*unknown table type bogus" "$LOG"; ok $? "a list that makes no sense is told at a reload"
run other mailq; is "$STATUS" 75 "which changes nothing then"
reload authorized_mailq_users=static:anyone
wait_for 10 status_is 0 other mailq

# --- the protocol, and hostile clients ---
cat >"$T/ask" <<'EOF'
use strict; use IO::Socket::UNIX; use Time::HiRes qw(time sleep);
# ask SOCKET FILE [hold|half|byte]: sends FILE, prints the answer
my ($path, $file, $how) = @ARGV;
$SIG{PIPE} = 'IGNORE'; $SIG{ALRM} = sub { print "no answer\n"; exit 1 }; alarm 18;
my $s = IO::Socket::UNIX->new(Peer => $path) or die "connect: $!";
open my $f, '<', $file or die; local $/; my $text = <$f>;
if (($how // '') eq 'byte') { for (split //, $text) { syswrite($s, $_) or last; sleep 0.4 } }
else { for (my $at = 0; $at < length $text;) { my $n = syswrite($s, $text, 65536, $at) or last; $at += $n } }
$s->shutdown(1) unless ($how // '') eq 'hold';
my $answer = ''; 1 while sysread($s, $answer, 65536, length $answer); # a reset comes after what was said
print $answer;
EOF
# hostile TEXT EXPECTED NAME: what comes back to that request
raw() { other perl "$T/ask" "$SOCKET" "$@" 2>&1; }
hostile() { printf "$1" >"$T/req"; OUT=$(raw "$T/req"); like "$(printf '%s' "$OUT" | tr '\n' ' ')" "$2" "$3"; }
# two slow ones, in the background while the others run
printf 'showq 1\narg list\n' >"$T/half"
raw "$T/half" hold >"$T/half.out" & half=$!
printf 'showq 1\narg list\narg --format\narg aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\n' >"$T/slow"
raw "$T/slow" byte >"$T/slow.out" & slow=$!
before=$(cd "$QUEUE" && find . -path ./pid -prune -o -print | sort; cat "$DIR/main.cf")
hostile 'showq 1\narg list\narg --format\narg %%i\narg --\narg '"$ID1"'\n\n' "^out 18 $ID1 exit 0 ?\$" "the request is plain text"
hostile 'showq 1\nprogram mailq\ntz UTC0\nwidth 80\narg list\narg --format\narg %%i\narg '"$ID1"'\n\n' "^out 18 $ID1 exit 0 ?\$" "and so is the answer"
hostile 'GET / HTTP/1.0\r\n\r\n' '^err [0-9]+ mtaqueue: a request begins with the line "showq 1" exit 64' "garbage: a precise error"
hostile '\000\377\033[31m' 'a request begins with' "binary garbage"
hostile '' '^$' "nothing at all: no answer"
hostile 'showq 1\n' 'the request is not complete exit 64' "a request that ends too early"
hostile 'showq 1\n\n' 'nothing is asked for exit 64' "an empty request"
hostile 'showq 1\narg list\n\nshowq 1\narg list\n\n' 'something behind the end of the request exit 64' "two requests in one"
hostile 'showq 1\narg list\narg a\033b\n\n' 'a control character in the request exit 64' "control characters"
hostile 'showq 1\nuser root\narg list\n\n' 'unknown line "user" exit 64' "a line that is not known"
hostile 'showq 1\ntz ../../../etc/passwd\narg list\n\n' 'not a time zone: .* exit 64' "a time zone that is a path"
hostile 'showq 1\nwidth 99999999999999999999\narg list\n\n' 'not the width of a terminal' "a width beyond all numbers"
hostile 'showq 1\nprogram ../x\narg list\n\n' 'not the name of a program' "a program name that is a path"
for v in show delete hold release requeue bounce reroute pause resume trace watch add undelete serve mailq postsuper -C nonsense; do
	hostile "showq 1\narg $v\narg --all\n\n" "mtaqueue: $v: only root and the owner of the queue may do that exit 77" "\"$v\" is not for clients"
done
for o in '-C\narg /tmp' "-o\narg queue_directory=$T" "-oqueue_directory=$T" '--log\narg /etc/passwd' '-l\narg unix:/tmp/x' '-f\narg x' '--now'; do
	hostile "showq 1\narg list\narg $o\n\n" '(unknown option|usage).* exit 64' "no option of list: $(printf '%s' "$o" | sed 's/.narg/ /')"
done
hostile 'showq 1\narg flush\narg --now\n\n' 'exit 64' "flush takes no option that deletes"
hostile 'showq 1\narg list\narg -\n\n' '^out [0-9]+ No message matches. exit 66' "standard input is the client's, not the server's"
{ printf 'showq 1\narg list\narg --from\narg '; head -c 10000000 /dev/zero | tr '\0' a; printf '\n\n'; } >"$T/req"
OUT=$(raw "$T/req"); like "$OUT" 'a request is not longer than 1048576 bytes' "an argument of 10 MB"
{ printf 'showq 1\narg list\n'; yes 'arg x' | head -70000; printf '\n'; } >"$T/req"
OUT=$(raw "$T/req"); like "$OUT" 'too many arguments' "70,000 arguments"
run other mtaqueue list --from "$(printf 'a\nb')"
is "$STATUS $(grep -c 'line feed' "$T/err")" "64 1" "the client refuses what it could not send"
cat >"$T/mutate" <<'EOF'
use strict; use IO::Socket::UNIX;
my ($path, $seed) = @ARGV; srand $seed; $SIG{PIPE} = 'IGNORE'; alarm 15;
my ($answers, $good) = (0, "showq 1\nprogram mailq\ntz UTC0\nwidth 80\narg list\narg --from\narg *\@example.com\narg -\nid abcdefgh\n\n");
for (1 .. 200) { # bytes changed, doubled, lost; the blank line stays, so that each is taken for a whole request
	my $r = $good; my $end = length($r) - 2;
	for (0 .. rand 6) { substr($r, 8 + rand($end - 8), rand 3) = join '', map { chr rand 256 } 1 .. rand 3; $end = length($r) - 2 }
	my $s = IO::Socket::UNIX->new(Peer => $path) or die "connect: $!";
	print $s $r; $s->shutdown(1); local $/; my $a = <$s>; $answers++ if $a =~ /^exit (0|64|66|77)\n\z/m;
}
print $answers;
EOF
SEED=${SEED:-$$}
is "$(other perl "$T/mutate" "$SOCKET" "$SEED")" 200 "200 requests with random changes: each gets its answer (seed $SEED)"
is "$(cd "$QUEUE" && find . -path ./pid -prune -o -print | sort; cat "$DIR/main.cf")" "$before" "all that has changed nothing"
wait "$half"; like "$(cat "$T/half.out")" 'the request was not complete within 10 seconds' "half a request is waited for no longer than that"
wait "$slow"; like "$(cat "$T/slow.out")" 'the request was not complete within 10 seconds' "one that comes a byte at a time neither"
run other mailq; is "$STATUS" 0 "and the service goes on"
unlike "$(cat "$LOG")" "ended by signal|dumped|worker.*(died|ended)" "none of its processes has died"

# --- a long list ---
mtaqueue delete --all --now -q
"$B/t/mkqueue" "$QUEUE" 20000 invalid 7000 || echo "Bail out! mkqueue"
SHOWQ=$(cat "$QUEUE/pid/showq.pid")
# processes that are at work on a request: children of the workers
at_work() { n=0; for w in $(pgrep -P "$SHOWQ"); do n=$((n + $(pgrep -c -P "$w"))); done; [ "$n" -eq 0 ]; }
is "$(other mailq | tail -1 | grep -c 'in 20000 Requests')" 1 "a list of 20,000 messages comes whole"
same_as_root mtaqueue stat --by reason -j
is "$({ other mailq 2>"$T/err"; echo "$?" >"$T/status"; } | head -2 | wc -l) $(cat "$T/status" "$T/err")" "2 0" "mailq | head: no complaint"
if strace -o /dev/null true 2>/dev/null; then
	like "$(strace -e trace=recvfrom -o "$T/strace" setpriv --reuid=12345 --regid=12345 --clear-groups mtaqueue list | head -1; grep -c 'recvfrom(.*, "' "$T/strace")" '^([1-9]|[1-4][0-9])$' "and the client reads no more of the list"
else
	skip 1 "strace cannot be used"
fi
wait_for 2 at_work; ok $? "ends the server's work at once"
cat >"$T/first" <<'EOF'
use IO::Socket::UNIX; use Time::HiRes 'time';
my $best = 9;
for (1..5) { # the best of some: other tests run beside this one
	my $t = time; my $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die;
	print $s "showq 1\narg list\n\n"; sysread $s, my $x, 100; my $d = time - $t; $best = $d if $d < $best;
}
printf "%.0f\n", $best * 1000;
EOF
MS=$(other perl "$T/first" "$SOCKET")
[ "$MS" -lt 100 ]; ok $? "the first line is there within 100 ms ($MS)"
wait_for 2 at_work; ok $? "clients that went away left no work behind"
for i in 1 2 3; do # nobody reads: it waits, and is in nobody's way
	setpriv --reuid=12345 --regid=12345 --clear-groups perl -MIO::Socket::UNIX -e 'my $s = IO::Socket::UNIX->new(Peer => shift) or die; print $s "showq 1\narg list\n\n"; sleep 30' "$SOCKET" &
	PIDS="$PIDS $!"; eval "asleep$i=$!"
done
run other mtaqueue list --limit 1; is "$STATUS" 0 "clients that do not read are in nobody's way"
cat >"$T/many" <<'EOF'
use strict; use IO::Select; use IO::Socket::UNIX;
$SIG{PIPE} = 'IGNORE'; my ($refused, $served, $x) = (0, 0);
my @s = map { IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "connect: $!" } 1..30;
syswrite $_, "showq 1\narg list\n\n" for @s; # longer than what a socket holds: each keeps its process
for (@s) { IO::Select->new($_)->can_read(15) && sysread $_, $x, 200 or next; $x =~ /too many requests of yours at once/ ? $refused++ : $served++ }
print "$served served, $refused refused\n" if $refused < 10 || !$served;
EOF
is "$(other perl "$T/many" "$SOCKET" 2>&1)" "" "one user does not get all of its processes"
run as "$DAEMON" mtaqueue list --limit 1; is "$STATUS" 0 "another user is served meanwhile"
start=$(date +%s); mta -q stop; stopped=$?; end=$(date +%s)
is "$stopped $((end - start < 12))" "0 1" "stopping does not wait for who does not read"
kill "$asleep1" "$asleep2" "$asleep3" 2>/dev/null
run other mailq; is "$STATUS" 69 "then the mail system is down again"

# --- by hand, and started by others ---
printf '%s\n' 'showq 1' 'arg list' 'arg --limit' 'arg 1' 'arg --format' 'arg %q' '' | as "$(stat -c %u "$QUEUE/incoming")" mtaqueue serve >"$T/out"
is "$(cat "$T/out")" "$(printf 'out 9\ndeferred\nexit 0')" "a session on standard input and output, for who types it"
if have_program systemd-socket-activate; then
	rm -f "$SOCKET"
	background systemd-socket-activate -l "$SOCKET" --setenv=MTA_CONFIG="$DIR" "$B/mtaqueue" serve >/dev/null 2>&1 </dev/null
	wait_for 5 test -S "$SOCKET"; chmod 666 "$SOCKET"
	is "$(other mtaqueue list --limit 1 --format %q)" deferred "by systemd's socket"
else
	skip 1 "systemd-socket-activate is not installed"
fi
done_testing
