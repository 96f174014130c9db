# SPDX-License-Identifier: LGPL-2.1-or-later
"""Futures, routines and sleep for coroutines, under asyncio and without. A part of the overrides in AgentBus.py."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import contextvars
import heapq
import inspect
import itertools
import logging
import signal
import threading
import typing

from gi.repository import Gio, GLib, GObject

from .._ossighelper import wakeup_on_signal
from ._agentbus_asyncio import drive, foreign_loop, here, is_served, running_loop, stop

T = typing.TypeVar('T')
_log = logging.getLogger('AgentBus')
_RUNNING = object()


def _asyncio_loop() -> typing.Optional[asyncio.AbstractEventLoop]:
    """The loop whose task runs now: a Routine that began without asyncio goes on without it."""
    return running_loop() if here.routine is None else None


class Future(typing.Generic[T]):
    """A result that is to come: awaitable in any coroutine.

    A Routine goes on in the thread that sets the result; what awaits it under asyncio goes on in its own loop.
    """

    def __init__(self) -> None:
        self._outcome: typing.Optional[typing.Tuple[typing.Any, typing.Optional[BaseException]]] = None
        self._callbacks: typing.List[typing.Callable[[typing.Any], object]] = []

    def done(self) -> bool:
        """Whether there is a result or an exception."""
        return self._outcome is not None

    def cancelled(self) -> bool:
        """Whether it ended since it was cancelled."""
        return self._outcome is not None and isinstance(self._outcome[1], asyncio.CancelledError)

    def result(self) -> T:
        """The result, or raises the exception."""
        value, error = self._get()
        if error is not None:
            raise error
        return value

    def exception(self) -> typing.Optional[BaseException]:
        """The exception, or None."""
        return self._get()[1]

    def _get(self) -> typing.Tuple[typing.Any, typing.Optional[BaseException]]:
        if self._outcome is None:
            raise asyncio.InvalidStateError('the future has no result yet')
        return self._outcome

    def set_result(self, value: typing.Any = None) -> None:
        """Sets the result, once. What awaits it goes on."""
        self._set(value, None)

    def set_exception(self, error: BaseException) -> None:
        """Sets the exception instead of a result."""
        self._set(None, error)

    def _set(self, value: typing.Any, error: typing.Optional[BaseException]) -> None:
        if self._outcome is not None:
            raise RuntimeError('the future has its result already')
        self._outcome = (value, error)
        self._call_back()

    def _call_back(self) -> None:
        # Two threads may be here at once: each callback is taken out by one of them.
        while self._callbacks:
            try:
                callback = self._callbacks.pop(0)
            except IndexError:
                return
            callback(self)

    def add_done_callback(self, callback: typing.Callable[[typing.Any], object]) -> None:
        """Calls callback(future) when it is done, or at once if it is."""
        self._callbacks.append(callback)
        if self._outcome is not None:
            self._call_back()

    def __await__(self) -> typing.Generator[typing.Any, None, T]:
        if self._outcome is None:
            loop = _asyncio_loop()
            if loop is not None:
                drive()
                yield from self._wait_in(loop)
            elif here.routine is not None:
                yield self
            else:
                raise foreign_loop('what runs this coroutine')
        return self.result()

    def _wait_in(self, loop: asyncio.AbstractEventLoop) -> typing.Generator[typing.Any, None, None]:
        waiter = loop.create_future()

        def wake() -> None:
            if not waiter.done():
                waiter.set_result(None)

        def call(_future: object) -> None:
            if is_served(loop):
                wake()
                return
            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                pass  # the loop is closed: nobody waits there any more

        self.add_done_callback(call)
        yield from waiter


class Routine(Future[T]):
    """A coroutine on its way, without asyncio. It runs at once up to its first wait.

    As with a task of asyncio: what it raises and nobody asks for is logged.
    """

    def __init__(self, coroutine: typing.Coroutine[typing.Any, typing.Any, T]) -> None:
        super().__init__()
        self._coroutine = coroutine
        self._context = contextvars.copy_context()
        self._lock = threading.Lock()
        self._waits_for: object = None  # (lock) a future, or _RUNNING
        self._must_cancel = False       # (lock)
        self._is_known = False          # somebody asked how it ended
        self._step(None)

    def cancel(self) -> bool:
        """Raises asyncio.CancelledError where it waits; in the thread in which it runs. False if it is done."""
        with self._lock:
            if self._outcome is not None:
                return False
            waits_for = self._waits_for
            if waits_for is _RUNNING:
                self._must_cancel = True
                return True
        if isinstance(waits_for, Routine) and waits_for.cancel():
            return True
        if self._take(waits_for):
            self._advance(asyncio.CancelledError())
        return True

    def _get(self) -> typing.Tuple[typing.Any, typing.Optional[BaseException]]:
        outcome = super()._get()
        self._is_known = True
        return outcome

    def _take(self, waits_for: object) -> bool:
        """Whether it waits for that, and goes on now. If it was cancelled meanwhile, it does not any more."""
        with self._lock:
            if self._outcome is not None or self._waits_for is not waits_for:
                return False
            self._waits_for = _RUNNING
            return True

    def _step(self, waited: typing.Any) -> None:
        if self._take(waited):
            self._advance(None)

    def _advance(self, error: typing.Optional[BaseException]) -> None:
        outer, here.routine = here.routine, self
        try:
            waited = self._resume(error)
        except StopIteration as end:
            value, ended, here.routine = end.value, None, outer
        except BaseException as reason:
            value, ended, here.routine = None, reason, outer
        else:
            here.routine = outer
            waited.add_done_callback(self._step)
            return
        self._set(value, ended)
        if isinstance(ended, (SystemExit, KeyboardInterrupt)):
            self._is_known = True
            stop(ended)

    def _resume(self, error: typing.Optional[BaseException]) -> Future:
        while True:
            waited: object = self._call(error)
            if not isinstance(waited, Future):
                error = TypeError(f'to await {waited!r} takes an asyncio loop')
                continue
            with self._lock:
                if not self._must_cancel:
                    self._waits_for = waited
                    return waited
                self._must_cancel = False
            error = asyncio.CancelledError()

    def _call(self, error: typing.Optional[BaseException]) -> object:
        if error is None:
            return self._context.run(self._coroutine.send, None)
        throw: typing.Callable[..., object] = self._coroutine.throw
        return self._context.run(throw, error)

    def __del__(self) -> None:
        if self._outcome is None:
            _log.warning('%r will never end: nobody has what it waits for any more', self)
        elif self._outcome[1] is not None and not self._is_known and not self.cancelled():
            _log.error('%r failed, and nobody asked', self, exc_info=self._outcome[1])

    def __repr__(self) -> str:
        state = 'waits' if self._outcome is None else 'done' if self._outcome[1] is None else 'failed'
        return f'<AgentBus.Routine {getattr(self._coroutine, "__qualname__", self._coroutine)} {state}>'


async def _call(awaitable: typing.Awaitable[T]) -> T:
    return await awaitable


def spawn(awaitable: typing.Awaitable[T]) -> typing.Union[asyncio.Task[T], Routine[T]]:
    """Starts a coroutine: as a task of asyncio if its loop runs, else as a Routine. Await it for the result."""
    if not inspect.isawaitable(awaitable):
        raise TypeError(f'AgentBus.spawn() takes a coroutine, not {awaitable!r}')
    drive()
    coroutine = awaitable if inspect.iscoroutine(awaitable) else _call(awaitable)
    loop = running_loop()
    return Routine(coroutine) if loop is None else loop.create_task(coroutine)


async def gather(*awaitables: typing.Awaitable[typing.Any]) -> typing.List[typing.Any]:
    """Awaits all of them at once, and returns the results in their order. If one fails, the others are cancelled."""
    routines = [awaitable if isinstance(awaitable, (Routine, asyncio.Future)) else spawn(awaitable)
                for awaitable in awaitables]
    try:
        left = len(routines)
        through: Future[None] = Future()

        def end(routine: typing.Any) -> None:
            nonlocal left
            left -= 1
            failed = routine.cancelled() or routine.exception() is not None
            if (failed or left == 0) and not through.done():
                through.set_result()

        for routine in routines:
            routine.add_done_callback(end)
        if routines:
            await through
        for routine in routines:
            if routine.done():
                routine.result()  # or what it failed with
        return [routine.result() for routine in routines]
    finally:
        for routine in routines:
            routine.cancel()


async def timeout(awaitable: typing.Awaitable[T], seconds: float) -> T:
    """Awaits it that long. Then it is cancelled, and asyncio.TimeoutError raised."""
    routine = awaitable if isinstance(awaitable, (Routine, asyncio.Future)) else spawn(awaitable)
    through: Future[None] = Future()

    def end(_future: object) -> None:
        if not through.done():
            through.set_result()

    routine.add_done_callback(end)
    sleep(1000 * seconds).add_done_callback(end)
    try:
        await through
        if not routine.done():
            routine.cancel()
            try:
                return await routine
            except asyncio.CancelledError:
                raise asyncio.TimeoutError() from None
        return routine.result()
    except asyncio.CancelledError:
        routine.cancel()
        raise


class ContextRunner:
    """Iterates the thread's main context until a future is done."""

    def __init__(self) -> None:
        self.context = GLib.MainContext.ref_thread_default()
        self.interrupts = 0
        self.error: typing.Optional[BaseException] = None    # that ends the program
        self.pending: typing.Optional[BaseException] = None  # that nobody was cancelled for yet

    def stop(self, error: BaseException) -> None:
        self.error = self.pending = error

    @contextlib.contextmanager
    def running(self) -> typing.Iterator[None]:
        outer, here.runner = here.runner, self
        # Between two iterations no other thread is to take it.
        acquired = self.context.acquire()
        try:
            with wakeup_on_signal():
                yield
        finally:
            here.runner = outer
            if acquired:
                self.context.release()

    @contextlib.contextmanager
    def heeding_interrupts(self) -> typing.Iterator[None]:
        """The first Ctrl-C cancels, as under asyncio; a further one is raised wherever the program is."""
        if threading.current_thread() is not threading.main_thread() \
                or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, self.on_interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def on_interrupt(self, _number: int, _frame: object) -> None:
        self.interrupts += 1
        if self.interrupts > 1:
            raise KeyboardInterrupt
        self.pending = KeyboardInterrupt()

    def wait(self, future: Future[T]) -> T:
        while not future.done():
            self.context.iteration(True)
            if self.error is not None:
                raise self.error
        return future.result()

    def run(self, coroutine: typing.Coroutine[typing.Any, typing.Any, T]) -> T:
        """What ends the program cancels the coroutine, and is raised when that has come to its end."""
        with self.running(), self.heeding_interrupts():
            routine = Routine(coroutine)
            while not routine.done():
                try:
                    if self.pending is None:
                        self.context.iteration(True)
                except KeyboardInterrupt as error:
                    self.stop(error)
                if self.pending is not None:
                    self.pending = None
                    routine.cancel()
        routine.exception()
        if self.error is not None:
            raise self.error
        if self.interrupts > 0 and routine.cancelled():
            raise KeyboardInterrupt
        return routine.result()


def wait(future: Future[T]) -> T:
    """Iterates the thread's main context until the future is done."""
    runner = ContextRunner()
    with runner.running():
        return runner.wait(future)


def refuse_asyncio(what: str, instead: str) -> None:
    """To iterate the main context there would keep asyncio, and all that goes on in it, from going on."""
    if running_loop() is not None:
        raise RuntimeError(f'{what} cannot be used where an asyncio loop runs: use {instead}')


def run(coroutine: typing.Coroutine[typing.Any, typing.Any, T]) -> T:
    """Runs a coroutine on the thread's main context until it is done; returns its result, as asyncio.run() does.

    Ctrl-C cancels it; when it has ended, KeyboardInterrupt is raised.
    """
    if not inspect.iscoroutine(coroutine):
        raise TypeError(f'AgentBus.run() takes a coroutine, not {coroutine!r}')
    try:
        refuse_asyncio('AgentBus.run()', 'await')
        return ContextRunner().run(coroutine)
    finally:
        coroutine.close()


class _Timer(GLib.Source):
    """All sleepers of a thread. One source for all, since each callback that C is given costs memory for good."""

    def __init__(self) -> None:
        super().__init__()
        self.sleepers: typing.List[typing.Tuple[int, int, Future[None]]] = []
        self.count = itertools.count()
        self.attach(GLib.MainContext.ref_thread_default())

    def add(self, milliseconds: float) -> Future[None]:
        future: Future[None] = Future()
        due = GLib.get_monotonic_time() + int(milliseconds * 1000)
        heapq.heappush(self.sleepers, (due, next(self.count), future))
        self.set_ready_time(self.sleepers[0][0])
        return future

    def prepare(self) -> typing.Tuple[bool, int]:
        return False, -1

    def check(self) -> bool:
        return False

    def dispatch(self, callback: object, args: object) -> bool:
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


def sleep(milliseconds: float) -> Future[None]:
    """An awaitable that is through after that time."""
    if not 0 <= milliseconds < 2**53:
        raise ValueError(f'to sleep takes a number of milliseconds, not {milliseconds!r}')
    loop = _asyncio_loop()
    if loop is not None:
        future: Future[None] = Future()
        loop.call_later(milliseconds / 1000, future.set_result)
        return future
    drive()
    context = hash(GLib.MainContext.ref_thread_default())
    timers: typing.Dict[typing.Any, _Timer] = _timers.__dict__
    # Another context may have been at this address before: its timer went with it.
    if context not in timers or timers[context].is_destroyed():
        timers[context] = _Timer()
    return timers[context].add(milliseconds)


def begin(start: typing.Callable[..., None], finish: typing.Callable[..., T], source: typing.Any,
          arguments: typing.Tuple[typing.Any, ...], cancellable: typing.Optional[Gio.Cancellable],
          callback: typing.Optional[typing.Callable[..., object]],
          user_data: typing.Tuple[typing.Any, ...] = ()) -> Future[T]:
    """Begins an operation; without a callback, what it returns is there to be awaited."""
    drive()
    future: Future[T] = Future()

    def done(source: typing.Any, result: Gio.AsyncResult, *_data: object) -> None:
        try:
            value = finish(source, result)
        except GLib.Error as error:
            future.set_exception(error)
        else:
            future.set_result(value)

    if callback is None:
        start(source, *arguments, cancellable, done)
    else:
        start(source, *arguments, cancellable, callback, *user_data)
    return future


class Sending(Future[bool]):
    """A message that waits for room. If what awaits it is cancelled first, the message is not sent."""

    def __init__(self, cancellable: typing.Optional[Gio.Cancellable]) -> None:
        super().__init__()
        # Its own, since that of the application may end other operations as well.
        self.cancellable = Gio.Cancellable()
        if cancellable is not None:
            self.follow(cancellable)

    def follow(self, cancellable: Gio.Cancellable) -> None:
        handler = GObject.Object.connect(cancellable, 'cancelled', lambda _cancellable: self.cancellable.cancel())
        # Not disconnect() of the cancellable, which waits for the handler that this may be called by.
        self.add_done_callback(lambda _sending: GObject.Object.disconnect(cancellable, handler))
        if cancellable.is_cancelled():
            self.cancellable.cancel()

    def __await__(self) -> typing.Generator[typing.Any, None, bool]:
        try:
            return (yield from super().__await__())
        except BaseException:
            self.cancellable.cancel()
            raise

    def end(self, bus: typing.Any, result: Gio.AsyncResult, *_data: object) -> None:
        try:
            sent = bus.send_finish(result)
        except GLib.Error as error:
            self.set_exception(error)
        else:
            self.set_result(sent)
