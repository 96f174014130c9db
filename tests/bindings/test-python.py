#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus from Python, with nothing but what introspection gives: what is not in the story of all languages."""

import json
import os
import subprocess
import sys
import threading
import unittest
import weakref

import gi
import tap

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib


class Worker(AgentBus.Subscriber):
    def __init__(self, name, **properties):
        super().__init__(name=name, **properties)
        self.got = []
        self.threads = set()

    def do_message(self, message):
        self.got.append(message)
        self.threads.add(threading.get_ident())


class TestCase(unittest.TestCase):
    def setUp(self):
        self.bus = AgentBus.Bus()
        self.context = GLib.MainContext.default()

    def drain(self):
        while self.context.iteration(False):
            pass


class BusTest(TestCase):
    def test_kept_message(self):
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

    def test_delivery_failed_with_an_error(self):
        bus = self.bus
        failures = []

        class Slow(AgentBus.Subscriber):
            def do_message(self, message):
                self.delivery = self.defer()

        slow = Slow(name='slow')
        bus.connect('failed', lambda bus, sub, message, error: failures.append((sub, message.get_task_id(), error)))
        bus.subscribe(slow)
        bus.send(AgentBus.Message.new_task_update('ui', 'slow', '1'))
        self.drain()
        bus.send(AgentBus.Message.new_task_cancel('ui', 'slow', '1'))
        self.drain()
        self.assertEqual(slow.delivery.props.message.get_task_id(), '1')
        self.assertTrue(slow.delivery.props.cancellable.is_cancelled())
        slow.delivery.fail(GLib.Error('out of luck', 'luck', 7))
        self.drain()
        (subscriber, task_id, error), = failures
        self.assertEqual((subscriber, task_id, error.message), (slow, '1', 'out of luck'))
        self.assertTrue(error.matches(GLib.quark_from_string('luck'), 7))
        slow.delivery.complete()

    def test_dispatcher_without_a_bus(self):
        program = """
import gi
gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib
dispatcher = AgentBus.RouterDispatcher()
try:
    dispatcher.dispatch(AgentBus.Message.new_task_update('a', 'b', '1'))
except GLib.Error as error:
    print(error.matches(AgentBus.bus_error_quark(), AgentBus.BusError.CLOSED))
"""
        result = subprocess.run([sys.executable, '-c', program], env={**os.environ, 'G_DEBUG': ''},
                                capture_output=True, text=True)
        self.assertEqual((result.returncode, result.stdout), (0, 'True\n'), result.stderr)
        self.assertIn('needs the properties', result.stderr)

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


class DispatcherTest(TestCase):
    def setUp(self):
        super().setUp()
        self.routes = AgentBus.RouteTable()
        self.dispatcher = AgentBus.RouterDispatcher(bus=self.bus, route_table=self.routes)
        self.worker = Worker('worker')
        self.bus.subscribe(self.worker)

    def dispatch(self, actor, task_id='1', **options):
        message = AgentBus.Message.new_task_update('ui', actor, task_id)
        for option, value in options.items():
            getattr(message, f'set_{option}')(value)
        return self.dispatcher.dispatch(message)

    def test_properties(self):
        policy = AgentBus.RetryPolicy()
        policy.set_max_delay(50)
        bus, routes = AgentBus.Bus(), AgentBus.RouteTable()
        dispatcher = AgentBus.RouterDispatcher(bus=bus, route_table=routes, capacity=3, actor_capacity=2,
                                               park_unknown=False, retry_policy=policy)
        self.assertEqual((dispatcher.props.bus, dispatcher.props.route_table), (bus, routes))
        self.assertEqual((dispatcher.props.capacity, dispatcher.props.actor_capacity), (3, 2))
        self.assertFalse(dispatcher.props.park_unknown)
        self.assertEqual(dispatcher.props.retry_policy.get_max_delay(), 50)

    def test_timeout(self):
        self.assertEqual(self.dispatcher.get_timeout(AgentBus.MessageType.REQUEST_INFERENCE), 10000)
        expired = []
        self.dispatcher.connect('expired', lambda *args: expired.append(args))
        self.dispatcher.set_timeout(AgentBus.MessageType.TASK_UPDATE, 5)
        self.dispatch('actor')
        while not expired:
            self.context.iteration(True)
        self.assertEqual(self.dispatcher.props.n_parked, 0)

    def test_changed(self):
        changes = []
        self.routes.connect('changed', lambda routes, actor, router: changes.append((actor, router)))
        self.routes.assign('a', 'worker')
        self.routes.assign('a', 'worker')
        self.routes.assign('b', 'worker')
        self.assertEqual(self.routes.move_all('worker', 'other'), 2)
        self.routes.unassign('a')
        self.assertEqual([self.routes.lookup(actor) for actor in 'abc'], [None, 'other', None])
        self.assertEqual([self.routes.contains(actor) for actor in 'abc'], [True, True, False])
        self.drain()
        self.assertEqual(changes[:2] + sorted(changes[2:4]) + changes[4:],
                         [('a', 'worker'), ('b', 'worker'), ('a', 'other'), ('b', 'other'), ('a', None)])

    def test_retry_policy(self):
        policy = AgentBus.RetryPolicy()
        policy.set_initial_delay(10)
        policy.set_max_delay(50)
        policy.set_multiplier(3)
        policy.set_jitter(0.5)
        policy.set_seed(7)
        self.assertEqual([policy.get_delay(attempt) for attempt in range(4)], [10, 30, 50, 50])
        self.dispatcher.props.retry_policy = policy
        policy.set_seed(8)
        copy = self.dispatcher.get_retry_policy()
        self.assertEqual((copy.get_initial_delay(), copy.get_max_delay(), copy.get_multiplier(), copy.get_jitter(),
                          copy.get_seed()), (10, 50, 3, 0.5, 7))
        self.dispatcher.set_retry_policy(None)
        self.assertEqual(self.dispatcher.get_retry_policy().get_initial_delay(), 100)

    def test_error_reply(self):
        ui = Worker('ui')
        self.bus.subscribe(ui)
        self.routes.unassign('actor')
        self.dispatch('actor', error_reply=True)
        self.dispatch('actor', error_reply=False)
        self.routes.remove('actor')
        self.drain()
        reply, = ui.got
        self.assertEqual((reply.get_message_type(), reply.get_source()), (AgentBus.MessageType.AGENT_ERROR, 'actor'))
        self.assertEqual(reply.get_cause(), 1)
        self.assertIn('no-target', reply.get_reason())

    def test_nothing_stays_behind(self):
        self.dispatch('actor')
        references = [weakref.ref(self.dispatcher), weakref.ref(self.routes)]
        del self.dispatcher, self.routes
        self.drain()
        self.assertEqual([reference() for reference in references], [None, None])


if __name__ == '__main__':
    tap.main()
