-- SPDX-License-Identifier: GPL-2.0-only
-- 2.4 Metatables and metamethods.
local log
local function meta(name, result) return { [name] = function(a, b, ...) log = { a, b, select("#", ...) } return result end } end
local function operand(m) return setmetatable({}, m) end
-- Arithmetic and bitwise operators take the first operand's metamethod, then the second's.
local operators = { __add = "+", __sub = "-", __mul = "*", __div = "/", __mod = "%", __pow = "^", __idiv = "//",
  __band = "&", __bor = "|", __bxor = "~", __shl = "<<", __shr = ">>", __concat = ".." }
for event, operator in pairs(operators) do
  local f = load("local a, b = ... return a " .. operator .. " b")
  local first, second = operand(meta(event, "first")), operand(meta(event, "second"))
  is(f(first, second), "first") is(log[1], first) is(log[2], second)
  is(f(1, second), "second") is(log[1], 1) is(log[2], second) is(f(first, 2.5), "first") is(log[2], 2.5)
  is(f(nil, second), "second") is(f("text", second), "second") is(f(first, nil), "first")
  fails("table value", f, {}, {}) fails("attempt to", f, operand(meta("__other", 1)), 1)
  -- One result, adjusted.
  local many = operand { [event] = function() return 1, 2 end } are({ 1 }, f(many, 0))
  local none = operand { [event] = function() end } are({ nil, n = 1 }, f(none, 0))
  -- Constants as operands.
  is(load("local a = ... return a " .. operator .. " 7")(first), "first") is(log[2], 7)
  is(load("local a = ... return 7 " .. operator .. " a")(second), "second") is(log[1], 7)
  is(load("local a = ... return a " .. operator .. " 'k'")(first), "first") is(log[2], "k")
  -- A metamethod that is no function is called by its __call.
  local callable = setmetatable({}, { __call = function(self, a, b) return "called" end }) is(f(operand { [event] = callable }, 1), "called")
  fails("attempt to call", f, operand { [event] = 5 }, 1)
end
-- Unary ones are given their operand twice.
for event, operator in pairs { __unm = "-", __bnot = "~" } do
  local f = load("local a = ... return " .. operator .. "a")
  local v = operand(meta(event, event)) is(f(v), event) is(log[1], v) is(log[2], v) fails("table value", f, {}) fails("nil value", f)
end
do local v = operand(meta("__len", "length")) is(#v, "length") is(log[1], v) is(#"abc", 3) is(rawlen(v), 0) fails("attempt to get length of a number value", function() return #5 end) end
-- Strings are numbers in arithmetic, after the metamethods; bitwise operators too.
is("10" + 5, 15) is("0x10" * "2", 32) is("3" // "2", 1) is("3.0" + 1, 4.0) is(" 7 " + 0, 7) is("10" / 2, 5.0) is(-"2", -2) is("2" ^ 2, 4.0)
fails("attempt to add a 'string' with a 'number'", function() return "x" + 1 end)
fails("number has no integer representation", function() return 1.5 | 1 end) fails("attempt to perform bitwise operation on a string value", function() return "a" | 1 end)
fails("attempt to perform bitwise operation on a string value (constant '5')", function() return "5" & 4 end) fails("bitwise operation on a string value", function() return ~"0" end) fails("number has no integer representation", function() return 2^63 | 0 end)
is(1.0 | 2, 3) is(2^62 | 0, 1 << 62)
-- Equality only for two tables that are not the same; the result is a boolean.
local eq = { __eq = function(a, b) log = { a, b } return 1 end }
local a, b = operand(eq), operand(eq) is(a == b, true) is(log[1], a) is(a ~= b, false) log = nil is(a == a, true) is(log, nil) is(a == 1, false) is(log, nil)
is(a == {}, true) is({} == a, true) is(rawequal(a, b), false) is(operand { __eq = function() return nil end } == {}, false)
-- Order: mixed operands, booleans as results, no emulation of one by the other.
local lt = { __lt = function(a, b) log = { a, b } return "yes" end, __le = function(a, b) log = { a, b } return nil end }
a, b = operand(lt), operand(lt) is(a < b, true) is(log[1], a) is(a > b, true) is(log[1], b) is(a <= b, false) is(a >= b, false) is(log[1], b)
is(a < 1, true) is(1 < a, true) is(log[1], 1) is(a > 1, true) is(log[1], 1) is(1 <= a, false) is(a <= "x", false) is(a < 2.5, true) is(log[2], 2.5)
fails("attempt to compare two table values", function() return {} < {} end) fails("attempt to compare number with nil", function() return 1 < nil end)
fails("attempt to compare string with number", function() return "1" < 2 end) fails("attempt to compare two nil values", function() return nil < nil end)
is(1 < 1.5, true) is("a" < "b", true) is("Z" < "a", true) is("" < "a", true) is("a" < "a\0", true) is(math.maxinteger < math.huge, true)
is(math.maxinteger < 2^63, true) is(math.maxinteger + 0.0 == 2^63, true) is(math.maxinteger == 2^63, false) is(math.mininteger == -2^63, true) is(0 / 0 < 1, false) is(1 < 0 / 0, false) is(0 / 0 == 0 / 0, false)
-- __index: a function, a table, chains; not for what is there.
local seen = {}
local t = setmetatable({ there = 1 }, { __index = function(t, k) seen[#seen + 1] = k return k .. "!" end })
is(t.there, 1) is(t.absent, "absent!") is(#seen, 1) is(t[1], "1!") is(rawget(t, "absent"), nil) are({ "x!" }, t.x)
is(setmetatable({}, { __index = { x = 5 } }).x, 5) is(setmetatable({}, { __index = t }).y, "y!") is(setmetatable({}, { __index = "text" }).len, string.len)
fails("attempt to index a number value", function() return setmetatable({}, { __index = 5 }).x end) is(("x").len, string.len) is(("x").undefined, nil)
fails("attempt to index a nil value (local 'n')", function() local n return n.x end) fails("attempt to index a boolean value (field 'f')", function() local n = { f = true } return n.f.x end)
do local loop = {} setmetatable(loop, { __index = loop }) fails("'__index' chain too long; possible loop", function() return loop.x end) setmetatable(loop, { __newindex = loop }) fails("'__newindex' chain too long; possible loop", function() loop.x = 1 end) end
-- __newindex: a function, a table; not for what is there.
t = setmetatable({ there = 1 }, { __newindex = function(t, k, v) rawset(t, k, v * 2) end })
t.there = 5 is(t.there, 5) t.new = 5 is(t.new, 10) t.new = 7 is(t.new, 7) t.there = nil t.there = 1 is(t.there, 2)
local store = {} t = setmetatable({}, { __newindex = store }) t.x = 1 is(rawget(t, "x"), nil) is(store.x, 1) t[1] = 2 is(store[1], 2) rawset(t, "x", 3) is(t.x, 3)
fails("attempt to index a number value", function() setmetatable({}, { __newindex = 5 }).x = 1 end)
do local nan = setmetatable({}, { __newindex = function(t, k, v) log = v end }) nan[0 / 0] = "nan" is(log, "nan") nan[nil] = "nil" is(log, "nil") end
-- __call: arguments behind the object, all results, chains.
local call = setmetatable({}, { __call = function(self, ...) return self, select("#", ...), ... end })
are({ call, 0 }, call()) are({ call, 2, nil, 3, n = 4 }, call(nil, 3)) are({ call, 1, "s" }, call "s") are({ true, call, 1, 9 }, pcall(call, 9))
are({ 1, 2 }, setmetatable({}, { __call = setmetatable({}, { __call = function(_, _, ...) return ... end }) })(1, 2))
fails("attempt to call a table value (local 'none')", function() local none = {} none() end) fails("attempt to call a nil value (method 'm')", function() local o = {} o:m() end)
-- __metatable, __tostring, __name, __pairs.
local locked = setmetatable({}, { __metatable = false }) is(getmetatable(locked), false) fails("cannot change a protected metatable", setmetatable, locked, {})
is(getmetatable("").__index, string) is(getmetatable(1), nil) is(getmetatable({}), nil) fails("bad argument #2 to 'setmetatable' (nil or table expected", setmetatable, {}, 1)
is(tostring(setmetatable({}, { __tostring = function() return "text" end })), "text") fails("'__tostring' must return a string", tostring, setmetatable({}, { __tostring = function() return {} end }))
is(tostring(setmetatable({}, { __name = "Kind" })):match("^Kind: ") ~= nil, true) is(tostring(setmetatable({}, { __name = 5 })):match("^table: ") ~= nil, true)
fails("attempt to perform arithmetic on a Kind value", function() return setmetatable({}, { __name = "Kind" }) + 1 end)
are({ 1, 2, 3 }, pairs(setmetatable({}, { __pairs = function(t) return 1, 2, 3, 4 end }))) are({ nil, nil, nil, n = 3 }, pairs(setmetatable({}, { __pairs = function() end })))
-- Metatables of metatables are not asked for events; rawset makes a metamethod.
local outer = setmetatable({}, { __index = { __add = function() return "inherited" end } }) fails("arithmetic", function() return setmetatable({}, outer) + 1 end)
outer.__add = function() return "own" end is(setmetatable({}, outer) + 1, "own") rawset(outer, "__add", nil) fails("arithmetic", function() return setmetatable({}, outer) + 1 end)
