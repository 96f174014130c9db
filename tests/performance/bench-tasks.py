#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a request costs in Python: beside an asyncio future, and beside the lines that one would write without actors.

Prints a line for each: name, figure, value, unit.
"""

import asyncio
import statistics
import sys
import time
import uuid

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus

Message = AgentBus.Message
N = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
ROUNDS = 5


async def future_round_trip(loop):
    """Who asks waits for a future, and who answers is called by the loop."""
    future = loop.create_future()
    loop.call_soon(future.set_result, 42)
    return await future


class Asker(AgentBus.Subscriber):
    """What one writes without actors: a table of futures, a timeout, and a handler that finds them again."""

    def __init__(self, name):
        super().__init__(name)
        self.waiting = {}

    def do_message(self, message):
        if message.type != AgentBus.MessageType.TASK_RESPONSE:
            return
        future = self.waiting.pop(message.task_id, None)
        if future is None or future.done():
            return
        if message.status == AgentBus.TaskStatus.COMPLETED:
            future.set_result(message.payload)
        else:
            future.set_exception(RuntimeError(message.status.value_nick))

    async def ask(self, target, name, payload):
        task_id = str(uuid.uuid4())
        future = self.waiting[task_id] = asyncio.get_running_loop().create_future()
        self.bus.send(Message.task_request(self.name, target, task_id, name, payload))
        try:
            return await asyncio.wait_for(future, 5)
        finally:
            self.waiting.pop(task_id, None)


class Answerer(AgentBus.Subscriber):
    def do_message(self, message):
        if message.type == AgentBus.MessageType.TASK_REQUEST:
            self.bus.send(Message.task_response(self.name, message.source, message.task_id,
                                                status=AgentBus.TaskStatus.COMPLETED,
                                                payload=message.payload['a']))


async def measure(round_trip):
    """Microseconds for one, the median of some rounds."""
    rounds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        for _ in range(N):
            await round_trip()
        rounds.append((time.perf_counter() - begin) / N * 1e6)
    return statistics.median(rounds)


async def main():
    loop = asyncio.get_running_loop()
    async with AgentBus.Bus() as bus:
        asker, answerer = Asker('asker'), Answerer('answerer')
        boss, worker = AgentBus.Actor('boss'), AgentBus.Actor('worker')
        worker.task('first', lambda payload: payload['a'])
        for subscriber in (asker, answerer, boss, worker):
            bus.subscribe(subscriber)

        figures = {
            'future': await measure(lambda: future_round_trip(loop)),
            'by_hand': await measure(lambda: asker.ask('answerer', 'first', {'a': 42})),
            'request': await measure(lambda: boss.request('worker', 'first', {'a': 42}, timeout=5)),
        }
    for name, value in figures.items():
        print(f'py_{name}\trtt\t{value:.2f}\tus')
    print(f'py_request\tof_future\t{figures["request"] / figures["future"]:.2f}\tratio')
    print(f'py_request\tof_by_hand\t{figures["request"] / figures["by_hand"]:.2f}\tratio')


asyncio.run(main())
