#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus from Python, with nothing but what introspection gives."""

import json
import threading
import unittest
import weakref

import gi
import tap

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, Gio, GLib


class Worker(AgentBus.Subscriber):
    def __init__(self, name, **properties):
        super().__init__(name=name, **properties)
        self.got = []
        self.threads = set()

    def do_message(self, message):
        self.got.append(message)
        self.threads.add(threading.get_ident())


class BusTest(unittest.TestCase):
    def setUp(self):
        self.bus = AgentBus.Bus()
        self.context = GLib.MainContext.default()
        self.drops = []
        self.bus.connect('dropped', lambda bus, sub, reason, n, last: self.drops.append((sub, reason, n, last)))

    def drain(self):
        while self.context.iteration(False):
            pass

    def wait(self, start, finish):
        results = []
        start(None, lambda source, result: results.append(result))
        while not results:
            self.context.iteration(True)
        return finish(results[0])

    def test_vfunc(self):
        worker = Worker('worker')
        self.assertTrue(self.bus.subscribe(worker))
        payload = GLib.Variant('a{sv}', {'x': GLib.Variant('i', 1)})
        accepted = self.bus.send(AgentBus.Message.new_task_request('ui', 'worker', '42', 'sum', payload))
        self.assertEqual(accepted, 1)
        self.drain()
        message, = worker.got
        self.assertEqual(message.get_message_type(), AgentBus.MessageType.TASK_REQUEST)
        self.assertEqual(message.get_task_id(), '42')
        self.assertEqual(message.get_payload().unpack(), {'x': 1})
        self.assertEqual(json.loads(message.dup_payload_json()), {'x': 1})
        self.assertEqual(worker.props.n_delivered, 1)

    def test_signal_with_detail(self):
        worker = Worker('worker')
        order = []
        worker.connect('message::cancel', lambda sub, message: order.append(('detail', message.get_reason())))
        worker.connect('message', lambda sub, message: order.append(('any', message.get_name())))
        self.bus.subscribe(worker)
        self.bus.send(AgentBus.Message.new_cancel('ui', None, 'enough'))
        self.bus.send(AgentBus.Message.new_task_update('ui', 'worker', '1'))
        self.drain()
        self.assertEqual(order, [('detail', 'enough'), ('any', 'cancel'), ('any', 'task-update')])
        self.assertEqual([m.get_name() for m in worker.got], ['cancel', 'task-update'])

    def test_drops_are_told_once_per_iteration(self):
        worker = Worker('worker', capacity=4)
        self.bus.subscribe(worker)
        for number in range(10):
            self.bus.send(AgentBus.Message.new_task_update('ui', 'worker', str(number)))
        self.drain()
        (subscriber, reason, n, last), = self.drops
        self.assertIs(subscriber, worker)
        self.assertEqual(reason, AgentBus.DropReason.FULL)
        self.assertEqual(AgentBus.DropReason.to_string(reason), 'full')
        self.assertEqual(n, 6)
        self.assertEqual(last.get_task_id(), '9')
        self.assertEqual(self.bus.get_dropped('worker'), (True, 6))

    def test_nobody_there(self):
        self.assertEqual(self.bus.send(AgentBus.Message.new_end('ui', 'nobody', None)), 0)
        self.drain()
        (subscriber, reason, n, last), = self.drops
        self.assertIsNone(subscriber)
        self.assertEqual((reason, n, last.get_target()), (AgentBus.DropReason.NO_TARGET, 1, 'nobody'))

    def test_deferred(self):
        bus = self.bus

        class Slow(AgentBus.Subscriber):
            def __init__(self):
                super().__init__(name='slow')
                self.deliveries = []

            def do_message(self, message):
                self.deliveries.append(self.defer())

        slow = Slow()
        failures = []
        bus.connect('failed', lambda bus, sub, message, reason: failures.append((sub, message.get_task_id(), reason)))
        bus.subscribe(slow)
        for number in range(3):
            bus.send(AgentBus.Message.new_task_update('ui', 'slow', str(number)))
        self.drain()
        self.assertEqual(len(slow.deliveries), 1)
        self.assertEqual(slow.deliveries[0].props.message.get_task_id(), '0')
        slow.deliveries[0].complete()
        self.drain()
        self.assertEqual(len(slow.deliveries), 2)
        slow.deliveries[1].fail(GLib.Error('out of luck'))
        self.drain()
        self.assertEqual(failures, [(slow, '1', 'out of luck')])
        bus.send(AgentBus.Message.new_task_cancel('ui', 'slow', '2'))
        self.drain()
        self.assertTrue(slow.deliveries[2].props.cancellable.is_cancelled())
        slow.deliveries[2].complete()
        self.drain()
        self.assertEqual(slow.deliveries[3].props.message.get_name(), 'task-cancel')
        slow.deliveries[3].complete()

    def test_errors(self):
        self.bus.subscribe(Worker('worker'))
        with self.assertRaises(GLib.Error) as caught:
            self.bus.subscribe(Worker('worker'))
        self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.EXISTS))
        with self.assertRaises(GLib.Error) as caught:
            AgentBus.Message.new_from_variant(GLib.Variant('s', 'no'))
        self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.INVALID_MESSAGE))

    def test_stop_and_start(self):
        worker = Worker('worker')
        self.bus.subscribe(worker)
        self.assertTrue(self.wait(self.bus.stop_async, self.bus.stop_finish))
        self.assertFalse(self.bus.props.running)
        self.assertEqual(self.bus.send(AgentBus.Message.new_end('ui')), 0)
        self.assertTrue(self.wait(self.bus.start_async, self.bus.start_finish))
        self.assertTrue(self.bus.subscribe(worker))

    def test_statistics(self):
        self.bus.subscribe(Worker('worker', capacity=1))
        for number in range(3):
            self.bus.send(AgentBus.Message.new_task_update('ui', None, str(number)))
        self.drain()
        ledger = self.bus.get_statistics().unpack()
        self.assertEqual((ledger['sent'], ledger['offered'], ledger['delivered'], ledger['queued']), (3, 3, 1, 0))
        self.assertEqual(ledger['dropped'],
                         {'full': 2, 'expired': 0, 'no-target': 0, 'closed': 0, 'discarded': 0})
        self.assertEqual(ledger['subscribers']['worker']['dropped']['full'], 2)

    def test_senders_in_threads(self):
        worker = Worker('worker', capacity=100000)
        self.bus.subscribe(worker)

        def send(source):
            for number in range(1000):
                self.bus.send(AgentBus.Message.new_task_update(source, 'worker', str(number)))

        threads = [threading.Thread(target=send, args=(f's{i}',)) for i in range(4)]
        for thread in threads:
            thread.start()
        while len(worker.got) < 4000:
            self.context.iteration(True)
        for thread in threads:
            thread.join()
        self.assertEqual(worker.threads, {threading.get_ident()})
        for source in ('s0', 's1', 's2', 's3'):
            ids = [m.get_task_id() for m in worker.got if m.get_source() == source]
            self.assertEqual(ids, [str(number) for number in range(1000)])

    def test_messages_of_every_shape(self):
        frame = AgentBus.Frame.new('audio', GLib.Bytes.new(b'\1\2'), GLib.Variant('a{sv}', {}))
        message = AgentBus.Message.new_frame('mic', None, frame, AgentBus.FrameDirection.DOWNSTREAM)
        self.assertEqual(message.get_frame().get_data().get_data(), b'\1\2')
        info = AgentBus.Info.new('a', 'runner', None, True, False, 0)
        registry = AgentBus.Message.new_agent_registry('runner', None, 'runner', [info, info])
        self.assertEqual([i.get_name() for i in registry.get_infos()], ['a', 'a'])
        custom = AgentBus.Message.new_custom('app.hello', AgentBus.Channel.SYSTEM, 'ui', None, None)
        again = AgentBus.Message.new_from_variant(custom.to_variant())
        self.assertEqual((again.get_name(), again.get_channel()), ('app.hello', AgentBus.Channel.SYSTEM))

    def test_nothing_stays_behind(self):
        worker = Worker('worker')
        self.bus.subscribe(worker)
        self.bus.send(AgentBus.Message.new_task_update('ui', 'worker', '1'))
        self.drain()
        reference = weakref.ref(worker)
        self.bus.unsubscribe('worker')
        self.drain()
        del worker
        self.assertIsNone(reference())


if __name__ == '__main__':
    tap.main()
