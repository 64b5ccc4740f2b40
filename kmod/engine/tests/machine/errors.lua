-- SPDX-License-Identifier: GPL-2.0-only
-- Messages: what is wrong, where, and what the variable is called.
local function checkerr(c) local ok, e = pcall(load(c)) print(e) end
checkerr("(collectgarbage or print){}")
checkerr("string.rep({})")
checkerr([[x = print .. "a"]])
checkerr([[local a,b,c; (function () a = b+1.1 end)()]])
checkerr([[
 local function f(x) return x end
 local t = setmetatable({}, {__index = f})
 return t.a.b.c
]])
checkerr("return table.sort({1,2,3}, table.sort)")
checkerr("string.gsub('s', 's', setmetatable)")
checkerr("local a = {} return a.bbbb(3)")
checkerr("local a={}; return ~a")
checkerr("aaa={}; x=3.3/aaa")
checkerr("aaa=2; bbbb=nil;x=aaa*bbbb")
checkerr("aaa={}; x=-aaa")
checkerr("return 34 < 'a'")
checkerr("for i, v in 5 do end")
checkerr("local t <const> = {} ; t:x()")
checkerr("return function() end .. 'x'")
checkerr("local s = 'a'; return s.x.y")
checkerr("return math.huge // 0 | 1")
print(select(2, pcall(string.rep)))
print(select(2, pcall(table.concat, {{}})))
print(select(2, pcall(setmetatable, 1)))
print(select(2, pcall(("x").rep, "x", {})))
print(select(2, pcall(function() ("x"):rep({}) end)))
print(select(2, pcall(function() string.char(-1) end)))
local t = {} 
print(select(2, pcall(next, {}, 1)))
print(pcall(error)) print(pcall(error, nil)) print(pcall(error, "x", 2))
print(xpcall(function() local x = nil + 1 end, debug.traceback))
print(debug.traceback("msg"))
local co = coroutine.create(function() local x = 1; coroutine.yield(); error("inside") end)
coroutine.resume(co)
print(debug.traceback(co)) print(debug.traceback(co, "at level 1", 1)) print(coroutine.resume(co))
local function level(n) error("at level " .. n, n) end
local function caller(n) level(n) end
for n = 0, 4 do print(select(2, pcall(caller, n))) end
print(select(2, xpcall(function() level(1) end, function(m) return debug.traceback("handled: " .. m, 1) end)))
print(xpcall(error, function(m) return type(m), "dropped" end, nil))
print(xpcall(error, function(m) if tostring(m):find("C stack overflow", 1, true) then return "caught" end error("again") end, "first"))
for _, f in ipairs { "__index", "__newindex", "__add", "__lt", "__concat", "__len", "__unm", "__call", "__close" } do
  local o = setmetatable({}, { [f] = string.rep })
  print(f, pcall(function() if f == "__index" then return o.x elseif f == "__newindex" then o.x = 1 elseif f == "__add" then return o + 1 elseif f == "__lt" then return o < o
    elseif f == "__concat" then return o .. 1 elseif f == "__len" then return #o elseif f == "__unm" then return -o elseif f == "__call" then return o() else local c <close> = o end end))
end
print(pcall(function() for _ in next, nil do end end)) print(pcall(function() for _ in string.rep, nil do end end))
print(select(2, xpcall(function() error("first") end, function(m) error("second") end)))
-- A handler of an overflow may call, catch, and be told when its own room ends.
local function loop(a, b) return 1 + loop(a, b) end
print(xpcall(loop, function(m) local ok, e = pcall(loop) return (m:match("stack overflow")), ok, e end))
print(xpcall(loop, function(m) return select(2, pcall(loop)) end))
print(xpcall(error, function(m) return (select(2, pcall(loop)):match("stack overflow")) end, "first"))
print(select(2, pcall(loop)):match("stack overflow"), xpcall(loop, loop))
local function tail(f) return f() end
print(pcall(tail, function() error("tail") end))
print(pcall(function() return tail(function() local x = nil; return x() end) end))
-- Tracebacks leave out the middle of many levels.
local function many(n) if n > 0 then return (many(n - 1)) end return debug.traceback("many", 1) end
for n = 18, 24 do print(many(n)) end
-- assert tells where it failed.
print(pcall(function() assert(false) end)) print(pcall(function() assert(nil, "told") end)) print(pcall(function() assert(false, 5) end))
print(pcall(function() return assert(false) end)) print(pcall(string.gsub, "x", "x", function() assert(false, "in gsub") end))
-- Zero as a divisor is told with the position, unless a string is an operand: then strings' own arithmetic fails.
for _, code in ipairs { "1 // 0", "1 % 0", "'10' // 0", "'10' % 0", "10 // '0'", "10 % '0'", "'7' // '0'", "'7.5' // 0", "7 % ('0' + 0)" } do
  print(code, pcall(load("return " .. code, "=zero")))
  print(code, pcall(load("local a, b = " .. code:gsub(" (//?%%?) ", ", "):gsub(" %% ", ", ") .. " return a " .. code:match("[/%%]+") .. " b", "=zero")))
end
-- The length of a list whose last items are nil.
do
  local none
  print(#{ 1, none, 3, none }, #{ none, none, 3, none }, #{ 1, none, none, none }, #{ 1, 2, none, 4, none }, #{ none, 2 }, #{ n = 1, 1, none, 3 })
  local t = {} for i = 1, 20 do t[i] = i end
  for i = 20, 3, -1 do t[i] = nil assert(#t == i - 1) end
  print(#t)
end
