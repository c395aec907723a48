#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# sendmail(8): what programs type, what becomes of the message, and what must not go wrong.
. "$(dirname "$0")/lib.sh"
have_program mtaconf mtaqueue || skip_all "mtaconf and mtaqueue are not built"
mail_config services=submit message_size_limit=20M
Q="mtaqueue -C $CONF"
S="sendmail -C $CONF"
ME=$(id -un)@$DOMAIN

# The newest message, then the queue is emptied.
taken() {
	ID=$($Q list --sort age --format %i | tail -1)
	$Q show --raw "$ID" >"$T/raw" 2>&1
	$Q show --message "$ID" >"$T/msg" 2>&1
	$Q delete --all --now -q >/dev/null 2>&1
	RAW=$(cat "$T/raw")
	MSG=$(cat "$T/msg")
}
queued() { $Q list --format %i | grep -c .; }
body() { sed '1,/^$/d' "$T/msg"; }
# other COMMAND: as a user who may not write the queue
other() { setpriv --reuid=12345 --regid=12345 --clear-groups "$@"; }

# --- straight into the queue: no service runs yet ---

printf 'hello\n.\nnot this\n' | $S bob
ok $? "a message without a header is taken while no service runs, by who may write the queue"
taken
like "$RAW" "^sender <$ME>\$" "the caller is the sender"
like "$RAW" "^rcpt T <bob@$DOMAIN>\$" "a name alone gets the domain"
like "$MSG" "^Received: by mail.example.test \\(.*, from userid $(id -u)\\)" "Received: names the user"
like "$MSG" "^From: .*<?$ME>?\$" "From: is added"
like "$MSG" "^Date: [A-Z][a-z][a-z], [0-9]+ [A-Z][a-z][a-z] 20[0-9][0-9] " "Date: is added"
like "$MSG" "^Message-Id: <[^ @]+@mail.example.test>\$" "Message-Id: is added"
is "$(body)" "hello" "a line with a dot alone ends the message"

printf 'Subject: x\n\n.\n..\na\r\nb' | $S -i -f '' bob@example.org
taken
like "$RAW" '^sender <>$' "-f '' is the null sender"
is "$(body)" "$(printf '.\n..\na\nb')" "with -i a dot is a dot; CRLF becomes LF; the last line gets its end"

{ printf 'Subject: x\n\n'; i=0; while [ $i -lt 70 ]; do printf 'x%01023d\n' $i; i=$((i + 1)); done; printf '.'; } >"$T/in"
{ cat "$T/in"; sleep 0.2; printf '\nrest\n'; } | $S bob@example.org
taken
is "$(body | wc -l | tr -d ' ')" 70 "the dot is found where two reads meet"

printf 'From MAILER Thu Nov 20 11:00:00 2026\nSubject: x\nFrom: a@b.example\nDate: Mon, 1 Jan 2024 00:00:00 +0000\nMessage-ID: <mine@x>\n\nt\n' | $S bob@example.org
taken
unlike "$MSG" '^From MAILER' "the From_ line of an mbox is dropped"
is "$(grep -ciE '^(from|date|message-id):' "$T/msg")" 3 "fields that are there are not added again"

printf 'To: root, "A, B" <one@example.org>, team: two@example.org, three@example.org;\nCc: four@example.org (comment)\nBcc: secret@example.org\nSubject: x\n\nt\n' | $S -t five@example.org
taken
is "$(grep -c '^rcpt T' "$T/raw")" 7 "-t collects To, Cc and Bcc, and the arguments"
like "$RAW" "^rcpt T <secret@example.org>" "blind copies are sent"
unlike "$MSG" 'secret' "and nobody sees to whom"
like "$MSG" "^To: root@$DOMAIN, \"A, B\" <one@example.org>" "bare addresses in the header get the domain"

printf 'Resent-To: new@example.org\nResent-Bcc: hidden@example.org\nTo: old@example.org\n\nt\n' | $S -t
taken
is "$(sed -n 's/^rcpt T <\(.*\)>.*/\1/p' "$T/raw" | sort | tr '\n' ' ')" "hidden@example.org new@example.org " "a resent message goes to Resent- recipients only"
like "$MSG" '^Resent-From: ' "Resent-From: is added"

printf 'Subject: x\n\nt\n' | env NAME="$(printf 'Evil\nBcc: x@y\033[2J')" $S -N failure,delay -R hdrs -V 'my id' bob@example.org
taken
unlike "$MSG" '^Bcc' "a name from the environment makes no header field"
like "$RAW" '^rcpt T <bob@example.org> notify=FAILURE,DELAY' "-N is kept for the recipient"
like "$RAW" '^opt .*ret=HDRS.*envid=my\+20id' "-R and -V are kept"

printf 'Subject: x\n\nt\n' | $S -F 'Grün, Jürgen' bob@example.org
taken
like "$MSG" '^From: =\?utf-8\?B\?[A-Za-z0-9+/=]+\?= <' "-F with other letters than ASCII is encoded"
printf 'Subject: gr\374n\n\nt\n' | $S bob@example.org
taken
like "$RAW" '^opt .*body=8BITMIME' "8-bit text is noted"

# What the programs type.
for args in "-FCronDaemon -i -B8BITMIME -oem bob" "-t -i" "-oem -oi -f a@b.example -- bob@example.org" "-i bob@example.org joe@example.org" \
	"-oi -odb -om -n -G -U -X /dev/null -A m -h 5 -p x -O Foo=bar -L lab bob"; do
	printf 'To: bob@example.org\nSubject: x\n\nt\n' | $S $args >"$T/out" 2>&1
	is "$?$(cat "$T/out")$(queued)" "01" "sendmail $args"
	taken
done

head -c 3000000 /dev/zero | tr '\0' 'x' | fold -w 900 >"$T/big"
(printf 'Subject: big\n\n'; cat "$T/big") | $S bob@example.org
ok $? "three megabytes"
taken
body >"$T/body"; echo >>"$T/big"
same "$T/body" "$T/big" "arrive byte for byte"
head -c 30000000 /dev/zero | $S bob@example.org 2>"$T/err"
is "$?" 65 "a message over message_size_limit is refused"
like "$(cat "$T/err")" 'message_size_limit' "with the parameter's name"

# --- what must not hurt ---

$S bob@example.org <&- >&- 2>&-
is "$?$(queued)" "01" "closed descriptors: an empty message, nothing else"
taken
(printf 'Subject: x\n\n'; cat "$T/big") | sh -c "ulimit -f 1; exec $S bob@example.org" 2>"$T/err"
is "$?" 75 "no room for the file: a temporary failure"
is "$(queued)$(count_files "$QUEUE/tmp")" 00 "and nothing is left"
printf 't\n' | env -i "$B/sendmail" -C "$CONF" bob@example.org
ok $? "an empty environment"
taken
printf 't\n' | $S 'bob@example.org
rcpt T <evil@example.org>' 2>/dev/null
unlike "$(cat "$QUEUE"/incoming/* 2>/dev/null)" '^rcpt T <evil' "a line break in an argument makes no recipient"
$Q delete --all --now -q >/dev/null 2>&1
printf 'To: "a\n b"@example.org, x@y.example\n\nt\n' | $S -t 2>/dev/null
unlike "$(sed '/^$/q' "$QUEUE"/incoming/* 2>/dev/null)" '^ *b"' "nor does one in a quoted local part"
$Q delete --all --now -q >/dev/null 2>&1
start=$(date +%s)
perl -e 'print "To: x\@example.org"; print ",\n u$_\@example.org" for 1..1000000; print "\n\nt\n"' | $S -t 2>"$T/err"
is "$?" 65 "a million recipients are refused"
like "$(cat "$T/err")" 'more than 50000 recipients|larger than' "with the limit"
ok $(($(date +%s) - start > 20)) "within seconds"
perl -e 'print "To: x\@example.org"; print ",\n u$_\@example.org" for 1..40000; print "\n\nt\n"' | $S -t
ok $? "forty thousand are not"
taken
is "$(grep -c '^rcpt T' "$T/raw")" 40001 "and all are there"

$S </dev/null 2>"$T/err"; is $? 64 "no recipients: a usage error"
$S -Z bob 2>"$T/err" </dev/null; is $? 64 "an unknown option: a usage error"
printf 'Subject: x\n\nt\n' | $S -t 2>"$T/err"; is $? 64 "-t without recipients in the header"
printf 't\n' | $S 'a b c@@d' 2>"$T/err"; is $? 64 "a recipient that is no address"
$S -V | grep -q '^sendmail (mtakit) '; ok $? "-V alone prints the version"

if [ "$(id -u)" -eq 0 ]; then
	mv "$QUEUE/maildrop" "$QUEUE/maildrop.away" # t/maildrop.t is about that
	printf 't\n' | other "$B/sendmail" -C "$CONF" -f me@example.org bob@example.org 2>"$T/err"
	is $? 75 "who may write nothing of the queue is told to come back while no service runs"
	like "$(cat "$T/err")" 'cannot be reached' "in words"
	is "$(queued)" 0 "and nothing is queued"
	mv "$QUEUE/maildrop.away" "$QUEUE/maildrop"
else
	skip 3 "not root: everything here is the caller's"
fi

# --- other names ---

for name in mailq newaliases sendmail; do ln -s "$B/sendmail" "$T/$name"; done
printf 't\n' | $S -f alice@example.com bob@example.org
for name in mailq.postfix sendmail.postfix; do ln -s "$B/sendmail" "$T/$name"; done
is "$("$T/mailq.postfix" -C "$CONF" | head -1)" "$("$T/mailq" -C "$CONF" | head -1)" "mailq.postfix, too"
is "$("$T/sendmail.postfix" -C "$CONF" -bp | head -1)" "$("$T/mailq" -C "$CONF" | head -1)" "and sendmail.postfix"
if have_program update-alternatives; then
	mkdir "$T/alt" "$T/adm" "$T/sys"
	update-alternatives --altdir "$T/alt" --admindir "$T/adm" --log "$T/alt.log" --install "$T/sys/sendmail" mta "$T/sendmail" 90 \
		--slave "$T/sys/mailq" mta-mailq "$T/mailq" --slave "$T/sys/newaliases" mta-newaliases "$T/newaliases" >/dev/null 2>&1
	is "$("$T/sys/mailq" -C "$CONF" | head -1)" "$("$T/mailq" -C "$CONF" | head -1)" "the system's names, by alternatives"
else
	skip 1 "update-alternatives is not installed"
fi
like "$("$T/mailq" -C "$CONF")" '^[0-9A-Za-z]{17} +[0-9]+ [A-Z][a-z][a-z] [A-Z][a-z][a-z] [ 0-9][0-9] [0-9:]{8} alice@example.com$' "mailq by name"
like "$($S -bp)" '^-- 0 Kbytes in 1 Request\.$' "-bp"
mv "$QUEUE"/incoming/* "$QUEUE/deferred/"
$S -q
is "$?$(count_files "$QUEUE/incoming")" 01 "-q puts deferred mail back to be tried now"
taken
$Q delete --all --now -q >/dev/null 2>&1
out=$($S -q 2>&1); is "$?$out" 0 "-q with an empty queue has nothing to do: success"
is "$($S -bp)" "Mail queue is empty" "an empty queue, as scripts look for it"
if have_program mtaalias; then
	printf 'root: bob\n' >"$T/aliases"
	"$T/newaliases" -C "$CONF" -o "alias_database=hash:$T/aliases" >"$T/out" 2>&1
	ok $? "newaliases by name"
	ok "$([ -s "$T/aliases.tdb" ]; echo $?)" "compiles the aliases"
else
	skip 2 "mtaalias is not built"
fi

# --- over the submission socket ---

if ! have_program mta mtasmtp; then
	diag "mta and mtasmtp are not built: no checks of the socket"
	done_testing
fi
mail_start
wait_for 5 test -S "$QUEUE/public/submit"
printf 'Subject: x\n\n.\n..dots\nt\n' | $S -i -v bob@example.org 2>"$T/err"
ok $? "a message goes over the socket"
like "$(cat "$T/err")" 'queued as [0-9A-Za-z]+' "-v tells the queue ID"
taken
is "$(body)" "$(printf '.\n..dots\nt')" "dots arrive as they were"
is "$(grep -c '^Received:' "$T/msg")" 1 "with one Received: line"
printf 't\n' | $S -N never -R full -V id7 bob@example.org
taken
like "$RAW" '^rcpt T <bob@example.org>.*notify=NEVER' "-N passes through"
if [ "$(id -u)" -eq 0 ]; then
	printf 't\n' | other "$B/sendmail" -C "$CONF" -f me@example.org bob@example.org
	ok $? "anyone may submit, without set-uid programs"
	taken
	like "$RAW" '^from .*uid=12345' "and the kernel says who it was"
	printf 'EHLO me\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\nSubject: x\r\n\r\nt\r\n.\r\nQUIT\r\n' |
		other "$B/sendmail" -C "$CONF" -bs >"$T/out" 2>&1
	like "$(cat "$T/out")" '^250 2.0.0 ' "-bs speaks SMTP for anyone"
	taken
else
	skip 3 "not root: there is one user"
fi
printf 'EHLO me\r\nQUIT\r\n' | $S -bs >"$T/out" 2>&1
like "$(cat "$T/out")" '^221 ' "-bs speaks SMTP"
# shellcheck disable=SC2046 # addresses, a word each
perl -e 'print "Subject: x\n\nt\n"' | $S $(perl -e 'print "u$_\@example.org " for 1..2500') 2>"$T/err"
ok $? "2,500 recipients"
is "$(cat "$QUEUE"/incoming/* | grep -c '^rcpt T')" 2500 "all of them, in as many transactions as it takes"
$Q delete --all --now -q >/dev/null
(cat "$T/big"; cat "$T/big") | $S bob@example.org
taken
body >"$T/body"; cat "$T/big" "$T/big" >"$T/big2"
same "$T/body" "$T/big2" "six megabytes over the socket"

# --- real programs ---

printf '#!/bin/sh\nexec %s -C %s "$@"\n' "$B/sendmail" "$CONF" >"$T/wrap"; chmod 755 "$T/wrap"
case $(readlink -f "$(command -v mail)") in
*bsd-mailx | *s-nail)
	printf 'set sendmail=%s\n' "$T/wrap" >"$T/mailrc"
	printf 'hello\n' | MAILRC="$T/mailrc" mail -s 'from mail' -b blind@example.org bob >"$T/out" 2>&1
	taken
	like "$MSG" '^Subject: from mail' "mail(1) sends"
	like "$RAW" "^rcpt T <bob@$DOMAIN>" "to a user of this host"
	;;
*)
	skip 2 "no BSD mail(1)"
	;;
esac
if have_program mutt; then
	printf 'hello\n' | HOME=$T mutt -n -F /dev/null -e "set sendmail=\"$T/wrap -oem -oi\" copy=no use_from=yes from=me@$DOMAIN" \
		-s 'from mutt' -b blind@example.org -- bob@example.org >"$T/out" 2>&1
	taken
	like "$MSG" '^Subject: from mutt' "mutt sends"
	like "$RAW" '^rcpt T <blind@example.org>' "with its blind copy"
else
	skip 2 "mutt is not installed"
fi
if have_program git && [ -x "$(git --exec-path)/git-send-email" ]; then
	(cd "$T" && git init -q r && cd r && git config user.email me@example.com && git config user.name Me && echo x >f && git add f &&
		git commit -qm 'from git' && HOME=$T git send-email --quiet --confirm=never --from=me@example.com --to=bob@example.org \
			--smtp-server="$T/wrap" -1) >"$T/out" 2>&1
	taken
	like "$MSG" '^Subject: \[PATCH\] from git' "git send-email sends"
else
	skip 1 "git send-email is not installed"
fi
mail_stop
done_testing
