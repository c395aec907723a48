#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# git send-email hands patches over by sendmail(8), as it finds it in PATH, and by SMTP with TLS and a password.
. "$(dirname "$0")/lib.sh"
have_program git || skip_all 'git is not installed'
[ -x "$(git --exec-path)/git-send-email" ] || skip_all 'git send-email is not installed'
perl -MMail::Address -e 1 2>/dev/null || skip_all 'Perl has no Mail::Address, which git send-email needs'
mail_system
export HOME="$T" GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_DATE='2026-11-20T12:00:00Z' GIT_COMMITTER_DATE='2026-11-20T12:00:00Z' MTA_CONFIG="$CONF"
git config --global user.name 'Jörg Ünder'
git config --global user.email "$USER_ADDR"
git config --global init.defaultBranch main
git init -q "$T/repo" && cd "$T/repo" || exit 1
printf 'one\n' >file; git add file; git commit -qm 'first'
printf 'two\n' >>file; git commit -qam 'Second: äöü in the subject'
printf '.\n.dot\nFrom here\n' >>file; git commit -qam 'Third: lines that need care'
send() { git send-email --to="$USER_ADDR" --confirm=never --suppress-cc=all --no-chain-reply-to "$@" -2 >"$T/out" 2>&1; }
arrived() { [ "$(ls "$MAILDIR/new" 2>/dev/null | wc -l)" -ge "$1" ]; }
# applied: what arrived gives the two commits again on top of the first
applied() {
	rm -rf "$T/copy"; git clone -q "$T/repo" "$T/copy" && (cd "$T/copy" && git reset -q --hard HEAD~2 &&
		grep -l '^Subject: \[PATCH' "$MAILDIR"/new/* | while read -r f; do echo "$(sed -n 's/^Subject: \[PATCH \([0-9]\).*/\1/p' "$f") $f"; done | sort | sed 's/^[0-9] //' |
		xargs git am -q) >"$T/am" 2>&1 && [ "$(git -C "$T/copy" rev-parse 'HEAD^{tree}')" = "$(git rev-parse 'HEAD^{tree}')" ]
}
send --sendmail-cmd="$B/sendmail -C $CONF -i"; ok $? "by sendmail" || diag "$(cat "$T/out")"
wait_for 10 arrived 2; ok $? "two patches arrive"
applied; ok $? "and git am makes the same tree of them" || diag "$(cat "$T/am")"
like "$(cat "$MAILDIR"/new/*)" '^In-Reply-To: <' "the second is a reply to the first"
rm -f "$MAILDIR"/new/*
if perl -MNet::SMTP -MAuthen::SASL -e 1 2>/dev/null; then
	send --smtp-server=127.0.0.1 --smtp-server-port="$SUBMISSION_PORT" --smtp-encryption=tls --smtp-ssl-cert-path "" \
		--smtp-user="$USER_ADDR" --smtp-pass="$PASSWORD"; ok $? "by SMTP with STARTTLS and a password" || diag "$(cat "$T/out")"
	wait_for 10 arrived 2; ok $? "two patches arrive"
	applied; ok $? "and git am makes the same tree of them" || diag "$(cat "$T/am")"
else
	skip 3 'Perl has no Authen::SASL'
fi
done_testing
