-- SPDX-License-Identifier: LGPL-2.1-or-later
-- Runs cases one after the other, and says how they went in the Test Anything Protocol. A case is a coroutine, which may wait.

local have_lgi, lgi = pcall(require, 'lgi')
if not have_lgi then
   print('1..0 # SKIP There is no lgi')
   os.exit(0)
end

local GLib, Gio = lgi.GLib, lgi.Gio

local tap = {}
local tests = {}

function tap.test(name, func)
   tests[#tests + 1] = { name = name, func = func }
end

local function show(value)
   if type(value) ~= 'table' then return tostring(value) end
   local parts = {}
   for key, item in pairs(value) do parts[#parts + 1] = tostring(key) .. '=' .. show(item) end
   table.sort(parts)
   return '{' .. table.concat(parts, ' ') .. '}'
end

function tap.assert_equal(actual, expected)
   if show(actual) ~= show(expected) then error(show(actual) .. ' is not ' .. show(expected), 2) end
end

-- Lets the loop run once more.
function tap.turn()
   local self = coroutine.running()
   GLib.idle_add(GLib.PRIORITY_LOW, function()
      assert(coroutine.resume(self))
      return false
   end)
   coroutine.yield()
end

-- Waits for what must come; the timeout of the test ends what does not.
function tap.wait_until(condition)
   while not condition() do tap.turn() end
end

-- Each case is run by run_case, which takes it and returns what pcall does.
function tap.run(prefix, run_case)
   local loop = GLib.MainLoop()
   local n_failed = 0

   Gio.Async.start(function()
      print('1..' .. #tests)
      for i, case in ipairs(tests) do
         local ok, err = run_case(case.func)
         if not ok then
            n_failed = n_failed + 1
            io.stderr:write(case.name, ': ', tostring(err), '\n')
         end
         print((ok and 'ok ' or 'not ok ') .. i .. ' ' .. prefix .. case.name)
      end
      loop:quit()
   end)()
   loop:run()
   os.exit(n_failed == 0 and 0 or 1)
end

return tap
