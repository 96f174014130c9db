#!/usr/bin/gjs -m
// SPDX-License-Identifier: LGPL-2.1-or-later
// The story in JavaScript. Each language has the same, case by case and word by word; see story.txt.

import AgentBus from 'gi://AgentBus?version=1';
import GLib from 'gi://GLib';
import {
    ACCEPTED, OFFERED, attempt, expect, finish, keepResult, lookup, report, run, tell, tellBalance, update, waitReport,
    waitTurn, word,
} from './teller.js';

const {BusError: Code, Message} = AgentBus;

// The handlers that are connected come before the virtual function.
function testSubscribe(story) {
    const worker = story.addWorker('worker');
    const other = AgentBus.Subscriber.new('other');

    worker.connect('message', (subscriber, message) => tell(`any ${word(message)}`));
    worker.connect('message::cancel', (subscriber, message) => tell(`stops ${message.get_reason()}`));
    story.bus.subscribe(other);
    tell(`${story.bus.send(update('worker', 1))} of ${story.bus.n_subscribers}`);
    expect('1 of 2, any 1, worker 1', '');
    tell(`${story.bus.send(Message.new_cancel('ui', null, 'enough'))} of 2`);
    expect('2 of 2, any cancel, stops enough, worker cancel', '');
    tell(`${story.bus.send(Message.new_end('worker', null, null))} of 2`);
    tell(`${story.bus.send(update('stranger', 2))} of 2`);
    tell(`${worker.n_delivered} ${other.n_delivered}`);
    expect('1 of 2, 0 of 2, 2 1', 'nobody lost 1 no-target 2');
}

function testPriority(story) {
    story.addWorker('a');
    story.addWorker('b');
    story.sendUpdates('a', 1, 3);
    story.bus.send(Message.new_cancel('ui', 'a', null));
    expect('a cancel, a 1, a 2, a 3', '');
    story.sendUpdates('a', 4, 6);
    story.bus.send(Message.new_cancel('ui', 'b', null));
    expect('b cancel, a 4, a 5, a 6', '');
}

function testDrops(story) {
    const kept = update('new', 6);

    story.addWorker('new', 2);
    story.addWorker('old', 2, AgentBus.Overflow.DROP_OLDEST);
    story.sendUpdates('new', 1, 5);
    kept.set_reliable(true);
    story.bus.send(kept);
    expect('new 1, new 2, new 6', 'new lost 3 full 5');
    story.sendUpdates('old', 1, 5);
    expect('old 4, old 5', 'old lost 3 full 3');
    const [found, nDropped] = story.bus.get_dropped('old');
    tell(story.bus.get_dropped('stranger')[0] ? 'found' : 'unknown');
    tell(found ? 'found' : 'unknown');
    tell(`${nDropped} dropped`);
    expect('unknown, found, 3 dropped', '');
}

function testDefer(story) {
    const slow = AgentBus.Subscriber.new('slow');
    const deliveries = [];

    slow.connect('message', (subscriber, message) => {
        tell(`slow ${word(message)}`);
        deliveries.push(subscriber.defer());
    });
    story.bus.subscribe(slow);
    story.sendUpdates('slow', 1, 3);
    expect('slow 1', '');
    deliveries[0].complete();
    expect('slow 2', '');
    deliveries[1].fail_message('no luck');
    expect('slow 3', 'slow failed 2 no luck');
    story.bus.send(Message.new_task_cancel('ui', 'slow', '3', null));
    const third = deliveries[2];
    tell(`${word(third.get_message())} ${third.is_cancelled() ? 'cancelled' : 'on'}`);
    expect('3 cancelled', '');
    third.fail_message('cancelled');
    expect('slow task-cancel', 'slow failed 3 cancelled');
    deliveries[3].complete();
    tell(`${slow.n_delivered} delivered`);
    expect('4 delivered', '');
}

function testMissed(story) {
    const slow = AgentBus.Subscriber.new('slow');
    const deliveries = [];

    slow.capacity = 2;
    slow.connect('message', (subscriber, message) => {
        tell(`${word(message)} missed ${subscriber.get_n_missed()}`);
        deliveries.push(subscriber.defer());
    });
    story.bus.subscribe(slow);
    story.sendUpdates('slow', 1, 4);
    expect('1 missed 0', 'slow lost 2 full 4');
    story.sendUpdates('slow', 5, 5);
    deliveries[0].complete();
    expect('2 missed 0', '');
    deliveries[1].complete();
    expect('5 missed 2', '');
    tell(`${deliveries[1].n_missed} before 2`);
    tell(`${deliveries[2].n_missed} before 5`);
    deliveries[2].complete();
    expect('0 before 2, 2 before 5', '');
}

function testReceive(story) {
    const inbox = story.addWorker('inbox');

    inbox.paused = true;
    story.sendUpdates('inbox', 1, 2);
    story.bus.send(Message.new_cancel('ui', 'inbox', null));
    for (let i = 0; i < 2; i++)
        tell(word(inbox.receive(0, null)));
    inbox.paused = false;
    expect('cancel, 1, inbox 2', '');
    attempt('nothing', Code.TIMED_OUT, () => inbox.receive(0, null));
    expect('nothing', '');
}

function testDispatch(story) {
    story.dispatcher.capacity = 3;
    story.dispatch(update('actor', 1));
    story.dispatch(update('actor', 2));
    story.routes.assign('actor', 'router');
    story.dispatch(update('actor', 3));
    attempt('full', Code.FULL, () => story.dispatcher.dispatch(update('actor', 4)));
    tell(`${story.dispatcher.n_parked} held`);
    expect('parked 1, parked 2, parked 3, full, 3 held', '');
    story.addWorker('router');
    expect('router 1, router 2, router 3', '');
    story.dispatch(update('actor', 5));
    expect('delivered 5, router 5', '');
}

function testExpiry(story) {
    const brief = update('ghost', 1);

    brief.set_ttl(5);
    story.dispatch(brief);
    waitReport();
    expect('parked 1', '1 expired late');
    story.routes.unassign('actor');
    story.dispatch(update('actor', 2));
    tell(story.routes.remove('actor') ? 'removed' : 'unknown');
    expect('parked 2, removed', '2 lost no-target');
}

function testScale(story) {
    story.dispatcher.hand_off = true;
    story.addWorker('old');
    story.addWorker('new');
    tell(`${story.routes.assign_many(['x', 'y'], 'old')} assigned`);
    story.dispatch(update('x', 1));
    story.routes.rename('y', 'z');
    attempt('no actor', Code.NOT_FOUND, () => story.routes.rename('y', 'z'));
    tell(`${story.routes.rebalance(['new'], null).n_children()} moved`);
    story.dispatch(update('x', 2));
    tell(story.routes.list_actors('new').join(' '));
    expect('2 assigned, delivered 1, no actor, 2 moved, parked 2, x z, old 1, old hand-off, new 2', '');
    tell(finish(story.dispatcher, 'drain_router', 'new') ? 'drained' : 'late');
    tell(story.routes.lookup('x') ?? 'nobody');
    attempt('no snapshot', Code.INVALID_MESSAGE, () => story.routes.restore(new GLib.Variant('s', 'text')));
    story.routes.restore(story.routes.snapshot());
    tell(`${story.routes.n_actors} known`);
    story.bus.send(update('old', 3).copy_full('me', 'new'));
    expect('new hand-off, drained, nobody, no snapshot, 2 known, new 3', '');
}

function testRoom(story) {
    const worker = story.addWorker('room', 4);
    const sending = done => story.bus.send_async(update('room', 5), null, (_bus, result) => done(result));

    story.bus.connect('slow', (_bus, {name}, n) => report(`${name} slow ${n}`));
    story.bus.connect('recovered', (_bus, {name}, n) => report(`${name} recovered ${n}`));
    worker.paused = true;
    story.sendUpdates('room', 1, 4);
    expect('', 'room slow 4');
    attempt('full', Code.FULL, () => story.bus.try_send(update('room', 5)));
    attempt('unknown', Code.NOT_FOUND, () => story.bus.try_send(update('stranger', 5)));
    const waiting = keepResult(sending);
    tell(`${worker.n_queued} queued`);
    worker.capacity = 5;
    tell(story.bus.send_finish(waiting()) ? 'sent' : 'lost');
    tell(`${worker.n_queued} queued`);
    expect('full, unknown, 4 queued, sent, 5 queued', '');
    worker.paused = false;
    expect('room 1, room 2, room 3, room 4, room 5', 'room recovered 0');
}

function testStatistics(story) {
    const worker = story.addWorker('worker', 2);

    story.sendUpdates('worker', 1, 3);
    expect('worker 1, worker 2', 'worker lost 1 full 3');
    story.sendUpdates('worker', 4, 4);
    story.sendUpdates('stranger', 5, 5);
    story.dispatch(update('ghost', 6));
    const ofBus = story.bus.get_statistics();
    const ofDispatcher = story.dispatcher.get_statistics();
    const ofWorker = ofBus.lookup_value('subscribers', null).lookup_value('worker', null);
    tell(`${worker.n_queued} queued`);
    tellBalance(ofWorker, OFFERED);
    tellBalance(ofBus, OFFERED);
    tellBalance(ofDispatcher, ACCEPTED);
    expect('parked 6, 1 queued, 4 2 1 1, 5 2 1 2, 1 0 1 0 0, worker 4', 'nobody lost 1 no-target 5');
}

function onTopic(topic, number) {
    const message = update(null, number);

    message.set_topic(topic);
    return message;
}

function testTopics(story) {
    const worker = story.addWorker('worker');

    attempt('no pattern', Code.INVALID_TOPIC, () => worker.add_topic('audio..1'));
    worker.add_topic('audio.*.>');
    tell(`${story.bus.send(onTopic('audio.mic.1', 1))} of 1`);
    tell(`${story.bus.send(onTopic('audio.mic', 2))} of 1`);
    tell(`${worker.list_topics()[0]} of ${worker.list_topics().length}`);
    expect('no pattern, 1 of 1, 0 of 1, audio.*.> of 1, worker 1', 'nobody lost 1 no-target 2');
    worker.set_accepts(['cancel']);
    tell(`${story.bus.send(onTopic('audio.mic.1', 3))} of 1`);
    tell(`${story.bus.send(Message.new_cancel('ui', null, null))} of 1`);
    expect('0 of 1, 1 of 1, worker cancel', 'nobody lost 1 no-target 3');
    worker.set_accepts(null);
    tell(worker.remove_topic('audio.*.>') ? 'removed' : 'unknown');

    const kept = onTopic('audio.mic.1', 4);

    kept.set_retained(true);
    tell(`${story.bus.send(kept)} of 1`);
    worker.add_topic('>');
    expect('removed, 0 of 1, worker 4', 'nobody lost 1 no-target 4');
}

function onSeen(monitor, message) {
    const [, nAccepted, reason] = message.get_fate();

    tell(`seen ${word(message)} ${nAccepted > 0 ? `by ${nAccepted}` : AgentBus.DropReason.to_string(reason)}`);
}

function testMonitor(story) {
    const worker = story.addWorker('worker');
    const monitor = AgentBus.Subscriber.new('worker');

    monitor.connect('message', onSeen);
    story.bus.add_monitor(monitor, null);
    attempt('taken', AgentBus.BusError.EXISTS, () => story.bus.add_monitor(worker, null));
    story.sendUpdates('worker', 1, 1);
    story.sendUpdates('nobody', 2, 2);
    story.bus.send(Message.new_cancel('ui', null, null));
    expect('taken, worker cancel, worker 1, seen 1 by 1, seen 2 no-target, seen cancel by 1', 'nobody lost 1 no-target 2');
    story.bus.remove_monitor(monitor);
    story.sendUpdates('worker', 3, 3);
    expect('worker 3', '');
    story.bus.add_monitor(monitor, ['cancel']);
    story.sendUpdates('worker', 4, 4);
    story.bus.send(Message.new_cancel('ui', 'nobody', null));
    expect('worker 4, seen cancel no-target', 'nobody lost 1 no-target cancel');
}

function testErrors(story) {
    const twin = AgentBus.Subscriber.new('worker');
    const text = new GLib.Variant('s', 'text');
    const message = Message.new_cancel('ui', null, null);

    story.addWorker('worker');
    attempt('exists', Code.EXISTS, () => story.bus.subscribe(twin));
    attempt('unknown', Code.NOT_FOUND, () => finish(story.bus, 'unsubscribe', 'stranger'));
    attempt('no JSON', Code.INVALID_MESSAGE, () => AgentBus.payload_from_json('{"numbers": [1,'));
    attempt('no message', Code.INVALID_MESSAGE, () => Message.new_from_variant(text));
    attempt('no actor', Code.INVALID_MESSAGE, () => story.dispatcher.dispatch(message));
    expect('exists, unknown, no JSON, no message, no actor', '');
    story.dispatch(update('ghost', 1));
    story.dispatcher.park_unknown = false;
    attempt('unassigned', Code.ACTOR_NOT_ASSIGNED, () => story.dispatcher.dispatch(update('stranger', 2)));
    story.bus.shutdown_timeout = 1;
    attempt('timed out', Code.TIMED_OUT, () => finish(story.dispatcher, 'stop'));
    attempt('closed', Code.CLOSED, () => story.dispatcher.dispatch(update('ghost', 3)));
    expect('parked 1, unassigned, timed out, closed', '1 lost closed');
}

function testStop(story) {
    const worker = story.addWorker('worker');

    story.sendUpdates('worker', 1, 2);
    story.bus.send(Message.new_end('ui', 'worker', null));
    finish(story.bus, 'unsubscribe', 'worker');
    expect('worker end', 'worker lost 2 discarded 2');
    story.bus.subscribe(worker);
    for (let i = 0; i < 2; i++)
        tell(finish(story.bus, 'stop') ? 'stopped' : 'running');
    tell(story.bus.running ? 'running' : 'idle');
    attempt('closed', Code.CLOSED, () => story.bus.subscribe(worker));
    story.sendUpdates('worker', 3, 3);
    expect('stopped, stopped, idle, closed', 'nobody lost 1 closed 3');
    tell(finish(story.bus, 'start') ? 'started' : 'stopped');
    tell(story.bus.running ? 'running' : 'idle');
    story.bus.subscribe(worker);
    story.sendUpdates('worker', 4, 4);
    expect('started, running, worker 4', '');
}

function testText() {
    const message = Message.new_task_request('ui', 'worker', '42', 'sum', null);

    attempt('refused', Code.INVALID_MESSAGE, () => message.set_payload_json('{"n": 1'));
    message.set_payload_json('{"n": 1.50, "n": [2]}');

    const again = Message.new_from_variant(message.to_variant());
    const made = Message.new_task_update('ui', 'worker', '42', AgentBus.payload_from_json('[ 7 ]'));

    tell(`${again.has_payload_json() ? 'given' : 'made'} ${again.get_payload_json()}`);
    tell(`meant ${AgentBus.payload_to_json(again.get_payload())}`);
    tell(`${made.has_payload_json() ? 'given' : 'made'} ${made.get_payload_json()}`);
    expect('refused, given {"n": 1.50, "n": [2]}, meant {"n":[2]}, made [7]', '');
}

function testLeave(story) {
    const worker = story.addWorker('worker');

    story.sendUpdates('worker', 1, 2);
    finish(story.bus, 'flush', 'worker');
    tell('flushed');
    expect('worker 1, worker 2, flushed', '');
    story.sendUpdates('worker', 3, 3);
    finish(story.bus, 'unsubscribe_full', 'worker', AgentBus.LeaveFlags.DRAIN);
    tell('drained');
    expect('worker 3, drained', '');
    story.bus.subscribe(worker);
    story.sendUpdates('worker', 4, 4);
    tell(finish(story.bus, 'stop_full', AgentBus.LeaveFlags.DRAIN) ? 'stopped' : 'running');
    attempt('closed', Code.CLOSED, () => finish(story.bus, 'flush', null));
    expect('worker 4, stopped, closed', '');
}

function testNames(story) {
    const watch = story.bus.watch_name('worker', (bus, name) => tell(`${name} appeared`),
        (bus, name) => tell(`${name} vanished`));

    expect('worker vanished', '');
    story.addWorker('worker');
    tell(story.bus.list_names().join(' '));
    expect('worker, worker appeared', '');
    story.bus.unsubscribe('worker');
    expect('worker vanished', '');
    story.bus.unwatch_name(watch);
}

function testGroup(story) {
    story.addMember('a', 'pool');
    story.sendUpdates('pool', 1, 2);
    expect('a 1, a 2', '');
    attempt('exists', Code.EXISTS, () => story.bus.subscribe(AgentBus.Subscriber.new('pool')));
    story.sendUpdates('pool', 3, 4);
    story.addMember('b', 'pool');
    story.bus.unsubscribe('a');
    tell(story.bus.list_names().join(' '));
    expect('exists, b pool, b 3, b 4', '');
}

function testConversation(story) {
    const talk = AgentBus.Conversation.new(null);
    const [question, answer, fresh, late] = [1, 2, 3, 4].map(number => update('worker', number));

    story.addWorker('worker');
    question.set_conversation(talk);
    answer.set_cause(question);
    story.bus.send(question);
    story.bus.send(answer);
    tell(`epoch ${talk.advance()}`);
    fresh.set_conversation(talk);
    story.bus.send(fresh);
    expect('epoch 1, worker 3', 'worker lost 2 stale 2');
    tell(`${AgentBus.Conversation.new(talk.get_id()).get_epoch()}`);
    late.set_conversation(talk);
    talk.advance();
    const read = Message.new_from_variant(late.to_variant());
    tell(`${read.get_epoch()} of ${read.get_conversation().get_epoch()}`);
    story.bus.send(read);
    expect('1, 1 of 2', 'worker lost 1 stale 4');
}

function testTask(story) {
    story.addActors();
    story.request('worker', 'sum', 1);
    expect('worker sum 1', '');
    story.job.update(new GLib.Variant('i', 2));
    story.job.complete(new GLib.Variant('i', 3));
    expect('update 2, completed 3', '');
}

function testTaskFails(story) {
    story.addActors();
    story.request('worker', 'sum', 1);
    waitTurn();
    story.job.fail_message('no luck');
    expect('worker sum 1, failed no luck', '');
    story.request('worker', 'sum', 2);
    waitTurn();
    tell(story.job.fail_details(new GLib.Variant('s', 'not today')) ? 'answered' : 'late');
    tell(story.job.has_ended() && !story.job.complete(null) ? 'ended' : 'open');
    expect('worker sum 2, answered, ended, failed not today', '');
}

function testTaskChunks(story) {
    story.addActors();
    story.request('worker', 'count', 2);
    waitTurn();
    for (const number of [1, 2])
        story.job.send_chunk(new GLib.Variant('i', number));
    story.job.complete(null);
    expect('worker count 2, chunk 0 1, chunk 1 2, completed nothing', '');
}

function testTaskCancel(story) {
    story.addActors();
    const task = story.request('worker', 'sum', 1);
    waitTurn();
    task.cancel('enough');
    expect('worker sum 1, cancelled enough', '');
    tell(story.job.is_cancelled() && story.job.get_cancellable().is_cancelled() ? 'stopped' : 'on');
    story.job.complete(new GLib.Variant('i', 3));
    expect('stopped', '');
}

function testTaskNobody(story) {
    story.addActors();
    story.request('nobody', 'sum', 1);
    expect("failed There is no 'nobody' to do the task", '');
    story.request('worker', 'sum', 1);
    waitTurn();
    story.bus.unsubscribe('worker');
    expect("worker sum 1, failed 'worker' has left the bus", '');
    const statistics = story.boss.get_statistics();
    tell(['requests', 'not-found', 'closed', 'open'].map(key => lookup(statistics, key)).join(' '));
    expect('2 1 1 0', '');
}

function testRoundTrip() {
    const payload = AgentBus.payload_from_json('{"numbers": [1, 2.5], "text": "ä"}');
    const message = Message.new_task_request('ui', 'worker', '42', 'sum', payload);
    const again = Message.new_from_variant(message.to_variant());

    tell(`${word(again)} ${again.get_source()} ${again.get_target()}`);
    tell(`${again.get_task_id()} ${again.get_task_name()} ${again.dup_payload_json()}`);
    expect('task-request ui worker, 42 sum {"numbers":[1,2.5],"text":"ä"}', '');
}

run({
    '/story/subscribe': testSubscribe,
    '/story/priority': testPriority,
    '/story/drops': testDrops,
    '/story/defer': testDefer,
    '/story/missed': testMissed,
    '/story/receive': testReceive,
    '/story/dispatch': testDispatch,
    '/story/expiry': testExpiry,
    '/story/scale': testScale,
    '/story/room': testRoom,
    '/story/statistics': testStatistics,
    '/story/topics': testTopics,
    '/story/monitor': testMonitor,
    '/story/errors': testErrors,
    '/story/stop': testStop,
    '/story/text': testText,
    '/story/leave': testLeave,
    '/story/names': testNames,
    '/story/group': testGroup,
    '/story/conversation': testConversation,
    '/story/task': testTask,
    '/story/task-fails': testTaskFails,
    '/story/task-chunks': testTaskChunks,
    '/story/task-cancel': testTaskCancel,
    '/story/task-nobody': testTaskNobody,
    '/story/round-trip': testRoundTrip,
});
