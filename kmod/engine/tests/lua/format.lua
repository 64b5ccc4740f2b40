-- SPDX-License-Identifier: GPL-2.0-only
local F = {"%d", "%5d", "%-5d|", "%05d", "%+d", "% d", "%.3d", "%i", "%u", "%o", "%x", "%X", "%#x", "%#o", "%c", "%e", "%.3e", "%E", "%f", "%.0f", "%10.2f", "%-10.2f|", "%g", "%.3g", "%#g", "%G", "%a", "%.2a", "%A", "%s", "%10s", "%-10s|", "%.2s", "%.s", "%q", "%%", "%", "%y", "%5", "%.", "%.123d", "%123d", "%0.5s", "%#d", "%5%", "%5.5q", "%-+ #05.3f", "%5.3c", "%10c", "%.20s", "%99d", "%100d", "%.99f", "%.100f", "%------------------------d", "%F", "%p", "%lld", "%-5c|", "% x", "%+x", "%010.3d", "%.0d", "%#.0f", "%#x"}
local V = {0, 1, -1, 42, 65, 3.0, 3.5, -0.0, 1e100, 1/0, -1/0, 0/0, math.mininteger, math.maxinteger, "12", "text", "a\0b", "quote\"\n\r\\\0001\1x", true, false, 2^63, 123456789.125, 0.1, 1e-310}
for _, f in ipairs(F) do
  for _, v in ipairs(V) do
    if not (f == "%p" and type(v) == "string") then call(f, string.format, f, v) end
  end
  call(f, string.format, f) call(f, string.format, f, nil)
end
call("many", string.format, "%d %s %5.1f|%-4s|%q", 1, "two", 3.14159, "x", "y\nz") call("few", string.format, "%d %d", 1) call("none", string.format)
call("ts", string.format, "%s|%5s|%s", setmetatable({}, {__tostring = function() return "T" end}), setmetatable({}, {__tostring = function() return "U" end}), nil)
call("ts", string.format, "%s", setmetatable({}, {__tostring = function() return {} end})) call("tsz", string.format, "%5s", "a\0b") call("long", string.format, "%s", ("x"):rep(200))
call("long", string.format, "%20s", ("x"):rep(200)) call("long", string.format, "%.150s", "y") call("q", string.format, "%q", print) call("q", string.format, "%q", 1/3) call("num", string.format, 5)
call("q", string.format, "%q", math.mininteger) call("q", string.format, "%q", 255) call("q", string.format, "%q", 1e300) call("q", string.format, "%q", "\r\0009\127\200")
local seed = 1
local function rnd(n) seed = (seed * 1103515245 + 12345) % 2147483648 return seed // 65536 % n end
for i = 1, 1500 do
  local parts, args = {}, {}
  for j = 1, 1 + rnd(3) do
    local flags = ({"", "-", "0", "+", " ", "#", "-+", "0+"})[1 + rnd(8)]
    local width = ({"", "", "3", "12"})[1 + rnd(4)]
    local prec = ({"", "", ".0", ".5", ".17"})[1 + rnd(5)]
    local conv = ("dxgefsaoXGE"):sub(1 + rnd(11), -1):sub(1, 1)
    parts[#parts + 1] = "%" .. flags .. width .. prec .. conv
    local v = rnd(100000) - 50000
    if conv ~= "d" and conv ~= "x" and conv ~= "o" and conv ~= "X" and rnd(2) == 1 then v = v / 7 * 2.0 ^ (rnd(120) - 60) end
    args[#args + 1] = v
  end
  call("r", string.format, table.concat(parts, "<>"), table.unpack(args))
end
-- Messages show bytes as they are.
call("bytes", string.format, "%\xff", 1) call("bytes", string.format, "%\xe4\xb8\xad", 1) call("bytes", string.pack, "\x8b", 1) call("bytes", string.format, "%\xf4\x8f\xbc\xbf", 1)
