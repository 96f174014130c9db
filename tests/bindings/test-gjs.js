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

function makeDispatcher(bus) {
    return new AgentBus.RouterDispatcher({bus, route_table: new AgentBus.RouteTable()});
}

function update(actor, id = '1') {
    return AgentBus.Message.new_task_update('ui', actor, id, null);
}

function catchError(func) {
    try {
        func();
    } catch (e) {
        return e;
    }
    throw new Error('Nothing was thrown');
}

function assertRefused(dispatcher, code) {
    const error = catchError(() => dispatcher.dispatch(update('actor')));

    assertEqual([error.matches(AgentBus.BusError, code), error.code], [true, code]);
}

test('/agentbus/gjs/dispatch', () => {
    const bus = new AgentBus.Bus();
    const dispatcher = makeDispatcher(bus);
    const worker = new Worker('worker');

    bus.subscribe(worker);
    assertEqual(dispatcher.dispatch(update('actor', '1')), AgentBus.DispatchResult.PARKED);
    assertEqual(dispatcher.n_parked, 1);
    dispatcher.route_table.assign('actor', 'worker');
    assertEqual(dispatcher.dispatch(update('actor', '2')), AgentBus.DispatchResult.DELIVERED);
    drain();
    assertEqual(worker.got.map(m => m.get_task_id()), ['1', '2']);
});

test('/agentbus/gjs/dispatch-refused', () => {
    const dispatcher = makeDispatcher(new AgentBus.Bus());

    dispatcher.capacity = 0;
    assertRefused(dispatcher, AgentBus.BusError.FULL);
    dispatcher.park_unknown = false;
    assertRefused(dispatcher, AgentBus.BusError.ACTOR_NOT_ASSIGNED);
});

test('/agentbus/gjs/dispatch-expired', () => {
    const dispatcher = makeDispatcher(new AgentBus.Bus());
    const message = update('actor', '7');
    const expired = [];

    dispatcher.connect('expired', (d, m, waited, nAttempts) => {
        expired.push([m.get_task_id(), waited >= 5, nAttempts]);
    });
    message.set_ttl(5);
    dispatcher.dispatch(message);
    while (expired.length === 0)
        context.iteration(true);
    assertEqual(expired, [['7', true, 1]]);
});

test('/agentbus/gjs/dispatch-dropped', () => {
    const dispatcher = makeDispatcher(new AgentBus.Bus());
    const dropped = [];

    dispatcher.connect('dropped', (d, m, reason) => dropped.push([m.get_task_id(), reason]));
    dispatcher.route_table.unassign('actor');
    dispatcher.dispatch(update('actor', '7'));
    assertEqual(dispatcher.route_table.remove('actor'), true);
    drain();
    assertEqual(dropped, [['7', AgentBus.DropReason.NO_TARGET]]);
});

test('/agentbus/gjs/dispatch-statistics', () => {
    const dispatcher = makeDispatcher(new AgentBus.Bus());

    dispatcher.capacity = 1;
    dispatcher.dispatch(update('actor'));
    assertRefused(dispatcher, AgentBus.BusError.FULL);
    const ledger = dispatcher.get_statistics().recursiveUnpack();
    assertEqual([ledger.accepted, ledger.dispatched, ledger.parked, ledger.refused, ledger.dropped.closed],
        [1, 0, 1, 1, 0]);
});

test('/agentbus/gjs/dispatch-stop', () => {
    const bus = new AgentBus.Bus({shutdown_timeout: 5});
    const dispatcher = makeDispatcher(bus);
    let error = null;

    dispatcher.dispatch(update('actor'));
    dispatcher.stop_async(null, (d, result) => {
        error = catchError(() => d.stop_finish(result));
    });
    assertRefused(dispatcher, AgentBus.BusError.CLOSED);
    while (error === null)
        context.iteration(true);
    assertEqual([error.matches(AgentBus.BusError, AgentBus.BusError.TIMED_OUT), dispatcher.n_parked], [true, 0]);
});

test('/agentbus/gjs/routes', () => {
    const routes = new AgentBus.RouteTable();
    const changes = [];

    routes.connect('changed', (table, actor, router) => changes.push([actor, router]));
    routes.assign('actor', 'worker');
    assertEqual([routes.lookup('actor'), routes.lookup('other')], ['worker', null]);
    routes.unassign('actor');
    drain();
    assertEqual(changes, [['actor', 'worker'], ['actor', null]]);
});

test('/agentbus/gjs/retry-policy', () => {
    const dispatcher = makeDispatcher(new AgentBus.Bus());
    const policy = AgentBus.RetryPolicy.new();

    policy.set_initial_delay(10);
    policy.set_max_delay(50);
    policy.set_multiplier(3);
    policy.set_jitter(0.5);
    policy.set_seed(7);
    dispatcher.retry_policy = policy;
    const copy = dispatcher.get_retry_policy();
    assertEqual([0, 1, 2].map(attempt => copy.get_delay(attempt)), [10, 30, 50]);
    assertEqual([copy.get_jitter(), copy.get_seed()], [0.5, 7]);
});

test('/agentbus/gjs/error-reply', () => {
    const bus = new AgentBus.Bus();
    const dispatcher = makeDispatcher(bus);
    const ui = new Worker('ui');
    const message = update('actor');

    bus.subscribe(ui);
    message.set_error_reply(true);
    dispatcher.route_table.unassign('actor');
    dispatcher.dispatch(message);
    dispatcher.route_table.remove('actor');
    drain();
    assertEqual(ui.got.map(m => [m.get_name(), m.get_source(), m.get_cause()]), [['agent-error', 'actor', 1]]);
});

print(`1..${nTests}`);
