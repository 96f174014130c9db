#!/usr/bin/lua5.3
-- SPDX-License-Identifier: LGPL-2.1-or-later
-- A client asks a worker for a sum.

local lgi = require 'lgi'
local AgentBus = lgi.require('AgentBus', '1')
local Message = AgentBus.Message

local loop = lgi.GLib.MainLoop()
local bus = AgentBus.Bus()
local worker = AgentBus.Subscriber { name = 'worker' }
local client = AgentBus.Subscriber { name = 'client' }

worker:on('task-request', function(message)
   local sum = 0
   for _, number in ipairs(message.payload) do sum = sum + number end
   bus:send(Message.task_response('worker', message.source, message.task_id, { payload = sum }))
end)

client:on('task-response', function(message)
   print('The sum is ' .. message.payload)
   loop:quit()
end)

assert(bus:subscribe(worker))
assert(bus:subscribe(client))
bus:send(Message.task_request('client', 'worker', '1', { name = 'sum', payload = { 1, 2, 3 } }))
loop:run()

bus:stop_async(nil, function() loop:quit() end)
loop:run()
