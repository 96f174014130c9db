#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The node "there" of the tests that run in two processes: it has one actor, "adder"."""

import asyncio

import transports
from transports import AgentBus


async def main():
    async with AgentBus.Bus(transport=transports.make('there')) as bus:
        adder = AgentBus.Actor('adder')
        numbers = []
        adder.on('number', lambda message: numbers.append(message.payload))
        adder.task('sum', lambda payload: sum(payload))
        adder.task('numbers', lambda payload: numbers)

        @adder.task('hang')
        async def hang(payload, job):
            job.update('begun')
            await asyncio.Event().wait()

        bus.subscribe(adder)
        await asyncio.Event().wait()


asyncio.run(main())
