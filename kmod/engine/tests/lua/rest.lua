-- SPDX-License-Identifier: GPL-2.0-only
-- utf8
local U = {"", "a", "aé", "日本語", "\u{10FFFF}", "\u{7FFFFFFF}", "\xff", "a\x80", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "é\xcc", "ab\xe6\x97"}
for _, s in ipairs(U) do
  for _, lax in ipairs{false, true} do
    call("len", utf8.len, s, 1, -1, lax) call("cp", utf8.codepoint, s, 1, -1, lax)
    call("codes", function() local r = {} for p, c in utf8.codes(s, lax) do r[#r + 1] = p .. ":" .. c end return table.concat(r, " ") end)
  end
  for i = -4, 5 do call("len", utf8.len, s, i) call("cp", utf8.codepoint, s, i) for j = -3, 4 do call("offset", utf8.offset, s, j, i) call("len", utf8.len, s, i, j) end end
  for j = -3, 4 do call("offset", utf8.offset, s, j) end
end
call("char", utf8.char) call("char", utf8.char, 65, 0xe9, 0x20ac, 0x10ffff, 0x7fffffff) call("char", utf8.char, -1) call("char", utf8.char, 1 << 31) call("char", utf8.char, "x")
print(show(utf8.charpattern)) call("codes", utf8.codes) call("offset", utf8.offset, "x") for _, c in utf8.codes("aé") do print(c) end
for i = 0, 31 do call("enc", utf8.char, (1 << i) - 1, 1 << i == 1 << 31 and 0 or 1 << i) end
-- coroutine
local function gen(n) return coroutine.wrap(function() for i = 1, n do coroutine.yield(i) end return "end" end) end
local g = gen(3) print(g(), g(), g(), g()) print(pcall(g))
local co = coroutine.create(function(a, b) print("start", a, b) local c = coroutine.yield(a + b) print("got", c) local d, e = coroutine.yield(c * 2) error({code = d + e}) end)
print(coroutine.resume(co, 1, 2)) print(coroutine.status(co)) print(coroutine.resume(co, 10)) local ok, err = coroutine.resume(co, 3, 4) print(ok, type(err), err.code, coroutine.status(co)) print(coroutine.resume(co))
print(coroutine.isyieldable(), coroutine.wrap(function() return coroutine.isyieldable() end)()) print(select(2, coroutine.running()), coroutine.wrap(function() return select(2, coroutine.running()) end)())
call("create", coroutine.create) call("create", coroutine.create, 1) call("resume", coroutine.resume, 1) call("status", coroutine.status, {}) call("wrap", coroutine.wrap) call("yield", coroutine.yield, 1)
print(coroutine.resume(coroutine.running())) print(coroutine.status(coroutine.running())) print(coroutine.wrap(function(m) return coroutine.status(m) end)(coroutine.running()))
local c2; c2 = coroutine.create(function() print(coroutine.status(c2), coroutine.resume(c2)) local c3 = coroutine.create(function() return coroutine.status(c2) end) print(coroutine.resume(c3)) end) coroutine.resume(c2)
print(coroutine.close(coroutine.create(print))) local cc = coroutine.create(function() local x <close> = setmetatable({}, {__close = function(_, e) print("closed", e) end}) coroutine.yield() end) coroutine.resume(cc) print(coroutine.close(cc), coroutine.status(cc))
local cd = coroutine.create(function() local x <close> = setmetatable({}, {__close = function(_, e) print("closing", e) error("again", 0) end}) coroutine.yield() end) coroutine.resume(cd) print(coroutine.close(cd)) print(coroutine.close(cd))
print(coroutine.close(coroutine.wrap and coroutine.create(function() error("x", 0) end))) local ce = coroutine.create(function() error("dead", 0) end) coroutine.resume(ce) print(coroutine.close(ce)) print(coroutine.close(ce))
print(pcall(coroutine.close, coroutine.running())) local w = coroutine.wrap(function() error("oops") end) print(pcall(w)) local w2 = coroutine.wrap(function() error({}) end) print(pcall(function() return type(select(2, pcall(w2))) end))
print(pcall(coroutine.wrap(function() return pcall(function() coroutine.yield(1) error("in", 0) end) end))) local cp = coroutine.create(function() return pcall(function() local v = coroutine.yield("y") error(v, 0) end) end) print(coroutine.resume(cp)) print(coroutine.resume(cp, "boom"))
local ci = coroutine.wrap(function() for k, v in pairs(setmetatable({}, {__pairs = function() coroutine.yield("p") return next, {1}, nil end})) do coroutine.yield(k, v) end end) print(ci()) print(ci())
local cm = coroutine.wrap(function() local t = setmetatable({}, {__add = function(a, b) return coroutine.yield("add") end, __index = function(_, k) return coroutine.yield("idx" .. k) end}) return t + 1, t.x, t < t end) print(cm()) print(cm(5)) print(pcall(cm, 6))
-- os
print(os.time{year = 2000, month = 1, day = 1, hour = 0}, os.time{year = 2024, month = 2, day = 30}, os.time{year = 1970, month = 1, day = 1, hour = 0}, os.time{year = 2023, month = 14, day = -3, hour = 25, min = 61, sec = 61})
for _, t in ipairs{0, 86399, 951782400, 951868800, 1704067200, 1709251199, 4102444800, 1230768000, -1, -86400 * 366, 253402300799} do
  for _, f in ipairs{"%Y-%m-%d %H:%M:%S", "!%c", "%x %X %p", "%a %A %b %B %d %e %j %U %w %W %V %G %g %u %y %C", "%D %F %R %T %r %h %n%t%%", "%I %M %S %Ec %Od %EY %Ox"} do call("date", os.date, "!" .. f:gsub("^!", ""), t) end
  local d = os.date("!*t", t) print(d.year, d.month, d.day, d.hour, d.min, d.sec, d.wday, d.yday, d.isdst)
end
call("time", os.time, {}) call("time", os.time, {year = 2000}) call("time", os.time, {year = 2000, month = "x", day = 1}) call("time", os.time, {year = 2000, month = 1.5, day = 1}) call("time", os.time, {year = 1 << 40, month = 1, day = 1}) call("time", os.time, 1)
call("date", os.date, "%") call("date", os.date, "%Q") call("date", os.date, "%E") call("date", os.date, "%Ez") call("date", os.date, "x", "y") call("date", os.date, "*t", 1 << 60)
local t = {year = 2023, month = 13, day = 1} os.time(t) print(t.year, t.month, t.day, t.hour, t.min, t.sec, t.wday, t.yday, t.isdst)
print(type(os.time()), type(os.clock()), type(os.date()), os.difftime(10, 4)) print(type(debug.traceback("m")), debug.traceback({}) ~= nil, debug.traceback("msg"):match("^msg\nstack traceback:\n") ~= nil, debug.traceback(nil) ~= nil)
