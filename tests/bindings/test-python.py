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


class TestCase(unittest.TestCase):
    def setUp(self):
        self.bus = AgentBus.Bus()
        self.context = GLib.MainContext.default()

    def drain(self):
        while self.context.iteration(False):
            pass

    def wait(self, start, finish):
        results = []
        start(None, lambda source, result: results.append(result))
        while not results:
            self.context.iteration(True)
        return finish(results[0])


class BusTest(TestCase):
    def setUp(self):
        super().setUp()
        self.drops = []
        self.bus.connect('dropped', lambda bus, sub, reason, n, last: self.drops.append((sub, reason, n, last)))

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

    def assert_refused(self, code, actor):
        with self.assertRaises(GLib.Error) as caught:
            self.dispatch(actor)
        self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), code))

    def test_results(self):
        self.assertEqual(self.dispatch('actor', '1'), AgentBus.DispatchResult.PARKED)
        self.assertEqual(self.dispatcher.props.n_parked, 1)
        self.routes.assign('actor', 'worker')
        self.assertEqual(self.dispatcher.props.n_parked, 0)
        self.assertEqual(self.dispatch('actor', '2'), AgentBus.DispatchResult.DELIVERED)
        self.drain()
        self.assertEqual([m.get_task_id() for m in self.worker.got], ['1', '2'])

    def test_properties(self):
        policy = AgentBus.RetryPolicy()
        policy.set_max_delay(50)
        dispatcher = AgentBus.RouterDispatcher(capacity=3, park_unknown=False, retry_policy=policy)
        self.assertIsInstance(dispatcher.props.bus, AgentBus.Bus)
        self.assertIsInstance(dispatcher.props.route_table, AgentBus.RouteTable)
        self.assertEqual((dispatcher.props.capacity, dispatcher.props.park_unknown), (3, False))
        self.assertEqual(dispatcher.props.retry_policy.get_max_delay(), 50)

    def test_refused(self):
        self.dispatcher.props.capacity = 0
        self.assert_refused(AgentBus.BusError.FULL, 'actor')
        self.assert_refused(AgentBus.BusError.INVALID_MESSAGE, None)
        self.dispatcher.props.park_unknown = False
        self.assert_refused(AgentBus.BusError.ACTOR_NOT_ASSIGNED, 'actor')

    def test_expired(self):
        expired = []
        self.dispatcher.connect('expired', lambda *args: expired.append(args))
        self.dispatch('actor', '7', ttl=5)
        while not expired:
            self.context.iteration(True)
        (dispatcher, message, waited, n_attempts), = expired
        self.assertIs(dispatcher, self.dispatcher)
        self.assertEqual((message.get_task_id(), n_attempts), ('7', 1))
        self.assertGreaterEqual(waited, 5)

    def test_timeout(self):
        self.assertEqual(self.dispatcher.get_timeout(AgentBus.MessageType.REQUEST_INFERENCE), 10000)
        expired = []
        self.dispatcher.connect('expired', lambda *args: expired.append(args))
        self.dispatcher.set_timeout(AgentBus.MessageType.TASK_UPDATE, 5)
        self.dispatch('actor')
        while not expired:
            self.context.iteration(True)
        self.assertEqual(self.dispatcher.props.n_parked, 0)

    def test_dropped(self):
        dropped = []
        self.dispatcher.connect('dropped', lambda *args: dropped.append(args))
        self.routes.unassign('actor')
        self.dispatch('actor', '7')
        self.assertTrue(self.routes.remove('actor'))
        self.drain()
        (dispatcher, message, reason), = dropped
        self.assertIs(dispatcher, self.dispatcher)
        self.assertEqual((message.get_task_id(), reason), ('7', AgentBus.DropReason.NO_TARGET))

    def test_statistics(self):
        self.routes.assign('actor', 'worker')
        self.dispatch('actor')
        self.dispatch('other')
        self.dispatcher.props.capacity = 1
        self.assert_refused(AgentBus.BusError.FULL, 'other')
        ledger = self.dispatcher.get_statistics().unpack()
        dropped = {'full': 0, 'expired': 0, 'no-target': 0, 'closed': 0, 'discarded': 0}
        self.assertEqual(ledger, {'accepted': 2, 'dispatched': 1, 'parked': 1, 'expired': 0, 'dropped': dropped,
                                  'refused': 1, 'retries': 0, 'returned': 0})

    def test_stop(self):
        self.assertTrue(self.wait(self.dispatcher.stop_async, self.dispatcher.stop_finish))
        self.assert_refused(AgentBus.BusError.CLOSED, 'actor')

    def test_stop_in_time(self):
        self.bus.props.shutdown_timeout = 5
        self.dispatch('actor')
        with self.assertRaises(GLib.Error) as caught:
            self.wait(self.dispatcher.stop_async, self.dispatcher.stop_finish)
        self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.TIMED_OUT))

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
