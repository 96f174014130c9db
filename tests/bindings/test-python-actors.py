#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tasks of actors in Python, on the GLib main context and under asyncio."""

import asyncio
import gc
import logging
import os
import weakref

import override_case
import tap
from override_case import AgentBus, GLib, Message

from gi.repository import Gio

# How many requests are to cost no memory.
N_REQUESTS = 100000 if os.environ.get('AGENTBUS_SOAK') == '1' else 20000
Error = AgentBus.BusError


class Problem(Exception):
    pass


def in_both_loops(case):
    """Has a coroutine run on the main context, and as a part of asyncio."""
    def run(self):
        for runner in (AgentBus.run, asyncio.run):
            with self.subTest(runner=runner.__module__):
                self.begin()
                runner(self.with_bus(case))
    run.__name__ = case.__name__
    return run


class TestCase(override_case.TestCase):
    def begin(self):
        self.bus = AgentBus.Bus()
        self.boss = AgentBus.Actor('boss')
        self.worker = AgentBus.Actor('worker', max_jobs=0)
        self.helper = AgentBus.Actor('helper')
        self.got = []

    async def with_bus(self, case):
        async with self.bus:
            actors = self.boss, self.worker, self.helper
            for actor in actors:
                self.bus.subscribe(actor)
            await case(self)
            await self.until(lambda: not any(actor.n_jobs + actor.n_tasks for actor in actors))

    async def catch(self, awaitable, kind=AgentBus.TaskError):
        with self.assertRaises(kind) as caught:
            await awaitable
        return caught.exception

    def assertMatches(self, error, code):
        self.assertTrue(error.matches(Error.quark(), code), repr(error))

    async def until(self, condition):
        while not condition():
            await AgentBus.sleep(1)


class RequestTest(TestCase):
    @in_both_loops
    async def test_answer(self):
        self.worker.task('sum', lambda numbers: sum(numbers.values()))
        self.assertEqual(await self.boss.request('worker', 'sum', {'a': 1, 'b': 2}, timeout=5), 3)
        task = self.boss.request('worker', 'sum', {'a': 4})
        self.assertRaises(asyncio.InvalidStateError, task.result)
        self.assertEqual([await task, await task, task.result(), task.response], [4] * 4)
        self.assertEqual((task.status, task.error, task.finished), (AgentBus.TaskStatus.COMPLETED, None, True))
        self.assertEqual((task.target, task.task_name), ('worker', 'sum'))

    @in_both_loops
    async def test_kinds_of_handlers(self):
        @self.worker.task('nothing')
        def nothing():
            pass

        @self.worker.task('both')
        def both(payload, job):
            return [payload, job.task_name, job.requester, job.remaining_time > 4]

        @self.worker.task('later')
        async def later(payload):
            await AgentBus.sleep(1)
            return payload

        @self.worker.task
        async def other(payload, job):
            return job.task_name

        self.assertIsNone(await self.boss.request('worker', 'nothing', 1))
        self.assertEqual(await self.boss.request('worker', 'both', 1, timeout=5), [1, 'both', 'boss', True])
        self.assertEqual(await self.boss.request('worker', 'later', b'12'), b'12')
        self.assertEqual(await self.boss.request('worker', 'unheard'), 'unheard')
        self.assertIsNone(await self.boss.request('worker'))

    @in_both_loops
    async def test_methods(self):
        class Adder(AgentBus.Actor):
            @AgentBus.task('sum')
            def add(self, payload):
                return sum(payload)

            @AgentBus.task('mean')
            async def average(self, payload, job):
                return self.add(payload) / len(payload)

            @AgentBus.task
            def other(self):
                return self.name

        class Teller(Adder):
            def add(self, payload):
                return [super().add(payload)]

            @AgentBus.task('count')
            def count(self, n):
                yield from range(n)

        class Whole(AgentBus.Actor):
            async def do_task_request(self, job):
                await AgentBus.sleep(1)
                return [job.task_name, job.payload]

        class Kept(AgentBus.Actor):
            def do_task_request(self, job):
                if job.payload is None:
                    raise Problem('no payload')
                GLib.idle_add(job.complete, job.payload)

        for actor in (Adder('adder'), Teller('teller'), Whole('whole'), Kept('kept')):
            self.bus.subscribe(actor)
        request = self.boss.request
        self.assertEqual([await request('adder', 'sum', [1, 2]), await request('teller', 'sum', [1, 2])], [3, [3]])
        self.assertEqual([await request('adder', 'mean', [1, 2]), await request('adder')], [1.5, 'adder'])
        self.assertEqual([chunk async for chunk in request('teller', 'count', 3)], [0, 1, 2])
        self.assertEqual([await request('whole', 'x', 1), await request('kept', None, 5)], [['x', 1], 5])
        self.assertEqual((await self.catch(request('kept'))).type, 'Problem')

    @in_both_loops
    async def test_belongs_to_its_job(self):
        self.helper.task('left', lambda _payload, job: [job.remaining_time is not None, job.message.conversation.id])
        conversation = AgentBus.Conversation()

        @self.worker.task('ask')
        async def ask(payload):
            await AgentBus.sleep(1)
            return await self.worker.request('helper', 'left')

        answer = await self.boss.request('worker', 'ask', timeout=5, conversation=conversation)
        self.assertEqual(answer, [True, conversation.id])

    @in_both_loops
    async def test_cancel_goes_on_to_what_it_requested(self):
        @self.helper.task('wait')
        async def wait(_payload, job):
            self.got.append('begun')
            try:
                await AgentBus.sleep(100000)
            finally:
                self.got.append('stopped')

        self.worker.task('ask', lambda: self.worker.request('helper', 'wait'))

        @self.worker.task('await')
        async def ask():
            await AgentBus.sleep(1)
            await self.worker.request('helper', 'wait')

        for name in ('ask', 'await'):
            task = self.boss.request('worker', name)
            await self.until(lambda: 'begun' in self.got)
            task.cancel('enough')
            error = await self.catch(task, asyncio.CancelledError)
            self.assertMatches(error, Error.CANCELLED)
            await self.until(lambda: len(self.got) == 2)
            self.got.clear()

    @in_both_loops
    async def test_job_by_hand(self):
        jobs = []
        self.worker.connect('task-request::kept', lambda worker, job: jobs.append(job))
        task = self.boss.request('worker', 'kept', 1)
        self.got = []
        task.connect('update', lambda task, update: self.got.append(update.unpack()))
        await self.until(lambda: jobs)
        job = jobs.pop()
        self.assertEqual((job.update('half'), job.ended, job.cancelled), (True, False, False))
        self.assertTrue(job.complete({'a': [1]}))
        self.assertFalse(job.fail(Problem('too late')))
        self.assertEqual((await task, self.got, job.ended), ({'a': [1]}, ['half'], True))
        task = self.boss.request('worker', 'kept', 1)
        await self.until(lambda: jobs)
        jobs.clear()
        self.assertMatches(await self.catch(task), Error.FAILED)

    @in_both_loops
    async def test_answer_travels_as_text(self):
        """No value of GLib is made of it, in between. What is no JSON is not touched."""
        answers = {'dict': {'a': [1, 2.5, None]}, 'number': 42, 'bytes': b'12', 'variant': GLib.Variant('(i)', (1,)), 'nothing': None}
        self.worker.task(None, lambda payload, job: answers[job.task_name])
        tasks = {name: self.boss.request('worker', name) for name in answers}
        got = {name: await task for name, task in tasks.items()}
        self.assertEqual(got, {**answers, 'variant': (1,)})
        texts = {name: task.get_response_json() for name, task in tasks.items()}
        self.assertEqual(texts, {'dict': '{"a": [1, 2.5, null]}', 'number': '42', 'bytes': None, 'variant': None,
                                 'nothing': None})

    @in_both_loops
    async def test_answers_of_a_job(self):
        """What cannot be packed answers nothing, and what comes after the answer is not heard."""
        def answer(payload, job):
            for wrong, kind in ((object(), TypeError), (float('nan'), ValueError), ('\0', ValueError), (2**64, ValueError)):
                self.assertRaises(kind, job.complete, wrong)
            self.got = [job.ended, job.complete(payload), job.complete(payload), job.complete(), job.complete(b'')]
            return object()
        self.worker.task('answer', answer)
        logging.disable(logging.NOTSET)
        with self.assertNoLogs('AgentBus'):
            self.assertEqual(await self.boss.request('worker', 'answer', [1]), [1])
        self.assertEqual(self.got, [False, True, False, False, False])

    @in_both_loops
    async def test_handlers_end(self):
        handler = self.worker.task('sum', sum)
        self.assertRaises(ValueError, self.worker.task, 'sum', max)
        self.assertEqual(await self.boss.request('worker', 'sum', [1, 2]), 3)
        handler.disconnect()
        handler.disconnect()
        self.assertMatches(await self.catch(self.boss.request('worker', 'sum', [1, 2])), Error.NOT_FOUND)
        self.worker.task('sum', max)
        self.assertEqual(await self.boss.request('worker', 'sum', [1, 2]), 2)

    def test_wrong_arguments(self):
        self.begin()
        for wrong in (5, '', b'sum'):
            self.assertRaises(TypeError, self.worker.task, wrong)
        self.assertRaises(TypeError, self.worker.task, 'sum', 5)
        self.assertRaises(TypeError, AgentBus.task, 5)
        self.assertRaises(ValueError, self.boss.request, '')
        self.assertRaises(ValueError, self.boss.request, 'worker', timeout=-1)
        self.assertRaises(TypeError, self.boss.request, 'worker', None, object())
        self.assertRaises(TypeError, self.boss.request, 'worker', unknown=1)
        self.assertEqual(self.boss.statistics['requests'], 0)


class FailureTest(TestCase):
    @in_both_loops
    async def test_exceptions(self):
        @self.worker.task('plain')
        def plain(text):
            raise Problem(text)

        @self.worker.task('later')
        async def later(text):
            await AgentBus.sleep(1)
            raise Problem(text)

        for name in ('plain', 'later'):
            for text in ('bad', '', 'ä\0\ud800', 'x: y'):
                error = await self.catch(self.boss.request('worker', name, 'bad' if '\0' in text else text))
                self.assertEqual((error.type, error.message), ('Problem', 'bad' if '\0' in text else text))
                self.assertMatches(error, Error.FAILED)

    @in_both_loops
    async def test_text_that_is_no_text(self):
        def broken():
            raise Problem('ä\0\ud800')
        self.worker.task('broken', broken)
        self.assertEqual((await self.catch(self.boss.request('worker', 'broken'))).message, 'ä?')

    @in_both_loops
    async def test_error_keeps_its_domain(self):
        async def missing():
            raise GLib.Error('no file', 'g-io-error-quark', Gio.IOErrorEnum.NOT_FOUND)
        self.worker.task('missing', missing)
        error = await self.catch(self.boss.request('worker', 'missing'))
        self.assertTrue(error.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NOT_FOUND))
        self.assertEqual((error.message, error.type, str(error)), ('no file', None, 'no file'))

    @in_both_loops
    async def test_error_goes_through(self):
        """A worker that does not catch what its own request raised fails with the same."""
        def fail():
            raise Problem('bad')

        async def ask(name):
            return await self.worker.request('helper', name)
        self.helper.task('fail', fail)
        self.worker.task('ask', ask)
        error = await self.catch(self.boss.request('worker', 'ask', 'fail'))
        self.assertEqual((error.type, error.message, str(error)), ('Problem', 'bad', 'Problem: bad'))
        self.assertMatches(await self.catch(self.boss.request('worker', 'ask', 'unknown')), Error.NOT_FOUND)

    @in_both_loops
    async def test_answers_that_cannot_be_sent(self):
        self.worker.task('object', object)
        self.worker.task('yields', lambda: iter(()))
        error = await self.catch(self.boss.request('worker', 'object'))
        self.assertEqual(error.type, 'TypeError')

    @in_both_loops
    async def test_nobody(self):
        self.assertMatches(await self.catch(self.boss.request('stranger')), Error.NOT_FOUND)
        self.assertMatches(await self.catch(self.boss.request('worker', 'unknown')), Error.NOT_FOUND)

    @in_both_loops
    async def test_timeout(self):
        @self.worker.task('wait')
        async def wait():
            self.got.append('begun')
            try:
                await AgentBus.sleep(100000)
            finally:
                self.got.append('stopped')
        task = self.boss.request('worker', 'wait')
        await self.until(lambda: self.got)
        task.set_timeout(1)
        self.assertMatches(await self.catch(task), Error.TIMED_OUT)
        await self.until(lambda: 'stopped' in self.got)
        self.assertMatches(await self.catch(self.boss.request('worker', 'wait', timeout=0.002)), Error.TIMED_OUT)

    @in_both_loops
    async def test_awaiting_is_cancelled(self):
        @self.worker.task('wait')
        async def wait(_payload, job):
            try:
                await AgentBus.sleep(100000)
            finally:
                self.got.append(job.cancelled)

        task = self.boss.request('worker', 'wait')

        async def await_it():
            await task
        waiting = AgentBus.spawn(await_it())
        await self.until(lambda: self.worker.n_jobs == 1)
        waiting.cancel()
        error = await self.catch(waiting, asyncio.CancelledError)
        self.assertNotIsInstance(error, AgentBus.TaskError)
        self.assertTrue(task.finished)
        await self.until(lambda: self.got)
        self.assertEqual(self.got, [True])

    @in_both_loops
    async def test_worker_cancels(self):
        async def give_up():
            raise asyncio.CancelledError()
        self.worker.task('give up', give_up)
        error = await self.catch(self.boss.request('worker', 'give up'), AgentBus.TaskCancelledError)
        self.assertIsInstance(error, asyncio.CancelledError)
        self.assertMatches(error, Error.CANCELLED)

    @in_both_loops
    async def test_leaving(self):
        @self.worker.task('wait')
        async def wait():
            try:
                await AgentBus.sleep(100000)
            finally:
                self.got.append('stopped')
        task = self.boss.request('worker', 'wait')
        await self.until(lambda: self.worker.n_jobs == 1)
        self.bus.unsubscribe('worker')
        self.assertMatches(await self.catch(task), Error.CLOSED)
        await self.until(lambda: self.got)

    def test_exit(self):
        for error in (SystemExit(3), KeyboardInterrupt()):
            for later in (False, True):
                self.begin()

                async def leave():
                    if later:
                        await AgentBus.sleep(1)
                    raise error

                def leave_at_once():
                    raise error
                self.worker.task('leave', leave if later else leave_at_once)

                async def main(self):
                    await self.boss.request('worker', 'leave')
                with self.assertRaises(type(error)):
                    AgentBus.run(self.with_bus(main))


class ChunkTest(TestCase):
    @in_both_loops
    async def test_chunks(self):
        @self.worker.task('count')
        async def count(n):
            for i in range(n):
                if i % 7 == 0:
                    await AgentBus.sleep(0)
                yield {'i': i}

        @self.worker.task('plain')
        def plain(n):
            yield from range(n)

        @self.worker.task('by hand')
        async def by_hand(n, job):
            for i in range(n):
                await job.send_chunk_async(i) if i % 2 else job.send_chunk(i)
            return n

        self.assertEqual([chunk['i'] async for chunk in self.boss.request('worker', 'count', 100)], [*range(100)])
        self.assertEqual([chunk async for chunk in self.boss.request('worker', 'plain', 100)], [*range(100)])
        task = self.boss.request('worker', 'by hand', 10)
        await self.until(lambda: task.finished)
        self.assertEqual([chunk async for chunk in task], [*range(10)])
        self.assertEqual((await task, task.n_missed), (10, 0))
        self.assertIsNone(await self.boss.request('worker', 'count', 100))

    @in_both_loops
    async def test_failure_comes_last(self):
        @self.worker.task('some')
        async def some():
            yield 1
            raise Problem('no more')

        async def read():
            async for chunk in self.boss.request('worker', 'some'):
                self.got.append(chunk)
        self.assertEqual((await self.catch(read())).type, 'Problem')
        self.assertEqual(self.got, [1])

    @in_both_loops
    async def test_leaving_the_loop(self):
        @self.worker.task('endless')
        async def endless():
            try:
                while True:
                    yield 1
                    await AgentBus.sleep(1)
            finally:
                self.got.append('stopped')

        task = self.boss.request('worker', 'endless')
        async for chunk in task:
            break
        self.assertMatches(task.error, Error.CANCELLED)
        await self.until(lambda: self.got)

        async def read():
            async for chunk in self.boss.request('worker', 'endless'):
                self.got.append(chunk)
        reading = AgentBus.spawn(read())
        await self.until(lambda: 1 in self.got)
        reading.cancel()
        await self.catch(reading, asyncio.CancelledError)
        await self.until(lambda: self.got.count('stopped') == 2)

    @in_both_loops
    async def test_slow_reader(self):
        """A generator waits until what it has sent is read."""
        @self.worker.task('fast')
        async def fast(n):
            for i in range(n):
                self.got.append(i)
                yield i

        task = self.boss.request('worker', 'fast', 500)
        most = n_read = 0
        async for chunk in task:
            n_read += 1
            most = max(most, len(self.got) - n_read)
            await AgentBus.sleep(0)
        self.assertEqual(n_read, 500)
        self.assertLess(most, 100)

    @in_both_loops
    async def test_reader_who_wants_only_the_answer(self):
        """The generator does not wait for who has begun to read, and awaits the task then."""
        @self.worker.task('fast')
        async def fast(n):
            for i in range(n):
                yield i

        task = self.boss.request('worker', 'fast', 200, timeout=5)
        loop = task.__aiter__()
        self.assertEqual([await loop.__anext__() for _ in range(3)], [0, 1, 2])
        self.assertIsNone(await task)


class RegistryTest(TestCase):
    @in_both_loops
    async def test_registry(self):
        registry = AgentBus.Registry(self.bus)
        self.assertTrue(await registry.wait_for(['boss', 'worker'], timeout=5))
        self.assertEqual([peer.name for peer in registry], ['boss', 'worker', 'helper'])
        self.assertEqual((len(registry), registry['worker'].name, registry[0].name, registry[-1].name),
                         (3, 'worker', 'boss', 'helper'))
        self.assertEqual(('worker' in registry, 'x' in registry, registry[1] in registry), (True, False, True))
        self.assertRaises(KeyError, lambda: registry['x'])
        with self.assertRaises(GLib.Error) as caught:
            await registry.wait_for(['x'], timeout=0.001)
        self.assertMatches(caught.exception, Error.TIMED_OUT)
        self.assertRaises(TypeError, registry.wait_for, 'worker')
        waiting = registry.wait_for(['late'])
        self.bus.subscribe(AgentBus.Actor('late', parent='boss'))
        self.assertTrue(await waiting)
        self.assertEqual((registry['late'].parent, registry['late'].state), ('boss', AgentBus.ActorState.READY))

    @in_both_loops
    async def test_end(self):
        child = AgentBus.Actor('child', parent='worker')
        child.connect('ended', lambda actor, reason: self.got.append((actor.name, reason)))
        self.worker.connect('ended', lambda actor, reason: self.got.append((actor.name, reason)))
        self.bus.subscribe(child)
        self.assertTrue(await self.worker.end('done'))
        self.assertEqual(([name for name, _reason in self.got], self.worker.state),
                         (['child', 'worker'], AgentBus.ActorState.ENDED))


    @in_both_loops
    async def test_hand_over(self):
        old, new = (AgentBus.Actor(name, group='role', active=name == 'old') for name in ('old', 'new'))
        new.connect('activated', lambda actor, args: self.got.append(args.unpack()))
        for actor in (old, new):
            actor.task('who', lambda _payload, job, actor=actor: actor.name)
            self.bus.subscribe(actor)
        self.assertEqual(await self.boss.request('role', 'who'), 'old')
        self.assertTrue(await old.hand_over(new, ['line']))
        self.assertEqual((await self.boss.request('role', 'who'), self.got), ('new', [['line']]))
        self.assertEqual((old.active, new.active), (False, True))


class MemoryTest(TestCase):
    def test_requests_are_forgotten(self):
        async def main(self):
            self.worker.task('plain', lambda payload: payload)

            @self.worker.task('later')
            async def later(payload):
                return payload

            def fail():
                raise Problem('bad')
            self.worker.task('fail', fail)

            async def ask(n):
                for i in range(n):
                    await self.boss.request('worker', 'plain', {'i': i})
                    await self.boss.request('worker', 'later', i, timeout=5)
                    if i % 4 == 0:
                        await self.catch(self.boss.request('worker', 'fail'))
            await ask(N_REQUESTS // 10)
            gc.collect()
            before = override_case.rss()
            await ask(N_REQUESTS // 2)
            gc.collect()
            grown = override_case.rss() - before
            self.assertLess(grown, 1024 * 1024)
        for runner in (AgentBus.run, asyncio.run):
            self.begin()
            runner(self.with_bus(main))

    def test_actors_are_forgotten(self):
        class Adder(AgentBus.Actor):
            @AgentBus.task('sum')
            def add(self, payload):
                return sum(payload)

        async def main(self):
            adder = Adder('adder')
            adder.task('other', lambda: 1)
            self.got.append(weakref.ref(adder))
            self.bus.subscribe(adder)
            self.assertEqual(await self.boss.request('adder', 'sum', [1, 2]), 3)
            await self.bus.unsubscribe('adder', drain=True)
        self.begin()
        AgentBus.run(self.with_bus(main))
        gc.collect()
        self.drain()
        gc.collect()
        self.assertIsNone(self.got[0]())


if __name__ == '__main__':
    tap.main()
