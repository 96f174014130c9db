# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes AgentBus at home in Python. Everything works without it too.

Coroutines run as tasks of the asyncio loop that runs in the thread, if there is one, else on the GLib main context.
Under asyncio the thread has to iterate the GLib context as well, as gbulb does.
"""

import asyncio
import atexit
import functools
import heapq
import inspect
import itertools
import json
import logging
import threading
import weakref

from gi.repository import GLib

from ..module import get_introspection_module
from ..overrides import override

AgentBus = get_introspection_module('AgentBus')
_log = logging.getLogger('AgentBus')
__all__ = ['Message', 'Frame', 'Info', 'Subscriber', 'Bus', 'RouteTable', 'RouterDispatcher',
           'Future', 'Task', 'pack', 'run', 'spawn', 'sleep']


def _running_loop():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class Future:
    """A result that is to come: awaitable in any coroutine. To be used in one thread."""

    def __init__(self):
        self._outcome = None
        self._callbacks = []

    def done(self):
        return self._outcome is not None

    def cancelled(self):
        return False

    def result(self):
        value, error = self._outcome
        if error is not None:
            raise error
        return value

    def exception(self):
        return self._outcome[1]

    def set_result(self, value=None):
        self._set(value, None)

    def set_exception(self, error):
        self._set(None, error)

    def _set(self, value, error):
        if self._outcome is not None:
            raise RuntimeError('the future has its result already')
        self._outcome = (value, error)
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks:
            callback(self)

    def add_done_callback(self, callback):
        if self._outcome is not None:
            callback(self)
        else:
            self._callbacks.append(callback)

    def __await__(self):
        if self._outcome is None:
            loop = _running_loop()
            if loop is None:
                yield self
            else:
                waiter = loop.create_future()
                wake = lambda: waiter.done() or waiter.set_result(None)
                self.add_done_callback(lambda _: loop.call_soon_threadsafe(wake))
                yield from waiter
        return self.result()


class Task(Future):
    """A coroutine on its way, without asyncio. It runs at once up to its first wait."""

    def __init__(self, coroutine):
        super().__init__()
        self._coroutine = coroutine
        self._step()

    def _step(self, _waited=None):
        resume, argument = self._coroutine.send, None
        try:
            while True:
                waited = resume(argument)
                if isinstance(waited, Future):
                    return waited.add_done_callback(self._step)
                resume, argument = self._coroutine.throw, TypeError(f'to await {waited!r} takes an asyncio loop')
        except StopIteration as stop:
            self.set_result(stop.value)
        except BaseException as error:
            self.set_exception(error)


def spawn(coroutine):
    """Starts a coroutine; returns what to await for its result, if one wants to."""
    loop = _running_loop()
    return Task(coroutine) if loop is None else loop.create_task(coroutine)


def _wait(future):
    context = GLib.MainContext.ref_thread_default()
    while not future.done():
        context.iteration(True)
    return future.result()


def run(coroutine):
    """Runs a coroutine on the thread's main context until it is done; returns its result, as asyncio.run() does."""
    if _running_loop() is not None:
        coroutine.close()
        raise RuntimeError('AgentBus.run() cannot be called where an asyncio loop runs')
    try:
        return _wait(Task(coroutine))
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
    if context not in timers:
        timers[context] = _Timer()
    return timers[context].add(milliseconds)


def _awaitable(start, finish, n_args=1):
    """Without a callback, an operation returns a Future."""
    @functools.wraps(start)
    def call(self, *args):
        if any(callable(arg) for arg in args):
            return start(self, *args)
        future = Future()

        def done(source, result, *_):
            try:
                future.set_result(finish(source, result))
            except GLib.Error as error:
                future.set_exception(error)

        start(self, *(args + (None,))[:n_args], done)
        return future
    return call


def pack(value):
    """A payload of what JSON can say: a GLib.Variant stays itself, None is no payload."""
    if value is None or isinstance(value, GLib.Variant):
        return value
    return AgentBus.payload_from_json(json.dumps(value, allow_nan=False))


def _enum(kind, value):
    """An enumeration's value by its nick: 'completed' for TaskStatus.COMPLETED."""
    return getattr(kind, value.upper().replace('-', '_')) if isinstance(value, str) else value


def _set(message, ttl=None, reliable=None, trace=None, cause=None, error_reply=None):
    if ttl is not None:
        message.set_ttl(ttl)
    if reliable is not None:
        message.set_reliable(reliable)
    if trace is not None:
        message.set_trace(trace)
    if cause is not None:
        message.set_cause(cause)
    if error_reply is not None:
        message.set_error_reply(error_reply)
    return message


_new = AgentBus.Message


def _ending(new):
    return staticmethod(lambda source, target=None, reason=None, **options: _set(new(source, target, reason), **options))


def _part(new):
    return staticmethod(lambda source, target, task_id, payload=None, **options:
                        _set(new(source, target, task_id, pack(payload)), **options))


def _answer(new):
    return staticmethod(lambda source, target, task_id, payload=None, status='completed', **options:
                        _set(new(source, target, task_id, _enum(AgentBus.TaskStatus, status), pack(payload)), **options))


def _routed(kind):
    return staticmethod(lambda source, actor, payload=None, **options:
                        _set(_new.new_routed(_enum(AgentBus.MessageType, kind), source, actor, pack(payload)), **options))


class _FrameOrNew:
    """`message.frame` is the frame of a message, `Message.frame()` makes a message of one."""

    def __get__(self, message, owner):
        return self.new if message is None else message.get_frame()

    @staticmethod
    def new(source, target, frame, direction='downstream', **options):
        return _set(_new.new_frame(source, target, frame, _enum(AgentBus.FrameDirection, direction)), **options)


class Message(AgentBus.Message):
    """Each type has a constructor of its name: Message.task_request('ui', 'worker', '1', payload={'x': 1}, ttl=500).

    Each takes the options ttl, reliable, trace, cause (a message) and error_reply. A payload is what JSON can say,
    or a GLib.Variant; `payload` gives it back as Python values.
    """

    end = _ending(_new.new_end)
    cancel = _ending(_new.new_cancel)
    task_update = _part(_new.new_task_update)
    task_update_urgent = _part(_new.new_task_update_urgent)
    task_stream_start = _part(_new.new_task_stream_start)
    task_stream_data = _part(_new.new_task_stream_data)
    task_stream_end = _part(_new.new_task_stream_end)
    task_response = _answer(_new.new_task_response)
    task_response_urgent = _answer(_new.new_task_response_urgent)
    request_inference = _routed('request-inference')
    request_inference_batch = _routed('request-inference-batch')
    flag_last_inference = _routed('flag-last-inference')
    model_handshake = _routed('model-handshake')
    model_version = _routed('model-version')
    model_update = _routed('model-update')
    send_trajectory = _routed('send-trajectory')
    shutdown = _routed('shutdown')
    frame = _FrameOrNew()

    @staticmethod
    def routed(kind, source, actor, payload=None, **options):
        return _set(_new.new_routed(_enum(AgentBus.MessageType, kind), source, actor, pack(payload)), **options)

    @staticmethod
    def activate(source, target=None, payload=None, **options):
        return _set(_new.new_activate(source, target, pack(payload)), **options)

    @staticmethod
    def deactivate(source, target=None, **options):
        return _set(_new.new_deactivate(source, target), **options)

    @staticmethod
    def agent_ready(info, **options):
        return _set(_new.new_agent_ready(info), **options)

    @staticmethod
    def agent_registry(source, target, runner, infos, **options):
        return _set(_new.new_agent_registry(source, target, runner, infos), **options)

    @staticmethod
    def agent_error(source, target, error, **options):
        return _set(_new.new_agent_error(source, target, error), **options)

    @staticmethod
    def task_request(source, target, task_id, name=None, payload=None, **options):
        return _set(_new.new_task_request(source, target, task_id, name, pack(payload)), **options)

    @staticmethod
    def task_update_request(source, target, task_id, **options):
        return _set(_new.new_task_update_request(source, target, task_id), **options)

    @staticmethod
    def task_cancel(source, target, task_id, reason=None, **options):
        return _set(_new.new_task_cancel(source, target, task_id, reason), **options)

    @staticmethod
    def custom(name, source, target=None, payload=None, channel='data', **options):
        return _set(_new.new_custom(name, _enum(AgentBus.Channel, channel), source, target, pack(payload)), **options)

    type = property(_new.get_message_type)
    reliable = property(_new.is_reliable)
    error_reply = property(_new.wants_error_reply)

    @property
    def payload(self):
        """Python values; NaN and infinity in a dict or list are None, since JSON has no word for them."""
        payload = self.get_payload()
        if payload is None:
            return None
        # Text is several times faster than unpack().
        return json.loads(self.dup_payload_json()) if payload.get_type_string() in ('a{sv}', 'av') else payload.unpack()

    def __repr__(self):
        return f'<AgentBus.Message {self.to_string()}>'


for _name in ('name', 'channel', 'source', 'target', 'seq', 'sent_at', 'direction', 'reason', 'task_id', 'task_name',
              'status', 'info', 'infos', 'runner', 'ttl', 'cause', 'trace'):
    setattr(Message, _name, property(getattr(_new, f'get_{_name}')))
Message = override(Message)


class Frame(AgentBus.Frame):
    def __repr__(self):
        data = self.get_data()
        return f'<AgentBus.Frame {self.get_id()} {self.get_kind()!r} {data.get_size() if data else 0} bytes>'


class Info(AgentBus.Info):
    def __repr__(self):
        return f'<AgentBus.Info {self.get_name()!r} of {self.get_runner()!r}>'


Frame, Info = override(Frame), override(Info)


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
    """

    _handlers = ()
    _listening = False
    _taken = None
    _work = None

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        original = cls.__dict__.get('do_message')
        if original is None:
            return

        @functools.wraps(original)
        def do_message(self, message):
            if type(self).do_message is not do_message:
                return original(self, message)  # from the method of a subclass
            self._handle(message, (functools.partial(original, self),))
        cls.do_message = do_message

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
            self._handle(message, [h.function for h in handlers if h.name is None or h.name == name])

    def _handle(self, message, functions):
        coroutines, errors = [], []
        for function in functions:
            try:
                result = function(message)
            except Exception as error:
                _log.exception('A handler of %r failed', self)
                errors.append(error)
            else:
                if inspect.isawaitable(result):
                    coroutines.append(result)
        if coroutines or errors:
            _Work(self, message, coroutines, errors)

    @property
    def delivery(self):
        """The delivery in the hand of an async handler, to ask it is_cancelled(), or None."""
        work = self._work() if self._work is not None else None
        return work.delivery if work is not None else None

    def defer(self):
        delivery = super().defer()
        if delivery is not None:
            message = delivery.get_message()
            self._taken = (message.get_seq(), message.get_sent_at())
        return delivery

    async def __aiter__(self):
        """The next message comes when it is asked for; leaving the loop completes the last one.

        What comes before the loop begins goes to the handlers only. The loop does not end when the subscriber leaves
        the bus. One loop at a time, and no async handlers beside it: a message is deferred once.
        """
        waiting = Future()

        def take(subscriber, message):
            waiting.set_result(subscriber.defer())

        handler = self.connect('message', take)
        delivery = None
        try:
            while True:
                delivery = await waiting
                waiting = Future()
                yield delivery.get_message()
                delivery.complete()
                delivery = None
        finally:
            self.disconnect(handler)
            if delivery is None and waiting.done():
                delivery = waiting.result()
            if delivery is not None:
                delivery.complete()

    def __repr__(self):
        return f'<AgentBus.{type(self).__name__} {self.get_name()!r} {self.get_n_queued()} queued>'


class _Work:
    """One delivery in the hands of all the handlers that go on."""

    def __init__(self, subscriber, message, coroutines, errors):
        self.subscriber, self.errors, self.left = subscriber, errors, len(coroutines)
        taken = subscriber._taken == (message.get_seq(), message.get_sent_at())
        # Somebody else may have deferred it: then it is theirs to say how it went.
        self.delivery = None if taken else subscriber.defer()
        if not taken:
            subscriber._work = weakref.ref(self)  # a coroutine that is forgotten must not keep it
        for coroutine in coroutines:
            spawn(coroutine if inspect.iscoroutine(coroutine) else _call(coroutine)).add_done_callback(self.end)
        if not coroutines:
            self.finish()

    def end(self, task):
        error = asyncio.CancelledError('cancelled') if task.cancelled() else task.exception()
        if error is not None:
            _log.error('A handler of %r failed', self.subscriber, exc_info=error)
            self.errors.append(error)
        self.left -= 1
        if self.left == 0:
            self.finish()

    def finish(self):
        if self.delivery is None:
            return
        if self.errors:
            error = self.errors[0]
            self.delivery.fail_message(getattr(error, 'message', None) or str(error) or type(error).__name__)
        else:
            self.delivery.complete()
        self.delivery = None


async def _call(awaitable):
    return await awaitable


Subscriber = override(Subscriber)


class Bus(AgentBus.Bus):
    """`await bus.stop()`, `with bus:` and `async with bus:` stop it in the end; `bus.statistics` is a dict."""

    stop_async = stop = _awaitable(AgentBus.Bus.stop_async, AgentBus.Bus.stop_finish)
    start_async = start = _awaitable(AgentBus.Bus.start_async, AgentBus.Bus.start_finish)
    unsubscribe_async = _awaitable(AgentBus.Bus.unsubscribe_async, AgentBus.Bus.unsubscribe_finish, 2)
    statistics = property(lambda self: self.get_statistics().unpack())

    def __enter__(self):
        return self

    def __exit__(self, *error):
        _wait(self.stop())

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        await self.stop()

    def __repr__(self):
        return f'<AgentBus.Bus {self.get_n_subscribers()} subscribers{"" if self.is_running() else ", stopped"}>'


class RouteTable(AgentBus.RouteTable):
    """routes['actor'] = 'router'; None for an actor that is known and has none."""

    __iter__ = None  # the table cannot be listed

    def __getitem__(self, actor):
        if not self.contains(actor):
            raise KeyError(actor)
        return self.lookup(actor)

    def __setitem__(self, actor, router):
        if router is None:
            self.unassign(actor)
        else:
            self.assign(actor, router)

    def __delitem__(self, actor):
        if not self.remove(actor):
            raise KeyError(actor)

    def __contains__(self, actor):
        return self.contains(actor)

    def __len__(self):
        return self.get_n_actors()

    def __bool__(self):
        return True

    def __repr__(self):
        return f'<AgentBus.RouteTable {len(self)} actors>'


class RouterDispatcher(AgentBus.RouterDispatcher):
    """`await dispatcher.stop()`; `dispatcher.statistics` is a dict."""

    stop_async = stop = _awaitable(AgentBus.RouterDispatcher.stop_async, AgentBus.RouterDispatcher.stop_finish)
    statistics = property(lambda self: self.get_statistics().unpack())

    def __repr__(self):
        return f'<AgentBus.RouterDispatcher {self.get_n_parked()} parked>'


Bus, RouteTable, RouterDispatcher = override(Bus), override(RouteTable), override(RouterDispatcher)
