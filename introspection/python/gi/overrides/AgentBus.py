# SPDX-License-Identifier: LGPL-2.1-or-later
"""What makes AgentBus at home in Python. Everything works without it too.

Coroutines run as tasks of the asyncio loop that runs in the thread, if there is one, else on the GLib main context.
"""

import logging

from gi.repository import GLib

from ..module import get_introspection_module
from ..overrides import override
from ._agentbus_message import Frame, Info, Message, pack
from ._agentbus_subscriber import Subscriber
from ._agentbus_waiting import Future, Task, awaitable, refuse_asyncio, run, sleep, spawn, wait

AgentBus = get_introspection_module('AgentBus')
_log = logging.getLogger('AgentBus')
__all__ = ['Message', 'Frame', 'Info', 'Subscriber', 'Bus', 'RouteTable', 'RouterDispatcher',
           'Future', 'Task', 'pack', 'run', 'spawn', 'sleep']


class Bus(AgentBus.Bus):
    """`await bus.stop()`, `with bus:` and `async with bus:` stop it in the end; `bus.statistics` is a dict."""

    stop_async = stop = awaitable(AgentBus.Bus.stop_async, AgentBus.Bus.stop_finish)
    start_async = start = awaitable(AgentBus.Bus.start_async, AgentBus.Bus.start_finish)
    unsubscribe_async = awaitable(AgentBus.Bus.unsubscribe_async, AgentBus.Bus.unsubscribe_finish, 2)
    statistics = property(lambda self: self.get_statistics().unpack())

    def __enter__(self):
        refuse_asyncio('with bus', 'async with bus')
        return self

    def __exit__(self, kind, *rest):
        try:
            wait(self.stop())
        except GLib.Error:
            self._put_back(kind)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, *rest):
        try:
            await self.stop()
        except GLib.Error:
            self._put_back(kind)

    def _put_back(self, kind):
        """An exception of the body is not to be hidden by one of the stop."""
        if kind is None:
            raise
        _log.exception('%r did not stop in time', self)

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

    stop_async = stop = awaitable(AgentBus.RouterDispatcher.stop_async, AgentBus.RouterDispatcher.stop_finish)
    statistics = property(lambda self: self.get_statistics().unpack())

    def __init__(self, **properties):
        # The library makes nothing then, and PyGObject would not survive that.
        for name in ('bus', 'route_table'):
            if properties.get(name) is None:
                raise TypeError(f'AgentBus.RouterDispatcher() needs {name}')
        super().__init__(**properties)

    def __repr__(self):
        return f'<AgentBus.RouterDispatcher {self.get_n_parked()} parked>'


Bus, RouteTable, RouterDispatcher = override(Bus), override(RouteTable), override(RouterDispatcher)
