#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
// A worker streams its answer word by word; the client reads the words as they come, and stops the worker midway.

imports.gi.versions.AgentBus = '1';
const {GLib} = imports.gi;
const {Bus, Message, Subscriber} = imports.gi.AgentBus;

const POEM = 'A stream of words has no end that the reader has to wait for'.split(' ');

const sleep = milliseconds => new Promise(resolve => {
    GLib.timeout_add(GLib.PRIORITY_DEFAULT, milliseconds, () => {
        resolve(null);
        return GLib.SOURCE_REMOVE;
    });
});

function addWorker(bus) {
    const worker = new Subscriber({name: 'worker'});
    const stopped = new Set();

    // This handler is not asynchronous, so that the worker gets a TASK_CANCEL while it recites.
    worker.on('task-request', ({source, task_id}) => {
        recite(source, task_id).catch(logError);
    });
    worker.on('task-cancel', ({task_id}) => stopped.add(task_id));

    async function recite(reader, id) {
        bus.send(Message.task_stream_start('worker', reader, id));
        for (const word of POEM) {
            await sleep(5);
            if (stopped.has(id))
                break;
            bus.send(Message.task_stream_data('worker', reader, id, {payload: word}));
        }
        bus.send(Message.task_stream_end('worker', reader, id));
    }
    bus.subscribe(worker);
}

async function main() {
    const bus = new Bus();
    const client = new Subscriber({name: 'client'});
    const words = [];

    addWorker(bus);
    bus.subscribe(client);
    bus.send(Message.task_request('client', 'worker', 'poem'));

    for await (const message of client) {
        if (message.name === 'task-stream-end')
            break;
        if (message.name === 'task-stream-data' && words.push(message.payload) === 7)
            bus.send(Message.task_cancel('client', 'worker', 'poem', {reason: 'enough'}));
    }
    print(`${words.join(' ')} ...`);
    await bus.stop();
}

const loop = new GLib.MainLoop(null, false);

main().catch(logError).finally(() => loop.quit());
loop.run();
