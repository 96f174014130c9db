# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tasks that belong together, and what hosts actors. A part of the overrides in AgentBus.py."""

from __future__ import annotations

import collections
import functools
import typing

from gi.repository import Gio, GLib

from ..module import get_introspection_module
from ..overrides import override
from ._agentbus_actor import Task, TaskCancelledError, TaskError, find_job, make_error, make_request
from ._agentbus_asyncio import drive
from ._agentbus_message import attribute, check_names, number
from ._agentbus_subscriber import OVERRIDES
from ._agentbus_waiting import Future, begin

if typing.TYPE_CHECKING:
    from gi.repository import AgentBus
    from gi.repository.AgentBus import Actor, Bus, Job
else:
    AgentBus = get_introspection_module('AgentBus')

Callback = typing.Optional[typing.Callable[..., object]]
_BUS_ERROR = GLib.quark_to_string(AgentBus.BusError.quark())


class _Results:
    """The tasks of a group that have ended and that nobody has looked at, and who waits for more."""

    def __init__(self, group: typing.Any) -> None:
        self.ended: typing.Deque[typing.Any] = collections.deque()
        self.waiter: typing.Optional[Future[None]] = None
        group.connect('result', self.on_result)
        group.connect('finished', self.wake)

    def on_result(self, _group: object, task: typing.Any) -> None:
        self.ended.append(task)
        self.wake()

    def wake(self, *_arguments: object) -> None:
        waiter, self.waiter = self.waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result()

    async def wait(self, group: typing.Any) -> None:
        """Until a task has ended, or none is open."""
        waiter = self.waiter = self.waiter or Future()
        if group.get_n_open() > 0:  # another thread may have told of the last one
            await waiter


class TaskGroup(AgentBus.TaskGroup):
    """What actor.group() returns: `async with actor.group() as g: g.request('worker', 'sum', 1)`.

    Leaving the block waits for all tasks, and raises the first failure; an exception in the block cancels them. After that
    `g.results['worker']` is what the worker has answered. `async for task in g` has the tasks in the order in which they end.
    """

    __module__ = OVERRIDES

    def __init__(self, actor: typing.Optional[Actor] = None, **properties: typing.Any) -> None:
        if actor is None:
            raise TypeError('AgentBus.TaskGroup() needs actor')
        super().__init__(actor=actor, **properties)

    actor = attribute(AgentBus.TaskGroup.get_actor)
    collect = property(AgentBus.TaskGroup.get_collect, AgentBus.TaskGroup.set_collect)
    timeout = number(AgentBus.TaskGroup.get_timeout, AgentBus.TaskGroup.set_timeout)
    n_open = attribute(AgentBus.TaskGroup.get_n_open)
    failed = attribute(AgentBus.TaskGroup.has_failed)

    @functools.cached_property
    def _results(self) -> _Results:
        return _Results(self)

    def request(self, target: str, task_name: typing.Optional[str] = None,  # type: ignore[override]
                payload: typing.Any = None, *, timeout: typing.Optional[float] = None,
                job: typing.Optional[Job] = None, **options: typing.Any) -> Task:
        """Requests something of somebody, as Actor.request() does."""
        check_names({'target': target})
        drive()
        assert self._results is not None  # from now on
        actor: typing.Any = self.get_actor()
        message = make_request(actor, target, task_name, payload, timeout, options)
        task: typing.Any = super().request_full(message, find_job(actor, job))
        task._listen()
        return task

    def request_many(self, targets: typing.Iterable[str],  # type: ignore[override]
                     task_name: typing.Optional[str] = None, payload: typing.Any = None,
                     **options: typing.Any) -> typing.List[Task]:
        """Requests the same of each of several."""
        if isinstance(targets, str):
            raise TypeError('targets has to be a list of names')
        return [self.request(target, task_name, payload, **options) for target in list(targets)]

    def add(self, task: Task) -> None:  # type: ignore[override]
        """Adds a task of the same actor."""
        drive()
        assert self._results is not None  # from now on
        super().add(task)

    @attribute
    def tasks(self) -> typing.Dict[str, Task]:
        """The tasks by their names: each has that of its target, or else of its task, or its id."""
        return dict(zip(self.list_names(), typing.cast('typing.List[Task]', self.list_tasks())))

    @attribute
    def results(self) -> typing.Dict[str, typing.Any]:
        """What the tasks that are completed have brought, by their names."""
        return {name: task.response for name, task in self.tasks.items()
                if task.get_status() == AgentBus.TaskStatus.COMPLETED}

    @attribute
    def errors(self) -> typing.Dict[str, TaskError]:
        """Why the others have failed or were cancelled, by their names."""
        return {name: task.error for name, task in self.tasks.items() if task.error is not None}

    @attribute
    def error(self) -> typing.Optional[TaskError]:
        """Why the first task that was not completed has failed, or why the group was cancelled, or None."""
        error = self.get_error()
        if error is None:
            return None
        for task in self.errors.values():
            if (task.domain, task.code) == (error.domain, error.code) and error.message in (task.message, str(task)):
                return task
        return make_error(error, error.matches(AgentBus.BusError.quark(), AgentBus.BusError.CANCELLED), None)

    def cancel(self, reason: typing.Optional[str] = None) -> None:
        """Cancels all tasks that are open, and those that are added later."""
        super().cancel(reason)

    async def wait(self) -> None:
        """Awaits that no task is open. Raises the first failure, unless failures are collected."""
        drive()
        results = self._results
        while self.get_n_open() > 0:
            await results.wait(self)
        if self.has_failed():
            raise typing.cast(TaskError, self.error)

    async def __aenter__(self) -> TaskGroup:
        drive()
        return self

    async def __aexit__(self, _kind: object, error: typing.Optional[BaseException],
                        _traceback: object) -> None:
        failure = self.error if self.has_failed() else None
        if error is not None:
            self.cancel('The block of the group has failed')
        else:
            try:
                await self.wait()
            except BaseException:
                self.cancel('Nobody waits for the group any more')
                raise
        # Of a task that the group has cancelled, since another one has failed.
        if isinstance(error, TaskCancelledError) and failure is not None:
            raise failure from error

    def __aiter__(self) -> typing.AsyncIterator[Task]:
        """The tasks as they end, until none is open."""
        return self._iterate()

    async def _iterate(self) -> typing.AsyncIterator[Task]:
        drive()
        results = self._results
        while results.ended or self.get_n_open() > 0:
            if results.ended:
                yield results.ended.popleft()
            else:
                await results.wait(self)

    def __len__(self) -> int:
        return len(self.list_names())

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Task:
        task: typing.Any = self.lookup(name)
        if task is None:
            raise KeyError(name)
        return task

    def __contains__(self, name: str) -> bool:
        return self.lookup(name) is not None

    def __repr__(self) -> str:
        return f'<AgentBus.TaskGroup {len(self)} tasks, {self.get_n_open()} open>'


class Runner(AgentBus.Runner):
    """Runner('office'): `runner.add(actor)`, and `runner.run()` returns when all actors have ended; or `await runner.end()`."""

    __module__ = OVERRIDES

    def __init__(self, name: typing.Optional[str] = None, bus: typing.Optional[Bus] = None,
                 **properties: typing.Any) -> None:
        super().__init__(name=name, bus=bus, **properties)
        drive()

    name = attribute(AgentBus.Runner.get_name)
    bus = attribute(AgentBus.Runner.get_bus)
    actors = attribute(AgentBus.Runner.list_actors)

    def end(self, reason: typing.Optional[str] = None, cancellable: typing.Optional[Gio.Cancellable] = None,
            callback: Callback = None, *user_data: typing.Any) -> Future[bool]:
        """Ends all actors, where there is a main loop already. Await it, or give it a callback."""
        return begin(AgentBus.Runner.end_async, AgentBus.Runner.end_finish, self, (reason,), cancellable, callback,
                     user_data)

    end_async = end  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f'<AgentBus.Runner {self.get_name()!r}, {len(self.list_actors())} actors>'


TaskGroup, Runner = override(TaskGroup), override(Runner)  # type: ignore[misc]
