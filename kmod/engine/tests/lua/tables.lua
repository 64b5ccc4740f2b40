-- SPDX-License-Identifier: GPL-2.0-only
local function list(t) local r = {} for i = 1, #t do r[i] = show(t[i]) end return "{" .. table.concat(r, ",") .. "}" end
local function on(name, f, t, ...) local r = table.pack(pcall(f, t, ...)) for i = 1, r.n do r[i] = type(r[i]) == "table" and "table" or show(r[i]) end print(name, list(t), table.concat(r, " ")) end
for n = 0, 4 do
  for p = -1, 6 do
    local t = {} for i = 1, n do t[i] = i end
    on("insert", table.insert, t, p, "x")
    t = {} for i = 1, n do t[i] = i end
    on("remove", table.remove, t, p)
  end
  local t = {} for i = 1, n do t[i] = i end
  on("insert", table.insert, t, "e") on("remove", table.remove, t) on("insert1", table.insert, t) on("insert4", table.insert, t, 1, 2, 3)
end
call("insert", table.insert) call("insert", table.insert, 1, 2) call("insert", table.insert, nil, 2) call("insert", table.insert, {}, "x", 1) call("insert", table.insert, {}, 1.5, 1)
call("remove", table.remove) call("remove", table.remove, {}, {}) call("remove", table.remove, {}) call("remove", table.remove, {[0] = "z"}, 0) call("remove", table.remove, {n = 1}, 5)
for _, a in ipairs{{}, {1}, {1, 2, 3}, {"a", 1.5, "c"}, {1, true, 3}} do
  call("concat", table.concat, a) call("concat", table.concat, a, ", ") call("concat", table.concat, a, "-", 2) call("concat", table.concat, a, "-", 2, 3) call("concat", table.concat, a, 0, 1, 1)
  call("unpack", table.unpack, a) call("unpack", table.unpack, a, 2) call("unpack", table.unpack, a, 1, 5) call("unpack", table.unpack, a, -1, 1) call("unpack", table.unpack, a, 3, 2)
end
call("concat", table.concat) call("concat", table.concat, 1) call("concat", table.concat, {}, {}) call("concat", table.concat, {1}, "", 1, 2) call("concat", table.concat, {}, "", math.maxinteger, math.maxinteger)
call("concat", table.concat, {[math.maxinteger] = "z"}, "", math.maxinteger, math.maxinteger)
call("unpack", table.unpack) call("unpack", table.unpack, {}, 1, 1e7) call("unpack", table.unpack, {}, math.mininteger, math.maxinteger) call("unpack", table.unpack, {}, math.maxinteger - 1, math.maxinteger)
call("unpack", table.unpack, "abc", 1, 2) call("unpack", table.unpack, 1)
call("pack", function(...) local t = table.pack(...) return t.n, t[1], t[3] end, 1, nil, 3) call("pack", function() return table.pack().n end)
for f = -1, 4 do for e = 0, 5 do for t = -1, 5 do
  local a = {1, 2, 3, 4}
  local r = pcall(table.move, a, f, e, t)
  local s = {} for i = -1, 11 do s[#s + 1] = show(a[i]) end print("move", f, e, t, r, table.concat(s, ","))
  local b = table.move(a, f, e, t, {}) print(b[1], b[2], b[3], b[0])
end end end
call("move", table.move) call("move", table.move, {}, 1, 2) call("move", table.move, {}, 1, math.maxinteger, 2) call("move", table.move, {}, math.mininteger, 0, 1) call("move", table.move, {}, 1, 2, 3, 4) call("move", function() return #table.move({}, math.maxinteger, math.maxinteger, 1) end)
local function proxy(t) return setmetatable({}, {__index = function(_, k) return t[k] end, __newindex = function(_, k, v) t[k] = v end, __len = function() return #t end}) end
do
  local t = {5, 3, 9, 1} local p = proxy(t)
  table.sort(p) print(list(t)) table.insert(p, 7) print(list(t)) table.insert(p, 1, 0) print(list(t)) print(table.remove(p), list(t)) print(table.remove(p, 1), list(t))
  print(table.concat(p, ",")) print(table.unpack(p)) table.move(p, 1, 3, 2) print(list(t)) print(table.concat(table.move(p, 1, 4, 1, {}), ";"))
  table.sort(p, function(a, b) return a > b end) print(list(t))
  print(pcall(table.insert, setmetatable({}, {__len = function() return "x" end}), 1)) print(pcall(table.concat, setmetatable({}, {__len = function() return 2.0 end, __index = function(_, i) return i end})))
  print(pcall(table.unpack, setmetatable({}, {__len = function() return 3 end, __index = function(_, i) return i * i end})))
  print(pcall(table.insert, setmetatable({}, {__newindex = function() error("ro", 0) end}), 1))
end
local seed = 3
local function rnd(n) seed = (seed * 1103515245 + 12345) % 2147483648 return seed // 65536 % n end
for i = 1, 200 do
  local n, t = rnd(i < 190 and 40 or 1500), {}
  for j = 1, n do t[j] = rnd(i % 3 == 0 and 5 or 1000) end
  local kind = rnd(5)
  if kind == 1 then for j = 1, n do t[j] = t[j] / 4 end elseif kind == 2 then for j = 1, n do t[j] = tostring(t[j]) end end
  local order = {} 
  local ok, e
  if kind == 3 then ok, e = pcall(table.sort, t, function(a, b) order[#order + 1] = a * 1000 + b return a > b end)
  elseif kind == 4 then local k = {} for j = 1, n do k[j] = {t[j], j} end ok, e = pcall(table.sort, k, function(a, b) return a[1] < b[1] end) for j = 1, n do t[j] = k[j][1] * 10000 + k[j][2] end
  else ok, e = pcall(table.sort, t) end
  print("sort", ok, e, list(t):sub(1, 3000), #order, order[#order])
end
for i = 1, 60 do
  local t, count = {}, 0
  for j = 1, 5 + rnd(60) do t[j] = rnd(10) end
  local ok, e = pcall(table.sort, t, function(a, b) count = count + 1 return rnd(2) == 0 end)
  print("lying", ok, e, count, list(t))
end
print("true", pcall(table.sort, {1, 2, 3, 4, 5}, function() return true end)) print("mixed", pcall(table.sort, {1, "x", 2}))
call("sort", table.sort) call("sort", table.sort, {1, 2}, 1) call("sort", table.sort, {3, 1, 2}, nil) call("sort", table.sort, {}, 1) call("sort", table.sort, {{}, {}}) call("sort", table.sort, {2, 1}, function() error("cmp", 0) end)
do local t = {} for i = 1, 3000 do t[i] = i end table.sort(t) print(t[1], t[1500], t[3000]) for i = 1, 3000 do t[i] = 3000 - i end table.sort(t) print(t[1], t[1500], t[3000]) for i = 1, 3000 do t[i] = i % 7 end table.sort(t) print(t[1], t[1500], t[3000]) end
local m = {__lt = function(a, b) return a.v < b.v end} local o = {} for i = 1, 20 do o[i] = setmetatable({v = (i * 7) % 20}, m) end table.sort(o) for i = 1, 20 do io_ = (io_ or "") .. o[i].v .. " " end print(io_)
