-- SPDX-License-Identifier: GPL-2.0-only
-- 2.1 Values and types; 2.2 environments; 2.3 error handling.
for _, pair in ipairs { { "nil" }, { "boolean", true }, { "number", 1 }, { "number", 1.5 }, { "string", "" }, { "function", print },
  { "function", function() end }, { "thread", coroutine.create(print) }, { "table", {} } } do is(type(pair[2]), pair[1]) end
fails("bad argument #1 to 'type' (value expected)", type)
-- nil and false are false, all else is true.
is(not nil, true) is(not false, true) is(not 0, false) is(not "", false) is(not 0.0, false) is(not {}, false)
-- Integers are 64 bits and wrap around; floats are doubles.
is(math.maxinteger, 0x7fffffffffffffff) is(math.mininteger, -0x8000000000000000) is(math.maxinteger + 1, math.mininteger)
is(math.mininteger - 1, math.maxinteger) is(math.maxinteger * 2, -2) is(-math.mininteger, math.mininteger) is(0x10000000000000000, 0)
is(math.type(1), "integer") is(math.type(1.0), "float") is(math.type("1"), nil) is(1e308 * 10, math.huge) is(-1e308 * 10, -math.huge)
is(1 == 1.0, true) is(math.type(2^53), "float") is(2^53 == 2^53 + 1, true) is(1 << 53 == (1 << 53) + 1, false) is((1 << 53) + 1 == 2^53, false)
-- Strings are bytes, zero included, and immutable.
is(#"\0\0", 2) is("a\0b" == "a\0c", false) is("a\0b" < "a\0c", true) is(#"\u{7FFFFFFF}", 6) is(("\xff\xfe"):byte(2), 254)
-- Any value but nil and NaN is a key; a float with an integer value is that integer.
local t = {}
t[1.0] = "a" is(t[1], "a") is(next(t), 1) is(math.type(next(t)), "integer") t[2^53] = "b" is(t[1 << 53], "b")
t[-0.0] = "zero" is(t[0], "zero") t["1"] = "string" is(t[1], "a") is(t["1"], "string")
fails("index is nil", function() t[nil] = 1 end) fails("index is NaN", function() t[0 / 0] = 1 end)
is(t[nil], nil) is(t[0 / 0], nil) t[1.5] = 3 is(t[1.5], 3) t[true] = 4 is(t[true], 4) t[t] = 5 is(t[t], 5) t[print] = 6 is(t[print], 6)
is(rawequal(t, t), true) is({} == {}, false)
fails("index is nil", rawset, t, nil, 1) fails("index is NaN", rawset, t, 0 / 0, 1) is(rawget(t, nil), nil)
-- A field that is nil is not there.
t = { x = 1 } t.x = nil is(next(t), nil) t.y = nil is(next(t), nil)
-- Objects are references.
local a = {} local b = a b.x = 1 is(a.x, 1) local function same(v) return v end is(same(a), a)
-- Environments: a free name is a field of _ENV, which is a name like others.
is(_G._G, _G) is(_ENV, _G)
X1 = 7 is(_G.X1, 7) is(_ENV.X1, 7) _G.X1 = nil is(X1, nil)
do local _ENV = { is = is, y = 2 } is(y, 2) z = 3 is(_ENV.z, 3) end
is(z, nil)
do local function f(_ENV) return name end is(f { name = "n" }, "n") end
is(load("x = 5 return _ENV", "=code", "t", t)(), t) is(t.x, 5) is(load("return x", "c", "t", { x = "other" })(), "other")
is(load("local _ENV = { v = 8 } return v")(), 8) is(load("return _ENV", "c", "t", 123)(), 123)
fails("attempt to index a number value (upvalue '_ENV')", load("return v", "c", "t", 123))
fails("global 'undefined_one'", function() undefined_one() end) fails("field 'deeper'", function() local v = {} return v.deeper.x end)
-- Errors: any value, caught by pcall and xpcall.
are({ false, t }, pcall(error, t)) are({ false, nil, n = 2 }, pcall(error)) are({ false, 5 }, pcall(error, 5)) are({ false, false }, pcall(error, false))
are({ false, "code:1: e" }, pcall(load("error('e')", "=code"))) are({ false, "e" }, pcall(error, "e", 0))
are({ false, "code:2: e" }, pcall(load("local function f() error('e', 2) end\nf()", "=code")))
are({ true }, pcall(function() end)) are({ true, 1, nil, 3, n = 4 }, pcall(function() return 1, nil, 3 end)) are({ true, 4, 5 }, pcall(select, 2, 3, 4, 5))
are({ false, "handled e" }, xpcall(error, function(m) return "handled " .. m end, "e"))
are({ false, "handled", n = 2 }, xpcall(error, function(m) return "handled", "dropped" end, "e"))
are({ true, 3, 4 }, xpcall(function(...) return ... end, print, 3, 4))
do -- The handler runs where the error was raised.
  local depth = 0
  local function deep(n) if n > 0 then deep(n - 1) else error("bottom") end end
  xpcall(deep, function() while debug.getinfo(depth + 1, "l") do depth = depth + 1 end end, 20) is(depth > 20, true)
end
are({ true, false, nil, n = 3 }, pcall(pcall, error)) are({ false, "again" }, xpcall(error, function(m) if m == "first" then error("second", 0) end return "again" end, "first"))
fails("value expected", pcall) fails("bad argument #2 to 'xpcall' (function expected, got no value)", xpcall, print)
is(select("#", pcall(error)), 2) fails("assertion failed!", assert, false) fails("told", assert, nil, "told") fails("value expected", assert)
are({ false, t }, pcall(assert, false, t)) are({ 1, 2, 3 }, assert(1, 2, 3))
