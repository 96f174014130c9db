// SPDX-License-Identifier: LGPL-2.1-or-later
// The bus from JavaScript, with its override.

imports.gi.versions.AgentBus = '1';
const {AgentBus, AgentBusTest, Gio, GLib, GObject} = imports.gi;
const {Bus, Message, Subscriber} = AgentBus;
const System = imports.system;
const {assertEqual, caught, rejection, run, test, turn, until} = imports.tap;

const MIB = 1024 * 1024;
const context = GLib.MainContext.default();
const buses = [];

const update = (target, payload = null, id = '1') => Message.task_update('ui', target, id, {payload});

function makeBus(name = 'worker', klass = Subscriber) {
    const bus = new Bus({capacity: 1000000});
    const subscriber = new klass({name});

    bus.subscribe(subscriber);
    buses.push(bus);
    return [bus, subscriber];
}

// A bus that is dropped while it runs logs a warning, in the middle of a later test.
async function stopBuses() {
    for (const bus of buses.splice(0)) {
        bus.shutdown_timeout = 10;
        await bus.stop().catch(() => {}); // what a test has left in hand
    }
}

test('messages', () => {
    const info = AgentBus.Info.new('agent', 'runner', null, true, false, 0);
    const infos = [{name: 'agent', runner: 'runner'}];
    const messages = [
        Message.frame('a', 'b', {kind: 'audio', data: new Uint8Array([1, 2, 3]), metadata: {rate: 16000}}),
        Message.agent_ready(info), Message.agent_registry('a', 'b', {runner: 'runner', infos}),
        Message.custom('my_name', 'a', 'b', {channel: 'system'}),
    ];

    for (const name of ['activate', 'deactivate', 'end', 'cancel', 'agent_error', 'request_inference',
        'request_inference_batch', 'flag_last_inference', 'model_handshake', 'model_version', 'model_update',
        'send_trajectory', 'shutdown', 'hand_off'])
        messages.push(Message[name]('a', 'b'));
    for (const name of ['request', 'response', 'response_urgent', 'update', 'update_urgent', 'update_request', 'cancel',
        'stream_start', 'stream_data', 'stream_end'])
        messages.push(Message[`task_${name}`]('a', 'b', '1'));

    const types = messages.map(message => message.get_message_type()).sort((a, b) => a - b);

    assertEqual(types, [...Array(AgentBus.MessageType.HAND_OFF + 1).keys()]);
    assertEqual(messages[0].frame.get_metadata().recursiveUnpack(), {rate: 16000});
    assertEqual(messages[2].get_infos().length, 1);
    assertEqual(messages[3].get_channel(), AgentBus.Channel.SYSTEM);
});

test('conversation', () => {
    const conversation = AgentBus.Conversation.new('talk');
    const message = Message.custom('x', 'a', 'b', {conversation});

    assertEqual([conversation.id, conversation.epoch, conversation.advance()], ['talk', 0, 1]);
    assertEqual([message.conversation === conversation, message.epoch], [true, 0]);
    assertEqual(Message.end('b', 'a', {cause: message}).conversation === conversation, true);
    assertEqual(Message.end('b', 'a', {cause: message, conversation: null}).conversation, null);
    assertEqual(new AgentBus.Conversation().id.length, 36);
});

test('options', async () => {
    const cause = update('b');
    const message = Message.task_request('a', 'b', '7',
        {name: 'sum', ttl: 50, reliable: true, error_reply: true, trace: 'trace', cause});

    assertEqual([message.name, message.source, message.target, message.task_id, message.task_name],
        ['task-request', 'a', 'b', '7', 'sum']);
    assertEqual([message.ttl, message.reliable, message.error_reply, message.trace, message.cause, message.type],
        [50, true, true, 'trace', cause.seq, AgentBus.MessageType.TASK_REQUEST]);
    assertEqual(Message.task_response('a', 'b', '7', {status: 'failed'}).status, AgentBus.TaskStatus.FAILED);
    assertEqual((await caught(() => Message.end('a', 'b', {resaon: 'typo'}))) instanceof TypeError, true);
    assertEqual((await caught(() => Message.end('a', 'b', 'enough'))).message,
        'Message.end() wants its options as an object, not enough');
    assertEqual((await caught(() => Message.task_response('a', 'b', '7', {status: 'odd'}))) instanceof TypeError, true);
    assertEqual(`${message}`.startsWith('#0 task-request a -> b task=7 name=sum'), true);
});

test('topics', async () => {
    const bus = new AgentBus.Bus();
    const meter = new AgentBus.Subscriber({name: 'meter', accepts: ['level']});
    const message = Message.custom('level', 'mic', null, {topic: 'audio.mic.1', retained: true});

    assertEqual([message.topic, message.retained, update('b').topic], ['audio.mic.1', true, null]);
    assertEqual((await caught(() => Message.end('a', null, {topic: 'a..b'}))) instanceof TypeError, true);
    assertEqual((await caught(() => meter.add_topic('a..b'))) instanceof GLib.Error, true);
    bus.subscribe(meter);
    assertEqual(bus.send(message), 0);
    meter.add_topic('audio.>');
    assertEqual([meter.list_topics(), meter.n_queued, meter.accepts], [['audio.>'], 1, ['level']]);
    meter.accepts = [];
    assertEqual(bus.send(Message.custom('level', 'mic', null, {topic: 'audio.mic.1'})), 0);
    meter.accepts = null;
    assertEqual([meter.accepts, bus.send(Message.custom('level', 'mic', null, {topic: 'audio.mic.1'}))], [null, 1]);
    bus.stop();
});

test('monitor', async () => {
    const bus = new AgentBus.Bus();
    const monitor = new AgentBus.Subscriber({name: 'eye'});
    const seen = [];

    monitor.on(message => seen.push(message.fate));
    bus.add_monitor(monitor);
    assertEqual((await caught(() => bus.add_monitor(monitor, ['cancel']))) instanceof GLib.Error, true);
    bus.send(Message.cancel('a', 'b'));
    bus.subscribe(new AgentBus.Subscriber({name: 'b'}));
    bus.send(Message.cancel('a', 'b'));
    await until(() => seen.length === 2);
    assertEqual(seen, [{n_accepted: 0, reason: AgentBus.DropReason.NO_TARGET}, {n_accepted: 1, reason: null}]);
    assertEqual(update('b').fate, null);
    bus.remove_monitor(monitor);
    bus.stop();
});

test('payloads', async () => {
    for (const payload of [{a: [1, 2.5, 'ä', null, true, {}]}, [], 'text', 0, false, '', null])
        assertEqual(update('b', payload).payload, payload);
    assertEqual(update('b', new GLib.Variant('(si)', ['a', 1])).payload, ['a', 1]);
    assertEqual(update('b', new Uint8Array([1, 2])).get_payload().get_type_string(), 'ay');
    for (const payload of [{n: 2 ** 53 - 1, f: [-0.5, 1e300], d: {e: {}, l: [[]]}}, 2 ** 40, -(2 ** 40)])
        assertEqual(update('b', payload).payload, payload);
});

class Point {
    constructor() {
        this.x = 1;
    }
}
class Named {
    toJSON() {
        return {name: 'named'};
    }
}

test('payloads-travel-as-text', async () => {
    const payload = {id: 17, price: 1.5, tags: ['a', null], left: undefined, ok: true};
    const message = Message.custom('order', 'a', 'b', {payload});

    assertEqual([message.has_payload_json(), message.get_payload_json()], [true, JSON.stringify(payload)]);
    const again = Message.new_from_variant(message.to_variant());
    assertEqual([again.get_payload_json(), again.payload], [JSON.stringify(payload), JSON.parse(JSON.stringify(payload))]);
    for (const packed of [null, new GLib.Variant('x', 1), new Uint8Array([1])])
        assertEqual(update('b', packed).has_payload_json(), false);

    const numbers = update('b', new GLib.Variant('(su)', ['x', 1]));
    assertEqual([numbers.get_payload_json(), numbers.payload], ['["x",1]', ['x', 1]]);
    const bare = Object.create(null);
    bare.x = [1];
    assertEqual(update('b', bare).payload, {x: [1]});
});

test('payloads-beyond-json', async () => {
    const loop = {};
    const deep = {};

    loop.a = [loop];
    for (let i = 0, inner = deep; i < 100000; i++)
        inner = inner.d = {};
    for (const [payload, said] of [
        [() => 1, 'payload is of type function'], [{a: [{b: () => 1}]}, 'payload.a[0].b is of type function'],
        [{n: NaN}, 'payload.n is NaN'], [{u: new Uint8Array(2)}, 'payload.u is of class Uint8Array'],
        [new ArrayBuffer(2), 'payload is of class ArrayBuffer'],
        [{v: new GLib.Variant('s', '')}, 'payload.v is of class'],
        [{i: 1n}, 'payload.i is of type bigint'], [(async () => ({}))(), 'payload is a Promise (is there an await'],
        [{'a b': [Promise.resolve()]}, 'payload["a b"][0] is a Promise'],
        [[new Set([1])], 'payload[0] is of class Set'],
        [new Map([['k', 1]]), 'payload is of class Map'], [{error: new Error('x')}, 'payload.error is of class Error'],
        [{bus: new Bus()}, 'payload.bus is of class'], [/x/, 'payload is of class RegExp'],
        [new Point(), 'payload is of class Point'], [Symbol('x'), 'payload is of type symbol'],
        [[1, undefined], 'payload[1] is of type undefined'], [{at: new Date(NaN)}, 'payload.at is an invalid Date'],
        [loop, 'payload.a[0] contains itself'], [deep, 'payload is nested too deeply'],
        ['\0', 'payload has a NUL'], [{a: '\ud800'}, 'payload.a has a NUL'], [{'\0': 1}, 'a key of payload has a NUL'],
    ]) {
        const error = await caught(() => update('b', payload));

        assertEqual([error instanceof TypeError, error.message.slice(0, said.length)], [true, said]);
    }
    assertEqual(update('b', {left: undefined, named: new Named(), at: new Date(0)}).payload,
        {named: {name: 'named'}, at: '1970-01-01T00:00:00.000Z'});
    assertEqual((await caught(() => Message.frame('a', 'b', {kind: 'k', metadata: {m: new Map()}}))).message,
        'metadata.m is of class Map, which cannot be in a payload');

    const error = await caught(() => update('b', [...Array(100)].reduce(inner => [inner], 1)));

    assertEqual(error.matches(AgentBus.BusError, AgentBus.BusError.INVALID_MESSAGE), true);
});

test('numbers', async () => {
    const bus = new Bus();
    const dispatcher = new AgentBus.RouterDispatcher({bus, route_table: new AgentBus.RouteTable()});
    const policy = AgentBus.RetryPolicy.new();
    const worker = new Subscriber({name: 'worker'});

    for (const odd of [0.5, NaN, Infinity, -1, '5', null]) {
        for (const func of [
            () => update('b').set_ttl(odd), () => new Bus({capacity: odd}),
            () => new Subscriber({name: 'a', maxBytes: odd}),
            () => new Subscriber({name: 'a', 'max-age': odd}), () => bus.set_shutdown_timeout(odd),
            () => { bus.shutdown_timeout = odd; }, () => { bus.shutdownTimeout = odd; },
            () => { worker.capacity = odd; }, () => { worker.maxAge = odd; }, () => worker.set_max_bytes(odd),
            () => { dispatcher.capacity = odd; }, () => dispatcher.set_timeout('request-inference', odd),
            () => policy.set_initial_delay(odd), () => policy.set_max_delay(odd),
        ])
            assertEqual((await caught(func)) instanceof RangeError, true);
    }
    assertEqual((await caught(() => Message.cancel('a', 'b', {ttl: 0.5}))).message,
        'ttl is 0.5, but has to be a whole number');
    bus.shutdownTimeout = 7;
    dispatcher.set_timeout('request_inference', 40);
    assertEqual([bus.shutdown_timeout, dispatcher.get_timeout(AgentBus.MessageType.REQUEST_INFERENCE)], [7, 40]);
    assertEqual(new Subscriber({name: 'a', max_bytes: 2 ** 40}).max_bytes, 2 ** 40);
    worker.maxBytes = 2 ** 40;
    worker['max-age'] = 3;
    assertEqual([worker.max_bytes, worker.max_age, worker.priority], [2 ** 40, 3, GLib.PRIORITY_DEFAULT]);
});

test('room', async () => {
    const [bus, worker] = makeBus();
    const cancellable = new Gio.Cancellable();
    const got = [];

    worker.capacity = 1;
    worker.paused = true;
    worker.on(({payload}) => got.push(payload));
    assertEqual([bus.try_send(update('worker', 1)), bus.send(update('worker', 2))], [true, 0]);
    for (const [target, code] of [['worker', 'FULL'], ['nobody', 'NOT_FOUND']]) {
        const error = await caught(() => bus.try_send(update(target, 3)));

        assertEqual(error.matches(AgentBus.BusError, AgentBus.BusError[code]), true);
    }

    const cancelled = bus.send_async(update('worker', 4), {signal: cancellable});
    const waiting = bus.send_async(update('worker', 5));

    cancellable.cancel();
    assertEqual((await rejection(cancelled)).matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), true);
    assertEqual(await Promise.race([waiting, turn()]) ?? 'waits', 'waits');
    worker.capacity = 2;
    assertEqual(await waiting, true);
    worker.paused = false;
    await until(() => got.length === 2);
    assertEqual(got, [1, 5]);
    assertEqual((await rejection(bus.send_async(update('nobody')))).matches(AgentBus.BusError, AgentBus.BusError.NOT_FOUND), true);
});

test('nicks', async () => {
    const {Overflow} = AgentBus;

    for (const overflow of ['drop-oldest', 'drop_oldest', 'DROP_OLDEST', Overflow.DROP_OLDEST])
        assertEqual(new Subscriber({name: 'a', overflow}).overflow, Overflow.DROP_OLDEST);
    for (const func of [
        () => new Subscriber({name: 'a', overflow: 'odd'}), () => new Subscriber({name: 'a', overflow: 9}),
        () => Message.custom('n', 'a', 'b', {channel: 'odd'}), () => Message.task_response('a', 'b', '1', {status: 99}),
        () => Message.frame('a', 'b', {kind: 'k', direction: 'sideways'}),
    ])
        assertEqual((await caught(func)) instanceof TypeError, true);
    assertEqual(Message.custom('n', 'a', 'b', {channel: 'system'}).channel, AgentBus.Channel.SYSTEM);
});

test('names', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    for (const name of ['cancel', 'CANCEL', AgentBus.MessageType.CANCEL])
        worker.on(name, () => got.push('cancel'));
    for (const name of ['task_request', 'task-request', 'TASK_REQUEST', AgentBus.MessageType.TASK_REQUEST])
        worker.on(name, () => got.push('request'));
    worker.on('plain', () => got.push('plain'));
    bus.send(Message.cancel('ui', 'worker'));
    bus.send(Message.task_request('ui', 'worker', '1'));
    bus.send(Message.custom('plain', 'ui', 'worker'));
    await until(() => worker.n_delivered === 3);
    assertEqual(got, [...Array(3).fill('cancel'), ...Array(4).fill('request'), 'plain']);
    for (const args of [[undefined, () => {}], ['', () => {}], [99, () => {}], [AgentBus.MessageType.CUSTOM, () => {}],
        ['cancel'], [AgentBus.MessageType.CANCELL, () => {}]])
        assertEqual((await caught(() => worker.on(...args))) instanceof TypeError, true);
});

test('on', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    worker.on(message => got.push(message.name));

    const id = worker.on('cancel', message => got.push(message.get_reason()));

    bus.send(Message.cancel('ui', 'worker', {reason: 'enough'}));
    bus.send(update('worker'));
    await until(() => worker.n_delivered === 2);
    worker.disconnect(id);
    bus.send(Message.cancel('ui', 'worker', {reason: 'again'}));
    await until(() => worker.n_delivered === 3);
    assertEqual(got, ['cancel', 'enough', 'task-update', 'cancel']);
});

test('one-at-a-time', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    worker.on(async message => {
        got.push(`<${message.payload}`);
        await turn();
        System.gc();
        await turn();
        got.push(`${message.payload}>`);
    });
    for (let i = 0; i < 3; i++)
        bus.send(update('worker', i));
    await until(() => got.length === 6);
    assertEqual(got, ['<0', '0>', '<1', '1>', '<2', '2>']);
});

test('two-handlers', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    for (const [name, n] of [['a', 1], ['b', 4]]) {
        worker.on(async message => {
            for (let i = 0; i < n; i++)
                await turn();
            got.push(`${name}${message.payload}`);
        });
    }
    bus.send(update('worker', 0));
    bus.send(update('worker', 1));
    await until(() => got.length === 4);
    assertEqual(got, ['a0', 'b0', 'a1', 'b1']);
});

test('failures', async () => {
    const [bus, worker] = makeBus();
    const failures = [];
    const got = [];

    bus.connect('failed', (_bus, subscriber, message, error) => failures.push([message.task_id, error.message]));
    worker.on(message => {
        got.push(message.task_id);
        if (message.payload === 'plain')
            throw new Error('plain');
    });
    worker.on(async message => {
        await turn();
        if (message.payload === 'async')
            throw new Error('async');
    });
    for (const [i, payload] of ['plain', 'fine', 'async', 'fine'].entries())
        bus.send(update('worker', payload, `${i}`));
    await until(() => failures.length === 2 && worker.n_queued === 0);
    assertEqual(failures, [['0', 'plain'], ['2', 'async']]);
    assertEqual([got, bus.statistics.failed], [['0', '1', '2', '3'], 2]);
});

// What programs have for an AbortSignal, which GJS itself does not.
class Abort {
    constructor() {
        this.listeners = new Set();
        this.signal = {
            aborted: false,
            addEventListener: (_type, listener) => this.listeners.add(listener),
            removeEventListener: (_type, listener) => this.listeners.delete(listener),
        };
    }

    abort(reason) {
        Object.assign(this.signal, {aborted: true, reason});
        this.listeners.forEach(listener => listener());
    }
}

test('for-await', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    for (let i = 0; i < 5; i++)
        bus.send(update('worker', i));
    for await (const message of worker) {
        for (let i = 0; i < 5; i++)
            await turn();
        got.push([message.payload, worker.n_delivered]);
        if (message.payload === 2)
            break;
    }
    assertEqual(got, [[0, 1], [1, 2], [2, 3]]);
    // What comes between two loops waits for the next one.
    bus.send(update('worker', 5));
    for (let i = 0; i < 5; i++)
        await turn();
    assertEqual([worker.paused, worker.n_queued], [true, 3]);
    for await (const message of worker) {
        got.push(message.payload);
        if (message.payload === 5)
            break;
    }
    assertEqual(got.slice(3), [3, 4, 5]);
    // And it is for the handlers, where there are any, when the pause is over.
    worker.on(message => got.push(`on ${message.payload}`));
    bus.send(update('worker', 6));
    await turn();
    worker.paused = false;
    await until(() => got.includes('on 6'));
    assertEqual([await bus.unsubscribe_async('worker'), worker.n_queued], [true, 0]);
});

test('next-at-once', async () => {
    const [bus, worker] = makeBus();
    const iterator = worker[Symbol.asyncIterator]();
    const promises = [iterator.next(), iterator.next(), iterator.next()];

    for (let i = 0; i < 2; i++)
        bus.send(update('worker', i));

    const got = await Promise.all(promises.slice(0, 2));

    assertEqual(got.map(({value, done}) => [value.payload, done]), [[0, false], [1, false]]);
    await turn();
    await iterator.return();
    assertEqual([await promises[2], await iterator.next()], [{done: true}, {done: true}]);
    // Nothing is in hand any more.
    assertEqual([await bus.stop(), bus.statistics.failed], [true, 0]);
});

// What a next() got that had lost a race goes to the one that is called after it.
test('next-given-up', async () => {
    const [bus, worker] = makeBus();
    const iterator = worker[Symbol.asyncIterator]();
    const give = payload => bus.send(update('worker', payload));
    const giveUp = async () => assertEqual(await Promise.race([iterator.next(), turn().then(() => 'late')]), 'late');
    const take = async () => (await iterator.next()).value.payload;

    // What comes while later calls wait, or while nobody does.
    for (let i = 0; i < 3; i++)
        await giveUp();
    give(0);
    give(1);
    assertEqual([await take(), await take()], [0, 1]);
    await giveUp();
    give(2);
    await until(() => worker.n_queued === 0);
    assertEqual(await take(), 2);
    // What nobody asks for any more is not delivered without a word.
    await giveUp();
    give(3);
    await until(() => worker.n_queued === 0);
    await iterator.return();
    assertEqual([await bus.stop(), bus.statistics.delivered, bus.statistics.failed], [true, 4, 1]);
});

test('next-not-given-up', async () => {
    const [bus, worker] = makeBus();
    const iterator = worker[Symbol.asyncIterator]();
    const got = [];
    const note = ({value}) => got.push(value.payload);

    for (let i = 0; i < 3; i++)
        bus.send(update('worker', i));
    // Who awaits it, or lets it win a race, need not look at it.
    await iterator.next();
    await Promise.race([iterator.next(), new Promise(() => {})]);
    note(await iterator.next());
    // A call that came later is not before one whose callback waits.
    iterator.next().then(note);
    iterator.next().then(note);
    await turn();
    iterator.next().then(note);
    for (let i = 3; i < 6; i++)
        bus.send(update('worker', i));
    await until(() => got.length === 4);
    assertEqual(got, [2, 3, 4, 5]);
    await iterator.return();
    assertEqual([await bus.stop(), bus.statistics.failed], [true, 0]);
});

test('receive', async () => {
    const [bus, worker] = makeBus();
    const abort = new Abort();
    const cancellable = new Gio.Cancellable();

    bus.send(update('worker', 0));
    bus.send(Message.cancel('ui', 'worker'));
    assertEqual([(await worker.receive()).name, (await worker.receive()).payload], ['cancel', 0]);

    const [first, second] = [worker.receive({signal: abort.signal}), worker.receive({signal: cancellable})];
    const third = worker.receive();

    abort.abort(new Error('late'));
    cancellable.cancel();
    assertEqual((await rejection(first)).message, 'late');
    assertEqual((await rejection(second)).matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), true);
    for (let i = 1; i < 4; i++)
        bus.send(update('worker', i));
    assertEqual([(await third).payload, (await worker.receive()).payload], [1, 2]);
    assertEqual(worker.receive(1000, null).payload, 3);
    assertEqual((await caught(() => worker.receive(0, null))).matches(AgentBus.BusError, AgentBus.BusError.TIMED_OUT),
        true);

    // Whoever means another option would wait for ever.
    assertEqual((await caught(() => worker.receive({timeout: 20}))).message, "Waiting has no option 'timeout', only signal");

    const last = worker.receive();

    await bus.stop();
    assertEqual((await rejection(last)).matches(AgentBus.BusError, AgentBus.BusError.CLOSED), true);
});

test('receive-delivery', async () => {
    const [bus, worker] = makeBus();
    const asking = worker.receive_delivery_async();

    bus.send(Message.task_request('ui', 'worker', '7'));

    const delivery = await asking;

    bus.send(Message.task_cancel('ui', 'worker', '7'));
    assertEqual([delivery.message.task_id, delivery.is_cancelled()], ['7', true]);
    delivery.complete();
    assertEqual((await worker.receive()).name, 'task-cancel');
});

test('for-await-throws', async () => {
    const [bus, worker] = makeBus();

    bus.send(update('worker', 1));

    const error = await rejection((async () => {
        for await (const message of worker)
            throw new Error(`${message.payload}`);
    })());

    assertEqual([error.message, await bus.stop()], ['1', true]);
});

async function consume(worker, got) {
    for await (const message of worker)
        got.push(message.reason ?? message.payload);
    got.push('end');
}

test('for-await-ends', async () => {
    for (const leave of [bus => bus.unsubscribe_async('worker'), bus => bus.stop()]) {
        const [bus, worker] = makeBus();
        const got = [];
        const loop = consume(worker, got);

        // Leaving discards data, and delivers what the system channel holds.
        bus.send(update('worker', 0));
        bus.send(Message.cancel('ui', 'worker', {reason: 'a'}));
        bus.send(Message.cancel('ui', 'worker', {reason: 'b'}));
        assertEqual(await leave(bus), true);
        await loop;
        await consume(worker, got);
        assertEqual(got, ['a', 'b', 'end', 'end']);
    }
});

test('for-await-ends-late', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    GLib.test_expect_message('AgentBus', GLib.LogLevelFlags.LEVEL_WARNING, '*did not leave*');
    bus.shutdown_timeout = 1;
    for (const reason of ['a', 'b'])
        bus.send(Message.cancel('ui', 'worker', {reason}));
    for await (const message of worker) {
        got.push(message.reason);

        const error = await rejection(bus.stop());

        assertEqual(error.matches(AgentBus.BusError, AgentBus.BusError.TIMED_OUT), true);
    }
    assertEqual(got, ['a']);
    GLib.test_assert_expected_messages_internal('AgentBus', 'test-gjs-overrides.js', 0, 'for-await-ends-late');
});

// A loop ends with its subscription; the next one may be on another bus.
test('for-await-moves', async () => {
    const [bus, worker] = makeBus();
    const other = new Bus();
    const got = [];
    const loop = consume(worker, got);

    await bus.unsubscribe_async('worker');
    other.subscribe(worker);
    await loop;
    other.send(Message.cancel('ui', 'worker', {reason: 'there'}));

    const again = consume(worker, got);

    await until(() => got.length === 2);
    await other.stop();
    await again;
    assertEqual(got, ['end', 'there', 'end']);
});

// Each message goes to one of them.
test('for-await-beside', async () => {
    const [bus, worker] = makeBus();
    const got = [];
    const loops = [consume(worker, got), consume(worker, got)];

    worker.on(() => got.push('handler'));
    for (let i = 0; i < 4; i++)
        bus.send(update('worker', i));
    await until(() => got.length === 4);
    assertEqual(got, [0, 1, 2, 3]);
    await bus.stop();
    await Promise.all(loops);
});

test('by-hand', async () => {
    const [bus, worker] = makeBus();
    const got = [];
    const failures = [];
    const deliveries = [];

    bus.connect('failed', (_bus, _subscriber, _message, error) => failures.push(error.message));
    worker.on('deliver', () => {
        deliveries.push(worker.defer());
    });
    worker.on(async message => {
        got.push(`<${message.name}`);
        await turn();
        got.push(`${message.name}>`);
    });
    worker.on('task-update', () => {
        worker.defer();
    });
    bus.send(Message.custom('deliver', 'ui', 'worker'));
    bus.send(update('worker'));
    await until(() => got.length === 2);
    assertEqual([worker.n_delivered, worker.n_queued], [1, 1]);
    deliveries[0].complete();
    await until(() => failures.length === 1);
    assertEqual(got.length, 4);
    assertEqual(failures[0].includes('belongs to'), true);
});

const Keeper = GObject.registerClass(class Keeper extends Subscriber {
    vfunc_message(message) {
        (this.kept ??= []).push(message);
    }
});
const Heir = GObject.registerClass(class Heir extends Keeper {
    vfunc_message(message) {
        super.vfunc_message(message);
    }
});
const SignalKeeper = GObject.registerClass(class SignalKeeper extends Subscriber {
    on_message(message) {
        (this.kept ??= []).push(message);
    }
});
const Awaiter = GObject.registerClass(class Awaiter extends Subscriber {
    async vfunc_message(message) {
        const delivery = this.defer();

        for (let i = 0; i < 3; i++) {
            await turn();
            System.gc();
        }
        (this.kept ??= []).push(message);
        delivery.complete();
    }
});

const Methods = GObject.registerClass(class Methods extends Subscriber {
    async vfunc_message(message) {
        await turn();
        if (message.payload === 1)
            throw new Error('method');
        (this.got ??= []).push(message.payload);
    }
});
const MethodsHeir = GObject.registerClass(class MethodsHeir extends Methods {
    async vfunc_message(message) {
        await super.vfunc_message(message);
        this.got.push(`heir ${message.payload}`);
    }
});

test('async-methods', async () => {
    const [bus, worker] = makeBus('worker', MethodsHeir);
    const failures = [];

    bus.connect('failed', (_bus, _subscriber, _message, error) => failures.push(error.message));
    for (let i = 0; i < 3; i++)
        bus.send(update('worker', i));
    await until(() => worker.got?.length === 4);
    await until(() => failures.length === 1);
    assertEqual([worker.got, failures], [[0, 'heir 0', 2, 'heir 2'], ['method']]);
});

for (const klass of [Keeper, Heir, SignalKeeper, Awaiter]) {
    test(`kept-${klass.name.toLowerCase()}`, async () => {
        const [bus, worker] = makeBus('worker', klass);
        const expected = [];

        for (let i = 0; i < 20; i++) {
            bus.send(update('worker', {i}, `task ${i}`));
            expected.push([`task ${i}`, 'ui', {i}]);
        }
        await until(() => worker.kept?.length === 20);
        await bus.stop();
        System.gc();
        // Others may have the memory now, if it was freed.
        for (let i = 0; i < 100; i++)
            update('nobody', {other: i}, `other ${i}`);
        assertEqual(worker.kept.map(m => [m.task_id, m.source, m.payload]), expected);
    });
}

test('threads', async () => {
    const [bus, worker] = makeBus();
    let nForeign = 0, n = 0, nDropped = 0;

    const here = () => {
        if (!AgentBusTest.is_main_thread())
            nForeign++;
    };

    bus.connect('dropped', (_bus, _subscriber, _reason, nNew) => {
        here();
        nDropped += nNew;
    });
    worker.on(() => {
        here();
        n++;
    });

    const nSent = AgentBusTest.send_from_threads(bus, 'worker', 4, 5000);

    assertEqual(n, 0);
    AgentBusTest.send_from_threads(bus, 'nobody', 4, 100);
    await until(() => n === nSent && nDropped === 400);
    assertEqual([nForeign, worker.n_delivered], [0, 20000]);
});

test('forgotten', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    GLib.test_expect_message('AgentBus', GLib.LogLevelFlags.LEVEL_WARNING, '*dropped without complete*');
    GLib.test_expect_message('AgentBus', GLib.LogLevelFlags.LEVEL_WARNING, '*dropped without complete*');
    worker.on('task-update', async message => {
        if (message.payload === 'never')
            await new Promise(() => {});
        got.push(message.payload);
    });
    worker.on('deliver', () => worker.defer());
    bus.send(update('worker', 'never'));
    bus.send(Message.custom('deliver', 'ui', 'worker'));
    bus.send(update('worker', 'next'));
    await until(() => {
        System.gc();
        return got.length === 1;
    });
    assertEqual(got, ['next']);
    GLib.test_assert_expected_messages_internal('AgentBus', 'test-gjs-overrides.js', 0, 'forgotten');
});

test('promises', async () => {
    const [bus] = makeBus();
    const results = [];

    assertEqual(await bus.unsubscribe_async('worker'), true);

    const error = await rejection(bus.unsubscribe_async('worker'));

    assertEqual(error.matches(AgentBus.BusError, AgentBus.BusError.NOT_FOUND), true);
    assertEqual([await bus.stop(), bus.running], [true, false]);
    assertEqual([await bus.start(), bus.running], [true, true]);
    bus.stop_async(null, (self, result) => results.push(self.stop_finish(result)));
    await until(() => results.length === 1);
    assertEqual(results, [true]);
});

test('leaving-without-loss', async () => {
    const [bus, worker] = makeBus();
    const got = [];

    worker.on(message => got.push(message.task_id));
    bus.send(Message.task_update('ui', 'worker', '1'));
    assertEqual(await bus.flush('worker'), true);
    bus.send(Message.task_update('ui', 'worker', '2'));
    assertEqual(await bus.flush(), true);
    assertEqual(got, ['1', '2']);
    bus.send(Message.task_update('ui', 'worker', '3'));
    assertEqual(await bus.unsubscribe('worker', {drain: true}), true);
    assertEqual(got, ['1', '2', '3']);
    assertEqual(bus.unsubscribe('worker'), undefined);

    const error = await rejection(bus.flush('worker'));

    assertEqual(error.matches(AgentBus.BusError, AgentBus.BusError.NOT_FOUND), true);
    bus.subscribe(worker);
    bus.send(Message.task_update('ui', 'worker', '4'));
    assertEqual(await bus.stop({drain: true}), true);
    assertEqual(got, ['1', '2', '3', '4']);
});

test('a-flush-is-aborted', async () => {
    const [bus, worker] = makeBus();
    const signal = {
        aborted: false, reason: 'enough', listeners: [],
        addEventListener(_name, listener) {
            this.listeners.push(listener);
        },
    };
    const cancellable = new Gio.Cancellable();

    worker.paused = true;
    bus.send(Message.task_update('ui', 'worker', '1'));

    const flushed = rejection(bus.flush('worker', {signal}));
    const other = rejection(bus.flush(null, cancellable));

    signal.aborted = true;
    signal.listeners.forEach(listener => listener());
    cancellable.cancel();
    assertEqual(await flushed, 'enough');
    assertEqual((await other).matches(Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED), true);
    await bus.stop();
});

test('groups-and-names', async () => {
    const [bus] = makeBus();
    const told = [];
    const id = bus.watch_name('pool', (_bus, name) => told.push(`+${name}`), (_bus, name) => told.push(`-${name}`));
    const member = new Subscriber({name: 'member', group: 'pool'});

    bus.subscribe(member);
    assertEqual([member.group, bus.list_names()], ['pool', ['member', 'pool', 'worker']]);
    bus.unsubscribe('member');
    await until(() => told.length === 3);
    assertEqual(told, ['-pool', '+pool', '-pool']);
    bus.unwatch_name(id);
    await bus.stop();
});

test('names-that-are-none', async () => {
    const program = `imports.gi.versions.AgentBus = '1';
        const worker = new imports.gi.AgentBus.Subscriber({name: 'worker'});
        for (const name of ['task_request', 'plain', 'my-name', 'task_reqest'])
            worker.on(name, () => {});`;
    const process = Gio.Subprocess.new(['gjs', '-c', program], Gio.SubprocessFlags.STDERR_PIPE);
    const [, , said] = process.communicate_utf8(null, null);

    assertEqual(said.match(/on\('.*?'\): no type of messages has this name/g),
        [`on('task_reqest'): no type of messages has this name`]);
});

test('cancelling', async () => {
    const [bus, worker] = makeBus();
    const {CANCELLED} = Gio.IOErrorEnum;
    let delivery = null;

    worker.on('activate', () => {
        delivery = worker.defer();
    });
    bus.send(Message.activate('ui', 'worker'));
    await until(() => delivery !== null);

    const abort = new Abort();
    const reason = new Error('enough');
    const promise = bus.unsubscribe_async('worker', {signal: abort.signal});

    abort.abort(reason);
    assertEqual([await rejection(promise) === reason, abort.listeners.size], [true, 0]);
    for (const make of [source => source, source => ({signal: source})]) {
        const cancellable = new Gio.Cancellable();
        const promise = bus.stop(make(cancellable));

        cancellable.cancel();
        assertEqual((await rejection(promise)).matches(Gio.IOErrorEnum, CANCELLED), true);
    }

    const late = new Abort();

    late.abort();
    assertEqual((await rejection(bus.stop({signal: late.signal}))).matches(Gio.IOErrorEnum, CANCELLED), true);
    assertEqual((await caught(() => bus.stop({signal: 'now'}))) instanceof TypeError, true);
    delivery.complete();

    const unused = new Abort();

    assertEqual([await bus.stop({signal: unused.signal}), unused.listeners.size], [true, 0]);
});

test('errors', async () => {
    const [bus] = makeBus();
    const error = await caught(() => bus.subscribe(new Subscriber({name: 'worker'})));

    assertEqual(error.matches(AgentBus.BusError, AgentBus.BusError.EXISTS), true);
});

test('statistics', async () => {
    const [bus, worker] = makeBus();

    worker.on(() => {});
    bus.send(update('worker'));
    bus.send(update('nobody'));
    await until(() => worker.n_delivered === 1);

    const {sent, offered, delivered, queued, failed, dropped, subscribers} = bus.statistics;

    assertEqual([sent, offered, delivered, queued, failed, dropped['no-target']], [2, 2, 1, 0, 0, 1]);
    assertEqual(subscribers.worker.delivered, 1);
    assertEqual(`${bus}`, '[AgentBus.Bus subscribers=1 sent=2 delivered=1 queued=0]');
});

test('copy and forward', async () => {
    const [bus, worker] = makeBus();
    const first = Message.task_request('ui', 'worker', '1', {payload: [1], ttl: 500});
    const other = new Subscriber({name: 'other'});
    const got = [];

    assertEqual([first.copy().source, first.copy().target, first.copy().ttl, first.copy().payload],
        ['ui', 'worker', 500, [1]]);

    const copy = first.copy({source: 'me', target: null, ttl: 7});

    assertEqual([copy.source, copy.target, copy.ttl, copy.seq], ['me', null, 7, 0]);
    assertEqual((await caught(() => first.copy({colour: 1}))) instanceof TypeError, true);
    other.on(message => got.push([message.source, message.task_id]));
    bus.subscribe(other);
    worker.on(async () => {
        const delivery = worker.defer();

        assertEqual((await caught(() => delivery.forward('nobody'))).matches(
            AgentBus.BusError, AgentBus.BusError.NOT_FOUND), true);
        delivery.forward('other');
    });
    bus.send(first);
    await until(() => got.length === 1);
    assertEqual(got, [['ui', '1']]);
});

test('many routes', async () => {
    const routes = new AgentBus.RouteTable();
    const changed = [];

    routes.connect('changed-many', (_routes, actors) => changed.push(actors));
    assertEqual(routes.assign_many(['b', 'a'], 'worker'), 2);
    routes.unassign('c');
    assertEqual([[...routes], routes.list_actors('worker')], [['a', 'b', 'c'], ['a', 'b']]);

    const before = routes.snapshot();

    assertEqual(before, {a: 'worker', b: 'worker', c: null});
    assertEqual(routes.rebalance(['other'], {other: 2}),
        [['a', 'worker', 'other'], ['b', 'worker', 'other'], ['c', null, 'other']]);
    routes.rename('a', 'd');
    routes.restore(before);
    assertEqual(routes.snapshot(), before);
    await until(() => changed.length === 3);
    assertEqual(changed, [['b', 'a'], ['a', 'b', 'c'], ['d', 'a', 'b', 'c']]);
    assertEqual((await caught(() => routes.rebalance(['a'], {a: -1}))) instanceof RangeError, true);
    assertEqual((await caught(() => routes.restore({'': 'a'}))).matches(
        AgentBus.BusError, AgentBus.BusError.INVALID_MESSAGE), true);
});

test('scaling', async () => {
    const [bus, worker] = makeBus();
    const route_table = new AgentBus.RouteTable();
    const dispatcher = new AgentBus.RouterDispatcher({bus, route_table, hand_off: true});
    const got = [];

    worker.on(message => got.push([message.name, message.target, message.payload]));
    route_table.assign('actor', 'worker');
    dispatcher.dispatch(Message.request_inference('ui', 'actor', {payload: 1}));
    route_table.assign('actor', 'other');
    route_table.assign('quiet', 'worker');
    assertEqual(await dispatcher.drain_router('worker'), true);
    assertEqual(got, [['request-inference', 'actor', 1], ['hand-off', 'actor', 'other']]);
    assertEqual(route_table.lookup('quiet'), null);
});

test('dispatcher', async () => {
    const [bus, worker] = makeBus();
    const route_table = new AgentBus.RouteTable();
    const dispatcher = new AgentBus.RouterDispatcher({bus, route_table});
    const got = [];
    const expired = [];

    bus.shutdown_timeout = 20;
    worker.on(async message => {
        await turn();
        got.push(message.payload);
    });
    dispatcher.connect('expired', (_dispatcher, message) => expired.push(message.payload));
    for (let i = 0; i < 3; i++)
        dispatcher.dispatch(Message.request_inference('ui', 'actor', {payload: i}));
    dispatcher.dispatch(Message.request_inference('ui', 'other', {payload: 'late', ttl: 5}));
    route_table.assign('actor', 'worker');
    await until(() => got.length === 3 && expired.length === 1);
    assertEqual([got, expired], [[0, 1, 2], ['late']]);
    dispatcher.dispatch(Message.model_update('ui', 'other'));

    const {accepted, dispatched, parked} = dispatcher.statistics;

    assertEqual([accepted, dispatched, parked, dispatcher.statistics.expired], [5, 3, 1, 1]);

    const error = await rejection(dispatcher.stop());

    assertEqual([error.matches(AgentBus.BusError, AgentBus.BusError.TIMED_OUT), dispatcher.n_parked], [true, 0]);
    assertEqual(await new AgentBus.RouterDispatcher({bus, route_table}).stop(), true);
});

// The memory after a first part of the messages is what it takes; the rest must not add to it.
async function assertFlat(n, limit, subscriber, sendSome) {
    let sent = 0, before = 0;

    while (sent < n) {
        sent += sendSome();
        await until(() => subscriber.n_delivered === sent);
        if (before === 0 && sent >= n / 4) {
            System.gc();
            before = AgentBusTest.get_rss();
        }
    }
    System.gc();

    const growth = AgentBusTest.get_rss() - before;

    if (growth > limit)
        throw new Error(`${n} messages: ${growth} bytes more`);
}

const nFlat = GLib.getenv('AGENTBUS_SOAK') ? 1000000 : 200000;

test('flat-plain', async () => {
    const [bus, worker] = makeBus();

    worker.on(() => {});
    await assertFlat(nFlat, 16 * MIB, worker, () => AgentBusTest.send_from_threads(bus, 'worker', 1, 1000));
});

test('flat-async', async () => {
    const [bus, worker] = makeBus();

    worker.on(async () => {
        await null;
    });
    await assertFlat(nFlat / 10, 16 * MIB, worker, () => AgentBusTest.send_from_threads(bus, 'worker', 1, 1000));
});

test('flat-vfunc', async () => {
    const [bus, worker] = makeBus('worker', GObject.registerClass(class Plain extends Subscriber {
        vfunc_message() {}
    }));

    await assertFlat(nFlat / 2, 16 * MIB, worker, () => AgentBusTest.send_from_threads(bus, 'worker', 1, 1000));
});

// 64 KiB each: a GiB and more, if it waited for a collection.
test('flat-frames', async () => {
    const [bus, worker] = makeBus();
    const data = new Uint8Array(65536);

    worker.on(() => {});
    await assertFlat(20000, 128 * MIB, worker, () => {
        for (let i = 0; i < 100; i++)
            bus.send(Message.frame('ui', 'worker', {kind: 'audio', data}));
        return 100;
    });
});

run('/agentbus/gjs-overrides/', async func => {
    await func();
    await stopBuses();
});
