-- SPDX-License-Identifier: GPL-2.0-only
-- Finalizers and weak tables, as far as their order is the same everywhere.
local function mark(f) return setmetatable({}, { __gc = f }) end

-- A loop that allocates, in whatever way, lets finalizers run, also of what a register still held
-- just before.
local done, junk
local ways = {
  { "tables", function() repeat junk = {} until done end },
  { "lists", function() repeat junk = { 1, 2, { 3 } } until done end },
  { "functions", function() local n = 1 repeat local n = n + 1 junk = function() return n end until done end },
  { "variables", function() repeat local n = 0 junk = function() n = n + 1 return n end until done end },
  { "texts", function() local i = 0 repeat i = i + 1 junk = i .. "x" .. i until done end },
  { "methods", function() local i = 0 repeat i = i + 1 junk = ("x"):rep(100 + i % 7) until done end },
  { "functions of the library", function() local i = 0 repeat i = i + 1 junk = tostring(i) until done end },
  { "replacing", function() repeat junk = ("a b c"):gsub("%w", { a = 1 }) until done end },
  { "coroutines", function() repeat junk = coroutine.create(print) until done end },
  { "within coroutines", function()
    local step = coroutine.wrap(function() repeat junk = {} coroutine.yield() until done end)
    repeat step() until done
  end },
  { "calls", function() local function new() return {} end repeat junk = new() until done end },
  { "generic loops", function() repeat for k, v in pairs { 1 } do junk = { k } end until done end },
  { "sorting", function() repeat junk = { 3, 1, 2 } table.sort(junk, function(a, b) junk = { a, b } return a < b end) until done end },
}
for _, way in ipairs(ways) do
  done = false
  local kept = { 34 }
  local object = mark(function() done = true end)
  object = nil
  way[2]()
  print(way[1], done, kept[1])
end
do
  local function within()
    local object = mark(function() done = true end)
    local after = { 34 }
    done = false
    object = nil
    repeat object = {} until done
    return after[1]
  end
  print(within())
end

-- In the reverse of the order in which they were marked.
local order = {}
for i = 1, 10 do mark(function() order[#order + 1] = i end) end
collectgarbage()
print(table.concat(order, " "))

-- Brought back to life, it is an ordinary object, until it is marked again.
local saved, times = nil, 0
local meta = { __gc = function(o) times = times + 1 saved = o end }
setmetatable({ name = "phoenix" }, meta)
collectgarbage()
print(saved.name, times)
saved = nil
collectgarbage() collectgarbage()
print(saved, times)
setmetatable({ name = "again" }, meta)
collectgarbage()
setmetatable(saved, meta)
print(saved.name, times)
saved = nil
collectgarbage()
print(saved.name, times)
saved = nil
meta.__gc = nil
collectgarbage()

-- What it refers to is there while it runs, also others with finalizers.
do
  local said = {}
  local a = mark(function(o) said[#said + 1] = o.other.name end)
  local b = mark(function(o) said[#said + 1] = o.name end)
  a.name, b.name, a.other, b.other = "a", "b", b, a
  a, b = nil
  collectgarbage()
  print(table.concat(said, " "))
end

-- A finalizer that comes too late is none; whatever stands there when it is marked holds the place.
local late = setmetatable({}, {})
getmetatable(late).__gc = function() print "never" end
late = nil
collectgarbage()
local held = setmetatable({}, { __gc = true })
getmetatable(held).__gc = function() print "the place was held" end
held = nil
collectgarbage()
setmetatable({}, { __gc = 17 })
collectgarbage()
print(pcall(function() local x <close> = setmetatable({}, { __gc = true, __close = function() end }) end))

-- Their errors go nowhere, and variables of theirs are closed.
do
  local closed = 0
  mark(function()
    local x <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
    error "lost"
  end)
  mark(function() local x = nil + 1 end)
  mark(function() coroutine.yield() end)
  mark(error)
  collectgarbage()
  print("closed", closed)
end
-- In a coroutine as elsewhere.
print(coroutine.wrap(function()
  local n = 0
  mark(function() n = n + 1 print("in a coroutine", coroutine.isyieldable()) end)
  collectgarbage()
  return n
end)())
-- The collector does not serve them.
do
  local answers = {}
  mark(function() for _, o in ipairs { "collect", "count", "step", "isrunning" } do answers[#answers + 1] = tostring(collectgarbage(o)) end end)
  collectgarbage()
  print(table.concat(answers, " "))
end
-- They may allocate, mark, raise and catch.
do
  local count = 0
  local function again() count = count + 1 if count < 5 then mark(again) end pcall(error) local t = {} for i = 1, 100 do t[i] = { i } end end
  mark(again)
  for _ = 1, 10 do collectgarbage() end
  print(count)
end

-- Weak tables.
local function size(t) local n = 0 for _ in pairs(t) do n = n + 1 end return n end
local v = setmetatable({}, { __mode = "v" })
local keep = {}
for i = 1, 20 do v[i] = {} v["k" .. i] = {} v[{}] = i end
for i = 1, 5 do keep[i] = {} v[i] = keep[i] v[-i] = keep[i] end
v.text, v.number, v.fn = ("x"):rep(100) .. "y", 5, print
collectgarbage()
print(#v, size(v), v.text == ("x"):rep(100) .. "y")
local k = setmetatable({}, { __mode = "k" })
for i = 1, 20 do k[{}] = i k[i] = {} k[keep[i % 5 + 1]] = keep end
k["x" .. 1] = {}
collectgarbage()
print(size(k), k.x1 ~= nil)
local both = setmetatable({}, { __mode = "kv" })
for i = 1, 5 do both[keep[i]] = {} both[{}] = keep[i] both[keep[i]] = i % 2 == 0 and keep[i] or {} end
collectgarbage()
print(size(both))
-- A value that refers to its own key keeps nothing alive; a chain of them does while its head lives.
local e = setmetatable({}, { __mode = "k" })
for i = 1, 10 do local key = {} e[key] = { key } end
local head = {}
local last = head
for i = 1, 30 do local next_one = {} e[last] = { next_one } last = next_one end
last = nil
collectgarbage()
print(size(e))
head = nil
collectgarbage()
print(size(e))
-- Finalizers meet values gone, and keys still there.
do
  local values, keys = setmetatable({}, { __mode = "v" }), setmetatable({}, { __mode = "k" })
  local o = mark(function(o) print(values.o, keys[o]) end)
  values.o, keys[o] = o, "still here"
  o = nil
  collectgarbage() collectgarbage()
  print(size(keys))
end
-- The mode may change.
local changing = setmetatable({ {}, {} }, {})
getmetatable(changing).__mode = "v"
collectgarbage()
print(size(changing))
changing[1] = {}
getmetatable(changing).__mode = nil
collectgarbage()
print(size(changing))
