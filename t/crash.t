#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# The quick part of the crash proof (all of it: make test-long): programs killed at each system call that touches
# files, and with full and failing disks.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/crash/crash.sh"
. "$(dirname "$0")/crash/scenarios.sh"
have_program strace || skip_all 'strace is not installed'
strace -qq -o /dev/null true 2>/dev/null || skip_all 'strace cannot trace here'
MODE=${MODE:-quick}
mail_config
crash_setup
for s in ${SCENARIOS:-add sendmail smtp deliver}; do
	case $s in
	add) name='mtaqueue add' ;; sendmail) name='sendmail' ;; smtp) name='mtasmtp through DATA' ;; deliver) name='mtadeliver to a Maildir' ;;
	*) name=$s ;;
	esac
	"scenario_$s"
	crash_scenario "$name" "$MODE"; ok $? "$name: acknowledged is there, nothing partial, the next run is normal"
done
done_testing
