#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Passwords: mtapasswd, mtaauth and testauth, among themselves and with Cyrus SASL's and Postfix's programs.
. "$(dirname "$0")/lib.sh"
have_program mtaauth mtapasswd testauth || skip_all "not all programs are built"

C=$T/conf; mkdir -p "$C/queue/private" "$C/queue/pid"
OWNER=$(id -un); [ "$(id -u)" = 0 ] && OWNER=nobody
cat > "$C/main.cf" << END
queue_directory = $C/queue
mail_owner = $OWNER
auth_user = root
maillog_file = $C/log
myhostname = mail.example.test
mydestination =
auth_verbose = yes
auth_failure_delay = 0s
END
MUX=$C/queue/private/mux AUTH=$C/queue/private/auth MASTER=$C/queue/private/auth-master

# --- mtapasswd ---
printf 'secret\n' | mtapasswd -C "$C" -p -u 1000 -g 1001 -H /home/alice add Alice
ok $? "a user is added"
is "$(mtapasswd -C "$C" list)" "alice	uid=1000	gid=1001	home=/home/alice" "and listed"
is "$(stat -c %a "$C/users.tdb")" 600 "the database is its owner's alone"
# shellcheck disable=SC2016
like "$(mtamap -s "tdb:$C/users")" '\{CRYPT\}\$y\$' "the hash is yescrypt"
printf 'secret\n' | mtapasswd -C "$C" -p verify alice; ok $? "the right password is verified"
printf 'Secret\n' | mtapasswd -C "$C" -p verify alice 2>/dev/null; is $? 77 "a wrong one is not"
printf 'x\n' | mtapasswd -C "$C" -p add alice 2>/dev/null; is $? 73 "a user cannot be added twice"
printf '\n' | mtapasswd -C "$C" -p add empty 2>/dev/null; is $? 65 "an empty password is refused"
head -c 600 /dev/zero | tr '\0' x | mtapasswd -C "$C" -p add huge 2>/dev/null; is $? 65 "a password of 600 bytes is refused"
for u in ../x 'a b' 'a/b' -- "$(printf 'a\tb')" "$(head -c 300 /dev/zero | tr '\0' a)"; do
	printf 'x\n' | mtapasswd -C "$C" -p add "$u" 2>/dev/null && fail "user name $u is refused"
done
is "$(mtapasswd -C "$C" list | wc -l)" 1 "odd user names are refused"
mtapasswd -C "$C" -m 'maildir:~/Maildir' change alice
is "$(mtapasswd -C "$C" list)" "alice	mail=maildir:~/Maildir	uid=1000	gid=1001	home=/home/alice" "a field is changed, the others stay"
printf 'secret\n' | mtapasswd -C "$C" -p verify alice; ok $? "and so does the password"
mtapasswd -C "$C" -u 0 change alice 2>/dev/null; is $? 64 "nobody gets the user ID 0"
ln -s "$B/mtapasswd" "$T/saslpasswd2"
printf 'other' | "$T/saslpasswd2" -C "$C" -p -c -u example.com bob; ok $? "saslpasswd2 -p -c -u adds a user"
printf 'other2\n' | "$T/saslpasswd2" -C "$C" -p -u example.com bob; ok $? "saslpasswd2 changes a password"
printf 'other2\n' | mtapasswd -C "$C" -p verify bob@example.com; ok $? "it is the new one"
printf 'x\n' | "$T/saslpasswd2" -C "$C" -p nobody 2>/dev/null; is $? 67 "without -c a user must exist"
for i in 1 2 3 4 5; do printf 'pw%s\n' $i | mtapasswd -C "$C" -p add "user$i" & W="$W $!"; done
for p in $W; do wait "$p"; done
is "$(mtapasswd -C "$C" list | grep -c '^user')" 5 "five changes at once: none is lost"
"$T/saslpasswd2" -C "$C" -d user5 && mtapasswd -C "$C" delete user4
is "$(mtapasswd -C "$C" list | grep -c '^user')" 3 "users are removed"
printf 'locked\n' | mtapasswd -C "$C" -p add locked && mtapasswd -C "$C" lock locked

# --- mtaauth ---
background mtaauth -C "$C" < /dev/null
A=$!
wait_for 5 test -S "$MASTER"; ok $? "mtaauth makes its sockets"
sleep 0.2
is "$(stat -c '%a %U' "$AUTH" "$MASTER" | tr '\n' ' ')" "660 $OWNER 600 $(id -un) " "with owners and modes that keep users apart"
is "$(testauth -C "$C" -u alice -p secret)" '0: OK "Success."' "testauth: right password"
testauth -C "$C" -u alice -p wrong > "$T/out"; is "$? $(cat "$T/out")" '255 0: NO "authentication failed"' "testauth: wrong password"
is "$(printf 'secret\n' | testauth -C "$C" -u alice -R 2 | tail -1)" '1: OK "Success."' "testauth: password from standard input, twice"
is "$(testauth -C "$C" -u bob -r example.com -p other2)" '0: OK "Success."' "a user with a realm"
is "$(testauth -C "$C" -u ALICE -p secret)" '0: OK "Success."' "user names do not depend on case"
is "$(printf 'secret\n' | testauth -C "$C" -D -u alice)" '0: OK "Success."' "Dovecot's protocol: right password"
testauth -C "$C" -D -u alice -p wrong > "$T/out"; is $? 255 "Dovecot's protocol: wrong password"
for p in locked '' "$(head -c 60000 /dev/zero | tr '\0' x)"; do
	testauth -C "$C" -u locked -p "$p" > "$T/out"; [ $? = 255 ] || fail "locked user with password of ${#p} bytes"
done
pass "a locked user does not get in, nor with an empty or a huge password"
for u in ../alice '%u' "alice'--" 'alice)(uid=*' "$(printf 'alice\nx')" "$(printf 'alice\tuid=0')"; do
	testauth -C "$C" -D -u "$u" -p secret > "$T/out"; [ $? = 255 ] || fail "user name $u"
done
pass "hostile user names fail"
printf 'new1\n' | mtapasswd -C "$C" -p change alice
is "$(testauth -C "$C" -u alice -p new1)" '0: OK "Success."' "a changed password counts at once"
if have_program testsaslauthd; then
	is "$(testsaslauthd -u alice -p new1 -f "$MUX")" '0: OK "Success."' "Cyrus SASL's testsaslauthd: right password"
	testsaslauthd -u alice -p wrong -f "$MUX" > "$T/out"; is "$? $(cat "$T/out")" '255 0: NO "authentication failed"' "testsaslauthd: wrong password"
else
	skip 2 "testsaslauthd is not installed"
fi

# --- the protocols, by hand ---
have_program socat || { skip 6 "socat is not installed"; done_testing; }
# shellcheck disable=SC2059
b64() { printf "$@" | base64 | tr -d '\n'; }
auth() { { printf 'VERSION\t1\t1\nCPID\t4711\n'; cat; sleep "${1:-0.3}"; } | timeout 20 socat -t 2 - "UNIX-CONNECT:$AUTH" | sed 1,/^DONE/d; }
is "$(printf 'AUTH\t1\tPLAIN\tservice=smtp\tresp=%s\n' "$(b64 '\0alice\0new1')" | auth)" \
	"OK	1	user=alice	mail=maildir:~/Maildir	uid=1000	gid=1001	home=/home/alice" "PLAIN with an initial response"
is "$(printf 'AUTH\t2\tLOGIN\tservice=smtp\nCONT\t2\t%s\nCONT\t2\t%s\n' "$(b64 alice)" "$(b64 new1)" | auth | cut -f1-3 | tr '\n' '|')" \
	"CONT	2	VXNlcm5hbWU6|CONT	2	UGFzc3dvcmQ6|OK	2	user=alice|" "LOGIN"
is "$({ printf 'AUTH\t1\tPLAIN\tservice=x\tresp=%s\n' "$(b64 'root\0alice\0new1')" '!!' '====' "$(b64 alice)" "$(b64 '\0alice\0new1\0')"
	printf 'AUTH\t9\tFOO\tservice=x\nCONT\t77\tAA==\n'; } | auth | cut -f1 | sort | uniq -c | tr -s ' ')" \
	" 7 FAIL" "another authorization identity, bad base64, missing and additional parts, unknown mechanism and request: all fail"
head -c 1000000 /dev/zero | tr '\0' A > "$T/long"
is "$({ printf 'AUTH\t1\tPLAIN\tservice=x\tresp='; cat "$T/long"; printf '\n'; } | auth 2>/dev/null)" "" "a response of 1 MB ends the connection"
is "$(testauth -C "$C" -u alice -p new1)" '0: OK "Success."' "and nothing else"
head -c 100000 /dev/urandom | timeout 5 socat -u - "UNIX-CONNECT:$AUTH" 2>/dev/null
head -c 100000 /dev/urandom | timeout 5 socat -u - "UNIX-CONNECT:$MUX" 2>/dev/null
head -c 100000 /dev/urandom | timeout 5 socat -u - "UNIX-CONNECT:$MASTER" 2>/dev/null
is "$(testauth -C "$C" -u alice -p new1)" '0: OK "Success."' "garbage on the sockets stops nobody"
COOKIE=$({ printf 'VERSION\t1\t1\nCPID\t4711\nAUTH\t5\tPLAIN\tservice=pop3\tresp=%s\n' "$(b64 '\0alice\0new1')"; sleep 0.3; } |
	timeout 20 socat -t 2 - "UNIX-CONNECT:$AUTH" | sed -n 's/^COOKIE	//p')
master() { { printf 'VERSION\t1\t1\n'; cat; } | timeout 20 socat -t 2 - "UNIX-CONNECT:$MASTER" | sed 1,2d; }
is "$(printf 'REQUEST\t1\t4711\t5\tdeadbeef\nREQUEST\t2\t4711\t6\t%s\nREQUEST\t3\t4711\t5\t%s\nREQUEST\t4\t4711\t5\t%s\n' "$COOKIE" "$COOKIE" "$COOKIE" | master |
	cut -f1-3 | tr '\n' '|')" "NOTFOUND	1|NOTFOUND	2|USER	3	alice|NOTFOUND	4|" "the master socket tells who logged in, to who knows the cookie, once"
is "$(printf 'USER\t1\talice\nUSER\t2\tnobody\n' | master | cut -f1-4 | tr '\n' '|')" "USER	1	alice	mail=maildir:~/Maildir|NOTFOUND	2|" "and about any user"
is "$(printf '\0\05alice\0\04new1\0\04imap\0\0' | mtaauth -C "$C" -p saslauthd 2>/dev/null | od -An -c | tr -d ' ')" '\0002OK' "saslauthd's protocol on standard input"

# --- guessing ---
START=$(date +%s)
i=0; while [ $i -lt 12 ]; do printf 'AUTH\t%s\tPLAIN\tservice=x\trip=192.0.2.66\tresp=%s\n' $i "$(b64 '\0user1\0guess%s' $i)"; i=$((i + 1)); done | auth 4 > "$T/out"
N=$(grep -c FAIL "$T/out"); diag "$N of 12 guesses answered in $(($(date +%s) - START)) s"
ok "$([ "$N" -lt 12 ]; echo $?)" "guesses from one address slow down"
is "$(printf 'AUTH\t1\tPLAIN\tservice=x\trip=192.0.2.7\tresp=%s\n' "$(b64 '\0user1\0pw1')" | auth | cut -f1)" OK "meanwhile the user gets in from another address"
# The least time of seven, in turns: a busy machine adds to all, and seldom to the least. Each has an address of its own, so that
# nothing is throttled.
least() { perl -MTime::HiRes=time -MIO::Socket::UNIX -MMIME::Base64 -e '
	my ($path, @user) = @ARGV; my $s = IO::Socket::UNIX->new($path) or die; while (<$s>) { last if /^DONE/ } print $s "VERSION\t1\t1\nCPID\t1\n";
	my (%least, $n); for (1..7) { for my $u (@user) { my $t = time; $n++;
		print $s "AUTH\t$n\tPLAIN\tservice=x\trip=198.51.100.$n\tresp=" . encode_base64("\0$u\0bad", "") . "\n"; my $r = <$s>;
		$t = time - $t; $least{$u} = $t if !$least{$u} || $t < $least{$u} } }
	print join(" ", map { int 1e6 * $least{$_} } @user), "\n"' "$AUTH" "$@"; }
if perl -MMIME::Base64 -e 1 2>/dev/null; then
	read -r K U << END
$(least user2 no-such-user)
END
	diag "a wrong password: known user $K us, unknown user $U us"
	ok "$([ "$K" -gt 4000 ] && [ "$U" -gt $((K / 2)) ] && [ "$U" -lt $((K * 2)) ]; echo $?)" "an unknown user takes as long as a known one"
else
	skip 1 "perl's MIME::Base64 is missing"
fi

# --- other back ends ---
printf 'carol:{PLAIN}pwfile:1002:1002::/home/carol::userdb_mail=maildir:/m/carol\n' > "$T/passwd"
mtaauth -C "$C" -o "auth_backends=tdb:$C/users passwd-file:$T/passwd" -p auth > "$T/out" 2>/dev/null << END
VERSION	1	1
CPID	1
AUTH	1	PLAIN	service=x	resp=$(b64 '\0carol\0pwfile')
AUTH	2	PLAIN	service=x	resp=$(b64 '\0alice\0new1')
END
is "$(grep -c '^OK' "$T/out")" 2 "two back ends, one a passwd-file"
cp "$C/users.tdb" "$T/broken.tdb"; printf X | dd of="$T/broken.tdb" bs=1 seek=3000 conv=notrunc 2>/dev/null
printf 'VERSION\t1\t1\nCPID\t1\nAUTH\t1\tPLAIN\tservice=x\tresp=%s\n' "$(b64 '\0alice\0new1')" |
	mtaauth -C "$C" -o "auth_backends=tdb:$T/broken" -p auth 2>/dev/null > "$T/out"
like "$(tail -1 "$T/out")" 'FAIL.*temp' "a damaged database is a temporary failure, not a wrong password"

# --- a real saslauthd ---
if have_program saslauthd saslpasswd2 && [ "$(id -u)" = 0 ] && [ "$(command -v saslpasswd2)" != "$B/saslpasswd2" ]; then
	mkdir "$T/sasl"
	# a session of its own: it signals its whole process group when it ends
	setsid saslauthd -a shadow -m "$T/sasl" -n 1 -d > "$T/saslauthd.log" 2>&1 & PIDS="$PIDS $!"
	wait_for 5 test -S "$T/sasl/mux"
	testauth -f "$T/sasl/mux" -u nobody -p x > "$T/out"; is "$? $(cat "$T/out")" '255 0: NO "authentication failed"' "testauth asks a real saslauthd"
	is "$(testsaslauthd -f "$T/sasl/mux" -u nobody -p x)" "$(cat "$T/out")" "and says what testsaslauthd says"
else
	skip 2 "saslauthd is not installed, or not root"
fi

# --- a real Postfix ---
POSTFIX=/usr/lib/postfix/sbin
if [ -x $POSTFIX/smtpd ] && [ "$(id -u)" = 0 ]; then
	P=$(free_port)
	mkdir -p "$T/pf" "$T/pfq" "$T/pfd"; chown postfix "$T/pfd" 2>/dev/null
	cat > "$T/pf/main.cf" << END
compatibility_level = 3.6
queue_directory = $T/pfq
data_directory = $T/pfd
myhostname = pf.example.test
inet_interfaces = 127.0.0.1
mydestination =
smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $AUTH
smtpd_relay_restrictions = permit_sasl_authenticated reject
maillog_file = $T/pfq/log
maillog_file_prefixes = $T
local_recipient_maps =
alias_maps =
END
	cat > "$T/pf/master.cf" << END
127.0.0.1:$P inet n - n - - smtpd
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
END
	setfacl -m u:postfix:rw "$AUTH" 2>/dev/null || chmod 666 "$AUTH"
	postfix -c "$T/pf" start > "$T/pf.out" 2>&1
	wait_for 5 socat -u OPEN:/dev/null "TCP:127.0.0.1:$P"
	OUT=$({ printf 'EHLO x\r\nAUTH PLAIN %s\r\nQUIT\r\n' "$(b64 '\0alice\0new1')"; sleep 1; } | timeout 20 socat -t 2 - "TCP:127.0.0.1:$P")
	like "$OUT" '^250-AUTH PLAIN LOGIN' "a real Postfix offers mtaauth's mechanisms"
	like "$OUT" '^235 ' "and lets a user in by mtaauth"
	OUT=$({ printf 'EHLO x\r\nAUTH PLAIN %s\r\nQUIT\r\n' "$(b64 '\0alice\0wrong')"; sleep 1; } | timeout 20 socat -t 2 - "TCP:127.0.0.1:$P")
	like "$OUT" '^535 ' "and keeps one out"
	OUT=$({ printf 'EHLO x\r\n'; sleep 0.3; printf 'AUTH LOGIN\r\n'; sleep 0.3; printf '%s\r\n' "$(b64 alice)"; sleep 0.3; printf '%s\r\nQUIT\r\n' "$(b64 new1)"; sleep 0.5; } |
		timeout 20 socat -t 2 - "TCP:127.0.0.1:$P")
	like "$OUT" '^235 ' "AUTH LOGIN, too"
	[ "$TAP_FAILED" = 0 ] || diag "$(cat "$T/pfq/log")"
	postfix -c "$T/pf" abort > /dev/null 2>&1
else
	skip 4 "Postfix is not installed, or not root"
fi
kill "$A"
wait_for 5 test ! -S "$AUTH"; ok $? "mtaauth ends when told to and removes its sockets"
testauth -C "$C" -u alice -p new1 2> "$T/out"; is $? 75 "then testauth reports a temporary failure"
done_testing
