#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Groups of tasks and runners in Python, on the GLib main context and under asyncio."""

import asyncio
import gc
import os
import signal
import weakref

import override_case
import tap
from override_case import AgentBus, GLib

Error = AgentBus.BusError


def in_both_loops(case):
    """Has a coroutine run on the main context, and as a part of asyncio."""
    def run(self):
        for runner in (AgentBus.run, asyncio.run):
            with self.subTest(runner=runner.__module__):
                runner(self.with_actors(case))
    run.__name__ = case.__name__
    return run


class GroupTest(override_case.TestCase):
    async def with_actors(self, case):
        async with AgentBus.Bus() as bus:
            self.boss, self.alice, self.bob = (AgentBus.Actor(name, max_jobs=0) for name in ('boss', 'alice', 'bob'))
            self.cancelled = []
            for actor in (self.boss, self.alice, self.bob):
                bus.subscribe(actor)
                actor.task('double', lambda number: 2 * number)
                actor.task('sleep', self.sleep)
                actor.task('fail', self.fail_as_said)
            await case(self)
            while self.alice.n_jobs + self.bob.n_jobs > 0:
                await AgentBus.sleep(1)
            self.assertEqual([actor.n_tasks for actor in (self.boss, self.alice, self.bob)], [0, 0, 0])

    async def sleep(self, seconds):
        try:
            await AgentBus.sleep(1000 * seconds)
        except asyncio.CancelledError:
            self.cancelled.append(seconds)
            raise
        return 'awake'

    def fail_as_said(self, text):
        raise GLib.Error(text, 'test', 1)

    @in_both_loops
    async def test_results(self):
        async with self.boss.group(timeout=60) as group:
            group.request('alice', 'double', 2)
            group.request('bob', 'double', 3)
            group.request('bob', 'sleep', 0.001)
            self.assertEqual((group.n_open, group.timeout, group.collect), (3, 60000, False))
        self.assertEqual(group.results, {'alice': 4, 'bob': 6, 'sleep': 'awake'})
        self.assertEqual((group.errors, group.error, group.failed, group.n_open, len(group)), ({}, None, False, 0, 3))
        self.assertEqual(group['bob'].result(), 6)
        self.assertIn('alice', group)
        self.assertNotIn('carol', group)
        self.assertRaises(KeyError, lambda: group['carol'])

    @in_both_loops
    async def test_first_failure(self):
        with self.assertRaises(AgentBus.TaskError) as caught:
            async with self.boss.group() as group:
                group.request('bob', 'sleep', 1000)
                while not self.bob.n_jobs:
                    await AgentBus.sleep(1)
                group.request('alice', 'fail', 'No')
        self.assertTrue(caught.exception.matches(GLib.quark_from_string('test'), 1))
        self.assertEqual(group.error.message, 'No')
        self.assertIsInstance(group.errors['bob'], AgentBus.TaskCancelledError)
        while not self.cancelled:
            await AgentBus.sleep(1)

        late = group.request('alice', 'double', 1)
        with self.assertRaises(AgentBus.TaskCancelledError):
            await late

    @in_both_loops
    async def test_failure_while_the_block_waits(self):
        with self.assertRaises(AgentBus.TaskError) as caught:
            async with self.boss.group() as group:
                slow = group.request('bob', 'sleep', 1000)
                group.request('alice', 'fail', 'No')
                await slow
        self.assertEqual(caught.exception.message, 'No')
        self.assertIsInstance(caught.exception.__cause__, AgentBus.TaskCancelledError)

    @in_both_loops
    async def test_collect(self):
        async with self.boss.group(collect=True) as group:
            group.request_many(['alice', 'bob'], 'double', 4)
            group.request('alice', 'fail', 'No')
        self.assertEqual(group.results, {'alice': 8, 'bob': 8})
        self.assertEqual([*group.errors], ['fail'])
        self.assertFalse(group.failed)

    @in_both_loops
    async def test_as_they_end(self):
        async with self.boss.group() as group:
            slow = group.request('bob', 'sleep', 0.05)
            group.request('alice', 'double', 1)
            ended = []
            async for task in group:
                ended.append(task.target)
                if task is not slow and len(ended) == 1:
                    group.request('alice', 'sleep', 0.001)
        self.assertEqual(sorted(ended), ['alice', 'alice', 'bob'])
        self.assertEqual(ended[0], 'alice')

    @in_both_loops
    async def test_deadline(self):
        with self.assertRaises(AgentBus.TaskError) as caught:
            async with self.boss.group(timeout=0.01) as group:
                group.request_many(['alice', 'bob'], 'sleep', 1000)
        self.assertTrue(caught.exception.matches(Error.quark(), Error.TIMED_OUT))

    @in_both_loops
    async def test_exception_in_the_block(self):
        with self.assertRaises(KeyError):
            async with self.boss.group() as group:
                group.request('bob', 'sleep', 1000)
                raise KeyError('x')
        self.assertIsInstance(group.errors['bob'], AgentBus.TaskCancelledError)

    @in_both_loops
    async def test_who_waits_is_cancelled(self):
        async def work():
            async with self.boss.group() as group:
                groups.append(group)
                group.request('bob', 'sleep', 1000)

        groups = []
        routine = AgentBus.spawn(work())
        while not self.bob.n_jobs:
            await AgentBus.sleep(1)
        routine.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await routine
        self.assertIsInstance(groups[0].errors['bob'], AgentBus.TaskCancelledError)

    @in_both_loops
    async def test_tasks_of_a_job_are_cancelled_with_it(self):
        @self.alice.task('ask')
        async def ask(_payload):
            async with self.alice.group() as group:
                await AgentBus.sleep(1)  # the handler has returned
                group.request('bob', 'sleep', 1000)
            return group.results

        task = self.boss.request('alice', 'ask')
        while not self.bob.n_jobs:
            await AgentBus.sleep(1)
        task.cancel()
        while not self.cancelled:
            await AgentBus.sleep(1)

    @in_both_loops
    async def test_dropped_group(self):
        async with self.boss.group() as group:
            task = group.request('bob', 'double', 1)
        reference = weakref.ref(group)
        await AgentBus.sleep(1)  # now no signal of the group is being emitted
        del group, task
        gc.collect()
        self.assertIsNone(reference())

        group = self.boss.group()
        task = group.request('bob', 'sleep', 1000)
        del group
        gc.collect()
        with self.assertRaises(AgentBus.TaskCancelledError):
            await task

    @in_both_loops
    async def test_wrong_arguments(self):
        self.assertRaises(TypeError, AgentBus.TaskGroup)
        self.assertRaises(ValueError, self.boss.group, timeout=0)
        group = self.boss.group()
        self.assertEqual(AgentBus.Actor('member', group='team').get_group(), 'team')
        self.assertRaises(TypeError, group.request, 1)
        self.assertRaises(TypeError, group.request_many, 'bob')
        self.assertRaises(TypeError, group.request, 'bob', 'double', object())


class RunnerTest(override_case.TestCase):
    def test_run(self):
        runner = AgentBus.Runner('office')
        actor = AgentBus.Actor('boss')
        runner.add(actor)
        self.assertEqual((actor.runner, [*runner.actors]), ('office', [actor]))
        GLib.idle_add(runner.quit, 3)
        self.assertEqual(runner.run(), 3)
        self.assertEqual(actor.state, AgentBus.ActorState.ENDED)

    def test_signal(self):
        runner = AgentBus.Runner(bus=AgentBus.Bus())
        runner.add(AgentBus.Actor('boss'))
        before = signal.getsignal(signal.SIGINT)
        GLib.idle_add(os.kill, os.getpid(), signal.SIGINT)
        self.assertEqual(runner.run(), 0)
        # Python's own handler is there again.
        self.assertIs(signal.getsignal(signal.SIGINT), before)
        with self.assertRaises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
            for _ in range(1000):
                pass

    def test_end(self):
        async def main():
            runner = AgentBus.Runner('office')
            actor = AgentBus.Actor('boss')
            runner.add(actor)
            self.assertTrue(await runner.end('closing time'))
            self.assertEqual(actor.state, AgentBus.ActorState.ENDED)
            self.assertFalse(runner.bus.running)

        AgentBus.run(main())
        asyncio.run(main())


if __name__ == '__main__':
    signal.signal(signal.SIGINT, signal.default_int_handler)
    tap.main()
