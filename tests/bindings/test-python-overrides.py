#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus from Python, with its overrides."""

import asyncio
import gc
import json
import logging
import os
import threading
import unittest
import weakref

import tap
from override_case import AgentBus, GLib, Message, TestCase, rss


class MessageTest(unittest.TestCase):
    def test_payloads(self):
        nested = {'a': {'b': [True, None, {}, [], [[1, {'c': 'd'}]]]}, '': '', 'ü': -2**40, 'f': [1e300, -0.5, 5e-324]}
        for value in (None, True, 0, -2**63, 2**63 - 1, 2**32, 1.5, 0.1, 1e21, 'text ü', '', [], {}, b'', b'12\0\xff',
                      [1, None, 'a', [2.5]], nested, {'n': {'n': 2**53 + 1}}):
            payload = Message.task_update('a', 'b', '1', value).payload
            self.assertEqual(payload, value)
            self.assertIs(type(payload), type(value))
        variant = GLib.Variant('(su)', ('x', 1))
        self.assertEqual(Message.task_update('a', 'b', '1', variant).payload, ('x', 1))
        self.assertEqual(AgentBus.pack({1: (2, 3)}).unpack(), {'1': [2, 3]})
        self.assertEqual(Message.task_update('a', 'b', '1', bytearray(b'12')).payload, b'12')

    def test_payloads_travel_as_text(self):
        value = {'id': 17, 'price': 1.5, 'tags': ['a', None], 'ok': True}
        message = Message.custom('order', 'a', 'b', value)
        self.assertTrue(message.has_payload_json())
        self.assertEqual(message.get_payload_json(), json.dumps(value))
        again = Message.new_from_variant(message.to_variant())
        self.assertEqual(again.get_payload_json(), json.dumps(value))
        self.assertEqual(again.payload, value)
        self.assertEqual(again.get_payload().unpack(), value)
        for packed in None, GLib.Variant('x', 1), b'12', AgentBus.pack(value):
            self.assertFalse(Message.task_update('a', 'b', '1', packed).has_payload_json())

    def test_reading_text_changes_no_payload(self):
        for variant in GLib.Variant('(su)', ('x', 1)), GLib.Variant('ay', b'12'), GLib.Variant('a{us}', {1: 'a'}):
            message = Message.task_update('a', 'b', '1', variant)
            before = message.payload
            self.assertTrue(message.get_payload_json())
            self.assertEqual(message.payload, before)

    def test_payloads_as_before(self):
        """Text gives what a GLib.Variant between both gave."""
        for value in ({'a': 1, 'b': [1.0, -0.0, 1e-7, 12345678901234567890.0]}, {1: 'x', None: 2, True: 3, 1.5: 4},
                      [(1, 2), []], {'ü': 'ä😀\x7f"\\/'}, 10**18, -10**18, 'a\tb\n'):
            packed = Message.task_update('a', 'b', '1', AgentBus.pack(value)).payload
            self.assertEqual(repr(Message.task_update('a', 'b', '1', value).payload), repr(packed))

    def test_payloads_that_cannot_be(self):
        itself = []
        itself.append(itself)
        for wrong, error, where in (
                ({'x': b''}, TypeError, "payload['x'] is of type bytes"),
                ({'a': [{}, {'x': object()}]}, TypeError, "payload['a'][1]['x'] is of type object"),
                ({'v': GLib.Variant('s', '')}, TypeError, "payload['v'] is of type Variant"),
                ({'s': {1}}, TypeError, "payload['s'] is of type set"), (object(), TypeError, 'payload is of type'),
                ({'a': {(1, 2): 3}}, TypeError, "payload['a'] has a key of type tuple"),
                ({'x': float('nan')}, ValueError, "payload['x'] is nan"),
                (2**64, ValueError, 'payload is an integer'),
                ([2**63], ValueError, 'payload[0] is an integer'), ({'x': '\0'}, ValueError, "payload['x'] has a NUL"),
                ({'a': {'\ud800': 1}}, ValueError, "a key of payload['a'] has"),
                (itself, ValueError, 'contains itself')):
            with self.assertRaises(error) as caught:
                Message.task_update('a', 'b', '1', wrong)
            self.assertIn(where, str(caught.exception))
        deep = []
        for _ in range(5000):
            deep = [deep]
        with self.assertRaises(ValueError):
            Message.task_update('a', 'b', '1', deep)

    def test_every_type(self):
        frame = AgentBus.Frame.new('audio', GLib.Bytes.new(b'12'), None)
        info = AgentBus.Info.new('a', 'runner', None, True, False, 0)
        messages = [
            Message.frame('a', 'b', frame, 'upstream'), Message.activate('a', 'b', {'x': 1}),
            Message.deactivate('a', 'b'), Message.end('a', 'b', 'done'), Message.cancel('a', 'b', reason='enough'),
            Message.agent_ready(info), Message.agent_registry('a', 'b', 'runner', [info]),
            Message.agent_error('a', 'b', 'wrong'), Message.task_request('a', 'b', '1', name='sum', payload={'x': 1}),
            Message.task_cancel('a', 'b', '1', 'enough'), Message.task_update_request('a', 'b', '1'),
            Message.task_response('a', 'b', '1', {'x': 1}),
            Message.task_response_urgent('a', 'b', '1', status='failed'),
            Message.custom('app.hello', 'a', 'b', {'x': 1}, channel='system')]
        for name in ('task_update', 'task_update_urgent', 'task_stream_start', 'task_stream_data', 'task_stream_end'):
            messages.append(getattr(Message, name)('a', 'b', '1', {'x': 1}))
        for name in ('request_inference', 'request_inference_batch', 'flag_last_inference', 'model_handshake',
                     'model_version', 'model_update', 'send_trajectory', 'shutdown', 'hand_off'):
            messages.append(getattr(Message, name)('a', 'actor', {'x': 1}))
            self.assertEqual(messages[-1].name, name.replace('_', '-'))
        self.assertEqual({m.type for m in messages}, set(AgentBus.MessageType.__enum_values__.values()))
        self.assertEqual(messages[0].frame.get_data().get_data(), b'12')
        self.assertEqual(messages[0].direction, AgentBus.FrameDirection.UPSTREAM)
        self.assertEqual((messages[3].reason, messages[4].reason), ('done', 'enough'))
        self.assertEqual(messages[5].info.get_name(), 'a')
        self.assertEqual((len(messages[6].infos), messages[6].runner), (1, 'runner'))
        self.assertEqual((messages[8].task_id, messages[8].task_name, messages[8].payload), ('1', 'sum', {'x': 1}))
        self.assertEqual(messages[11].status, AgentBus.TaskStatus.COMPLETED)
        self.assertEqual(messages[12].status, AgentBus.TaskStatus.FAILED)
        self.assertEqual((messages[13].channel, messages[13].name), (AgentBus.Channel.SYSTEM, 'app.hello'))
        routed = Message.routed('shutdown', 'a', 'actor')
        self.assertEqual((routed.type, routed.target), (AgentBus.MessageType.SHUTDOWN, 'actor'))

    def test_options(self):
        cause = Message.end('a')
        AgentBus.Bus().send(cause)
        message = Message.end('a', ttl=5, reliable=True, trace='t', cause=cause, error_reply=True)
        self.assertEqual((message.ttl, message.reliable, message.trace, message.cause, message.error_reply),
                         (5, True, 't', cause.seq, True))
        with self.assertRaises(TypeError):
            Message.end('a', ttll=5)

    def test_topics(self):
        bus = AgentBus.Bus()
        meter = AgentBus.Subscriber('meter', accepts=['level', 'cancel'])
        message = Message.custom('level', 'mic', topic='audio.mic.1', retained=True)
        self.assertEqual((message.topic, message.retained, Message.end('a').topic), ('audio.mic.1', True, None))
        for topic in ('', 'a..b', 'a.*'):
            with self.assertRaises(ValueError):
                Message.end('a', topic=topic)
        with self.assertRaises(GLib.Error):
            meter.add_topic('a..b')
        self.assertEqual((meter.accepts, meter.topics), (['level', 'cancel'], []))
        bus.subscribe(meter)
        self.assertEqual(bus.send(message), 0)
        meter.add_topic('audio.>')
        self.assertEqual((meter.topics, meter.n_queued), (['audio.>'], 1))
        meter.accepts = []
        self.assertEqual(bus.send(Message.custom('level', 'mic', topic='audio.mic.1')), 0)
        meter.accepts = None
        self.assertEqual((meter.accepts, bus.send(Message.custom('level', 'mic', topic='audio.mic.1'))), (None, 1))

    def test_monitor(self):
        bus = AgentBus.Bus()
        monitor = AgentBus.Subscriber('eye')
        seen = []
        monitor.on(lambda message: seen.append(message.fate))
        with self.assertRaises(TypeError):
            bus.add_monitor(monitor, 'cancel')
        self.assertTrue(bus.add_monitor(monitor))
        with self.assertRaises(GLib.Error):
            bus.add_monitor(monitor, ['cancel'])
        bus.send(Message.cancel('a', 'b'))
        bus.subscribe(AgentBus.Subscriber('b'))
        bus.send(Message.cancel('a', 'b'))
        while len(seen) < 2:
            GLib.MainContext.default().iteration(True)
        self.assertEqual(seen, [(0, AgentBus.DropReason.NO_TARGET), (1, None)])
        self.assertEqual((seen[1].n_accepted, seen[1].reason, Message.end('a').fate), (1, None, None))
        bus.remove_monitor(monitor)
        self.assertEqual(bus.send(Message.cancel('a', 'b')), 1)
        with bus:
            pass
        self.assertEqual(len(seen), 2)

    def test_conversation(self):
        conversation = AgentBus.Conversation('talk')
        self.assertIs(AgentBus.Conversation('talk'), conversation)
        self.assertIs(type(conversation), AgentBus.Conversation)
        self.assertIsNot(AgentBus.Conversation(), AgentBus.Conversation())
        self.assertEqual((conversation.id, conversation.epoch, conversation.advance()), ('talk', 0, 1))
        message = Message.custom('x', 'a', conversation=conversation)
        answer = Message.end('b', cause=message)
        self.assertEqual((message.conversation, message.epoch), (conversation, 1))
        self.assertEqual((answer.conversation, Message.end('b').conversation), (conversation, None))
        with self.assertRaises(ValueError):
            AgentBus.Conversation('')

    def test_repr(self):
        bus, routes = AgentBus.Bus(), AgentBus.RouteTable()
        things = [Message.end('a', 'b'), bus, routes, AgentBus.RouterDispatcher.new(bus, routes),
                  AgentBus.Subscriber(name='worker'), AgentBus.Frame.new('audio', None, None),
                  AgentBus.Info.new('a', 'runner', None, True, False, 0), AgentBus.Conversation()]
        for thing in things:
            self.assertRegex(repr(thing), '^<AgentBus.[A-Z]')


class PropertyTest(unittest.TestCase):
    def test_properties(self):
        bus = AgentBus.Bus(capacity=3, shutdown_timeout=5)
        worker = AgentBus.Subscriber('worker', capacity=2, overflow='drop-oldest')
        self.assertEqual((bus.capacity, bus.shutdown_timeout, bus.running, bus.n_subscribers), (3, 5, True, 0))
        bus.shutdown_timeout = 7
        self.assertEqual(bus.get_shutdown_timeout(), 7)
        bus.subscribe(worker)
        self.assertEqual((worker.name, worker.capacity, worker.bus, worker.n_queued), ('worker', 2, bus, 0))
        self.assertEqual(worker.overflow, AgentBus.Overflow.DROP_OLDEST)

    def test_limits_that_change(self):
        worker = AgentBus.Subscriber('worker', priority=GLib.PRIORITY_LOW)
        worker.capacity, worker.max_bytes, worker.max_age = 2, 2**40, 3.0
        self.assertEqual((worker.capacity, worker.max_bytes, worker.max_age), (2, 2**40, 3))
        self.assertEqual((worker.get_capacity(), worker.priority), (2, GLib.PRIORITY_LOW))
        with self.assertRaisesRegex(ValueError, 'max_age is 0.5'):
            worker.max_age = 0.5

    def test_attributes_of_the_same_name(self):
        """A program that keeps something under the name of a property goes on to do so."""
        class Worker(AgentBus.Subscriber):
            bus = 'class'

            def __init__(self):
                super().__init__('worker')
                self.delivery = self.name = self.capacity = 5

        worker = Worker()
        self.assertEqual((worker.bus, worker.delivery, worker.name, worker.get_name()), ('class', 5, 5, 'worker'))
        bus = AgentBus.Bus()
        bus.statistics = {}
        self.assertEqual(bus.statistics, {})
        bus.subscribe(worker)
        worker.on(lambda message: None)
        bus.send(Message.end('a'))
        while GLib.MainContext.default().iteration(False):
            pass

    def test_frames_of_all_sizes(self):
        for data in None, b'', b'\0', bytes(range(256)) * 4, bytes(1025), bytes(10**6):
            for frame in AgentBus.Frame('audio', data), AgentBus.Frame('audio', data and GLib.Bytes.new(data)):
                self.assertEqual(frame.data, data)
                self.assertEqual(frame.get_data() and frame.get_data().get_data(), data or (data and b''))
                message = Message.frame('a', 'b', frame)
                self.assertEqual(Message.new_from_variant(message.to_variant()).frame.data, data)
        self.assertEqual(AgentBus.Frame('audio', memoryview(b'12')).data, b'12')
        self.assertEqual(AgentBus.Frame('audio', GLib.Bytes.new(b'')).data, b'')

    def test_frames_and_infos(self):
        frame = AgentBus.Frame('audio', b'12', {'rate': 16000})
        self.assertEqual((frame.kind, frame.data, frame.metadata, frame.pts), ('audio', b'12', {'rate': 16000}, -1))
        frame.pts = 5
        self.assertEqual(frame.get_pts(), 5)
        for data in (bytearray(b'12'), memoryview(b'12'), GLib.Bytes.new(b'12')):
            self.assertEqual(AgentBus.Frame('audio', data).data, b'12')
        self.assertEqual((AgentBus.Frame('audio').data, AgentBus.Frame('audio', b'').data), (None, b''))
        for wrong in ('12', 5):
            with self.assertRaisesRegex(TypeError, 'bytes-like'):
                AgentBus.Frame('audio', wrong)
        with self.assertRaisesRegex(TypeError, "no option 'tll'"):
            Message.cancel('ui', 'worker', tll=5)
        info = AgentBus.Info('worker', 'runner', active=False)
        self.assertEqual((info.name, info.runner, info.parent, info.active), ('worker', 'runner', None, False))

    def test_what_is_no_whole_number(self):
        message = Message.end('a', ttl=500.0)
        self.assertEqual(message.ttl, 500)
        for wrong in (0.5, float('nan'), float('inf')):
            self.assertRaises(ValueError, Message.end, 'a', ttl=wrong)
            self.assertRaises(ValueError, message.set_ttl, wrong)
            self.assertRaises(ValueError, AgentBus.Bus, capacity=wrong)
            self.assertRaises(ValueError, AgentBus.Subscriber, 'w', max_age=wrong)
        for wrong in (-1, float('nan'), float('inf')):
            self.assertRaises(ValueError, AgentBus.sleep, wrong)
        self.assertRaises(TypeError, message.set_ttl, '5')

    def test_what_is_missing(self):
        bus = AgentBus.Bus()
        for call in (lambda: bus.subscribe(AgentBus.Subscriber()), lambda: bus.subscribe(AgentBus.Subscriber('')),
                     lambda: bus.unsubscribe(''), lambda: bus.unsubscribe_async(''), lambda: Message.end(''),
                     lambda: Message.end('a', ''), lambda: Message.task_request('a', 'b', ''),
                     lambda: Message.task_request(None, 'b', '1'), lambda: Message.shutdown('a', ''),
                     lambda: Message.custom('', 'a'), lambda: AgentBus.Frame(''), lambda: AgentBus.Info(''),
                     lambda: AgentBus.RouteTable().__setitem__('', 'a'),
                     lambda: AgentBus.RouteTable().__setitem__('a', ''),
                     lambda: Message.task_response('a', 'b', '1', status='compelted')):
            self.assertRaises(ValueError, call)


class RoutineTest(TestCase):
    def test_run_takes_a_coroutine(self):
        for wrong in (None, 1, lambda: None):
            self.assertRaises(TypeError, AgentBus.run, wrong)
            self.assertRaises(TypeError, AgentBus.spawn, wrong)

    def test_cancel(self):
        async def wait():
            try:
                await AgentBus.Future()
            finally:
                await AgentBus.sleep(1)
                self.got.append('through')

        async def main():
            routine = AgentBus.spawn(wait())
            await AgentBus.sleep(1)
            self.assertTrue(routine.cancel())
            with self.assertRaises(asyncio.CancelledError):
                await routine
            self.assertTrue(routine.cancelled())
            self.assertFalse(routine.cancel())

        for run in (AgentBus.run, asyncio.run):
            run(main())
        self.assertEqual(self.got, ['through'] * 2)

    def test_cancel_reaches_what_is_awaited(self):
        async def inner():
            try:
                await AgentBus.Future()
            except asyncio.CancelledError:
                self.got.append('inner')
                raise

        async def outer():
            await AgentBus.spawn(inner())

        async def main():
            routine = AgentBus.spawn(outer())
            await AgentBus.sleep(1)
            routine.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await routine
        AgentBus.run(main())
        self.assertEqual(self.got, ['inner'])

    def test_cancel_oneself(self):
        async def wait():
            routines[0].cancel()
            self.got.append('goes on')
            await AgentBus.sleep(0)
            self.got.append('never')

        async def begin():
            await AgentBus.sleep(0)
            await wait()
        routines = []

        async def main():
            routines.append(AgentBus.spawn(begin()))
            with self.assertRaises(asyncio.CancelledError):
                await routines[0]
        AgentBus.run(main())
        self.assertEqual(self.got, ['goes on'])

    def test_gather_and_timeout(self):
        async def work(result, milliseconds=1):
            await AgentBus.sleep(milliseconds)
            if isinstance(result, Exception):
                raise result
            return result

        async def main():
            self.assertEqual(await AgentBus.gather(), [])
            self.assertEqual(await AgentBus.gather(work(1, 3), work(2), AgentBus.spawn(work(3))), [1, 2, 3])
            never = AgentBus.spawn(work(1, 100000))
            with self.assertRaises(KeyError):
                await AgentBus.gather(never, work(KeyError()))
            with self.assertRaises(asyncio.CancelledError):
                await never
            self.assertEqual(await AgentBus.timeout(work(4), 60), 4)
            with self.assertRaises(KeyError):
                await AgentBus.timeout(work(KeyError()), 60)
            with self.assertRaises(asyncio.TimeoutError):
                await AgentBus.timeout(work(5, 100000), 0.001)
            with self.assertRaises(asyncio.TimeoutError):
                await AgentBus.timeout(AgentBus.Future(), 0.001)

        for run in (AgentBus.run, asyncio.run):
            run(main())

    def test_what_nobody_asks_for_is_logged(self):
        async def fail():
            await AgentBus.sleep(0)
            raise KeyError('word')

        async def wait():
            await AgentBus.Future()

        logging.disable(logging.NOTSET)
        with self.assertLogs('AgentBus') as logged:
            AgentBus.spawn(fail())
            AgentBus.run(self.sleep())
            gc.collect()
        self.assertEqual([(record.levelname, record.exc_info[0]) for record in logged.records], [('ERROR', KeyError)])
        with self.assertLogs('AgentBus') as logged:
            AgentBus.spawn(wait())
            gc.collect()
        self.assertEqual([record.levelname for record in logged.records], ['WARNING'])

    async def sleep(self):
        await AgentBus.sleep(2)


class HandlerTest(TestCase):
    def test_on(self):
        self.worker.on(lambda m: self.got.append(('any', m.name)))
        cancel = self.worker.on('cancel', lambda m: self.got.append(('cancel', m.name)))

        @self.worker.on('task-update')
        def update(message):
            self.got.append(('update', message.name))

        self.bus.subscribe(self.worker)
        self.bus.send(Message.cancel('ui', 'worker'))
        self.send('1')
        self.drain()
        self.assertEqual(self.got, [('any', 'cancel'), ('cancel', 'cancel'), ('any', 'task-update'),
                                    ('update', 'task-update')])
        cancel.disconnect()
        cancel.disconnect()
        self.bus.send(Message.cancel('ui', 'worker'))
        self.drain()
        self.assertEqual(self.got[4:], [('any', 'cancel')])
        self.assertTrue(callable(update))

    def test_handlers_that_raise(self):
        @self.worker.on
        def plain(message):
            self.got.append(message.task_id)
            if message.task_id == '1':
                raise ValueError('plain')

        @self.worker.on
        async def later(message):
            await AgentBus.sleep(1)
            if message.task_id == '2':
                raise ValueError('later')

        async def main():
            self.bus.subscribe(self.worker)
            self.send('1', '2', '3')
            while len(self.failures) < 2 or len(self.got) < 3:
                await AgentBus.sleep(1)

        AgentBus.run(main())
        self.assertEqual(self.got, ['1', '2', '3'])
        self.assertEqual(self.failures, [('1', 'ValueError: plain'), ('2', 'ValueError: later')])
        self.assertEqual(self.bus.statistics['failed'], 2)

    def test_a_handler_that_deferred_and_raises(self):
        @self.worker.on
        def take(message):
            self.got.append(self.worker.defer())
            raise ValueError('but it is mine')

        self.bus.subscribe(self.worker)
        self.send('1', '2')
        self.drain()
        self.assertEqual(len(self.got), 1)
        self.got[0].complete()
        self.drain()
        self.assertEqual(len(self.got), 2)
        self.got[1].complete()

    def test_async_in_order_and_one_at_a_time(self):
        @self.worker.on
        async def handler(message):
            self.got.append(('<', message.task_id, threading.get_ident()))
            await AgentBus.sleep(2)
            self.got.append(('>', message.task_id, threading.get_ident()))

        async def main():
            self.bus.subscribe(self.worker)
            threads = [threading.Thread(target=self.send, args=('1', '2', '3'))]
            threads[0].start()
            while len(self.got) < 6:
                await AgentBus.sleep(1)
            threads[0].join()

        AgentBus.run(main())
        here = threading.get_ident()
        self.assertEqual(self.got, [(mark, i, here) for i in '123' for mark in '<>'])

    def test_async_do_message(self):
        got = self.got

        class Base(AgentBus.Subscriber):
            async def do_message(self, message):
                await AgentBus.sleep(1)
                got.append(('base', message.task_id, self.delivery is not None))

        class Derived(Base):
            async def do_message(self, message):
                await super().do_message(message)
                got.append(('derived', message.task_id, True))
                if message.task_id == '2':
                    raise ValueError('derived')

        class Plain(AgentBus.Subscriber):
            def do_message(self, message):
                raise ValueError('plain')

        async def main():
            self.bus.subscribe(Derived(name='worker'))
            self.bus.subscribe(Plain(name='plain'))
            self.send('1', '2')
            self.bus.send(Message.task_update('ui', 'plain', '3'))
            while len(self.failures) < 2:
                await AgentBus.sleep(1)

        AgentBus.run(main())
        self.assertEqual(got, [(name, i, True) for i in '12' for name in ('base', 'derived')])
        self.assertEqual(sorted(self.failures), [('2', 'ValueError: derived'), ('3', 'ValueError: plain')])

    def test_kept_messages(self):
        @self.worker.on
        async def handler(message):
            await AgentBus.sleep(1)
            self.got.append(message)

        async def main():
            self.bus.subscribe(self.worker)
            for number in range(50):
                self.bus.send(Message.task_update('ui', 'worker', str(number), {'n': number}))
            while len(self.got) < 50:
                await AgentBus.sleep(1)
            await self.bus.stop()

        AgentBus.run(main())
        del self.bus
        gc.collect()
        self.assertEqual([(m.task_id, m.payload) for m in self.got], [(str(n), {'n': n}) for n in range(50)])

    def test_forgotten(self):
        @self.worker.on
        async def handler(message):
            self.got.append(message.task_id)
            if message.task_id == '1':
                await AgentBus.Future()  # that nobody keeps

        warnings = []
        gc.collect()  # the buses of the other cases, which go with a warning
        GLib.log_set_writer_func(lambda *args: (warnings.append(1), GLib.LogWriterOutput.HANDLED)[1])
        self.bus.subscribe(self.worker)
        self.send('1', '2')
        for _ in range(3):
            self.drain()
            gc.collect()
        self.assertEqual(self.got, ['1', '2'])
        self.assertEqual(len(warnings), 1)

    def test_a_coroutine_is_cancelled(self):
        """By a message that cancels what it works on; that is no failure."""
        async def handler(message):
            try:
                await AgentBus.Future()
            except asyncio.CancelledError:
                self.got.append(message.task_id)
                raise

        async def main():
            self.bus.subscribe(self.worker)
            self.send('1', '2')
            await AgentBus.sleep(1)
            self.bus.send(Message.task_cancel('ui', 'worker', '1'))
            while self.got != ['1'] or self.worker.delivery is None:
                await AgentBus.sleep(1)
            self.bus.send(Message.cancel('ui', 'worker'))
            while self.got != ['1', '2']:
                await AgentBus.sleep(1)
            self.assertTrue(await self.bus.unsubscribe_async(name='worker'))

        for run in (AgentBus.run, asyncio.run):
            entry = self.worker.on('task-update', handler)
            run(main())
            self.got.clear()
            entry.disconnect()
        self.assertEqual(self.failures, [])

    def test_a_coroutine_is_cancelled_by_the_next_epoch(self):
        conversation = AgentBus.Conversation()

        @self.worker.on('task-update')
        async def handler(message):
            self.got.append(message.task_id)
            try:
                await AgentBus.sleep(0 if message.epoch else 100000)
                self.got.append('through')
            except asyncio.CancelledError:
                self.got.append('cancelled')
                raise

        def send(task_id):
            self.bus.send(Message.task_update('ui', 'worker', task_id, conversation=conversation))

        async def main():
            self.bus.subscribe(self.worker)
            send('1')
            send('2')
            while not self.got:
                await AgentBus.sleep(1)
            conversation.advance()
            send('3')
            while len(self.got) < 4:
                await AgentBus.sleep(1)
            await self.bus.stop()

        AgentBus.run(main())
        self.assertEqual(self.got, ['1', 'cancelled', '3', 'through'])
        self.assertEqual(self.bus.statistics['dropped']['stale'], 1)
        self.assertEqual(self.failures, [])

    def test_a_coroutine_that_is_not_to_be_cancelled(self):
        @self.worker.on('task-update', cancel=False)
        async def handler(message, delivery):
            while not delivery.is_cancelled():
                await AgentBus.sleep(1)
            await AgentBus.sleep(1)
            self.got.append(message.task_id)

        async def main():
            self.bus.subscribe(self.worker)
            self.send('1')
            await AgentBus.sleep(1)
            self.bus.send(Message.task_cancel('ui', 'worker', '1'))
            while not self.got:
                await AgentBus.sleep(1)

        AgentBus.run(main())
        self.assertEqual(self.got, ['1'])

    def test_cancelled_while_it_was_called(self):
        """Before it has waited for the first time."""
        @self.worker.on('task-update')
        async def handler(message):
            self.bus.send(Message.task_cancel('ui', 'worker', message.task_id))
            await AgentBus.Future()

        async def main():
            self.bus.subscribe(self.worker)
            self.send('1', '2')
            while self.worker.n_delivered < 4:
                await AgentBus.sleep(1)

        for run in (AgentBus.run, asyncio.run):
            run(main())
            self.bus.unsubscribe('worker')
            self.drain()
            self.worker = AgentBus.Subscriber('worker')
            self.worker.on('task-update', handler)

    def test_a_plain_handler_with_the_delivery(self):
        self.worker.on(lambda message, delivery: self.got.append(delivery))
        self.bus.subscribe(self.worker)
        self.send('1', '2')
        self.drain()
        self.assertEqual(len(self.got), 1)
        self.got[0].complete()
        self.drain()
        self.got[1].fail_message('by hand')
        self.drain()
        self.assertEqual(self.failures, [('2', 'by hand')])

    def test_a_default_is_no_second_argument(self):
        def handler(message, got=self.got):
            got.append(message.task_id)

        self.worker.on(handler)
        self.worker.on(self.got.append)
        self.bus.subscribe(self.worker)
        self.send('1')
        self.drain()
        self.assertEqual((self.got[0], self.got[1].task_id), ('1', '1'))

    def test_names(self):
        for name in ('task_update', 'task-update', AgentBus.MessageType.TASK_UPDATE, 'TASK_UPDATE'):
            self.worker.on(name, lambda message: self.got.append(message.task_id))
        self.bus.subscribe(self.worker)
        self.send('1')
        self.drain()
        self.assertEqual(self.got, ['1'] * 4)
        with self.assertWarns(UserWarning):
            self.worker.on('task_udpate', self.got.append)
        for wrong in ((1, self.got.append), ('cancel', 1)):
            self.assertRaises(TypeError, self.worker.on, *wrong)
        self.assertRaises(ValueError, self.worker.on, '', self.got.append)

    def test_disconnected_while_it_is_called(self):
        entries = [self.worker.on(lambda message: (self.got.append(1), entries[1].disconnect())),
                   self.worker.on(lambda message: self.got.append(2)),
                   self.worker.on(lambda message: self.got.append(3))]
        self.bus.subscribe(self.worker)
        self.send('1')
        self.drain()
        self.assertEqual(self.got, [1, 3])

    def test_what_no_handler_wants_is_counted(self):
        handler = self.worker.on('cancel', lambda message: self.got.append(message.name))
        self.bus.subscribe(self.worker)
        self.bus.send(Message.cancel('ui', 'worker'))
        self.send('1')
        self.drain()
        self.assertEqual(self.got, ['cancel'])
        self.assertEqual(self.bus.statistics['unhandled'], 1)
        # Without any handler, data waits for the next one.
        handler.disconnect()
        self.send('2')
        self.drain()
        self.assertEqual(self.worker.n_queued, 1)
        self.worker.on('task-update', lambda message: self.got.append(message.task_id))
        self.drain()
        self.assertEqual(self.got, ['cancel', '2'])
        self.assertEqual(self.bus.statistics['unhandled'], 1)

    def test_handlers_that_change_while_they_are_called(self):
        def one(message):
            self.got.append(('one', message.task_id))
            named.disconnect()
            if message.task_id == '1':
                self.worker.on('task-update', late)

        def late(message):
            self.got.append(('late', message.task_id))

        named = self.worker.on('task-update', one)
        self.worker.on(lambda message: self.got.append(('all', message.task_id)))
        self.bus.subscribe(self.worker)
        self.send('1', '2', '3')
        self.drain()
        self.assertEqual(self.got, [('one', '1'), ('all', '1'), ('all', '2'), ('late', '2'), ('all', '3'), ('late', '3')])

    def test_failures_say_of_what_kind(self):
        def handler(message):
            raise {'1': KeyError('word'), '2': ValueError(), '3': GLib.Error('text', 'app', 1)}[message.task_id]

        self.worker.on(handler)
        self.bus.subscribe(self.worker)
        self.send('1', '2', '3')
        self.drain()
        self.assertEqual(self.failures, [('1', "KeyError: 'word'"), ('2', 'ValueError'), ('3', 'text')])

    def test_nothing_stays_behind(self):
        @self.worker.on
        async def handler(message):
            await AgentBus.sleep(1)

        async def main():
            self.bus.subscribe(self.worker)
            self.send('1')
            await AgentBus.sleep(5)
            await self.bus.unsubscribe_async('worker')

        AgentBus.run(main())
        self.drain()
        reference = weakref.ref(self.worker)
        del self.worker
        gc.collect()
        self.assertIsNone(reference())


class LoopTest(TestCase):
    def test_async_for(self):
        async def main():
            self.bus.subscribe(self.worker)
            self.send('1', '2', '3', '4')
            async for message in self.worker:
                self.got.append(message.task_id)
                await AgentBus.sleep(5)
                self.assertEqual(self.worker.get_n_delivered(), len(self.got))
                if len(self.got) == 3:
                    break
            self.assertTrue(await self.bus.unsubscribe_async('worker'))

        AgentBus.run(main())
        self.assertEqual(self.got, ['1', '2', '3'])

    def test_async_for_that_raises(self):
        async def main():
            self.bus.subscribe(self.worker)
            self.send('1')
            async for message in self.worker:
                raise ValueError('enough')

        with self.assertRaises(ValueError):
            AgentBus.run(main())
        self.assertTrue(AgentBus.run(self.stop()))

    async def stop(self):
        return await self.bus.stop()

    def test_leaving_without_loss(self):
        got = []

        async def main():
            self.bus.subscribe(self.worker)
            self.worker.on(lambda message: got.append(message.task_id))
            self.send('1')
            self.assertTrue(await self.bus.flush(self.worker.name))
            self.send('2')
            self.assertTrue(await self.bus.flush())
            self.assertEqual(got, ['1', '2'])
            self.send('3')
            self.assertTrue(await self.bus.unsubscribe(self.worker.name, drain=True))
            self.assertEqual(got, ['1', '2', '3'])
            self.assertIsNone(self.bus.unsubscribe(self.worker.name))
            with self.assertRaises(GLib.Error) as caught:
                await self.bus.flush(self.worker.name)
            self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.NOT_FOUND))
            self.bus.subscribe(self.worker)
            self.send('4')
            self.assertTrue(await self.bus.stop(drain=True))
            self.assertEqual(got, ['1', '2', '3', '4'])

        AgentBus.run(main())

    def test_groups_and_names(self):
        told = []

        async def main():
            watch = self.bus.watch_name('pool', lambda _bus, name: told.append(f'+{name}'),
                                        lambda _bus, name: told.append(f'-{name}'))
            member = AgentBus.Subscriber('member', group='pool')
            self.bus.subscribe(member)
            self.assertEqual((member.group, self.bus.list_names()), ('pool', ['member', 'pool']))
            self.assertTrue(await self.bus.unsubscribe('member', drain=False))
            while len(told) < 3:
                await AgentBus.sleep(1)
            self.assertEqual(told, ['-pool', '+pool', '-pool'])
            self.bus.unwatch_name(watch)

        AgentBus.run(main())
        self.assertTrue(AgentBus.run(self.stop()))

    def test_asyncio(self):
        worker = AgentBus.Subscriber(name='slow')

        @worker.on
        async def handler(message):
            await asyncio.sleep(0.002)
            self.got.append((message.task_id, threading.get_ident()))
            if message.task_id == 'b':
                raise ValueError('no')

        async def iterate():
            while True:
                self.context.iteration(False)
                await asyncio.sleep(0.001)

        async def main():
            iterating = asyncio.ensure_future(iterate())
            async with self.bus:
                self.bus.subscribe(self.worker)
                self.bus.subscribe(worker)
                self.send('1', '2')
                for task_id in 'ab':
                    self.bus.send(Message.task_update('ui', 'slow', task_id))
                async for message in self.worker:
                    self.got.append((message.task_id, threading.get_ident()))
                    if message.task_id == '2':
                        break
                while not self.failures:
                    await AgentBus.sleep(1)
            self.assertFalse(self.bus.is_running())
            iterating.cancel()

        asyncio.run(main())
        here = threading.get_ident()
        self.assertEqual(sorted(self.got), [(i, here) for i in ('1', '2', 'a', 'b')])
        self.assertEqual(self.failures, [('b', 'ValueError: no')])

    def test_foreign_thread(self):
        """A subscriber whose context another thread iterates: all of its handlers run there."""
        ready, idents = threading.Event(), []

        def serve():
            context = GLib.MainContext.new()
            context.push_thread_default()
            worker = AgentBus.Subscriber(name='worker')

            @worker.on
            async def handler(message):
                idents.append(threading.get_ident())
                await AgentBus.sleep(1)
                idents.append(threading.get_ident())

            self.bus.subscribe(worker)
            ready.set()

            async def main():
                while len(idents) < 4:
                    await AgentBus.sleep(1)
            AgentBus.run(main())
            context.pop_thread_default()

        thread = threading.Thread(target=serve)
        thread.start()
        ready.wait()
        self.send('1', '2')
        thread.join()
        self.assertEqual(set(idents), {thread.ident})

    def test_errors(self):
        class Odd:
            def __await__(self):
                yield 1

        async def main():
            with self.assertRaises(GLib.Error) as caught:
                await self.bus.unsubscribe_async('nobody')
            self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.NOT_FOUND))
            with self.assertRaises(TypeError):
                await Odd()
            await self.bus.stop()
            self.assertTrue(await self.bus.start())

        AgentBus.run(main())

    def test_with(self):
        with self.bus as bus:
            bus.subscribe(self.worker)
        self.assertFalse(self.bus.is_running())
        results = []
        self.bus.start_async(None, lambda bus, result: results.append(bus.start_finish(result)))
        while not results:
            self.context.iteration(True)

    def test_dispatcher(self):
        routes = AgentBus.RouteTable()
        dispatcher = AgentBus.RouterDispatcher.new(self.bus, routes)
        self.worker.on(lambda message: self.got.append(message.target))
        self.bus.subscribe(self.worker)
        routes['actor'] = 'worker'
        routes['other'] = None
        self.assertEqual((routes['actor'], routes['other'], len(routes)), ('worker', None, 2))
        self.assertTrue('actor' in routes and 'nobody' not in routes)
        dispatcher.dispatch(Message.shutdown('ui', 'actor'))
        self.assertEqual(dispatcher.statistics['dispatched'], 1)
        del routes['actor']
        for wrong in (lambda: routes['actor'], lambda: routes.__delitem__('actor')):
            self.assertRaises(KeyError, wrong)

        async def main():
            return await dispatcher.stop()
        self.assertTrue(AgentBus.run(main()))
        for incomplete in ({}, {'bus': self.bus}, {'route_table': routes}, {'bus': None, 'route_table': routes}):
            with self.assertRaises(TypeError):
                AgentBus.RouterDispatcher(**incomplete)
        self.drain()
        self.assertEqual(self.got, ['actor'])


    def test_copy_and_forward(self):
        first = Message.task_request('ui', 'worker', '1', payload=[1], ttl=500, reliable=True)
        self.bus.send(first)
        same, other, to_all = first.copy(), first.copy(source='me', target='b', ttl=7), first.copy(target=None)
        self.assertEqual((same.source, same.target, same.ttl, same.reliable, same.seq, same.payload),
                         ('ui', 'worker', 500, True, 0, [1]))
        self.assertEqual((other.source, other.target, other.ttl), ('me', 'b', 7))
        self.assertEqual((to_all.source, to_all.target), ('ui', None))
        for wrong in ({'source': ''}, {'target': ''}, {'target': 3}, {'colour': 1}):
            self.assertRaises((TypeError, ValueError), first.copy, **wrong)

        other = AgentBus.Subscriber(name='other')
        other.on(lambda message: self.got.append((message.source, message.task_id)))
        self.bus.subscribe(other)

        def pass_on(message):
            delivery = self.worker.defer()
            with self.assertRaises(GLib.Error):
                delivery.forward('nobody')
            delivery.forward('other')
        self.worker.on(pass_on)
        self.bus.subscribe(self.worker)
        self.bus.send(Message.task_request('ui', 'worker', '2'))
        self.drain()
        self.assertEqual(self.got, [('ui', '2')])

    def test_many_routes(self):
        routes = AgentBus.RouteTable()
        changed = []
        routes.connect('changed-many', lambda routes, actors: changed.append(actors))
        self.assertEqual(routes.assign_many(['b', 'a'], 'worker'), 2)
        routes['c'] = None
        self.assertEqual((list(routes), dict(routes)), (['a', 'b', 'c'], {'a': 'worker', 'b': 'worker', 'c': None}))
        self.assertEqual((routes.list_actors('worker'), routes.items()[2]), (['a', 'b'], ('c', None)))
        before = routes.snapshot()
        self.assertEqual(routes.rebalance(['other'], {'other': 2}),
                         [('a', 'worker', 'other'), ('b', 'worker', 'other'), ('c', None, 'other')])
        routes.rename('a', 'd')
        routes.restore(before)
        self.assertEqual(routes.snapshot(), before)
        self.drain()
        self.assertEqual(changed, [['b', 'a'], ['a', 'b', 'c'], ['d', 'a', 'b', 'c']])
        for wrong in (lambda: routes.assign_many('abc', 'worker'), lambda: routes.assign_many(['a', ''], 'worker'),
                      lambda: routes.rebalance('worker'), lambda: routes.rebalance(['a'], {'a': -1}),
                      lambda: routes.rename('a', ''), lambda: routes.restore({'': 'a'})):
            self.assertRaises((TypeError, ValueError), wrong)
        for wrong in (lambda: routes.rename('nobody', 'x'), lambda: routes.rename('a', 'b'),
                      lambda: routes.restore(GLib.Variant('s', 'a'))):
            self.assertRaises(GLib.Error, wrong)
        self.assertEqual(routes.snapshot(), before)

    def test_scaling(self):
        routes = AgentBus.RouteTable()
        dispatcher = AgentBus.RouterDispatcher(bus=self.bus, route_table=routes, hand_off=True)
        self.assertTrue(dispatcher.hand_off)
        self.worker.on(lambda message: self.got.append((message.name, message.target, message.payload)))
        self.bus.subscribe(self.worker)
        routes['actor'] = 'worker'
        dispatcher.dispatch(Message.request_inference('ui', 'actor', 1))
        routes['actor'] = 'other'

        async def main():
            routes['quiet'] = 'worker'
            return await dispatcher.drain_router('worker')
        self.assertTrue(AgentBus.run(main()))
        self.assertEqual(self.got, [('request-inference', 'actor', 1), ('hand-off', 'actor', 'other')])
        self.assertIsNone(routes['quiet'])


class MemoryTest(TestCase):
    def test_flat(self):
        n = 1000000 if os.environ.get('AGENTBUS_SOAK') == '1' else 200000
        count = 0
        wake = []

        @self.worker.on
        async def handler(message):
            nonlocal count
            count += 1
            if count % 100 == 0:
                await AgentBus.sleep(0)
            if wake and count >= wake[0][0]:
                wake.pop()[1].set_result()

        async def pump(batches):
            for _ in range(batches):
                future = AgentBus.Future()
                wake.append((count + 200, future))
                for number in range(200):
                    self.bus.send(Message.task_update('ui', 'worker', '1'))
                await future

        self.bus.subscribe(self.worker)
        AgentBus.run(pump(n // 2000))
        gc.collect()
        before = rss()
        AgentBus.run(pump(n // 200))
        gc.collect()
        grown = rss() - before
        print(f'# {n} messages: {grown // 1024:+d} KiB')
        self.assertLess(grown, 4 << 20)


if __name__ == '__main__':
    tap.main()
