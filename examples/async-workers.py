#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Two workers with async handlers: each does one task at a time. One task is cancelled, and one finds no room."""

import asyncio

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus

Message = AgentBus.Message


class Worker(AgentBus.Subscriber):
    """Works on a task in steps. A TASK_CANCEL cancels the coroutine, as asyncio cancels a task."""

    async def do_message(self, message):
        if message.type != AgentBus.MessageType.TASK_REQUEST:
            return
        status = 'completed'
        try:
            for _ in range(message.payload['steps']):
                await asyncio.sleep(0.005)
        except asyncio.CancelledError:
            status = 'cancelled'
        answer = Message.task_response(self.name, message.source, message.task_id, status=status)
        if self.bus is not None:
            self.bus.send(answer)


async def main():
    async with AgentBus.Bus() as bus:
        bus.connect('dropped', lambda bus, subscriber, reason, n, last:
                    print(f'{n} dropped: task {last.task_id}, {reason.value_nick}'))
        client = AgentBus.Subscriber('client')
        for subscriber in (client, Worker('anna', capacity=2), Worker('bert', capacity=2)):
            bus.subscribe(subscriber)

        bus.send(Message.task_request('client', 'anna', 'long', payload={'steps': 100000}))
        for task_id in ('one', 'two', 'three'):  # there is room for two
            bus.send(Message.task_request('client', 'bert', task_id, payload={'steps': 3}))

        left = {'long', 'one', 'two'}
        async for answer in client:
            left -= {answer.task_id}
            print(f'{answer.source}: task {answer.task_id} {answer.status.value_nick}')
            if answer.task_id == 'two':
                bus.send(Message.task_cancel('client', 'anna', 'long', 'it takes too long'))
            if not left:
                break


asyncio.run(main())
