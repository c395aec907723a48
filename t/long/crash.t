#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
# The whole crash proof: t/crash.t with every system call of every scenario, and every error.
here=$(cd "$(dirname "$0")/.." && pwd)
: "${MTA_BUILD:=${here%/t}/build}"
export MTA_BUILD
MODE=all CRASH_HOME=$here exec sh "$here/crash.t"
