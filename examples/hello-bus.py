#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A client asks a worker for a sum over the bus."""

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
            total = sum(message.payload['numbers'])
            bus.send(Message.task_response('worker', message.source, message.task_id, {'sum': total}, cause=message))

        bus.subscribe(worker)
        bus.subscribe(client)
        bus.send(Message.task_request('client', 'worker', '1', 'sum', {'numbers': [1, 2, 39]}))
        async for answer in client:
            print('the sum is', answer.payload['sum'])
            break

        print('sent {sent}, delivered {delivered}, queued {queued}'.format(**bus.statistics))


AgentBus.run(main())
