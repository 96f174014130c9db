#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compares the library with that of the last release: what was there must still be, in the same form.
#
#   test-abi.sh SOURCE-DIR BUILD-DIR LIBRARY
set -eu

source=$1
build=$2
library=$3

skip ()
{
  echo "$*"
  exit 77
}

command -v abidiff >/dev/null || skip "there is no abidiff"
tag=$(git -C "$source" describe --tags --abbrev=0 2>/dev/null) || skip "there is no release to compare with"

# A release is built once.
old=$build/abi-$tag
if [ ! -d "$old/build" ]; then
  mkdir -p "$old"
  git -C "$source" archive "$tag" | tar -x -C "$old"
  meson setup "$old/build" "$old" -Dtests=disabled -Dexamples=disabled -Dintrospection=disabled >/dev/null
fi
ninja --quiet -C "$old/build"

# The headers say which types are public. Bit 8: what was linked with the old one does not run with this one.
status=0
abidiff --headers-dir1 "$old/agentbus" --headers-dir2 "$source/agentbus" \
  "$old/build/agentbus/$(basename "$library")" "$library" || status=$?
[ $((status & 11)) -eq 0 ]
