# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lets an asyncio loop iterate the GLib main context of its thread. A part of the overrides in AgentBus.py."""

from __future__ import annotations

import asyncio
import contextvars
import select
import sys
import threading
import time
import typing

from gi.repository import GLib

from ..module import get_introspection_module

if typing.TYPE_CHECKING:
    from gi.repository import AgentBus
else:
    AgentBus = get_introspection_module('AgentBus')

# Loops that iterate the main context by themselves: their classes, or those of their selectors, are from here.
GLIB_LOOPS = {'asyncio_glib', 'asyncio_gtk', 'gbulb', 'gi', 'pgi'}


class _Here(threading.local):
    """What goes on in this thread."""

    routine: typing.Any = None  # the Routine that takes a step
    runner: typing.Any = None   # what iterates the context and raises what stop() is given
    loop: typing.Any = None     # the asyncio loop that drive() looked at last


here = _Here()


def running_loop() -> typing.Optional[asyncio.AbstractEventLoop]:
    """The asyncio loop that runs in this thread, or None."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def is_served(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether this is called back by the main context that the loop iterates: then the loop looks what is new before it waits."""
    return getattr(here.runner, 'loop', None) is loop


def stop(error: BaseException) -> None:
    """An exception that ends programs ends what runs here, which GLib would not do for a callback that raises."""
    if here.runner is None:
        raise error
    here.runner.stop(error)


def drive() -> None:
    """If an asyncio loop runs in this thread, it iterates the thread's main context from now on."""
    loop = asyncio._get_running_loop()
    if loop is None:
        if 'trio' in sys.modules:
            _refuse_trio(sys.modules['trio'])
    elif here.loop is not loop:
        here.loop = loop
        try:
            _drive(loop)
        except BaseException:
            here.loop = None
            raise


def _refuse_trio(trio: typing.Any) -> None:
    try:
        trio.lowlevel.current_task()
    except (AttributeError, RuntimeError):
        return
    raise foreign_loop('trio')


def foreign_loop(name: str) -> RuntimeError:
    return RuntimeError(f'{name} does not iterate the GLib main context, so no message would come: '
                        'use asyncio.run() with the loop of asyncio itself, or AgentBus.run()')


def _drive(loop: asyncio.AbstractEventLoop) -> None:
    context = GLib.MainContext.ref_thread_default()
    is_main = threading.current_thread() is threading.main_thread()
    # The default context belongs to the main thread, also if that has not begun to iterate it.
    if getattr(loop, '_agentbus_pump', None) is not None or not is_main and context == GLib.MainContext.default():
        return
    # If it cannot be acquired, another thread iterates it.
    if _is_of_glib(loop) or not context.acquire():
        return
    try:
        _Pump(loop, context)
    except BaseException:
        context.release()
        raise


def _is_of_glib(loop: typing.Any) -> bool:
    classes = type(loop).__mro__ + type(getattr(loop, '_selector', None)).__mro__
    return any(kind.__module__.partition('.')[0] in GLIB_LOOPS for kind in classes)


class _Pump:
    """The main context as a part of an asyncio loop, from now until the loop is closed.

    The context stays acquired, so no other thread iterates it, and a source that another thread attaches wakes the loop
    up. Before each wait of the loop, the context says what it waits for. Its descriptors are behind one, since the
    application may give the same descriptor to both loops.
    """

    def __init__(self, loop: typing.Any, context: GLib.MainContext) -> None:
        selector = getattr(loop, '_selector', None)
        if selector is None or not hasattr(select, 'epoll'):
            raise foreign_loop(f'{type(loop).__module__}.{type(loop).__qualname__}')
        self.loop, self.context, self.selector = loop, context, selector
        self.error: typing.Optional[BaseException] = None
        self.polled: typing.Dict[int, int] = {}
        self.has_unpollable = False
        self.epoll = select.epoll()
        self.select, self.close_loop = selector.select, loop.close
        loop.add_reader(self.epoll.fileno(), self.iterate)
        selector.select, loop.close, loop._agentbus_pump = self.wait, self.close, self

    def wait(self, timeout: typing.Optional[float] = None) -> typing.Any:
        """Instead of the select() of the loop's selector."""
        words, limit = AgentBus.main_context_query(self.context)
        if limit != 0:
            self.poll(dict(zip(words[::2], words[1::2])))
        if limit == 0 or self.has_unpollable:
            # What is called back now goes on in this turn of the loop.
            contextvars.copy_context().run(self.iterate)
            return self.select(0)
        if limit < 0:
            return self.select(timeout)
        due = time.monotonic() + limit / 1000
        events = self.select(limit / 1000 if timeout is None else min(timeout, limit / 1000))
        if time.monotonic() >= due:
            self.loop.call_soon(self.iterate)
        return events

    def poll(self, polled: typing.Dict[int, int]) -> None:
        for fd in self.polled.keys() - polled.keys():
            try:
                self.epoll.unregister(fd)
            except OSError:
                pass  # it is closed
        self.polled, self.has_unpollable = polled, False
        for fd, conditions in polled.items():
            try:
                # Each time, since a descriptor that was closed and opened again has the same number.
                self.epoll.modify(fd, conditions)
            except OSError:
                self.register(fd, conditions)

    def register(self, fd: int, conditions: int) -> None:
        try:
            self.epoll.register(fd, conditions)
        except OSError:
            self.has_unpollable = True  # as a regular file, which is always ready

    def iterate(self) -> None:
        """Only once: what is ready again waits until the loop has had its turn."""
        outer, here.runner = here.runner, self
        try:
            self.context.iteration(False)
        finally:
            here.runner = outer
        error, self.error = self.error, None
        if error is not None:
            raise error

    def stop(self, error: BaseException) -> None:
        self.error = error

    def close(self) -> None:
        """Instead of the close() of the loop."""
        if self.epoll.closed or self.loop.is_running() or self.loop.is_closed():
            self.close_loop()
            return
        self.loop.remove_reader(self.epoll.fileno())
        self.selector.select, self.loop.close, self.loop._agentbus_pump = self.select, self.close_loop, None
        self.epoll.close()
        self.context.release()
        if here.loop is self.loop:
            here.loop = None
        self.close_loop()
