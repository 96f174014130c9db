#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compares the library with the binary interface that is written down in abi.xml: what programs were linked with must still
# be there, in the same form.
#
#   test-abi.sh SOURCE-DIR HEADERS-DIR LIBRARY
#
# After a change that is meant, AGENTBUS_UPDATE=1 writes it down anew. One file serves Debian 12 and 13: what is used of
# GLib is the same in both.
#
# Each release leaves a copy, abi-VERSION.xml, which never changes: what that release had, later ones have, too. They may
# add to it.
set -eu

written=$1/tests/interface/abi.xml
headers=$2
library=$3

skip ()
{
  echo "$*"
  exit 77
}

command -v abidiff >/dev/null || skip "there is no abidiff"
readelf --section-headers "$library" | grep -q debug_info || skip "the library was built without debugging information"

# Nothing is written down of the sizes that another kind of machine has.
machine=$(readelf --file-header "$library" | sed -n 's/^ *Machine: *//p')
case $machine in
  *X86-64*) ;;
  *) skip "the interface is written down for x86-64, and this is for $machine" ;;
esac

# The headers say which types are public. Where it was built is of no concern.
now=$(mktemp)
trap 'rm -f "$now"' EXIT
abidw --exported-interfaces-only --headers-dir "$headers" --drop-private-types --no-comp-dir-path --no-corpus-path \
  --no-show-locs --type-id-style hash "$library" | sed "s,path='[^']*/agentbus/,path='agentbus/," >"$now"
[ -s "$now" ] || exit 1

[ "${AGENTBUS_UPDATE-}" != 1 ] || cp "$now" "$written"

# Both as files: of a library, abidiff would take the types of GLib for private ones and pass over them.
status=0
abidiff "$written" "$now" || status=$?
[ "$status" -eq 0 ] ||
  echo "If this is meant, and no program breaks by it: AGENTBUS_UPDATE=1 meson test -C build --suite interface"

for release in "$1"/tests/interface/abi-*.xml; do
  abidiff --no-added-syms "$release" "$now" && continue
  echo "Programs that were made for ${release##*/} would break"
  status=1
done
exit "$status"
