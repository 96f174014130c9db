#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Compares the library with the binary interface that is written down in abi.xml: what programs were linked with must still
# be there, in the same form.
#
#   test-abi.sh SOURCE-DIR HEADERS-DIR LIBRARY
#
# After a change that is meant, AGENTBUS_UPDATE=1 writes it down anew. One file serves all systems: what is of GLib is the
# same in all its versions.
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

if [ "${AGENTBUS_UPDATE-}" = 1 ]; then
  # Where it was built is of no concern.
  abidw --exported-interfaces-only --headers-dir "$headers" --drop-private-types --no-comp-dir-path --no-corpus-path \
    --no-show-locs --type-id-style hash "$library" | sed "s,path='[^']*/agentbus/,path='agentbus/," >"$written"
fi

# The headers say which types are public.
status=0
abidiff --headers-dir2 "$headers" "$written" "$library" || status=$?
[ $((status & 3)) -eq 0 ] || exit 1

# Bit 8: what was linked with the old one does not run with this one.
if [ $((status & 8)) -ne 0 ]; then
  echo "This breaks programs that were linked with the library."
elif [ "$status" -ne 0 ]; then
  echo "What is new has to be written down: AGENTBUS_UPDATE=1 meson test -C build abi"
fi
exit "$status"
