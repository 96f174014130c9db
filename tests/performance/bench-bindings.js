#!/usr/bin/gjs
// SPDX-License-Identifier: LGPL-2.1-or-later
// What a message costs in JavaScript: one context sends, then handles. Some scenarios want the overrides.
//
// Usage: bench-bindings.js all | list | SCENARIO...

imports.gi.versions.AgentBus = '1';
const {AgentBus, GLib, GObject} = imports.gi;

const N = 20000;
const REPEATS = Math.min(5, Math.max(1, parseInt(GLib.getenv('AGENTBUS_BENCH_REPEATS') ?? '5')));
const PROPERTIES = {name: 'agent-0', capacity: N};

const context = GLib.MainContext.default();

const Counter = GObject.registerClass(class Counter extends AgentBus.Subscriber {
    _init(properties) {
        super._init(properties);
        this.n = 0;
    }

    vfunc_message(message) {
        this.n++;
    }
});

const Reader = GObject.registerClass(class Reader extends AgentBus.Subscriber {
    _init(properties) {
        super._init(properties);
        this.n = 0;
    }

    vfunc_message(message) {
        this.n++;
        if (message.get_source() !== 'producer' || message.get_task_id() !== 't' ||
            message.get_payload().deepUnpack() !== 7)
            throw new Error(message.to_string());
    }
});

const PayloadReader = GObject.registerClass(class PayloadReader extends AgentBus.Subscriber {
    _init(properties) {
        super._init(properties);
        this.n = 0;
    }

    vfunc_message(message) {
        this.n++;
        if (message.payload.id !== 17)
            throw new Error(message.to_string());
    }
});

const ORDER = {id: 17, price: 1.5, name: 'order', ok: true};
const makeOrder = () => AgentBus.Message.task_update('producer', 'agent-0', 't', {payload: ORDER});
const makeUpdate = payload => AgentBus.Message.new_task_update('producer', 'agent-0', 't', payload);

function makeListener(listen) {
    const subscriber = new AgentBus.Subscriber(PROPERTIES);

    subscriber.n = 0;
    listen(subscriber);
    return subscriber;
}

const scenarios = new Map([
    ['js_handler', [() => new Counter(PROPERTIES), null]],
    ['js_connect', [() => makeListener(self => self.connect('message', () => {
        self.n++;
    })), null]],
    ['js_read', [() => new Reader(PROPERTIES), new GLib.Variant('i', 7)]],
]);

if (AgentBus.Subscriber.prototype.on) {
    scenarios.set('js_on', [() => makeListener(self => self.on(() => {
        self.n++;
    })), null]);
    scenarios.set('js_async', [() => makeListener(self => self.on(async () => {
        await null;
        self.n++;
    })), null]);
    scenarios.set('js_dict', [() => new PayloadReader(PROPERTIES), null, makeOrder]);
}

// Microseconds of a send, and of a handler.
function runOnce(make, payload, makeMessage = makeUpdate) {
    const bus = new AgentBus.Bus();
    const subscriber = make();

    bus.subscribe(subscriber);

    const start = GLib.get_monotonic_time();
    for (let i = 0; i < N; i++)
        bus.send(makeMessage(payload));
    const sent = GLib.get_monotonic_time();
    while (subscriber.n < N)
        context.iteration(true);
    const handled = GLib.get_monotonic_time();

    if (subscriber.n_dropped > 0)
        throw new Error('messages were dropped');
    // Who is done with a bus early may lose it to the collector, with all that waits.
    bus.unsubscribe('agent-0');
    imports.system.gc();
    return [(sent - start) / N, (handled - sent) / N];
}

function report(scenario, figure, values, unit) {
    const sorted = values.slice().sort((a, b) => a - b);
    const figures = [['', sorted[sorted.length >> 1]], ['_min', sorted[0]], ['_max', sorted[sorted.length - 1]]];

    for (const [suffix, value] of figures)
        print(`${scenario}\t${figure}${suffix}\t${value.toPrecision(4)}\t${unit}`);
}

function run(scenario) {
    const times = [];

    for (let i = 0; i < REPEATS; i++)
        times.push(runOnce(...scenarios.get(scenario)));
    report(scenario, 'us_per_send', times.map(([send]) => send), 'us');
    report(scenario, 'us_per_handler', times.map(([, handle]) => handle), 'us');
}

function main(names) {
    const all = [...scenarios.keys()];

    if (names.length === 1 && names[0] === 'list') {
        print(all.join('\n'));
        return 0;
    }
    if (names.length === 0 || (names[0] !== 'all' && !names.every(name => scenarios.has(name)))) {
        printerr('Usage: bench-bindings.js all | list | SCENARIO...');
        return 2;
    }

    (names[0] === 'all' ? all : names).forEach(run);
    return 0;
}

imports.system.exit(main(ARGV));
