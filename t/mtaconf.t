#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtaconf(8): printing, editing and checking main.cf; private configurations; main.cf(5) in step with the table.
. "$(dirname "$0")/lib.sh"

have_program mtaconf || skip_all "mtaconf is not built"
TOP=$(cd "$(dirname "$0")/.." && pwd)
mkdir "$T/c"
C="mtaconf -C $T/c"
F=$T/c/main.cf

# --- printing ---
printf 'myhostname = mx.example.com\nown = x\nsmtpd_banner = $myhostname\n# c\n   ready\n' >"$F"
is "$($C myhostname)" "myhostname = mx.example.com" "a name gives its value"
is "$($C -h myhostname)" "mx.example.com" "-h without the name"
is "$($C -d myorigin)" 'myorigin = $myhostname' "-d gives the default"
is "$($C mydomain)" "mydomain = example.com" "mydomain is the host name without its first label"
is "$($C smtpd_banner)" 'smtpd_banner = $myhostname ready' "a value as it is written, its lines joined"
is "$($C -x smtpd_banner)" 'smtpd_banner = mx.example.com ready' "-x expands it"
is "$($C -n)" "$(printf 'myhostname = mx.example.com\nown = x\nsmtpd_banner = $myhostname ready')" "-n gives only what is set, sorted"
$C -o queue_directory=/q -h queue_directory >"$T/out"; is "$(cat "$T/out")" /q "-o overrides"
all=$($C); ok $? "no option: all values"
like "$all" "^myhostname = mx.example.com$" "with what is set"
like "$all" "^message_size_limit = 10240000$" "and with the defaults"
is "$(printf '%s\n' "$all" | grep -v '^[0-9a-zA-Z_]* =')" "" "every line is name = value"
like "$($C -d)" "^message_size_limit = 10240000$" "-d without a name gives all defaults"
out=$($C mydestnation 2>&1); is $? 65 "an unknown name exits with 65"
like "$out" "did you mean mydestination" "and is told the nearest known one"
like "$(mtaconf -m)" "^hash$" "-m lists the table types"
like "$(mtaconf -a)" "^dovecot$" "-a lists the SASL server types"
is "$(mtaconf -A)" cyrus "-A lists the SASL client types"
mtaconf -V | grep -q '^mtaconf (mtakit) '; ok $? "-V tells the version"
out=$(mtaconf -M 2>&1); is $? 64 "an option that is not there is a usage error"
like "$out" "usage: mtaconf" "with the usage"
ln -s "$B/mtaconf" "$T/postconf"
is "$("$T/postconf" -c "$T/c" -h myhostname)" mx.example.com "as postconf, with its -c"
$C -h myhostname >/dev/full 2>/dev/null; is $? 74 "a write error is not passed over"

# --- editing ---
cat >"$F" <<'END'
# the head
myhostname = old.example.com

# about limits
message_size_limit = 10M
mynetworks = 127.0.0.0/8,
# inside
	[::1]/128
relayhost = a
relayhost = b
END
chmod 640 "$F"
$C -e myhostname=new.example.com "mynetworks = 127.0.0.1/32" relayhost=c "smtpd_timeout=30s"; ok $? "-e sets values"
cat >"$T/want" <<'END'
# the head
myhostname = new.example.com

# about limits
message_size_limit = 10M
mynetworks = 127.0.0.1/32
# inside
relayhost = c
smtpd_timeout = 30s
END
same "$F" "$T/want" "comments, order and the other lines stay; what was set twice is set once"
is "$(stat -c %a "$F")" 640 "the file keeps its mode"
$C myorigin=example.com; is "$($C -h myorigin)" example.com "name=value without -e sets it, too"
$C -X myorigin message_size_limit; unlike "$(cat "$F")" "myorigin|message_size" "-X removes"
$C '-#' relayhost; like "$(cat "$F")" "^#relayhost = c$" "-# makes a comment of it"
out=$($C -e message_size_limit=big 2>&1); is $? 65 "a value that does not parse is refused"
like "$out" 'message_size_limit: "big" is not a size' "and the reason is told"
cp "$F" "$T/want"
$C -e 'bad name=1' 2>/dev/null; is $? 64 "white space in a name is refused"
$C -e "relayhost=a
b = c" 2>/dev/null; is $? 65 "a line end in a value is refused"
same "$F" "$T/want" "nothing was changed by refused edits"
printf 'last = 1' >"$F"; $C -e relayhost=x 2>/dev/null; is "$(cat "$F")" "$(printf 'last = 1\nrelayhost = x')" "a last line without its end stays a line"
: >"$F"
for i in 1 2 3 4 5 6 7 8; do $C -e "own$i=$i" 2>/dev/null & done; wait
is "$(grep -c '^own' "$F")" 8 "eight edits at once: none is lost"

# --- check ---
printf 'mydomain = example.com\nalias_maps =\nhome_mailbox = Maildir/\n' >"$F"
out=$($C check); is "$?/$out" "0/" "a good main.cf: exit 0 and no word"
printf 'mydomain = example.com\nalias_maps =\n' >"$F"
out=$($C check); is $? 0 "without home_mailbox: a warning"
like "$out" 'warning: home_mailbox: empty: mail for users of this host waits .*set home_mailbox = Maildir/' "says what to set"
out=$($C -o local_transport=lmtp:unix:/run/lmtp check); is "$out" "" "not when another program delivers"
out=$($C -o mydestination= check); is "$out" "" "nor when this host has no users"
if [ ! -e /etc/aliases.tdb ]; then
	printf 'mydomain = example.com\nhome_mailbox = Maildir/\n' >"$F"
	like "$($C check)" 'warning: alias_maps: /etc/aliases.tdb: .*make it with newaliases' "the default table of aliases is not there"
fi
# finding LINE TEXT NAME: a main.cf of that line is found wrong
finding() {
	printf 'myhostname = mx.example.com\n%s\n' "$1" >"$F"
	out=$($C check 2>&1)
	like "$out" "^$F:2: $2" "check: $3"
}
finding 'smtpd_reipient_restrictiOns = permit' 'error: .*did you mean smtpd_recipient_restrictions\?' "a misspelt name, with the nearest known one"
finding 'trict_rfc821_envelopes = yes' 'error: .*did you mean strict_rfc821_envelopes\?' "a letter left out at the start"
finding 'inet_interface = all' 'error: .*did you mean inet_interfaces\?' "a letter left out at the end"
finding 'smtpd_recipient_restrictions = reject_unauth_destinations' 'error: .*did you mean reject_unauth_destination\?' "a misspelt restriction"
finding 'notify_classes = bounce, polcy' 'error: notify_classes: unknown class "polcy"' "a class of notices that does not exist"
finding 'smtpd_client_restrictions = check_client_access' 'error: .*needs an argument' "a restriction without its argument"
finding 'mynetworks = 192.168.0.0/8' 'error: .*did you mean 192.0.0.0/8' "a network with host bits"
finding 'mynetworks = 127.0.0.0/8 [::]/128' 'error: .*did you mean \[::1\]/128' "[::]/128 for [::1]/128"
finding 'mynetworks = 0.0.0.0/0' 'error: .*everybody' "a network of everybody"
finding 'smtpd_relay_restrictions = permit_mynetworks' 'error: .*everybody may send everywhere' "an open relay"
finding 'authorized_mailq_users = !static:x, !bogus:y' 'error: .*"bogus:y": there is no table type "bogus"' "a table type that is not there, in a list of users"
finding 'message_size_limit = 10 MB' 'error: .*is not a size' "a value that does not parse"
finding 'relayhost = [mx] # the provider' 'warning: .*a comment needs a line of its own' "a comment on the line of a value"
finding 'relayhost = "mx"' 'warning: .*quotes are part of the value' "quotes"
finding 'alias_maps = hsh:/etc/aliases' 'error: .*did you mean hash' "a misspelt table type"
finding 'alias_maps = hash:/nonexistent/aliases' 'warning: .*No such file' "a table that is not there"
finding 'smtpd_tls_cert_file = /nonexistent' 'warning: .*No such file' "a certificate that is not there"
finding 'mydestination = $mydomian' 'warning: .*did you mean \$mydomain' "a misspelt \$name"
finding 'a = $b
b = $a' 'error: .*refers to itself' "values that refer to each other"
finding 'mydestination = example.com
relay_domains = example.com' 'x|.*:3: error: .*too: a domain can be in one of them only' "a domain of two classes"
finding 'default_transport = uucp:x' 'error: .*there is no uucp_agent' "a transport without an agent"
finding 'postscreen_greet_action = drop' 'warning: .*has no effect' "a parameter of Postfix that is not supported, with what to do"
finding 'mail_owner = nobody-such' 'warning: .*there is no user' "an account that is not there"
finding 'default_privs = root' 'error: .*is root' "commands as root"
finding 'just a text' "error: no '='" "a line without ="
finding 'myhostname = again' 'warning: .*was set at .*main.cf:1 already' "a name that is set twice"
finding 'always_bcc = a@b.test' 'warning: .*this version does nothing with it' "a parameter that no program reads yet"
finding 'smtpd_recipient_restrictions = reject_unauth_destination reject_unknown_sender_domain' 'error: .*is not supported by this version' "a restriction that mtasmtp does not know"
finding 'virtual_alias_maps = static:x' 'warning: .*does not expand aliases' "aliases, which are not expanded"
$C check extra 2>/dev/null; is $? 64 "check takes no arguments"
printf 'smtpd_restriction_classes = cls\ncls = permit_mynetworks, rejct\nsmtpd_client_restrictions = cls\nmy_limit = 5\nsmtpd_recipient_limit = $my_limit\nservice_x = y\nz_agent = y\n' >"$F"
out=$($C check); is $? 78 "errors exit with 78"
is "$(printf '%s\n' "$out" | grep error: | sed 's/.*error: //')" 'cls: "rejct" is no restriction; did you mean reject?' "classes of restrictions, own names that are used, services and agents are known"
rm "$F"; : >"$T/c/main.conf"
like "$($C check 2>&1)" "main.conf: is that it" "main.conf for main.cf"
rm "$T/c/main.conf"

# --- private configurations ---
mtaconf init "$T/p" message_size_limit=1M mydomain=private.test submission_port=1587 >"$T/out"; ok $? "init writes a private configuration"
is "$(mtaconf -C "$T/p" -h message_size_limit mydomain submission_port | tr '\n' ' ')" "1M private.test 1587 " "with what was asked for"
is "$(grep -c '^submission_port' "$T/p/main.cf")" 1 "in place of its own values"
out=$(mtaconf -C "$T/p" check); is "$?/$out" "0/" "check finds nothing wrong with it"
like "$(cat "$T/out")" "password +[A-Za-z0-9]{16}$" "and a password is printed"
is "$(stat -c %a "$T/p/key.pem")" 600 "the key is for its owner alone"
openssl x509 -in "$T/p/cert.pem" -noout -checkhost mail.private.test | grep -q 'does match'; ok $? "the certificate is the host's"
mtaconf init "$T/p" >/dev/null 2>&1; is $? 73 "a directory with a main.cf is left alone"
mtaconf init "$T/p2" novalue >/dev/null 2>&1; is $? 64 "an argument that is not name=value is a usage error"
if have_program jq; then
	is "$(mtaconf -j init "$T/p3" mydomain=j.test | jq -r '.domain, .user' | tr '\n' ' ')" "j.test user@j.test " "-j prints JSON"
else
	skip 1 "jq is not installed"
fi
if [ "$(id -u)" -eq 0 ] && have_program setpriv; then
	mkdir "$T/u"; chown nobody "$T/u"
	setpriv --reuid=nobody --regid=nogroup --clear-groups "$B/mtaconf" init "$T/u/p" >/dev/null 2>"$T/err"
	is "$?/$(cat "$T/err")" "0/" "an ordinary user can, too"
	is "$(mtaconf -C "$T/u/p" -h mail_owner)" nobody "and is the owner"
else
	skip 2 "not root"
fi

# --- texts of reports ---
mkdir "$T/b"; printf 'myhostname = mx.b.test\nmaximal_queue_lifetime = 3\n' > "$T/b/main.cf"
like "$(mtaconf -C "$T/b" -b)" "^This is the mail system at mx.b.test" "-b: how reports begin, names replaced"
mtaconf -C "$T/b" -t > "$T/b/t"; like "$(cat "$T/b/t")" '^This is the mail system at .myhostname' "-t: templates, names as they are"
is "$(mtaconf -C "$T/b" -b "$T/b/t" | grep -c 'mx.b.test\|it is 3 days old')" 4 "which can be used"
printf 'delay_template = <<X\nSubject: late\n\nPatience for ${maximal_queue_lifetime_days} days.\nX\n' > "$T/b/own"
echo "bounce_template_file = $T/b/own" >> "$T/b/main.cf"
is "$(mtaconf -C "$T/b" -b | sed -n '/delay/,/EOF$/p' | sed -n 2p)" "Patience for 3 days." "-b: by bounce_template_file"
is "$(mtaconf -C "$T/b" -t | grep -c '^[a-z]*_template = ')$(mtaconf -C "$T/b" -t | grep -c '^delay')" 31 "-t: the file, and what it lacks"
echo 'x' >> "$T/b/own"
like "$(mtaconf -C "$T/b" check)" "main.cf:3: error: bounce_template_file .*own: line 6: " "check finds a mistake in the file"
if have_program postconf && postconf -t 2>/dev/null | grep -q failure_template; then
	postconf -t > "$T/b/own"
	like "$(mtaconf -C "$T/b" -b)" "^I'm sorry to have to inform you" "Postfix's templates are understood"
else
	skip 1 "postconf is not installed"
fi

# --- the manual page and the sample ---
mtaconf manual >"$T/manual"
sed -n '/parameters begin/,/parameters end/p' "$TOP/doc/main.cf.5" | sed '1d;$d' >"$T/page"
same "$T/page" "$T/manual" "main.cf(5) lists the parameters as they are" || diag "run t/update-manual.sh"
mkdir "$T/sample"; cp "$TOP/doc/main.cf" "$T/sample/main.cf"
mtaconf -C "$T/sample" check >/dev/null; ok $? "the sample main.cf has no errors"

done_testing
