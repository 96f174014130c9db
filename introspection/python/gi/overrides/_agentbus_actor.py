# SPDX-License-Identifier: LGPL-2.1-or-later
"""Actors, and the tasks that they do for one another. A part of the overrides in AgentBus.py."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import contextvars
import functools
import inspect
import json
import typing
import weakref

from gi.repository import Gio, GLib

from ..module import get_introspection_module
from ..overrides import override
from ._agentbus_asyncio import drive, stop
from ._agentbus_message import (Message, attribute, check_names, encode, is_json, number, pack, refuse,
                                unpack, whole)
from ._agentbus_subscriber import OVERRIDES, Canceller, describe, log_failure
from ._agentbus_waiting import Future, begin, spawn

if typing.TYPE_CHECKING:
    from ._agentbus_group import TaskGroup
    from gi.repository import AgentBus
    from gi.repository.AgentBus import Bus
else:
    AgentBus = get_introspection_module('AgentBus')

Plain = typing.Callable[..., typing.Any]
F = typing.TypeVar('F', bound=typing.Callable[..., typing.Any])
Callback = typing.Optional[typing.Callable[..., object]]

# How many chunks a generator sends before it asks whether those are read. Each such question costs some memory for good.
CHUNKS_AT_ONCE = 16

# The job that is worked on, and its worker: what is requested meanwhile belongs to it.
_current: contextvars.ContextVar[typing.Optional[typing.Tuple[typing.Any, typing.Any]]] = \
    contextvars.ContextVar('agentbus-job', default=None)


# --- Errors ---

class TaskError(GLib.Error):
    """Why a task has failed: the error that the worker failed with, or that of the bus.

    As any GLib.Error it has `domain`, `code`, `message` and matches(). If a worker raised an exception, `type` is the name of
    its class, `message` its text, and the error matches BusError.FAILED. Else `type` is None.
    """

    __module__ = 'gi.repository.AgentBus'

    def __init__(self, message: str, domain: str = '', code: int = 0, type: typing.Optional[str] = None) -> None:
        super().__init__(message, domain or _BUS_ERROR, code)
        self.type = type

    def __str__(self) -> str:
        if self.type is None:
            return self.message
        return f'{self.type}: {self.message}' if self.message else self.type

    def __repr__(self) -> str:
        return f'AgentBus.{type(self).__name__}({str(self)!r}, {self.domain!r}, {self.code})'


class TaskCancelledError(TaskError, asyncio.CancelledError):
    """The task was cancelled. It is an asyncio.CancelledError, too: if nobody catches it, who awaits the task is cancelled."""

    __module__ = 'gi.repository.AgentBus'


_BUS_ERROR = GLib.quark_to_string(AgentBus.BusError.quark())


def make_error(error: GLib.Error, cancelled: bool, details: typing.Any) -> TaskError:
    """What is raised for the error of a task. A worker that has failed with an exception tells of it in the details."""
    kind, message = None, error.message
    if isinstance(details, dict) and isinstance(details.get('type'), str) and details.get('error') == message:
        kind, text = details['type'], details.get('message')
        message = text if isinstance(text, str) else message
    return (TaskCancelledError if cancelled else TaskError)(message, error.domain, error.code, kind)


def fail_job(job: typing.Any, error: BaseException) -> bool:
    """Answers with what was raised."""
    if isinstance(error, TaskError) and error.type is not None:
        return job.fail_details(pack({'error': str(error), 'type': error.type, 'message': error.message}))
    if isinstance(error, GLib.Error):
        return job._fail_error(error)
    if isinstance(error, asyncio.CancelledError):
        return job._fail_error(GLib.Error('The worker was cancelled', _BUS_ERROR, AgentBus.BusError.CANCELLED))
    text, message = (_clean(text) for text in (describe(error), str(error)))
    return job.fail_details(pack({'error': text, 'type': type(error).__qualname__, 'message': message}))


def _clean(text: str) -> str:
    """What can be in a payload."""
    return text.replace('\0', '').encode('utf-8', 'replace').decode()


# --- The requester's side ---

class _Stream:
    """The chunks of a task that have come and are not read yet."""

    def __init__(self) -> None:
        self.chunks: typing.Optional[typing.Deque[typing.Any]] = collections.deque()  # None if nobody reads them
        self.reads_by_hand = False  # mark_read() says what is read
        self.waiter: typing.Optional[Future[None]] = None
        self.end: typing.Optional[Future[None]] = None

    def on_chunk(self, _task: object, _index: int, payload: typing.Any) -> None:
        if self.chunks is not None:
            self.chunks.append(payload)
            self.wake()

    def on_finished(self, _task: object) -> None:
        if self.end is not None and not self.end.done():
            self.end.set_result()
        self.wake()

    def wake(self) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result()


class Task(AgentBus.Task):
    """What request() returns. `await task` gives the answer, `async for chunk in task` the parts that come before it.

    If the task fails, both raise TaskError, and TaskCancelledError if it was cancelled. If what awaits the task is cancelled,
    or leaves the loop before its end, the task is cancelled.
    """

    __module__ = OVERRIDES

    _stream: typing.Optional[_Stream] = None

    id = attribute(AgentBus.Task.get_id)
    target = attribute(AgentBus.Task.get_target)
    task_name = attribute(AgentBus.Task.get_task_name)
    status = attribute(AgentBus.Task.get_status)
    finished = attribute(AgentBus.Task.has_finished)
    n_missed = attribute(AgentBus.Task.get_n_missed)

    @attribute
    def response(self) -> typing.Any:
        """What the worker has answered, as Python values; None before that."""
        text = self.get_response_json()
        return unpack(self.get_response()) if text is None else json.loads(text)

    @attribute
    def error(self) -> typing.Optional[TaskError]:
        """Why the task has failed or was cancelled, or None."""
        error = self.get_error()
        if error is None:
            return None
        return make_error(error, self.get_status() == AgentBus.TaskStatus.CANCELLED, self.response)

    def result(self) -> typing.Any:
        """The response of a task that has ended. Raises its error; asyncio.InvalidStateError before the end."""
        if not self.has_finished():
            raise asyncio.InvalidStateError('the task has not ended yet')
        return self._tell_result()

    def _tell_result(self) -> typing.Any:
        """As result(), of a task of which it is known that it has ended."""
        error = self.error
        if error is not None:
            raise error
        return self.response

    def cancel(self, reason: typing.Optional[str] = None) -> None:
        """Ends the task, and has the worker stop."""
        super().cancel(reason)

    def set_timeout(self, timeout: int) -> None:
        """How many milliseconds the task may take, from the request on; 0 for any time."""
        super().set_timeout(whole(timeout, 'timeout'))

    def _listen(self) -> _Stream:
        """From now on chunks are kept until they are read."""
        if self._stream is None:
            self._stream = _Stream()
            self.connect('chunk', self._stream.on_chunk)
        return self._stream

    def _listen_to_end(self) -> _Stream:
        stream = self._listen()
        if stream.end is None:
            stream.end = Future()
            self.connect('finished', stream.on_finished)
        return stream

    def __await__(self) -> typing.Generator[typing.Any, None, typing.Any]:
        drive()
        stream = self._listen_to_end()
        stream.chunks = None
        if stream.reads_by_hand:
            stream.reads_by_hand = False
            self.set_reads_by_hand(False)
        # If it has ended before it was listened to, nothing more comes.
        if not self.has_finished():
            try:
                yield from typing.cast('Future[None]', stream.end).__await__()
            except BaseException:
                self.cancel('Nobody waits for the task any more')
                raise
        return self._tell_result()

    def __aiter__(self) -> typing.AsyncIterator[typing.Any]:
        """The parts of the answer, as they come. Leaving the loop before the last one cancels the task."""
        return _Chunks(self)

    def __repr__(self) -> str:
        return f'<AgentBus.Task {self.get_task_name()!r} of {self.get_target()!r}, {self.get_status().value_nick}>'


class _Chunks:
    """One `async for` over a task."""

    def __init__(self, task: Task) -> None:
        drive()
        self.task, self.stream = task, task._listen_to_end()
        if self.stream.chunks is None:
            self.stream.chunks = collections.deque()
        self.n_read = len(self.stream.chunks)  # what came before the loop has been taken for read
        self.stream.reads_by_hand = True
        task.set_reads_by_hand(True)

    def __aiter__(self) -> _Chunks:
        return self

    async def __anext__(self) -> typing.Any:
        chunks = typing.cast('typing.Deque[typing.Any]', self.stream.chunks)
        while not chunks:
            if self.task.has_finished():
                self.task.result()
                raise StopAsyncIteration
            waiter = self.stream.waiter = self.stream.waiter or Future()
            try:
                if not self.task.has_finished():  # it may have ended in another thread
                    await waiter
            except BaseException:
                await self.aclose()
                raise
        if self.n_read > 0:
            self.n_read -= 1
        else:
            self.task.mark_read(1)
        return unpack(chunks.popleft())

    async def aclose(self) -> None:
        """Cancels the task, unless it has ended."""
        self.close()

    def close(self) -> None:
        if not self.task.has_finished():
            self.task.cancel('Nobody reads the answer any more')

    def __del__(self) -> None:
        self.close()


Task = override(Task)  # type: ignore[misc]


# --- The worker's side ---

class Job(AgentBus.Job):
    """What a worker is to do. Its answer is what the handler returns or raises, or complete() or fail()."""

    __module__ = OVERRIDES

    id = attribute(AgentBus.Job.get_id)
    message = attribute(AgentBus.Job.get_message)
    task_name = attribute(AgentBus.Job.get_task_name)
    requester = attribute(AgentBus.Job.get_requester)
    cancellable = attribute(AgentBus.Job.get_cancellable)
    cancelled = attribute(AgentBus.Job.is_cancelled)
    ended = attribute(AgentBus.Job.has_ended)

    @attribute
    def payload(self) -> typing.Any:
        """What the requester has given, as Python values."""
        message: typing.Any = self.get_message()
        return message.payload

    @attribute
    def remaining_time(self) -> typing.Optional[float]:
        """How many seconds are left, or None for any time."""
        left = self.get_remaining_time()
        return None if left < 0 else left / 1000

    def update(self, update: typing.Any = None) -> bool:
        """Tells the requester how far the job has come; False if the job has ended."""
        return super().update(pack(update))

    def send_chunk(self, payload: typing.Any) -> bool:
        """Sends a part of the answer, and never waits; False if the job has ended."""
        return super().send_chunk(_pack_chunk(payload))

    def send_chunk_async(self, payload: typing.Any,  # type: ignore[override]
                         cancellable: typing.Optional[Gio.Cancellable] = None, callback: Callback = None,
                         *user_data: typing.Any) -> Future[bool]:
        """Sends a part of the answer, and waits while too many are not read. Await it, or give it a callback."""
        return begin(AgentBus.Job.send_chunk_async, AgentBus.Job.send_chunk_finish, self, (_pack_chunk(payload),),
                     cancellable, callback, user_data)

    def complete(self, response: typing.Any = None) -> bool:
        """Answers that the job is done; False if it has ended already."""
        if not is_json(response):
            return super().complete(pack(response))
        text = encode(response)
        try:
            return self.complete_json(text)
        except GLib.Error as error:
            if error.matches(AgentBus.BusError.quark(), AgentBus.BusError.CLOSED):
                return False
            refuse(response, error)

    def fail(self, error: BaseException) -> bool:  # type: ignore[override]
        """Answers that the job has failed with an exception. A GLib.Error keeps its domain and code."""
        return fail_job(self, error)

    _fail_error = AgentBus.Job.fail

    def __repr__(self) -> str:
        return f'<AgentBus.Job {self.get_task_name()!r} for {self.get_requester()!r}>'


Job = override(Job)  # type: ignore[misc]


def _pack_chunk(payload: typing.Any) -> GLib.Variant:
    if payload is None:
        raise TypeError('a chunk cannot be None')
    return pack(payload)


def count_parameters(function: Plain) -> int:
    """How many arguments a handler wants: 0, 1 for the payload, or 2 for the payload and the job."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return 1
    if any(parameter.kind == parameter.VAR_POSITIONAL for parameter in parameters):
        return 2
    places = [parameter for parameter in parameters
              if parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD)]
    needed = [parameter for parameter in places if parameter.default is parameter.empty]
    return min(max(len(needed), min(len(places), 1)), 2)


async def _send_chunks(job: typing.Any, generator: typing.Any) -> None:
    """Each value that a generator yields is a chunk. Ends the generator when nobody wants more."""
    n_sent = 0
    is_async = hasattr(generator, '__anext__')
    try:
        while not job.has_ended():
            try:
                chunk = await generator.__anext__() if is_async else next(generator)
            except (StopAsyncIteration, StopIteration):
                return
            n_sent += 1
            if n_sent % CHUNKS_AT_ONCE == 0:
                with contextlib.suppress(GLib.Error):  # the job has ended
                    await job.send_chunk_async(chunk)
            else:
                job.send_chunk(chunk)
    finally:
        if is_async:
            await generator.aclose()
        else:
            generator.close()


class _Work:
    """A coroutine that does a job."""

    def __init__(self, worker: typing.Any, job: typing.Any, awaitable: typing.Any) -> None:
        self.worker, self.job = weakref.ref(worker), job
        future = spawn(awaitable)
        canceller = Canceller(future, job)
        future.add_done_callback(functools.partial(self.end, canceller))

    def end(self, canceller: Canceller, future: typing.Any) -> None:
        canceller.finish()
        error = asyncio.CancelledError() if future.cancelled() else future.exception()
        _answer(self.worker(), self.job, None if error is not None else future.result(), error)


def _answer(worker: typing.Any, job: typing.Any, value: typing.Any, error: typing.Optional[BaseException]) -> None:
    """Ends the job with what its handler returned or raised, if it has not done so itself."""
    if error is None:
        try:
            job.complete(value)
            return
        except (TypeError, ValueError) as reason:  # it cannot be packed
            if job.has_ended():
                return
            error = reason
    if not isinstance(error, (asyncio.CancelledError, GLib.Error)):
        log_failure(worker, error)
    fail_job(job, error)
    if isinstance(error, (SystemExit, KeyboardInterrupt)):
        stop(error)


def _do_job(worker: typing.Any, job: typing.Any, function: Plain, n_parameters: int,
            answers: bool = True) -> None:
    """Calls a handler. @answers: what it returns is the answer; else it may keep the job."""
    token = _current.set((worker, job))
    try:
        arguments = (job.payload, job)[:n_parameters] if answers else (job,)
        result = function(*arguments)
        if inspect.isasyncgen(result) or inspect.isgenerator(result):
            result = _send_chunks(job, result)
        if inspect.isawaitable(result):
            _Work(worker, job, result)
        elif answers:
            _answer(worker, job, result, None)
    except BaseException as error:
        _answer(worker, job, None, error)
    finally:
        _current.reset(token)


def find_job(actor: typing.Any, job: typing.Any) -> typing.Any:
    """The job to which a request of the actor belongs: this one, or that in whose handler it is made."""
    current = _current.get()
    if job is None and current is not None and current[0] is actor and not current[1].has_ended():
        return current[1]
    return job


def make_request(actor: typing.Any, target: str, task_name: typing.Optional[str], payload: typing.Any,
                 timeout: typing.Optional[float], options: typing.Dict[str, typing.Any]) -> Message:
    """A request that is not sent yet."""
    if timeout is not None:
        options['ttl'] = max(1, round(check_timeout(timeout) * 1000))
    return Message.task_request(actor.get_name(), target, '-', task_name, payload, **options)


class TaskHandler:
    """What task() returns when it is given a handler: disconnect() ends it."""

    def __init__(self, actor: Actor, name: typing.Optional[str], function: Plain) -> None:
        self.name, self.function = name, function
        self.n_parameters = count_parameters(function)
        self._actor = weakref.ref(actor)

    def disconnect(self) -> None:
        """Ends it: from now on such a task is not found here. A second time does nothing."""
        actor = self._actor()
        if actor is not None and actor._task_handlers.get(self.name) is self:
            del actor._task_handlers[self.name]
            actor._connect_tasks()


def _check_task_name(name: typing.Any) -> None:
    if name is not None and (not isinstance(name, str) or not name):
        raise TypeError(f'task() takes the name of a task and a handler, not {name!r}')


def task(name: typing.Any = None) -> typing.Any:
    """In a class that derives from Actor: @AgentBus.task('sum') or @AgentBus.task, before a method that does the task."""
    function = name if callable(name) else None
    if function is None:
        _check_task_name(name)

    def mark(function: F) -> F:
        function._agentbus_task = (None if callable(name) else name,)  # type: ignore[attr-defined]
        return function
    return mark if function is None else mark(function)


class Actor(AgentBus.Actor):
    """A subscriber that does tasks for others: `@worker.task('sum')`, and asks them: `await actor.request('worker', 'sum')`.

    Its properties are given to the constructor: Actor('worker', max_jobs=4, parent='boss').
    """

    __module__ = OVERRIDES

    _marked: typing.Dict[typing.Optional[str], str] = {}  # the methods that do tasks

    def __init__(self, name: typing.Optional[str] = None, **properties: typing.Any) -> None:
        for key in ('max_jobs', 'max_pending', 'wait_for_target'):
            if key in properties:
                properties[key] = whole(properties[key], key)
        super().__init__(name, **properties)  # type: ignore[call-arg]
        for task_name, method in self._marked.items():
            self._add_task(task_name, _weak_method(self, method))
        if self._marked:
            self._connect_tasks()

    parent = attribute(AgentBus.Actor.get_parent)
    runner = attribute(AgentBus.Actor.dup_runner)
    active = attribute(AgentBus.Actor.is_active)
    bridged = attribute(AgentBus.Actor.is_bridged)
    state = attribute(AgentBus.Actor.get_state)
    keep_frames = attribute(AgentBus.Actor.get_keep_frames)
    max_jobs = number(AgentBus.Actor.get_max_jobs, AgentBus.Actor.set_max_jobs)
    max_pending = number(AgentBus.Actor.get_max_pending, AgentBus.Actor.set_max_pending)
    wait_for_target = number(AgentBus.Actor.get_wait_for_target, AgentBus.Actor.set_wait_for_target)
    dispatcher = property(AgentBus.Actor.dup_dispatcher, AgentBus.Actor.set_dispatcher)
    n_jobs = attribute(AgentBus.Actor.get_n_jobs)
    n_tasks = attribute(AgentBus.Actor.get_n_tasks)

    @attribute
    def statistics(self) -> typing.Dict[str, int]:
        """What get_statistics() returns, as a dict."""
        return self.get_statistics().unpack()

    def __init_subclass__(cls, **kwargs: typing.Any) -> None:
        super().__init_subclass__(**kwargs)
        marks = {name: member._agentbus_task[0] for name, member in cls.__dict__.items()
                 if hasattr(member, '_agentbus_task')}
        if marks:
            cls._marked = {**cls._marked, **{task_name: name for name, task_name in marks.items()}}
        original: typing.Any = cls.__dict__.get('do_task_request')
        if original is None:
            return

        @functools.wraps(original)
        def do_task_request(self: Actor, job: typing.Any) -> typing.Any:
            if type(self).do_task_request is not do_task_request:
                return original(self, job)  # from the method of a subclass
            if self._find_task(job) is None:
                _do_job(self, job, functools.partial(original, self), 1, False)
            return None
        setattr(cls, 'do_task_request', do_task_request)

    # --- Its own requests ---

    def request(self, target: str, task_name: typing.Optional[str] = None,  # type: ignore[override]
                payload: typing.Any = None, *, timeout: typing.Optional[float] = None,
                job: typing.Optional[Job] = None, **options: typing.Any) -> Task:
        """Requests something of somebody. Await what is returned, or loop over it.

        After so many seconds the task fails with BusError.TIMED_OUT. It belongs to the job in whose handler it is requested,
        or to another job of the actor. The options are those of Message: trace, conversation, cause.
        """
        check_names({'target': target})
        drive()
        job = find_job(self, job)
        task: typing.Any
        if timeout is None and job is None and not options:
            task = super().request(target, task_name, pack(payload))
        else:
            task = super().request_full(make_request(self, target, task_name, payload, timeout, options), job)
        task._listen()
        return task

    def group(self, *, timeout: typing.Optional[float] = None,  # type: ignore[override]
              collect: bool = False) -> TaskGroup:
        """Groups tasks: `async with actor.group() as g: g.request('worker', 'sum')` waits for all of them in the end.

        The first failure cancels all others, unless collect is true. After so many seconds all fail. The group of subscribers to
        which the actor belongs is get_group().
        """
        from ._agentbus_group import TaskGroup
        milliseconds = 0 if timeout is None else max(1, round(check_timeout(timeout) * 1000))
        return TaskGroup(self, timeout=milliseconds, collect=collect)

    # --- The tasks that it does ---

    @functools.cached_property
    def _task_handlers(self) -> typing.Dict[typing.Optional[str], TaskHandler]:
        return {}

    @functools.cached_property
    def _task_connections(self) -> typing.Dict[typing.Optional[str], int]:
        return {}

    @typing.overload
    def task(self, name: typing.Optional[str] = None, handler: None = None) -> typing.Callable[[F], F]: ...

    @typing.overload
    def task(self, name: F, handler: None = None) -> F: ...

    @typing.overload
    def task(self, name: typing.Optional[str], handler: Plain) -> TaskHandler: ...

    def task(self, name: typing.Any = None, handler: typing.Optional[Plain] = None) -> typing.Any:
        """Has a function do a task: @worker.task('sum'), or task('sum', f). @worker.task does all that have no other one.

        The handler is called with the payload, or with the payload and the job if it has two parameters. What it returns is the
        answer, and what it raises the failure. It may be a coroutine function, which is cancelled when nobody wants the
        answer any more, or a generator, plain or async: each value that it yields is a chunk.
        """
        if callable(name):
            self._set_task(None, name)
            return name
        _check_task_name(name)
        if handler is not None:
            return self._set_task(name, handler)

        def decorate(function: F) -> F:
            self._set_task(name, function)
            return function
        return decorate

    def _set_task(self, name: typing.Optional[str], function: Plain) -> TaskHandler:
        if not callable(function):
            raise TypeError(f'a handler is to be called, and {function!r} cannot be')
        if name in self._task_handlers:
            raise ValueError(f'{name!r} has a handler already')
        drive()
        handler = self._add_task(name, function)
        self._connect_tasks()
        return handler

    def _add_task(self, name: typing.Optional[str], function: Plain) -> TaskHandler:
        handler = self._task_handlers[name] = TaskHandler(self, name, function)
        return handler

    def _connect_tasks(self) -> None:
        """Connects to the names that have a handler, or to all: others are answered without asking."""
        wanted: typing.Set[typing.Optional[str]] = {None} if None in self._task_handlers else {*self._task_handlers}
        for name in {*self._task_connections} - wanted:
            self.disconnect(self._task_connections.pop(name))
        for name in wanted - {*self._task_connections}:
            signal = 'task-request' if name is None else f'task-request::{name}'
            self._task_connections[name] = self.connect(signal, Actor._on_task_request)

    def _find_task(self, job: typing.Any) -> typing.Optional[TaskHandler]:
        return self._task_handlers.get(job.get_task_name()) or self._task_handlers.get(None)

    def _on_task_request(self, job: typing.Any) -> None:
        handler = self._find_task(job)
        if handler is not None:
            _do_job(self, job, handler.function, handler.n_parameters)

    # --- Its life ---

    def end(self, reason: typing.Optional[str] = None, cancellable: typing.Optional[Gio.Cancellable] = None,
            callback: Callback = None, *user_data: typing.Any) -> Future[bool]:
        """Ends the actor and its children, after the work that they have. Await it, or give it a callback."""
        return begin(AgentBus.Actor.end_async, AgentBus.Actor.end_finish, self, (reason,), cancellable, callback,
                     user_data)

    end_async = end  # type: ignore[assignment]

    def hand_over(self, to: Actor, args: typing.Any = None, cancellable: typing.Optional[Gio.Cancellable] = None,
                  callback: Callback = None, *user_data: typing.Any) -> Future[bool]:
        """Has another actor of the same group be active in place of this one. Await it, or give it a callback."""
        return begin(AgentBus.Actor.hand_over_async, AgentBus.Actor.hand_over_finish, self, (to, pack(args)), cancellable,
                     callback, user_data)

    hand_over_async = hand_over  # type: ignore[assignment]


def check_timeout(timeout: float) -> float:
    if not 0 < timeout < 2**32 / 1000:
        raise ValueError(f'timeout has to be a number of seconds, not {timeout!r}')
    return timeout


def _weak_method(actor: typing.Any, name: str) -> Plain:
    """A method of the actor, which does not keep it."""
    reference = weakref.ref(actor)
    bound = getattr(actor, name)

    @functools.wraps(bound)
    def call(*arguments: typing.Any) -> typing.Any:
        return getattr(reference(), name)(*arguments)
    call.__signature__ = inspect.signature(bound)  # type: ignore[attr-defined]
    return call


Actor = override(Actor)  # type: ignore[misc]


# --- Who is there ---

class Peer(AgentBus.Peer):
    """An agent that a registry knows."""

    __module__ = OVERRIDES

    name = attribute(AgentBus.Peer.get_name)
    runner = attribute(AgentBus.Peer.get_runner)
    parent = attribute(AgentBus.Peer.get_parent)
    active = attribute(AgentBus.Peer.is_active)
    bridged = attribute(AgentBus.Peer.is_bridged)
    state = attribute(AgentBus.Peer.get_state)
    generation = attribute(AgentBus.Peer.get_generation)
    started_at = attribute(AgentBus.Peer.get_started_at)
    node = attribute(AgentBus.Peer.get_node)

    def __repr__(self) -> str:
        return f'<AgentBus.Peer {self.get_name()!r} {self.get_state().value_nick}>'


class Registry(AgentBus.Registry):
    """Registry(bus): `for peer in registry`, registry['worker'], `'worker' in registry`, `await registry.wait_for(['a'])`."""

    __module__ = OVERRIDES

    def __init__(self, bus: typing.Optional[Bus] = None, **properties: typing.Any) -> None:
        if bus is None:
            raise TypeError('AgentBus.Registry() needs bus')
        super().__init__(bus=bus, **properties)
        drive()

    bus = attribute(AgentBus.Registry.get_bus)

    def wait_for(self, names: typing.Iterable[str], timeout: typing.Optional[float] = None,
                 cancellable: typing.Optional[Gio.Cancellable] = None) -> Future[bool]:
        """Awaits that all of these are there. After so many seconds GLib.Error is raised, with BusError.TIMED_OUT."""
        if isinstance(names, str):
            raise TypeError('names has to be a list of names')
        found = list(names)
        for name in found:
            check_names({'names': name})
        milliseconds = 0 if timeout is None else max(1, round(check_timeout(timeout) * 1000))
        return begin(AgentBus.Registry.wait_for_async, AgentBus.Registry.wait_for_finish, self, (found, milliseconds),
                     cancellable, None)

    def __len__(self) -> int:
        n: int = self.get_n_items()
        return n

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> typing.Iterator[Peer]:
        return iter([self.get_item(i) for i in range(len(self))])

    def __getitem__(self, key: typing.Union[str, int]) -> Peer:
        if isinstance(key, str):
            peer: typing.Any = self.lookup(key)
            if peer is None:
                raise KeyError(key)
            return peer
        return list(self)[key]

    def __contains__(self, key: object) -> bool:
        if isinstance(key, str):
            return self.lookup(key) is not None
        return any(peer is key for peer in self)

    def __repr__(self) -> str:
        return f'<AgentBus.Registry {len(self)} peers>'


Peer, Registry = override(Peer), override(Registry)  # type: ignore[misc]
