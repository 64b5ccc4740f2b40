-- SPDX-License-Identifier: GPL-2.0-only
local S = {"", "a", "abc", "hello world", "a\0b", "\255\1", ("x"):rep(60), "12", "%d"}
local N = {0, 1, -1, 2, -2, 3, 100, -100, math.maxinteger, math.mininteger, 1.0, 2.5, "2", "x", nil}
for _, s in ipairs(S) do
  call("len", string.len, s) call("lower", string.lower, s:upper()) call("upper", string.upper, s) call("reverse", string.reverse, s)
  for i = 1, 15 do
    call("sub", string.sub, s, N[i]) call("byte", string.byte, s, N[i])
    for j = 1, 15 do call("sub2", string.sub, s, N[i], N[j]) call("byte2", string.byte, s, N[i], N[j]) end
  end
end
for _, n in ipairs{0, 1, 2, 5, -1, 1.5, "3", 1 << 40, 1 << 62} do
  call("rep", string.rep, "ab", n) call("rep", string.rep, "a", n, ",") if n ~= 1 << 40 and n ~= 1 << 62 then call("rep", string.rep, "", n) call("rep", string.rep, "", n, "") end
end
call("rep", string.rep) call("rep", string.rep, "x") call("rep", string.rep, {}, 1) call("rep", string.rep, "x", 3, {})
call("char", string.char) call("char", string.char, 0, 65, 255) call("char", string.char, 256) call("char", string.char, -1) call("char", string.char, "65", "x")
call("len", string.len) call("len", string.len, 12) call("len", string.len, nil) call("method", function() return ("x"):bad() end)
call("method", function() return ("x"):rep({}) end) call("method", function() return ("x").rep(nil, 1) end) call("number", function() return (5):rep(2) end)
call("index", function() return ("abc").len == string.len, #"abc", ("x")[1] end)
local P = {"a", "b*", ".-b", "(a)(b)", "^a", "b$", "%w+", "()", "(%w)%1", "%b()", "[a-c]+", "x", "", "^", "$", "%", "[", "(", "%f[%w]%w+", ".", "(.)(.)(.)", "%g", "a-", "(()a)"}
local T = {"", "a", "ab", "aab", "abab", "hello abba", "(x(y)z)", "  ab12  ", "aaa\0bbb", "xyz"}
for _, t in ipairs(T) do
  for _, p in ipairs(P) do
    call("find", string.find, t, p) call("match", string.match, t, p) call("find3", string.find, t, p, 2) call("match-", string.match, t, p, -2)
    call("findp", string.find, t, p, 1, true)
    call("gmatch", function() local r = {} for a, b, c in string.gmatch(t, p) do r[#r + 1] = show(a) .. show(b) .. show(c) end return table.concat(r, ";") end)
    for _, r in ipairs{"", "x", "<%0>", "%1", "%1%2", "%%", "%9", "%", "%a", "[%0%0]"} do call("gsub", string.gsub, t, p, r) end
    call("gsubn", string.gsub, t, p, "x", 1) call("gsub0", string.gsub, t, p, "x", 0) call("gsub-", string.gsub, t, p, "x", -1)
    call("gsubf", string.gsub, t, p, function(...) return select("#", ...) end) call("gsubf", string.gsub, t, p, function(a) return a end)
    call("gsubt", string.gsub, t, p, {a = "A", b = true, ab = 12, [1] = "one", x = false})
    call("gsubm", string.gsub, t, p, setmetatable({}, {__index = function(_, k) return "<" .. tostring(k) .. ">" end}))
  end
end
call("gsub", string.gsub) call("gsub", string.gsub, "a") call("gsub", string.gsub, "a", "a") call("gsub", string.gsub, "a", "a", nil) call("gsub", string.gsub, "a", "a", true)
call("gsub", string.gsub, "abc", "%w", function() return {} end) call("gsub", string.gsub, "abc", "%w", function() error("inside", 0) end)
call("gsub", string.gsub, "abc", "%w", {a = {}}) call("gsub", string.gsub, "a1", "%d", 7) call("gsub", string.gsub, 123, 2, 9)
call("find", string.find) call("find", string.find, "a") call("find", string.find, "abc", "b", 10) call("find", string.find, "abc", "", 4) call("find", string.find, "abc", "", 5)
call("find", string.find, "a.b", ".", 1, true) call("find", string.find, "abc", "b", "x") call("find", string.find, "a\0b", "\0")
call("gmatch", function() local r = {} for w in ("one two"):gmatch("%a+", 3) do r[#r + 1] = w end return table.concat(r, ",") end)
call("gmatch", string.gmatch, "a") call("gmatch", function() for k, v in ("a=1, b=2"):gmatch("(%w+)=(%w+)") do print(k, v) end end)
call("deep", string.find, ("a"):rep(300), ("a?"):rep(250)) call("caps", string.find, "a", ("()"):rep(33))
-- More matches than are looked for at once, with what stops them in between.
do
  local long = ("ab, cd  e"):rep(9)
  for _, p in ipairs{"%a", "%a*", "%s*", "()%a", "(%a)(%a?)", ".-", "%f[%a]", "", "x*", "[^,]+", "%a%b,d", "^%a", "a[", "%a%", "ab%1", "b(c"} do
    for _, r in ipairs{"", "-", "<%0>", "%1", "%", "a longer replacement than what it stands for"} do call("gsub many", string.gsub, long, p, r) end
    for n = 14, 18 do call("gsub n", string.gsub, long, p, "+", n) call("gsub nt", string.gsub, long, p, { a = "A", e = false, [1] = 1 }, n) end
    call("gsub table", string.gsub, long, p, { a = "A", b = 2, c = 2.5, d = false, [""] = "empty", ab = "AB" })
    local told = {}
    call("gsub f", string.gsub, long, p, function(...) told[#told + 1] = table.concat({ tostring(...) }, ",") return nil end) call("told", table.concat, told, " ")
  end
  call("gsub wrong late", string.gsub, ("a"):rep(20), "a", setmetatable({}, { __index = function(_, k) return k:upper() end }))
  call("gsub wrong late", string.gsub, ("a"):rep(20) .. "b", "%a", { a = "x", b = {} })
end
