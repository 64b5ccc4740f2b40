-- SPDX-License-Identifier: GPL-2.0-only
-- 2.5 Garbage collection.
is(math.type(collectgarbage("count")), "float") is(collectgarbage(), 0) is(collectgarbage("collect"), 0) is(collectgarbage("isrunning"), true)
is(collectgarbage("stop"), 0) is(collectgarbage("isrunning"), false) is(collectgarbage("restart"), 0) is(collectgarbage("isrunning"), true)
is(type(collectgarbage("step")), "boolean") fails("bad argument #1 to 'collectgarbage' (invalid option 'nothing')", collectgarbage, "nothing")
local before = collectgarbage("generational") is(collectgarbage("incremental"), "generational") is(collectgarbage(before), "incremental")
-- What cannot be reached goes.
do
  local keep = setmetatable({}, { __mode = "v" })
  local held = {} for i = 1, 100 do keep[i] = i == 50 and held or { i } end
  collectgarbage() local n = 0 for _ in pairs(keep) do n = n + 1 end is(n, 1) is(keep[50], held)
end
-- Weak keys, values, both; strings and numbers are values, never removed.
do
  local k = setmetatable({}, { __mode = "k" }) k[{}] = 1 k["s" .. 1] = {} k[1] = {} local key = {} k[key] = "kept" collectgarbage()
  is(k[key], "kept") is(type(k.s1), "table") is(type(k[1]), "table") local n = 0 for _ in pairs(k) do n = n + 1 end is(n, 3)
  local v = setmetatable({}, { __mode = "v" }) v.a = {} v.b = "str" .. 1 v.c = 5 v[{}] = 6 local value = {} v.d = value v.e = function() end collectgarbage()
  is(v.a, nil) is(v.b, "str1") is(v.c, 5) is(v.d, value) n = 0 for _ in pairs(v) do n = n + 1 end is(n >= 4, true)
  local both = setmetatable({}, { __mode = "kv" }) both[{}] = 1 both[1] = {} both[key] = value both[{}] = value collectgarbage() n = 0 for _ in pairs(both) do n = n + 1 end is(n, 1)
end
-- Ephemerons: a value that only its own key reaches does not keep the key.
do
  local e = setmetatable({}, { __mode = "k" })
  for i = 1, 50 do local k = {} e[k] = { k } end
  local first = {} local k = first for i = 1, 50 do local n = {} e[k] = n k = n end
  collectgarbage() local n = 0 for _ in pairs(e) do n = n + 1 end is(n, 50)
  k, n = first, 0 while e[k] do k = e[k] n = n + 1 end is(n, 50)
  first, k = nil, nil collectgarbage() collectgarbage() is(next(e), nil)
end
-- Ephemerons that wait for each other: over two tables, several for one key, tables met only by a value, entries with strings.
do
  local weak = { __mode = "k" }
  local a, b, alive = setmetatable({}, weak), setmetatable({}, weak), setmetatable({}, { __mode = "v" })
  local root = {}
  local k = root for i = 1, 40 do local v = { i } if i % 2 == 0 then a[k] = v else b[k] = v end k = v end
  for i = 1, 20 do local x, y = {}, {} a[x] = y b[y] = x end
  local inner = {} a[root] = setmetatable({ [inner] = "inner " .. 1 }, weak) alive.inner = inner b[inner] = { inner } inner = nil
  local text = "text" .. 1 a[text] = { text } b[root] = { [text] = {} } alive.text = b[root][text]
  k = nil collectgarbage()
  local n = 0 for _ in pairs(a) do n = n + 1 end for _ in pairs(b) do n = n + 1 end
  is(n, 3) is(alive.inner, nil) is(next(a[root]), nil) is(alive.text ~= nil, true) is(a[text][1], "text1")
  local held = {} a[held] = { "one" } b[held] = setmetatable({ [held] = { "two" } }, weak) collectgarbage()
  is(a[held][1], "one") is(b[held][held][1], "two") held = nil collectgarbage()
  n = 0 for _ in pairs(a) do n = n + 1 end is(n, 2)
  -- What a finalizer brings back brings back what its entries hold.
  local back do local o = setmetatable({}, { __gc = function(o) back = o end }) local deep = {} a[o] = deep b[deep] = { "deep" } end
  collectgarbage() is(back ~= nil and a[back] ~= nil and b[a[back]][1], "deep") back = nil collectgarbage() collectgarbage()
  n = 0 for _ in pairs(a) do n = n + 1 end is(n, 2)
end
-- Finalizers: marked when the metatable is set, last marked first, once, with the object.
do
  local order = {}
  for i = 1, 5 do setmetatable({ i }, { __gc = function(o) order[#order + 1] = o[1] end }) end
  collectgarbage() collectgarbage() is(table.concat(order, " "), "5 4 3 2 1")
  local late, ran = { __index = {} }, false setmetatable({}, late) late.__gc = function() ran = true end collectgarbage() is(ran, false)
  local back, count = nil, 0
  do local o = setmetatable({ "object" }, { __gc = function(o) count = count + 1 back = o end }) end
  collectgarbage() is(count, 1) is(back[1], "object") back = nil collectgarbage() is(count, 1)
  -- Marked again it is finalized again.
  do local m m = { __gc = function(o) count = count + 1 if count < 4 then setmetatable(o, m) end end } setmetatable({}, m) end
  collectgarbage() collectgarbage() collectgarbage() collectgarbage() is(count, 4)
  setmetatable({}, { __gc = true }) setmetatable({}, { __gc = function() error("in a finalizer") end }) collectgarbage() is(true, true)
end
-- A resurrected object is removed from weak values before its finalizer runs, from weak keys after.
do
  local values, keys = setmetatable({}, { __mode = "v" }), setmetatable({}, { __mode = "k" })
  local value, key
  do local o = setmetatable({}, { __gc = function(o) value, key = values[1], keys[o] end }) values[1] = o keys[o] = "of key" end
  collectgarbage() is(value, nil) is(key, "of key") collectgarbage() is(next(keys), nil)
end
-- Closures, coroutines and boxes keep what they use and no more.
do
  local weak = setmetatable({}, { __mode = "v" })
  local function make() local used, unused = {}, {} weak.used, weak.unused = used, unused return function() return used end end
  local f = make() collectgarbage() is(weak.used, f()) is(weak.unused, nil) f = nil collectgarbage() is(weak.used, nil)
  local co = coroutine.wrap(function() local held = {} weak.held = held coroutine.yield() return held end)
  co() collectgarbage() is(weak.held ~= nil, true) is(co() ~= nil, true)
  local cycle = {} cycle.self = cycle weak.cycle = cycle cycle = nil collectgarbage() is(weak.cycle, nil)
  weak.co = coroutine.create(function() local me = coroutine.running() coroutine.yield(me) end) coroutine.resume(weak.co) collectgarbage() is(weak.co, nil)
end
