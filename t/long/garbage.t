#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# Sessions that are nearly right, thousands of them, others each time (SEED is printed).
: "${GARBAGE:=3000}" "${SEED:=$$}"
export GARBAGE SEED
echo "# SEED=$SEED"
exec sh "$(dirname "$0")/../garbage.t"
