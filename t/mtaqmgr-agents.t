#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# Agents that run as the owner of a mailbox are processes that he may kill, stop, and (as far as the system lets him) take over. What he
# does to them harms his own mail and nobody else's. The agents are fakes (t/helper/fakeagent.c).
. "$(dirname "$0")/lib.sh"
have_program mtaqmgr mtaqueue mtaconf mta || skip_all "mtaqmgr, mtaqueue, mta and mtaconf are not built"
[ "$(id -u)" -eq 0 ] && have_program setpriv || skip_all "not root: there is one user"
id games >/dev/null 2>&1 && id daemon >/dev/null 2>&1 || skip_all "this system has not the users for it"
mail_config services=qmgr mydestination=local.test local_recipient_maps= recipient_delimiter=+ max_idle=1s fork_attempts=2 \
	transport_retry_time=300s minimal_backoff_time=1h local_agent="$B/t/fakeagent -b $T/jobs" local_process_limit=1
: >"$T/jobs"; : >"$T/jobs.pids"; chmod 666 "$T/jobs" "$T/jobs.pids"
mail_start
add() { ID=$(printf 'Subject: x\n\nx\n' | mtaqueue -C "$CONF" add -f a@b.example "$@"); }
logged() { wait_for 20 grep -Eq -e "$1" "$LOG"; }
agents_of() { pgrep -u "$1" -x fakeagent; }

# --- writing nonsense ---
before=$(wc -l <"$LOG")
add daemon+flood@local.test
logged "$ID: to=<daemon.flood@local.test>.*status=deferred"; ok $? "an agent that writes nonsense without end is ended"
ok "$([ $(($(wc -l <"$LOG") - before)) -lt 40 ]; echo $?)" "before it fills the log" || diag "$(wc -l <"$LOG") lines"

# --- killed ---
for i in 1 2 3; do
	add games+die$i@local.test
	logged "$ID: to=<games.*status=deferred" || break
done
ok $? "mail for a user who kills his delivery agents is deferred"
like "$(cat "$LOG")" 'warning: transport local, user games: its agents end before .*no other attempt for 300 seconds' "and after a while not tried"
add daemon@local.test
logged "$ID: to=<daemon@local.test>.*status=sent"; ok $? "mail for another user is delivered meanwhile"
unlike "$(cat "$LOG")" 'warning: transport local: its agents' "the transport as a whole goes on"

# --- stopped, or not to be ended ---
mta -C "$CONF" reload >/dev/null 2>&1
add games+linger@local.test
logged "$ID: to=<games.linger@local.test>.*status=sent"; ok $? "an agent is idle"
P=$(agents_of games)
ok "$([ -n "$P" ]; echo $?)" "it runs as the user"
ok "$(wait_for 25 sh -c "! kill -0 $P"; echo $?)" "one that does not end when it has nothing more to do is killed"
add daemon@local.test
logged "$ID: to=<daemon@local.test>.*status=sent"; ok $? "and the next one has its place"

# --- looked into ---
cat >"$T/idle.pl" <<'END'
use Socket;
socketpair(my $a, my $b, AF_UNIX, SOCK_SEQPACKET, 0) or die;
my $pid = fork // die;
if (!$pid) {
	open STDIN, "<&", $b or die;
	$) = "60 60"; $( = 60; $< = $> = shift;
	exec @ARGV or exit 127;
}
close $b;
print "$pid\n";
$| = 1; close STDOUT;
sleep 60;
END
background perl "$T/idle.pl" "$(id -u games)" "$B/mtadeliver" -C "$CONF" -b >"$T/pid" 2>/dev/null
wait_for 5 test -s "$T/pid"
A=$(cat "$T/pid")
wait_for 5 grep -q mtadeliver "/proc/$A/comm"
ok "$(wait_for 5 sh -c "! setpriv --reuid=games --regid=60 --clear-groups ls /proc/$A/fd/ 2>/dev/null"; echo $?)" \
	"the user cannot look into mtadeliver, which has the whole message, with what recipients it has"
kill "$A"
done_testing
