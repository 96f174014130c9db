#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a request costs in Python: beside an asyncio future, and beside the lines that one would write without actors.

Usage: bench-tasks.py all | list | py_request
"""

import asyncio
import os
import statistics
import sys
import time
import uuid

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus

Message = AgentBus.Message
SCENARIO = 'py_request'
N = 3000
REPEATS = min(5, max(1, int(os.environ.get('AGENTBUS_BENCH_REPEATS', 5))))


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
    """Microseconds for one."""
    begin = time.perf_counter()
    for _ in range(N):
        await round_trip()
    return (time.perf_counter() - begin) / N * 1e6


async def measure_all():
    """For each repeat, what one costs in each way. The ways take turns, so that they are measured side by side."""
    loop = asyncio.get_running_loop()
    async with AgentBus.Bus() as bus:
        asker, answerer = Asker('asker'), Answerer('answerer')
        boss, worker = AgentBus.Actor('boss'), AgentBus.Actor('worker')
        worker.task('first', lambda payload: payload['a'])
        for subscriber in (asker, answerer, boss, worker):
            bus.subscribe(subscriber)

        ways = {
            'future': lambda: future_round_trip(loop),
            'by_hand': lambda: asker.ask('answerer', 'first', {'a': 42}),
            'request': lambda: boss.request('worker', 'first', {'a': 42}, timeout=5),
        }
        return [{name: await measure(way) for name, way in ways.items()} for _ in range(REPEATS)]


def report(figure, values, unit):
    for suffix, value in ('', statistics.median(values)), ('_min', min(values)), ('_max', max(values)):
        print(f'{SCENARIO}\t{figure}{suffix}\t{value:.4g}\t{unit}')


def main():
    names = sys.argv[1:]
    if names == ['list']:
        print(SCENARIO)
        return 0
    if names not in (['all'], [SCENARIO]):
        print(__doc__, file=sys.stderr)
        return 2

    repeats = asyncio.run(measure_all())
    for name in repeats[0]:
        report(f'us_{name}', [repeat[name] for repeat in repeats], 'us')
    for name in 'future', 'by_hand':
        report(f'of_{name}', [repeat['request'] / repeat[name] for repeat in repeats], 'ratio')
    return 0


if __name__ == '__main__':
    sys.exit(main())
