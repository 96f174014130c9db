#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client asks a worker for a sum."""

import gi

gi.require_version('AgentBus', '1')
from gi.repository import AgentBus

Message = AgentBus.Message


async def main():
    async with AgentBus.Bus() as bus:
        worker = AgentBus.Subscriber(name='worker')
        client = AgentBus.Subscriber(name='client')

        @worker.on('task-request')
        def add(message):
            bus.send(Message.task_response('worker', message.source, message.task_id, sum(message.payload)))

        bus.subscribe(worker)
        bus.subscribe(client)
        bus.send(Message.task_request('client', 'worker', '1', 'sum', [1, 2, 3]))
        async for message in client:
            print('The sum is', message.payload)
            break


AgentBus.run(main())
