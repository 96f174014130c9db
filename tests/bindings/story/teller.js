// SPDX-License-Identifier: LGPL-2.1-or-later
// What the cases of story.js are told with. Each gets a bus and a dispatcher of its own. What handlers and calls
// tell is compared, and what signals report.

import AgentBus from 'gi://AgentBus?version=1';
import GLib from 'gi://GLib';
import GObject from 'gi://GObject';
import System from 'system';

export const OFFERED = 'offered delivered queued';
export const ACCEPTED = 'accepted dispatched parked expired';
const REASONS = 'full expired no-target closed discarded stale cancelled inactive';

const context = GLib.MainContext.default();
let told = [];
let reported = [];

// --- What is said ---

export function tell(words) {
    told.push(words);
}

export function report(words) {
    reported.push(words);
}

export function waitTurn() {
    while (context.iteration(false))
        ;
}

// Signals have sources of their own, so nothing is said of their order and that of the handlers.
export function expect(words, reports) {
    waitTurn();
    const text = `${told.join(', ')} | ${reported.join(', ')}`;
    print(`# told: ${text}`);
    if (text !== `${words} | ${reports}`)
        throw new Error(`Not ${words} | ${reports}`);
    told = [];
    reported = [];
}

export function waitReport() {
    while (reported.length === 0)
        context.iteration(true);
}

// Returns what waits for the result that start(done) has given to done().
export function keepResult(start) {
    let result = null;

    start(r => {
        result = r;
    });
    return () => {
        while (result === null)
            context.iteration(true);
        return result;
    };
}

export function finish(object, operation, ...args) {
    const wait = keepResult(done => object[`${operation}_async`](...args, null, (_source, result) => done(result)));

    return object[`${operation}_finish`](wait());
}

export function attempt(words, code, func) {
    try {
        func();
        tell(`not ${words}`);
    } catch (e) {
        tell(e.matches(AgentBus.BusError, code) ? words : e.message);
    }
}

// --- Messages ---

export function word(message) {
    const isUpdate = message.get_message_type() === AgentBus.MessageType.TASK_UPDATE;

    return isUpdate ? message.get_task_id() : message.get_name();
}

export function update(target, number) {
    return AgentBus.Message.new_task_update('ui', target, `${number}`, null);
}

// --- Workers ---

const Worker = GObject.registerClass(class Worker extends AgentBus.Subscriber {
    vfunc_message(message) {
        tell(`${this.name} ${word(message)}`);
    }
});

export function lookup(statistics, key) {
    return statistics.lookup_value(key, new GLib.VariantType('t')).get_uint64();
}

export function tellBalance(statistics, keys) {
    const dropped = statistics.lookup_value('dropped', null);
    const parts = keys.split(' ').map(key => lookup(statistics, key));

    parts.push(REASONS.split(' ').map(reason => lookup(dropped, reason)).reduce((a, b) => a + b));
    tell(parts.join(' '));
}

// --- Signals ---

function onDropped(bus, subscriber, reason, n, last) {
    const name = subscriber ? subscriber.name : 'nobody';

    report(`${name} lost ${n} ${AgentBus.DropReason.to_string(reason)} ${word(last)}`);
}

function onFailed(bus, subscriber, message, error) {
    report(`${subscriber.name} failed ${word(message)} ${error.message}`);
}

function onExpired(dispatcher, message, waited, nAttempts) {
    report(`${word(message)} expired ${waited >= message.get_ttl() && nAttempts > 0 ? 'late' : 'early'}`);
}

function onLost(dispatcher, message, reason) {
    report(`${word(message)} lost ${AgentBus.DropReason.to_string(reason)}`);
}

// --- Tasks ---

const STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'];

function onFinished(task) {
    const words = task.get_error()?.message ?? task.get_response()?.get_int32() ?? 'nothing';

    tell(`${STATUSES[task.get_status()]} ${words}`);
}

// --- Cases ---

class Story {
    constructor() {
        this.bus = AgentBus.Bus.new();
        this.routes = AgentBus.RouteTable.new();
        this.dispatcher = AgentBus.RouterDispatcher.new(this.bus, this.routes);
        this.bus.connect('dropped', onDropped);
        this.bus.connect('failed', onFailed);
        this.dispatcher.connect('expired', onExpired);
        this.dispatcher.connect('dropped', onLost);
    }

    addWorker(name, capacity = 0, overflow = AgentBus.Overflow.DROP_NEWEST) {
        const worker = new Worker({name, capacity, overflow});

        this.bus.subscribe(worker);
        return worker;
    }

    addMember(name, group) {
        this.bus.subscribe(new Worker({name, group}));
    }

    sendUpdates(target, first, last) {
        for (let number = first; number <= last; number++)
            this.bus.send(update(target, number));
    }

    dispatch(message) {
        const number = message.get_task_id();

        tell(`${['delivered', 'parked', 'refused'][this.dispatcher.dispatch(message)]} ${number}`);
    }

    addActors() {
        [this.boss, this.worker] = [AgentBus.Actor.new('boss'), AgentBus.Actor.new('worker')];
        for (const actor of [this.boss, this.worker])
            this.bus.subscribe(actor);
        this.worker.connect('task-request', (worker, job) => {
            this.job = job;
            tell(`${worker.name} ${job.get_task_name()} ${job.get_payload().get_int32()}`);
        });
    }

    request(target, name, number) {
        const task = this.boss.request(target, name, new GLib.Variant('i', number));

        task.connect('update', (_task, payload) => tell(`update ${payload.get_int32()}`));
        task.connect('chunk', (_task, index, payload) => tell(`chunk ${index} ${payload.get_int32()}`));
        task.connect('finished', onFinished);
        return task;
    }
}

function onHang() {
    print('Bail out! It hangs');
    System.exit(1);
}

export function run(cases) {
    const paths = Object.keys(cases);
    let nFailed = 0;

    GLib.timeout_add_seconds(GLib.PRIORITY_DEFAULT, 30, onHang);
    print(`1..${paths.length}`);
    paths.forEach((path, i) => {
        let verdict = 'ok';

        told = [];
        reported = [];
        try {
            cases[path](new Story());
        } catch (e) {
            printerr(e, e.stack);
            verdict = 'not ok';
            nFailed++;
        }
        print(`${verdict} ${i + 1} ${path}`);
    });
    System.exit(nFailed);
}
