#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Loops over a subscriber, beside handlers and under asyncio, with the overrides for Python."""

import asyncio
import gc
import importlib
import os
import subprocess
import sys
import threading
import unittest

import override_case
import tap
from override_case import AgentBus, GLib, Message, rss


class TestCase(override_case.TestCase):
    def setUp(self):
        super().setUp()
        self.bus.subscribe(self.worker)

    def send_system(self, *reasons):
        for reason in reasons:
            self.bus.send(Message.cancel('ui', 'worker', reason))

    async def consume(self, subscriber=None):
        async for message in subscriber or self.worker:
            self.got.append(message.task_id or message.reason)
        self.got.append('end')


class EndTest(TestCase):
    def test_the_subscriber_leaves(self):
        async def main():
            task = AgentBus.spawn(self.consume())
            self.bus.unsubscribe('worker')
            await task
        AgentBus.run(main())
        self.assertEqual(self.got, ['end'])

    def test_the_bus_stops(self):
        async def main():
            task = AgentBus.spawn(self.consume())
            self.assertTrue(await self.bus.stop())
            await task
        AgentBus.run(main())
        self.assertEqual(self.got, ['end'])

    def test_what_is_queued_comes_first(self):
        """Leaving discards data, and delivers what the system channel holds."""
        async def main():
            task = AgentBus.spawn(self.consume())
            self.send('1')
            self.send_system('a', 'b')
            self.assertTrue(await self.bus.unsubscribe_async('worker'))
            await task
        AgentBus.run(main())
        self.assertEqual(self.got, ['a', 'b', 'end'])

    def test_it_leaves_in_the_loop(self):
        async def main():
            self.send('1')
            async for message in self.worker:
                self.got.append(message.task_id)
                self.bus.unsubscribe('worker')
            self.got.append('end')
        AgentBus.run(main())
        self.assertEqual(self.got, ['1', 'end'])

    def test_it_is_too_late(self):
        """The deadline passes while the loop has a message: that one is finished, and no other comes."""
        self.bus.set_property('shutdown-timeout', 1)

        async def main():
            self.send_system('a', 'b')
            async for message in self.worker:
                self.got.append(message.reason)
                with self.assertRaises(GLib.Error) as caught:
                    await self.bus.stop()
                self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.TIMED_OUT))
            self.got.append('end')
        AgentBus.run(main())
        self.assertEqual(self.got, ['a', 'end'])

    def test_on_no_bus(self):
        AgentBus.run(self.consume(AgentBus.Subscriber(name='other')))
        AgentBus.run(self.stop())
        AgentBus.run(self.consume())
        self.assertEqual(self.got, ['end', 'end'])

    async def stop(self):
        return await self.bus.stop()

    def test_the_bus_is_dropped(self):
        task = AgentBus.spawn(self.consume())
        self.assertFalse(task.done())
        del self.bus
        gc.collect()
        self.drain()
        self.assertEqual(self.got, ['end'])

    def test_one_loop_after_the_other(self):
        """What the bus still has to tell about the first time does not end the second loop."""
        async def main():
            for reason in 'ab':
                task = AgentBus.spawn(self.consume())
                self.send_system(reason)
                await self.bus.unsubscribe_async('worker')
                await task
                self.bus.subscribe(self.worker)
            task = AgentBus.spawn(self.consume())
            self.bus.subscribe(AgentBus.Subscriber(name='other'))
            await self.bus.unsubscribe_async('other')
            self.send_system('c')
            await self.bus.stop()
            await task
        AgentBus.run(main())
        self.assertEqual(self.got, ['a', 'end', 'b', 'end', 'c', 'end'])

    def test_it_moves_to_another_bus(self):
        """The loop ends with the first bus; another one goes on with the second."""
        other = AgentBus.Bus()
        task = AgentBus.spawn(self.consume())
        AgentBus.run(self.leave())
        self.assertEqual(self.got, ['end'])
        other.subscribe(self.worker)
        task = AgentBus.spawn(self.consume())
        other.send(Message.cancel('ui', 'worker', 'there'))
        other.unsubscribe('worker')
        AgentBus.run(self.join(task))
        self.assertEqual(self.got, ['end', 'there', 'end'])

    async def leave(self):
        await self.bus.unsubscribe_async('worker')

    async def join(self, task):
        await task


class BesideTest(TestCase):
    """While a loop or receive() waits, handlers get nothing."""

    def test_handlers_go_on_after_a_loop(self):
        handled = []
        self.worker.on(lambda message: handled.append(message.task_id))

        async def main():
            self.send('1', '2', '3')
            async for message in self.worker:
                self.got.append(message.task_id)
                if message.task_id == '2':
                    break
            while not handled:
                await AgentBus.sleep(1)
        AgentBus.run(main())
        self.assertEqual((self.got, handled), (['1', '2'], ['3']))

    def test_two_loops_share_what_comes(self):
        async def main():
            tasks = [AgentBus.spawn(self.consume()) for _ in range(2)]
            self.send('1', '2', '3', '4')
            while len(self.got) < 4:
                await AgentBus.sleep(1)
            await self.bus.stop()
            await AgentBus.gather(*tasks)
        AgentBus.run(main())
        self.assertEqual((sorted(self.got[:4]), self.got[4:]), (['1', '2', '3', '4'], ['end', 'end']))

    def test_a_handler_that_receives(self):
        """It awaits an answer to its own request, and gets it."""
        @self.worker.on('activate')
        async def enter(message):
            self.send('answer')
            self.got.append((await self.worker.receive()).task_id)

        async def main():
            self.bus.send(Message.activate('ui', 'worker'))
            while not self.got:
                await AgentBus.sleep(1)
        AgentBus.run(main())
        self.assertEqual(self.got, ['answer'])


class ReceiveTest(TestCase):
    def test_receive(self):
        async def main():
            self.send('1')
            self.send_system('first')
            self.assertEqual((await self.worker.receive()).reason, 'first')
            self.assertEqual((await self.worker.receive(timeout=60)).task_id, '1')
            with self.assertRaises(asyncio.TimeoutError):
                await self.worker.receive(timeout=0.001)
            self.assertTrue(self.worker.paused)
            receipt = AgentBus.spawn(self.worker.receive())
            await AgentBus.sleep(1)
            self.bus.unsubscribe('worker')
            with self.assertRaises(GLib.Error) as caught:
                await receipt
            self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), AgentBus.BusError.CLOSED))
            with self.assertRaises(ValueError):
                await self.worker.receive(timeout=float('nan'))
        for run in (AgentBus.run, asyncio.run):
            run(main())
            self.bus.subscribe(self.worker)

    def test_in_a_thread_without_a_loop(self):
        got = []

        def work():
            got.append(self.worker.receive(-1, None).task_id)
            got.append(self.worker.receive(timeout_ms=60000, cancellable=None).task_id)
            try:
                self.worker.receive(0, None)
            except GLib.Error as error:
                got.append(error.matches(AgentBus.BusError.quark(), AgentBus.BusError.TIMED_OUT))

        thread = threading.Thread(target=work)
        thread.start()
        self.send('1')
        self.send('2')
        thread.join()
        self.assertEqual(got, ['1', '2', True])

    def test_nothing_is_lost_at_a_timeout(self):
        """Whatever meets: what was taken for one who has gone is for the next one."""
        n = 300

        async def take():
            return (await self.worker.receive()).task_id

        async def produce():
            for number in range(n):
                self.send(str(number))
                await asyncio.sleep(0.0003)

        async def main():
            producing = asyncio.ensure_future(produce())
            loop = self.worker.__aiter__()
            ways = [take, lambda: loop.__anext__(), lambda: self.worker.receive(timeout=0.0003)]
            turn = 0
            while len(self.got) < n:
                turn += 1
                try:
                    got = await asyncio.wait_for(ways[turn % 3](), 0.0003)
                except asyncio.TimeoutError:
                    continue
                self.got.append(got if isinstance(got, str) else got.task_id)
            await producing
        asyncio.run(main())
        self.assertEqual(self.got, [str(number) for number in range(n)])

    def test_cancelled_with_the_message_in_its_hand(self):
        async def main():
            first = asyncio.ensure_future(self.worker.receive())
            await asyncio.sleep(0)
            self.send('1', '2')
            while not self.worker.get_n_delivered() and self.worker.n_queued == 2:
                self.context.iteration(True)
            first.cancel()
            await asyncio.wait([first])
            self.got += [(await self.worker.receive()).task_id for _ in '12']
        asyncio.run(main())
        self.assertEqual(self.got, ['1', '2'])

    def test_before_and_between_loops(self):
        async def main():
            for first in (0, 2):
                self.send(*map(str, range(first, first + 2)))
                self.send_system(f's{first}')
                await AgentBus.sleep(2)
                async for message in self.worker:
                    self.got.append(message.task_id or message.reason)
                    if len(self.got) % 3 == 0:
                        break
                await AgentBus.sleep(2)
        self.worker.paused = True  # a subscriber that nobody listens to loses system messages otherwise
        AgentBus.run(main())
        self.assertEqual(self.got, ['s0', '0', '1', 's2', '2', '3'])

    def test_without_overrides_of_the_constructor(self):
        worker = AgentBus.Subscriber.new('other')
        self.bus.subscribe(worker)
        self.bus.send(Message.end('ui', 'other'))

        async def main():
            self.got.append((await worker.receive()).name)
        AgentBus.run(main())
        self.assertEqual(self.got, ['end'])


class AsyncioTest(TestCase):
    async def has_begun(self, task):
        """asyncio starts a task later, and what is sent before that is not for its loop."""
        while not task.get_stack() or task.get_coro().cr_await is None:
            await asyncio.sleep(0)

    async def exercise(self, iterating):
        """What has to work wherever asyncio runs on, or with, the main context of the thread."""
        here = threading.get_ident()
        worker = AgentBus.Subscriber(name='slow')

        @worker.on
        async def handler(message):
            await asyncio.sleep(0.001)
            await AgentBus.sleep(1)
            self.got.append(('slow', threading.get_ident()))
            if message.task_id == 'b':
                raise ValueError('no')

        async with self.bus:
            self.bus.subscribe(worker)
            for task_id in 'ab':
                self.bus.send(Message.task_update('ui', 'slow', task_id))
            loop = asyncio.ensure_future(self.consume())
            await self.has_begun(loop)
            self.send('1', '2')
            while len(self.got) < 4 or not self.failures:
                await asyncio.sleep(0.001)  # with 0, gbulb lets nobody else have a turn
            self.assertRaises(RuntimeError, self.bus.__enter__)
            self.assertRaises(RuntimeError, AgentBus.run, self.consume())
        await loop
        self.assertEqual([item for item in self.got if isinstance(item, str)], ['1', '2', 'end'])
        self.assertEqual([item for item in self.got if isinstance(item, tuple)], [('slow', here)] * 2)
        self.assertEqual(self.failures, [('b', 'ValueError: no')])
        if iterating is not None:
            iterating.cancel()

    def test_with_iterations_of_the_context(self):
        async def iterate():
            while True:
                self.context.iteration(False)
                await asyncio.sleep(0)

        async def main():
            await self.exercise(asyncio.ensure_future(iterate()))
        asyncio.run(main())

    def run_on(self, policy, get_loop):
        asyncio.set_event_loop_policy(policy)
        try:
            loop = get_loop(policy)
            try:
                loop.run_until_complete(self.exercise(None))
            finally:
                loop.close()
        finally:
            asyncio.set_event_loop_policy(None)

    def import_or_skip(self, name):
        try:
            return importlib.import_module(name)
        except ImportError:
            raise unittest.SkipTest(f'there is no {name}')

    def skip_if_it_runs_nothing(self, name):
        """A loop that fails may leave anything behind, so it is tried in another process."""
        program = f'import asyncio, {name}; ' \
                  f'{name}.GLibEventLoopPolicy().new_event_loop().run_until_complete(asyncio.sleep(0))'
        tried = subprocess.run([sys.executable, '-c', program], capture_output=True, text=True, timeout=60)
        if tried.returncode != 0:
            raise unittest.SkipTest(f'{name} runs nothing here: {tried.stderr.strip().splitlines()[-1]}')

    def test_on_gbulb(self):
        gbulb = self.import_or_skip('gbulb')
        self.skip_if_it_runs_nothing('gbulb')
        self.run_on(gbulb.GLibEventLoopPolicy(), lambda policy: policy.new_event_loop())

    def test_on_gi_events(self):
        """Its policy has one loop for each context, and makes no other."""
        events = self.import_or_skip('gi.events')
        self.run_on(events.GLibEventLoopPolicy(), lambda policy: policy.get_event_loop())

    def test_in_a_thread_of_its_own(self):
        """The main thread iterates the context: handlers run there, the loop and what it awaits in the other thread."""
        idents, main_loop = [], GLib.MainLoop()

        other = AgentBus.Subscriber('other')
        self.bus.subscribe(other)

        @other.on
        async def handler(message):
            idents.append(threading.get_ident())
            await AgentBus.sleep(0)
            idents.append(threading.get_ident())

        async def main():
            loop = asyncio.ensure_future(self.consume())
            await self.has_begun(loop)
            for number in range(200):
                self.send(str(number))
                self.bus.send(Message.task_update('ui', 'other', str(number)))
            while len(self.got) < 200 or len(idents) < 400:
                await AgentBus.sleep(0)
            self.assertTrue(await self.bus.stop())
            await loop

        def serve():
            try:
                asyncio.run(main())
            finally:
                main_loop.quit()

        thread = threading.Thread(target=serve)
        GLib.idle_add(thread.start)
        main_loop.run()
        thread.join()
        self.assertEqual(self.got, [*map(str, range(200)), 'end'])
        self.assertEqual(set(idents), {threading.get_ident()})

    def test_a_closed_loop(self):
        """A sleeper whose asyncio loop is gone keeps nobody else asleep."""
        async def sleep():
            await AgentBus.sleep(0)

        loop = asyncio.new_event_loop()
        future = loop.create_task(sleep())
        loop.run_until_complete(asyncio.sleep(0))
        future.cancel()
        loop.close()
        AgentBus.run(sleep())

    def test_a_task_that_began_without_asyncio(self):
        async def wait(future):
            await future
            await AgentBus.sleep(0)
            self.got.append('through')

        future = AgentBus.Future()
        task = AgentBus.spawn(wait(future))

        async def main():
            future.set_result()
            while not task.done():
                self.context.iteration(False)
        asyncio.run(main())
        self.assertIsNone(task.exception())
        self.assertEqual(self.got, ['through'])


class WaitingTest(TestCase):
    def test_futures(self):
        future = AgentBus.Future()
        self.assertRaises(asyncio.InvalidStateError, future.result)
        self.assertRaises(asyncio.InvalidStateError, future.exception)
        future.set_result(1)
        self.assertRaises(RuntimeError, future.set_result, 2)
        self.assertEqual((future.result(), future.exception(), future.cancelled()), (1, None, False))

    def test_to_sleep_in_many_contexts(self):
        async def sleep():
            await AgentBus.sleep(0)

        for _ in range(20):
            context = GLib.MainContext.new()
            context.push_thread_default()
            try:
                AgentBus.run(sleep())
            finally:
                context.pop_thread_default()
            del context

    def test_callbacks_are_as_before(self):
        results = []
        self.bus.stop_async(callback=lambda bus, result: results.append(bus.stop_finish(result)), cancellable=None)
        while not results:
            self.context.iteration(True)
        self.assertEqual(results, [True])

    def test_an_exception_in_the_body(self):
        class Odd(Exception):
            pass

        async def main():
            async with self.bus:
                raise Odd

        def plain():
            with self.bus:
                raise Odd

        for body in (plain, lambda: AgentBus.run(main())):
            self.assertRaises(Odd, body)
            self.assertFalse(self.bus.is_running())
            AgentBus.run(self.start())

    async def start(self):
        self.assertTrue(await self.bus.start())

    def test_a_stop_that_fails(self):
        """It is raised, unless it would hide what the body raised."""
        self.bus.set_property('shutdown-timeout', 1)

        @self.worker.on
        async def handler(message):
            self.got.append(message)
            await never

        async def body(error):
            async with self.bus:
                self.send('1')
                while not self.got:
                    await AgentBus.sleep(0)
                if error is not None:
                    raise error

        for error, expected in ((None, GLib.Error), (KeyError('body'), KeyError)):
            never = AgentBus.Future()
            self.got.clear()
            self.assertRaises(expected, AgentBus.run, body(error))
            never.set_result()
            self.drain()
            AgentBus.run(self.start())
            self.bus.subscribe(self.worker)


class MemoryTest(TestCase):
    def test_flat(self):
        n = 1000000 if os.environ.get('AGENTBUS_SOAK') == '1' else 100000

        async def consume():
            count, before = 0, 0
            self.send(*'12')
            async for message in self.worker:
                self.send('1')
                count += 1
                if count == n // 10:
                    before = rss()
                if count == n:
                    return rss() - before

        grown = AgentBus.run(consume())
        print(f'# {n} messages: {grown // 1024:+d} KiB')
        # What PyGObject does not free of each callback that C is given.
        self.assertLess(grown, (4 << 20) + 150 * n)


if __name__ == '__main__':
    # Who is too late is warned about. Criticals are fatal all the same.
    GLib.log_set_writer_func(lambda *args: GLib.LogWriterOutput.HANDLED)
    tap.main()
