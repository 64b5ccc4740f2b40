-- SPDX-License-Identifier: GPL-2.0-only
local F = {"b", "B", "h", "H", "i", "I", "i1", "i3", "I7", "i8", "i9", "i16", "i17", "i0", "l", "L", "j", "J", "T", "f", "d", "n", "s", "s1", "s2", "z", "c0", "c5", "c", "x", "X", "Xi4", "Xb", "Xz", "Xc1", "!", "!3i4", "!4i8", "!8i8", "<i4", ">i4", "=i4", "<!4 b i8", ">!2 b i8 x", "!4 b Xi4", "bxb", "b Xd b", "!8 b Xd", "y", "i99", "i100000000000000000000", "!16 b i16", " ", "", "bb", "<h>h=h", "s4b", "zB", "f<d>d"}
local V = {0, 1, -1, 127, 128, 255, 256, -128, -129, 65535, 2^31, math.maxinteger, math.mininteger, 1.5, "3", "abc", "", "toolong", "a\0b", 1e39}
for _, f in ipairs(F) do
  call("size " .. f, string.packsize, f)
  for _, v in ipairs(V) do
    call(f, string.pack, f, v) call(f, string.pack, f, v, 7, 9)
    local ok, s = pcall(string.pack, f, v, 7, 9)
    if ok then call("un " .. f, string.unpack, f, s) call("un2 " .. f, string.unpack, f, s, 2) call("un- " .. f, string.unpack, f, s, -1) end
  end
  call(f, string.pack, f) call(f, string.unpack, f, "") call(f, string.unpack, f, ("\255"):rep(40)) call(f, string.unpack, f, ("\1\2\3\4"):rep(10), 3) call(f, string.unpack, f, "abc", 5) call(f, string.unpack, f, "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0")
end
call("pack", string.pack) call("unpack", string.unpack, "b") call("unpack", string.unpack, "b", "x", 10) call("nul", string.pack, "b\0b", 1, 2)
local seed = 7
local function rnd(n) seed = (seed * 1103515245 + 12345) % 2147483648 return seed // 65536 % n end
local O = {"b", "B", "h", "H", "i3", "I5", "i8", "j", "d", "f", "s1", "z", "c4", "x", "<", ">", "!4", "!8", "Xi4", " "}
for i = 1, 1500 do
  local f, a = {}, {}
  for j = 1, 1 + rnd(6) do
    local o = O[1 + rnd(#O)]
    f[#f + 1] = o
    local c = o:sub(1, 1)
    if c == "s" or c == "z" or c == "c" then a[#a + 1] = ("abcdef"):sub(1, rnd(5))
    elseif c == "d" or c == "f" then a[#a + 1] = rnd(1000) / 8
    elseif c:match("[bBhHiIj]") then a[#a + 1] = rnd(300) - 100 end
  end
  local fmt = table.concat(f)
  call(fmt, string.pack, fmt, table.unpack(a))
  local ok, s = pcall(string.pack, fmt, table.unpack(a))
  if ok then call("un " .. fmt, string.unpack, fmt, s) end
end
-- Wider than an integer.
for n = 9, 16 do for _, e in ipairs { "<", ">" } do for _, v in ipairs { -1, -2, 1, math.mininteger } do
  call("wide", string.pack, e .. "I" .. n, v) call("wide", string.pack, e .. "i" .. n, v)
  call("wide", string.unpack, e .. "I" .. n, string.pack(e .. "I" .. n, v)) call("wide", string.unpack, e .. "i" .. n, string.pack(e .. "I" .. n, v)) end end end
