-- SPDX-License-Identifier: GPL-2.0-only
-- Coroutines across protected calls, metamethods, iterators and each other.
local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end end) end
local sum = 0 for v in gen(100) do sum = sum + v end print(sum)
local function tree(n) if n > 0 then tree(n - 1) coroutine.yield(n) tree(n - 1) end end
local cnt = 0 for v in coroutine.wrap(function() tree(7) end) do cnt = cnt * 3 % 1000003 + v end print(cnt)
local co = coroutine.create(function()
  local ok, e = pcall(function() coroutine.yield("y") error("E", 0) end)
  return ok, e
end)
for i = 1, 4 do print(coroutine.resume(co, i)) end
print(coroutine.status(co))
local mt = {}
for _, e in ipairs { "add", "sub", "mul", "div", "mod", "pow", "unm", "idiv", "band", "bor", "bxor", "shl", "shr", "bnot",
  "concat", "len", "eq", "lt", "le", "index", "newindex", "call" } do
  mt["__" .. e] = function(...) return coroutine.yield(e, select("#", ...)) end
end
co = coroutine.wrap(function()
  local a, b = setmetatable({}, mt), setmetatable({}, mt)
  local r = { a + 1, 2 - a, a * b, a / 1, a % 2, a ^ 2, -a, a // 1, a & 1, 1 | a, a ~ 1, a << 1, a >> 1, ~a, a .. "x", "x" .. a, #a,
    a == b, a ~= b, a < b, a <= b, a > 1, a >= b, a.field, a[1], a(1, 2) }
  a.x = 1
  a[1] = 2
  for i = 1, 30 do r[i] = tostring(r[i]) end
  if a < b then r[#r + 1] = "less" end
  if not (a == b) then r[#r + 1] = "unequal" end
  local s = "p" .. a .. "q" .. b
  return table.concat(r, " "), s
end)
local answer, step = nil, 0
while true do
  local e, n = co(answer)
  step = step + 1
  print(e, n)
  if not mt["__" .. e] then break end
  answer = step % 3 == 0 and step or "s" .. step
  if e == "lt" or e == "le" or e == "eq" then answer = step % 2 == 0 end
end
-- Iterators, sort-like callbacks, nesting.
for k, v in coroutine.wrap(function() for i = 1, 3 do coroutine.yield(i, i * i) end end) do print(k, v) end
local inner = coroutine.wrap(function(...)
  local outer = coroutine.wrap(function(...) local x = coroutine.yield(...) error({ x }) end)
  print(outer(...)) local ok, e = pcall(outer, 42) print(ok, e[1])
  return coroutine.isyieldable(), select(2, coroutine.running())
end)
print(inner(1, nil, 3))
print(select(2, coroutine.running()), coroutine.isyieldable())
print(coroutine.resume(coroutine.running()))
co = coroutine.create(function() return coroutine.resume(co) end)
print(coroutine.resume(co))
print(pcall(coroutine.wrap(function() error("x") end)))
print(pcall(coroutine.wrap(function() error({}) end)) )
local w = coroutine.wrap(function() return 1 end) w() print(pcall(w))
-- Closing.
local function closer(name) return setmetatable({}, { __close = function(_, e) print("close", name, e) end }) end
co = coroutine.create(function() local a <close> = closer("a") local b <close> = closer("b") coroutine.yield(1) end)
print(coroutine.resume(co)) print(coroutine.close(co), coroutine.status(co)) print(coroutine.close(co))
co = coroutine.create(function() local a <close> = closer("a")
  local b <close> = setmetatable({}, { __close = function(_, e) print("b", e) error("from b", 0) end }) coroutine.yield(1) end)
coroutine.resume(co) print(coroutine.close(co)) print(coroutine.status(co))
co = coroutine.create(function() local a <close> = closer("a") error("boom", 0) end)
print(coroutine.resume(co)) print(coroutine.close(co))
print(pcall(coroutine.wrap(function() local a <close> = closer("w") error("wrapped", 0) end)))
print(coroutine.wrap(function() return pcall(function() local a <close> = closer("p") coroutine.yield(1) error("after", 0) end) end)())
co = coroutine.wrap(function()
  local a <close> = setmetatable({}, { __close = function(_, e) coroutine.yield("in close") print("closed", e) end })
  return "result"
end)
print(co()) print(co())
co = coroutine.wrap(function()
  return pcall(function()
    local a <close> = setmetatable({}, { __close = function(_, e) coroutine.yield("in close") print("closed", e) end })
    error("err", 0)
  end)
end)
print(co()) print(co())
local function many(n) local c = coroutine.wrap(function() if n > 0 then many(n - 1) end coroutine.yield(n) end) return c() end
print(many(100))
-- A coroutine that failed still shows where, until it is closed.
co = coroutine.create(function() local function inner(t) return t.x.y end local r = inner({}) return r end)
print(coroutine.resume(co)) print(debug.traceback(co)) print(debug.traceback(co, "message", 1)) print(debug.getinfo(co, 0, "l").currentline, debug.getinfo(co, 1, "l").currentline, debug.getinfo(co, 2))
co = coroutine.create(function() local a <close> = closer("kept") local b = { "b" } error({ b }) end)
print(select("#", coroutine.resume(co))) print(debug.traceback(co)) collectgarbage() print(select(2, debug.getlocal(co, 1, 2))[1])
print(coroutine.close(co)) print(debug.traceback(co))
co = coroutine.create(error) print(coroutine.resume(co, "native")) print(debug.traceback(co))
co = coroutine.wrap(function() local a <close> = closer("wrapped") local t = {} for i = 1, 10 do t[i] = { i } end error(t[10]) end) print(select(2, pcall(co))[1])
local function recursive(n) if n == 0 then error("deep") end return (recursive(n - 1)) end
co = coroutine.create(recursive) print(coroutine.resume(co, 40)) print(debug.traceback(co))
