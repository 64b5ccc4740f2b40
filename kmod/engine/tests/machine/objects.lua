-- SPDX-License-Identifier: GPL-2.0-only
-- Metatables, inheritance, weak tables, finalizers, and what collections leave alone.
local A = {} A.__index = A function A.new(x) return setmetatable({ x = x }, A) end function A:get() return self.x end
local B = setmetatable({}, { __index = A }) B.__index = B function B.new(x) return setmetatable({ x = x }, B) end
function B:twice() return self:get() * 2 end
local b = B.new(21) print(b:twice(), b:get(), b.nothing, rawget(b, "get"))
A.late = "late" print(b.late) A.late = nil print(b.late)
B.get = function() return 1 end print(b:twice()) B.get = nil print(b:twice())
local log = setmetatable({}, { __newindex = function(t, k, v) rawset(t, k, v and v .. "!") end, __len = function() return 99 end })
log.a = "x" log[1] = "y" log.a = "z" print(log.a, log[1], #log, rawlen(log))
local proxy = setmetatable({}, { __newindex = log, __index = log }) proxy.q = "w" print(rawget(proxy, "q"), log.q, proxy.q)
print(pcall(function() local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x end))
print(pcall(setmetatable, setmetatable({}, { __metatable = "locked" }), {}), getmetatable(setmetatable({}, { __metatable = "locked" })))
print(setmetatable({}, { __eq = function() return true end }) == setmetatable({}, { __eq = function() return false end }))
local v = setmetatable({}, { __lt = function(a, b) return "yes" end, __le = function() return nil end, __unm = function() return "neg" end,
  __bnot = function() return "not" end, __concat = function(a, b) return type(a) .. type(b) end, __idiv = function(a, b) return b end })
print(v < 1, 1 < v, v <= v, v > v, -v, ~v, v .. 1, "s" .. v, 1 .. v .. 2, v // 7, 7 // v == v)
print(pcall(function() return v + 1 end))
local call = setmetatable({}, { __call = function(self, ...) return select("#", ...), ... end }) print(call(), call(1, nil), pcall(call, 5))
-- Weak tables.
local keep = {}
local weak = setmetatable({}, { __mode = "k" }) for i = 1, 50 do weak[{}] = i end weak[keep] = "kept" weak["s" .. 1] = {}
collectgarbage() local n = 0 for k in pairs(weak) do n = n + 1 end print(n, weak[keep], weak.s1 ~= nil)
local values = setmetatable({}, { __mode = "v" }) values[1] = {} values[2] = keep values.s = "str" .. 1 values.f = function() end
collectgarbage() print(values[1], values[2] == keep, values.s, values.f)
local eph = setmetatable({}, { __mode = "k" }) do local k1, k2 = {}, {} eph[k1] = k2 eph[k2] = k1 eph[keep] = { eph } end
collectgarbage() n = 0 for k in pairs(eph) do n = n + 1 end print(n)
-- Finalizers.
local order, objects = {}, {}
for i = 1, 5 do objects[i] = setmetatable({}, { __gc = function() order[#order + 1] = i end }) end
objects = nil collectgarbage() print(table.concat(order, " "))
local saved do local x = setmetatable({ "still here" }, { __gc = function(o) saved = o end }) end
collectgarbage() print(saved and saved[1]) saved = nil collectgarbage()
setmetatable({}, { __gc = function() error("ignored") end }) collectgarbage() print("after an error in a finalizer")
-- Much garbage, and what is alive stays.
local live = {}
for i = 1, 30000 do
  local t = { i, tostring(i), sub = { i } }
  live[i % 97 + 1] = t
  if i % 5000 == 0 then for k, o in pairs(live) do assert(o[2] == tostring(o[1]) and o.sub[1] == o[1]) end end
end
local h = {} for i = 1, 5000 do h["k" .. i] = i h[i * 3] = -i h[i + 0.5] = i end
for i = 1, 5000, 2 do h["k" .. i] = nil end
local s, c = 0, 0 for k, x in pairs(h) do s = s + x c = c + 1 end print(s, c, #h >= 0)
for k in pairs(h) do h[k] = nil end print(next(h))
for i = 1, 10 do h[i] = i end for i = 10, 1, -1 do h[i] = nil print(#h) end
local q, first = {}, 1 for i = 1, 3000 do q[i] = i if i > 10 then assert(q[first] == first) q[first] = nil first = first + 1 end end print(#q, first)
local d = {} for i = 200, 1, -1 do d[i] = i end print(#d) local x = 0 for i, y in ipairs(d) do x = x + y end print(x)
