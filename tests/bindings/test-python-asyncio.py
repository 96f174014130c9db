#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The bus in plain asyncio programs: no other loop, no thread, and nothing that the program does for it."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import threading
import unittest

import override_case
import tap
from override_case import AgentBus, GLib, Message

from gi.repository import Gio


class TestCase(override_case.TestCase):
    def tearDown(self):
        self.assertFalse(self.context.is_owner())

    def assertFails(self, code, func, *args):
        with self.assertRaises(GLib.Error) as caught:
            func(*args)
        self.assertTrue(caught.exception.matches(AgentBus.BusError.quark(), code), caught.exception)

    async def until(self, condition):
        while not condition():
            await asyncio.sleep(0.001)


class PlainTest(TestCase):
    def test_nothing_at_all(self):
        async def main():
            async with AgentBus.Bus():
                pass
        for _ in range(3):
            asyncio.run(main())

    def test_handlers_in_order(self):
        here = threading.get_ident()

        @self.worker.on
        async def handler(message):
            self.got.append(('<', message.task_id, threading.get_ident()))
            await asyncio.sleep(0.001)
            await AgentBus.sleep(1)
            self.got.append(('>', message.task_id, threading.get_ident()))

        async def main():
            async with self.bus:
                self.bus.subscribe(self.worker)
                self.send('1', '2', '3')
                await self.until(lambda: len(self.got) == 6)
            self.assertFalse(self.bus.is_running())
        asyncio.run(main())
        self.assertEqual(self.got, [(mark, i, here) for i in '123' for mark in '<>'])

    def test_a_bus_from_before(self):
        """What was made before the loop ran, and what is left on the bus when the next loop runs."""
        self.worker.on(lambda message: self.got.append(message.task_id))
        self.bus.subscribe(self.worker)

        async def main(number):
            self.send(str(number))
            await self.until(lambda: len(self.got) == number)
        for number in (1, 2):
            asyncio.run(main(number))
        self.send('3')
        self.drain()
        self.assertEqual(self.got, ['1', '2', '3'])

    def test_from_other_threads(self):
        self.worker.on(lambda message: self.got.append(threading.get_ident()))

        async def main():
            async with self.bus:
                self.bus.subscribe(self.worker)
                threads = [threading.Thread(target=self.send, args=['1'] * 50) for _ in range(4)]
                for thread in threads:
                    thread.start()
                await self.until(lambda: len(self.got) == 200)
                for thread in threads:
                    thread.join()
        asyncio.run(main())
        self.assertEqual(set(self.got), {threading.get_ident()})

    def test_to_wait_for_room(self):
        """One is sent, one is cancelled by asyncio, and one by a cancellable, which ends nothing else."""
        def update(i):
            return Message.task_update('ui', 'worker', str(i))

        async def main():
            cancellable = Gio.Cancellable()
            async with self.bus:
                self.worker.capacity = 1
                self.worker.paused = True
                self.bus.subscribe(self.worker)
                self.assertTrue(await self.bus.send_async(update(1)))
                self.assertFails(AgentBus.BusError.FULL, self.bus.try_send, update(2))
                self.assertFails(AgentBus.BusError.NOT_FOUND, self.bus.try_send, Message.activate('ui', 'nobody'))
                given_up = update(3)
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(self.bus.send_async(given_up, cancellable), 0.01)
                self.assertFalse(cancellable.is_cancelled())
                ended = self.bus.send_async(update(4), cancellable)
                waiting = self.bus.send_async(update(5))
                cancellable.cancel()
                with self.assertRaises(GLib.Error) as caught:
                    await ended
                self.assertTrue(caught.exception.matches(Gio.io_error_quark(), Gio.IOErrorEnum.CANCELLED))
                self.assertFalse(waiting.done())
                self.worker.on(lambda message: self.got.append(message.task_id))
                self.worker.paused = False
                self.assertTrue(await waiting)
                given_up.set_ttl(5)  # it may be changed, since it was not sent
                self.worker.capacity = 0
                self.assertTrue(self.bus.try_send(given_up))
                await self.until(lambda: len(self.got) == 3)
        asyncio.run(main())
        self.assertEqual(self.got, ['1', '5', '3'])
        self.assertEqual(self.bus.statistics['sent'], 3)

    def test_to_wait_for_room_without_asyncio(self):
        async def main():
            with self.assertRaises(asyncio.TimeoutError):
                await AgentBus.timeout(self.bus.send_async(Message.task_update('ui', 'worker', '2')), 0.01)
            self.worker.on(lambda message: None)
            self.worker.paused = False
            await self.bus.send_async(Message.task_update('ui', 'worker', '2'))
        self.worker.capacity = 1
        self.worker.paused = True
        self.bus.subscribe(self.worker)
        self.send('1')
        AgentBus.run(main())
        self.assertEqual(self.bus.statistics['sent'], 2)

    def test_a_source_from_another_thread_while_it_waits(self):
        """Nothing else would end the wait."""
        async def main():
            loop, woken = asyncio.get_running_loop(), asyncio.Event()
            self.bus.subscribe(self.worker)
            wait, waits = loop._selector.select, threading.Event()

            def select(timeout=None):
                if timeout is None:
                    waits.set()
                return wait(timeout)
            loop._selector.select = select

            def attach():
                waits.wait()
                GLib.idle_add(woken.set)
            thread = threading.Thread(target=attach)
            thread.start()
            await woken.wait()
            thread.join()
            loop._selector.select = wait
        asyncio.run(main())

    def test_sources_and_operations_of_glib(self):
        read, write = os.pipe()

        def ready(*_args):
            self.got.append('fd')
            return GLib.SOURCE_REMOVE

        async def main():
            loaded = asyncio.get_running_loop().create_future()
            async with self.bus:
                GLib.timeout_add(1, lambda: self.got.append('timeout'))
                GLib.idle_add(lambda: self.got.append('idle'))
                GLib.unix_fd_add_full(0, read, GLib.IOCondition.IN, ready)
                # The application's own reader of the same descriptor is heard as well.
                asyncio.get_running_loop().add_reader(read, lambda: (self.got.append('reader'), os.read(read, 1)))
                Gio.File.new_for_path(__file__).load_contents_async(
                    None, lambda file, result: loaded.set_result(file.load_contents_finish(result)[0]))
                self.assertTrue(await loaded)
                await self.until(lambda: len(self.got) == 2)
                os.write(write, b'12')
                await self.until(lambda: {'fd', 'reader'} <= set(self.got))
                asyncio.get_running_loop().remove_reader(read)
        asyncio.run(main())
        os.close(read)
        os.close(write)
        self.assertEqual(set(self.got[:2]), {'timeout', 'idle'})

    def test_a_descriptor_that_is_opened_again(self):
        """Between two waits of the loop: the context then waits for the same number as before."""
        pipes = []

        def ready(*_args):
            self.got.append(1)
            for fd in pipes:
                os.close(fd)
            if len(self.got) < 3:
                watch()
                asyncio.get_running_loop().call_later(0.001, os.write, pipes[1], b'1')
            return GLib.SOURCE_REMOVE

        def watch():
            pipes[:] = os.pipe()
            GLib.unix_fd_add_full(0, pipes[0], GLib.IOCondition.IN, ready)

        async def main():
            async with self.bus:
                watch()
                os.write(pipes[1], b'1')
                await self.until(lambda: len(self.got) == 3)
        asyncio.run(main())

    def test_a_file_that_is_always_ready(self):
        async def main():
            with tempfile.TemporaryFile() as file:
                async with self.bus:
                    for _ in range(10):
                        await asyncio.sleep(0.001)
                    GLib.unix_fd_add_full(0, file.fileno(), GLib.IOCondition.IN, lambda *_args: self.got.append(1))
                    await self.until(lambda: self.got)
        asyncio.run(main())

    def test_a_flood_lets_asyncio_go_on(self):
        turns = []
        source = GLib.idle_add(lambda: turns.append(1) or True)

        async def main():
            async with self.bus:
                await self.until(lambda: len(turns) > 10)
        asyncio.run(main())
        GLib.source_remove(source)

    def test_what_waits_goes_on_in_the_same_turn(self):
        """A source ends a wait, the coroutine that waits attaches the next one, and no turn of the loop lies between."""
        async def main():
            loop, turns = asyncio.get_running_loop(), []
            async with self.bus:
                wait = loop._selector.select
                loop._selector.select = lambda timeout=None: (turns.append(timeout), wait(timeout))[1]
                for _ in range(10):
                    future = AgentBus.Future()
                    GLib.idle_add(future.set_result)
                    await future
                loop._selector.select = wait
            self.assertEqual(len(turns), 10)
        asyncio.run(main())

    def test_a_context_variable_stays_in_its_call(self):
        variable = contextvars.ContextVar('variable', default='outer')

        def call(future):
            self.got.append(variable.get())
            variable.set('inner')
            future.set_result()

        async def main():
            async with self.bus:
                for add in (GLib.idle_add, lambda *arguments: GLib.timeout_add(1, *arguments)):
                    for _ in range(2):
                        future = AgentBus.Future()
                        add(call, future)
                        await future
        asyncio.run(main())
        self.assertEqual(self.got, 4 * ['outer'])

    def test_a_signal_handler_while_the_loop_waits(self):
        """Python calls it within the wait: what it sets has to end that."""
        async def main():
            future = AgentBus.Future()
            before = signal.signal(signal.SIGALRM, lambda *_arguments: future.set_result('rang'))
            async with self.bus:
                signal.setitimer(signal.ITIMER_REAL, 0.05)
                self.assertEqual(await future, 'rang')
            signal.signal(signal.SIGALRM, before)
        asyncio.run(main())

    def test_idle(self):
        """While nothing happens the loop waits without an end, and nothing wakes it up."""
        async def main():
            loop, waits = asyncio.get_running_loop(), []
            async with self.bus:
                self.bus.subscribe(self.worker)
                for _ in range(10):
                    await asyncio.sleep(0)
                wait, done = loop._selector.select, loop.create_future()
                loop._selector.select = lambda timeout=None: (waits.append(timeout), wait(timeout))[1]
                threading.Timer(0.1, loop.call_soon_threadsafe, (done.set_result, None)).start()
                await done
                loop._selector.select = wait
            self.assertEqual(set(waits[:-1]), {None})
            self.assertLess(len(waits), 5)
        asyncio.run(main())

    def test_in_a_context_of_a_thread(self):
        idents = []

        async def main():
            worker = AgentBus.Subscriber('other')
            worker.on(lambda message: idents.append(threading.get_ident()))
            self.bus.subscribe(worker)
            self.bus.send(Message.cancel('ui', 'other'))
            await self.until(lambda: idents)

        def serve():
            context = GLib.MainContext.new()
            context.push_thread_default()
            asyncio.run(main())
            context.pop_thread_default()
        thread = threading.Thread(target=serve)
        thread.start()
        thread.join()
        self.assertEqual(idents, [thread.ident])

    def test_a_loop_that_is_run_twice(self):
        loop = asyncio.new_event_loop()
        self.worker.on(lambda message: self.got.append(message.task_id))
        self.bus.subscribe(self.worker)
        for number in (1, 2):
            self.send(str(number))
            loop.run_until_complete(self.wait_for(number))
        loop.close()
        loop.close()

    async def wait_for(self, number):
        self.send('more')
        await self.until(lambda: len(self.got) == 2 * number)


class OtherLoopTest(TestCase):
    def test_a_loop_that_cannot_be_driven(self):
        class Loop(asyncio.SelectorEventLoop):
            """As those that are not written in Python."""
            _selector = property(lambda self: None, lambda self, selector: None)

            def _make_self_pipe(self):
                pass

            def _close_self_pipe(self):
                pass

            def run_forever(self):
                asyncio._set_running_loop(self)
                try:
                    AgentBus.Bus()
                finally:
                    asyncio._set_running_loop(None)

        with self.assertRaises(RuntimeError) as caught:
            Loop().run_forever()
        self.assertIn('asyncio.run()', str(caught.exception))

    def test_what_runs_coroutines_by_itself(self):
        async def main():
            async with self.bus:
                pass
        for coroutine in (main(), self.wait()):
            with self.assertRaises(RuntimeError) as caught:
                coroutine.send(None)
            self.assertIn('asyncio.run()', str(caught.exception))

    async def wait(self):
        await AgentBus.Future()

    def test_trio(self):
        try:
            import trio
        except ImportError:
            raise unittest.SkipTest('there is no trio')

        async def main():
            AgentBus.Bus()
        self.assertRaises(RuntimeError, trio.run, main)


PROGRAM = '''
import asyncio, os, signal, sys, threading
import gi
gi.require_version('AgentBus', '1')
from gi.repository import AgentBus, GLib
run = {run}

def interrupt(times=1):
    for _ in range(times):
        os.kill(os.getpid(), signal.SIGINT)

async def handler(message):
    {handler}

def busy(message):
    interrupt()
    while True:
        interrupt()

async def main():
    bus = AgentBus.Bus()
    worker = AgentBus.Subscriber('worker')
    bus.subscribe(worker)
    try:
        {body}
    except asyncio.CancelledError:
        print('cancelled', flush=True)
        await AgentBus.sleep(1)
        print('cleaned up', flush=True)
        raise

try:
    run(main())
except BaseException as error:
    print(type(error).__name__, error)
    raise
'''


class EndTest(unittest.TestCase):
    """How programs end. Each is one of its own."""

    def run_program(self, run, body, handler='pass'):
        text = PROGRAM.format(run=run, handler=handler, body=textwrap.indent(textwrap.dedent(body), ' ' * 8).strip())
        result = subprocess.run([sys.executable, '-c', text], capture_output=True, text=True, timeout=60)
        self.assertNotIn('ignored GeneratorExit', result.stderr)
        return result.returncode, result.stdout.split('\n')[:-1]

    def test_interrupted(self):
        later = 'threading.Timer(0.05, interrupt).start()'
        for run in ('asyncio.run', 'AgentBus.run'):
            for body in (f'{later}; await AgentBus.sleep(100000)', f'{later}; await AgentBus.Future()',
                         f'{later}\nasync for message in worker: pass',
                         f'async with bus:\n    {later}; await AgentBus.Future()',
                         f'await AgentBus.sleep(1); {later}; await AgentBus.Future()'):
                with self.subTest(run=run, body=body):
                    self.assertEqual(self.run_program(run, body),
                                     (-2, ['cancelled', 'cleaned up', 'KeyboardInterrupt ']))

    def test_interrupted_in_a_busy_handler(self):
        body = "worker.on(busy); bus.send(AgentBus.Message.cancel('ui', 'worker')); await AgentBus.sleep(100000)"
        for run in ('asyncio.run', 'AgentBus.run'):
            with self.subTest(run=run):
                code, lines = self.run_program(run, body)
                self.assertEqual((code, lines[-1]), (-2, 'KeyboardInterrupt '))

    def test_exit_in_a_handler(self):
        send = "bus.send(AgentBus.Message.cancel('ui', 'worker')); await AgentBus.sleep(100000)"
        for run in ('asyncio.run', 'AgentBus.run'):
            for body in (f'worker.on(handler); {send}', f'worker.on(lambda message: sys.exit(7)); {send}'):
                with self.subTest(run=run, body=body):
                    code, lines = self.run_program(run, body, 'await AgentBus.sleep(1); sys.exit(7)')
                    self.assertEqual((code, lines), (7, ['cancelled', 'cleaned up', 'SystemExit 7']))

    def test_exit_under_a_loop_of_glib(self):
        for handler in ('sys.exit(7)', 'await AgentBus.sleep(1); sys.exit(7)'):
            body = f"worker.on(handler); bus.send(AgentBus.Message.cancel('ui', 'worker'))\nrun.keep = worker, bus"
            run = 'lambda main: (AgentBus.spawn(main), GLib.MainLoop().run())'
            self.assertEqual(self.run_program(run, body, handler)[0], 7)

    def test_main_that_catches_it(self):
        """As under asyncio: who does not pass the cancellation on goes on."""
        body = '''
            try:
                threading.Timer(0.05, interrupt).start()
                await AgentBus.Future()
            except asyncio.CancelledError:
                print('no')
        '''
        for run in ('asyncio.run', 'AgentBus.run'):
            self.assertEqual(self.run_program(run, body), (0, ['no']))


if __name__ == '__main__':
    tap.main()
