#!/usr/bin/lua5.3
-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The story in Lua. Each language has the same, case by case and word by word; see story.txt.

package.path = arg[0]:match('^(.-)[^/]*$') .. '?.lua;' .. package.path

local teller = require 'teller'
local attempt, expect, finish, tell = teller.attempt, teller.expect, teller.finish, teller.tell
local tell_balance, update, word = teller.tell_balance, teller.update, teller.word

local lgi = require 'lgi'
local GLib, AgentBus = lgi.GLib, lgi.require('AgentBus', '1')
local Message = AgentBus.Message

-- The handlers that are connected come before the virtual function.
local function test_subscribe(story)
   local worker = story:add_worker('worker')
   local other = AgentBus.Subscriber.new('other')
   worker.on_message:connect(function(_, message) tell('any %s', word(message)) end)
   worker.on_message:connect(function(_, message) tell('stops %s', message:get_reason()) end, 'cancel')
   assert(story.bus:subscribe(other))
   tell('%d of %d', story.bus:send(update('worker', 1)), story.bus.n_subscribers)
   expect('1 of 2, any 1, worker 1', '')
   tell('%d of 2', story.bus:send(Message.new_cancel('ui', nil, 'enough')))
   expect('2 of 2, any cancel, stops enough, worker cancel', '')
   tell('%d of 2', story.bus:send(Message.new_end('worker', nil, nil)))
   tell('%d of 2', story.bus:send(update('stranger', 2)))
   tell('%d %d', worker.n_delivered, other.n_delivered)
   expect('1 of 2, 0 of 2, 2 1', 'nobody lost 1 no-target 2')
end

local function test_priority(story)
   story:add_worker('a')
   story:add_worker('b')
   story:send_updates('a', 1, 3)
   story.bus:send(Message.new_cancel('ui', 'a', nil))
   expect('a cancel, a 1, a 2, a 3', '')
   story:send_updates('a', 4, 6)
   story.bus:send(Message.new_cancel('ui', 'b', nil))
   expect('b cancel, a 4, a 5, a 6', '')
end

local function test_drops(story)
   local kept = update('new', 6)
   story:add_worker('new', 2)
   story:add_worker('old', 2, 'DROP_OLDEST')
   story:send_updates('new', 1, 5)
   kept:set_reliable(true)
   story.bus:send(kept)
   expect('new 1, new 2, new 6', 'new lost 3 full 5')
   story:send_updates('old', 1, 5)
   expect('old 4, old 5', 'old lost 3 full 3')
   local n_dropped = story.bus:get_dropped('old')
   tell(story.bus:get_dropped('stranger') and 'found' or 'unknown')
   tell(n_dropped and 'found' or 'unknown')
   tell('%d dropped', n_dropped)
   expect('unknown, found, 3 dropped', '')
end

local function test_defer(story)
   local slow = AgentBus.Subscriber.new('slow')
   local deliveries = {}
   slow.on_message:connect(function(subscriber, message)
      tell('slow %s', word(message))
      deliveries[#deliveries + 1] = subscriber:defer()
   end)
   assert(story.bus:subscribe(slow))
   story:send_updates('slow', 1, 3)
   expect('slow 1', '')
   deliveries[1]:complete()
   expect('slow 2', '')
   deliveries[2]:fail_message('no luck')
   expect('slow 3', 'slow failed 2 no luck')
   story.bus:send(Message.new_task_cancel('ui', 'slow', '3', nil))
   local third = deliveries[3]
   tell('%s %s', word(third:get_message()), third:is_cancelled() and 'cancelled' or 'on')
   expect('3 cancelled', '')
   third:fail_message('cancelled')
   expect('slow task-cancel', 'slow failed 3 cancelled')
   deliveries[4]:complete()
   tell('%d delivered', slow.n_delivered)
   expect('4 delivered', '')
end

local function test_missed(story)
   local slow = AgentBus.Subscriber.new('slow')
   local deliveries = {}
   slow.capacity = 2
   slow.on_message:connect(function(subscriber, message)
      tell('%s missed %d', word(message), subscriber:get_n_missed())
      deliveries[#deliveries + 1] = subscriber:defer()
   end)
   assert(story.bus:subscribe(slow))
   story:send_updates('slow', 1, 4)
   expect('1 missed 0', 'slow lost 2 full 4')
   story:send_updates('slow', 5, 5)
   deliveries[1]:complete()
   expect('2 missed 0', '')
   deliveries[2]:complete()
   expect('5 missed 2', '')
   tell('%d before 2', deliveries[2].n_missed)
   tell('%d before 5', deliveries[3].n_missed)
   deliveries[3]:complete()
   expect('0 before 2, 2 before 5', '')
end

local function test_receive(story)
   local inbox = story:add_worker('inbox')
   inbox.paused = true
   story:send_updates('inbox', 1, 2)
   story.bus:send(Message.new_cancel('ui', 'inbox', nil))
   for _ = 1, 2 do tell('%s', word(inbox:receive(0))) end
   inbox.paused = false
   expect('cancel, 1, inbox 2', '')
   attempt('nothing', 'TIMED_OUT', inbox:receive(0))
   expect('nothing', '')
end

local function test_dispatch(story)
   story.dispatcher.capacity = 3
   story:dispatch(update('actor', 1))
   story:dispatch(update('actor', 2))
   story.routes:assign('actor', 'router')
   story:dispatch(update('actor', 3))
   attempt('full', 'FULL', story.dispatcher:dispatch(update('actor', 4)))
   tell('%d held', story.dispatcher.n_parked)
   expect('parked 1, parked 2, parked 3, full, 3 held', '')
   story:add_worker('router')
   expect('router 1, router 2, router 3', '')
   story:dispatch(update('actor', 5))
   expect('delivered 5, router 5', '')
end

local function test_expiry(story)
   local brief = update('ghost', 1)
   brief:set_ttl(5)
   story:dispatch(brief)
   teller.wait_report()
   expect('parked 1', '1 expired late')
   story.routes:unassign('actor')
   story:dispatch(update('actor', 2))
   tell(story.routes:remove('actor') and 'removed' or 'unknown')
   expect('parked 2, removed', '2 lost no-target')
end

local function test_scale(story)
   story.dispatcher.hand_off = true
   story:add_worker('old')
   story:add_worker('new')
   tell('%d assigned', story.routes:assign_many({ 'x', 'y' }, 'old'))
   story:dispatch(update('x', 1))
   story.routes:rename('y', 'z')
   attempt('no actor', 'NOT_FOUND', story.routes:rename('y', 'z'))
   tell('%d moved', story.routes:rebalance({ 'new' }, nil):n_children())
   story:dispatch(update('x', 2))
   tell(table.concat(story.routes:list_actors('new'), ' '))
   expect('2 assigned, delivered 1, no actor, 2 moved, parked 2, x z, old 1, old hand-off, new 2', '')
   tell(finish(story.dispatcher, 'drain_router', 'new') and 'drained' or 'late')
   tell(story.routes:lookup('x') or 'nobody')
   attempt('no snapshot', 'INVALID_MESSAGE', story.routes:restore(GLib.Variant('s', 'text')))
   story.routes:restore(story.routes:snapshot())
   tell('%d known', story.routes.n_actors)
   story.bus:send(update('old', 3):copy_full('me', 'new'))
   expect('new hand-off, drained, nobody, no snapshot, 2 known, new 3', '')
end

local function test_room(story)
   local worker, result = story:add_worker('room', 4), nil
   story.bus.on_slow = function(_, subscriber, n) teller.report('%s slow %d', subscriber.name, n) end
   story.bus.on_recovered = function(_, subscriber, n) teller.report('%s recovered %d', subscriber.name, n) end
   worker.paused = true
   story:send_updates('room', 1, 4)
   expect('', 'room slow 4')
   attempt('full', 'FULL', story.bus:try_send(update('room', 5)))
   attempt('unknown', 'NOT_FOUND', story.bus:try_send(update('stranger', 5)))
   story.bus:send_async(update('room', 5), nil, function(_, r) result = r end)
   tell('%d queued', worker.n_queued)
   worker.capacity = 5
   while not result do GLib.MainContext.default():iteration(true) end
   tell(story.bus:send_finish(result) and 'sent' or 'lost')
   tell('%d queued', worker.n_queued)
   expect('full, unknown, 4 queued, sent, 5 queued', '')
   worker.paused = false
   expect('room 1, room 2, room 3, room 4, room 5', 'room recovered 0')
end

local function test_statistics(story)
   local worker = story:add_worker('worker', 2)
   story:send_updates('worker', 1, 3)
   expect('worker 1, worker 2', 'worker lost 1 full 3')
   story:send_updates('worker', 4, 4)
   story:send_updates('stranger', 5, 5)
   story:dispatch(update('ghost', 6))
   local of_bus = story.bus:get_statistics()
   local of_dispatcher = story.dispatcher:get_statistics()
   local of_worker = of_bus:lookup_value('subscribers', nil):lookup_value('worker', nil)
   tell('%d queued', worker.n_queued)
   tell_balance(of_worker, teller.OFFERED)
   tell_balance(of_bus, teller.OFFERED)
   tell_balance(of_dispatcher, teller.ACCEPTED)
   expect('parked 6, 1 queued, 4 2 1 1, 5 2 1 2, 1 0 1 0 0, worker 4', 'nobody lost 1 no-target 5')
end

local function on_topic(topic, number)
   local message = update(nil, number)
   message:set_topic(topic)
   return message
end

local function test_topics(story)
   local worker = story:add_worker('worker')
   attempt('no pattern', 'INVALID_TOPIC', worker:add_topic('audio..1'))
   assert(worker:add_topic('audio.*.>'))
   tell('%d of 1', story.bus:send(on_topic('audio.mic.1', 1)))
   tell('%d of 1', story.bus:send(on_topic('audio.mic', 2)))
   tell('%s of %d', worker:list_topics()[1], #worker:list_topics())
   expect('no pattern, 1 of 1, 0 of 1, audio.*.> of 1, worker 1', 'nobody lost 1 no-target 2')
   worker:set_accepts({ 'cancel' })
   tell('%d of 1', story.bus:send(on_topic('audio.mic.1', 3)))
   tell('%d of 1', story.bus:send(Message.new_cancel('ui', nil, nil)))
   expect('0 of 1, 1 of 1, worker cancel', 'nobody lost 1 no-target 3')
   worker:set_accepts(nil)
   tell(worker:remove_topic('audio.*.>') and 'removed' or 'unknown')
   local kept = on_topic('audio.mic.1', 4)
   kept:set_retained(true)
   tell('%d of 1', story.bus:send(kept))
   assert(worker:add_topic('>'))
   expect('removed, 0 of 1, worker 4', 'nobody lost 1 no-target 4')
end

local function on_seen(_, message)
   local n_accepted, reason = message:get_fate()
   if n_accepted > 0 then
      tell('seen %s by %d', word(message), n_accepted)
   else
      tell('seen %s %s', word(message), AgentBus.DropReason.to_string(reason))
   end
end

local function test_monitor(story)
   local worker = story:add_worker('worker')
   local monitor = AgentBus.Subscriber.new('worker')
   monitor.on_message:connect(on_seen)
   assert(story.bus:add_monitor(monitor, nil))
   attempt('taken', 'EXISTS', story.bus:add_monitor(worker, nil))
   story:send_updates('worker', 1, 1)
   story:send_updates('nobody', 2, 2)
   story.bus:send(Message.new_cancel('ui', nil, nil))
   expect('taken, worker cancel, worker 1, seen 1 by 1, seen 2 no-target, seen cancel by 1', 'nobody lost 1 no-target 2')
   story.bus:remove_monitor(monitor)
   story:send_updates('worker', 3, 3)
   expect('worker 3', '')
   assert(story.bus:add_monitor(monitor, { 'cancel' }))
   story:send_updates('worker', 4, 4)
   story.bus:send(Message.new_cancel('ui', 'nobody', nil))
   expect('worker 4, seen cancel no-target', 'nobody lost 1 no-target cancel')
end

local function test_errors(story)
   local twin = AgentBus.Subscriber.new('worker')
   local text = GLib.Variant('s', 'text')
   local message = Message.new_cancel('ui', nil, nil)
   story:add_worker('worker')
   attempt('exists', 'EXISTS', story.bus:subscribe(twin))
   attempt('unknown', 'NOT_FOUND', finish(story.bus, 'unsubscribe', 'stranger'))
   attempt('no JSON', 'INVALID_MESSAGE', AgentBus.payload_from_json('{"numbers": [1,'))
   attempt('no message', 'INVALID_MESSAGE', Message.new_from_variant(text))
   attempt('no actor', 'INVALID_MESSAGE', story.dispatcher:dispatch(message))
   expect('exists, unknown, no JSON, no message, no actor', '')
   story:dispatch(update('ghost', 1))
   story.dispatcher.park_unknown = false
   attempt('unassigned', 'ACTOR_NOT_ASSIGNED', story.dispatcher:dispatch(update('stranger', 2)))
   story.bus.shutdown_timeout = 1
   attempt('timed out', 'TIMED_OUT', finish(story.dispatcher, 'stop'))
   attempt('closed', 'CLOSED', story.dispatcher:dispatch(update('ghost', 3)))
   expect('parked 1, unassigned, timed out, closed', '1 lost closed')
end

local function test_stop(story)
   local worker = story:add_worker('worker')
   story:send_updates('worker', 1, 2)
   story.bus:send(Message.new_end('ui', 'worker', nil))
   assert(finish(story.bus, 'unsubscribe', 'worker'))
   expect('worker end', 'worker lost 2 discarded 2')
   assert(story.bus:subscribe(worker))
   for _ = 1, 2 do
      tell(finish(story.bus, 'stop') and 'stopped' or 'running')
   end
   tell(story.bus.running and 'running' or 'idle')
   attempt('closed', 'CLOSED', story.bus:subscribe(worker))
   story:send_updates('worker', 3, 3)
   expect('stopped, stopped, idle, closed', 'nobody lost 1 closed 3')
   tell(finish(story.bus, 'start') and 'started' or 'stopped')
   tell(story.bus.running and 'running' or 'idle')
   assert(story.bus:subscribe(worker))
   story:send_updates('worker', 4, 4)
   expect('started, running, worker 4', '')
end

local function test_text()
   local message = Message.new_task_request('ui', 'worker', '42', 'sum', nil)
   attempt('refused', 'INVALID_MESSAGE', message:set_payload_json('{"n": 1'))
   assert(message:set_payload_json('{"n": 1.50, "n": [2]}'))
   local again = Message.new_from_variant(message:to_variant())
   tell('%s %s', again:has_payload_json() and 'given' or 'made', again:get_payload_json())
   tell('meant %s', AgentBus.payload_to_json(again:get_payload()))
   local made = Message.new_task_update('ui', 'worker', '42', AgentBus.payload_from_json('[ 7 ]'))
   tell('%s %s', made:has_payload_json() and 'given' or 'made', made:get_payload_json())
   expect('refused, given {"n": 1.50, "n": [2]}, meant {"n":[2]}, made [7]', '')
end

local function test_leave(story)
   local worker = story:add_worker('worker')
   story:send_updates('worker', 1, 2)
   assert(finish(story.bus, 'flush', 'worker'))
   tell('flushed')
   expect('worker 1, worker 2, flushed', '')
   story:send_updates('worker', 3, 3)
   assert(finish(story.bus, 'unsubscribe_full', 'worker', 'DRAIN'))
   tell('drained')
   expect('worker 3, drained', '')
   assert(story.bus:subscribe(worker))
   story:send_updates('worker', 4, 4)
   tell(finish(story.bus, 'stop_full', 'DRAIN') and 'stopped' or 'running')
   attempt('closed', 'CLOSED', finish(story.bus, 'flush', nil))
   expect('worker 4, stopped, closed', '')
end

local function test_names(story)
   local Closure = lgi.GObject.Closure
   local watch = story.bus:watch_name('worker', Closure(function(_, name) tell('%s appeared', name) end),
      Closure(function(_, name) tell('%s vanished', name) end))
   expect('worker vanished', '')
   story:add_worker('worker')
   tell(table.concat(story.bus:list_names(), ' '))
   expect('worker, worker appeared', '')
   story.bus:unsubscribe('worker')
   expect('worker vanished', '')
   story.bus:unwatch_name(watch)
end

local function test_group(story)
   story:add_member('a', 'pool')
   story:send_updates('pool', 1, 2)
   expect('a 1, a 2', '')
   attempt('exists', 'EXISTS', story.bus:subscribe(AgentBus.Subscriber { name = 'pool' }))
   story:send_updates('pool', 3, 4)
   story:add_member('b', 'pool')
   story.bus:unsubscribe('a')
   tell(table.concat(story.bus:list_names(), ' '))
   expect('exists, b pool, b 3, b 4', '')
end

local function test_conversation(story)
   local talk = AgentBus.Conversation.new(nil)
   local question, answer, fresh = update('worker', 1), update('worker', 2), update('worker', 3)
   local late = update('worker', 4)
   story:add_worker('worker')
   question:set_conversation(talk)
   answer:set_cause(question)
   story.bus:send(question)
   story.bus:send(answer)
   tell('epoch %d', talk:advance())
   fresh:set_conversation(talk)
   story.bus:send(fresh)
   expect('epoch 1, worker 3', 'worker lost 2 stale 2')
   tell('%d', AgentBus.Conversation.new(talk:get_id()):get_epoch())
   late:set_conversation(talk)
   talk:advance()
   local read = Message.new_from_variant(late:to_variant())
   tell('%d of %d', read:get_epoch(), read:get_conversation():get_epoch())
   story.bus:send(read)
   expect('1, 1 of 2', 'worker lost 1 stale 4')
end

local function test_task(story)
   story:add_actors()
   story:request('worker', 'sum', 1)
   expect('worker sum 1', '')
   story.job:update(GLib.Variant('i', 2))
   story.job:complete(GLib.Variant('i', 3))
   expect('update 2, completed 3', '')
end

local function test_task_fails(story)
   story:add_actors()
   story:request('worker', 'sum', 1)
   teller.wait_turn()
   story.job:fail_message('no luck')
   expect('worker sum 1, failed no luck', '')
   story:request('worker', 'sum', 2)
   teller.wait_turn()
   tell(story.job:fail_details(GLib.Variant('s', 'not today')) and 'answered' or 'late')
   tell(story.job:has_ended() and not story.job:complete(nil) and 'ended' or 'open')
   expect('worker sum 2, answered, ended, failed not today', '')
end

local function test_task_chunks(story)
   story:add_actors()
   story:request('worker', 'count', 2)
   teller.wait_turn()
   for number = 1, 2 do story.job:send_chunk(GLib.Variant('i', number)) end
   story.job:complete(nil)
   expect('worker count 2, chunk 0 1, chunk 1 2, completed nothing', '')
end

local function test_task_cancel(story)
   story:add_actors()
   local task = story:request('worker', 'sum', 1)
   teller.wait_turn()
   task:cancel('enough')
   expect('worker sum 1, cancelled enough', '')
   tell(story.job:is_cancelled() and story.job:get_cancellable():is_cancelled() and 'stopped' or 'on')
   story.job:complete(GLib.Variant('i', 3))
   expect('stopped', '')
end

local function test_task_nobody(story)
   story:add_actors()
   story:request('nobody', 'sum', 1)
   expect("failed There is no 'nobody' to do the task", '')
   story:request('worker', 'sum', 1)
   teller.wait_turn()
   story.bus:unsubscribe('worker')
   expect("worker sum 1, failed 'worker' has left the bus", '')
   local statistics, counts = story.boss:get_statistics(), {}
   for i, key in ipairs { 'requests', 'not-found', 'closed', 'open' } do
      counts[i] = ('%d'):format(teller.lookup(statistics, key))
   end
   tell(table.concat(counts, ' '))
   expect('2 1 1 0', '')
end

local function test_round_trip()
   local payload = AgentBus.payload_from_json('{"numbers": [1, 2.5], "text": "ä"}')
   local message = Message.new_task_request('ui', 'worker', '42', 'sum', payload)
   local again = Message.new_from_variant(message:to_variant())
   tell('%s %s %s', word(again), again:get_source(), again:get_target())
   tell('%s %s %s', again:get_task_id(), again:get_task_name(), again:dup_payload_json())
   expect('task-request ui worker, 42 sum {"numbers":[1,2.5],"text":"ä"}', '')
end

teller.run {
   { '/story/subscribe', test_subscribe },
   { '/story/priority', test_priority },
   { '/story/drops', test_drops },
   { '/story/defer', test_defer },
   { '/story/missed', test_missed },
   { '/story/receive', test_receive },
   { '/story/dispatch', test_dispatch },
   { '/story/expiry', test_expiry },
   { '/story/scale', test_scale },
   { '/story/room', test_room },
   { '/story/statistics', test_statistics },
   { '/story/topics', test_topics },
   { '/story/monitor', test_monitor },
   { '/story/errors', test_errors },
   { '/story/stop', test_stop },
   { '/story/text', test_text },
   { '/story/leave', test_leave },
   { '/story/names', test_names },
   { '/story/group', test_group },
   { '/story/conversation', test_conversation },
   { '/story/task', test_task },
   { '/story/task-fails', test_task_fails },
   { '/story/task-chunks', test_task_chunks },
   { '/story/task-cancel', test_task_cancel },
   { '/story/task-nobody', test_task_nobody },
   { '/story/round-trip', test_round_trip },
}
