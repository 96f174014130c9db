#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# build-tokio.sh CARGO REGISTRY SOURCE FOLDER OUTPUT: builds bench-tokio from the crates that are installed; it
# never asks the network.
set -eu

cargo=$1
registry=$2
source=$3
folder=$4
output=$5
log=$folder/build.log

# A copy, as cargo writes its lock file beside the sources.
mkdir -p "$folder"
rm -rf "$folder/source"
cp -r "$source" "$folder/source"

# The compiler beside this cargo: another one in the PATH may be of another kind.
rustc=$(dirname "$cargo")/rustc
[ -x "$rustc" ] || rustc=rustc

if (
  cd "$folder/source"
  RUSTC=$rustc "$cargo" build --release --offline --target-dir "$folder/target" \
    --config 'source.crates-io.replace-with="installed"' \
    --config "source.installed.directory=\"$registry\""
) >"$log" 2>&1; then
  cp "$folder/target/release/bench-tokio" "$output"
  exit
fi

echo "bench-tokio cannot be built; see $log" >&2
exit 1
