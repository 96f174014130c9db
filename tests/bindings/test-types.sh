#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# TypeScript accepts the examples and what the overrides offer, and finds the mistakes in types.ts.
#
# Usage: test-types.sh SOURCE_ROOT FOLDER TYPES [NATS_TYPES]
#
# @FOLDER: where the packages of npm are kept
set -eu

source=$1 folder=$2 types=$(realpath "$3") nats_types=${4:+$(realpath "$4")}
here=$(cd "$(dirname "$0")" && pwd)

skip ()
{
  echo "SKIP: $*"
  exit 77
}

# They fit together; the newest of each need not.
girs=4.7.0
packages="typescript@5.9.3 @girs/gjs@$girs @girs/gio-2.0@$girs @girs/glib-2.0@$girs @girs/gobject-2.0@$girs
  @girs/gmodule-2.0@$girs @girs/cairo-1.0@$girs"

command -v node >/dev/null && command -v npm >/dev/null || skip "there is no npm"
mkdir -p "$folder"
cd "$folder"
if [ "$(cat installed 2>/dev/null)" != "$packages" ]; then
  echo '{"private": true}' >package.json
  # shellcheck disable=SC2086 # words
  timeout 120 npm install --no-audit --no-fund --fetch-retries=0 $packages >npm.log 2>&1 ||
    skip "npm cannot install TypeScript and the types of GLib; see $folder/npm.log"
  echo "$packages" >installed
fi

cp "$source/examples/hello-bus.js" "$source/examples/stream.js" "$here/types.ts" "$types" ${nats_types:+"$nats_types"} .
nats_file=
if [ -n "$nats_types" ]; then
  cat >nats.ts <<END
import AgentBus from 'gi://AgentBus?version=1';
import AgentBusNats from 'gi://AgentBusNats?version=1';

const transport: AgentBus.Transport = new AgentBusNats.NatsTransport({urls: ['nats://127.0.0.1:4222'], node_id: 'oven'});

new AgentBus.Bus({transport}).start().then(started => print(started, transport.node_id));
END
  nats_file=", \"nats.ts\", \"${nats_types##*/}\""
fi
cat >tsconfig.json <<END
{
  "compilerOptions": {
    "strict": true, "noImplicitAny": false, "allowJs": true, "checkJs": true, "noEmit": true,
    "target": "es2022", "lib": ["es2022"], "module": "esnext", "moduleResolution": "bundler",
    "moduleDetection": "force", "skipLibCheck": true,
    "types": ["@girs/gjs", "@girs/gio-2.0/ambient", "@girs/glib-2.0/ambient", "@girs/gobject-2.0/ambient",
      "@girs/gio-2.0/import", "@girs/glib-2.0/import", "@girs/gobject-2.0/import"]
  },
  "files": ["hello-bus.js", "stream.js", "types.ts", "${types##*/}"$nats_file]
}
END
node node_modules/typescript/bin/tsc -p .
# This one looks into the declarations too. Those of GLib are not ours.
node node_modules/typescript/bin/tsc -p . --skipLibCheck false | grep '^agentbus' && exit 1
exit 0
