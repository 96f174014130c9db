#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""One bus in two processes, from Python. Run by with-server.py."""

import asyncio
import pathlib
import sys
import unittest

import override_case
import tap
import transports
from override_case import AgentBus, GLib, Message

N_NUMBERS = 100
OTHER_NODE = pathlib.Path(__file__).with_name('other-node.py')


class TransportTest(override_case.TestCase):
    def setUp(self):
        super().setUp()
        self.appeared, self.vanished = [], []
        self.transport = transports.make('here')
        self.transport.connect('appeared', lambda transport, node: self.appeared.append(node))
        self.transport.connect('vanished', lambda transport, node, reason: self.vanished.append(node))
        self.bus = AgentBus.Bus(transport=self.transport)
        self.boss = AgentBus.Actor('boss', wait_for_target=60000)

    def in_two_processes(self, case):
        async def main():
            async with self.bus:
                self.bus.subscribe(self.boss)
                self.other = await asyncio.create_subprocess_exec(sys.executable, OTHER_NODE)
                try:
                    await case()
                finally:
                    if self.other.returncode is None:
                        self.other.kill()
                    await self.other.wait()
        asyncio.run(main())

    async def until(self, condition):
        while not condition():
            await asyncio.sleep(0.001)

    def test_requests(self):
        async def case():
            self.assertEqual(await self.boss.request('adder', 'sum', [1, 2, 3]), 6)
            await self.until(lambda: self.appeared == ['there'])
            self.assertEqual(self.transport.state, AgentBus.TransportState.CONNECTED)
            self.assertIn('connected', repr(self.transport))
            registry = AgentBus.Registry(self.bus)
            await registry.wait_for(['adder'])
            self.assertEqual((registry['adder'].node, self.transport.node_id), ('there', 'here'))
        self.in_two_processes(case)
        self.assertEqual(self.transport.state, AgentBus.TransportState.CLOSED)

    def test_data(self):
        async def case():
            await self.boss.request('adder', 'sum', [])
            for number in range(N_NUMBERS):
                self.assertEqual(self.bus.send(Message.custom('number', 'boss', 'adder', payload=number)), 1)
            while await self.boss.request('adder', 'numbers') != [*range(N_NUMBERS)]:
                await asyncio.sleep(0.001)
            statistics = self.bus.statistics
            of_node = statistics['transport']['nodes']['there']
            self.assertEqual((of_node['data-sent'], of_node['data-lost']), (N_NUMBERS, 0))
            self.assertGreater(of_node['control-received'], 1)
            self.assertGreaterEqual(statistics['remote']['delivered'], N_NUMBERS)
            self.assertEqual(self.transport.statistics['data-sent'], N_NUMBERS)
        self.in_two_processes(case)

    def test_the_other_process_is_killed(self):
        gone = []

        async def case():
            self.bus.watch_name('adder', None, lambda bus, name: gone.append(name))
            await self.boss.request('adder', 'sum', [])
            gone.clear()
            task = self.boss.request('adder', 'hang')
            begun = asyncio.Event()
            task.connect('update', lambda task, update: begun.set())
            await begun.wait()
            self.other.kill()
            with self.assertRaises(AgentBus.TaskError) as caught:
                await task
            self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.CLOSED))
            await self.until(lambda: self.vanished == ['there'] and gone == ['adder'])
            self.assertNotIn('there', self.bus.statistics['transport']['nodes'])
        self.in_two_processes(case)

    def test_who_may_do_what(self):
        refused = []
        self.transport.connect('refused', lambda transport, node, text: refused.append(node))
        self.transport.allow('there', ['nobody'], None)

        async def case():
            await self.until(lambda: 'there' in refused)
            self.assertIsNone(self.bus.lookup('adder'))
        self.in_two_processes(case)


class AloneTest(override_case.TestCase):
    def test_what_cannot_be_opened(self):
        async def main():
            bus = AgentBus.Bus(transport=AgentBus.DBusTransport(address='unix:path=/nowhere'))
            with self.assertRaises(GLib.Error):
                await bus.start()
            bus.subscribe(self.worker)
            self.assertEqual(bus.send(Message.activate('ui', 'worker')), 1)
            await bus.stop()
        asyncio.run(main())

    def test_no_transport(self):
        self.assertIsNone(self.bus.transport)


if __name__ == '__main__':
    tap.main()
