-- SPDX-License-Identifier: GPL-2.0-only
local V = {0, -0.0, 1, -1, 2, 3.0, 3.5, -3.5, 0.5, -0.5, 1e15, 1e300, 2^53, 2^63, -2^63, math.maxinteger, math.mininteger, math.huge, -math.huge, 0/0, "10", "0x10", "1.5", "x", true, 7, -7, 10, 16, 1e-320}
for _, name in ipairs{"abs", "ceil", "floor", "sqrt", "tointeger", "type", "deg", "rad", "modf"} do
  local f = math[name]
  call(name, f) for _, v in ipairs(V) do call(name, f, v) end call(name, f, {})
end
for _, name in ipairs{"fmod", "max", "min", "ult"} do
  local f = math[name]
  call(name, f) for _, a in ipairs(V) do call(name, f, a) for _, b in ipairs(V) do call(name .. show(a) .. show(b), f, a, b) end end
end
local function near(name, f, ...)
  local r = table.pack(pcall(f, ...))
  for i = 1, r.n do r[i] = type(r[i]) == "number" and (r[i] ~= r[i] and "nan" or string.format("%.12g", r[i])) or tostring(r[i]) end
  print(name, (table.concat(r, " "):gsub("atan2", "atan")))
end
for _, name in ipairs{"sin", "cos", "tan", "asin", "acos", "atan", "exp", "log"} do
  local f = math[name]
  near(name, f)
  for _, v in ipairs(V) do near(name .. show(v), f, v) end
  for i = -50, 50 do near(name, f, i / 7) near(name, f, i / 53) end
  local x, y = 1.7, -1.7 for i = 1, 50 do near(name, f, x) near(name, f, y) x = x * 1.7 y = y / 1.7 end
end
for _, a in ipairs(V) do for _, b in ipairs(V) do near("atan2", math.atan, a, b) near("log2", math.log, a, b) if type(a) == "number" and type(b) == "number" then near("pow", function() return a ^ b end) end end end
print(math.pi, math.huge, math.maxinteger, math.mininteger)
math.randomseed(42) for i = 1, 50 do print(math.random(), math.random(10), math.random(-5, 5), math.random(0), math.random(math.mininteger, math.maxinteger), math.random(1 << 40)) end
print(math.randomseed(1, 2)) print(math.random(100)) print(math.randomseed(3.0)) print(math.random(100)) print(math.randomseed("7")) print(math.random(100))
call("random", math.random, 0, -1) call("random", math.random, -1) call("random", math.random, 1, 2, 3) call("random", math.random, 1.5) call("random", math.random, {}) call("random", math.random, 3, 3)
for i = 1, 300 do local x = (i * 7919 % 1000 - 500) / 8 local y = (i * 104729 % 999 - 499) / 16 call("ops", function() return x // y, x % y, x / y, x - y, x * y end) end
for _, a in ipairs{0, 1, -1, 7, -7, math.maxinteger, math.mininteger} do for _, b in ipairs{1, -1, 3, -3, math.maxinteger, math.mininteger, 0} do
  call("int", function() return a // b end) call("int", function() return a % b end) call("fmod", math.fmod, a, b) call("sh", function() return a << b, a >> b, a & b, a | b, a ~ b end) end end
-- Loops whose bounds are no numbers.
for _, a in ipairs{0/0, 1, 1.5, math.huge} do for _, b in ipairs{0/0, 2, -2.5, -math.huge} do for _, by in ipairs{0/0, 1, -1, 0.5} do
  local n = 0 for i = a, b, by do n = n + 1 if n > 3 then break end end print("loop", a ~= a, b, by, n) end end end
