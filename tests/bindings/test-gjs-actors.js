// SPDX-License-Identifier: LGPL-2.1-or-later
// Tasks of actors in JavaScript.

imports.gi.versions.AgentBus = '1';
const {AgentBus, AgentBusTest, Gio, GLib, GObject} = imports.gi;
const {Actor, Bus, BusError} = AgentBus;
const System = imports.system;
const {assertEqual, caught, rejection, run, test, turn, until} = imports.tap;

const MIB = 1024 * 1024;

async function assertFails(code, promise) {
    const error = await rejection(promise);

    if (!error.matches?.(BusError, code))
        throw new Error(`${error} has not the code ${code}`);
    return error;
}

// Calls back when the job is cancelled.
const onCancelled = (job, func) => GObject.Object.prototype.connect.call(job.cancellable, 'cancelled', func);

// A task that ends only when it is cancelled.
const wait = (stopped = () => {}) => (_payload, job) => new Promise((_resolve, reject) => onCancelled(job, () => {
    stopped();
    reject(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED, 'cancelled'));
}));

class Pair {
    constructor(klass = Actor) {
        this.bus = new Bus();
        this.boss = new Actor({name: 'boss'});
        this.worker = new klass({name: 'worker', max_jobs: 0});
        for (const actor of [this.boss, this.worker])
            this.bus.subscribe(actor);
    }

    request(...args) {
        return this.boss.request('worker', ...args);
    }
}

test('answer', async ({worker, boss, request}) => {
    worker.task('sum', function ({a, b}, job) {
        assertEqual([this.name, job.task_name, job.requester, job.remaining_time > 1000], ['worker', 'sum', 'boss', true]);
        return a + b;
    });
    worker.task('nothing', () => {});
    worker.task('bytes', () => new Uint8Array([1, 2]));
    worker.task('later', async payload => {
        await turn();
        return payload;
    });
    assertEqual(await request('sum', {a: 1, b: 2}, {timeout: 5000}), 3);
    assertEqual(await request('nothing'), null);
    assertEqual(await request('bytes'), [1, 2]);

    const task = request('later', {x: [1, 'ä']});

    assertEqual([task.status, task.response, task.error], [AgentBus.TaskStatus.PENDING, null, null]);
    assertEqual([await task, await task, task.response], [{x: [1, 'ä']}, {x: [1, 'ä']}, {x: [1, 'ä']}]);
    assertEqual([task.target, task.task_name, task.error], ['worker', 'later', null]);
    assertEqual(boss.statistics.completed, 4);
});

test('handlers', async ({worker, request}) => {
    const sum = worker.task('sum', ([a, b]) => a + b);

    assertEqual((await caught(() => worker.task('sum', () => {}))).constructor.name, 'TypeError');
    for (const wrong of [5, '', {}])
        assertEqual((await caught(() => worker.task(wrong, () => {}))).constructor.name, 'TypeError');
    assertEqual((await caught(() => worker.task('sum', 5))).constructor.name, 'TypeError');
    worker.disconnect(sum);
    await assertFails(BusError.NOT_FOUND, request('sum', [1, 2]));
    worker.task((payload, job) => [job.task_name, payload]);
    worker.task('sum', ([a, b]) => a * b);
    assertEqual(await request('sum', [2, 4]), 8);
    assertEqual(await request('other', 1), ['other', 1]);
    assertEqual(await request(), [null, null]);
});

test('classes', async () => {
    const All = GObject.registerClass(class All extends Actor {
        async vfunc_task_request(job) {
            await turn();
            if (job.payload === null)
                throw new RangeError('nothing');
            return [job.task_name, job.payload];
        }
    });
    const More = GObject.registerClass(class More extends All {
        constructor(properties) {
            super(properties);
            this.task('own', this.own);
        }

        own() {
            return this.name;
        }
    });
    const Kept = GObject.registerClass(class Kept extends Actor {
        on_task_request(job) {
            GLib.idle_add(GLib.PRIORITY_DEFAULT, () => {
                job.complete('kept');
                return GLib.SOURCE_REMOVE;
            });
        }
    });
    let {bus, request} = bind(new Pair(More));

    assertEqual([await request('own'), await request('x', 1)], ['worker', ['x', 1]]);
    assertEqual((await rejection(request('x'))).type, 'RangeError');
    await bus.stop();
    ({bus, request} = bind(new Pair(Kept)));
    assertEqual(await request(), 'kept');
    await bus.stop();
});

test('by-hand', async ({worker, request}) => {
    const jobs = [], updates = [];

    worker.connect('task-request', (_worker, job) => jobs.push(job));

    const task = request('x', 1);

    task.connect('update', (_task, update) => updates.push(update.deepUnpack()));
    await until(() => jobs.length > 0);

    const job = jobs.pop();

    assertEqual([job.update('half'), job.payload, job.remaining_time, job.has_ended()], [true, 1, null, false]);
    assertEqual((await caught(() => job.complete(() => {}))).constructor.name, 'TypeError');
    assertEqual((await caught(() => job.send_chunk(null))).constructor.name, 'TypeError');
    assertEqual((await caught(() => job.complete('\0'))).constructor.name, 'TypeError');
    assertEqual([job.complete({a: 1}), job.complete({a: 2}), job.fail(new Error('late')), job.has_ended()],
        [true, false, false, true]);
    assertEqual([await task, task.get_response_json(), updates], [{a: 1}, '{"a":1}', ['half']]);
});

test('failure', async ({worker, request}) => {
    class Problem extends Error {
        constructor(text) {
            super(text);
            this.name = 'Problem';
        }
    }

    worker.task('plain', text => {
        throw new Problem(text);
    });
    worker.task('later', async text => {
        await turn();
        throw new Problem(text);
    });
    worker.task('broken', () => {
        throw new Problem('ä\0\ud800');
    });
    worker.task('text', () => {
        throw 'text'; // eslint-disable-line no-throw-literal
    });
    worker.task('missing', async () => {
        throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND, 'no file');
    });
    worker.task('unpackable', () => ({f() {}}));
    for (const name of ['plain', 'later']) {
        for (const text of ['bad', '', 'x: y']) {
            const error = await assertFails(BusError.FAILED, request(name, text));

            assertEqual([error.type, error.message], ['Problem', text]);
        }
    }
    assertEqual((await rejection(request('broken'))).message, 'ä\ufffd');
    assertEqual((await rejection(request('text'))).message, 'text');
    assertEqual((await rejection(request('unpackable'))).type, 'TypeError');

    const error = await rejection(request('missing'));

    assertEqual([error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND), error.message, error.type],
        [true, 'no file', null]);
});

test('nobody', async ({boss, request}) => {
    await assertFails(BusError.NOT_FOUND, boss.request('stranger'));
    await assertFails(BusError.NOT_FOUND, request('unknown'));
    assertEqual((await boss.request('stranger').catch(error => error.matches(BusError, BusError.NOT_FOUND))), true);
    assertEqual((await caught(() => boss.request(''))).constructor.name, 'TypeError');
    assertEqual((await caught(() => boss.request('worker', 'x', null, {unknown: 1}))).constructor.name, 'TypeError');
    assertEqual((await caught(() => boss.request('worker', 'x', null, {timeout: 0.5}))).constructor.name, 'RangeError');
});

test('nested', async ({bus, worker, request}) => {
    const helper = new Actor({name: 'helper'});
    const talk = AgentBus.Conversation.new(null);
    let stopped = false;

    bus.subscribe(helper);
    helper.task('left', (_payload, job) => [job.remaining_time !== null, job.message.conversation.get_id()]);
    helper.task('fail', () => {
        throw new RangeError('bad');
    });
    helper.task('wait', wait(() => (stopped = true)));
    worker.task('ask', async (name, job) => {
        await turn();
        return worker.request('helper', name, null, {job});
    });
    worker.task('plain', name => worker.request('helper', name));
    for (const name of ['ask', 'plain']) {
        assertEqual(await request(name, 'left', {timeout: 5000, conversation: talk}), [true, talk.get_id()]);

        const error = await assertFails(BusError.FAILED, request(name, 'fail'));

        assertEqual([error.type, error.message], ['RangeError', 'bad']);

        const task = request(name, 'wait');

        await until(() => helper.n_jobs === 1);
        task.cancel('enough');
        await assertFails(BusError.CANCELLED, task);
        await until(() => stopped);
        stopped = false;
    }
});

test('ends', async ({bus, worker, request}) => {
    const cancellable = new Gio.Cancellable();

    worker.task('wait', wait());
    await assertFails(BusError.TIMED_OUT, request('wait', null, {timeout: 5}));

    const task = request('wait', null, {signal: cancellable});

    cancellable.cancel();
    await assertFails(BusError.CANCELLED, task);
    await assertFails(BusError.CANCELLED, request('wait', null, {signal: cancellable}));

    const open = request('wait');

    await until(() => worker.n_jobs === 1);
    await bus.unsubscribe_async('worker');
    await assertFails(BusError.CLOSED, open);
});

test('chunks', async ({worker, request}) => {
    const collect = async task => {
        const got = [];

        for await (const chunk of task)
            got.push(chunk);
        return got;
    };
    let nSent = 0;

    worker.task('count', async function* (n) {
        for (let i = 0; i < n; i++) {
            if (i % 7 === 0)
                await turn();
            nSent++;
            yield i;
        }
    });
    worker.task('plain', function* (n) {
        for (let i = 0; i < n; i++)
            yield {i};
        return n;
    });
    worker.task('some', async function* () {
        yield 1;
        throw new RangeError('no more');
    });
    assertEqual(await collect(request('count', 100)), [...Array(100).keys()]);

    const task = request('plain', 3);

    await until(() => task.has_finished());
    assertEqual([await collect(task), await task], [[{i: 0}, {i: 1}, {i: 2}], 3]);
    assertEqual(await request('plain', 100), 100);

    const got = [];
    const error = await rejection((async () => {
        for await (const chunk of request('some'))
            got.push(chunk);
    })());

    assertEqual([error.type, got], ['RangeError', [1]]);

    const endless = request('count', 1e9);

    nSent = 0;
    for await (const chunk of endless) {
        if (chunk > 100)
            break;
        await turn();
    }
    await until(() => worker.n_jobs === 0);
    assertEqual([endless.error.matches(BusError, BusError.CANCELLED), nSent < 200], [true, true]);
});

test('hand-over', async ({bus, boss}) => {
    const [old, young] = [true, false].map(active => new Actor({name: active ? 'old' : 'young', group: 'role', active}));
    let given = null;

    young.connect('activated', (_actor, args) => (given = args.deepUnpack().length));
    for (const actor of [old, young]) {
        actor.task('who', () => actor.name);
        bus.subscribe(actor);
    }
    assertEqual(await boss.request('role', 'who'), 'old');
    assertEqual(await old.hand_over(young, ['a', 'b']), true);
    assertEqual([await boss.request('role', 'who'), given], ['young', 2]);
});

test('registry', async ({bus, worker}) => {
    const registry = new AgentBus.Registry({bus});

    assertEqual(await registry.wait_for(['boss', 'worker'], {timeout: 5000}), true);
    assertEqual([...registry].map(peer => peer.name), ['boss', 'worker']);
    await assertFails(BusError.TIMED_OUT, registry.wait_for(['x'], {timeout: 2}));

    const late = registry.wait_for(['late']);

    bus.subscribe(new Actor({name: 'late', parent: 'worker'}));
    await late;
    assertEqual([registry.lookup('late').parent, registry.lookup('x')], ['worker', null]);
    assertEqual(await worker.end('done'), true);
    assertEqual([worker.state, registry.lookup('late')], [AgentBus.ActorState.ENDED, null]);
    worker.max_jobs = 3;
    assertEqual((await caught(() => (worker.max_jobs = 0.5))).constructor.name, 'RangeError');
    assertEqual((await caught(() => new Actor({name: 'x', wait_for_target: 0.5}))).constructor.name, 'RangeError');
});

const nRequests = GLib.getenv('AGENTBUS_SOAK') ? 100000 : 20000;

// The memory after a first part of the requests is what they take; the rest must not add to it.
test('flat', async ({worker, request}) => {
    const ask = async n => {
        for (let i = 0; i < n; i++) {
            await request('plain', {i});
            await request('later', i, {timeout: 5000});
            if (i % 8 === 0)
                await request('fail').catch(() => {});
        }
        System.gc();
    };

    worker.task('plain', payload => payload);
    worker.task('later', async payload => payload);
    worker.task('fail', () => {
        throw new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.FAILED, 'bad');
    });
    await ask(nRequests / 10);

    const before = AgentBusTest.get_rss();

    await ask(nRequests / 2);

    const growth = AgentBusTest.get_rss() - before;

    if (growth > 8 * MIB)
        throw new Error(`${growth} bytes more`);
});

test('groups', async ({boss, worker}) => {
    worker.task('double', payload => 2 * payload);
    worker.task('fail', () => {
        throw new RangeError('No');
    });
    worker.task('wait', wait());
    assertEqual(await boss.group({timeout: 60000}, group => {
        group.request('worker', 'double', 2);
        group.request('worker', 'fail');
        group.collect = true;
    }), {worker: 4});
    assertEqual(await boss.group(group => group.request_many(['worker'], 'double', 5).length), {worker: 10});

    // The first failure cancels the others.
    let group;
    const error = await rejection(boss.group(async made => {
        group = made;
        made.request('worker', 'wait');
        await turn();
        made.request('worker', 'fail');
    }));

    assertEqual([error.type, error.message], ['RangeError', 'No']);
    assertEqual([group.errors.worker.matches(BusError, BusError.CANCELLED), group.error.type], [true, 'RangeError']);

    // While the block waits for another task, too.
    assertEqual((await rejection(boss.group(async made => {
        const slow = made.request('worker', 'wait');

        made.request('worker', 'fail');
        await slow;
    }))).type, 'RangeError');

    // What the block throws cancels all.
    assertEqual((await rejection(boss.group(async made => {
        group = made;
        made.request('worker', 'wait');
        await turn();
        throw new SyntaxError('x');
    }))).name, 'SyntaxError');
    assertEqual(Object.keys(group.errors), ['worker']);
    await until(() => worker.n_jobs === 0);

    await assertFails(BusError.TIMED_OUT, boss.group({timeout: 1}, made => {
        made.request('worker', 'wait');
    }));
    await until(() => worker.n_jobs === 0);
});

test('group as they end', async ({boss, worker}) => {
    worker.task('double', payload => 2 * payload);
    const group = boss.group({collect: true});
    const got = [];

    assertEqual([group.collect, group.timeout, group.actor === boss], [true, 0, true]);
    group.request('worker', 'double', 1);
    group.request('nobody');
    for await (const {task} of group) {
        got.push(task.target);
        if (got.length === 1)
            group.request('worker', 'double', 2);
    }
    assertEqual(got.sort(), ['nobody', 'worker', 'worker']);
    assertEqual([await group.wait(), Object.keys(group.errors)], [{worker: 2, double: 4}, ['nobody']]);
    assertEqual((await caught(() => group.request(''))).constructor.name, 'TypeError');
    assertEqual(new Actor({name: 'member', group: 'team'}).get_group(), 'team');
});

test('runner', async () => {
    const runner = new AgentBus.Runner({name: 'office'});
    const actor = new Actor({name: 'boss'});

    runner.add(actor);
    assertEqual([actor.runner, runner.list_actors().length], ['office', 1]);
    assertEqual([await runner.end('closing time'), actor.state], [true, AgentBus.ActorState.ENDED]);
    assertEqual(runner.bus.running, false);
});

const bind = pair => ({...pair, request: pair.request.bind(pair)});

run('/agentbus/gjs-actors/', async func => {
    const pair = bind(new Pair());

    try {
        await func(pair);
        await until(() => [pair.boss, pair.worker].every(actor => actor.n_jobs + actor.n_tasks === 0));
    } finally {
        pair.bus.shutdown_timeout = 10;
        await pair.bus.stop().catch(() => {});
    }
});
