# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# shellcheck shell=sh disable=SC2034,SC2154
# The second part of mtasend.t: peers that may be absent.

# smtp-sink
if have_program smtp-sink; then
	PORT=$(free_port)
	SINK_USER=$([ "$(id -u)" = 0 ] && echo "-u nobody")
	background smtp-sink $SINK_USER "127.0.0.1:$PORT" 10
	wait_for 5 nc -z 127.0.0.1 "$PORT"
	send -n "[127.0.0.1]:$PORT" -f a@example.org x@r.test y@r.test
	is "$(status)" "sent 2.0.0 sent 2.0.0 " "smtp-sink takes a message"
	PORT=$(free_port)
	background smtp-sink $SINK_USER -L "127.0.0.1:$PORT" 10
	wait_for 5 nc -z 127.0.0.1 "$PORT"
	send -n "lmtp:inet:127.0.0.1:$PORT" -f a@example.org x@r.test y@r.test
	like "$(status)" "^sent 2.[02].0 sent 2.[02].0 " "and by LMTP"
else
	skip 2 "smtp-sink is not installed"
fi

# DNS
KNOT=$(free_port)
cat > knot.conf <<END
server:
    rundir: "$T"
    listen: 127.0.0.1@$KNOT
database:
    storage: "$T"
zone:
  - domain: test
    storage: "$T"
    file: zone
    zonefile-sync: -1
END
{
	cat <<END
test. 60 SOA ns.test. hostmaster.test. 1 60 60 60 60
test. 60 NS ns.test.
ns.test. 60 A 127.0.0.1
a.test. 60 A 127.0.0.1
mx.test. 60 A 127.0.0.1
dead.test. 60 A 127.0.0.3
plain.test. 60 MX 10 dead.test.
plain.test. 60 MX 20 a.test.
alias.test. 60 CNAME plain.test.
null.test. 60 MX 0 .
nomx.test. 60 A 127.0.0.1
nodata.test. 60 TXT "nothing"
lost.test. 60 MX 10 nohost.test.
ring.test. 60 CNAME ring2.test.
ring2.test. 60 CNAME ring.test.
self.test. 60 MX 10 client.self.test.
self.test. 60 MX 20 a.test.
client.self.test. 60 A 192.0.2.9
loopback.test. 60 MX 5 a.test.
END
	I=0
	while [ $I -lt 300 ]; do I=$((I + 1)); echo "many.test. 60 MX $I m$I.test."; done
	echo 'm2.test. 60 A 127.0.0.1'
} > zone
if have_program knotd && { background knotd -c knot.conf > knot.out 2>&1; wait_for 10 nc -z 127.0.0.1 "$KNOT"; }; then
	cat >> main.cf <<END
dns_server = 127.0.0.1:$KNOT
END
	by() { send -n "$1" -f a@example.org x@r.test; }
	script
	by "plain.test:$PORT"
	like "$OUT" '^sent .* relay=a.test\[127.0.0.1\]' "MX: the second host when the first does not answer"
	by "alias.test:$PORT"; is "$(status)" "sent 2.0.0 " "a domain that is an alias"
	by "nomx.test:$PORT"; like "$OUT" '^sent .* relay=nomx.test\[127.0.0.1\]' "no MX: the domain's own address"
	by "[a.test]:$PORT"; is "$(status)" "sent 2.0.0 " "[host]: its address"
	by "[plain.test]:$PORT"; is "$(status)" "bounced 5.4.4 " "[host] without address: no MX is looked for"
	by null.test; like "$OUT" '^bounced 5.1.10 .*nullMX' "the null MX: bounced"
	by nothere.test; like "$OUT" '^bounced 5.4.4 .*name=nothere.test type=MX: Host not found' "no such domain: bounced"
	by nodata.test; is "$(status)" "bounced 5.4.4 " "neither MX nor address: bounced"
	by lost.test; is "$(status)" "bounced 5.4.4 " "an MX without address: bounced"
	by ring.test; like "$(status)" "^(bounced 5.4.4|deferred 4.4.3) " "a ring of aliases ends"
	send -o myhostname=client.self.test -n self.test -f a@example.org x@r.test
	like "$OUT" '^bounced 5.4.6 .*loops back to myself' "the best MX is this host: bounced, the others are not tried"
	by loopback.test; is "$(status)" "bounced 5.4.6 " "an MX at a loopback address"
	by "many.test:$PORT"; is "$(status)" "sent 2.0.0 " "300 MX records"
	send -o smtp_mx_address_limit=1 -n "plain.test:$PORT" -f a@example.org x@r.test
	like "$OUT" '^deferred 4.4.1 .*connect to dead.test\[127.0.0.3\]' "smtp_mx_address_limit"
	send -o disable_dns_lookups=yes -n "localhost:$PORT" -f a@example.org x@r.test
	is "$(status)" "sent 2.0.0 " "disable_dns_lookups: the system's host names"
	send -f a@example.org -o smtp_tcp_port="$PORT" x@plain.test
	is "$(status)" "sent 2.0.0 " "without next hop: the recipient's domain"
	script '#1:RCPT=450 4.2.0 greylisted'
	by "[a.test]:$PORT"; is "$(status)" "deferred 4.2.0 " "4xx from the only host"
	send -o dns_server=127.0.0.1:1 -n plain.test -f a@example.org x@r.test
	like "$OUT" '^deferred 4.4.3 .*try again' "no answer from the name server: deferred"

	# TLS
	req() { # name subject-alt-name [option ...]
		CN=$1 SAN=$2; shift 2
		openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$CN" -addext "subjectAltName=$SAN" \
			-keyout key.pem -out cert.pem "$@" 2> /dev/null && cat key.pem cert.pem > "$CN.pem"
	}
	if perl -MIO::Socket::SSL -e 1 2> /dev/null && req good DNS:mx.test -days 2; then
		cp cert.pem ca.pem
		tls() { # cert level rule ...
			CERT=$1 LEVEL=$2; shift 2
			SCRIPT="-c $CERT.pem"; script 'EHLO=250-script\n250-PIPELINING\n250 STARTTLS' 'STARTTLS=220 2.0.0 go' "$@"; SCRIPT=
			send -n "[mx.test]:$PORT" -o "smtp_tls_security_level=$LEVEL" -o "smtp_tls_CAfile=$T/ca.pem" -f a@example.org x@r.test
			TLS=$(grep -c ^TLS $LOG)
		}
		tls good may; is "$(status)$TLS" "sent 2.0.0 1" "may: TLS where it is offered"
		is "$(sed -n '/^TLS/,$s/^> \(.\{4\}\).*/\1/p' $LOG | tr '\n' ' ')" "EHLO MAIL RCPT DATA QUIT " "everything after it goes encrypted"
		tls good may 'EHLO=250 script'; is "$(status)$TLS" "sent 2.0.0 0" "may: none where it is not"
		tls good may 'STARTTLS=220 go\n554 injected'; unlike "$OUT" injected "a reply injected after STARTTLS is not taken for an encrypted one"
		tls good may '#1:STARTTLS=@close 220 go'; is "$(status)$TLS" "sent 2.0.0 0" "may: a failed handshake, then without"
		tls good encrypt; is "$(status)$TLS" "sent 2.0.0 1" "encrypt: any certificate"
		tls good encrypt 'EHLO=250 script'; is "$(status)$(grep -c MAIL $LOG)" "deferred 4.7.4 0" "encrypt, STARTTLS not offered (stripped): deferred"
		tls good encrypt 'STARTTLS=454 4.7.0 not now'; is "$(status)$(grep -c MAIL $LOG)" "deferred 4.7.4 0" "encrypt, STARTTLS refused: deferred"
		tls good encrypt 'STARTTLS=@close 220 go'; is "$(status | cut -c1-11)$(grep -c MAIL $LOG)" "deferred 4.0" "encrypt, a failed handshake: deferred"
		tls good verify; is "$(status)$TLS" "sent 2.0.0 1" "verify: the right name from a trusted authority"
		tls good secure; is "$(status)$TLS" "sent 2.0.0 1" "secure"
		for BAD in 'wrong DNS:other.test' 'star DNS:*' 'ip IP:127.0.0.1' 'expired DNS:mx.test'; do
			NAME=${BAD% *}
			if [ $NAME = expired ]; then
				req $NAME "${BAD#* }" -not_before 20200101000000Z -not_after 20210101000000Z ||
					{ openssl x509 -in ca.pem -signkey key.pem -days -1 -out cert.pem 2> /dev/null; cat key.pem cert.pem > expired.pem; }
			else
				req $NAME "${BAD#* }" -days 2
			fi
			cp cert.pem ca.pem
			tls $NAME verify
			is "$(status)$(grep -c MAIL $LOG)" "deferred 4.7.5 0" "verify, certificate: $BAD"
		done
		req untrusted DNS:mx.test -days 2
		tls untrusted verify; is "$(status)" "deferred 4.7.5 " "verify, an unknown authority"
		else
		skip 16 "IO::Socket::SSL or openssl is not installed"
	fi

	script 'EHLO=250 script'
	echo "[mx.test]:$PORT encrypt" > policy
	send -n "[mx.test]:$PORT" -o "smtp_tls_policy_maps=texthash:$T/policy" -f a@example.org x@r.test
	is "$(status)" "deferred 4.7.4 " "smtp_tls_policy_maps: a level of its own for a next hop"
	send -n "[mx.test]:$PORT" -o "smtp_tls_security_level=dane-only" -f a@example.org x@r.test
	is "$(status)" "deferred 4.7.5 " "a level that is not supported: deferred, never less than asked for"

	# AUTH
	echo "mx.test joe:secret:1" > passwords
	auth() { # option ... -- rule ...
		OPTIONS=; while [ "$1" != -- ]; do OPTIONS="$OPTIONS -o $1"; shift; done; shift
		script 'EHLO=250-script\n250 AUTH PLAIN LOGIN' "$@"
		send -n "[mx.test]:$PORT" -o smtp_sasl_auth_enable=yes -o "smtp_sasl_password_maps=texthash:$T/passwords" $OPTIONS -f a@example.org x@r.test
	}
	auth smtp_sasl_security_options= --
	is "$(status)$(grep AUTH $LOG)" "sent 2.0.0 > AUTH PLAIN $(printf '\0joe\0secret:1' | base64)" "AUTH PLAIN with the password of the table"
	auth smtp_sasl_security_options= -- 'AUTH=535 5.7.8 wrong'
	like "$OUT" '^deferred 4.7.8 .*authentication failed; server .* said: 535 5.7.8 wrong' "a refused login: deferred"
	auth --
	is "$(grep -c AUTH $LOG)" 0 "noplaintext: the password is not shown without TLS"
	auth smtp_sasl_password_maps=texthash:$T/none --
	is "$(status)$(grep -c MAIL $LOG)" "deferred 4.7.8 0" "a password table that cannot be read: deferred"
else
	skip 39 "knotd is not installed"
fi

# Dovecot's LMTP server
if have_program dovecot && [ -x /usr/lib/dovecot/lmtp ]; then
	ME=$(id -un)
	[ "$(id -u)" = 0 ] && ME=nobody
	mkdir dovecot && chown "$ME" dovecot
	cat > dovecot.conf <<END
base_dir = $T/dovecot/run
state_dir = $T/dovecot/state
log_path = $T/dovecot/log
protocols = lmtp
ssl = no
default_internal_user = $ME
default_login_user = $ME
default_internal_group = $(id -gn "$ME")
first_valid_uid = 1
mail_location = maildir:$T/dovecot/%u
lmtp_save_to_detail_mailbox = no
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=$(id -u "$ME") gid=$(id -g "$ME") home=$T/dovecot/%u allow_all_users=yes
}
service anvil {
  chroot =
}
service lmtp {
  unix_listener $T/dovecot/lmtp {
    mode = 0666
  }
}
END
	dovecot -c dovecot.conf > dovecot.out 2>&1
	if wait_for 5 test -S dovecot/lmtp; then
		send -n "lmtp:unix:$T/dovecot/lmtp" -f a@example.org joe@example.test ann@example.test
		is "$(status)" "sent 2.0.0 sent 2.0.0 " "Dovecot takes a message by LMTP"
		is "$(tail -7 dovecot/joe@example.test/new/* | tail -n 7)" "$(cat msg)" "and has it as it was"
		doveadm -c dovecot.conf stop > /dev/null 2>&1
		kill "$(cat dovecot/run/master.pid)" 2> /dev/null
	else
		skip 2 "dovecot does not start here: $(head -1 dovecot.out dovecot/log 2> /dev/null | tr '\n' ' ')"
	fi
else
	skip 2 "dovecot-lmtpd is not installed"
fi

# our own server: STARTTLS and AUTH
if have_program mtasmtp mtaqmgr mtaauth mta mtaconf; then
	mail_system
	echo "[127.0.0.1]:$SUBMISSION_PORT $USER_ADDR:$PASSWORD" > passwords
	send -n "[127.0.0.1]:$SUBMISSION_PORT" -o smtp_tls_security_level=encrypt -o smtp_sasl_auth_enable=yes \
		-o "smtp_sasl_password_maps=texthash:$T/passwords" -o smtp_sasl_tls_security_options= -f "$USER_ADDR" "$USER_ADDR"
	like "$OUT" "^sent 2.0.0 " "to a submission port of ours, by STARTTLS and AUTH"
	wait_for 10 sh -c "ls '$MAILDIR'/new/*"
	is "$(sed '1,/^$/d' "$MAILDIR"/new/*)" "$(sed '1,/^$/d' msg)" "and the message is in the mailbox"
	like "$(cat "$MAILDIR"/new/*)" 'ESMTPSA' "received with TLS and authentication"
	send -n "[127.0.0.1]:$SMTP_PORT" -f a@example.org "nobody-at-all@$DOMAIN" "$USER_ADDR"
	like "$(status)" '^bounced 5.1.1 sent 2' "an unknown recipient of ours is bounced, the other one gets it"
	mail_stop
else
	skip 4 "not all programs are built"
fi
