#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
// A client asks a worker for a sum.

imports.gi.versions.AgentBus = '1';
const {GLib} = imports.gi;
const {Bus, Message, Subscriber} = imports.gi.AgentBus;

async function main() {
    const bus = new Bus();
    const worker = new Subscriber({name: 'worker'});
    const client = new Subscriber({name: 'client'});

    worker.on('task-request', message => {
        const sum = message.payload.reduce((a, b) => a + b);

        bus.send(Message.task_response('worker', message.source, message.task_id, {payload: sum}));
    });
    bus.subscribe(worker);
    bus.subscribe(client);
    bus.send(Message.task_request('client', 'worker', '1', {name: 'sum', payload: [1, 2, 3]}));

    for await (const message of client) {
        print(`The sum is ${message.payload}`);
        break;
    }
    await bus.stop();
}

const loop = new GLib.MainLoop(null, false);

main().catch(logError).finally(() => loop.quit());
loop.run();
