-- SPDX-License-Identifier: GPL-2.0-only
-- Lists that are sorted at once, with a function, or by metamethods; patterns whose items are looked for first;
-- iterators that need no frame; natives that call back.
local r = 12345
local function rnd(n) r = (r * 1103515245 + 12345) % 2147483648 return r % n end
local out = 0
local function check(t, c) for i = 2, #t do local a, b = t[i-1], t[i] if c then assert(not c(b, a)) else assert(not (b < a)) end end end
for _, size in ipairs {0, 1, 2, 3, 4, 7, 20, 130} do for kind = 1, 6 do
  local t = {}
  for i = 1, size do local v = rnd(kind == 1 and 5 or 1000)
    if kind == 3 then v = v / 4 elseif kind == 4 and i % 2 == 0 then v = v + 0.0 elseif kind == 5 then v = "s" .. v elseif kind == 6 then v = i end t[i] = v end
  table.sort(t) check(t)
  for i = 1, #t do out = (out * 31 + #tostring(t[i])) % 1000003 end
  local c = function(a, b) return a > b end
  table.sort(t, c) check(t, c)
  for i = 1, #t do out = (out * 31 + #tostring(t[i])) % 1000003 end
end end
print(out)
print(pcall(table.sort, {3, 1, 2, 5, 4, 7, 6}, function() return true end))
print(pcall(table.sort, {3, 1, "x", 2}))
print(pcall(table.sort, {1, {}, 2}))
local nan = 0/0
print(pcall(table.sort, {3, nan, 1, nan, 2, 5, nan, 4}))
local m = {__lt = function(a, b) return a.v < b.v end}
local t = {} for i = 1, 50 do t[i] = setmetatable({v = rnd(100)}, m) end table.sort(t) for i = 2, 50 do assert(t[i-1].v <= t[i].v) end
-- a comparison that gives the list a metatable
local u = {} for i = 1, 60 do u[i] = rnd(100) end
local n = 0
table.sort(u, function(a, b) n = n + 1 if n == 20 then setmetatable(u, {__index = function() end}) end return a < b end)
check(u) print(n)
-- across coroutines
local co = coroutine.wrap(function() local w = {5, 3, 8, 1} table.sort(w, function(a, b) return a < b end) return table.concat(w, ",") end)
print(co())
print(select('#', table.sort({2, 1}, function(a, b) return a < b end)))
print(pcall(table.sort, {3, 2, 1, 4}, function(a, b) error("x") end))
local big = {} for i = 1, 300 do big[i] = i end table.sort(big, function(a, b) return a > b end) print(big[1], big[300])
local v = {1, 1.0, 2, 2.0, 1, 1.0} table.sort(v) for i = 1, #v do v[i] = math.type(v[i]) end print(table.concat(v, " "))

-- More sets than a matcher remembers, twice the same one, and sets whose places in its memory collide.
local digits = ("[%d]"):rep(12) .. "[^%s]*[a-f][^%a-z][%]x][]y]"
print(("x 123456789012--c0]y"):find(digits), ("123456789012c0]]"):match(digits))
print(("AcA1abab1_a"):find("[^]][^[%a-z]"), ("a.b-c"):find("[.-]", 3), ("\0\200\255"):find("[\128-\255]+"))
-- What must follow a lazy or greedy item is looked for; captures may end in between.
for _, p in ipairs {"(.-)>", "(.*)>", "(.-)(>)", "^(.*)%.(%w+)$", "(a-)b", "(a*)b", "((.-)>)", ".-", "a-$", "(.-)%1>", "[^>]->", "%a->"} do
  print(p, ("<aab.aa>b>.txt"):find(p))
end
print(pcall(string.find, "abc", "(.-))x"), pcall(string.find, "abc", ".-)c"), pcall(string.find, "xyz", "%a-[a"))
-- Plain text of every length around the blocks of the search, with bytes above 128 and without.
local misses = 0
for n = 0, 70 do for _, b in ipairs {"x", n % 2 == 0 and "\200" or "n"} do
  local s = b:rep(n)
  if (s .. "needle" .. s):find("needle", 1, true) ~= n + 1 then misses = misses + 1 end
  if (s .. "needlf" .. s):find("needle", 1, true) then misses = misses + 1 end
  if (s .. "\200" .. s):find("\200", 1, true) ~= (b == "\200" and 1 or n + 1) then misses = misses + 1 end
end end
print(misses)
-- Iterators without a frame: holes, metamethods, a loop variable less or more, tables that change.
for i, v in ipairs {1, 2, nil, 4} do io = i end print(io)
for i in ipairs {"a", "b"} do io = i end print(io)
for i, v, w in ipairs {"a", "b"} do print(i, v, w) end
for i, v in ipairs(setmetatable({1}, {__index = function(t, k) return k < 4 and k * 10 or nil end})) do print(i, v) end
local seen = {} for i, v in ipairs(seen) do seen[i + 1] = v end print(#seen)
seen[1] = 0 for i, v in ipairs(seen) do if i < 50 then seen[i + 1] = i end end print(#seen)
-- Buffers that outgrow their cell, one byte at a time, and case changes of every byte.
local all, parts = {}, {} for i = 0, 255 do all[#all + 1] = string.char(i) end
all = table.concat(all) local sum = 0
for i = 1, 60 do parts[i] = i % 10 local s = table.concat(parts) sum = (sum * 31 + #s + s:byte(-1)) % 1000003 end
local function add(...) for k = 1, select("#", ...) do sum = (sum * 31 + (select(k, ...))) % 1000003 end end
for i = 0, 8 do local s = (" "):rep(i) .. all add(s:upper():byte(i + 60, i + 130)) add(s:lower():byte(i + 60, i + 130)) end
print(sum, #all:reverse(), all:reverse():byte(1, 3))
-- Methods of strings follow their metatable.
local meta = getmetatable("") local index = meta.__index
meta.__index = function(s, k) return function() return k .. #s end end print(("abc"):anything())
meta.__index = setmetatable({twice = function(s) return s .. s end}, {__index = index}) print(("ab"):twice(), ("ab"):upper())
meta.__index = nil print(pcall(function() return ("ab"):upper() end))
meta.__index = index print(("ab"):upper(), pcall(function() return ("ab"):nothing() end))
-- Natives that call back: results, errors with their places, yields.
print(pcall(string.gsub, "abc", "%w", function(c) if c == "b" then error("at " .. c) end end))
print(select("#", pcall(function() return 1, nil, nil end)), pcall(pcall, pcall, error, "x"))
print(coroutine.wrap(function() return ("abc"):gsub("%w", function(c) return coroutine.yield and c:upper() end) end)())
print(pcall(table.sort, {3, 2, 1}, function(a, b) return pcall(function() return a < b end) end))
print(table.move({1, 2, 3}, 2, 3, 1)[2], #table.move({1, 2, 3, 4, 5}, 1, 5, 3), table.concat(table.move({1, 2, 3}, 1, 3, 2, {9}), ","))
print(math.max(3, 1.5), math.max(2, 5, 4), math.min(-1, -1.5), math.max(1, 1.0), math.min(1.0, 1), pcall(math.max, 1, {}))
