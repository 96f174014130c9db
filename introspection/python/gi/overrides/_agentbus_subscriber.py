# SPDX-License-Identifier: LGPL-2.1-or-later
"""Handlers and loops. A part of the overrides in AgentBus.py."""

from __future__ import annotations

import asyncio
import collections
import functools
import inspect
import logging
import threading
import traceback
import typing
import warnings
import weakref

from gi.repository import Gio, GLib, GObject

from ..module import get_introspection_module
from ..overrides import override
from ._agentbus_asyncio import drive, stop
from ._agentbus_message import Message, attribute, enum, number, whole
from ._agentbus_waiting import Future, sleep, spawn

if typing.TYPE_CHECKING:
    from gi.repository import AgentBus
    from gi.repository.AgentBus import Delivery, MessageType
else:
    AgentBus = get_introspection_module('AgentBus')
OVERRIDES = 'gi.overrides.AgentBus'  # override() looks for the namespace there
_log = logging.getLogger('AgentBus')


def _identify(message: typing.Any) -> typing.Tuple[int, int]:
    return message.get_seq(), message.get_sent_at()


class _Turn:
    """The message in hand, for all that go on with it. They share its delivery, and the last one ends it."""

    def __init__(self, subscriber: typing.Any, message: typing.Any) -> None:
        self.subscriber = subscriber
        self.errors: typing.List[BaseException] = []
        self.lock = threading.Lock()
        self.n_left = 1  # (lock) of those that go on, and one for the handlers that have not been called yet
        self.by_hand = subscriber._deferred == _identify(message)
        # By hand is by hand: then it is for the one who did so to say how it went.
        self.delivery = None if self.by_hand else AgentBus.Subscriber.defer(subscriber)
        subscriber._turn = weakref.ref(self)  # a coroutine that is forgotten must not keep it

    def take(self) -> typing.Any:
        """The delivery, for a plain handler that ends it by hand."""
        if self.delivery is None:
            raise RuntimeError('the delivery of this message was taken by hand already')
        self.by_hand = True
        return self.delivery

    def add(self, awaitable: typing.Awaitable[typing.Any], cancel: bool) -> None:
        with self.lock:
            self.n_left += 1
        future = awaitable if isinstance(awaitable, Future) else spawn(awaitable)
        end = functools.partial(self.end, Canceller(future, self.delivery) if cancel else None)
        future.add_done_callback(end)

    def end(self, canceller: typing.Optional[Canceller], future: typing.Any) -> None:
        was_cancelled = canceller is not None and canceller.finish()
        error = asyncio.CancelledError('cancelled') if future.cancelled() else future.exception()
        # Who was cancelled by a message did what it was told.
        if error is not None and not (was_cancelled and future.cancelled()):
            self.fail(error)
        self.release()

    def fail(self, error: BaseException) -> None:
        log_failure(self.subscriber, error)
        self.errors.append(error)

    def release(self) -> None:
        with self.lock:
            self.n_left -= 1
            over = self.n_left == 0
        delivery = self.delivery
        if not over or delivery is None:
            return
        self.delivery = None
        if self.by_hand:
            return
        if not self.errors:
            delivery.complete()
        elif isinstance(self.errors[0], GLib.Error):
            delivery.fail(self.errors[0])
        else:
            delivery.fail_message(describe(self.errors[0]))


def log_failure(subscriber: typing.Any, error: BaseException) -> None:
    if not isinstance(error, (SystemExit, KeyboardInterrupt)):  # which are raised where the loop runs
        _log.error('A handler of %r failed', subscriber, exc_info=error)


def describe(error: BaseException) -> str:
    """As the last line of a traceback."""
    return ''.join(traceback.format_exception_only(type(error), error)).strip().replace('\0', '')


def _call_weak(reference: weakref.WeakMethod) -> None:
    method = reference()
    if method is not None:
        method()


class Canceller:
    """Cancels a coroutine when the message or the job that it works on is cancelled."""

    def __init__(self, future: typing.Any, delivery: typing.Any) -> None:
        self.future, self.was_cancelled, self.handler = future, False, 0
        if delivery is None or future.done() or not hasattr(future, 'cancel'):
            return
        self.cancellable = delivery.get_cancellable()
        # In the subscriber's context, where the coroutine runs as well. What C holds must not keep a coroutine that
        # everybody else has forgotten.
        cancel = weakref.WeakMethod(self.cancel)
        self.handler = GObject.Object.connect(self.cancellable, 'cancelled', lambda _cancellable: _call_weak(cancel))
        if self.cancellable.is_cancelled():
            self.cancel()

    def cancel(self) -> None:
        if not self.was_cancelled and not self.future.done():
            self.was_cancelled = True
            self.future.cancel()

    def finish(self) -> bool:
        if self.handler != 0:
            # Not disconnect() of the cancellable, which waits for the handler that this may be called by.
            GObject.Object.disconnect(self.cancellable, self.handler)
            self.handler = 0
        return self.was_cancelled


def _call_in(context: GLib.MainContext, function: typing.Callable[[], object]) -> None:
    """Calls it in the context: at once, or in the thread that iterates it."""
    if not context.acquire():
        source = GLib.Idle(GLib.PRIORITY_DEFAULT)
        source.set_callback(lambda *_: (function(), GLib.SOURCE_REMOVE)[1])
        source.attach(context)
        return
    context.push_thread_default()
    try:
        function()
    finally:
        context.pop_thread_default()
        context.release()


class _Receipt(Future[typing.Any]):
    """One who waits for the next delivery of a subscriber. What comes when he has gone is for the next one."""

    def __init__(self, subscriber: Subscriber) -> None:
        super().__init__()
        self.subscriber, self.cancellable = subscriber, Gio.Cancellable()

    async def wait(self) -> typing.Any:
        subscriber = self.subscriber
        drive()
        # Between two of them, no handler is to take what comes.
        subscriber.set_paused(True)
        if subscriber._received:
            return subscriber._received.popleft()
        subscriber._receipts.append(self)
        try:
            _call_in(subscriber.get_main_context(), self.begin)
            return await self
        except BaseException:
            self.withdraw()
            raise

    def begin(self) -> None:
        self.subscriber.receive_delivery_async(self.cancellable, self.end)

    def end(self, subscriber: typing.Any, result: Gio.AsyncResult, *_data: object) -> None:
        try:
            delivery = subscriber.receive_delivery_finish(result)
        except GLib.Error as error:
            if self in subscriber._receipts:
                subscriber._receipts.remove(self)
            if not self.done():
                self.set_exception(error)
        else:
            subscriber._hand_out(delivery)

    def expire(self, _timer: object) -> None:
        if not self.done():
            self.set_exception(asyncio.TimeoutError())

    def withdraw(self) -> None:
        if self in self.subscriber._receipts:
            self.subscriber._receipts.remove(self)
        if self.done() and self.exception() is None:
            self.subscriber._hand_out(self.result())
        else:
            self.cancellable.cancel()


class _Loop:
    """One `async for`. It has a message in hand until it is asked for the next one, or nobody has the loop any more."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.delivery: typing.Any = None
        subscriber._loop = weakref.ref(self)

    def __aiter__(self) -> _Loop:
        return self

    async def __anext__(self) -> Message:
        """When this is cancelled, the loop goes on with the next one."""
        self.complete()
        try:
            self.delivery = await _Receipt(self.subscriber).wait()
        except GLib.Error as error:
            if error.matches(AgentBus.BusError.quark(), AgentBus.BusError.CLOSED):
                raise StopAsyncIteration from None
            raise
        return self.delivery.get_message()

    def complete(self) -> None:
        delivery, self.delivery = self.delivery, None
        if delivery is not None:
            delivery.complete()

    async def aclose(self) -> None:
        """Completes the last message."""
        self.close()

    def close(self) -> None:
        self.complete()
        # Those who have handlers as well go on with these; for others, messages wait for the next loop.
        if self.subscriber._handlers or self.subscriber._has_method:
            self.subscriber.set_paused(False)

    def __del__(self) -> None:
        self.close()


Plain = typing.Callable[..., typing.Any]
F = typing.TypeVar('F', bound=typing.Callable[..., typing.Any])


def wants_delivery(function: Plain) -> bool:
    """Whether a handler has to be given two arguments."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    needed = [parameter for parameter in parameters if parameter.default is parameter.empty
              and parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)]
    return len(needed) > 1


def is_async(function: Plain) -> bool:
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, '__call__', None))


def name_of(kind: typing.Union[str, MessageType, None]) -> typing.Optional[str]:
    """The name of a type, as messages have it."""
    if kind is None:
        return None
    if isinstance(kind, AgentBus.MessageType):
        return kind.value_nick
    if not isinstance(kind, str):
        raise TypeError(f'on() takes the name of a type and a handler, not {kind!r}')
    if not kind:
        raise ValueError('on() takes the name of a type and a handler, not an empty one')
    known = kind.lower().replace('_', '-')
    if known in {value.value_nick for value in AgentBus.MessageType.__enum_values__.values()}:
        return known
    if '_' in kind:
        warnings.warn(f'{kind!r} is no type of the bus: only messages of the application that have this name '
                      'will be heard', stacklevel=3)
    return kind


class Handler:
    """What on() returns: disconnect() ends it."""

    def __init__(self, subscriber: Subscriber, name: typing.Optional[str], function: Plain, cancel: bool) -> None:
        self.name, self.function, self.cancel = name, function, cancel
        self.is_gone = False
        self.is_async = is_async(function)
        self.wants_delivery = wants_delivery(function)
        self._subscriber = weakref.ref(subscriber)

    def disconnect(self) -> None:
        """Ends it, at once; a second time does nothing."""
        self.is_gone = True
        subscriber = self._subscriber()
        if subscriber is not None:
            subscriber._handlers = tuple(handler for handler in subscriber._handlers if handler is not self)
            subscriber._connect_handlers()


class Subscriber(AgentBus.Subscriber):
    """`on()`, `async def do_message` and `async for message in subscriber`.

    A handler that raises has failed: it is counted, logged, and the bus says so with its signal `failed`.
    The next message comes when all that go on with this one are through: async handlers, do_message and loops.
    """

    __module__ = OVERRIDES

    _handlers: typing.Tuple[Handler, ...] = ()
    _heard: typing.Optional[typing.Tuple[int, int]] = None     # the message that a second connection may bring again
    _has_method = False
    _deferred: typing.Optional[typing.Tuple[int, int]] = None  # the message that was deferred by hand
    _turn: typing.Optional[weakref.ref[_Turn]] = None          # the last turn
    _open: typing.Optional[_Turn] = None                       # the turn that do_message is still to join
    _loop: typing.Optional[weakref.ref[_Loop]] = None          # the last `async for`

    def __init__(self, name: typing.Optional[str] = None, **properties: typing.Any) -> None:
        if name is not None:
            properties['name'] = name
        if isinstance(properties.get('overflow'), str):
            properties['overflow'] = enum(AgentBus.Overflow, properties['overflow'])
        for key in ('capacity', 'max_age', 'max_bytes'):
            if key in properties:
                properties[key] = whole(properties[key], key)
        super().__init__(**properties)
        drive()

    @functools.cached_property
    def _receipts(self) -> typing.Deque[_Receipt]:
        return collections.deque()

    @functools.cached_property
    def _received(self) -> typing.Deque[typing.Any]:
        return collections.deque()

    @property
    def accepts(self) -> typing.Optional[typing.List[str]]:
        """The names of the messages to all that it takes, or None for all of them."""
        return None if self.accepts_all() else self.dup_accepts()

    @accepts.setter
    def accepts(self, accepts: typing.Optional[typing.List[str]]) -> None:
        self.set_accepts(accepts)

    @attribute
    def name(self) -> str:
        """Its name on the bus."""
        name: typing.Any = self.get_name()  # None is for those who have none yet
        return name

    bus = attribute(AgentBus.Subscriber.dup_bus)
    group = attribute(AgentBus.Subscriber.get_group)
    capacity = number(AgentBus.Subscriber.get_capacity, AgentBus.Subscriber.set_capacity)
    overflow = attribute(AgentBus.Subscriber.get_overflow)
    max_age = number(AgentBus.Subscriber.get_max_age, AgentBus.Subscriber.set_max_age)
    max_bytes = number(AgentBus.Subscriber.get_max_bytes, AgentBus.Subscriber.set_max_bytes)
    priority = attribute(AgentBus.Subscriber.get_priority)
    paused = property(AgentBus.Subscriber.get_paused, AgentBus.Subscriber.set_paused)
    main_context = attribute(AgentBus.Subscriber.get_main_context)
    topics = attribute(AgentBus.Subscriber.list_topics)
    n_delivered = attribute(AgentBus.Subscriber.get_n_delivered)
    n_dropped = attribute(AgentBus.Subscriber.get_n_dropped)
    n_queued = attribute(AgentBus.Subscriber.get_n_queued)

    def __init_subclass__(cls, **kwargs: typing.Any) -> None:
        super().__init_subclass__(**kwargs)
        original: typing.Any = cls.__dict__.get('do_message')
        if original is None:
            return
        two = wants_delivery(functools.partial(original, None))

        @functools.wraps(original)
        def do_message(self: Subscriber, message: typing.Any, *rest: typing.Any) -> typing.Any:
            if type(self).do_message is not do_message:
                return original(self, message, *rest)  # from the method of a subclass
            turn, self._open = self._open, None
            method = Handler(self, None, functools.partial(original, self), True)
            method.wants_delivery = two
            return self._handle(message, (method,), turn)
        setattr(cls, 'do_message', do_message)
        cls._has_method = True

    @typing.overload
    def on(self, name: typing.Union[str, MessageType, None] = None, handler: None = None, *,
           cancel: bool = True) -> typing.Callable[[F], F]: ...

    @typing.overload
    def on(self, name: Plain, *, cancel: bool = True) -> Handler: ...

    @typing.overload
    def on(self, name: typing.Union[str, MessageType, None], handler: Plain, *, cancel: bool = True) -> Handler: ...

    def on(self, name: typing.Any = None, handler: typing.Optional[Plain] = None, *, cancel: bool = True) -> typing.Any:
        """Calls handler(message), plain or async: on(f), on('cancel', f), or as a decorator @on('cancel').

        A handler of two parameters is given the delivery, too. An async one need not end it; a plain one has to call
        complete(), fail() or fail_message(). A coroutine is cancelled when its message is, unless `cancel` is False.

        Returns what to disconnect() again; as a decorator, the function.
        """
        if callable(name):
            name, handler = None, name
        name = name_of(name)
        if handler is None:
            def decorate(function: F) -> F:
                self.on(name, function, cancel=cancel)
                return function
            return decorate
        if not callable(handler):
            raise TypeError(f'a handler is to be called, and {handler!r} cannot be')
        drive()
        entry = Handler(self, name, handler, cancel)
        self._handlers += (entry,)
        self._connect_handlers()
        return entry

    @functools.cached_property
    def _connections(self) -> typing.Dict[typing.Optional[str], int]:
        return {}

    def _connect_handlers(self) -> None:
        """Connects to the names that the handlers want and to no others, since the bus counts what nobody hears."""
        wanted = {handler.name for handler in self._handlers}
        for name in set(self._connections) - wanted:
            self.disconnect(self._connections.pop(name))
        for name in wanted - set(self._connections):
            signal = 'message' if name is None else f'message::{name}'
            self._connections[name] = self.connect(signal, Subscriber._on_message)

    def _on_message(self, message: typing.Any) -> None:
        # Handlers of all names and handlers of this one have a connection each. The first one calls all, in their order.
        if self._heard is not None and self._heard == _identify(message):
            self._heard = None
            return
        if None in self._connections and len(self._connections) > 1:
            self._heard = _identify(message)
        name = message.get_name()
        handlers = [handler for handler in self._handlers if handler.name is None or handler.name == name]
        self._handle(message, handlers, None, self._has_method)

    def _handle(self, message: typing.Any, handlers: typing.Sequence[Handler], turn: typing.Optional[_Turn],
                has_more: bool = False) -> None:
        errors: typing.List[BaseException] = []
        awaitables = []
        for handler in handlers:
            if handler.is_gone:
                continue  # another handler of this message disconnected it
            try:
                if handler.wants_delivery:
                    turn = turn or _Turn(self, message)
                    delivery = turn.delivery if handler.is_async else turn.take()
                    result = handler.function(message, delivery)
                else:
                    result = handler.function(message)
            except BaseException as error:
                errors.append(error)
            else:
                if inspect.isawaitable(result):
                    awaitables.append((result, handler.cancel))
        if turn is None and (awaitables or errors):
            turn = _Turn(self, message)
        if turn is None:
            return
        for reason in errors:
            turn.fail(reason)
        for awaitable, cancel in awaitables:
            turn.add(awaitable, cancel)
        if has_more:
            self._open = turn
        else:
            turn.release()
        for reason in errors:
            if isinstance(reason, (SystemExit, KeyboardInterrupt)):
                stop(reason)

    @attribute
    def delivery(self) -> typing.Optional[Delivery]:
        """The delivery in the hand of an async handler or of a loop, to ask it is_cancelled(), or None."""
        turn = self._turn() if self._turn is not None else None
        if turn is not None and turn.delivery is not None:
            return turn.delivery
        loop = self._loop() if self._loop is not None else None
        return loop.delivery if loop is not None else None

    def defer(self) -> Delivery:
        """Takes the delivery by hand: async handlers and loops then do not hold the subscriber for this message."""
        if self.delivery is not None:
            raise RuntimeError('the message in hand belongs to an async handler or a loop: its delivery is theirs')
        delivery = super().defer()
        if delivery is None:
            raise RuntimeError('defer() wants to be called in a handler, once for a message')
        self._deferred = _identify(delivery.get_message())
        return delivery

    def _hand_out(self, delivery: typing.Any) -> None:
        """To the first who waits, or who will."""
        while self._receipts:
            receipt = self._receipts.popleft()
            if not receipt.done():
                receipt.set_result(delivery)
                return
        self._received.append(delivery)

    @typing.overload  # type: ignore[override]
    def receive(self, timeout: typing.Optional[float] = None) -> typing.Coroutine[typing.Any, typing.Any, Message]: ...

    @typing.overload
    def receive(self, timeout_ms: int, cancellable: typing.Optional[Gio.Cancellable]) -> Message: ...

    def receive(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:
        """Awaits the next message. It counts as handled.

        If none comes within so many seconds, asyncio.TimeoutError is raised. On no bus, and when the subscriber leaves its
        bus, GLib.Error with BusError.CLOSED. From the first call on the subscriber is `paused`: its handlers get nothing.

        With milliseconds and a cancellable or None, it is what introspection gives, and blocks.
        """
        if len(args) > 1 or 'cancellable' in kwargs or 'timeout_ms' in kwargs:
            return super().receive(*args, **kwargs)
        return self._receive(*args, **kwargs)

    async def _receive(self, timeout: typing.Optional[float] = None) -> Message:
        receipt = _Receipt(self)
        if timeout is not None:
            sleep(1000 * timeout).add_done_callback(receipt.expire)
        delivery = await receipt.wait()
        delivery.complete()
        return delivery.get_message()

    def __aiter__(self) -> typing.AsyncIterator[Message]:
        """The next message comes when it is asked for; leaving the loop completes the last one.

        The loop ends when the subscriber is on no bus, after the last message that it was given.
        """
        return _Loop(self)

    def __repr__(self) -> str:
        return f'<AgentBus.{type(self).__name__} {self.get_name()!r} {self.get_n_queued()} queued>'


Subscriber = override(Subscriber)  # type: ignore[misc]
