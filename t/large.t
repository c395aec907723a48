#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Sizes above 4 GB never wrap: messages that large (holes in files: they take no room) are listed, selected, counted and announced with
# their true sizes, and a small limit is not passed by a size that would be small in 32 bits. t/long/large.t moves real ones.
. "$(dirname "$0")/lib.sh"
have_program mtaqueue mtasmtp mtapop mtaauth mta || skip_all "not all programs are built"
mail_config "services=auth smtp pop3" message_size_limit=10M queue_minfree=0

# big ID SIZE: a message in hold/ whose content is a hole
big() {
	perl -e 'my ($dir, $id, $size) = @ARGV; my $env = "id $id\ntime 1795178175.019705\nsender <a\@example.com>\nrcpt T <b\@example.net>\n\n";
		my $at = 48 + length $env; open my $f, ">", "$dir/$id" or die; chmod 0600, "$dir/$id";
		printf $f "mtaq1 %020d %020d\n%s", $at, $size, $env; close $f; truncate "$dir/$id", $at + $size or exit 1' "$QUEUE/hold" "$1" "$2" || skip_all "no files of 6 GB in ${TMPDIR:-/tmp}"
	chown --reference="$QUEUE/hold" "$QUEUE/hold/$1" 2>/dev/null
}
big 0dZ8LK9g0PQQ85A01 4294967396    # 2^32 + 100
big 0dZ8LK9g0PQQ85A02 6442450944    # 6 GB
big 0dZ8LK9g0PQQ85A03 2147483648    # 2^31
big 0dZ8LK9g0PQQ85A04 100
q() { mtaqueue -C "$CONF" "$@"; }
is "$(q list -j --sort size | sed -n 's/.*"message_size": *\([0-9]*\).*/\1/p' | tr '\n' ' ')" "100 2147483648 4294967396 6442450944 " "mtaqueue list -j: the true sizes" || diag "$(q list -j)"
is "$(q list -j --size '>4G' | wc -l | tr -d ' ')" 2 "two are larger than 4G"
is "$(q list -j --size '<1k' | sed -n 's/.*"queue_id": *"\([^"]*\)".*/\1/p')" 0dZ8LK9g0PQQ85A04 "one is smaller than 1k"
is "$(q list -j --size '>18446744073709551615' 2>&1 | grep -c queue_id)" 0 "none is larger than 2^64 - 1, or that is no size"
like "$(q stat --prometheus)" 'bytes\{[^}]*hold[^}]*\} 12884902088$' "mtaqueue stat: their sum" || diag "$(q stat --prometheus | grep bytes)"
like "$(mailq -C "$CONF" 2>/dev/null || q list)" . "mailq prints them"
q show 0dZ8LK9g0PQQ85A02 >"$T/show" 2>&1; ok $? "mtaqueue show: headers of 6 GB are found or given up"
[ "$(wc -c <"$T/show")" -lt 200000 ]; ok $? "without the 6 GB"
rm "$QUEUE"/hold/0dZ8LK9g0PQQ85A0?

# --- SMTP ---
mail_start
smtp() { printf '%s\r\n' "$@" | timeout 10 perl -e 'use IO::Socket::INET; my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die;
	sub r { my $l; do { $l = <$s> // exit } while $l =~ /^\d+-/; print $l } r(); while (<STDIN>) { print $s $_; r() }' "$SMTP_PORT" | tr -d '\r'; }
for n in 2147483648 4294967295 4294967296 4294967396 8589934592 9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 18446744073709551716; do
	like "$(smtp "EHLO x" "MAIL FROM:<a@example.com> SIZE=$n" QUIT | sed -n 3p)" '^5(52|01) ' "SIZE=$n is over a limit of 10M"
done
mail_stop
sed -i 's/^message_size_limit.*/message_size_limit = 6000000000/' "$DIR/main.cf"; mail_start
like "$(smtp "EHLO x" "MAIL FROM:<a@example.com> SIZE=6000000001" QUIT | sed -n 3p)" '^552 ' "a limit of 6,000,000,000 is no limit of 1,705,032,704: one byte more is refused"
like "$(smtp "EHLO x" "MAIL FROM:<a@example.com> SIZE=5999999999" QUIT | sed -n 3p)" '^(250|452) ' "one less is not, if there is room"
mail_stop
sed -i 's/^message_size_limit.*/message_size_limit = 0/' "$DIR/main.cf"; mail_start
for n in 18446744073709551615 9223372036854775807; do
	like "$(smtp "EHLO x" "MAIL FROM:<a@example.com> SIZE=$n" QUIT | sed -n 3p)" '^(452|552) ' "without a limit SIZE=$n finds no room on the disk"
done

# --- POP3 ---
mkdir -p "$MAILDIR/cur" "$MAILDIR/new" "$MAILDIR/tmp"
hole() { : >"$MAILDIR/cur/$1"; truncate -s "$2" "$MAILDIR/cur/$1"; }
hole 1700000001.M1.h,S=4294967396,W=4294967396:2,S 4294967396
hole 1700000002.M2.h,S=6442450944,W=6442450944:2,S 6442450944
chown -R --reference="$DIR/mail" "$MAILDIR" 2>/dev/null
pop() { printf 'USER %s\r\nPASS %s\r\n' "$USER_ADDR" "$PASSWORD" >"$T/in"; printf '%s\r\n' "$@" >>"$T/in"; timeout 20 perl -e 'use IO::Socket::INET;
	my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1:$ARGV[0]") or die; print $s $_ while <STDIN>; print while <$s>' "$POP3_PORT" <"$T/in" | tr -d '\r' | sed 1,3d; }
is "$(pop STAT LIST QUIT | head -5 | tr '\n' '|')" "+OK 2 10737418340|+OK 2 messages (10737418340 octets)|1 4294967396|2 6442450944|.|" "POP3: STAT and LIST tell the true sizes"
for w in 18446744073709551615 9223372036854775807; do
	rm "$MAILDIR"/cur/*; for i in 1 2 3; do printf 'x\n' >"$MAILDIR/cur/170000000$i.M1.h,S=$w,W=$w:2,S"; done; chown -R --reference="$DIR/mail" "$MAILDIR" 2>/dev/null
	is "$(pop STAT QUIT | head -1)" "+OK 3 9" "POP3: a name that promises $w bytes is not believed"
done
done_testing
