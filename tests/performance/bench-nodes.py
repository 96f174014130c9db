#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What it takes to have many agents on many nodes: the figures of doc/deployment.md, over NATS.

Usage: meson devenv -C build /usr/bin/python3 ../tests/performance/bench-nodes.py

For each number of names: how long it takes until a node that has met another one knows all names of that, how much memory each
of them takes there, and how many bytes the server takes in for it. For each number of nodes that do nothing: what the heartbeats
are. A line is: what, figure, value and unit, separated by tabs.
"""

import asyncio
import ctypes
import json
import os
import pathlib
import sys
import time
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / 'examples' / 'distributed'))
import server as nats

import gi

gi.require_version('AgentBus', '1')
gi.require_version('AgentBusNats', '1')
from gi.repository import AgentBus, AgentBusNats

N_NAMES = [1000, 10000, 100000]
N_NODES = [2, 5, 10, 20]
SECONDS = 10  # of heartbeats


def connect(node, url, password):
    transport = AgentBusNats.NatsTransport(node_id=node, urls=[url], user=node, password=password)
    return transport, AgentBus.Bus(transport=transport)


def rss():
    ctypes.CDLL(None).malloc_trim(0)
    with open('/proc/self/statm') as statm:
        return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def say(what, figure, value, unit):
    print(what, figure, f'{value:.6g}', unit, sep='\t', flush=True)


class Server(nats.Server):
    """With the port for those who watch it."""

    def __init__(self, nodes):
        super().__init__(nodes, registrar=nodes[0])
        self.watch_port = nats.free_port()
        with open(self.configuration, 'a', encoding='utf-8') as configuration:
            configuration.write(f'http: "127.0.0.1:{self.watch_port}"\n')

    async def figures(self):
        """(messages in, bytes in, messages out, bytes out) of all clients."""
        url = f'http://127.0.0.1:{self.watch_port}/varz'
        loop = asyncio.get_running_loop()
        text = await loop.run_in_executor(None, lambda: urllib.request.urlopen(url).read())
        figures = json.loads(text)
        return [figures[key] for key in ('in_msgs', 'in_bytes', 'out_msgs', 'out_bytes')]


async def announce(url, n):
    """The other process: it has the names before it meets anybody."""
    transport, bus = connect('there', url, os.environ['AGENTBUS_PASSWORD'])
    for number in range(n):
        subscriber = AgentBus.Subscriber(name=f'agent-{number}')
        subscriber.connect('message', lambda subscriber, message: None)
        bus.subscribe(subscriber)
    await bus.start()
    await asyncio.Event().wait()


async def measure_names(n):
    server = Server(['here', 'there'])
    await server.start()
    transport, bus = connect('here', server.url, server.passwords['here'])
    met = []
    transport.connect('appeared', lambda transport, node: met.append(time.monotonic()))
    await bus.start()
    before, figures = rss(), await server.figures()
    other = await asyncio.create_subprocess_exec(
        sys.executable, __file__, 'announce', server.url, str(n),
        env={**os.environ, 'AGENTBUS_PASSWORD': server.passwords['there']})
    try:
        while bus.lookup(f'agent-{n - 1}') is None:
            await asyncio.sleep(0.001)
        known = time.monotonic()
        figures = [now - then for now, then in zip(await server.figures(), figures)]
        say(f'{n} names', 'time until known', known - met[0], 's')
        say(f'{n} names', 'memory', (rss() - before) / n, 'bytes a name')
        say(f'{n} names', 'bytes in', figures[1] / n, 'bytes a name')
        say(f'{n} names', 'messages in', figures[0], 'messages')
    finally:
        other.kill()
        await other.wait()
        await bus.stop()
        await server.close()


async def measure_heartbeats(n):
    server = Server([f'node-{number}' for number in range(n)])
    await server.start()
    buses = [connect(node, server.url, word)[1] for node, word in server.passwords.items()]
    try:
        for bus in buses:
            await bus.start()
        while any(len(bus.statistics['transport']['nodes']) < n - 1 for bus in buses):
            await asyncio.sleep(0.01)
        await asyncio.sleep(1)
        then, figures = time.monotonic(), await server.figures()
        cpu = time.process_time()
        await asyncio.sleep(SECONDS)
        seconds = time.monotonic() - then
        cpu = time.process_time() - cpu
        figures = [(now - before) / seconds for now, before in zip(await server.figures(), figures)]
        for name, value in zip(('messages in', 'bytes in', 'messages out', 'bytes out'), figures):
            say(f'{n} nodes', name, value, 'a second')
        say(f'{n} nodes', 'processor time of a node', cpu / seconds / n * 1000, 'ms a second')
    finally:
        await asyncio.gather(*(bus.stop() for bus in buses))
        await server.close()


async def main():
    if sys.argv[1:2] == ['announce']:
        return await announce(sys.argv[2], int(sys.argv[3]))
    if sys.argv[1:2] == ['names']:
        return await measure_names(int(sys.argv[2]))
    for n in N_NAMES:
        # In a process of its own, which has no memory to use again.
        await (await asyncio.create_subprocess_exec(sys.executable, __file__, 'names', str(n))).wait()
    for n in N_NODES:
        await measure_heartbeats(n)


asyncio.run(main())
