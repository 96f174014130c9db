#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a test with what two nodes, "here" and "there", need in order to meet, and ends that afterwards.

Usage: with-server.py peers|dbus|nats COMMAND…
"""

import asyncio
import os
import pathlib
import shutil
import subprocess
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / 'examples' / 'distributed'))
import server as nats


def skip(reason):
    print(f'1..0 # SKIP {reason}')
    sys.exit(0)


async def run(kind, address, command, **more):
    environment = {**os.environ, 'AGENTBUS_TEST_KIND': kind, 'AGENTBUS_TEST_ADDRESS': address, **more}
    process = await asyncio.create_subprocess_exec(*nats.orphaned(), *command, env=environment)
    return await process.wait()


async def with_peers(command):
    return await run('peers', f'unix:abstract=agentbus-{uuid.uuid4()}', command)


async def with_dbus(command):
    if shutil.which('dbus-daemon') is None:
        skip('there is no dbus-daemon')
    daemon = await asyncio.create_subprocess_exec(
        *nats.orphaned(), 'dbus-daemon', '--session', '--nofork', '--print-address=1', '--address=unix:tmpdir=/tmp',
        stdout=subprocess.PIPE)
    try:
        address = (await daemon.stdout.readline()).decode().strip()
        return await run('dbus', address, command)
    finally:
        daemon.kill()
        await daemon.wait()


async def with_nats(command):
    if nats.find() is None:
        skip('there is no nats-server')
    server = nats.Server(['here', 'there'], registrar='here')
    try:
        await server.start()
        return await run('nats', server.url, command, **{f'AGENTBUS_TEST_PASSWORD_{node}': word
                                                         for node, word in server.passwords.items()})
    finally:
        await server.close()


if __name__ == '__main__':
    kind, *command = sys.argv[1:]
    sys.exit(asyncio.run({'peers': with_peers, 'dbus': with_dbus, 'nats': with_nats}[kind](command)))
