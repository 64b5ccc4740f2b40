-- SPDX-License-Identifier: GPL-2.0-only
-- 2.6 and 6.2 Coroutines.
local create, resume, yield, status, wrap, close, running = coroutine.create, coroutine.resume, coroutine.yield, coroutine.status,
  coroutine.wrap, coroutine.close, coroutine.running
-- Values go in and out.
local co = create(function(a, b) local c = yield(a + b, a) local d, e = yield(c) return b + c, d, e, "end" end)
is(status(co), "suspended") are({ true, 11, 1 }, resume(co, 1, 10)) is(status(co), "suspended") are({ true, "r" == "" or 20 }, resume(co, 20))
are({ true, 30, "x", nil, "end", n = 5 }, resume(co, "x")) is(status(co), "dead") are({ false, "cannot resume dead coroutine" }, resume(co))
are({ true }, resume(create(function() end))) are({ true, nil, n = 2 }, resume(create(function() return nil end)))
are({ true }, resume(create(function(...) yield(...) end))) are({ true, nil, nil, n = 3 }, resume(create(function(...) return ... end), nil, nil))
-- Errors end it; the stack stays to be looked at.
co = create(function() error({ code = 5 }) end) local ok, e = resume(co) is(ok, false) is(e.code, 5) is(status(co), "dead")
co = create(function() local x = 1 error("m") end) resume(co) is(debug.traceback(co):find("in function <", 1, true) ~= nil, true)
are({ false, "cannot resume dead coroutine" }, resume(co)) fails("cannot resume dead coroutine", (function() local w = wrap(function() end) w() return w end)())
-- The states as seen from inside and from others.
local outer outer = create(function()
  is(status(outer), "running") local inner = create(function() is(status(outer), "normal") are({ false, "cannot resume non-suspended coroutine" }, resume(outer)) end)
  is(select(2, resume(inner)), nil) are({ false, "cannot resume non-suspended coroutine" }, resume(outer)) yield() end)
are({ true }, resume(outer)) is(status(outer), "suspended") is(close(outer), true)
local main, is_main = running() is(type(main), "thread") is(is_main, true) is(status(main), "running") are({ false, "cannot resume non-suspended coroutine" }, resume(main))
wrap(function() local me, first = running() is(first, false) is(me ~= main, true) is(status(main), "normal") end)()
is(coroutine.isyieldable(), false) is(coroutine.isyieldable(main), false) is(wrap(coroutine.isyieldable)(), true) is(coroutine.isyieldable(create(print)), true)
fails("attempt to yield from outside a coroutine", yield)
-- wrap raises what its coroutine raises, with a position for texts.
fails("boom", wrap(function() error("boom") end)) local object = {} local w = wrap(function() error(object) end) are({ false, object }, pcall(w))
w = wrap(function(...) local a = ... while true do a = yield(a) end end) is(w(1), 1) is(w(2), 2) is(w(nil), nil)
fails("(function expected, got number)", create, 1) fails("(function expected, got table)", wrap, {}) fails("(thread expected, got number)", resume, 1)
fails("(thread expected, got no value)", status)
-- Across everything: pcall, metamethods, iterators, nested coroutines, tail calls, varargs.
local function through(f) local r = {} for v in wrap(f) do r[#r + 1] = tostring(v) end return table.concat(r, " ") end
is(through(function() for i = 1, 3 do pcall(function() yield(i) error("caught") end) end end), "1 2 3")
is(through(function() pcall(pcall, pcall, function() yield("deep") end) xpcall(function() yield("x") error("e") end, function(m) return m end) end), "deep x")
local mt = { __index = function(_, k) return yield(k) end, __add = function() yield("add") return 1 end, __lt = function() return yield("lt") end, __concat = function() return yield("cat") end,
  __call = function(_, a) return yield(a) end, __newindex = function(_, k) yield("set" .. k) end, __eq = function() return yield("eq") end, __len = function() return yield("len") end, __close = function() yield("close") end,
  __unm = function() return yield("unm") end, __pairs = function() yield("pairs") return next, {} end }
local lazy, lazy2 = setmetatable({}, mt), setmetatable({}, mt)
is(through(function() local _ = lazy.key _ = lazy + 1 _ = lazy < 1 _ = lazy .. "x" lazy("call") lazy.x = 1 _ = lazy == lazy2 _ = #lazy _ = -lazy do local c <close> = lazy end for _ in pairs(lazy) do end for _ in lazy, "it" do break end end),
  "key add lt cat call setx eq len unm close pairs it")
is(through(function() local function f(n) if n > 0 then return f(n - 1) end return yield("tail") end f(100) end), "tail")
is(through(function() local function deep(n) if n > 0 then deep(n - 1) else yield("bottom") end end deep(150) end), "bottom")
is(through(function() for v in wrap(function() yield("a") yield("b") end) do yield(v .. v) end end), "aa bb")
-- A coroutine that runs another that runs the first's creator.
do local depth = 0 local function nest(n) depth = n if n < 50 then return wrap(nest)(n + 1) end return "bottom" end is(wrap(nest)(1), "bottom") is(depth, 50) end
do -- Producers and filters.
  local function numbers(n) return wrap(function() for i = 1, n do yield(i) end end) end
  local function sieve(gen, p) return wrap(function() for n in gen do if n % p ~= 0 then yield(n) end end end) end
  local gen, primes = wrap(function() for i = 2, 60 do yield(i) end end), {}
  while true do local p = gen() if not p then break end primes[#primes + 1] = p gen = sieve(gen, p) end
  is(table.concat(primes, " "), "2 3 5 7 11 13 17 19 23 29 31 37 41 43 47 53 59") local s = 0 for i in numbers(100) do s = s + i end is(s, 5050)
  local function permute(a, n) n = n or #a if n <= 1 then yield(table.concat(a)) else for i = 1, n do a[n], a[i] = a[i], a[n] permute(a, n - 1) a[n], a[i] = a[i], a[n] end end end
  is(through(function() permute { "a", "b", "c" } end), "bca cba cab acb bac abc")
end
-- Closing.
are({ true }, close(create(print))) co = create(print) close(co) is(status(co), "dead") are({ true }, close(co))
local log = {}
local function closer(name, err) return setmetatable({}, { __close = function(_, e) log[#log + 1] = name .. ":" .. tostring(e) if err then error(err, 0) end end }) end
co = create(function() local a <close> = closer("a") local b <close> = closer("b") yield() end) resume(co) are({ true }, close(co)) is(table.concat(log, " "), "b:nil a:nil")
log = {} co = create(function() local a <close> = closer("a") local b <close> = closer("b", "eb") yield() end) resume(co) are({ false, "eb" }, close(co)) is(table.concat(log, " "), "b:nil a:eb") is(status(co), "dead") are({ true }, close(co))
log = {} co = create(function() local a <close> = closer("a") error("e", 0) end) are({ false, "e" }, resume(co)) is(#log, 0) are({ false, "e" }, close(co)) is(table.concat(log, " "), "a:e") are({ true }, close(co))
fails("cannot close a running coroutine", function() close(running()) end) wrap(function() fails("cannot close a running coroutine", close, (running())) fails("cannot close a normal coroutine", close, main) end)()
log = {} w = wrap(function() local a <close> = closer("w") error("in wrap", 0) end) are({ false, "in wrap" }, pcall(w)) is(log[1], "w:in wrap")
log = {} co = create(function() for _ in next, {}, nil, closer("for") do end for _ in function() return 1 end, nil, nil, closer("loop") do yield() end end) resume(co) close(co) is(table.concat(log, " "), "for:nil loop:nil")
