# SPDX-License-Identifier: LGPL-2.1-or-later
"""Handlers and loops. A part of the overrides in AgentBus.py."""

import asyncio
import functools
import inspect
import logging
import threading
import weakref

from gi.repository import GLib

from ..module import get_introspection_module
from ..overrides import override
from ._agentbus_waiting import Future, spawn

AgentBus = get_introspection_module('AgentBus')
OVERRIDES = 'gi.overrides.AgentBus'  # override() looks for the namespace there
_log = logging.getLogger('AgentBus')


def _identify(message):
    return message.get_seq(), message.get_sent_at()


class _Turn:
    """The message in hand, for all that go on with it. They share its delivery, and the last one ends it."""

    def __init__(self, subscriber, message):
        self.subscriber, self.errors = subscriber, []
        self.lock = threading.Lock()
        self.n_left = 1  # (lock) of those that go on, and one for the handlers that have not been called yet
        # By hand is by hand: then it is for the one who did so to say how it went.
        self.delivery = None if subscriber._deferred == _identify(message) else AgentBus.Subscriber.defer(subscriber)
        subscriber._turn = weakref.ref(self)  # a coroutine that is forgotten must not keep it

    def add(self, awaitable):
        with self.lock:
            self.n_left += 1
        future = awaitable if isinstance(awaitable, Future) else spawn(awaitable)
        future.add_done_callback(self.end)

    def end(self, future):
        error = asyncio.CancelledError('cancelled') if future.cancelled() else future.exception()
        if error is not None:
            self.fail(error)
        self.release()

    def fail(self, error):
        _log.error('A handler of %r failed', self.subscriber, exc_info=error)
        self.errors.append(error)

    def release(self):
        with self.lock:
            self.n_left -= 1
            over = self.n_left == 0
        if not over or self.delivery is None:
            return
        if self.errors:
            error = self.errors[0]
            self.delivery.fail_message(getattr(error, 'message', None) or str(error) or type(error).__name__)
        else:
            self.delivery.complete()
        self.delivery = None


class _Loop:
    """One `async for`: to its subscriber a handler that goes on until the loop asks for the next message.

    It may be in another thread than the handlers, if it waits under asyncio.
    """

    def __init__(self, subscriber):
        self.subscriber = subscriber
        self.taken = []    # (message, future to end it), not given to the loop yet
        self.waiters = []  # at most one future; who takes it out sets it
        self.bus = self.handler = None
        self.closed = False
        self.entry = subscriber.on(self.take)

    def take(self, message):
        """In the subscriber's context."""
        if self.closed:
            return None
        done = Future()
        self.taken.append((message, done))
        self.wake()
        return done

    def wake(self):
        try:
            waiter = self.waiters.pop()
        except IndexError:
            return
        waiter.set_result()

    async def next(self):
        """A message and the future to end it, or None if no other will come."""
        while not self.taken:
            waiter = Future()
            self.waiters[:] = [waiter]
            left = self.has_left()
            # Either may have happened since: what is to be given goes first.
            if self.taken:
                break
            if left:
                return None
            await waiter
        return self.taken.pop(0)

    def has_left(self):
        """Looks where the subscriber is, and has the loop told when that changes."""
        bus = self.subscriber.props.bus
        if bus is None:
            return True
        if self.bus is None or self.bus() != bus:
            self.unwatch()
            self.bus = bus.weak_ref(self.tell)  # a loop does not keep its bus
            self.handler = bus.connect('unsubscribed', self.tell)
            # It may have left before there was anybody to be told.
            return self.subscriber.props.bus is None
        return False

    def unwatch(self):
        bus = self.bus and self.bus()
        if bus is not None:
            self.bus.unref()
            bus.disconnect(self.handler)
        self.bus = None

    def tell(self, *_whom):
        """In the bus's context, or where the bus is dropped. What waits without asyncio goes on where it is woken."""
        context = self.subscriber.get_main_context()
        if context.is_owner():
            self.wake()
            return
        source = GLib.Idle(GLib.PRIORITY_DEFAULT)
        source.set_callback(lambda *_: (self.wake(), GLib.SOURCE_REMOVE)[1])
        source.attach(context)

    def close(self):
        self.closed = True
        self.entry.disconnect()
        self.unwatch()
        while self.taken:
            self.taken.pop()[1].set_exception(RuntimeError('the loop was left before it was given the message'))


class _Handler:
    """What on() returns: disconnect() ends it."""

    def __init__(self, subscriber, name, function):
        self.subscriber, self.name, self.function = weakref.ref(subscriber), name, function

    def disconnect(self):
        """Ends it; a second time does nothing."""
        subscriber = self.subscriber()
        if subscriber is not None:
            subscriber._handlers = tuple(handler for handler in subscriber._handlers if handler is not self)


class Subscriber(AgentBus.Subscriber):
    """`on()`, `async def do_message` and `async for message in subscriber`.

    A handler that raises has failed: it is counted, logged, and the bus says so with its signal `failed`.
    The next message comes when all that go on with this one are through: async handlers, do_message and loops.
    """

    __module__ = OVERRIDES

    _handlers = ()
    _listening = False
    _has_method = False
    _deferred = None  # the message that was deferred by hand
    _turn = None      # a weak reference to the last turn
    _open = None      # the turn that do_message is still to join

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        original = cls.__dict__.get('do_message')
        if original is None:
            return

        @functools.wraps(original)
        def do_message(self, message):
            if type(self).do_message is not do_message:
                return original(self, message)  # from the method of a subclass
            turn, self._open = self._open, None
            self._handle(message, (functools.partial(original, self),), turn)
        cls.do_message = do_message
        cls._has_method = True

    def on(self, name=None, handler=None):
        """Calls handler(message), plain or async: on(f), on('cancel', f), or as a decorator @on('cancel').

        Returns what to disconnect() again; as a decorator, the function.
        """
        if callable(name):
            name, handler = None, name
        if handler is None:
            return lambda function: (self.on(name, function), function)[1]
        entry = _Handler(self, name, handler)
        self._handlers += (entry,)
        if not self._listening:
            self._listening = True
            self.connect('message', Subscriber._on_message)
        return entry

    def _on_message(self, message):
        handlers = self._handlers
        if handlers:
            name = message.get_name()
            self._handle(message, [h.function for h in handlers if h.name is None or h.name == name], None,
                         self._has_method)

    def _handle(self, message, functions, turn, has_more=False):
        awaitables, errors = [], []
        for function in functions:
            try:
                result = function(message)
            except Exception as error:
                errors.append(error)
            else:
                if inspect.isawaitable(result):
                    awaitables.append(result)
        if turn is None and (awaitables or errors):
            turn = _Turn(self, message)
        if turn is None:
            return
        for error in errors:
            turn.fail(error)
        for awaitable in awaitables:
            turn.add(awaitable)
        if has_more:
            self._open = turn
        else:
            turn.release()

    @property
    def delivery(self):
        """The delivery in the hand of an async handler, to ask it is_cancelled(), or None."""
        turn = self._turn() if self._turn is not None else None
        return turn.delivery if turn is not None else None

    def defer(self):
        """Takes the delivery by hand: async handlers and loops then do not hold the subscriber for this message."""
        if self.delivery is not None:
            raise RuntimeError('the message in hand belongs to an async handler or a loop: its delivery is theirs')
        delivery = super().defer()
        if delivery is None:
            raise RuntimeError('defer() wants to be called in a handler, once for a message')
        self._deferred = _identify(delivery.get_message())
        return delivery

    async def __aiter__(self):
        """The next message comes when it is asked for; leaving the loop completes the last one.

        The loop ends when the subscriber is on no bus, after the last message that it was given.
        """
        loop, done = _Loop(self), None
        try:
            while True:
                item = await loop.next()
                if item is None:
                    break
                message, done = item
                yield message
                done.set_result()
                done = None
        finally:
            loop.close()
            if done is not None:
                done.set_result()

    def __repr__(self):
        return f'<AgentBus.{type(self).__name__} {self.get_name()!r} {self.get_n_queued()} queued>'


Subscriber = override(Subscriber)
