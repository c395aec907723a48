#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mtamap and mtaalias: compiling, querying, changing and damaging tables from the command line.
B=${MTA_BUILD:-$(dirname "$0")/../build}
D=$(mktemp -d "${TMPDIR:-/tmp}/mtamap.XXXXXX") || exit 1
trap 'rm -rf "$D"' EXIT
B=$(cd "$B" && pwd)
cd "$D" || exit 1
N=0
ok() { # status text
	N=$((N + 1))
	if [ "$1" = 0 ]; then echo "ok $N - $2"; else echo "not ok $N - $2"; sed 's/^/# /' out err 2>/dev/null; fi
}
is() { # got want text
	[ "$1" = "$2" ]; R=$?
	ok $R "$3"
	[ $R = 0 ] || printf '# got: %s\n# want: %s\n' "$1" "$2"
}
run() { "$@" > out 2> err; S=$?; }

printf '# comment\nBob@Example.com bob\nlist@example.com alice,\n   bob\n' > virtual
run "$B/mtamap" hash:virtual
is $S 0 "a table is compiled"
run "$B/mtamap" -q bob@example.com hash:virtual
is "$S $(cat out)" "0 bob" "a key is found without regard to case"
run "$B/mtamap" -q list@example.com virtual
is "$(cat out)" "alice, bob" "a continued line, and hash as the default type"
run "$B/mtamap" -q nobody@example.com virtual
is "$S $(cat out)" "1 " "an absent key: exit status 1, nothing printed"
printf 'bob@example.com\nx\nlist@example.com\n' | "$B/mtamap" -q - virtual > out 2> err
is "$(tr '\t' '=' < out)" "$(printf 'bob@example.com=bob\nlist@example.com=alice, bob')" "keys from standard input"
printf 'carol@example.com carol\nbob@example.com other\n' | "$B/mtamap" -i virtual 2> err
is "$("$B/mtamap" -s virtual | sort | tr '\t\n' '= ')" "bob@example.com=bob carol@example.com=carol list@example.com=alice, bob " \
	"pairs are added to a table, those that are there stay"
grep -q duplicate err; ok $? "and the duplicate is told"
printf 'bob@example.com other\n' | "$B/mtamap" -ir virtual
is "$("$B/mtamap" -q bob@example.com virtual)" other "a pair is replaced"
run "$B/mtamap" -d bob@example.com virtual
is "$S $("$B/mtamap" -q bob@example.com virtual)" "0 " "a key is removed"
run "$B/mtamap" -d bob@example.com virtual
is $S 1 "removing a key that is not there: exit status 1"
printf 'key\nk2 v2\nk2 v3\n' > warn
run "$B/mtamap" warn
is "$S $(grep -c warning err)" "0 2" "a line without value and a duplicate key are warnings"
is "$("$B/mtamap" -q k2 warn)" v2 "the first of duplicate keys counts"
cp warn.tdb before.tdb
printf 'a 1\nb \0 2\n' > warn
run "$B/mtamap" warn
is $S 65 "a NUL character in the source is refused"
grep -q 'line 2: NUL' err; ok $? "with file and line"
cmp -s warn.tdb before.tdb; ok $? "and the old table stays as it was"
head -c 5000000 /dev/zero | tr '\0' x > warn
run "$B/mtamap" warn
is $S 65 "a line of 5 MB is refused"
{ printf 'k '; head -c 1000000 /dev/zero | tr '\0' y; } > warn
run "$B/mtamap" warn
is "$S $("$B/mtamap" -q k warn | wc -c)" "0 1000001" "a line of 1 MB is taken whole"
run "$B/mtamap" missing
is $S 66 "a missing source: EX_NOINPUT"
run "$B/mtamap" -q x hash:missing
is $S 75 "a missing table is an error, not an absent key"
run "$B/mtamap" regexp:virtual
is $S 64 "a table that is not compiled: usage error"
run "$B/mtamap" -q x nosuch:virtual
is $S 64 "an unknown type: usage error"
run "$B/mtamap"
is $S 64 "no table: usage error"
grep -q usage: err; ok $? "with the usage line"

# damage: each of these must be an error
head -c 100 virtual.tdb > short.tdb
run "$B/mtamap" -q carol@example.com short
is $S 75 "a truncated table is an error"
: > empty.tdb
run "$B/mtamap" -q carol@example.com empty
is $S 75 "an empty table is an error"
cp virtual.tdb bad.tdb
SIZE=$(wc -c < bad.tdb)
printf X | dd of=bad.tdb bs=1 seek=$((SIZE / 3)) conv=notrunc 2> err
run "$B/mtamap" -q carol@example.com bad
is $S 75 "one changed byte is an error"
printf 'x y\n' > bad.tdb
run "$B/mtamap" -q x bad
is $S 75 "a text file in place of a table is an error"
mkfifo fifo.tdb
run timeout 5 "$B/mtamap" -q x fifo
is $S 75 "a FIFO in place of a table is an error"

chmod 640 virtual
rm virtual.tdb
"$B/mtamap" virtual
is "$(stat -c %a virtual.tdb)" 640 "a new table has the mode of its source"
is "$(ls ./*.tmp 2>/dev/null)" "" "no temporary file is left"

# aliases
printf 'postmaster: root\nManagers: kelly,Li\n"two words": x\nprog: "|/bin/cat a:b"\nbroken line\nempty:\npostmaster: other\n' > aliases
run "$B/mtaalias" aliases
is "$S $(grep -c warning err)" "0 3" "aliases are compiled, three bad lines are warnings"
is "$("$B/mtaalias" -q MANAGERS aliases)" "kelly,Li" "an alias is found without regard to case, its value kept as written"
is "$("$B/mtaalias" -q 'two words' hash:aliases)" x "a quoted name"
is "$("$B/mtaalias" -q prog aliases)" '"|/bin/cat a:b"' "a command with a colon"
is "$("$B/mtaalias" -q postmaster aliases)" root "the first of duplicate names counts"
run "$B/mtaalias" -q nobody aliases
is $S 1 "an absent alias: exit status 1"
is "$("$B/mtaalias" -s aliases | wc -l)" 4 "all aliases are listed"
mkdir conf
printf 'alias_database = hash:%s/aliases\n' "$D" > conf/main.cf
ln -s "$B/mtaalias" newaliases
rm aliases.tdb
run ./newaliases -C conf
is "$S $(ls aliases.tdb)" "0 aliases.tdb" "newaliases builds what alias_database names"
ln -s "$B/mtaalias" postalias
run ./postalias
is $S 64 "postalias without a file: usage error"
ln -s "$B/mtamap" postmap
run ./postmap -c conf -q carol@example.com hash:virtual
is "$S $(cat out)" "1 " "postmap takes -c"

# readers while the table is replaced
printf 'k old\n' > busy
"$B/mtamap" busy
( i=0; while [ $i -lt 40 ]; do printf 'k new\n' > busy; "$B/mtamap" busy; i=$((i + 1)); done ) &
W=$!
BAD=0 i=0
while [ $i -lt 60 ]; do
	case $("$B/mtamap" -q k busy 2>&1) in old|new) ;; *) BAD=$((BAD + 1)) ;; esac
	i=$((i + 1))
done
wait $W
is $BAD 0 "a table that is replaced all the time always answers"
# one reader that keeps the table open
( i=0; while [ $i -lt 40 ]; do printf 'k old\nk%s x\n' $i > busy; "$B/mtamap" busy; printf 'k new\n' > busy; "$B/mtamap" busy; i=$((i + 1)); done; : > "done" ) &
W=$!
while [ ! -e "done" ]; do i=0; while [ $i -lt 50 ]; do echo k; i=$((i + 1)); done; done | tee asked | "$B/mtamap" -q - busy > answers 2> err
S=$?
wait $W
is "$S $(wc -l < answers) $(grep -cvE '^k[[:blank:]](old|new)$' answers)" "0 $(wc -l < asked) 0" "a reader that keeps it open gets the old or the new answer only, each time"
echo "1..$N"
