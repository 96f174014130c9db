// SPDX-License-Identifier: LGPL-2.1-or-later
// The bus from JavaScript, with nothing but what introspection gives: what is not in the story of all languages.

imports.gi.versions.AgentBus = '1';
const {AgentBus, GLib, GObject} = imports.gi;

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

test('/agentbus/gjs/fail', () => {
    const bus = new AgentBus.Bus();
    const subscriber = AgentBus.Subscriber.new('slow');
    const failures = [];
    let delivery = null;

    subscriber.connect('message', () => {
        delivery = subscriber.defer();
    });
    bus.connect('failed', (b, sub, message, error) => failures.push([sub === subscriber, error.message, error.code]));
    bus.subscribe(subscriber);
    bus.send(AgentBus.Message.new_cancel('ui', 'slow', null));
    drain();
    delivery.fail(new GLib.Error(AgentBus.BusError, AgentBus.BusError.FULL, 'no luck'));
    drain();
    assertEqual(failures, [[true, 'no luck', AgentBus.BusError.FULL]]);
});

function makeDispatcher(bus) {
    return new AgentBus.RouterDispatcher({bus, route_table: new AgentBus.RouteTable()});
}

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
    const message = AgentBus.Message.new_task_update('ui', 'actor', '1', null);

    bus.subscribe(ui);
    message.set_error_reply(true);
    dispatcher.route_table.unassign('actor');
    dispatcher.dispatch(message);
    dispatcher.route_table.remove('actor');
    drain();
    assertEqual(ui.got.map(m => [m.get_name(), m.get_source(), m.get_cause()]), [['agent-error', 'actor', 1]]);
});

print(`1..${nTests}`);
