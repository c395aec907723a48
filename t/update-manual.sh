#!/bin/sh
# SPDX-License-Identifier: ISC
# Copyright (c) 2026 The mtakit authors
#
# update-manual.sh - writes the list of parameters in doc/main.cf.5 anew from the table, after that was changed. The
# test t/mtaconf.t checks that nobody forgot.
set -eu
cd "$(dirname "$0")/.."
: "${MTA_BUILD:=$PWD/build}"
page=doc/main.cf.5
sed '/parameters begin/q' "$page" >"$page.new"
"$MTA_BUILD/mtaconf" manual >>"$page.new"
sed -n '/parameters end/,$p' "$page" >>"$page.new"
mv "$page.new" "$page"
