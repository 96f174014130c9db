-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The bus from Lua, with its override: what is not in the story of all languages.

local tap = require 'tap'
local assert_equal, test, turn, wait_until = tap.assert_equal, tap.test, tap.turn, tap.wait_until

local lgi = require 'lgi'
local GLib, Gio = lgi.GLib, lgi.Gio
local AgentBus, AgentBusTest = lgi.require('AgentBus', '1'), lgi.require('AgentBusTest', '1')
local Message = AgentBus.Message
local App = lgi.package 'AgentBusLuaTest'

local function update(target, payload, id)
   return Message.task_update('ui', target, id or '1', { payload = payload })
end

local function make_bus(class)
   local bus = AgentBus.Bus { capacity = 100000 }
   local worker = (class or AgentBus.Subscriber) { name = 'worker' }
   assert(bus:subscribe(worker))
   return bus, worker
end

test('messages', function()
   local info = AgentBus.Info.new('agent', 'runner', nil, true, false, 0)
   local names = { Message.agent_ready(info).name, Message.routed('SHUTDOWN', 'a', 'b').name,
                   Message.custom('my_name', 'SYSTEM', 'a', 'b').name,
                   Message.frame('a', nil, { frame = AgentBus.Frame.new('audio', GLib.Bytes.new('abc')) }).name }
   assert_equal(names, { 'agent-ready', 'shutdown', 'my_name', 'frame' })
   for _, name in ipairs { 'activate', 'deactivate', 'end', 'cancel', 'agent_error' } do
      local options = name == 'agent_error' and { reason = 'why' } or nil
      assert_equal(Message[name]('a', 'b', options).name, (name:gsub('_', '-')))
   end
   for _, name in ipairs { 'request', 'response', 'response_urgent', 'update', 'update_urgent', 'update_request',
                           'cancel', 'stream_start', 'stream_data', 'stream_end' } do
      assert_equal(Message['task_' .. name]('a', 'b', '1').name, 'task-' .. name:gsub('_', '-'))
   end
end)

test('options', function()
   local message = Message.task_request('a', 'b', '7', { name = 'sum', ttl = 50, reliable = true, trace = 'trace' })
   assert_equal({ message.source, message.target, message.task_id, message.task_name }, { 'a', 'b', '7', 'sum' })
   assert_equal({ message.ttl == 50, message.reliable, message.trace, message.type },
                { true, true, 'trace', 'TASK_REQUEST' })
   assert_equal(Message.task_response('a', 'b', '7', { status = 'FAILED' }):get_status(), 'FAILED')
   assert_equal(pcall(Message._end, 'a', 'b', { resaon = 'typo' }), false)
end)

test('conversation', function()
   local conversation = AgentBus.Conversation.new('talk')
   local message = Message.custom('x', 'DATA', 'a', 'b', { conversation = conversation })
   assert_equal({ conversation.id, conversation.epoch == 0, conversation:advance() == 1 }, { 'talk', true, true })
   assert_equal({ message.conversation.id, message.epoch == 0 }, { 'talk', true })
   assert_equal(Message._end('b', 'a', { cause = message }).conversation.id, 'talk')
   assert_equal(Message._end('b', 'a').conversation, nil)
end)

test('monitor', function()
   local bus = make_bus()
   local monitor, seen = AgentBus.Subscriber { name = 'worker' }, {}
   monitor:on(function(message)
      seen[#seen + 1] = ('%d %s'):format(message.fate.n_accepted, message.fate.reason)
   end)
   assert(bus:add_monitor(monitor))
   assert_equal(bus:add_monitor(monitor, { 'cancel' }), false)
   bus:send(Message.cancel('a', 'b'))
   bus:send(Message.cancel('a', 'worker'))
   wait_until(function() return #seen == 2 end)
   assert_equal(seen, { '0 NO_TARGET', '1 nil' })
   assert_equal(update('b').fate, nil)
   bus:remove_monitor(monitor)
end)

test('payloads', function()
   for _, payload in ipairs { { a = { 1, 2.5, 'ä"\n', true, {} }, b = { c = -7 } }, 'text', 0, 1.5, false } do
      assert_equal(update('b', payload).payload, payload)
   end
   assert_equal(update('b', GLib.Variant('(si)', { 'a', 1 })).payload, { 'a', 1 })
   assert_equal(update('b').payload, nil)
   assert_equal(update('b', 9007199254740993).payload, 9007199254740993)
   for _, payload in ipairs { print, { print }, '\255', { [{}] = 1 }, 0 / 0 } do
      local message, err = update('b', payload)
      assert_equal({ message == nil, err:matches(AgentBus.BusError, 'INVALID_MESSAGE') }, { true, true })
   end
end)

test('payloads-travel-as-text', function()
   local message = update('b', { 1, 'x', { a = 1.5 } })
   assert_equal({ message:has_payload_json(), message:get_payload_json() }, { true, '[1,"x",{"a":1.5}]' })
   assert_equal(Message.new_from_variant(message:to_variant()).payload, { 1, 'x', { a = 1.5 } })
   assert_equal(update('b', GLib.Variant('x', 1)):has_payload_json(), false)
   assert_equal(update('b'):has_payload_json(), false)
end)

test('payload-errors', function()
   local loop = {}
   loop.a = { loop }
   for _, case in ipairs {
      { { a = { 1, { b = print } } }, 'payload.a[2].b is a function' },
      { { 1, 2, x = 3 }, 'payload is neither an array nor an object: it has the keys 1 and "x"' },
      { { a = { [1] = 1, [1.5] = 2 } }, 'payload.a is neither' }, { { 1, 2, nil, 4 }, 'payload[3] is nil' },
      { { nil, 2 }, 'payload[1] is nil' }, { { a = { [5] = 1 } }, 'payload.a[1] is nil' },
      { { [0] = 1 }, 'payload has a key that is a number' }, { AgentBus.Bus(), 'payload is a userdata' },
      { GLib.Bytes.new('abc'), 'payload is a userdata' },
      { { ['a b'] = AgentBus.Bus() }, 'payload["a b"] is a userdata' },
      { loop, 'payload is nested too deeply' }, { { a = 'x\0' }, 'payload.a is no UTF-8' },
      { { ['\255'] = 1 }, 'a key of payload is no UTF-8' }, { { a = 1 / 0 }, 'payload.a is inf' },
      { { a = setmetatable({}, { __index = { 1 } }) }, 'payload.a is a table with a metatable' },
   } do
      local message, err = update('b', case[1])
      assert_equal({ message == nil, err:matches(AgentBus.BusError, 'INVALID_MESSAGE') }, { true, true })
      assert_equal(err.message:sub(1, #case[2]), case[2])
   end
   assert_equal(update('b', setmetatable({ 1 }, { __tostring = print })).payload, { 1 })
end)

-- What a function that raises says.
local function raised(func, ...)
   local ok, err = pcall(func, ...)
   assert_equal(ok, false)
   return tostring(err):gsub('^.-:%d+: ', '')
end

test('numbers', function()
   local bus = AgentBus.Bus { shutdown_timeout = 5 }
   local dispatcher = AgentBus.RouterDispatcher { bus = bus, route_table = AgentBus.RouteTable() }
   local policy = AgentBus.RetryPolicy.new()
   local worker = AgentBus.Subscriber { name = 'worker' }
   local Derived = App:class('Derived', AgentBus.Subscriber)
   for _, odd in ipairs { 0.5, 0 / 0, 1 / 0, -1, '5' } do
      for _, func in ipairs {
         function() Message.activate('a', 'b', { ttl = odd }) end, function() AgentBus.Bus { capacity = odd } end,
         function() Derived { name = 'a', max_bytes = odd } end, function() bus.shutdown_timeout = odd end,
         function() dispatcher.capacity = odd end, function() dispatcher:set_timeout('SHUTDOWN', odd) end,
         function() worker.capacity = odd end, function() worker.max_age = odd end,
         function() policy:set_initial_delay(odd) end, function() policy:set_max_delay(odd) end,
      } do
         assert_equal(raised(func):find('has to be a whole number', 1, true) ~= nil, true)
      end
   end
   bus.shutdown_timeout = 7
   assert_equal(bus.shutdown_timeout == 7, true)
   assert_equal(Derived { name = 'a', max_bytes = 2 ^ 40 }.max_bytes == 2 ^ 40, true)
   worker.capacity, worker.max_bytes, worker.max_age = 2, 2 ^ 40, 3
   assert_equal({ worker.capacity == 2, worker:get_max_bytes() == 2 ^ 40, worker:get_max_age() == 3 }, { true, true, true })
   local derived = Derived { name = 'a' }
   derived.capacity = 3
   assert_equal(derived:get_capacity() == 3, true)
end)

test('nicks', function()
   local function subscriber(overflow) return AgentBus.Subscriber { name = 'a', overflow = overflow }.overflow end
   for _, overflow in ipairs { 'drop-oldest', 'drop_oldest', 'DROP_OLDEST', AgentBus.Overflow.DROP_OLDEST } do
      assert_equal(subscriber(overflow), 'DROP_OLDEST')
   end
   assert_equal(raised(subscriber, 'odd'), "AgentBus.Overflow has no 'odd'")
   assert_equal(raised(subscriber, 9):find('AgentBus.Overflow has no', 1, true), 1)
   assert_equal(Message.custom('n', 'system', 'a', 'b').channel, 'SYSTEM')
   assert_equal(Message.task_response('a', 'b', '1', { status = 'failed' }).status, 'FAILED')
   assert_equal(raised(Message.custom, 'n', 'odd', 'a', 'b'), "AgentBus.Channel has no 'odd'")
end)

test('names', function()
   local bus, worker = make_bus()
   local n = 0
   for _, name in ipairs { 'task_request', 'task-request', 'TASK_REQUEST', AgentBus.MessageType.TASK_REQUEST } do
      worker:on(name, function() n = n + 1 end)
   end
   bus:send(Message.task_request('ui', 'worker', '1'))
   wait_until(function() return worker.n_delivered == 1 end)
   assert_equal(n, 4)
   for _, args in ipairs { { AgentBus.MessageType.CUSTOM }, { 99 }, { '' }, { {} } } do
      raised(worker.on, worker, args[1], print)
   end
   raised(worker.on, worker, nil, print)
   raised(worker.on, worker, 'cancel')
end)

test('names-that-are-none', function()
   local program = io.popen([[lua5.3 -e "
      local worker = require('lgi').AgentBus.Subscriber { name = 'worker' }
      for _, name in ipairs { 'task_request', 'plain', 'my-name', 'task_reqest' } do worker:on(name, print) end" 2>&1]])
   local names = {}
   for name in program:read('a'):gmatch("on%('(.-)'%): no type") do names[#names + 1] = name end
   program:close()
   assert_equal(names, { 'task_reqest' })
end)

test('on', function()
   local bus, worker = make_bus()
   local got = {}
   worker:on(function(message) got[#got + 1] = message.name end)
   worker:on('cancel', function(message) got[#got + 1] = message.reason end)
   bus:send(Message.cancel('ui', 'worker', { reason = 'enough' }))
   bus:send(update('worker'))
   wait_until(function() return #got == 3 end)
   assert_equal(got, { 'cancel', 'enough', 'task-update' })
end)

test('one-at-a-time', function()
   local bus, worker = make_bus()
   local got = {}
   worker:on(function(message)
      got[#got + 1] = '<' .. message.payload
      turn()
      collectgarbage()
      turn()
      got[#got + 1] = message.payload .. '>'
   end)
   for i = 0, 2 do bus:send(update('worker', i)) end
   wait_until(function() return #got == 6 end)
   assert_equal(got, { '<0', '0>', '<1', '1>', '<2', '2>' })
end)

test('failures', function()
   local bus, worker = make_bus()
   local failures, got = {}, {}
   bus.on_failed = function(_, _, message, err) failures[#failures + 1] = message.task_id .. err.message end
   worker:on(function(message)
      got[#got + 1] = message.task_id
      if message.payload == 'plain' then error('plain', 0) end
      if message.payload == 'late' then turn() error('late', 0) end
   end)
   for i, payload in ipairs { 'plain', 'fine', 'late', 'fine' } do bus:send(update('worker', payload, tostring(i))) end
   wait_until(function() return #got == 4 and #failures == 2 end)
   assert_equal({ failures, bus.statistics.failed }, { { '1plain', '3late' }, 2 })
end)

test('two-handlers', function()
   local bus, worker = make_bus()
   local got, failures = {}, {}
   bus.on_failed = function(_, _, message, err) failures[#failures + 1] = message.task_id .. err.message end
   worker:on(function(message) if message.payload == 1 then error('plain', 0) end end)
   for n, name in ipairs { 'a', 'b' } do
      worker:on(function(message)
         for _ = 1, 3 * n do turn() end
         got[#got + 1] = name .. message.payload
      end)
   end
   for i = 1, 2 do bus:send(update('worker', i, tostring(i))) end
   wait_until(function() return #got == 4 and #failures == 1 end)
   assert_equal({ got, failures }, { { 'a1', 'b1', 'a2', 'b2' }, { '1plain' } })
end)

test('by-hand', function()
   local bus, worker = make_bus()
   local deliveries, got, failures = {}, {}, {}
   bus.on_failed = function(_, _, message, err) failures[#failures + 1] = err.message end
   worker:on('deliver', function() deliveries[#deliveries + 1] = worker:defer() error('it is mine') end)
   worker:on(function(message) turn() got[#got + 1] = message.name end)
   worker:on('task-update', function() worker:defer() end)
   bus:send(Message.custom('deliver', 'DATA', 'ui', 'worker'))
   bus:send(update('worker'))
   wait_until(function() return #got == 1 end)
   assert_equal({ #deliveries == 1, worker.n_queued == 1 }, { true, true })
   deliveries[1]:complete()
   wait_until(function() return #got == 2 and #failures == 1 end)
   assert_equal(failures[1]:find('belongs to') ~= nil, true)
end)

test('receive', function()
   local bus, worker = make_bus()
   local got = {}
   local function take(message, err) got[#got + 1] = message and message.payload or err.code end
   for i = 1, 2 do bus:send(update('worker', i)) end
   assert_equal(worker:async_receive().payload, 1)
   for _ = 1, 3 do turn() end
   assert_equal({ worker.paused, worker.n_queued == 1 }, { true, true })
   worker:receive(take)
   worker:receive(take)
   wait_until(function() return #got == 1 end)
   bus:send(update('worker', 3))
   wait_until(function() return #got == 2 end)
   assert_equal(got, { 2, 3 })

   local cancellable = Gio.Cancellable()
   local cancelled
   worker:receive(function(_, err) cancelled = err:matches(Gio.IOErrorEnum, 'CANCELLED') end, cancellable)
   cancellable:cancel()
   wait_until(function() return cancelled ~= nil end)
   bus:send(update('worker', 4))
   assert_equal({ cancelled, worker:receive(1000).payload }, { true, 4 })
   local nothing, err = worker:receive(0)
   assert_equal({ not nothing, err:matches(AgentBus.BusError, 'TIMED_OUT') }, { true, true })

   local closed
   worker:receive(function(_, failure) closed = failure:matches(AgentBus.BusError, 'CLOSED') end)
   assert(bus:async_stop())
   wait_until(function() return closed ~= nil end)
   assert_equal(closed, true)
end)

test('fail', function()
   local bus, worker = make_bus()
   local delivery, failure
   bus.on_failed = function(_, _, message, err)
      -- The error is only there for the call.
      failure = { err.message, err.code, err.domain, err:matches(Gio.IOErrorEnum, 'NOT_FOUND') }
   end
   worker:on(function() delivery = worker:defer() end)
   for _, err in ipairs { select(2, bus:subscribe(worker)), GLib.Error(Gio.IOErrorEnum, 'NOT_FOUND', 'no file') } do
      delivery, failure = nil, nil
      bus:send(update('worker'))
      wait_until(function() return delivery ~= nil end)
      delivery:fail(err)
      wait_until(function() return failure ~= nil end)
      assert_equal(failure, { err.message, err.code, err.domain, err.domain == Gio.IOErrorEnum })
   end
   assert_equal(bus.statistics.failed, 2)
end)

test('forgotten', function()
   local bus, worker = make_bus()
   local got = {}
   worker:on(function(message)
      if message.payload == 'never' then coroutine.yield() end
      got[#got + 1] = message.payload
   end)
   bus:send(update('worker', 'never'))
   bus:send(update('worker', 'next'))
   wait_until(function() collectgarbage() return #got == 1 end)
   assert_equal(got, { 'next' })
end)

local function assert_kept(bus, kept)
   for i = 1, 20 do bus:send(update('worker', { i = i }, 'task ' .. i)) end
   wait_until(function() return #kept == 20 end)
   assert(bus:async_stop())
   collectgarbage()
   -- Others may have the memory now, if it was freed.
   for i = 1, 100 do update('nobody', { other = i }, 'other ' .. i) end
   for i, message in ipairs(kept) do
      assert_equal({ message.task_id, message.source, message.payload }, { 'task ' .. i, 'ui', { i = i } })
   end
end

test('kept', function()
   local bus, worker = make_bus()
   local kept = {}
   worker:on(function(message) kept[#kept + 1] = message end)
   assert_kept(bus, kept)
end)

test('kept-vfunc', function()
   local Keeper = App:class('Keeper', AgentBus.Subscriber)
   local kept = {}
   function Keeper:do_message(message) kept[#kept + 1] = message end
   assert_kept(make_bus(Keeper), kept)
end)

test('threads', function()
   local bus, worker = make_bus()
   local n, n_foreign = 0, 0
   worker:on(function()
      if not AgentBusTest.is_main_thread() then n_foreign = n_foreign + 1 end
      n = n + 1
   end)
   AgentBusTest.send_from_threads(bus, 'worker', 4, 1000)
   assert_equal(n, 0)
   wait_until(function() return n == 4000 end)
   assert_equal(n_foreign, 0)
end)

test('async', function()
   local bus = make_bus()
   local ok, err = bus:async_unsubscribe('nobody')
   assert_equal({ not ok, err:matches(AgentBus.BusError, 'NOT_FOUND') }, { true, true })
   assert_equal({ bus:async_unsubscribe('worker'), bus:async_stop() }, { true, true })
end)

test('room', function()
   local bus, worker = make_bus()
   local got, cancelled = {}, nil
   worker.capacity, worker.paused = 1, true
   worker:on(function(message) got[#got + 1] = message.payload end)
   assert_equal(bus:try_send(update('worker', 1)), true)
   for target, code in pairs { worker = 'FULL', nobody = 'NOT_FOUND' } do
      local ok, err = bus:try_send(update(target, 2))
      assert_equal({ not ok, err:matches(AgentBus.BusError, code) }, { true, true })
   end

   local cancellable = Gio.Cancellable()
   Gio.Async.start(function()
      local ok, err = bus:async_send(update('worker', 3))
      cancelled = not ok and err:matches(Gio.IOErrorEnum, 'CANCELLED')
   end, cancellable)()
   cancellable:cancel()
   wait_until(function() return cancelled ~= nil end)
   assert_equal(cancelled, true)
   worker.paused = false
   assert_equal(bus:async_send(update('worker', 4)), true)
   wait_until(function() return #got == 2 end)
   assert_equal(got, { 1, 4 })
end)

test('statistics', function()
   local bus, worker = make_bus()
   worker:on(function() end)
   bus:send(update('worker'))
   wait_until(function() return worker.n_delivered == 1 end)
   local s = bus.statistics
   assert_equal({ s.sent, s.dropped['no-target'], s.subscribers.worker.delivered }, { 1, 0, 1 })
end)

test('dispatcher', function()
   local bus, worker = make_bus()
   local routes = AgentBus.RouteTable()
   local dispatcher = AgentBus.RouterDispatcher { bus = bus, route_table = routes }
   local got = {}
   worker:on(function(message) turn() got[#got + 1] = message.payload end)
   for i = 1, 3 do dispatcher:dispatch(Message.routed('REQUEST_INFERENCE', 'ui', 'actor', { payload = i })) end
   routes:assign('actor', 'worker')
   wait_until(function() return #got == 3 end)
   assert_equal({ got, dispatcher.statistics.dispatched }, { { 1, 2, 3 }, 3 })
   assert_equal(dispatcher:async_stop(), true)
end)

test('many routes', function()
   local routes = AgentBus.RouteTable()
   local listed = {}
   assert_equal(routes:assign_many({ 'b', 'a' }, 'worker') == 2, true)
   routes:unassign('c')
   for actor, router in routes:actors() do listed[#listed + 1] = actor .. '=' .. router end
   assert_equal(listed, { 'a=worker', 'b=worker', 'c=' })
   assert_equal(routes:list_actors('worker'), { 'a', 'b' })
   local before = routes:snapshot()
   assert_equal(routes:rebalance({ 'other' }, { other = 2 }),
                { { 'a', 'worker', 'other' }, { 'b', 'worker', 'other' }, { 'c', '', 'other' } })
   assert_equal(routes:rename('a', 'd'), true)
   local done, err = routes:rename('nobody', 'x')
   assert_equal({ done, err:matches(AgentBus.BusError, 'NOT_FOUND') }, { false, true })
   assert_equal(routes:restore(before), true)
   assert_equal(routes:list_actors(), { 'a', 'b', 'c' })
end)

test('scaling', function()
   local bus, worker = make_bus()
   local routes = AgentBus.RouteTable()
   local dispatcher = AgentBus.RouterDispatcher { bus = bus, route_table = routes, hand_off = true }
   local got = {}
   worker:on(function(message) got[#got + 1] = message.name .. ' ' .. message.target .. ' ' .. message.payload end)
   routes:assign('actor', 'worker')
   dispatcher:dispatch(Message.routed('REQUEST_INFERENCE', 'ui', 'actor', { payload = 1 }):copy())
   routes:assign('actor', 'other')
   routes:assign('quiet', 'worker')
   assert_equal(dispatcher:async_drain_router('worker'), true)
   assert_equal(got, { 'request-inference actor 1', 'hand-off actor other' })
   assert_equal(routes:lookup('quiet'), nil)
end)

test('transport', function()
   local address = 'unix:abstract=agentbus-lua-' .. GLib.uuid_string_random()
   local server = AgentBus.DBusTransport { node_id = 'here', address = address, role = 'SERVER' }
   local here = AgentBus.Bus { transport = server }
   local there = AgentBus.Bus { transport = AgentBus.DBusTransport { node_id = 'there', address = address, role = 'CLIENT' } }
   local worker, vanished = AgentBus.Subscriber { name = 'worker' }, nil
   server.on_vanished = function(_, node) vanished = node end
   assert_equal({ here:async_start(), there:async_start() }, { true, true })
   assert(there:subscribe(worker))
   wait_until(function() return here:lookup('worker') ~= nil end)
   local got
   worker:on(function(message) got = message.payload end)
   here:send(update('worker', 5))
   wait_until(function() return got ~= nil end)
   assert_equal(got, 5)
   assert_equal({ server.statistics.nodes.there['control-lost'], server.node_id }, { 0, 'here' })
   assert(there:async_stop())
   wait_until(function() return vanished ~= nil end)
   assert_equal(vanished, 'there')
   assert(here:async_stop())
end)

test('flat', function()
   local bus, worker = make_bus()
   local n, before = 0, nil
   worker:on(function() n = n + 1 end)
   for i = 1, 40 do
      AgentBusTest.send_from_threads(bus, 'worker', 1, 1000)
      wait_until(function() return n == i * 1000 end)
      collectgarbage()
      if i == 10 then before = AgentBusTest.get_rss() end
   end
   assert(AgentBusTest.get_rss() - before < 8 * 1024 * 1024)
end)

tap.run('/agentbus/lua/', pcall)
