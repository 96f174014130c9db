-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What the cases of story.lua are told with. Each gets a bus and a dispatcher of its own. What handlers and calls
-- tell is compared, and what signals report.

local have_lgi, lgi = pcall(require, 'lgi')
if not have_lgi then
   print('1..0 # SKIP There is no lgi')
   os.exit(0)
end

local GLib, AgentBus = lgi.GLib, lgi.require('AgentBus', '1')
local App = lgi.package 'Story'

local teller = {
   OFFERED = 'offered delivered queued',
   ACCEPTED = 'accepted dispatched parked expired',
}
local REASONS = 'full expired no-target closed discarded stale cancelled inactive'

local context = GLib.MainContext.default()
local told, reported = {}, {}

-- --- What is said ---

function teller.tell(format, ...)
   told[#told + 1] = format:format(...)
end

function teller.report(format, ...)
   reported[#reported + 1] = format:format(...)
end

function teller.wait_turn()
   while context:iteration(false) do end
end

-- Signals have sources of their own, so nothing is said of their order and that of the handlers.
function teller.expect(words, reports)
   teller.wait_turn()
   local text = table.concat(told, ', ') .. ' | ' .. table.concat(reported, ', ')
   print('# told: ' .. text)
   if text ~= words .. ' | ' .. reports then error('Not ' .. words .. ' | ' .. reports, 2) end
   told, reported = {}, {}
end

function teller.wait_report()
   while #reported == 0 do context:iteration(true) end
end

function teller.finish(object, operation, ...)
   local args, result = table.pack(...), nil
   args.n = args.n + 2
   args[args.n] = function(_, r) result = r end
   object[operation .. '_async'](object, table.unpack(args, 1, args.n))
   while not result do context:iteration(true) end
   return object[operation .. '_finish'](object, result)
end

-- Takes what a call returned.
function teller.attempt(words, code, _, err)
   if not err then teller.tell('not %s', words) else
      teller.tell('%s', err:matches(AgentBus.BusError, code) and words or err.message)
   end
end

-- --- Messages ---

function teller.word(message)
   return message:get_message_type() == 'TASK_UPDATE' and message:get_task_id() or message:get_name()
end

function teller.update(target, number)
   return AgentBus.Message.new_task_update('ui', target, tostring(number), nil)
end

-- --- Workers ---

local Worker = App:class('Worker', AgentBus.Subscriber)

function Worker:do_message(message)
   teller.tell('%s %s', self.name, teller.word(message))
end

function teller.lookup(statistics, key)
   return statistics:lookup_value(key, GLib.VariantType.new('t')):get_uint64()
end

function teller.tell_balance(statistics, keys)
   local dropped = statistics:lookup_value('dropped', nil)
   local parts, n_dropped = {}, 0
   for key in keys:gmatch('%S+') do parts[#parts + 1] = ('%d'):format(teller.lookup(statistics, key)) end
   for reason in REASONS:gmatch('%S+') do n_dropped = n_dropped + teller.lookup(dropped, reason) end
   teller.tell('%s %d', table.concat(parts, ' '), n_dropped)
end

-- --- Signals ---

local function on_dropped(_, subscriber, reason, n, last)
   local name = subscriber and subscriber.name or 'nobody'
   teller.report('%s lost %d %s %s', name, n, AgentBus.DropReason.to_string(reason), teller.word(last))
end

local function on_failed(_, subscriber, message, err)
   teller.report('%s failed %s %s', subscriber.name, teller.word(message), err.message)
end

local function on_expired(_, message, waited, n_attempts)
   local is_late = waited >= message:get_ttl() and n_attempts > 0
   teller.report('%s expired %s', teller.word(message), is_late and 'late' or 'early')
end

local function on_lost(_, message, reason)
   teller.report('%s lost %s', teller.word(message), AgentBus.DropReason.to_string(reason))
end

-- --- Tasks ---

local function on_finished(task)
   local response, err = task:get_response(), task:get_error()
   local words = err and err.message or response and ('%d'):format(response:get_int32()) or 'nothing'
   teller.tell('%s %s', task:get_status():lower(), words)
end

-- --- Cases ---

local Story = {}
Story.__index = Story

function Story.new()
   local story = setmetatable({ bus = AgentBus.Bus.new(), routes = AgentBus.RouteTable.new() }, Story)
   story.dispatcher = AgentBus.RouterDispatcher.new(story.bus, story.routes)
   story.bus.on_dropped:connect(on_dropped)
   story.bus.on_failed:connect(on_failed)
   story.dispatcher.on_expired:connect(on_expired)
   story.dispatcher.on_dropped:connect(on_lost)
   return story
end

function Story:add_worker(name, capacity, overflow)
   local worker = Worker { name = name, capacity = capacity or 0, overflow = overflow or 'DROP_NEWEST' }
   assert(self.bus:subscribe(worker))
   return worker
end

function Story:add_member(name, group)
   assert(self.bus:subscribe(Worker { name = name, group = group }))
end

function Story:send_updates(target, first, last)
   for number = first, last do self.bus:send(teller.update(target, number)) end
end

function Story:dispatch(message)
   local number = message:get_task_id()
   teller.tell('%s %s', assert(self.dispatcher:dispatch(message)):lower(), number)
end

function Story:add_actors()
   self.boss, self.worker = AgentBus.Actor.new('boss'), AgentBus.Actor.new('worker')
   for _, actor in ipairs { self.boss, self.worker } do assert(self.bus:subscribe(actor)) end
   self.worker.on_task_request:connect(function(worker, job)
      self.job = job
      teller.tell('%s %s %d', worker.name, job:get_task_name(), job:get_payload():get_int32())
   end)
end

function Story:request(target, name, number)
   local task = self.boss:request(target, name, GLib.Variant('i', number))
   task.on_update:connect(function(_, payload) teller.tell('update %d', payload:get_int32()) end)
   task.on_chunk:connect(function(_, index, payload) teller.tell('chunk %d %d', index, payload:get_int32()) end)
   task.on_finished:connect(on_finished)
   return task
end

local function on_hang()
   print('Bail out! It hangs')
   os.exit(1)
end

function teller.run(cases)
   local n_failed = 0
   GLib.timeout_add_seconds(GLib.PRIORITY_DEFAULT, 30, on_hang)
   print('1..' .. #cases)
   for n, case in ipairs(cases) do
      local path, func = table.unpack(case)
      told, reported = {}, {}
      local ok, err = xpcall(func, debug.traceback, Story.new())
      if not ok then
         io.stderr:write(err, '\n')
         n_failed = n_failed + 1
      end
      print(('%s %d %s'):format(ok and 'ok' or 'not ok', n, path))
   end
   os.exit(n_failed)
end

return teller
