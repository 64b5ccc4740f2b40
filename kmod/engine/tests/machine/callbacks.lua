-- SPDX-License-Identifier: GPL-2.0-only
-- Functions that the machine calls by a short way: metamethods, pcall, comparison functions, iterators,
-- tail calls; each in every way in which it can end.

-- What a metamethod's function may be: it returns nothing, one value, several, by a tail call of a Lua and
-- of a native function, with varargs; it is a native function; it calls itself; it has many parameters.
local function pass(...) return ... end
local ways = {
  none = function() end,
  one = function(a, b) return b end,
  several = function(a, b) return b, a, 3 end,
  tail = function(a, b) return pass(b, a) end,
  native = function(a, b) return select(2, a, b) end,
  varargs = function(...) return (select(2, ...)) end,
  rawlen = rawlen,
  deep = function(a, b) local function f(n) if n == 0 then return b end return (f(n - 1)) end return f(30) end,
  many = function(a, b, c, d, e, f) return c == nil and d == nil and f == nil and b end,
  closing = function(a, b) local x <close> = setmetatable({}, {__close = function() end}) return b end,
  caught = function(a, b) return select(2, pcall(pass, b)) end,
}
local names = {}
for name in pairs(ways) do names[#names + 1] = name end
table.sort(names)

local function show(name, what, ok, v)
  if type(v) == "table" then v = "a table" end
  if type(v) == "string" then v = v:gsub("0x%x+", "…") end
  print(name, what, ok, v)
end

for _, name in ipairs(names) do
  local f = ways[name]
  local mt = {
    __index = f, __newindex = f, __call = f, __add = f, __sub = f, __mul = f, __mod = f, __idiv = f, __div = f,
    __pow = f, __band = f, __bor = f, __bxor = f, __shl = f, __shr = f, __unm = f, __bnot = f, __len = f,
    __concat = f, __eq = f, __lt = f, __le = f,
  }
  local o, p = setmetatable({}, mt), setmetatable({}, mt)
  local heir = setmetatable({}, {__index = setmetatable({}, {__index = o})})
  local function try(what, g, ...) show(name, what, pcall(g, ...)) end
  try("field", function() return o.x end)
  try("item", function() return o[7] end)
  try("index", function(k) return o[k] end, "k")
  try("method", function() return o:m(5) end)
  try("heir", function() return heir.x end)
  try("heir's item", function() return heir[3] end)
  try("set field", function() o.x = 1 return rawget(o, "x") end)
  try("set constant", function() o.x = "k" return rawget(o, "x") end)
  try("set item", function() o[4] = 1 return rawget(o, 4) end)
  try("set index", function(k) o[k] = "v" return rawget(o, k) end, "k")
  try("call", function() return o(8, 9) end)
  try("call none", function() return (o()) end)
  try("+", function(x) return o + x end, 4)
  try("+ left", function(x) return x + o end, 4)
  try("+ 1", function() return o + 1 end)
  try("1 +", function() return 1 + o end)
  try("- 1", function() return o - 1 end)
  try("* k", function() return o * 2.5 end)
  try("k *", function() return 2.5 * o end)
  try("%", function(x) return o % x end, 4)
  try("//", function(x) return o // x end, 4)
  try("/", function(x) return o / x end, 4)
  try("^", function(x) return o ^ x end, 4)
  try("&", function(x) return o & x end, 4)
  try("| k", function() return o | 3 end)
  try("~", function(x) return x ~ o end, 4)
  try("<<", function(x) return o << x end, 4)
  try(">>", function(x) return o >> x end, 4)
  try("+ string", function(x) return o + x end, "10")
  try("unm", function() return -o end)
  try("bnot", function() return ~o end)
  try("len", function() return #o end)
  try("..", function(x) return o .. x end, "s")
  try(".. left", function(x) return x .. o end, "s")
  try("a .. b .. c", function(x) return x .. o .. x end, "s")
  try("c .. b .. a", function(x) return o .. x .. p .. x end, "s")
  try("==", function() if o == p then return "equal" end return "different" end)
  try("~=", function() if o ~= p then return "different" end return "equal" end)
  try("== value", function() return o == p end)
  try("<", function() if o < p then return "less" end return "not" end)
  try("not <", function() if not (o < p) then return "not" end return "less" end)
  try("<=", function() return o <= p end)
  try("> 1", function() return o > 1 end)
  try("1 <", function() return 1 < o end)
  try("while", function() local n = 0 while o < p and n < 3 do n = n + 1 end return n end)
end

-- The receiver of a method may be in the register that the method goes to.
do
  local o = setmetatable({}, {__index = function(t, k) return function(self, v) return rawequal(self, t), k, v end end})
  print(o:name(3))
  local same = o
  same = same:again(4)
  print(same)
end

-- Errors and tracebacks speak of metamethods, and of the functions in pcall.
do
  local o = setmetatable({}, {__index = function(t, k) error("no " .. k) end, __add = function(a, b) return a.x.y end})
  print(pcall(function() return o.field end))
  print(pcall(function() return o + 1 end))
  local function f() return o.field end
  print((select(2, xpcall(f, debug.traceback)):gsub("\n%s*%[C%]: in %?", "")))
  print(select(2, pcall(pcall)))
  print(pcall(pcall, error, "e"))
  print(pcall(error))
  print(select("#", pcall(pass)), select("#", pcall(pass, nil, nil)))
  local function trace() return (debug.traceback("in", 1):gsub("\n%s*%[C%]: in %?", "")) end
  print(select(2, pcall(trace)))
end

-- Coroutines that yield in them.
do
  local yield = coroutine.yield
  local o = setmetatable({}, {
    __index = function(t, k) return yield(k) end,
    __newindex = function(t, k, v) yield(v) end,
    __add = function(a, b) return (yield(b)) end,
    __lt = function(a, b) return yield("lt") end,
    __eq = function(a, b) return yield("eq") end,
    __concat = function(a, b) return yield("concat") end,
    __call = function(self, v) return yield(v) end,
  })
  local co = coroutine.wrap(function()
    local t = {o.x, o + 5, o < o, o == setmetatable({}, getmetatable(o)), o .. "s", "s" .. o .. "t", (o(6))}
    o.field = 8
    for i = 1, 7 do t[i] = tostring(t[i]) end
    local ok, v = pcall(yield, "in pcall")
    local oks, e = pcall(function() local v = yield("deeper") error(v) end)
    return table.concat(t, " "), ok, v, oks, e
  end)
  local v = co()
  for i = 1, 30 do
    print(i, v)
    local all = table.pack(co("r" .. i))
    if all.n > 1 then print(table.unpack(all, 1, all.n)) break end
    v = all[1]
  end
end

-- pcall: how many results are wanted, from what, in what.
do
  local function n(...) return select("#", ...), ... end
  print(n(pcall(pass, 1, 2, 3)))
  local a, b, c, d, e = pcall(pass, 1, 2)
  print(a, b, c, d, e)
  print((pcall(pass, 1)))
  pcall(pass, 1)
  print(n(pcall(pcall, pcall, pass, 1)))
  print(n(pcall(string.rep, "x", 3)))
  print(n(pcall(setmetatable({}, {__call = function(self, ...) return ... end}), 1, 2)))
  print(n(pcall(function(...) return ... end, 1, nil, nil)))
  print(n(pcall(function(a, b, c, d) return d, c, b, a end, 1, 2)))
  print(n(pcall(function() return pcall(error, "inner") end)))
  print(n(select(2, pcall(pass, 1, 2, 3, 4))))
  local function deep(k) if k == 0 then error("deep", 0) end local ok, e = pcall(deep, k - 1) error(e, 0) end
  print(pcall(deep, 100))
  local t = {pcall(pass, 1, 2, 3)}
  print(#t, t[1], t[4])
  local co = coroutine.create(function() return pcall(coroutine.yield, 1) end)
  print(coroutine.resume(co))
  print(coroutine.resume(co, 2, 3))
end

-- Returns of several values to those who want more, fewer or all; tail calls of functions with more and
-- fewer parameters.
do
  local function three() return 1, 2, 3 end
  local a, b = three()
  local c, d, e, f = three()
  print(a, b, c, d, e, f, (three()))
  print(three(), three())
  local function more(a, b, c, d) return a, b, c, d end
  local function tail(x) return more(x) end
  print(tail(1, 2, 3))
  local function fewer(a) return a end
  local function tail2(x, y, z) local p, q, r = x, y, z return fewer(z, y, x) end
  print(tail2(1, 2, 3))
  local function vtail(...) return more(...) end
  print(vtail(4, 5))
  local function loop(n, acc) if n == 0 then return acc end return loop(n - 1, acc + n) end
  print(loop(100000, 0))
  for i, s in function(n, i) if i < n then return i + 1, i * i, "dropped" end end, 4, 0 do print(i, s) end
  for i, s, t in function(n, i) if i < n then return i + 1 end end, 2, 0 do print(i, s, t) end
  for i in setmetatable({}, {__call = function(self, n, i) if i < n then return i + 1 end end}), 2, 0 do print(i) end
end

-- Comparison functions that return nothing, several values or no boolean, end by a tail call, raise, yield
-- nothing, or change the list; lists that they make unordered.
do
  local function list()
    local t, x = {}, 7
    for i = 1, 60 do x = (x * 16807 + 11) % 1009 t[i] = x end
    return t
  end
  local function try(what, less)
    local t = list()
    local ok, e = pcall(table.sort, t, less)
    print(what, ok, ok and table.concat(t, " ", 1, 60) or e)
  end
  try("plain", function(a, b) return a < b end)
  try("several", function(a, b) return a > b, 1, 2 end)
  try("numbers", function(a, b) return a < b and 0 or nil end)
  try("many parameters", function(a, b, c, d) assert(c == nil and d == nil) local e, f = a, b return e < f end)
  try("tail", function(a, b) return rawequal(pass(a), nil) or pass(a < b) end)
  try("native tail", function(a, b) return math.ult(a, b) end)
  try("varargs", function(...) local a, b = ... return a < b end)
  try("native", math.ult)
  try("caught", function(a, b) return select(2, pcall(function() return a < b end)) end)
  try("closing", function(a, b) local x <close> = setmetatable({}, {__close = function() end}) return a < b end)
  local calls = 0
  try("raises", function(a, b) calls = calls + 1 if calls > 50 then error("enough", 0) end return a < b end)
  try("nothing", function(a, b) end)
  try("always", function(a, b) return true end)
  local t = list()
  print(pcall(table.sort, t, function(a, b) t[61] = nil return a < b end), table.concat(t, " "))
  t = list()
  calls = 0
  table.sort(t, function(a, b) calls = calls + 1 if calls == 40 then setmetatable(t, {__index = pass}) end return a < b end)
  print(calls, table.concat(t, " "))
  t = list()
  table.sort(t, function(a, b) collectgarbage("step") return tostring(a) < tostring(b) end)
  print(table.concat(t, " "))
  print(pcall(coroutine.wrap(function() table.sort(t, function(a, b) return coroutine.yield() end) end)))
end

-- gsub copies what stays only where something changes.
do
  for _, f in ipairs {
    function(w) if w == "b" then return "B" end end, function(w) return nil end, function(w) return w end,
    function(w) return "" end, function(w) return #w end, {b = "x", c = false}, "<%0>", "",
  } do
    print(("a b  c bb"):gsub("%w+", f))
    print(("abc"):gsub("", f))
    print(("abc"):gsub("b*", f))
    print(("abcb"):gsub("^%w", f))
    print(("abcbcb"):gsub("b", f, 2))
    print((""):gsub(".*", f))
  end
end
