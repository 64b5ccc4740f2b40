-- SPDX-License-Identifier: GPL-2.0-only
-- 3.1 Lexical conventions; 3.2 variables.
-- Reserved words are no names; case counts.
for word in ("and break do else elseif end false for function goto if in local nil not or repeat return then true until while"):gmatch("%a+") do
  wrong("local " .. word .. " = 1", word == "function" and "near '='" or "near '" .. word .. "'") is(run("local " .. word:upper() .. "1 = 2 return " .. word:upper() .. "1"), 2)
end
is(run("local _, _1a, A_b9 = 1, 2, 3 return _ + _1a + A_b9"), 6) wrong("local 1a = 1", "malformed number near '1a'") wrong("local \xe4 = 1", "<\\228>") wrong("x = @", "unexpected symbol near '@'")
wrong("x = $", "unexpected symbol near '$'") wrong("x ! y", "near '!'") wrong("a = \\", "near '\\'")
-- Escapes.
is("\a\b\f\n\r\t\v\\\"\'", string.char(7, 8, 12, 10, 13, 9, 11, 92, 34, 39)) is("a\
b", "a\nb") is("\z
     joined \z   here", "joined here") is("\x41\x7a\xfF", "Az\255") is("\65\066\10\0671", "AB\nC1") is("\0", string.char(0)) is("\u{0}\u{41}\u{7FF}\u{FFFF}\u{10FFFF}", "\0A\xdf\xbf\xef\xbf\xbf\xf4\x8f\xbf\xbf")
is("\u{7FFFFFFF}", "\xfd\xbf\xbf\xbf\xbf\xbf") is('"', "\"") is('\'', "'") is("\u{0000041}", "A")
wrong([[x = "\q"]], [[invalid escape sequence near '"\q']]) wrong([[x = "\x4"]], "hexadecimal digit expected") wrong([[x = "\x4g"]], "hexadecimal digit expected near '\"\\x4g'")
wrong([[x = "\300"]], "decimal escape too large near '\"\\300\"'") wrong([[x = "\u41"]], "missing '{'") wrong([[x = "\u{41"]], "missing '}'") wrong([[x = "\u{80000000}"]], "UTF-8 value too large") wrong([[x = "\u{}"]], "hexadecimal digit expected")
wrong("x = 'a\nb'", "unfinished string near ''a'") wrong("x = 'a", "unfinished string near <eof>") wrong("x = \"\\", "unfinished string")
is(value("'a\\\rb'"), "a\nb") is(value("'a\\\r\nb'"), "a\nb") is(value("'a\\\n\rb'"), "a\nb")
-- Long brackets: no escapes, a first line end is skipped, line ends become \n.
is([[]], "") is([[a]], "a") is([==[a]]b]=]c]==], "a]]b]=]c") is([[
x]], "x") is([[

x]], "\nx") is([[\n\x]], "\\n\\x") is(value("[[a\rb\r\nc\n\rd\n\ne]]"), "a\nb\nc\nd\n\ne") is(value("[=[\r\n\r\nx]=]"), "\nx") is([=[[[]]]=], "[[]]") is(#[[[]], 1)
wrong("x = [[a", "unfinished long string (starting at line 1) near <eof>") wrong("x = [==[a]=]", "unfinished long string") wrong("x = [=a", "invalid long string delimiter near '[='") wrong("--[[ x", "unfinished long comment")
-- Comments.
is(run("--\nreturn 1 -- one"), 1) is(run("--[[ x\ny ]] return 2"), 2) is(run("--[==[ ]] ]=]\n]==]return 3"), 3) is(run("--[ x\nreturn 4"), 4) is(run("return 5 --"), 5) is(run("--[=x\nreturn 6"), 6) is(run("---[[ x\nreturn 7"), 7)
-- Numerals.
is(3, 03) is(0xff, 255) is(0XA, 10) is(0xBEBADA, 12499674) is(3.0, 3e0) is(3.1416e2, 314.16) is(314.16e-2, 3.1416) is(0.31416E1, 3.1416) is(34e1, 340.0) is(.5, 0.5) is(5., 5.0) is(5.e1, 50.0) is(0e12, 0.0)
is(0x0.1E, 0.1171875) is(0xA23p-4, 162.1875) is(0X1.921FB54442D18P+1, 3.141592653589793) is(0x.8, 0.5) is(0x8., 8.0) is(0xap1, 20.0) is(0x1p-1074, 5e-324) is(0x1p-2000, 0.0) is(1e-400, 0.0) is(1e400, math.huge)
is(9223372036854775807, math.maxinteger) is(9223372036854775808, 2.0^63) is(0x7fffffffffffffff, math.maxinteger) is(0xffffffffffffffff, -1) is(0x1ffffffffffffffff, -1) is(100000000000000000000, 1e20)
is(0x123456789abcdef01, 0x23456789abcdef01) is(1//1, 1) is(2^-1074, 5e-324) is(4.9406564584124654e-324, 5e-324) is(1.7976931348623157e308 < math.huge, true) is(123456789012345678, 123456789012345678)
for _, bad in ipairs { "1e", "1e+", "0x", "0xp1", "1..2", "0x1p", "1.2.3", "3x", "0xg", "1e5.5", "0x1.8.8", "1_000", "08a", "1ee5" } do wrong("return " .. bad, "malformed number near '") end
is(value("3-1"), 2) is(value("0xe+1"), 15) is(value("0x1e-1"), 29) is(value("1 ..2"), "12") is(value("3--\n"), 3)
-- White space of every kind; tokens need none between them.
is(run("\t\v\f\r\nlocal\ta=1;return\fa"), 1) is(run"local t={f=function()return 7 end}return t.f()", 7) is(run"return#{1,2}//-1", -2)
is(value("1~=2"), true) is(value("1~ -1"), -2) is(value("2<<1>>1"), 2) is(value("1<2==true"), true) is(value("not nil==true"), true) is(value("2//1*3%2"), 0) is(value("...and 1 or 2"), 2)
-- Variables: globals, locals, fields; index expressions.
local t = { x = { y = { z = 1 } } } is(t.x.y.z, 1) is(t["x"]["y"].z, 1) is(t . x . y ["z"], 1) is(({ 1, 2 })[2], 2) is(("abc"):upper(), "ABC") is(#"abc", 3) is(t
.x
.y.z, 1) is((t).x.y.z, 1)
wrong("1 = 2", "unexpected symbol near '1'") wrong("f() = 1", "syntax error near '='") wrong("(a) = 1", "syntax error near '='") wrong("a.b:c = 1", "function arguments expected near '='") wrong("'x'.y = 1", "unexpected symbol near ''x''") wrong("x.1 = 1", "syntax error near '.1'")
wrong("local x.y = 1", "near '.'") wrong("a.1", "near '.1'") wrong("a.'x'", "<name> expected near ''x''")
