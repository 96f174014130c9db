#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""The story in Python. Each language has the same, case by case and word by word; see story.txt."""

from teller import (ACCEPTED, OFFERED, AgentBus, GLib, attempt, expect, finish, lookup, report, run, tell,
                    tell_balance, update, wait_report, wait_result, wait_turn, word)

Error = AgentBus.BusError
Message = AgentBus.Message


# The handlers that are connected come before the virtual function.
def test_subscribe(story):
    worker = story.add_worker('worker')
    other = AgentBus.Subscriber.new('other')
    worker.connect('message', lambda subscriber, message: tell(f'any {word(message)}'))
    worker.connect('message::cancel', lambda subscriber, message: tell(f'stops {message.get_reason()}'))
    story.bus.subscribe(other)
    tell(f'{story.bus.send(update("worker", 1))} of {story.bus.props.n_subscribers}')
    expect('1 of 2, any 1, worker 1', '')
    tell(f'{story.bus.send(Message.new_cancel("ui", None, "enough"))} of 2')
    expect('2 of 2, any cancel, stops enough, worker cancel', '')
    tell(f'{story.bus.send(Message.new_end("worker", None, None))} of 2')
    tell(f'{story.bus.send(update("stranger", 2))} of 2')
    tell(f'{worker.props.n_delivered} {other.props.n_delivered}')
    expect('1 of 2, 0 of 2, 2 1', 'nobody lost 1 no-target 2')


def test_priority(story):
    story.add_worker('a')
    story.add_worker('b')
    story.send_updates('a', 1, 3)
    story.bus.send(Message.new_cancel('ui', 'a', None))
    expect('a cancel, a 1, a 2, a 3', '')
    story.send_updates('a', 4, 6)
    story.bus.send(Message.new_cancel('ui', 'b', None))
    expect('b cancel, a 4, a 5, a 6', '')


def test_drops(story):
    kept = update('new', 6)
    story.add_worker('new', 2)
    story.add_worker('old', 2, AgentBus.Overflow.DROP_OLDEST)
    story.send_updates('new', 1, 5)
    kept.set_reliable(True)
    story.bus.send(kept)
    expect('new 1, new 2, new 6', 'new lost 3 full 5')
    story.send_updates('old', 1, 5)
    expect('old 4, old 5', 'old lost 3 full 3')
    found, n_dropped = story.bus.get_dropped('stranger')
    tell('found' if found else 'unknown')
    found, n_dropped = story.bus.get_dropped('old')
    tell('found' if found else 'unknown')
    tell(f'{n_dropped} dropped')
    expect('unknown, found, 3 dropped', '')


def test_defer(story):
    slow = AgentBus.Subscriber.new('slow')
    deliveries = []

    def on_slow(subscriber, message):
        tell(f'slow {word(message)}')
        deliveries.append(subscriber.defer())

    slow.connect('message', on_slow)
    story.bus.subscribe(slow)
    story.send_updates('slow', 1, 3)
    expect('slow 1', '')
    deliveries[0].complete()
    expect('slow 2', '')
    deliveries[1].fail_message('no luck')
    expect('slow 3', 'slow failed 2 no luck')
    story.bus.send(Message.new_task_cancel('ui', 'slow', '3', None))
    third = deliveries[2]
    tell(f'{word(third.get_message())} {"cancelled" if third.is_cancelled() else "on"}')
    expect('3 cancelled', '')
    third.fail_message('cancelled')
    expect('slow task-cancel', 'slow failed 3 cancelled')
    deliveries[3].complete()
    tell(f'{slow.props.n_delivered} delivered')
    expect('4 delivered', '')


def test_missed(story):
    slow = AgentBus.Subscriber.new('slow')
    deliveries = []

    def on_slow(subscriber, message):
        tell(f'{word(message)} missed {subscriber.get_n_missed()}')
        deliveries.append(subscriber.defer())

    slow.props.capacity = 2
    slow.connect('message', on_slow)
    story.bus.subscribe(slow)
    story.send_updates('slow', 1, 4)
    expect('1 missed 0', 'slow lost 2 full 4')
    story.send_updates('slow', 5, 5)
    deliveries[0].complete()
    expect('2 missed 0', '')
    deliveries[1].complete()
    expect('5 missed 2', '')
    tell(f'{deliveries[1].props.n_missed} before 2')
    tell(f'{deliveries[2].props.n_missed} before 5')
    deliveries[2].complete()
    expect('0 before 2, 2 before 5', '')


def test_receive(story):
    inbox = story.add_worker('inbox')
    inbox.props.paused = True
    story.send_updates('inbox', 1, 2)
    story.bus.send(Message.new_cancel('ui', 'inbox', None))
    for _ in range(2):
        tell(word(inbox.receive(0)))
    inbox.props.paused = False
    expect('cancel, 1, inbox 2', '')
    attempt('nothing', Error.TIMED_OUT, inbox.receive, 0)
    expect('nothing', '')


def test_dispatch(story):
    story.dispatcher.props.capacity = 3
    story.dispatch(update('actor', 1))
    story.dispatch(update('actor', 2))
    story.routes.assign('actor', 'router')
    story.dispatch(update('actor', 3))
    attempt('full', Error.FULL, story.dispatcher.dispatch, update('actor', 4))
    tell(f'{story.dispatcher.props.n_parked} held')
    expect('parked 1, parked 2, parked 3, full, 3 held', '')
    story.add_worker('router')
    expect('router 1, router 2, router 3', '')
    story.dispatch(update('actor', 5))
    expect('delivered 5, router 5', '')


def test_expiry(story):
    brief = update('ghost', 1)
    brief.set_ttl(5)
    story.dispatch(brief)
    wait_report()
    expect('parked 1', '1 expired late')
    story.routes.unassign('actor')
    story.dispatch(update('actor', 2))
    tell('removed' if story.routes.remove('actor') else 'unknown')
    expect('parked 2, removed', '2 lost no-target')


def test_scale(story):
    story.dispatcher.props.hand_off = True
    story.add_worker('old')
    story.add_worker('new')
    tell(f'{story.routes.assign_many(["x", "y"], "old")} assigned')
    story.dispatch(update('x', 1))
    story.routes.rename('y', 'z')
    attempt('no actor', Error.NOT_FOUND, story.routes.rename, 'y', 'z')
    tell(f'{len(story.routes.rebalance(["new"], None))} moved')
    story.dispatch(update('x', 2))
    tell(' '.join(story.routes.list_actors('new')))
    expect('2 assigned, delivered 1, no actor, 2 moved, parked 2, x z, old 1, old hand-off, new 2', '')
    tell('drained' if finish(story.dispatcher, 'drain_router', 'new') else 'late')
    tell(story.routes.lookup('x') or 'nobody')
    attempt('no snapshot', Error.INVALID_MESSAGE, story.routes.restore, GLib.Variant('s', 'text'))
    story.routes.restore(story.routes.snapshot())
    tell(f'{story.routes.get_n_actors()} known')
    story.bus.send(update('old', 3).copy_full('me', 'new'))
    expect('new hand-off, drained, nobody, no snapshot, 2 known, new 3', '')


def test_room(story):
    worker = story.add_worker('room', 4)
    results = []
    story.bus.connect('slow', lambda bus, subscriber, n: report(f'{subscriber.get_name()} slow {n}'))
    story.bus.connect('recovered', lambda bus, subscriber, n: report(f'{subscriber.get_name()} recovered {n}'))
    worker.props.paused = True
    story.send_updates('room', 1, 4)
    expect('', 'room slow 4')
    attempt('full', Error.FULL, story.bus.try_send, update('room', 5))
    attempt('unknown', Error.NOT_FOUND, story.bus.try_send, update('stranger', 5))
    story.bus.send_async(update('room', 5), None, lambda bus, result: results.append(result))
    tell(f'{worker.props.n_queued} queued')
    worker.props.capacity = 5
    tell('sent' if story.bus.send_finish(wait_result(results)) else 'lost')
    tell(f'{worker.props.n_queued} queued')
    expect('full, unknown, 4 queued, sent, 5 queued', '')
    worker.props.paused = False
    expect('room 1, room 2, room 3, room 4, room 5', 'room recovered 0')


def test_statistics(story):
    worker = story.add_worker('worker', 2)
    story.send_updates('worker', 1, 3)
    expect('worker 1, worker 2', 'worker lost 1 full 3')
    story.send_updates('worker', 4, 4)
    story.send_updates('stranger', 5, 5)
    story.dispatch(update('ghost', 6))
    of_bus = story.bus.get_statistics()
    of_dispatcher = story.dispatcher.get_statistics()
    of_worker = of_bus.lookup_value('subscribers', None).lookup_value('worker', None)
    tell(f'{worker.props.n_queued} queued')
    tell_balance(of_worker, OFFERED)
    tell_balance(of_bus, OFFERED)
    tell_balance(of_dispatcher, ACCEPTED)
    expect('parked 6, 1 queued, 4 2 1 1, 5 2 1 2, 1 0 1 0 0, worker 4', 'nobody lost 1 no-target 5')


def on_topic(topic, number):
    message = update(None, number)
    message.set_topic(topic)
    return message


def test_topics(story):
    worker = story.add_worker('worker')
    attempt('no pattern', Error.INVALID_TOPIC, worker.add_topic, 'audio..1')
    worker.add_topic('audio.*.>')
    tell(f'{story.bus.send(on_topic("audio.mic.1", 1))} of 1')
    tell(f'{story.bus.send(on_topic("audio.mic", 2))} of 1')
    tell(f'{worker.list_topics()[0]} of {len(worker.list_topics())}')
    expect('no pattern, 1 of 1, 0 of 1, audio.*.> of 1, worker 1', 'nobody lost 1 no-target 2')
    worker.set_accepts(['cancel'])
    tell(f'{story.bus.send(on_topic("audio.mic.1", 3))} of 1')
    tell(f'{story.bus.send(Message.new_cancel("ui", None, None))} of 1')
    expect('0 of 1, 1 of 1, worker cancel', 'nobody lost 1 no-target 3')
    worker.set_accepts(None)
    tell('removed' if worker.remove_topic('audio.*.>') else 'unknown')
    kept = on_topic('audio.mic.1', 4)
    kept.set_retained(True)
    tell(f'{story.bus.send(kept)} of 1')
    worker.add_topic('>')
    expect('removed, 0 of 1, worker 4', 'nobody lost 1 no-target 4')


def on_seen(monitor, message):
    _, n_accepted, reason = message.get_fate()
    tell(f'seen {word(message)} ' + (f'by {n_accepted}' if n_accepted else reason.value_nick))


def test_monitor(story):
    worker = story.add_worker('worker')
    monitor = AgentBus.Subscriber.new('worker')
    monitor.connect('message', on_seen)
    story.bus.add_monitor(monitor, None)
    attempt('taken', Error.EXISTS, story.bus.add_monitor, worker, None)
    story.send_updates('worker', 1, 1)
    story.send_updates('nobody', 2, 2)
    story.bus.send(Message.new_cancel('ui', None, None))
    expect('taken, worker cancel, worker 1, seen 1 by 1, seen 2 no-target, seen cancel by 1', 'nobody lost 1 no-target 2')
    story.bus.remove_monitor(monitor)
    story.send_updates('worker', 3, 3)
    expect('worker 3', '')
    story.bus.add_monitor(monitor, ['cancel'])
    story.send_updates('worker', 4, 4)
    story.bus.send(Message.new_cancel('ui', 'nobody', None))
    expect('worker 4, seen cancel no-target', 'nobody lost 1 no-target cancel')


def test_errors(story):
    twin = AgentBus.Subscriber.new('worker')
    text = GLib.Variant('s', 'text')
    message = Message.new_cancel('ui', None, None)
    story.add_worker('worker')
    attempt('exists', Error.EXISTS, story.bus.subscribe, twin)
    attempt('unknown', Error.NOT_FOUND, finish, story.bus, 'unsubscribe', 'stranger')
    attempt('no JSON', Error.INVALID_MESSAGE, AgentBus.payload_from_json, '{"numbers": [1,')
    attempt('no message', Error.INVALID_MESSAGE, Message.new_from_variant, text)
    attempt('no actor', Error.INVALID_MESSAGE, story.dispatcher.dispatch, message)
    expect('exists, unknown, no JSON, no message, no actor', '')
    story.dispatch(update('ghost', 1))
    story.dispatcher.props.park_unknown = False
    attempt('unassigned', Error.ACTOR_NOT_ASSIGNED, story.dispatcher.dispatch, update('stranger', 2))
    story.bus.props.shutdown_timeout = 1
    attempt('timed out', Error.TIMED_OUT, finish, story.dispatcher, 'stop')
    attempt('closed', Error.CLOSED, story.dispatcher.dispatch, update('ghost', 3))
    expect('parked 1, unassigned, timed out, closed', '1 lost closed')


def test_stop(story):
    worker = story.add_worker('worker')
    story.send_updates('worker', 1, 2)
    story.bus.send(Message.new_end('ui', 'worker', None))
    finish(story.bus, 'unsubscribe', 'worker')
    expect('worker end', 'worker lost 2 discarded 2')
    story.bus.subscribe(worker)
    for _ in range(2):
        tell('stopped' if finish(story.bus, 'stop') else 'running')
    tell('running' if story.bus.props.running else 'idle')
    attempt('closed', Error.CLOSED, story.bus.subscribe, worker)
    story.send_updates('worker', 3, 3)
    expect('stopped, stopped, idle, closed', 'nobody lost 1 closed 3')
    tell('started' if finish(story.bus, 'start') else 'stopped')
    tell('running' if story.bus.props.running else 'idle')
    story.bus.subscribe(worker)
    story.send_updates('worker', 4, 4)
    expect('started, running, worker 4', '')


def test_text(story):
    message = Message.new_task_request('ui', 'worker', '42', 'sum', None)
    attempt('refused', Error.INVALID_MESSAGE, message.set_payload_json, '{"n": 1')
    message.set_payload_json('{"n": 1.50, "n": [2]}')
    again = Message.new_from_variant(message.to_variant())
    tell(f'{"given" if again.has_payload_json() else "made"} {again.get_payload_json()}')
    tell(f'meant {AgentBus.payload_to_json(again.get_payload())}')
    made = Message.new_task_update('ui', 'worker', '42', AgentBus.payload_from_json('[ 7 ]'))
    tell(f'{"given" if made.has_payload_json() else "made"} {made.get_payload_json()}')
    expect('refused, given {"n": 1.50, "n": [2]}, meant {"n":[2]}, made [7]', '')


def test_leave(story):
    worker = story.add_worker('worker')
    story.send_updates('worker', 1, 2)
    finish(story.bus, 'flush', 'worker')
    tell('flushed')
    expect('worker 1, worker 2, flushed', '')
    story.send_updates('worker', 3, 3)
    finish(story.bus, 'unsubscribe_full', 'worker', AgentBus.LeaveFlags.DRAIN)
    tell('drained')
    expect('worker 3, drained', '')
    story.bus.subscribe(worker)
    story.send_updates('worker', 4, 4)
    tell('stopped' if finish(story.bus, 'stop_full', AgentBus.LeaveFlags.DRAIN) else 'running')
    attempt('closed', Error.CLOSED, finish, story.bus, 'flush', None)
    expect('worker 4, stopped, closed', '')


def test_names(story):
    watch = story.bus.watch_name('worker', lambda bus, name: tell(f'{name} appeared'),
                                 lambda bus, name: tell(f'{name} vanished'))
    expect('worker vanished', '')
    story.add_worker('worker')
    tell(' '.join(story.bus.list_names()))
    expect('worker, worker appeared', '')
    story.bus.unsubscribe('worker')
    expect('worker vanished', '')
    story.bus.unwatch_name(watch)


def test_group(story):
    story.add_member('a', 'pool')
    story.send_updates('pool', 1, 2)
    expect('a 1, a 2', '')
    attempt('exists', Error.EXISTS, story.bus.subscribe, AgentBus.Subscriber.new('pool'))
    story.send_updates('pool', 3, 4)
    story.add_member('b', 'pool')
    story.bus.unsubscribe('a')
    tell(' '.join(story.bus.list_names()))
    expect('exists, b pool, b 3, b 4', '')


def test_conversation(story):
    talk = AgentBus.Conversation.new(None)
    question, answer, fresh, late = [update('worker', number) for number in range(1, 5)]
    story.add_worker('worker')
    question.set_conversation(talk)
    answer.set_cause(question)
    story.bus.send(question)
    story.bus.send(answer)
    tell(f'epoch {talk.advance()}')
    fresh.set_conversation(talk)
    story.bus.send(fresh)
    expect('epoch 1, worker 3', 'worker lost 2 stale 2')
    again = AgentBus.Conversation.new(talk.get_id())
    tell(f'{again.get_epoch()}')
    late.set_conversation(talk)
    talk.advance()
    late = Message.new_from_variant(late.to_variant())
    tell(f'{late.get_epoch()} of {late.get_conversation().get_epoch()}')
    story.bus.send(late)
    expect('1, 1 of 2', 'worker lost 1 stale 4')


def test_task(story):
    story.add_actors()
    story.request('worker', 'sum', 1)
    expect('worker sum 1', '')
    story.job.update(GLib.Variant('i', 2))
    story.job.complete(GLib.Variant('i', 3))
    expect('update 2, completed 3', '')


def test_task_fails(story):
    story.add_actors()
    story.request('worker', 'sum', 1)
    wait_turn()
    story.job.fail_message('no luck')
    expect('worker sum 1, failed no luck', '')
    story.request('worker', 'sum', 2)
    wait_turn()
    tell('answered' if story.job.fail_details(GLib.Variant('s', 'not today')) else 'late')
    tell('ended' if story.job.has_ended() and not story.job.complete(None) else 'open')
    expect('worker sum 2, answered, ended, failed not today', '')


def test_task_chunks(story):
    story.add_actors()
    story.request('worker', 'count', 2)
    wait_turn()
    for number in 1, 2:
        story.job.send_chunk(GLib.Variant('i', number))
    story.job.complete(None)
    expect('worker count 2, chunk 0 1, chunk 1 2, completed nothing', '')


def test_task_cancel(story):
    story.add_actors()
    task = story.request('worker', 'sum', 1)
    wait_turn()
    task.cancel('enough')
    expect('worker sum 1, cancelled enough', '')
    tell('stopped' if story.job.is_cancelled() and story.job.get_cancellable().is_cancelled() else 'on')
    story.job.complete(GLib.Variant('i', 3))
    expect('stopped', '')


def test_task_nobody(story):
    story.add_actors()
    story.request('nobody', 'sum', 1)
    expect("failed There is no 'nobody' to do the task", '')
    story.request('worker', 'sum', 1)
    wait_turn()
    story.bus.unsubscribe('worker')
    expect("worker sum 1, failed 'worker' has left the bus", '')
    statistics = story.boss.get_statistics()
    tell(' '.join(str(lookup(statistics, key)) for key in ('requests', 'not-found', 'closed', 'open')))
    expect('2 1 1 0', '')


def test_round_trip(story):
    payload = AgentBus.payload_from_json('{"numbers": [1, 2.5], "text": "ä"}')
    message = Message.new_task_request('ui', 'worker', '42', 'sum', payload)
    again = Message.new_from_variant(message.to_variant())
    tell(f'{word(again)} {again.get_source()} {again.get_target()}')
    tell(f'{again.get_task_id()} {again.get_task_name()} {again.dup_payload_json()}')
    expect('task-request ui worker, 42 sum {"numbers":[1,2.5],"text":"ä"}', '')


run({
    '/story/subscribe': test_subscribe,
    '/story/priority': test_priority,
    '/story/drops': test_drops,
    '/story/defer': test_defer,
    '/story/missed': test_missed,
    '/story/receive': test_receive,
    '/story/dispatch': test_dispatch,
    '/story/expiry': test_expiry,
    '/story/scale': test_scale,
    '/story/room': test_room,
    '/story/statistics': test_statistics,
    '/story/topics': test_topics,
    '/story/monitor': test_monitor,
    '/story/errors': test_errors,
    '/story/stop': test_stop,
    '/story/text': test_text,
    '/story/leave': test_leave,
    '/story/names': test_names,
    '/story/group': test_group,
    '/story/conversation': test_conversation,
    '/story/task': test_task,
    '/story/task-fails': test_task_fails,
    '/story/task-chunks': test_task_chunks,
    '/story/task-cancel': test_task_cancel,
    '/story/task-nobody': test_task_nobody,
    '/story/round-trip': test_round_trip,
})
