// SPDX-License-Identifier: LGPL-2.1-or-later
// The bus from JavaScript, with nothing but what introspection gives.

imports.gi.versions.AgentBus = '1';
const {AgentBus, Gio, GLib, GObject} = imports.gi;

const context = GLib.MainContext.default();
let nTests = 0;

function drain() {
    while (context.iteration(false))
        ;
}

function assertEqual(actual, expected) {
    const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)];

    if (a !== e)
        throw new Error(`${a} is not ${e}`);
}

function test(name, func) {
    func();
    print(`ok ${++nTests} ${name}`);
}

const Worker = GObject.registerClass(class Worker extends AgentBus.Subscriber {
    _init(name) {
        super._init({name});
        this.got = [];
    }

    on_message(message) {
        this.got.push(message);
    }
});

test('/agentbus/gjs/class-handler', () => {
    const bus = new AgentBus.Bus();
    const worker = new Worker('worker');

    bus.subscribe(worker);
    assertEqual(bus.send(AgentBus.Message.new_task_update('ui', 'worker', '42', new GLib.Variant('i', 7))), 1);
    drain();
    imports.system.gc();
    assertEqual(worker.got.map(m => [m.get_name(), m.get_task_id(), m.get_payload().deepUnpack()]),
        [['task-update', '42', 7]]);
});

test('/agentbus/gjs/vfunc', () => {
    const names = [];
    const Plain = GObject.registerClass(class Plain extends AgentBus.Subscriber {
        vfunc_message(message) {
            names.push(message.get_name());
        }
    });
    const bus = new AgentBus.Bus();

    bus.subscribe(new Plain({name: 'plain'}));
    bus.send(AgentBus.Message.new_cancel('ui', null, null));
    drain();
    assertEqual(names, ['cancel']);
});

test('/agentbus/gjs/connect', () => {
    const bus = new AgentBus.Bus();
    const subscriber = AgentBus.Subscriber.new('worker');
    const reasons = [];
    const names = [];

    subscriber.connect('message::cancel', (sub, message) => reasons.push(message.get_reason()));
    subscriber.connect('message', (sub, message) => names.push(message.get_name()));
    bus.subscribe(subscriber);
    bus.send(AgentBus.Message.new_task_update('ui', 'worker', '1', null));
    bus.send(AgentBus.Message.new_cancel('ui', null, 'enough'));
    drain();
    assertEqual([reasons, names], [['enough'], ['cancel', 'task-update']]);
});

test('/agentbus/gjs/drops', () => {
    const bus = new AgentBus.Bus({capacity: 2});
    const drops = [];

    bus.connect('dropped', (b, sub, reason, n, last) => {
        drops.push([sub === null ? null : sub.name, AgentBus.DropReason.to_string(reason), n, last.get_source()]);
    });
    bus.subscribe(new Worker('worker'));
    for (let i = 0; i < 5; i++)
        bus.send(AgentBus.Message.new_task_update('ui', 'worker', `${i}`, null));
    bus.send(AgentBus.Message.new_end('ui', 'nobody', null));
    drain();
    assertEqual(drops, [['worker', 'full', 3, 'ui'], [null, 'no-target', 1, 'ui']]);
});

test('/agentbus/gjs/defer', () => {
    const bus = new AgentBus.Bus();
    const failures = [];
    const deliveries = [];
    const subscriber = AgentBus.Subscriber.new('slow');

    subscriber.connect('message', sub => deliveries.push(sub.defer()));
    bus.connect('failed', (b, sub, message, reason) => failures.push(reason));
    bus.subscribe(subscriber);
    for (const id of ['1', '2'])
        bus.send(AgentBus.Message.new_task_update('ui', 'slow', id, null));
    drain();
    assertEqual(deliveries.map(d => d.message.get_task_id()), ['1']);
    deliveries[0].fail_message('no luck');
    drain();
    assertEqual(deliveries.map(d => d.message.get_task_id()), ['1', '2']);
    deliveries[1].complete();
    drain();
    assertEqual(failures, ['no luck']);
});

test('/agentbus/gjs/errors', () => {
    const bus = new AgentBus.Bus();
    let caught = null;

    bus.subscribe(new Worker('worker'));
    try {
        bus.subscribe(new Worker('worker'));
    } catch (e) {
        caught = e;
    }
    assertEqual(caught.matches(AgentBus.BusError, AgentBus.BusError.EXISTS), true);
});

test('/agentbus/gjs/stop', () => {
    const bus = new AgentBus.Bus();
    let stopped = null;

    bus.subscribe(new Worker('worker'));
    bus.stop_async(null, (b, result) => {
        stopped = b.stop_finish(result);
    });
    while (stopped === null)
        context.iteration(true);
    assertEqual([stopped, bus.running, bus.n_subscribers], [true, false, 0]);
});

test('/agentbus/gjs/statistics', () => {
    const bus = new AgentBus.Bus();

    bus.subscribe(new Worker('worker'));
    bus.send(AgentBus.Message.new_end('ui', null, null));
    drain();
    const ledger = bus.get_statistics().recursiveUnpack();
    assertEqual([ledger.sent, ledger.offered, ledger.delivered, ledger.subscribers.worker.delivered], [1, 1, 1, 1]);
});

print(`1..${nTests}`);
