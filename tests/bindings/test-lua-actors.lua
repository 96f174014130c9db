-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Tasks of actors in Lua.

local tap = require 'tap'
local assert_equal, test, turn, wait_until = tap.assert_equal, tap.test, tap.turn, tap.wait_until

local lgi = require 'lgi'
local GLib, Gio = lgi.GLib, lgi.Gio
local AgentBus, AgentBusTest = lgi.require('AgentBus', '1'), lgi.require('AgentBusTest', '1')
local App = lgi.package 'AgentBusLuaActors'

-- Takes what await() returned.
local function assert_fails(code, response, err)
   if response ~= nil or not err then error('it has not failed', 2) end
   if not err:matches(AgentBus.BusError, code) then error(('%s has not the code %s'):format(err, code), 2) end
   return err
end

local function range(n)
   local numbers = {}
   for i = 1, n do numbers[i] = i end
   return numbers
end

local function collect(task)
   local got = {}
   for chunk in task:chunks() do got[#got + 1] = chunk end
   return got
end

test('answer', function(boss, worker)
   worker:task('sum', function(payload, job, me)
      assert_equal({ job.task_name, job.requester, me.name, job.remaining_time ~= nil }, { 'sum', 'boss', 'worker', true })
      return payload.a + payload.b
   end)
   worker:task('later', function(payload) turn() return payload end)
   assert_equal(boss:request('worker', 'sum', { a = 1, b = 2 }, { timeout = 5000 }):await(), 3)
   local task = boss:request('worker', 'later', { x = { 1, 'ä' } })
   assert_equal({ task.status, task.response }, { 'PENDING', nil })
   assert_equal({ task:await(), task:await(), task.response },
                { { x = { 1, 'ä' } }, { x = { 1, 'ä' } }, { x = { 1, 'ä' } } })
   assert_equal({ task.status, task.target, task.task_name, task.error }, { 'COMPLETED', 'worker', 'later' })
   assert_equal(boss:request('worker', 'later', false):await(), false)
   assert_equal(boss.statistics.completed, 3)
end)

test('handlers', function(boss, worker)
   worker:task('sum', function(numbers) return numbers[1] + numbers[2] end)
   for _, wrong in ipairs { 5, '', {} } do assert(not pcall(worker.task, worker, wrong, print)) end
   assert(not pcall(worker.task, worker, 'sum', print))
   assert(not pcall(worker.task, worker, 'max', 5))
   assert_fails('NOT_FOUND', boss:request('worker', 'other'):await())
   worker:task(function(payload, job) return { job.task_name or 'none', payload } end)
   assert(not pcall(worker.task, worker, print))
   assert_equal({ boss:request('worker', 'sum', { 1, 2 }):await(), boss:request('worker', 'other', 1):await(),
                  boss:request('worker', nil, 2):await() }, { 3, { 'other', 1 }, { 'none', 2 } })
   assert(not pcall(boss.request, boss, ''))
   assert_equal({ boss:request('worker', 'sum', print) }, { nil, GLib.Error(AgentBus.BusError, 'INVALID_MESSAGE', '%s',
                'payload is a function, which cannot be in a payload') })
end)

test('by hand', function(boss, worker)
   local jobs, updates = {}, {}
   worker.on_task_request:connect(function(_, job) jobs[#jobs + 1] = job end)
   local task = boss:request('worker', 'x', 1)
   task.on_update:connect(function(_, update) updates[#updates + 1] = update.value end)
   wait_until(function() return #jobs == 1 end)
   local job = jobs[1]
   assert_equal({ job:update('half'), job.payload, job.remaining_time or 'any', job:has_ended() }, { true, 1, 'any', false })
   assert(not pcall(job.complete, job, print))
   assert(not pcall(job.send_chunk, job, nil))
   assert_equal({ job:complete { a = 1 }, job:fail('late'), job:has_ended() }, { true, false, true })
   assert_equal({ task:await(), updates }, { { a = 1 }, { 'half' } })
end)

test('methods', function(boss, worker, bus)
   local Adder = App:class('Adder', AgentBus.Actor)
   function Adder:do_task_request(job) job:complete { job.task_name, job.payload } end
   local adder = Adder { name = 'adder' }
   assert(bus:subscribe(adder))
   assert_equal(boss:request('adder', 'x', 1):await(), { 'x', 1 })
end)

test('failure', function(boss, worker)
   worker:task('plain', function(text) error(text, 0) end)
   worker:task('later', function(text) turn() error(text, 0) end)
   worker:task('missing', function() turn() return nil, GLib.Error(Gio.IOErrorEnum, 'NOT_FOUND', 'no file') end)
   worker:task('raised', function() error(GLib.Error(Gio.IOErrorEnum, 'NOT_FOUND', 'no file')) end)
   worker:task('unpackable', function() return print end)
   worker:task('details', function(_, job) job:fail_details(GLib.Variant('a{sv}', {
      error = GLib.Variant('s', 'ValueError: bad'), type = GLib.Variant('s', 'ValueError') })) end)
   for _, name in ipairs { 'plain', 'later' } do
      assert_equal(assert_fails('FAILED', boss:request('worker', name, 'bad'):await()).message, 'bad')
   end
   for _, name in ipairs { 'missing', 'raised' } do
      local response, err = boss:request('worker', name):await()
      assert_equal({ response == nil, err:matches(Gio.IOErrorEnum, 'NOT_FOUND'), err.message }, { true, true, 'no file' })
   end
   assert_fails('FAILED', boss:request('worker', 'unpackable'):await())
   local _, err, kind = boss:request('worker', 'details'):await()
   assert_equal({ err.message, kind }, { 'ValueError: bad', 'ValueError' })
   assert_fails('NOT_FOUND', boss:request('stranger'):await())
end)

test('ends', function(boss, worker, bus)
   local begun, cancelled = 0, 0
   worker:task('wait', function(_, job)
      begun = begun + 1
      while not job:is_cancelled() do turn() end
      cancelled = cancelled + 1
      return nil, GLib.Error(Gio.IOErrorEnum, 'CANCELLED', 'cancelled')
   end)
   assert_fails('TIMED_OUT', boss:request('worker', 'wait', nil, { timeout = 5 }):await())
   wait_until(function() return cancelled == begun end)
   local task = boss:request('worker', 'wait')
   wait_until(function() return worker.n_jobs == 1 end)
   task:cancel('enough')
   assert_equal(assert_fails('CANCELLED', task:await()).message, 'enough')
   wait_until(function() return cancelled == begun end)
   task = boss:request('worker', 'wait')
   wait_until(function() return worker.n_jobs == 1 end)
   assert_equal(bus:async_unsubscribe('worker'), true)
   assert_fails('CLOSED', task:await())
end)

test('nested', function(boss, worker, bus)
   local helper = AgentBus.Actor { name = 'helper' }
   local talk = AgentBus.Conversation.new(nil)
   bus:subscribe(helper)
   helper:task('left', function(_, job) return { job.remaining_time ~= nil, job.message.conversation:get_id() } end)
   worker:task('ask', function(_, job) turn() return worker:request('helper', 'left', nil, { job = job }):await() end)
   assert_equal(boss:request('worker', 'ask', nil, { timeout = 5000, conversation = talk }):await(), { true, talk:get_id() })
end)

test('chunks', function(boss, worker)
   local n_sent = 0
   worker:task('count', function(n, job)
      for i = 1, n do
         if not job:async_send_chunk(i) then return nil, 'nobody reads' end
         n_sent = n_sent + 1
      end
      return n
   end)
   worker:task('at once', function(n, job)
      for i = 1, n do job:send_chunk(i) end
      error('no more', 0)
   end)
   assert_equal(collect(boss:request('worker', 'count', 100)), range(100))
   local task = boss:request('worker', 'count', 3)
   assert_equal({ collect(task), task:await(), collect(task) }, { { 1, 2, 3 }, 3, {} })
   assert_equal(boss:request('worker', 'count', 100):await(), 100)
   task = boss:request('worker', 'at once', 40)
   assert_equal(collect(task), range(40))
   assert_fails('FAILED', task:await())

   task, n_sent = boss:request('worker', 'count', 1000000), 0
   for chunk in task:chunks() do
      turn()
      if chunk == 100 then break end
   end
   assert(n_sent < 200)
   task:cancel()
   assert_fails('CANCELLED', task:await())
   wait_until(function() return worker.n_jobs == 0 end)
end)

test('hand over', function(boss, _, bus)
   local old = AgentBus.Actor { name = 'old', group = 'role' }
   local young = AgentBus.Actor { name = 'young', group = 'role', active = false }
   for _, actor in ipairs { old, young } do
      actor:task('who', function(_, _, me) return me.name end)
      bus:subscribe(actor)
   end
   assert_equal(boss:request('role', 'who'):await(), 'old')
   assert_equal(old:async_hand_over(young, { 'a' }), true)
   assert_equal(boss:request('role', 'who'):await(), 'young')
end)

test('registry', function(_, worker, bus)
   local registry = AgentBus.Registry { bus = bus }
   local names = {}
   assert_equal(registry:async_wait_for({ 'boss', 'worker' }, 5000), true)
   for peer in registry:peers() do names[#names + 1] = peer.name end
   assert_equal(names, { 'boss', 'worker' })
   local there, err = registry:async_wait_for({ 'nobody' }, 2)
   assert_equal({ not there, err:matches(AgentBus.BusError, 'TIMED_OUT') }, { true, true })
   assert_equal(worker:async_end('done'), true)
   assert_equal(worker.state, 'ENDED')
   wait_until(function() return not registry:lookup('worker') end)
   worker.max_jobs = 3
   assert_equal(worker.max_jobs == 3, true)
   assert(not pcall(function() worker.max_jobs = 0.5 end))
   assert(not pcall(AgentBus.Actor, { name = 'x', max_pending = 0.5 }))
end)

test('no coroutine', function(boss)
   local task = boss:request('worker')
   GLib.idle_add(GLib.PRIORITY_DEFAULT, function()
      assert(not pcall(task.await, task))
      return false
   end)
   turn()
   task:await()
end)

test('flat', function(boss, worker)
   local before
   worker:task('plain', function(payload) return payload end)
   worker:task('fail', function() return nil, GLib.Error(Gio.IOErrorEnum, 'FAILED', 'bad') end)
   for i = 1, 2000 do
      boss:request('worker', 'plain', { i = i }):await()
      boss:request('worker', 'plain', i, { timeout = 5000 }):await()
      if i % 8 == 0 then boss:request('worker', 'fail'):await() end
      if i % 500 == 0 then collectgarbage() end
      if i == 1000 then before = AgentBusTest.get_rss() end
   end
   assert_equal(AgentBusTest.get_rss() - before < 2 * 1024 * 1024, true)
end)

test('groups', function(boss, worker)
   worker:task('double', function(payload) return 2 * payload end)
   worker:task('fail', function() error('No', 0) end)
   local group = boss:task_group { timeout = 60000 }
   group:request('worker', 'double', 2)
   assert(group:request_many({ 'worker' }, 'double', 3))
   assert_equal(group:async_wait(), { worker = 4, double = 6 })

   group = boss:task_group()
   group:request('worker', 'fail')
   local results, err = group:async_wait()
   assert_equal({ results, err.message, group.errors.worker.message, group:has_failed() }, { nil, 'No', 'No', true })

   group = boss:task_group { collect = true }
   group:request('worker', 'fail')
   group:request('worker', 'double', 1)
   assert_equal(group:async_wait(), { double = 2 })

   group = boss:task_group()
   group:request('worker', 'double', 1)
   group:cancel()
   results, err = group:async_wait()
   assert_fails('CANCELLED', results, err)
   assert_equal(pcall(group.request, group, ''), false)
end)

test('runner', function()
   local runner = AgentBus.Runner { name = 'office' }
   local actor = AgentBus.Actor { name = 'boss', group = 'team' }
   assert(runner:add(actor))
   assert_equal({ actor.runner, actor.group }, { 'office', 'team' })
   assert_equal({ runner:async_end(), actor.state, runner.bus.running }, { true, 'ENDED', false })
end)

tap.run('/agentbus/lua-actors/', function(func)
   local bus = AgentBus.Bus { shutdown_timeout = 10 }
   local boss, worker = AgentBus.Actor { name = 'boss' }, AgentBus.Actor { name = 'worker', max_jobs = 0 }
   bus:subscribe(boss)
   bus:subscribe(worker)
   local ok, err = pcall(func, boss, worker, bus)
   bus:async_stop()
   return ok, err
end)
