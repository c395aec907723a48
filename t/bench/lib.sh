# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Common parts of the benchmarks: a private mtakit and a private Postfix with the same
# mailboxes, CPU time by control group, and the load. Sourced.
# shellcheck shell=sh

B=${MTA_BUILD:?MTA_BUILD is the folder of the built programs}
here=$(cd "$(dirname "$0")" && pwd)
PATH=$B:$PATH:/usr/sbin:/sbin
export PATH
W=$(mktemp -d "${TMPDIR:-/tmp}/mtabench.XXXXXX") || exit 75
chmod 755 "$W"
root=$([ "$(id -u)" -eq 0 ] && echo yes)

note() { printf '# %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }
free_port() {
	perl -MIO::Socket::INET -e 'print IO::Socket::INET->new(Listen=>1,LocalAddr=>"127.0.0.1")->sockport'
}

# --- CPU time and memory of a server: the control group it was started in
cg_kind= cg_top=
if [ -w /sys/fs/cgroup/cpuacct ]; then cg_kind=1 cg_top=/sys/fs/cgroup/cpuacct
elif [ -w /sys/fs/cgroup/cgroup.procs ] && [ -e /sys/fs/cgroup/cgroup.controllers ]; then cg_kind=2 cg_top=/sys/fs/cgroup
fi
cg() { echo "$cg_top/mtabench.$$.$1"; }
in_group() { # NAME COMMAND...: run with all that it starts in the group NAME
	g=$(cg "$1"); shift
	if [ -n "$cg_kind" ]; then
		mkdir -p "$g"
		sh -c 'echo $$ >"$1/cgroup.procs"; shift; exec "$@"' - "$g" "$@"
	else
		"$@"
	fi
}
cpu_us() { # CPU microseconds that the group NAME has used
	case $cg_kind in
	1) awk '{ printf "%d\n", $1 / 1000 }' "$(cg "$1")/cpuacct.usage" ;;
	2) awk '$1 == "usage_usec" { print $2 }' "$(cg "$1")/cpu.stat" ;;
	*) echo 0 ;;
	esac
}
pss_kib() { # proportional set size of all processes of the group
	[ -n "$cg_kind" ] || { echo 0; return; }
	while read -r p; do
		awk '/^Pss:/ { print $2 }' "/proc/$p/smaps_rollup" 2>/dev/null
	done <"$(cg "$1")/cgroup.procs" | awk '{ s += $1 } END { print s + 0 }'
}

# --- servers
MTA_PORT=$(free_port)
mta_setup() { # [name=value ...]
	owner=$(id -un)
	[ -z "$root" ] || { owner=mta; id -u mta >/dev/null 2>&1 || owner=nobody; }
	uid=$(id -u "$owner"); gid=$(id -g "$owner")
	mtaconf init "$W/mta" 'services=qmgr smtp' "service_smtp=mtasmtp -l 127.0.0.1:$MTA_PORT" "mail_owner=$owner" \
		'virtual_mailbox_domains=example.com' "virtual_mailbox_base=$W/mta/bench" \
		"virtual_mailbox_maps=texthash:$W/mta/vmaps" "virtual_uid_maps=static:$uid" "virtual_gid_maps=static:$gid" \
		'virtual_minimum_uid=1' "maillog_file=$W/mta.log" 'message_size_limit=67108864' \
		'smtpd_client_connection_count_limit=0' 'default_process_limit=250' "$@" >"$W/init.log" 2>&1 ||
		{ cat "$W/init.log"; exit 1; }
	mkdir -p "$W/mta/bench"; [ -z "$root" ] || chown "$uid:$gid" "$W/mta/bench"
	echo 'u1@example.com u1/' >"$W/mta/vmaps"
	MTA_BOX=$W/mta/bench/u1
}
mta_start() { in_group mta mta -C "$W/mta" start >"$W/start.log" 2>&1 || { cat "$W/start.log"; tail -5 "$W/mta.log"; exit 1; }; }
mta_stop() { mta -C "$W/mta" stop >/dev/null 2>&1; }

PF_PORT=$(free_port)
postfix_setup() { # fails where there is no Postfix, or no root to run it
	have postfix && [ -n "$root" ] && [ -x /usr/sbin/postfix ] || return 1
	p=$W/postfix; mkdir -p "$p" "$W/pfq" "$W/pfdata" "$W/pfmail"
	chown postfix "$W/pfdata"; chown 65534 "$W/pfmail"
	src=/etc/postfix/master.cf; [ -e $src ] || src=/usr/share/postfix/master.cf.dist
	sed -E -e "s/^smtp +inet .*/127.0.0.1:$PF_PORT inet n - n - - smtpd/" \
		-e 's/^([a-z]+ +(unix|inet) +[-yn] +[-yn] +)[-y]( )/\1n\3/' $src >"$p/master.cf"
	echo 'u1@example.com u1/' >"$p/vmaps"
	cat >"$p/main.cf" <<EOF
compatibility_level = 3.6
queue_directory = $W/pfq
data_directory = $W/pfdata
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.example.com
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
mynetworks = 127.0.0.0/8
virtual_mailbox_domains = example.com
virtual_mailbox_base = $W/pfmail
virtual_mailbox_maps = texthash:$p/vmaps
virtual_mailbox_limit = 0
mailbox_size_limit = 0
message_size_limit = 67108864
virtual_uid_maps = static:65534
virtual_gid_maps = static:65534
maillog_file = $W/postfix.log
maillog_file_prefixes = $W
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
alias_maps =
relayhost = ${RELAYHOST:-}
default_process_limit = ${PF_LIMIT:-100}
EOF
	cp -n /etc/postfix/dynamicmaps.cf /etc/postfix/postfix-files "$p/" 2>/dev/null
	PF_BOX=$W/pfmail/u1
}
postfix_start() { in_group postfix /usr/sbin/postfix -c "$W/postfix" start >>"$W/pfstart.log" 2>&1; sleep 1; }
postfix_stop() { /usr/sbin/postfix -c "$W/postfix" stop >/dev/null 2>&1; }

bench_end() {
	mta_stop
	[ ! -e "$W/postfix" ] || postfix_stop
	sleep 0.5
	[ -z "$cg_kind" ] || rmdir "$cg_top/mtabench.$$."* 2>/dev/null
	rm -rf "$W"
}
trap bench_end EXIT
trap 'exit 130' INT TERM

count_files() { find "$1/new" -type f 2>/dev/null | wc -l; }
median() { sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

# GROUP PORT MAILDIR COUNT SESSIONS SIZE [smtp-source options]: prints "rate cpu" when all stands in the Maildir
inject() {
	g=$1 port=$2 box=$3 n=$4 s=$5 sz=$6; shift 6
	rm -rf "$box/new"; [ ! -d "$box" ] || install -d -m 700 -o "$(stat -c %u "$box")" -g "$(stat -c %g "$box")" "$box/new"
	c0=$(cpu_us "$g"); t0=$(date +%s.%N)
	smtp-source -s "$s" -l "$sz" -m "$n" -f bench@client.example.net -t u1@example.com "$@" "127.0.0.1:$port" || return 1
	i=0
	while k=$(count_files "$box"); [ "$k" -lt "$n" ] && [ $i -lt 1200 ]; do sleep 0.05; i=$((i + 1)); done
	t1=$(date +%s.%N)
	[ "$k" -ge "$n" ] || note "$g: only $k of $n messages arrived" >&2
	c1=$(cpu_us "$g")
	awk -v n="$k" -v a="$t0" -v b="$t1" -v c="$((c1 - c0))" 'BEGIN { printf "%.0f %.0f\n", n / (b - a), c / n }'
}
