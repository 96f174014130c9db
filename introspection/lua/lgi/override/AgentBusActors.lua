-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Actors, and the tasks that they do for one another. A part of AgentBus.lua, which calls this with what is of use there.

local core = require 'lgi.core'
local lgi = require 'lgi'

local AgentBus, GLib, GObject, ti = lgi.AgentBus, lgi.GLib, lgi.GObject, require('lgi.ffi').types
local Actor, Job, Message, Registry, Task, TaskGroup =
   AgentBus.Actor, AgentBus.Job, AgentBus.Message, AgentBus.Registry, AgentBus.Task, AgentBus.TaskGroup
local log = lgi.log.domain 'AgentBus'

return function(tools)

local pack_variant, unpack_variant = tools.pack_variant, tools.unpack_variant

local function unpack(variant)
   if not variant then return nil end
   return unpack_variant(variant)
end

-- Waits in a coroutine: what start(done) gives to done().
local function await(start)
   local co, is_main = coroutine.running()
   local results

   if is_main then error('this waits, which only a coroutine can', 3) end
   start(function(...)
      results = table.pack(...)
      if coroutine.status(co) == 'suspended' then assert(coroutine.resume(co)) end
   end)
   while not results do coroutine.yield() end
   return table.unpack(results, 1, results.n)
end

-- --- The requester's side ---

local request, request_full, cancel = Actor.request, Actor.request_full, Task.cancel

-- actor:request(target [, name [, payload [, options]]]): a task, or nil and an error. The options are timeout (in
-- milliseconds), job, trace, cause and conversation.
function Actor:request(target, name, payload, options)
   local others, task = {}, nil

   if type(target) ~= 'string' or target == '' then error('request() wants the name of somebody', 2) end
   for key, value in pairs(options or {}) do
      if key == 'timeout' then others.ttl = value elseif key ~= 'job' then others[key] = value end
   end
   if not options then
      local variant, err = pack_variant(payload)
      if err then return nil, err end
      task = request(self, target, name, variant)
   else
      others.name, others.payload = name, payload
      local message, err = Message.task_request(self.name, target, '-', others)
      if not message then return nil, err end
      local job = options.job
      task = request_full(self, message, job and not job:has_ended() and job or nil)
   end
   return task
end

-- The error of a task, and the name of the exception that a worker in another language has raised.
local function get_error(task)
   local err, details = task.error, unpack(task:get_response())
   if not err then return nil end
   return err, type(details) == 'table' and type(details.type) == 'string' and details.type or nil
end

-- In a coroutine: the answer, or nil, an error, and the name of an exception.
function Task:await()
   if not self:has_finished() then
      await(function(done)
         self:wait_async(nil, function(_, result)
            self:wait_finish(result)
            done()
         end)
      end)
   end
   local err, kind = get_error(self)
   if err then return nil, err, kind end
   return unpack(self:get_response())
end

-- The chunks that have come and are not read yet. What is called when the next one comes does not have the task, which would
-- keep itself then.
local function listen(task)
   local stream = { first = 1, last = 0, wake = function() end }

   task.on_chunk:connect(function(_, _, payload)
      stream.last = stream.last + 1
      stream[stream.last] = payload
      stream.wake()
   end)
   task:wait_async(nil, function(_, result)
      task:wait_finish(result)
      stream.wake()
   end)
   return stream
end

-- In a coroutine: for chunk in task:chunks() do. What comes before this is called is not heard: each connection costs some
-- memory for good. The loop ends with the task; await() says how. To leave it before that takes a cancel().
function Task:chunks()
   local stream = listen(self)

   self:set_reads_by_hand(true)
   return function()
      while stream.first > stream.last do
         if self:has_finished() then return nil end
         await(function(done)
            stream.wake = function()
               stream.wake = function() end
               done()
            end
         end)
      end
      local chunk = stream[stream.first]
      stream[stream.first] = nil
      stream.first = stream.first + 1
      self:mark_read(1)
      return unpack(chunk)
   end
end

function Task:cancel(reason)
   cancel(self, reason)
end

Task._attribute = rawget(Task, '_attribute') or {}
Task._attribute.response = { get = function(self) return unpack(self:get_response()) end }

-- --- The worker's side ---

local update, send_chunk, send_chunk_async, complete = Job.update, Job.send_chunk, Job.send_chunk_async, Job.complete
local fail = core.callable.new {
   name = 'AgentBus.Job.fail',
   addr = core.gi.AgentBus.resolve.agent_job_fail,
   ret = ti.boolean, core.gi.AgentBus.Actor.signals['task-request'].args[1].typeinfo, GLib.Error,
}

local function pack_chunk(payload)
   if payload == nil then error('a chunk cannot be nil', 3) end
   local variant, err = pack_variant(payload)
   if err then error(err.message, 3) end
   return variant
end

local function pack_any(payload)
   local variant, err = pack_variant(payload)
   if err then error(err.message, 3) end
   return variant
end

function Job:update(payload) return update(self, pack_any(payload)) end
function Job:complete(response) return complete(self, pack_any(response)) end
function Job:send_chunk(payload) return send_chunk(self, pack_chunk(payload)) end

-- An error, or any text.
function Job:fail(err)
   if GLib.Error:is_type_of(err) then return fail(self, err) end
   return self:fail_message((tostring(err):gsub('\0', '')))
end

-- In a coroutine: waits while too many chunks are not read. True, or nil and an error.
function Job:async_send_chunk(payload)
   local variant = pack_chunk(payload)

   return await(function(done)
      send_chunk_async(self, variant, nil, function(_, result) done(self:send_chunk_finish(result)) end)
   end)
end

Job._attribute = rawget(Job, '_attribute') or {}
Job._attribute.payload = { get = function(self) return self:get_message().payload end }
Job._attribute.remaining_time = { get = function(self)
   local left = math.tointeger(self:get_remaining_time())
   return left >= 0 and left or nil
end }

local function answer(worker, job, ok, response, err)
   if ok and (response ~= nil or err == nil) then
      if job:has_ended() then return end
      local done
      done, err = pcall(Job.complete, job, response)
      if done then return end
   elseif not ok then
      err = response
   end
   if not GLib.Error:is_type_of(err) then log.warning("'%s' failed to do a task: %s", worker.name, err) end
   job:fail(err)
end

-- Whether there is a handler for this name; with nil, one for all that have no other one.
local function has_handler(actor, name)
   local signal = GObject.signal_lookup('task-request', Actor)
   return GObject.signal_has_handler_pending(actor, signal, name and GLib.quark_from_string(name) or 0, true)
end

-- worker:task([name,] handler). The handler gets the payload, the job and the worker, and runs in a coroutine. What it
-- returns is the answer; nil and an error, or an error that it raises, is the failure.
function Actor:task(...)
   local n = select('#', ...)
   local handler, name = select(n, ...), n > 1 and (...) or nil

   if type(handler) ~= 'function' then error('task() wants a function, not ' .. tostring(handler), 2) end
   if name ~= nil and (type(name) ~= 'string' or name == '') then
      error(('task() wants the name of a task, not %q'):format(tostring(name)), 2)
   end
   if has_handler(self, name) then error(('%q has a handler already'):format(tostring(name)), 2) end
   self.on_task_request:connect(function(worker, job)
      if not name and job.task_name and has_handler(worker, job.task_name) then return end
      coroutine.wrap(function()
         answer(worker, job, pcall(handler, job.payload, job, worker))
      end)()
   end, name)
end

-- --- Tasks that belong together ---

local group_request_full, group_cancel = TaskGroup.request_full, TaskGroup.cancel

-- actor:task_group { timeout = milliseconds, collect = boolean }. The property `group` is that of every subscriber.
function Actor:task_group(options)
   options = options or {}
   return TaskGroup { actor = self, timeout = options.timeout or 0, collect = options.collect or false }
end

-- As Actor:request().
function TaskGroup:request(target, name, payload, options)
   local others, job = { name = name, payload = payload }, options and options.job

   if type(target) ~= 'string' or target == '' then error('request() wants the name of somebody', 2) end
   for key, value in pairs(options or {}) do
      if key == 'timeout' then others.ttl = value elseif key ~= 'job' then others[key] = value end
   end
   local message, err = Message.task_request(self.actor.name, target, '-', others)
   if not message then return nil, err end
   return group_request_full(self, message, job and not job:has_ended() and job or nil)
end

function TaskGroup:request_many(targets, ...)
   for _, target in ipairs(targets) do
      local task, err = self:request(target, ...)
      if not task then return nil, err end
   end
   return true
end

function TaskGroup:cancel(reason)
   group_cancel(self, reason)
end

-- In a coroutine: the results by name when no task is open, or nil and the error of the first that has failed.
function TaskGroup:async_wait()
   local ok, err = await(function(done)
      self:wait_async(nil, function(_, result) done(self:wait_finish(result)) end)
   end)
   if not ok then return nil, err end
   return self.results
end

local function collect(group, get)
   local found = {}
   for _, name in ipairs(group:list_names()) do found[name] = get(group:lookup(name)) end
   return found
end

TaskGroup._attribute = rawget(TaskGroup, '_attribute') or {}
TaskGroup._attribute.results = { get = function(self)
   return collect(self, function(task) return task.status == 'COMPLETED' and task.response or nil end)
end }
TaskGroup._attribute.errors = { get = function(self)
   return collect(self, function(task) return task.error end)
end }

-- In a coroutine: true, or nil and an error.
function AgentBus.Runner:async_end(reason)
   return await(function(done)
      self:end_async(reason, nil, function(_, result) done(self:end_finish(result)) end)
   end)
end

-- --- Life, and who is there ---

-- In a coroutine: true, or nil and an error.
function Actor:async_end(reason)
   return await(function(done)
      self:end_async(reason, nil, function(_, result) done(self:end_finish(result)) end)
   end)
end

-- In a coroutine: true, or nil and an error.
function Actor:async_hand_over(to, args)
   local variant = pack_any(args)

   return await(function(done)
      self:hand_over_async(to, variant, nil, function(_, result) done(self:hand_over_finish(result)) end)
   end)
end

Actor._attribute = rawget(Actor, '_attribute') or {}
Actor._attribute.statistics = { get = function(self) return unpack_variant(self:get_statistics()) end }
for _, name in ipairs { 'max_jobs', 'max_pending', 'wait_for_target' } do
   tools.check_argument(Actor, 'set_' .. name, 2, name)
   tools.check_property(Actor, name)
end

-- In a coroutine, milliseconds: true, or nil and an error.
function Registry:async_wait_for(names, timeout)
   return await(function(done)
      self:wait_for_async(names, timeout or 0, nil, function(_, result) done(self:wait_for_finish(result)) end)
   end)
end

-- for peer in registry:peers() do
function Registry:peers()
   local position = -1

   return function()
      position = position + 1
      return self:get_item(position)
   end
end

end
