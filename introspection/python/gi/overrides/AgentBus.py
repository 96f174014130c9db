# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes AgentBus at home in Python. Everything works without it too.

Coroutines run as tasks of the asyncio loop that runs in the thread, if there is one, else on the GLib main context.
"""

from __future__ import annotations

import logging
import typing

from gi.repository import Gio, GLib

from ..module import get_introspection_module
from ..overrides import override
from ._agentbus_actor import Actor, Job, Peer, Registry, Task, TaskCancelledError, TaskError, TaskHandler, task
from ._agentbus_asyncio import drive, foreign_loop, here, running_loop
from ._agentbus_group import Runner, TaskGroup
from ._agentbus_message import Conversation, Fate, Frame, Info, Message, attribute, check_names, number, pack, whole
from ._agentbus_subscriber import Handler, Subscriber
from ._agentbus_waiting import (Future, Routine, Sending, begin, gather, refuse_asyncio, run, sleep, spawn, timeout,
                                wait)

if typing.TYPE_CHECKING:
    from gi.repository import AgentBus
else:
    AgentBus = get_introspection_module('AgentBus')
_log = logging.getLogger('AgentBus')
__all__ = ['Message', 'Fate', 'Frame', 'Info', 'Conversation', 'Subscriber', 'Handler', 'Bus', 'Transport',
           'RouteTable', 'RouterDispatcher', 'Actor', 'Task', 'TaskError', 'TaskCancelledError', 'TaskHandler', 'Job', 'Peer', 'Registry',
           'Runner', 'TaskGroup', 'task', 'Future', 'Routine', 'gather', 'pack', 'run', 'spawn', 'sleep', 'timeout']

Routes = typing.Dict[str, typing.Optional[str]]
Move = typing.Tuple[str, typing.Optional[str], str]
Callback = typing.Optional[typing.Callable[..., object]]


class Transport(AgentBus.Transport):
    """What connects a bus with those of other processes: `Bus(transport=...)`. `transport.statistics` is a dict."""

    node_id = attribute(AgentBus.Transport.get_node_id)
    bus_name = attribute(AgentBus.Transport.get_bus_name)
    state = attribute(AgentBus.Transport.get_state)
    capabilities = attribute(AgentBus.Transport.get_capabilities)

    @attribute
    def statistics(self) -> typing.Dict[str, typing.Any]:
        """What get_statistics() returns, as a dict."""
        return self.get_statistics().unpack()

    def __repr__(self) -> str:
        return f'<{type(self).__name__} {self.get_node_id()!r}, {self.get_state().value_nick}>'


class Bus(AgentBus.Bus):
    """`await bus.stop()`, `with bus:` and `async with bus:` stop it in the end; `bus.statistics` is a dict.

    With a transport, `await bus.start()` or `async with bus:` connects it to the buses of other processes.
    """

    def __init__(self, **properties: typing.Any) -> None:
        for key in ('capacity', 'shutdown_timeout'):
            if key in properties:
                properties[key] = whole(properties[key], key)
        super().__init__(**properties)
        drive()

    capacity = attribute(AgentBus.Bus.get_capacity)
    n_subscribers = attribute(AgentBus.Bus.get_n_subscribers)
    running = attribute(AgentBus.Bus.is_running)
    shutdown_timeout = number(AgentBus.Bus.get_shutdown_timeout, AgentBus.Bus.set_shutdown_timeout)
    total_order = attribute(AgentBus.Bus.get_total_order)
    transport = attribute(AgentBus.Bus.get_transport)

    @attribute
    def statistics(self) -> typing.Dict[str, typing.Any]:
        """What get_statistics() returns, as a dict."""
        return self.get_statistics().unpack()

    def stop(self, cancellable: typing.Optional[Gio.Cancellable] = None, callback: Callback = None,
             *user_data: typing.Any, drain: bool = False) -> Future[bool]:
        """Stops the bus, when all subscribers have left; with drain after all that is queued is handled. Await it."""
        if not drain:
            return begin(AgentBus.Bus.stop_async, AgentBus.Bus.stop_finish, self, (), cancellable, callback, user_data)
        return begin(AgentBus.Bus.stop_full_async, AgentBus.Bus.stop_full_finish, self,
                     (AgentBus.LeaveFlags.DRAIN,), cancellable, callback, user_data)

    def start(self, cancellable: typing.Optional[Gio.Cancellable] = None, callback: Callback = None,
              *user_data: typing.Any) -> Future[bool]:
        """Starts a bus that was stopped, or that has a transport. Await it, or give it a callback."""
        return begin(AgentBus.Bus.start_async, AgentBus.Bus.start_finish, self, (), cancellable, callback, user_data)

    def unsubscribe_async(  # type: ignore[override]
            self, name: str, cancellable: typing.Optional[Gio.Cancellable] = None, callback: Callback = None,
            *user_data: typing.Any) -> Future[bool]:
        """Takes a subscriber off the bus, and is through when it has left. Await it, or give it a callback."""
        check_names({'name': name})
        return begin(AgentBus.Bus.unsubscribe_async, AgentBus.Bus.unsubscribe_finish, self, (name,), cancellable,
                     callback, user_data)

    def flush(self, name: typing.Optional[str] = None, cancellable: typing.Optional[Gio.Cancellable] = None,
              callback: Callback = None, *user_data: typing.Any) -> Future[bool]:
        """Is through when all that is queued now is handled, at one subscriber or at all. Await it."""
        if name is not None:
            check_names({'name': name})
        return begin(AgentBus.Bus.flush_async, AgentBus.Bus.flush_finish, self, (name,), cancellable, callback,
                     user_data)

    flush_async = flush  # type: ignore[assignment]
    stop_async = stop  # type: ignore[assignment]
    start_async = start  # type: ignore[assignment]

    def subscribe(self, subscriber: Subscriber) -> bool:  # type: ignore[override]
        """Puts a subscriber on the bus. It has to have a name."""
        if isinstance(subscriber, AgentBus.Subscriber):
            check_names({'name': subscriber.get_name()})
        drive()
        return super().subscribe(subscriber)

    @typing.overload  # type: ignore[override]
    def unsubscribe(self, name: str) -> None: ...

    @typing.overload
    def unsubscribe(self, name: str, *, drain: bool) -> Future[bool]: ...

    def unsubscribe(self, name: str, *, drain: typing.Optional[bool] = None) -> typing.Optional[Future[bool]]:
        """Takes a subscriber off the bus, and does not wait until it has left.

        With drain=True all that is queued is handled before. Then, and with drain=False, there is something to await.
        """
        check_names({'name': name})
        if drain is None:
            super().unsubscribe(name)
            return None
        flags = AgentBus.LeaveFlags.DRAIN if drain else AgentBus.LeaveFlags.NONE
        return begin(AgentBus.Bus.unsubscribe_full_async, AgentBus.Bus.unsubscribe_full_finish, self, (name, flags),
                     None, None)

    def watch_name(self, name: str, appeared: typing.Optional[typing.Callable[[Bus, str], object]] = None,
                   vanished: typing.Optional[typing.Callable[[Bus, str], object]] = None) -> int:
        """Calls one of the two with the bus and the name: soon, as it is now, and then at each change.

        Returns an id for unwatch_name().
        """
        check_names({'name': name})
        drive()
        return super().watch_name(name, appeared, vanished)

    def add_monitor(self, subscriber: Subscriber,  # type: ignore[override]
                    filter: typing.Optional[typing.Iterable[str]] = None) -> bool:
        """Has a subscriber see all that is sent, or the messages with some names. Each copy says its `fate`."""
        if isinstance(subscriber, AgentBus.Subscriber):
            check_names({'name': subscriber.get_name()})
        drive()
        return super().add_monitor(subscriber, None if filter is None else names(filter, 'filter'))

    def send(self, message: Message) -> int:  # type: ignore[override]
        """Sends a message; may be called in any thread. Returns the number of subscribers that get it."""
        drive()
        return super().send(message)

    def try_send(self, message: Message) -> bool:  # type: ignore[override]
        """Sends a message to its target if there is room for it; may be called in any thread. If not, GLib.Error is
        raised, with BusError.FULL, NOT_FOUND or CLOSED, and the message is not sent."""
        drive()
        return super().try_send(message)

    def send_async(self, message: Message, cancellable: typing.Optional[Gio.Cancellable] = None,  # type: ignore[override]
                   callback: Callback = None, *user_data: typing.Any) -> Future[bool]:
        """Sends a message to its target, and waits for room if there is none. Await it, or give it a callback. If what
        awaits it is cancelled first, the message is not sent."""
        drive()
        if callback is not None:
            super().send_async(message, cancellable, callback, *user_data)
            return Future()
        sending = Sending(cancellable)
        super().send_async(message, sending.cancellable, sending.end)
        return sending

    def __enter__(self) -> Bus:
        refuse_asyncio('with bus', 'async with bus')
        return self

    def __exit__(self, kind: typing.Optional[typing.Type[BaseException]], *rest: typing.Any) -> None:
        try:
            wait(self.stop())
        except GLib.Error:
            self._put_back(kind)

    async def __aenter__(self) -> Bus:
        drive()
        if running_loop() is None and here.routine is None:
            raise foreign_loop('what runs this coroutine')
        if self.transport is not None:
            await self.start()
        return self

    async def __aexit__(self, kind: typing.Optional[typing.Type[BaseException]], *rest: typing.Any) -> None:
        try:
            await self.stop()
        except GLib.Error:
            self._put_back(kind)

    def _put_back(self, kind: typing.Optional[typing.Type[BaseException]]) -> None:
        """An exception of the body is not to be hidden by one of the stop."""
        if kind is None:
            raise
        _log.exception('%r did not stop in time', self)

    def __repr__(self) -> str:
        return f'<AgentBus.Bus {self.get_n_subscribers()} subscribers{"" if self.is_running() else ", stopped"}>'


def names(values: typing.Iterable[str], what: str) -> typing.List[str]:
    """A list of names; a string would be one of letters."""
    if isinstance(values, str):
        raise TypeError(f'{what} has to be a list of names')
    found = list(values)
    for value in found:
        check_names({what: value})
    return found


class RouteTable(AgentBus.RouteTable):
    """routes['actor'] = 'router'; None for an actor that is known and has none. `for actor in routes`, dict(routes)."""

    def __iter__(self) -> typing.Iterator[str]:
        return iter(self.list_actors(None))

    def keys(self) -> typing.List[str]:
        """The actors."""
        return self.list_actors(None)

    def items(self) -> typing.List[typing.Tuple[str, typing.Optional[str]]]:
        """The actors with their routers."""
        return list(self.snapshot().items())

    def snapshot(self) -> Routes:  # type: ignore[override]
        """The router of each actor, for restore()."""
        return {actor: router or None for actor, router in super().snapshot().unpack().items()}

    def restore(self, snapshot: typing.Union[GLib.Variant, Routes]) -> bool:
        """Replaces everything."""
        if not isinstance(snapshot, GLib.Variant):
            check_names({key: key for key in snapshot})
            snapshot = GLib.Variant('a{ss}', {actor: router or '' for actor, router in snapshot.items()})
        return super().restore(snapshot)

    def assign_many(self, actors: typing.Iterable[str], router: str) -> int:  # type: ignore[override]
        """Assigns many actors to a router; returns how many did not have it."""
        check_names({'router': router})
        return super().assign_many(names(actors, 'actors'), router)

    def rename(self, actor: str, new_id: str) -> bool:
        """Gives an actor another id. What is parked for it goes along."""
        check_names({'actor': actor, 'new_id': new_id})
        return super().rename(actor, new_id)

    def rebalance(self, routers: typing.Iterable[str],  # type: ignore[override]
                  weights: typing.Union[GLib.Variant, typing.Dict[str, float], None] = None) -> typing.List[Move]:
        """Shares the actors out among routers. Returns the moves: the actor, its router before (or None), and now."""
        if weights is not None and not isinstance(weights, GLib.Variant):
            if not all(0 <= weight < float('inf') for weight in weights.values()):
                raise ValueError('a weight has to be 0 or more')
            weights = GLib.Variant('a{sd}', weights)
        moves = super().rebalance(names(routers, 'routers'), weights)
        return [(actor, before or None, now) for actor, before, now in moves.unpack()]

    def __getitem__(self, actor: str) -> typing.Optional[str]:
        if not self.contains(actor):
            raise KeyError(actor)
        return self.lookup(actor)

    def __setitem__(self, actor: str, router: typing.Optional[str]) -> None:
        check_names({'actor': actor} if router is None else {'actor': actor, 'router': router})
        if router is None:
            self.unassign(actor)
        else:
            self.assign(actor, router)

    def __delitem__(self, actor: str) -> None:
        if not self.remove(actor):
            raise KeyError(actor)

    def __contains__(self, actor: object) -> bool:
        return isinstance(actor, str) and self.contains(actor)

    def __len__(self) -> int:
        return self.get_n_actors()

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f'<AgentBus.RouteTable {len(self)} actors>'


class RouterDispatcher(AgentBus.RouterDispatcher):
    """`await dispatcher.stop()`; `dispatcher.statistics` is a dict."""

    def __init__(self, bus: typing.Optional[Bus] = None, route_table: typing.Optional[RouteTable] = None,
                 **properties: typing.Any) -> None:
        # The library makes nothing then, and PyGObject would not survive that.
        for name, value in (('bus', bus), ('route_table', route_table)):
            if value is None:
                raise TypeError(f'AgentBus.RouterDispatcher() needs {name}')
        for key in ('capacity', 'actor_capacity'):
            if key in properties:
                properties[key] = whole(properties[key], key)
        super().__init__(bus=bus, route_table=route_table, **properties)
        drive()

    bus = attribute(AgentBus.RouterDispatcher.get_bus)
    route_table = attribute(AgentBus.RouterDispatcher.get_route_table)
    capacity = attribute(AgentBus.RouterDispatcher.get_capacity)
    n_parked = attribute(AgentBus.RouterDispatcher.get_n_parked)
    hand_off = property(AgentBus.RouterDispatcher.get_hand_off, AgentBus.RouterDispatcher.set_hand_off)

    @attribute
    def statistics(self) -> typing.Dict[str, typing.Any]:
        """What get_statistics() returns, as a dict."""
        return self.get_statistics().unpack()

    def stop(self, cancellable: typing.Optional[Gio.Cancellable] = None, callback: Callback = None,
             *user_data: typing.Any) -> Future[bool]:
        """Stops the dispatcher, when it holds no message any more. Await it, or give it a callback."""
        return begin(AgentBus.RouterDispatcher.stop_async, AgentBus.RouterDispatcher.stop_finish, self, (),
                     cancellable, callback, user_data)

    stop_async = stop  # type: ignore[assignment]

    def drain_router(self, router: str, cancellable: typing.Optional[Gio.Cancellable] = None,
                     callback: Callback = None, *user_data: typing.Any) -> Future[bool]:
        """Takes its actors away from a router, and is through when it has handled what it has. Await it, or give it a
        callback."""
        check_names({'router': router})
        return begin(AgentBus.RouterDispatcher.drain_router_async, AgentBus.RouterDispatcher.drain_router_finish, self,
                     (router,), cancellable, callback, user_data)

    drain_router_async = drain_router  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f'<AgentBus.RouterDispatcher {self.get_n_parked()} parked>'


Transport, Bus, RouteTable, RouterDispatcher = (  # type: ignore[misc]
    override(Transport), override(Bus), override(RouteTable), override(RouterDispatcher))
