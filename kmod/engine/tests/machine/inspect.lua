-- SPDX-License-Identifier: GPL-2.0-only
-- What plain Lua sees of itself: debug, except hooks.
local function fields(t, ...)
  local r = {}
  for _, k in ipairs { ... } do r[#r + 1] = k .. "=" .. tostring(t[k]) end
  print(table.concat(r, " "))
end
local function here(...)
  local t = debug.getinfo(1)
  fields(t, "short_src", "source", "what", "currentline", "linedefined", "lastlinedefined", "nups", "nparams", "isvararg", "name",
    "namewhat", "istailcall", "ftransfer", "ntransfer")
  assert(t.func == here)
  return debug.getinfo(2, "nl")
end
fields(here(1, 2), "currentline", "name", "namewhat")
fields(debug.getinfo(rawlen), "short_src", "source", "what", "currentline", "linedefined", "lastlinedefined", "nups", "nparams", "isvararg")
fields(debug.getinfo(load("return 1", "modname"), "S"), "short_src", "source", "what", "linedefined")
fields(debug.getinfo(load("return 1", "@file.lua"), "S"), "short_src", "source", "what")
fields(debug.getinfo(load("return 1", "=(load)"), "S"), "short_src", "source")
print(debug.getinfo(50), pcall(debug.getinfo, 1, "X"), pcall(debug.getinfo, 1, ">S"), pcall(debug.getinfo, {}))
local function tail() return debug.getinfo(1, "tn") end
local function calls_tail() return tail() end
fields(calls_tail(), "istailcall", "name", "namewhat")
local function lines()
  local a = 1

  return a
end
local active = {}
for n in pairs(debug.getinfo(lines, "L").activelines) do active[#active + 1] = n - debug.getinfo(lines, "S").linedefined end
table.sort(active) print(table.concat(active, " "))
-- Names that callers have for a function.
local t = { field = function() local i = debug.getinfo(1, "n") print(i.name, i.namewhat) end }
t.method = t.field
function _G.global() t.field() end
t.field() t:method() global()
local up = t.field
local function through() up() end through()
local meta = setmetatable({}, { __add = function() return debug.getinfo(1, "n") end, __index = function() return debug.getinfo(1, "n") end })
fields(meta + 1, "name", "namewhat") fields(meta.x, "name", "namewhat")
for i in function(_, i) if not i then return debug.getinfo(1, "n") end end do fields(i, "name", "namewhat") end
-- Local variables of running functions and parameters of others.
local function variables(a, b, ...)
  local c = "c"
  do local hidden = 1 end
  local captured = 5
  local function set() captured = captured + 1 end set()
  for i = -2, 5 do if i ~= 0 then print(i, debug.getlocal(1, i)) end end
  print(debug.setlocal(1, 3, "changed"), c, debug.setlocal(1, 4, 50), captured)
  return set
end
variables(1, nil, "first", "second")
print(debug.getlocal(variables, 1), debug.getlocal(variables, 2), debug.getlocal(variables, 3), debug.getlocal(rawlen, 1))
print(pcall(debug.getlocal, 60, 1))
local co = coroutine.create(function(x) local y = x * 2 coroutine.yield() end)
coroutine.resume(co, 21)
print(debug.getlocal(co, 1, 1)) print(debug.getlocal(co, 1, 2)) print(debug.getinfo(co, 1, "l").currentline, debug.getinfo(co, 0, "S").what)
print(debug.getinfo(co, 5), debug.getinfo(coroutine.create(rawlen), 0))
-- Upvalues, shared and not.
local x, y = 1, 2
local function f1() return x, y end
local function f2() return y, x end
local function f3() local x = x return function() return x, y end end
local f4, f5 = f3(), f3()
print(debug.getupvalue(f1, 1)) print(debug.getupvalue(f2, 1)) print(debug.getupvalue(f1, 3))
print(debug.upvalueid(f1, 1) == debug.upvalueid(f2, 2), debug.upvalueid(f1, 1) == debug.upvalueid(f2, 1),
  debug.upvalueid(f4, 1) == debug.upvalueid(f5, 1), debug.upvalueid(f4, 2) == debug.upvalueid(f5, 2), debug.upvalueid(f1, 9))
print(debug.setupvalue(f1, 1, "set"), f2()) print(debug.setupvalue(f1, 3, 0))
debug.upvaluejoin(f4, 1, f1, 2) print(f4()) y = 7 print(f4(), (f5()))
print(pcall(debug.upvaluejoin, f1, 3, f2, 1), pcall(debug.upvaluejoin, rawlen, 1, f2, 1))
print(debug.getupvalue(string.gmatch("x", "x"), 1) ~= nil, debug.getupvalue(rawlen, 1))
local chunk = load("return a, ...")
print(debug.getupvalue(chunk, 1)) debug.setupvalue(chunk, 1, { a = "other" }) print(chunk(3))
-- Light userdata, and the user values that streams do not have.
local id = debug.upvalueid(f1, 1)
print(type(id), math.type(id), ({ [id] = "key" })[debug.upvalueid(f1, 1)], rawequal(id, debug.upvalueid(f1, 1)))
print(pcall(debug.setuservalue, id, {})) print(pcall(debug.setuservalue, 1, {})) print(pcall(debug.setuservalue, io.stdin))
print(debug.setuservalue(io.stdin, 1), debug.getuservalue(io.stdin), debug.getuservalue(id), debug.getuservalue(1))
print(select("#", debug.setuservalue(io.stdin, 1)), select("#", debug.getuservalue(io.stdin)))
print(pcall(function() return id + 1 end)) print(pcall(function() return id < id end)) print(pcall(function() return id.x end))
print(pcall(function() return id() end)) print(pcall(string.rep, id)) print((string.format("%p", id):gsub("0x%x+", "P")))
debug.setmetatable(id, { __index = function(_, k) return k end, __name = "mine" })
print(id.hello, debug.upvalueid(f2, 2).x, pcall(string.rep, id)) debug.setmetatable(id, nil)
local weak = setmetatable({}, { __mode = "k" }) weak[id] = 1 collectgarbage() print(weak[id])
-- The registry, arguments of functions of C, and libraries of C.
local r = debug.getregistry()
print(r == debug.getregistry(), r[2] == _G, r._LOADED == package.loaded, r._PRELOAD == package.preload, r[1] == coroutine.running())
print(debug.getlocal(0, 1)) print(debug.getlocal(0, 2)) print(debug.getlocal(0, 3)) print(debug.getlocal(0, -1))
print(debug.setcstacklimit(1000), pcall(debug.setcstacklimit, "x")) print(package.loadlib("./none.so", "f") == nil, pcall(package.loadlib))
-- Metatables of types.
print(debug.getmetatable("").__index == string, debug.getmetatable(1), debug.getmetatable(nil))
print(debug.setmetatable(10, { __index = function(n, k) return k .. n end, __call = function(n, a) return n + a end, __len = function(n) return n // 2 end }))
print((5).key, (2.5).key, (7)(3), #9) debug.setmetatable(1, nil) print(pcall(function() return (1).x end))
debug.setmetatable(nil, { __index = function() return "of nil" end }) local none print(none.field) debug.setmetatable(nil, nil)
debug.setmetatable(true, { __unm = function(b) return not b end }) print(-true, -false) debug.setmetatable(false, nil)
debug.setmetatable(rawlen, { __concat = function() return "functions" end }) print(rawlen .. 1, lines .. lines) debug.setmetatable(lines, nil)
local locked = setmetatable({}, { __metatable = "locked" }) print(getmetatable(locked), debug.getmetatable(locked).__metatable)
print(debug.setmetatable(locked, nil) == locked, getmetatable(locked))
print(pcall(debug.setmetatable, 1, 2))
-- A function begins at the line of its parameters, but one that a statement names at that of the statement.
do
  local function
    named
    () end
  local bare = function

    () end
  function
    Global
    () end
  for _, f in ipairs { named, bare, Global } do print(debug.getinfo(f, "S").linedefined, debug.getinfo(f, "S").lastlinedefined) end
  Global = nil
  for _, text in ipairs { "local f = function\n() return 1 2", "local function f\n() return 1 2", "function f\n() return 1 2", "f(function\n\n(a,\nb) x" } do print(load(text, "=lines")) end
end
