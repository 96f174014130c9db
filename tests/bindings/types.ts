// SPDX-License-Identifier: LGPL-2.1-or-later
// What TypeScript has to accept of the bus with its overrides, and what it has to find wrong. It is checked, not run.

import AgentBus from 'gi://AgentBus?version=1';
import Gio from 'gi://Gio?version=2.0';
import GLib from 'gi://GLib?version=2.0';
import GObject from 'gi://GObject?version=2.0';

const {Bus, Message, MessageType, Overflow, Subscriber, TaskStatus} = AgentBus;

class Worker extends Subscriber {
    static {
        GObject.registerClass(this);
    }

    async on_message(message: AgentBus.Message) {
        print(message.name, message.payload.word, message.ttl, message.task_id ?? 'no task');
    }
}

const bus = new Bus({capacity: 8, shutdown_timeout: 100, totalOrder: true});
const worker = new Worker({name: 'worker', overflow: 'drop-oldest', max_bytes: 1024});
const other = new Subscriber({name: 'other', overflow: Overflow.DROP_NEWEST, maxAge: 5});
const signal: AgentBus.SignalLike = {aborted: false, addEventListener() {}};

const transport = new AgentBus.DBusTransport({node_id: 'oven', busName: 'kitchen', role: AgentBus.DBusRole.MEMBER});
const wide = new Bus({transport});

transport.connect('appeared', (_transport, node) => print(node.length));
transport.connect('vanished', (_transport, node, reason) => print(node, reason));
transport.connect('lost', (_transport, node, traffic, n) => print(node, traffic === AgentBus.Traffic.DATA, n + 1));
transport.allow('hob', ['cook-*'], null);
wide.start().then(started => print(started, wide.transport?.node_id, transport.statistics['data-lost']));
// @ts-expect-error: it is a string
transport.allow(5, null, null);

bus.subscribe(worker);
bus.shutdown_timeout = 5;
worker.on(message => print(message.source));
worker.on('cancel', async ({reason}) => print(reason));
worker.on(MessageType.TASK_REQUEST, message => message.type === MessageType.TASK_REQUEST);
worker.on('task-request', ({source, task_id}) =>
    bus.send(Message.task_response('worker', source, task_id, {status: 'failed', payload: {word: 'no'}})));
worker.connect('message', (self, message) => print(self.name, message.seq));
worker.connect('message::cancel', (_self, message) => print(message.reason));
worker.connect('notify::paused', () => {});
bus.connect('slow', (_bus, subscriber, n) => print(subscriber.name, n + 1));
bus.connect('recovered', (_bus, subscriber, n) => print(subscriber.name, n + 1));
bus.connect('dropped', (_bus, subscriber, reason, n, last) =>
    print(subscriber?.name, AgentBus.DropReason.to_string(reason), n + 1, last.name));
bus.send(Message.task_update('ui', 'worker', '1', {payload: [1, {a: 'b'}], ttl: 5}));
bus.send(Message.task_response('ui', null, '1', {status: TaskStatus.RUNNING}));
bus.send(Message.frame('ui', 'worker', {kind: 'audio', data: new Uint8Array(3), metadata: {rate: 1}}));
bus.send(Message.new_activate('ui', 'worker', null));
bus.send(Message.new_frame('ui', 'worker', AgentBus.Frame.new_copy('audio', new Uint8Array(3), null),
    AgentBus.FrameDirection.DOWNSTREAM));
bus.send(Message.custom('mine', 'ui', 'worker', {channel: 'system', payload: new GLib.Variant('s', 'x')}));

async function receive() {
    const message: AgentBus.Message = await worker.receive({signal});
    const delivery = await worker.receive_delivery_async(new Gio.Cancellable());

    delivery.complete();
    worker.paused = false;
    for await (const {payload, name} of other)
        print(payload, name, message.payload);
    worker.capacity = worker.maxBytes + worker.max_age + worker.priority;
    if (!bus.try_send(message) || !await bus.send_async(message, {signal}))
        print(worker.get_max_bytes());
    bus.send_async(message, null, (self, result) => self?.send_finish(result));
    await bus.unsubscribe_async('worker', {signal});
    bus.stop_async(null, (self, result) => self?.stop_finish(result));
    const names: string[] = bus.list_names();
    const id: number = bus.watch_name(names[0], (_bus, name: string) => print(name), null);

    bus.unwatch_name(id);
    await bus.flush('worker');
    await bus.flush(null, {signal});
    bus.unsubscribe('worker');
    await bus.unsubscribe('worker', {drain: true});
    await bus.unsubscribe_full_async('worker', AgentBus.LeaveFlags.DRAIN);
    await bus.stop({drain: true, signal});
    return await bus.stop() && bus.statistics.sent > 0;
}

receive().catch(error => error.matches(AgentBus.BusError, AgentBus.BusError.CLOSED));

const dispatcher = new AgentBus.RouterDispatcher({bus, route_table: new AgentBus.RouteTable()});

dispatcher.set_timeout('request-inference', 50);
dispatcher.dispatch(Message.request_inference('ui', 'actor', {payload: null}));
dispatcher.dispatch(Message.hand_off('ui', 'actor', {payload: 'worker'}).copy({target: 'other', ttl: 5}));

async function scale(routes: InstanceType<typeof AgentBus.RouteTable>) {
    const moves: [string, string | null, string][] = routes.rebalance(['worker'], {worker: 2});

    for (const actor of routes)
        routes.rename(actor, `${actor}-${moves.length}`);
    routes.restore({...routes.snapshot(), another: null});
    return await dispatcher.drain_router('worker');
}

scale(dispatcher.get_route_table()).then((through: boolean) => through);

const conversation = AgentBus.Conversation.new('talk');

bus.send(Message.task_update('ui', 'worker', '1', {conversation}));
print(conversation.advance() + conversation.epoch, Message.end('ui').conversation?.id);

class Adder extends AgentBus.Actor {
    static {
        GObject.registerClass(this);
    }

    async vfunc_task_request(job: AgentBus.Job) {
        return job.payload.a + (job.remaining_time ?? 0);
    }
}

async function ask() {
    const boss = new AgentBus.Actor({name: 'boss', max_jobs: 0, parent: 'root', waitForTarget: 5});
    const adder = new Adder({name: 'adder', capacity: 5});
    const registry = new AgentBus.Registry({bus});
    const id: number = adder.task('sum', ({a, b}) => a + b);

    adder.task(async function (payload, job) {
        job.send_chunk({name: this.name, payload});
        await job.send_chunk_async([1], new Gio.Cancellable());
        return job.fail(new TypeError('bad')) || job.fail_message('bad');
    });
    bus.subscribe(adder);
    adder.connect('task-request::sum', (_adder, job) => job.complete({a: job.task_name}));
    adder.on('cancel', message => print(message.reason));
    adder.disconnect(id);
    await registry.wait_for(['adder'], {timeout: 5, signal});

    const task = boss.request('adder', 'sum', {a: 1}, {timeout: 100, trace: 'x'});

    task.connect('chunk', (_task, index, payload) => print(index + 1, payload.print(false)));
    for await (const chunk of task)
        print(chunk.a);
    print(await task, task.error?.type, task.error?.code, task.status === TaskStatus.COMPLETED);
    boss.request('adder').catch(error => print(error.type, error.matches(AgentBus.BusError, AgentBus.BusError.FULL)));
    const group = boss.group({timeout: 100, collect: true});

    group.request('adder', 'sum', {a: 1}, {timeout: 50});
    for await (const {task: ended} of group)
        print(ended.target, (await group.wait()).adder, group.errors.adder?.type, group.n_open);
    print((await boss.group(async made => void made.request_many(['adder'], 'sum'))).adder);
    for (const peer of registry)
        print(peer.name, registry.get_item(0)?.runner);

    // @ts-expect-error: a target is a name
    boss.request(adder);
    // @ts-expect-error: a time is a number
    boss.request('adder', 'sum', null, {timeout: '5'});
    // @ts-expect-error: what does a task is a function
    adder.task('sum', 5);
    // @ts-expect-error: a subscriber does no tasks
    worker.task('sum', () => 1);
    return await adder.end('done');
}

ask().then((ended: boolean) => ended);

bus.add_monitor(new AgentBus.Subscriber({name: 'eye'}));
bus.add_monitor(new AgentBus.Subscriber({name: 'ear'}), ['cancel']);
print((Message.end('ui').fate?.n_accepted ?? 0) + 1);

// @ts-expect-error: a filter is a list
bus.add_monitor(new AgentBus.Subscriber({name: 'nose'}), 'cancel');
// @ts-expect-error: a conversation is not its id
Message.end('ui', 'worker', {conversation: 'talk'});
// @ts-expect-error: no such option
Message.end('ui', 'worker', {resaon: 'typo'});
// @ts-expect-error: a time is a number
Message.end('ui', 'worker', {ttl: '5'});
// @ts-expect-error: an update belongs to a task
Message.task_update('ui', 'worker');
// @ts-expect-error: no such property
new Subscriber({nme: 'worker'});
// @ts-expect-error: cannot be changed
worker.name = 'another';
// @ts-expect-error: for construction only
worker.priority = 5;
// @ts-expect-error: a promise, not what it gives
const sent: boolean = bus.send_async(Message.end('ui', 'worker'));
// @ts-expect-error: not a message
bus.send('message');
// @ts-expect-error: no such type
worker.on(MessageType.TASK_REQEST, () => {});
// @ts-expect-error: a handler is a function
worker.on('cancel');
// @ts-expect-error: a signal has to be one
bus.stop({signal: 'now'});
// @ts-expect-error: a promise, not a message
worker.receive().name;
// @ts-expect-error: an info is no frame
Message.agent_ready(AgentBus.Frame.new('audio', null, null));
