-- SPDX-License-Identifier: GPL-2.0-only
-- Where a coroutine may yield and where it may not, and names when _ENV is a variable like others.
local function try(name, f, ...)
  local args = table.pack(...)
  local co = coroutine.create(function() return pcall(f, table.unpack(args, 1, args.n)) end)
  print(name, coroutine.resume(co))
  print(name, coroutine.status(co))
end
local yield = function() return coroutine.yield("yielded") end
local lazy = setmetatable({}, { __index = yield, __newindex = yield, __len = yield, __tostring = yield, __lt = yield, __concat = yield,
  __pairs = yield, __close = yield, __call = yield, __eq = yield, __add = yield })
try("sort", table.sort, { 3, 2, 1 }, yield)
try("gsub", string.gsub, "abc", ".", yield)
try("gsub table", string.gsub, "abc", ".", lazy)
try("load", load, yield)
try("tostring", tostring, lazy)
try("concat", table.concat, lazy, "", 1, 2)
try("unpack", table.unpack, lazy, 1, 2)
try("insert", table.insert, lazy, 1)
try("move", table.move, lazy, 1, 2, 1)
try("ipairs", function() for _ in ipairs(lazy) do break end end)
try("require", function() package.preload.lazy = yield return require("lazy") end)
try("pairs", pairs, lazy)
try("pcall", pcall, yield)
try("xpcall", xpcall, yield, print)
try("handler", xpcall, error, yield)
try("index", function() return lazy.x end)
try("newindex", function() lazy.x = 1 end)
try("less", function() return lazy < lazy end)
try("add", function() return lazy + 1 end)
try("concat operator", function() return lazy .. "x" end)
try("close", function() local c <close> = lazy end)
try("for", function() for _ in yield do break end end)
print(pcall(function() coroutine.yield(1) end))
print(coroutine.isyieldable())
print(coroutine.wrap(function() return coroutine.isyieldable() end)())
coroutine.wrap(function() table.sort({ 1, 2 }, function() print("in sort", coroutine.isyieldable()) return false end) end)()
coroutine.wrap(function() print(pcall(function() return coroutine.isyieldable() end)) end)()
local co = coroutine.create(function() coroutine.yield() end)
print(coroutine.isyieldable(co)) coroutine.resume(co) print(coroutine.isyieldable(co))
-- Names of globals wherever the globals are.
local function message(text) local f, e = load(text) if f then e = select(2, pcall(f)) end print((tostring(e):gsub("^.-:%d+: ", ""))) end
message "local _ENV = {} return a.b"
message "local function f() return a.b end _ENV = {} return f()"
message "_ENV = {} local function f() _ENV = {} return a.b end f()"
message "local function f() _ENV = _ENV a() end f()"
message "_ENV = nil return x"
message "local _ENV <const> = nil return x"
message "local function f() return x end _ENV = nil f()"
message "_ENV = 1 x = 2"
message "local function f(_ENV) return undefined.y end f({})"
message "local t = { _ENV = {} } return t._ENV.x.y"
-- Bytes of messages stay what they are.
print(pcall(error, "caf\xe9 \u{10FF80}\u{10FFFF} \xff"))
print(#select(2, pcall(load("local \xff = 1", "=x") or error, "bytes \xff\xfe")))
print((select(2, load("x = }", "=\xe9\xe8"))))
print(select(2, pcall(collectgarbage, "\xe9\xff")))
-- The collector's mode and pace are told as they were set.
print(collectgarbage("generational"), collectgarbage("generational"), collectgarbage("incremental"), collectgarbage("incremental"))
do -- A step in generational mode collects what is young.
  local weak = setmetatable({}, { __mode = "k" }) collectgarbage("generational") weak[{}] = 1 collectgarbage("step", 0) print(next(weak)) collectgarbage("incremental")
end
local pause, step = collectgarbage("setpause", 160), collectgarbage("setstepmul", 400)
print(collectgarbage("setpause", pause), collectgarbage("setstepmul", step))
