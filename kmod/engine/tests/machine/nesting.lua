-- SPDX-License-Identifier: GPL-2.0-only
-- How deep calls that catch may nest, what is told then, and that it is told no sooner.
-- The innermost call fails, the others return what it returned.
local function last(ok, ...) if ok and select("#", ...) > 0 then return last(...) end return ok, ... end
print(last(pcall(function() local function f() return pcall(f) end return f() end)))
print(last(pcall(function() local function f() return xpcall(f, print) end return f() end)))
print(last(pcall(function() local function f() return coroutine.resume(coroutine.create(f)) end return f() end)))
-- Each level adds its position; there are as many as levels, however long the message is.
for _, raise in ipairs { function(ok, e) if not ok then error(e) end end, function(ok, e) assert(ok, e) end, function(ok, e) if not ok then error(e .. (" "):rep(100)) end end } do
  local n = 0
  local function f() n = n + 1 raise(pcall(f)) end
  local ok, e = pcall(f)
  print(ok, n > 180 and n < 200, select(2, e:gsub("nesting.lua:%d+: ", "")) == n, e:find("C stack overflow", 1, true) ~= nil)
end
do
  local n = 0
  local function f() n = n + 1 return coroutine.wrap(f)() end
  local ok, e = pcall(f)
  print(ok, n > 180 and n < 200, e:match("[^:]*$"))
end
-- What returned, failed, yielded or was closed counts no more.
local function fine() return 1 end
local function bad() error("bad", 0) end
for i = 1, 1000 do
  pcall(fine) pcall(bad) xpcall(bad, fine) pcall(pcall, bad) pcall(error)
  local co = coroutine.wrap(function() pcall(coroutine.yield, 1) pcall(bad) local c <close> = setmetatable({}, { __close = function() pcall(bad) end }) coroutine.yield(2) end)
  co() co() co()
  local t = coroutine.create(function() pcall(function() local c <close> = setmetatable({}, { __close = bad }) coroutine.yield() end) end)
  coroutine.resume(t) coroutine.close(t)
  t = coroutine.create(bad) coroutine.resume(t) coroutine.resume(t)
  load(bad) load(function() end)
  pcall(string.gsub, "aa", "a", bad) pcall(table.sort, { 1, 2, 3 }, bad) pcall(function() return setmetatable({}, { __index = bad }).x end)
  setmetatable({}, { __gc = function() pcall(bad) bad() end })
end
collectgarbage()
print(pcall(fine))
-- A coroutine that was begun deep inside goes on outside as if it had begun there.
local kept
local function deep(n, f) if n == 0 then return f() end return select(2, pcall(deep, n - 1, f)) end
print(deep(150, function() kept = coroutine.wrap(function() return select(2, pcall(function() coroutine.yield "in" return deep(150, fine) end)) end) return kept() end))
print(kept())
-- A handler has a few more levels; what is closed on the way out has them all again.
print(last(pcall(function() local function f() return xpcall(f, function(m) return m, pcall(pcall, fine) end) end return f() end)))
do
  local closed = 0
  local function f() local ok, e = pcall(f) if not ok and closed == 0 then local c <close> = setmetatable({}, { __close = function() closed = closed + 1 end }) error(e, 0) end return ok, e end
  print(f()) print(closed)
end
-- Coroutines each of which closes the one before, or ends by an error while it closes another.
for _, close in ipairs { function(co) assert(coroutine.close(co)) end, function(co) local ok, e = coroutine.close(co) if not ok then error(e, 0) end end } do
  local closed, before = 0, false
  for i = 1, 500 do
    local other = before
    before = coroutine.create(function()
      local c <close> = setmetatable({}, { __close = function() closed = closed + 1 if other then close(other) end end })
      coroutine.yield()
    end)
    coroutine.resume(before)
  end
  local ok, e = coroutine.close(before)
  print(ok, e:match("[^:]*$"), closed > 60 and closed < 200)
end
do
  local n = 0
  local function down(e) n = n + 1 if n < 5000 then return pcall(function() local c <close> = setmetatable({}, { __close = function(_, e) down(e) end }) error("again", 0) end) end end
  print(down(), n == 5000 or n < 200)
end
-- Recursion through other natives and metamethods ends with an error, too.
local function recursive(name, f)
  local n = 0
  local function down(...) n = n + 1 return f(down, ...) end
  local ok, e = pcall(down)
  print(name, ok, n > 150, e:match("stack overflow"))
end
recursive("gsub", function(down) return (string.gsub("a", "a", down)) end)
recursive("sort", function(down) table.sort({ 2, 1 }, down) end)
recursive("tostring", function(down) return tostring(setmetatable({}, { __tostring = down })) end)
recursive("index", function(down) return setmetatable({}, { __index = function() return down() end }).x end)
recursive("add", function(down) return setmetatable({}, { __add = function() return (down()) end }) + 1 end)
recursive("concat", function(down) return setmetatable({}, { __concat = function() return (down()) end }) .. 1 end)
recursive("lt", function(down) return setmetatable({}, { __lt = function() return (down()) end }) < {} end)
recursive("call", function(down) return (setmetatable({}, { __call = function() return (down()) end })()) end)
recursive("close", function(down) local c <close> = setmetatable({}, { __close = function() down() end }) end)
recursive("require", function(down) package.preload.deeper = down package.loaded.deeper = nil return (require "deeper") end)
recursive("pairs", function(down) for _ in pairs(setmetatable({}, { __pairs = function() return down() end })) do end end)
recursive("load", function(down) local _, e = load(function() down() end) error(e, 0) end)
package.preload.deeper = nil
-- Chains of __index and __newindex.
for _, n in ipairs { 1, 99, 1999, 2001 } do
  local t = {} for i = 1, n do t = setmetatable({}, { __index = t, __newindex = t }) end
  print(n, pcall(function() return t.x end)) print(n, pcall(function() t.x = 1 end))
end
local own = {} setmetatable(own, { __index = own, __newindex = own })
print(pcall(function() return own.x end)) print(pcall(function() own.x = 1 end)) print(pcall(function() return own[1] end)) print(pcall(next, own))
-- Handlers that fail.
print(xpcall(error, function(e) error(e) end, "x")) print(xpcall(error, function() error() end, "x")) print(xpcall(error, function(e) return e + 1 end, {}))
-- The message handler around `load` hears of what its function raised; a pcall between them keeps it away.
local function heard(m) return "heard " .. tostring(m) end
print(xpcall(load, heard, function() error("piece", 0) end))
print(xpcall(load, heard, function() error() end))
print(xpcall(load, heard, function() return {} end))
print(xpcall(function() return pcall(load, function() error("piece", 0) end) end, heard))
print(xpcall(function() return load(function() error("piece", 0) end) end, heard))
print(xpcall(function() return coroutine.wrap(function() return load(function() error("piece", 0) end) end)() end, heard))
print(xpcall(function() local n = 0 return load(function() n = n + 1 return n == 1 and "return 1" or nil end)() end, heard))
print(xpcall(load, function(m) error(m, 0) end, function() error("piece", 0) end))
print(xpcall(load, heard, "x ="))
