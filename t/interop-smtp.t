#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# Mail clients that people use, and Postfix's test programs, against the SMTP server of a private mail system; and the server
# against Dovecot's auth server. What each client sent must stand in the mailbox.
# shellcheck disable=SC2015,SC2086
set -u
. "$(dirname "$0")/lib.sh"
have_program mtasmtp mtaqmgr mtadeliver mtaauth || skip_all 'the programs of a whole mail system are not built'
mail_system smtpd_sasl_auth_enable=yes
cd "$T" || exit 1


# sent SUBJECT: the message is in the mailbox, within ten seconds
there() { grep -rqx -- "Subject: $1" "$MAILDIR/new"; }
sent() { wait_for 10 there "$1"; ok $? "$2: the message is in the mailbox"; }
unsent() { if there "$1"; then fail "$2"; else pass "$2"; fi; }

if have_program swaks; then
	s="swaks --server 127.0.0.1 --helo client.example.net --from a@example.org --to $USER_ADDR --timeout 10s"
	$s --port "$SMTP_PORT" --h-Subject swaks-plain >out 2>&1; ok $? 'swaks'
	sent swaks-plain swaks
	$s --port "$SMTP_PORT" --pipeline --h-Subject swaks-pipeline >out 2>&1; ok $? 'swaks --pipeline'
	sent swaks-pipeline 'swaks --pipeline'
	$s --port "$SMTP_PORT" --tls --h-Subject swaks-tls >out 2>&1; ok $? 'swaks --tls'
	like "$(cat out)" 'TLS started' 'swaks --tls: with TLS'
	sent swaks-tls 'swaks --tls'
	$s --port "$SUBMISSIONS_PORT" --tls-on-connect --auth PLAIN --auth-user "$USER_ADDR" --auth-password "$PASSWORD" --h-Subject swaks-465 >out 2>&1
	ok $? 'swaks on the submissions port, with a login'
	sent swaks-465 'swaks on the submissions port'
	for m in PLAIN LOGIN; do
		$s --port "$SUBMISSION_PORT" --tls --auth $m --auth-user "$USER_ADDR" --auth-password "$PASSWORD" --h-Subject swaks-$m >out 2>&1
		ok $? "swaks --auth $m on the submission port"
		sent swaks-$m "swaks --auth $m"
	done
	$s --port "$SUBMISSION_PORT" --tls --auth PLAIN --auth-user "$USER_ADDR" --auth-password wrong --h-Subject swaks-wrong >out 2>&1
	is $? 28 'swaks with a wrong password: authentication failed'
	$s --port "$SUBMISSION_PORT" --tls --h-Subject swaks-nologin >out 2>&1
	is $? 24 'swaks on the submission port without a login: refused'
	$s --port "$SUBMISSION_PORT" --h-Subject swaks-notls >out 2>&1
	is $? 23 'swaks on the submission port without TLS: refused'
	$s --port "$SMTP_PORT" --to "nosuch@$DOMAIN" --quit-after RCPT >out 2>&1
	is $? 24 'swaks to an unknown user: refused'
	like "$(cat out)" '550 5.1.1' 'with 550 5.1.1'
	unsent swaks-nologin 'none of these is delivered'
else
	skip 19 'swaks is not installed'
fi

if have_program curl; then
	printf 'From: a@example.org\nTo: %s\nSubject: curl-%s\n\nhello\n' "$USER_ADDR" plain >m.plain
	sed s/curl-plain/curl-tls/ m.plain >m.tls
	sed s/curl-plain/curl-smtps/ m.plain >m.smtps
	c="curl -sS -m 20 --crlf --mail-from a@example.org --mail-rcpt $USER_ADDR"
	$c -T m.plain "smtp://127.0.0.1:$SMTP_PORT/client.example.net" 2>err; ok $? 'curl smtp://'
	sent curl-plain 'curl smtp://'
	$c -k --ssl-reqd -u "$USER_ADDR:$PASSWORD" -T m.tls "smtp://127.0.0.1:$SUBMISSION_PORT/client.example.net" 2>err; ok $? 'curl smtp:// with STARTTLS and a login'
	sent curl-tls 'curl smtp:// with STARTTLS'
	$c -k -u "$USER_ADDR:$PASSWORD" -T m.smtps "smtps://127.0.0.1:$SUBMISSIONS_PORT/client.example.net" 2>err; ok $? 'curl smtps://'
	sent curl-smtps 'curl smtps://'
	$c -k --ssl-reqd -u "$USER_ADDR:wrong" -T m.tls "smtp://127.0.0.1:$SUBMISSION_PORT/x" 2>err; is $? 67 'curl with a wrong password: login denied'
else
	skip 7 'curl is not installed'
fi

if have_program msmtp; then
	printf 'To: %s\nSubject: msmtp\n\nhello\n' "$USER_ADDR" |
		msmtp -C /dev/null --host=127.0.0.1 --port="$SUBMISSION_PORT" --tls=on --tls-certcheck=off --auth=on --user="$USER_ADDR" \
			--passwordeval="echo $PASSWORD" --from=a@example.org --logfile= "$USER_ADDR" 2>err
	ok $? 'msmtp with STARTTLS and a login' || diag "$(cat err)"
	sent msmtp msmtp
else
	skip 2 'msmtp is not installed'
fi

if have_program smtp-source; then
	smtp-source -s 5 -m 50 -l 4096 -f a@example.org -t "$USER_ADDR" -S source "127.0.0.1:$SMTP_PORT" 2>err
	ok $? 'smtp-source: 50 messages in 5 sessions' || diag "$(cat err)"
	all() { [ "$(grep -rlx 'Subject: source' "$MAILDIR/new" | wc -l)" -eq 50 ]; }
	wait_for 15 all; ok $? 'all of them are in the mailbox'
	smtp-source -d -s 3 -m 20 -l 100000 -f a@example.org -t "$USER_ADDR" -S kept "127.0.0.1:$SMTP_PORT" 2>err
	ok $? 'smtp-source -d: 20 messages of 100 KB in kept sessions'
	all() { [ "$(grep -rlx 'Subject: kept' "$MAILDIR/new" | wc -l)" -eq 20 ]; }
	wait_for 15 all; ok $? 'all of them, too'
else
	skip 4 'smtp-source is not installed'
fi

if have_program posttls-finger; then
	mkdir -p pf && : >pf/main.cf
	MAIL_CONFIG=$T/pf posttls-finger -c -l may -L summary "[127.0.0.1]:$SMTP_PORT" >out 2>&1
	ok $? 'posttls-finger' || diag "$(cat out)"
	like "$(cat out)" 'TLS connection established to 127.0.0.1.*TLSv1.3' 'posttls-finger: TLS 1.3'
	MAIL_CONFIG=$T/pf posttls-finger -c -r 1 -l may -L summary "[127.0.0.1]:$SMTP_PORT" >out 2>&1
	like "$(cat out)" 'Reusing old session' 'posttls-finger -r: it resumes the session'
else
	skip 3 'posttls-finger is not installed'
fi

# Dovecot's own auth server in place of mtaauth
dovecot_auth() {
	mkdir -p dovecot/run dovecot/state
	pass=$(doveadm pw -s SHA512-CRYPT -p "$PASSWORD" 2>/dev/null) || return 1
	printf '%s:%s::::::\n' "$USER_ADDR" "$pass" >dovecot/users
	cat >dovecot/dovecot.conf <<-END
	base_dir = $T/dovecot/run
	state_dir = $T/dovecot/state
	log_path = $T/dovecot/log
	protocols =
	ssl = no
	auth_mechanisms = plain login
	disable_plaintext_auth = no
	passdb {
	  driver = passwd-file
	  args = $T/dovecot/users
	}
	userdb {
	  driver = static
	  args = uid=65534 gid=65534 home=/nonexistent
	}
	service auth {
	  unix_listener $T/dovecot/auth {
	    mode = 0666
	  }
	}
	service anvil {
	  chroot =
	}
	default_internal_user = $(id -un)
	default_login_user = $(id -un)
	END
	chmod 644 dovecot/users
	background dovecot -F -c "$T/dovecot/dovecot.conf" >dovecot/out 2>&1
	wait_for 5 test -S dovecot/auth
}
if have_program dovecot doveadm swaks; then
	if [ "$(id -u)" -eq 0 ] && dovecot_auth; then
		P=$(free_port)
		background mtasmtp -C "$CONF" -l "127.0.0.1:$P" -o "smtpd_sasl_path=$T/dovecot/auth" -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=no 2>err
		wait_for 5 nc -z 127.0.0.1 "$P"
		for m in PLAIN LOGIN; do
			swaks --server 127.0.0.1 --port "$P" --auth $m --auth-user "$USER_ADDR" --auth-password "$PASSWORD" --to "$USER_ADDR" --h-Subject dovecot-$m >out 2>&1
			ok $? "with Dovecot's auth server: swaks --auth $m" || diag "$(tail -5 out dovecot/log)"
			sent dovecot-$m "swaks --auth $m"
		done
		swaks --server 127.0.0.1 --port "$P" --auth PLAIN --auth-user "$USER_ADDR" --auth-password wrong --to "$USER_ADDR" >out 2>&1
		is $? 28 'a wrong password is refused'
	else
		skip 5 "Dovecot's auth server needs root, or did not start"
	fi
else
	skip 5 'dovecot is not installed'
fi
done_testing
