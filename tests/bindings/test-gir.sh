#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# gir, which makes a Rust crate of a GIR, has nothing to say about ours.
#
# Usage: test-gir.sh GIR FOLDER
#
# @FOLDER: where its output goes, and gir itself where only cargo is there
set -eu

gir_file=$(realpath "$1") folder=$2

skip ()
{
  echo "SKIP: $*"
  exit 77
}

mkdir -p "$folder"
cd "$folder"

PATH=$PATH:$PWD/bin
if ! command -v gir >/dev/null; then
  command -v cargo >/dev/null || skip "there is neither gir nor cargo"
  CARGO_NET_RETRY=0 timeout 240 cargo install --quiet --locked --root "$PWD" \
    --git https://github.com/gtk-rs/gir --tag 0.20.5 gir >cargo.log 2>&1 ||
    skip "cargo cannot install gir; see $folder/cargo.log"
fi

# Structures of classes are of no use in Rust.
types=$(sed -n 's/^ *<\(class\|record\|enumeration\|bitfield\) name="\([A-Za-z]*\)".*/\2/p' "$gir_file" | grep -v 'Class$')
[ -n "$types" ] || { echo "There is no type in $gir_file"; exit 1; }

# configure NAME TYPE…
configure ()
{
  name=$1
  shift
  mkdir -p "$name/src/auto" "$name-sys"
  {
    cat <<END
[options]
library = "AgentBus"
version = "1"
target_path = "."
girs_directories = ["$(pkg-config --variable=girdir gobject-introspection-1.0)", "$(dirname "$gir_file")"]
work_mode = "normal"
external_libraries = ["GLib", "GObject", "Gio"]
manual = ["GLib.Bytes", "GLib.Error", "GLib.MainContext", "GLib.Quark", "GLib.Variant", "GObject.Object",
  "Gio.AsyncResult", "Gio.Cancellable", "Gio.ListModel"]
END
    for type in "$@"; do
      printf '\n[[object]]\nname = "AgentBus.%s"\nstatus = "generate"\n' "$type"
    done
  } >"$name.toml"
}

# warnings NAME: what gir says about the crate, and about the one of bare functions below it
warnings ()
{
  RUST_LOG=warn gir -c "$1.toml" -o "$1" 2>&1
  RUST_LOG=warn gir -c "$1.toml" -m sys -o "$1-sys" 2>&1
}

# GLib has warnings of its own; these come without any type of ours.
configure nothing
warnings nothing >nothing.log
# shellcheck disable=SC2086 # a list
configure all $types '*'
warnings all >all.log

grep -vxF -f nothing.log all.log && exit 1
for type in $types; do
  grep -rqw "$type" all/src/auto || { echo "$type is not in the crate"; exit 1; }
done
exit 0
