#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# mta(8): starting, stopping, watching the services of a private mail system.
. "$(dirname "$0")/lib.sh"

have_program mtaauth || skip_all "mtaauth is not built"
mail_config
C="mta -C $DIR -o services=auth"

out=$($C status); is $? 3 "status of a system that is not running exits with 3"
like "$out" "not running" "and says so"
$C stop 2>/dev/null; is $? 1 "stop of a system that is not running fails"

SYSTEMS=$DIR
out=$($C start 2>&1); is $? 0 "start"
out=$($C status); is $? 0 "status of a running system exits with 0"
like "$out" "auth +running +[1-9]" "and shows the service with its process"
out=$($C start 2>&1); is $? 1 "a second start fails"
like "$out" "already running" "and says why"

done_testing
