#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# A hundred thousand guesses of passwords, for a minute each way.
: "${GUESSES:=100000}" "${SECONDS_MOST:=60}"
export GUESSES SECONDS_MOST
exec sh "$(dirname "$0")/../guessing.t"
