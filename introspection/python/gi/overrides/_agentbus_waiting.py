# SPDX-License-Identifier: LGPL-2.1-or-later
"""Futures, tasks and sleep for coroutines, under asyncio and without. A part of the overrides in AgentBus.py."""

import asyncio
import atexit
import functools
import heapq
import inspect
import itertools
import threading

from gi.repository import GLib


def _running_loop():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


# Its attribute `task`: the Task that takes a step in this thread.
_here = threading.local()


class Future:
    """A result that is to come: awaitable in any coroutine.

    A Task goes on in the thread that sets the result; what awaits it under asyncio goes on in its own loop.
    """

    def __init__(self):
        self._outcome = None
        self._callbacks = []

    def done(self):
        return self._outcome is not None

    def cancelled(self):
        return False

    def result(self):
        value, error = self._get()
        if error is not None:
            raise error
        return value

    def exception(self):
        return self._get()[1]

    def _get(self):
        if self._outcome is None:
            raise asyncio.InvalidStateError('the future has no result yet')
        return self._outcome

    def set_result(self, value=None):
        self._set(value, None)

    def set_exception(self, error):
        self._set(None, error)

    def _set(self, value, error):
        if self._outcome is not None:
            raise RuntimeError('the future has its result already')
        self._outcome = (value, error)
        self._call_back()

    def _call_back(self):
        # Two threads may be here at once: each callback is taken out by one of them.
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:
                return
            callback(self)

    def add_done_callback(self, callback):
        self._callbacks.append(callback)
        if self._outcome is not None:
            self._call_back()

    def __await__(self):
        if self._outcome is None:
            loop = _running_loop()
            if loop is None or getattr(_here, 'task', None) is not None:
                yield self
            else:
                yield from self._wait_in(loop)
        return self.result()

    def _wait_in(self, loop):
        waiter = loop.create_future()

        def wake():
            if not waiter.done():
                waiter.set_result(None)

        def call(_future):
            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                pass  # the loop is closed: nobody waits there any more

        self.add_done_callback(call)
        yield from waiter


class Task(Future):
    """A coroutine on its way, without asyncio. It runs at once up to its first wait."""

    def __init__(self, coroutine):
        super().__init__()
        self._coroutine = coroutine
        self._step()

    def _step(self, _waited=None):
        outer = getattr(_here, 'task', None)
        _here.task = self
        try:
            waited = self._resume()
        except StopIteration as stop:
            finish = functools.partial(self.set_result, stop.value)
        except BaseException as error:
            finish = functools.partial(self.set_exception, error)
        else:
            finish = functools.partial(waited.add_done_callback, self._step)
        finally:
            _here.task = outer
        finish()

    def _resume(self):
        resume, argument = self._coroutine.send, None
        while True:
            waited = resume(argument)
            if isinstance(waited, Future):
                return waited
            resume, argument = self._coroutine.throw, TypeError(f'to await {waited!r} takes an asyncio loop')


async def _call(awaitable):
    return await awaitable


def spawn(awaitable):
    """Starts a coroutine; returns what to await for its result, if one wants to."""
    coroutine = awaitable if inspect.iscoroutine(awaitable) else _call(awaitable)
    loop = _running_loop()
    return Task(coroutine) if loop is None else loop.create_task(coroutine)


def wait(future):
    """Iterates the thread's main context until the future is done."""
    context = GLib.MainContext.ref_thread_default()
    while not future.done():
        context.iteration(True)
    return future.result()


def refuse_asyncio(what, instead):
    """To iterate the main context there would keep asyncio, and all that goes on in it, from going on."""
    if _running_loop() is not None:
        raise RuntimeError(f'{what} cannot be used where an asyncio loop runs: use {instead}')


def run(coroutine):
    """Runs a coroutine on the thread's main context until it is done; returns its result, as asyncio.run() does."""
    try:
        refuse_asyncio('AgentBus.run()', 'await')
        return wait(Task(coroutine))
    finally:
        coroutine.close()


class _Timer(GLib.Source):
    """All sleepers of a thread. One source for all, since each callback that C is given costs memory for good."""

    def __init__(self):
        super().__init__()
        self.sleepers = []
        self.count = itertools.count()
        self.attach(GLib.MainContext.ref_thread_default())

    def add(self, milliseconds):
        future = Future()
        due = GLib.get_monotonic_time() + int(milliseconds * 1000)
        heapq.heappush(self.sleepers, (due, next(self.count), future))
        self.set_ready_time(self.sleepers[0][0])
        return future

    def prepare(self):
        return False, -1

    def check(self):
        return False

    def dispatch(self, callback, args):
        now = GLib.get_monotonic_time()
        due = []
        while self.sleepers and self.sleepers[0][0] <= now:
            due.append(heapq.heappop(self.sleepers)[2])
        self.set_ready_time(self.sleepers[0][0] if self.sleepers else -1)
        for future in due:
            future.set_result()
        return GLib.SOURCE_CONTINUE


_timers = threading.local()
atexit.register(_timers.__dict__.clear)


def sleep(milliseconds):
    """An awaitable that is through after that time, in the thread's main context."""
    context = hash(GLib.MainContext.ref_thread_default())
    timers = _timers.__dict__
    # Another context may have been at this address before: its timer went with it.
    if context not in timers or timers[context].is_destroyed():
        timers[context] = _Timer()
    return timers[context].add(milliseconds)


def awaitable(start, finish, n_args=1):
    """Without a callback, an operation returns a Future."""
    @functools.wraps(start)
    def call(self, *args, **kwargs):
        if kwargs or any(callable(arg) for arg in args):
            return start(self, *args, **kwargs)
        future = Future()

        def done(source, result, *_):
            try:
                future.set_result(finish(source, result))
            except GLib.Error as error:
                future.set_exception(error)

        start(self, *(args + (None,))[:n_args], done)
        return future
    return call
