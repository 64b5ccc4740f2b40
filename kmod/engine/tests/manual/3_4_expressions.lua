-- SPDX-License-Identifier: GPL-2.0-only
-- 3.4 Expressions; 3.5 visibility.
-- Arithmetic: subtypes of results, division and modulo rules.
is(3 + 4, 7) is(3 + 4.0, 7.0) is(7 - 10, -3) is(2 * 3.5, 7.0) is(7 / 2, 3.5) is(6 / 2, 3.0) is(2 ^ 10, 1024.0) is(2 ^ -1, 0.5) is(2 ^ 0.5, math.sqrt(2)) is((-8) ^ 2, 64.0) is(-2 ^ 2, -4.0)
is(7 // 2, 3) is(-7 // 2, -4) is(7 // -2, -4) is(-7 // -2, 3) is(7.0 // 2, 3.0) is(-7 // 2.0, -4.0) is(7 % 3, 1) is(-7 % 3, 2) is(7 % -3, -2) is(-7 % -3, -1) is(7.5 % 2, 1.5) is(-7.5 % 2, 0.5) is(7.5 % -2, -0.5) is(5 % math.huge, 5.0) is(-5 % math.huge, math.huge) is(5 % -math.huge, -math.huge)
is(1 / 0, math.huge) is(-1 / 0, -math.huge) is(0 / 0 ~= 0 / 0, true) is(1 // 0.0, math.huge) is(-1 // 0.0, -math.huge) is(1 / -0.0, -math.huge) is(1 % 0.0 ~= 1 % 0.0, true) is(1.0 // 0 == math.huge, true) is(math.mininteger // -1, math.mininteger) is(math.mininteger % -1, 0) is(5.3 // 1, 5.0) is(-0.0 // 1, -0.0)
fails("attempt to divide by zero", function() return 1 // 0 end) fails("attempt to perform 'n%0'", function() return 1 % 0 end) fails("attempt to divide by zero", load "local a, b = 5, 0 return a // b") fails("attempt to perform 'n%0'", load "local a = 0 return 5 % a")
is(math.maxinteger * 1.0, 2.0^63) is(math.maxinteger // 1 | 0, math.maxinteger) is(-math.maxinteger - 1, math.mininteger) is(math.mininteger * -1, math.mininteger) is(1e15 + 0.5, 1000000000000000.5) is(0.1 + 0.2 == 0.3, false) is(3 - -3, 6) is(- -3, 3) is(-(-3), 3) is(1 - 1.0, 0.0)
-- Bitwise: 64 bits, floats with integer values, shifts of any distance.
is(0xF0 & 0x3C, 0x30) is(0xF0 | 0x0F, 0xFF) is(0xF0 ~ 0xFF, 0x0F) is(~0, -1) is(1 << 62, 4611686018427387904) is(1 << 63, math.mininteger) is(1 << 64, 0) is(1 << 100, 0) is(-1 >> 63, 1) is(-1 >> 64, 0) is(1 << -1, 0) is(2 << -1, 1) is(4 >> -1, 8) is(1 >> -63, math.mininteger) is(1 << math.mininteger, 0) is(1 >> math.mininteger, 0)
is(3.0 & 1, 1) is(2^31 | 0, 2147483648) is(-1.0 >> 60, 15) is(~3.0, -4) fails("number has no integer representation", function() return 1.5 & 1 end) fails("number has no integer representation", function() return 1 << 1e100 end) fails("number has no integer representation", function() return ~(0 / 0) end) fails("attempt to perform bitwise operation on a nil value", function() return 1 & nil end)
is(5 // 0.3, 16.0) is("0x7fffffffffffffff" + 0, math.maxinteger) is("9223372036854775808" + 0, 2.0^63) is("1e1" * 1, 10.0) is(" 0x1p4 " + 0, 16.0) fails("attempt to add a 'string' with a 'number'", function() return "1x" + 1 end) fails("attempt to add a 'string' with a 'number'", function() return "" + 1 end) fails("attempt to unm a 'string' with a 'string'", function() return -"x" end)
-- Strings in concatenation; numbers as tostring has them.
is(1 .. 2, "12") is(1.5 .. "x", "1.5x") is(2.0 .. "", "2.0") is(-0.0 .. "", "-0.0") is(1e15 .. "", "1e+15") is(1e14 .. "", "1e+14") is(2^53 .. "", "9.007199254741e+15") is(math.mininteger .. "", "-9223372036854775808") is(1e100 .. "", "1e+100") is(math.huge .. "", "inf") is(-math.huge .. "", "-inf") is((0 / 0 .. ""):match("nan"), "nan") is(0.1 .. "", "0.1") is(1 / 3 .. "", "0.33333333333333") is(123456.789e3 .. "", "123456789.0")
is("a" .. "b" .. "c" .. 1 .. 2, "abc12") fails("attempt to concatenate a nil value (global 'nothing')", function() return "x" .. nothing end) fails("attempt to concatenate a table value (local 't')", function() local t = {} return t .. "x" end) fails("attempt to concatenate a boolean value", function() return "x" .. true end)
-- Conversions of floats to integers where integers are wanted.
is(("x"):rep(2.0), "xx") is(("abc"):sub("2", 3.0), "bc") fails("number has no integer representation", string.rep, "x", 1.5) fails("number expected, got string", string.rep, "x", "y") is(#table.pack(table.unpack({ 1, 2, 3 }, 2.0)), 2) is(math.tointeger("8"), 8) is(math.tointeger(8.0), 8)
-- Equality and order.
is(1 == 1.0, true) is("1" == 1, false) is(0 == -0, true) is(0.0 == -0.0, true) is(nil == false, false) is("a" ~= "a", false) is(math.maxinteger + 0.0 == math.maxinteger, false) is(math.maxinteger < math.maxinteger + 0.0, true) is(2^53 == (1 << 53) + 1, false) is((1 << 53) + 1 > 2^53, true) is(math.mininteger <= -2^63, true) is(1 < math.huge, true) is(-math.huge < math.mininteger, true)
is("a" < "b", true) is("a" < "B", false) is("" < "a", true) is("a\0a" < "a\0b", true) is("10" < "9", true) is("\xff" > "a", true) is(not (0 / 0 >= 0), true) is(not (0 / 0 <= 0), true) is(1 <= 1.0, true) is(1 >= 1.5, false)
-- Logic: short cuts, values as they are.
is(10 or 20, 10) is(10 or error(), 10) is(nil or "a", "a") is(nil and 10, nil) is(false and error(), false) is(false and nil, false) is(false or nil, nil) is(10 and 20, 20) is(nil or false, false) is(1 and nil or 3, 3) is(not (1 and nil), true) is(nil == nil and 1 or 2, 1) is(false == nil, false) do local n = 0 local function f(v) n = n + 1 return v end local _ = f(1) and f(nil) and f(3) or f(4) is(n, 3) end
do local function b(x, y, z) return x and y or z, x or y and z, not x and y, (x or y) and z end are({ 2, 1, false, 3 }, b(1, 2, 3)) are({ 3, 3, 2, 3 }, b(nil, 2, 3)) are({ 3, nil, nil, nil, n = 4 }, b(nil, nil, 3)) are({ false, 1, false, false, n = 4 }, b(1, false, false)) end
-- Length.
is(#"", 0) is(#"\0\0\0", 3) is(#{}, 0) is(#{ 1, 2, 3 }, 3) is(#{ 1, 2, nil }, 2) is(#{ n = 1 }, 0) is(#{ [1] = 1, [2] = 2 }, 2) fails("attempt to get length of a nil value (local 'n')", function() local n return #n end)
-- Precedence and associativity.
is(2 + 3 * 4, 14) is((2 + 3) * 4, 20) is(2 ^ 3 ^ 2, 512.0) is(-3 ^ 2, -9.0) is(2 ^ -2, 0.25) is(not 1 == 2, false) is(not (1 == 2), true) is(#"ab" + 1, 3) is(-#"ab", -2) is(1 .. 2 == "12", true) is("a" .. "b" .. "c" == "abc", true) is(2 - 3 - 4, -5) is(24 / 4 / 2, 3.0) is(7 // 2 // 2, 1) is(1 + 2 < 4, true) is(1 < 2 == true, true)
is(1 | 2 ~ 3 & 4, 1 | (2 ~ (3 & 4))) is(1 << 2 + 1, 8) is(1 .. 2 + 3, "15") is((5 & 3) == 1, true) is(2 * 3 % 4, 2) is(-2 // 3, -1) is(~1 + 1, -1) is(not nil and 1, 1) is(1 or 2 and nil, 1) is(3 < 4 and 4 < 3, false) is(6 ~ 3 | 8, 13) is(1 << 1 << 1, 4) is(256 >> 1 >> 2, 32) is(- 2 ^ - 2, -0.25)
-- Constructors.
do
  local function f() return 1, 2, 3 end
  local t = { f(), f(), [10] = "x", k = "v", ["a b"] = 1; 5, f() } is(#t, 6) is(t[1], 1) is(t[2], 1) is(t[3], 5) is(t[6], 3) is(t[10], "x") is(t.k, "v") is(t["a b"], 1) is(#{ f() }, 3) is(#{ (f()) }, 1) is(#{ f(), nil }, 1) is(#{ f(), 10 }, 2)
  is(({ [1] = "a", "b" })[1], "b") is(({ 1, 2, 3, })[3], 3) is(({ { { 7 } } })[1][1][1], 7) is(next({ nil, nil }), nil) is(next({ x = nil }), nil) t = { x = 1, x = 2 } is(t.x, 2) is(select("#", table.unpack({ nil, nil, 3 }, 1, 3)), 3) fails("index is nil", function() return { [nil] = 1 } end) fails("index is NaN", function() return { [0 / 0] = 1 } end)
  local big = {} for i = 1, 300 do big[i] = "f" .. i end local many = load("return {" .. table.concat(big, ",") .. "}", "c", "t", setmetatable({}, { __index = function(_, k) return k end }))() is(#many, 300) is(many[300], "f300") wrong("t = { 1 2 }", "'}' expected near '2'") wrong("t = { a = }", "unexpected symbol near '}'") wrong("t = {,}", "unexpected symbol near ','")
  local function va(...) return { ..., "last" }, { "first", ... } end local a, b = va(1, 2, 3) is(#a, 2) is(#b, 4) a, b = va() is(#b, 1)
end
-- Calls: arguments, adjusting, methods, tail calls.
do
  local function count(...) return select("#", ...) end local function f() return 1, 2, 3 end
  is(count(), 0) is(count(nil), 1) is(count(f()), 3) is(count(f(), f()), 4) is(count((f())), 1) is(count(f(), 10), 2) is(count(nil, nil), 2) is(count(count()), 1) is(count "x", 1) is(count {}, 1) is(count [[x]], 1) is(count((...)), 1)
  local o = { v = 5, get = function(self, n) return self.v, n end } are({ 5, 2 }, o:get(2)) are({ 5, nil, n = 2 }, o:get()) are({ 5, "s" }, o:get "s") is(("x"):rep(3), "xxx") is(("%d"):format(5), "5") is(#("abc"):upper(), 3)
  local function tail(n) if n == 0 then return "done" end return tail(n - 1) end is(tail(100000), "done") local function even(n) if n == 0 then return true end return (function(m) return even(m) end)(n - 1) end is(even(50000), true) local ok = pcall(function() local function deep() return 1 + deep() end return deep() end) is(ok, false)
  local function all(...) local a, b = ... return a, b, ... end are({ 1, 2, 1, 2, 3 }, all(1, 2, 3)) are({ nil, nil, n = 2 }, all()) are({ 1 }, (function(...) return (...) end)(1, 2)) are({ nil, n = 1 }, (function(...) return (...) end)()) is((function(a, b, ...) return select("#", ...) end)(1, 2, 3, 4), 2) is((function(a, b) return b end)(1), nil) is((function(a) return a end)(1, 2), 1)
  local log = {} local function ev(x) log[#log + 1] = x return x end local _ = { ev(1), ev(2), x = ev(3) } ev(4) is(table.concat(log), "1234") local function order(...) return ... end order(ev("a"), ev("b"), ev("c")) is(table.concat(log), "1234abc")
  wrong("f(1,)", "unexpected symbol near ')'") wrong("f(", "unexpected symbol near <eof>") wrong("return function(a, 1) end", "<name> or '...' expected near '1'") wrong("return function(..., a) end", "')' expected near ','") wrong("function f() return ... end", "cannot use '...' outside a vararg function near '...'") wrong("function a.b:c.d() end", "'(' expected near '.'") wrong("x = function f() end", "'(' expected near 'f'")
end
-- Function definitions: all forms, parameters are locals, closures share variables, recursion of local functions.
do
  local t = { a = { b = {} } } function t.a.b.f(x) return x end function t.a.b:m(x) return self, x end is(t.a.b.f(3), 3) is(t.a.b:m(4), t.a.b) local function fact(n) return n <= 1 and 1 or n * fact(n - 1) end is(fact(10), 3628800) local rec = function() return rec end is(rec(), nil)
  local function counter() local n = 0 return function() n = n + 1 return n end, function() return n end end local inc, get = counter() inc() inc() is(get(), 2) local inc2, get2 = counter() is(get2(), 0) inc2() is(get2(), 1) is(get(), 2)
  local fs = {} for i = 1, 3 do local j = i * 10 fs[i] = function(d) j = j + (d or 0) return i, j end end are({ 1, 11 }, fs[1](1)) are({ 1, 11 }, fs[1]()) are({ 2, 20 }, fs[2]()) local function shadow(x) local x = x or "default" do local x = "inner" end return x end is(shadow(), "default") is(shadow(1), 1)
  local function deep1() local a = 1 return function() local b = 2 return function() local c = 3 return function() a, b, c = a + 1, b + 1, c + 1 return a + b + c end end end end local d = deep1()()() is(d(), 9) is(d(), 12)
end
-- Limits of one function are told.
do
  local function names(n) local r = {} for i = 1, n do r[i] = "v" .. i end return table.concat(r, ",") end is(run("local " .. names(200) .. " = 1 return v1"), 1) wrong("local " .. names(201), "too many local variables (limit is 200) in main function near") wrong("return " .. ("("):rep(250) .. "1" .. (")"):rep(250), "C stack overflow") is(run("return " .. ("("):rep(150) .. "1" .. (")"):rep(150)), 1)
  wrong("local a" .. (" do"):rep(300), "C stack overflow") is(value(("-"):rep(0) .. ("not "):rep(100) .. "1"), true) is(#value("'" .. ("x"):rep(70000) .. "'"), 70000) is(value(("1 + "):rep(5000) .. "1"), 5001) is(#value(("'a' .. "):rep(150) .. "'b'"), 151) wrong("x = " .. ("{"):rep(250), "C stack overflow") wrong(("f("):rep(250), "C stack overflow")
end
