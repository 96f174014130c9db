-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What makes the bus feel at home in Lua. lgi loads it by itself. What introspection gives is there as before.

local core = require 'lgi.core'
local lgi = require 'lgi'

local AgentBus, GLib, ti = lgi.AgentBus, lgi.GLib, require('lgi.ffi').types
local Bus, Delivery, Message, Subscriber = AgentBus.Bus, AgentBus.Delivery, AgentBus.Message, AgentBus.Subscriber
local log = lgi.log.domain 'AgentBus'

-- lgi hands a virtual function its message without a reference: one that is kept would be dangling. This is how lgi
-- takes one for whatever it does not own.
Message._refsink = core.gi.AgentBus.Message.methods.ref

-- --- Arguments ---

-- A value of an enumeration may be given by its nick; what is none raises, wherever one is wanted.
for _, name in ipairs { 'Channel', 'DispatchResult', 'DropReason', 'FrameDirection', 'MessageType', 'Overflow',
                        'TaskStatus' } do
   local enum = AgentBus[name]

   function enum:_new(value)
      local number = value
      if type(value) == 'string' then number = self[value:upper():gsub('-', '_')] end
      if type(number) ~= 'number' or type(self[number]) ~= 'string' then
         error(("AgentBus.%s has no '%s'"):format(name, tostring(value)), 0)
      end
      return number
   end
end

-- lgi would cut a fraction off, and make something of NaN.
local function check_integer(name, value, level)
   if math.type(value) ~= 'integer' and not (math.type(value) == 'float' and value % 1 == 0) or value < 0 then
      error(('%s is %s, but has to be a whole number'):format(name, tostring(value)), level + 1)
   end
end

-- Has a method check an argument.
local function check_argument(class, method, place, name)
   local original = class[method]

   class[method] = function(...)
      check_integer(name, (select(place, ...)), 2)
      return original(...)
   end
end

local set_topic = Message.set_topic

function Message:set_topic(topic)
   if topic ~= nil and not AgentBus.topic_is_valid(topic) then error(('%q is no topic'):format(topic), 2) end
   return set_topic(self, topic)
end

check_argument(Message, 'set_ttl', 2, 'ttl')
check_argument(Bus, 'set_shutdown_timeout', 2, 'timeout')
for _, name in ipairs { 'capacity', 'max_age', 'max_bytes' } do check_argument(Subscriber, 'set_' .. name, 2, name) end
check_argument(AgentBus.RouterDispatcher, 'set_capacity', 2, 'capacity')
check_argument(AgentBus.RouterDispatcher, 'set_timeout', 3, 'timeout')
check_argument(AgentBus.RetryPolicy, 'set_initial_delay', 2, 'delay')
check_argument(AgentBus.RetryPolicy, 'set_max_delay', 2, 'delay')

-- Has an assignment use the setter. A class would find the attributes of another one it is derived from.
local function check_property(class, name)
   class._attribute = rawget(class, '_attribute') or {}
   class._attribute[name] = {
      get = function(self) return self['get_' .. name](self) end,
      set = function(self, value) self['set_' .. name](self, value) end,
   }
end

check_property(Bus, 'shutdown_timeout')
for _, name in ipairs { 'capacity', 'max_age', 'max_bytes' } do check_property(Subscriber, name) end
check_property(AgentBus.RouterDispatcher, 'capacity')

-- Has a constructor check its properties.
local whole = { capacity = true, actor_capacity = true, max_bytes = true, max_age = true, shutdown_timeout = true,
                max_jobs = true, max_pending = true, wait_for_target = true }

for _, class in ipairs { Bus, Subscriber, AgentBus.RouterDispatcher } do
   local new = class._new

   function class:_new(properties, ...)
      if type(properties) == 'table' then
         for name, value in pairs(properties) do
            if whole[name] then check_integer(name, value, 2) end
            if name == 'overflow' then AgentBus.Overflow(value) end
         end
      end
      return new(self, properties, ...)
   end
end

-- --- Payloads ---

local function quote(text, path)
   if not utf8.len(text) or text:find('\0', 1, true) then
      error(('%s is no UTF-8, or has a NUL character'):format(path), 0)
   end
   return '"' .. text:gsub('[%c"\\\127]', function(c) return ('\\u%04x'):format(c:byte()) end) .. '"'
end

local to_json

-- A name of the language as it is, anything else in brackets.
local function join(path, key)
   if type(key) == 'string' and key:find('^[%a_][%w_]*$') then return path .. '.' .. key end
   return ('%s[%s]'):format(path, type(key) == 'string' and ('%q'):format(key) or tostring(key))
end

local function array_to_json(value, n, depth, path)
   local parts = {}

   for i = 1, n do parts[i] = to_json(rawget(value, i), depth + 1, join(path, i)) end
   return '[' .. table.concat(parts, ',') .. ']'
end

local function object_to_json(value, depth, path)
   local parts = {}

   for key, item in next, value do
      if type(key) ~= 'string' then error(('%s has a key that is a %s'):format(path, type(key)), 0) end
      parts[#parts + 1] = quote(key, 'a key of ' .. path) .. ':' .. to_json(item, depth + 1, join(path, key))
   end
   return '{' .. table.concat(parts, ',') .. '}'
end

-- How many elements an array has, or nil for an object. An empty table is an object. With a key that is a number above
-- zero a table is an array, and then its keys have to be those from 1 on: JSON has no other keys in arrays, no holes.
local function count_array(value, path)
   local n, largest = 0, 0

   for key in next, value do
      if math.type(key) == 'integer' and key > 0 then n, largest = n + 1, math.max(largest, key) end
   end
   if n == 0 then return nil end
   for key in next, value do
      if math.type(key) ~= 'integer' or key < 1 then
         local text = type(key) == 'string' and ('%q'):format(key) or tostring(key)
         error(('%s is neither an array nor an object: it has the keys 1 and %s'):format(path, text), 0)
      end
   end
   if largest > n then
      local hole = 1
      while rawget(value, hole) ~= nil do hole = hole + 1 end
      error(('%s is nil, which cannot be in an array'):format(join(path, hole)), 0)
   end
   return n
end

to_json = function(value, depth, path)
   local kind = math.type(value) or type(value)

   if depth > 32 then error('payload is nested too deeply', 0) end
   if kind == 'string' then return quote(value, path) end
   if kind == 'integer' or kind == 'boolean' then return tostring(value) end
   if kind == 'float' then
      if value ~= value or value - value ~= 0 then
         error(('%s is %s, which cannot be in a payload'):format(path, value), 0)
      end
      local text = ('%.17g'):format(value)
      return text:find('[.e]') and text or text .. '.0'
   end
   if kind ~= 'table' then error(('%s is a %s, which cannot be in a payload'):format(path, kind), 0) end
   -- What a metatable would add or hide is not seen below.
   local meta = getmetatable(value)
   if type(meta) ~= 'nil' and (type(meta) ~= 'table' or meta.__index or meta.__pairs) then
      error(('%s is a table with a metatable, which cannot be in a payload'):format(path), 0)
   end

   local n = count_array(value, path)
   if n then return array_to_json(value, n, depth, path) end
   return object_to_json(value, depth, path)
end

-- The text of a payload, or nil and an error.
local function pack(value)
   local ok, json = pcall(to_json, value, 0, 'payload')
   if not ok then return nil, GLib.Error(AgentBus.BusError, 'INVALID_MESSAGE', '%s', json) end
   return json
end

local function unpack_variant(variant)
   local kind = variant:get_type_string()

   if kind == 'v' then return unpack_variant(variant:get_variant()) end
   if kind:find('^a{') then
      local result = {}
      for i = 0, variant:n_children() - 1 do
         local entry = variant:get_child_value(i)
         result[unpack_variant(entry:get_child_value(0))] = unpack_variant(entry:get_child_value(1))
      end
      return result
   end
   if kind:find('^[a({]') and kind ~= 'ay' then
      local result = {}
      for i = 1, variant:n_children() do result[i] = unpack_variant(variant:get_child_value(i - 1)) end
      return result
   end
   if kind:find('^m') then
      return variant:n_children() == 1 and unpack_variant(variant:get_child_value(0)) or nil
   end
   -- lgi makes a float of every number.
   if kind:find('^[xtiunqyh]$') then return tonumber(variant:print(false)) end
   return variant.value
end

-- --- Messages ---

-- How many arguments each constructor has, and its options, in the order of Message.new_NAME().
local constructors = {
   frame = { 2, 'frame', 'direction' },
   activate = { 2, 'payload' }, deactivate = { 2 }, ['end'] = { 2, 'reason' }, cancel = { 2, 'reason' },
   agent_ready = { 1 }, agent_error = { 2, 'reason' },
   task_request = { 3, 'name', 'payload' },
   task_response = { 3, 'status', 'payload' }, task_response_urgent = { 3, 'status', 'payload' },
   task_update = { 3, 'payload' }, task_update_urgent = { 3, 'payload' }, task_update_request = { 3 },
   task_cancel = { 3, 'reason' },
   task_stream_start = { 3, 'payload' }, task_stream_data = { 3, 'payload' }, task_stream_end = { 3, 'payload' },
   routed = { 3, 'payload' },
   custom = { 4, 'payload' },
}
local defaults = { status = 'COMPLETED', direction = 'DOWNSTREAM' }
local settings = { 'ttl', 'reliable', 'error_reply', 'cause', 'trace', 'topic', 'retained', 'conversation' }

-- Message.NAME(arguments…, { options }): the message, or nil and an error.
local function add_constructor(name, shape)
   local n_args, make = shape[1], Message['new_' .. name]
   local known = {}

   for i = 2, #shape do known[shape[i]] = true end
   for _, key in ipairs(settings) do known[key] = true end

   -- Message._end, since "end" is a word of the language.
   Message[name] = function(...)
      local args, options = { ... }, select(n_args + 1, ...) or {}
      local n, json = n_args, nil

      for key in pairs(options) do
         if not known[key] then error(('Message.%s() has no option %q'):format(name, key), 2) end
      end
      for i = 2, #shape do
         local value = options[shape[i]]
         if value == nil then value = defaults[shape[i]] end
         if shape[i] == 'payload' and value ~= nil and not GLib.Variant:is_type_of(value) then
            local err
            json, err = pack(value)
            if err then return nil, err end
            value = nil
         end
         n = n + 1
         args[n] = value
      end

      local message = make(table.unpack(args, 1, n))
      if json then
         local ok, err = message:set_payload_json(json)
         if not ok then return nil, err end
      end
      for _, key in ipairs(settings) do
         if options[key] ~= nil then message['set_' .. key](message, options[key]) end
      end
      return message
   end
end

for name, shape in pairs(constructors) do add_constructor(name, shape) end

Message._attribute = rawget(Message, '_attribute') or {}
for _, name in ipairs { 'name', 'channel', 'source', 'target', 'seq', 'sent_at', 'direction', 'reason', 'task_id',
                        'task_name', 'status', 'frame', 'info', 'infos', 'runner', 'ttl', 'cause', 'trace',
                        'topic', 'conversation', 'epoch' } do
   Message._attribute[name] = { get = function(self) return self['get_' .. name](self) end }
end
Message._attribute.type = { get = Message.get_message_type }
Message._attribute.reliable = { get = Message.is_reliable }
Message._attribute.error_reply = { get = Message.wants_error_reply }
Message._attribute.retained = { get = Message.is_retained }
-- Of the copy of a monitor: { n_accepted = n }, with a reason if that is 0.
Message._attribute.fate = { get = function(self)
   local n_accepted, reason = self:get_fate()
   return n_accepted and { n_accepted = n_accepted, reason = n_accepted == 0 and reason or nil } or nil
end }
Message._attribute.payload = { get = function(self)
   local payload = self:get_payload()
   if payload then return unpack_variant(payload) end
end }

-- --- Handlers ---

-- lgi ends the process when it is to pass an error on, but knows it as a record.
Delivery.fail = core.callable.new {
   name = 'AgentBus.Delivery.fail',
   addr = core.gi.AgentBus.resolve.agent_delivery_fail,
   ret = ti.void, core.gi.AgentBus.Subscriber.methods.defer.return_type, GLib.Error,
}

-- By the address of a subscriber, what goes on with its message in hand; who goes on keeps it.
local turns = setmetatable({}, { __mode = 'v' })
local by_hand = {}
local defer = Subscriber.defer

local function identify(message)
   return ('%s/%s'):format(message:get_seq(), message:get_sent_at())
end

local function finish(turn)
   turn.n_left = turn.n_left - 1
   if turn.n_left > 0 or not turn.delivery then return end
   local delivery = turn.delivery
   turn.delivery = nil
   if turn.failure then delivery:fail_message(turn.failure) else delivery:complete() end
end

-- The handlers of a message share its delivery, and the last one ends it, after all of them have been called.
local function take_turn(subscriber, message)
   local id, turn = identify(message), turns[subscriber._native]

   if turn and turn.id == id then
      turn.n_left = turn.n_left + 1
      return turn
   end
   -- By hand is by hand: then it is for the one who did so to say how it went.
   if by_hand[subscriber._native] == id then return { id = id, n_left = 1 } end

   turn = { id = id, n_left = 2, delivery = defer(subscriber) }
   turns[subscriber._native] = turn
   local called = GLib.idle_source_new()
   called:set_priority(GLib.PRIORITY_DEFAULT)
   called:set_callback(function() finish(turn) return false end)
   called:attach(subscriber:get_main_context())
   return turn
end

-- subscriber:defer(). Handlers that yield then do not hold the subscriber for this message.
function Subscriber:defer()
   local turn = turns[self._native]
   if turn and turn.delivery then
      error('the message in hand belongs to a handler that yields: its delivery is its own', 2)
   end
   local delivery = defer(self)
   if delivery then by_hand[self._native] = identify(delivery:get_message()) end
   return delivery
end

-- The detail of the signal for a type of MessageType, its nick in any spelling, or the name of a custom message.
local function to_detail(name)
   local type_name = name

   if type(name) == 'number' then type_name = AgentBus.MessageType[name] end
   if type(type_name) ~= 'string' or name == '' or type(name) == 'number' and type_name == 'CUSTOM' then
      error(('on() wants a type or a name of messages, not %s'):format(tostring(name)), 3)
   end

   local symbol = type_name:upper():gsub('-', '_')
   if type(AgentBus.MessageType[symbol]) == 'number' then return (symbol:lower():gsub('_', '-')) end
   if name:find('_', 1, true) then
      log.warning("on('%s'): no type of messages has this name, so only custom ones of this name are heard", name)
   end
   return name
end

-- subscriber:on([name,] handler). The handler runs in a coroutine. When it yields, the subscriber gets nothing more
-- until it has ended. An error is counted, and the subscriber goes on.
function Subscriber:on(...)
   local n = select('#', ...)
   local handler = select(n, ...)
   local name = n > 1 and to_detail((...)) or nil

   if type(handler) ~= 'function' then error('on() wants a function, not ' .. tostring(handler), 2) end
   self.on_message:connect(function(subscriber, message)
      local turn, ended, failure

      local function settle()
         if failure then log.warning("'%s' failed to handle a message: %s", subscriber.name, failure) end
         turn.failure = turn.failure or failure
         finish(turn)
      end

      coroutine.wrap(function()
         local ok, err = pcall(handler, message, subscriber)
         ended, failure = true, not ok and tostring(err) or nil
         if turn then settle() end
      end)()

      if not ended or failure then
         turn = take_turn(subscriber, message)
         if ended then settle() end
      end
   end, name)
end

-- --- Receiving ---

local receive, receive_async = Subscriber.receive, Subscriber.receive_async

-- subscriber:receive(callback [, cancellable]) calls callback(message), or callback(nil, error). The subscriber is paused
-- from then on, so that what comes between two calls waits for the next one. With a number in place of the callback it
-- is what introspection gives, and blocks.
function Subscriber:receive(callback, cancellable)
   if type(callback) ~= 'function' then return receive(self, callback, cancellable) end
   self.paused = true
   receive_async(self, cancellable, function(_, result) callback(self:receive_finish(result)) end)
end

-- In a coroutine: message, err = subscriber:async_receive([cancellable])
function Subscriber:async_receive(cancellable)
   local co, done, message, err = coroutine.running(), false, nil, nil

   self:receive(function(...)
      done, message, err = true, ...
      if coroutine.status(co) == 'suspended' then assert(coroutine.resume(co)) end
   end, cancellable)
   while not done do coroutine.yield() end
   return message, err
end

-- --- Routes ---

local RouteTable = AgentBus.RouteTable
local snapshot, restore, rebalance = RouteTable.snapshot, RouteTable.restore, RouteTable.rebalance

-- { actor = router }, with '' for none
function RouteTable:snapshot()
   local routes = {}
   for actor, router in snapshot(self):pairs() do routes[actor] = router end
   return routes
end

-- A variant, or a table as snapshot() returns it.
function RouteTable:restore(routes)
   if type(routes) == 'table' then routes = GLib.Variant('a{ss}', routes) end
   return restore(self, routes)
end

-- for actor, router in routes:actors() do: sorted by the actors, with '' for no router
function RouteTable:actors()
   return snapshot(self):pairs()
end

-- The moves: { { actor, before, now } }, with '' for no router before.
function RouteTable:rebalance(routers, weights)
   local moves = {}
   if type(weights) == 'table' then weights = GLib.Variant('a{sd}', weights) end
   for i, move in rebalance(self, routers, weights):ipairs() do moves[i] = { table.unpack(move, 1, 3) } end
   return moves
end

-- --- Names ---

-- lgi takes closures only, not functions.
local watch_name = Bus.watch_name
local function to_closure(func) return type(func) == 'function' and lgi.GObject.Closure(func) or func end

function Bus:watch_name(name, appeared, vanished)
   return watch_name(self, name, to_closure(appeared), to_closure(vanished))
end

-- --- Statistics ---

for _, class in ipairs { Bus, AgentBus.RouterDispatcher, AgentBus.Transport } do
   class._attribute = rawget(class, '_attribute') or {}
   class._attribute.statistics = { get = function(self) return unpack_variant(self:get_statistics()) end }
end

-- --- Actors ---

-- A variant, or nil and an error; nil for nil.
local function pack_variant(value)
   if value == nil or GLib.Variant:is_type_of(value) then return value end
   local json, err = pack(value)
   if err then return nil, err end
   return AgentBus.payload_from_json(json)
end

require 'lgi.override.AgentBusActors' {
   check_argument = check_argument, check_property = check_property, pack_variant = pack_variant,
   unpack_variant = unpack_variant,
}
