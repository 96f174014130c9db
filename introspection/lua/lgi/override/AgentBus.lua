-- SPDX-License-Identifier: LGPL-2.1-or-later
-- What makes the bus feel at home in Lua. lgi loads it by itself. What introspection gives is there as before.

local core = require 'lgi.core'
local lgi = require 'lgi'

local AgentBus, GLib = lgi.AgentBus, lgi.GLib
local Bus, Delivery, Message, Subscriber = AgentBus.Bus, AgentBus.Delivery, AgentBus.Message, AgentBus.Subscriber
local log = lgi.log.domain 'AgentBus'

-- lgi hands a virtual function its message without a reference: one that is kept would be dangling. This is how lgi
-- takes one for whatever it does not own.
Message._refsink = core.gi.AgentBus.Message.methods.ref

-- --- Payloads ---

local function quote(text)
   return '"' .. text:gsub('[%c"\\\127]', function(c) return ('\\u%04x'):format(c:byte()) end) .. '"'
end

-- What has a first element is an array; an empty table is an object.
local function to_json(value, depth, path)
   local kind = math.type(value) or type(value)
   local parts = {}

   if depth > 32 then error('the payload is nested too deeply', 0) end
   if kind == 'string' then return quote(value) end
   if kind == 'integer' or kind == 'boolean' then return tostring(value) end
   if kind == 'float' then
      if value ~= value or value - value ~= 0 then
         error(('%s is %s, which cannot be in a payload'):format(path, value), 0)
      end
      local text = ('%.17g'):format(value)
      return text:find('[.e]') and text or text .. '.0'
   end
   if kind ~= 'table' then error(('%s is a %s, which cannot be in a payload'):format(path, kind), 0) end
   if value[1] ~= nil then
      for i = 1, #value do parts[i] = to_json(value[i], depth + 1, ('%s[%d]'):format(path, i)) end
      return '[' .. table.concat(parts, ',') .. ']'
   end
   for key, item in pairs(value) do
      if type(key) ~= 'string' then error(('%s has a key that is a %s'):format(path, type(key)), 0) end
      parts[#parts + 1] = quote(key) .. ':' .. to_json(item, depth + 1, path .. '.' .. key)
   end
   return '{' .. table.concat(parts, ',') .. '}'
end

-- A payload, or nil and an error.
local function pack(value)
   if value == nil or type(value) == 'userdata' then return value end
   local ok, json = pcall(to_json, value, 0, 'payload')
   if not ok then return nil, GLib.Error(AgentBus.BusError, 'INVALID_MESSAGE', '%s', json) end
   return AgentBus.payload_from_json(json)
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
local settings = { 'ttl', 'reliable', 'error_reply', 'cause', 'trace' }

-- Message.NAME(arguments…, { options }): the message, or nil and an error.
local function add_constructor(name, shape)
   local n_args, make = shape[1], Message['new_' .. name]
   local known = {}

   for i = 2, #shape do known[shape[i]] = true end
   for _, key in ipairs(settings) do known[key] = true end

   -- Message._end, since "end" is a word of the language.
   Message[name] = function(...)
      local args, options = { ... }, select(n_args + 1, ...) or {}
      local n = n_args

      for key in pairs(options) do
         if not known[key] then error(('Message.%s() has no option %q'):format(name, key), 2) end
      end
      for i = 2, #shape do
         local value = options[shape[i]]
         if value == nil then value = defaults[shape[i]] end
         if shape[i] == 'payload' then
            local err
            value, err = pack(value)
            if err then return nil, err end
         end
         n = n + 1
         args[n] = value
      end

      local message = make(table.unpack(args, 1, n))
      for _, key in ipairs(settings) do
         if options[key] ~= nil then message['set_' .. key](message, options[key]) end
      end
      return message
   end
end

for name, shape in pairs(constructors) do add_constructor(name, shape) end

Message._attribute = Message._attribute or {}
for _, name in ipairs { 'name', 'source', 'target', 'seq', 'task_id', 'task_name', 'status', 'reason', 'frame' } do
   Message._attribute[name] = { get = function(self) return self['get_' .. name](self) end }
end
Message._attribute.payload = { get = function(self)
   local payload = self:get_payload()
   if payload then return unpack_variant(payload) end
end }

-- --- Handlers ---

-- lgi ends the process when it is to pass an error on.
function Delivery:fail(err)
   self:fail_message(err.message)
end

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

-- subscriber:on([name,] handler). The handler runs in a coroutine. When it yields, the subscriber gets nothing more
-- until it has ended. An error is counted, and the subscriber goes on.
function Subscriber:on(name, handler)
   if handler == nil then name, handler = nil, name end

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

-- --- Statistics ---

for _, class in ipairs { Bus, AgentBus.RouterDispatcher } do
   class._attribute = class._attribute or {}
   class._attribute.statistics = { get = function(self) return unpack_variant(self:get_statistics()) end }
end
