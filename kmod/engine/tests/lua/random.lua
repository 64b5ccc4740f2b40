-- SPDX-License-Identifier: GPL-2.0-only
-- Random calls with random arguments; SEED is set before.
local seed = SEED
local function rnd(n) seed = (seed * 6364136223846793005 + 1442695040888963407) return (seed >> 33) % n end
local fns, names = {}, {}
for _, lib in ipairs{"string", "table", "math", "utf8"} do
  local keys = {}
  for k, v in pairs(_G[lib]) do if type(v) == "function" then keys[#keys + 1] = k end end
  table.sort(keys)
  for _, k in ipairs(keys) do
    if not ({random = 1, randomseed = 1, dump = 1, sin = 1, cos = 1, tan = 1, exp = 1, log = 1, acos = 1, asin = 1, atan = 1, atan2 = 1, pow = 1, cosh = 1, sinh = 1, tanh = 1, log10 = 1, frexp = 1, ldexp = 1, rep = 1, pack = lib == "table" and 1 or nil})[k] then fns[#fns + 1] = _G[lib][k] names[#names + 1] = lib .. "." .. k end
  end
end
for _, k in ipairs{"tonumber", "tostring", "type", "select", "rawequal", "rawlen", "rawget", "ipairs", "assert", "error", "pcall"} do fns[#fns + 1] = _G[k] names[#names + 1] = k end
local function arg()
  local k = rnd(22)
  if k < 3 then return rnd(10) elseif k == 3 then return -rnd(10) elseif k == 4 then return rnd(100) / 4 elseif k == 5 then return ({math.maxinteger, math.mininteger, 2^53, -0.0, 1e308, 1e15, 255, 65536})[1 + rnd(8)]
  elseif k < 10 then return ({"", "a", "abc", "hello world", "%d %s", "(%w+)", "12", "0x1F", "<i4", "a,b;c", "a%b", "[a-c]*", "%1", "z", "s1", "%5.2f", "-", "^h", "1e2", "  7 "})[1 + rnd(20)]
  elseif k < 12 then return nil elseif k == 12 then return true elseif k == 13 then return false
  elseif k < 18 then local t = {} for i = 1, rnd(6) do t[i] = rnd(3) == 0 and ("s" .. rnd(5)) or rnd(20) end return t
  elseif k == 18 then return function(...) return ... end elseif k == 19 then return function(a, b) return a and b and a < b end
  else return ("xyz"):sub(1, 1 + rnd(3)) end
end
local function flat(v, d)
  if type(v) == "table" then if d > 2 then return "{..}" end local r = {} for i = 1, #v do r[i] = flat(v[i], d + 1) end return "{" .. table.concat(r, ",") .. "}"
  elseif type(v) == "function" then return "function" elseif type(v) == "userdata" or type(v) == "thread" then return type(v) end
  return show(v)
end
for i = 1, 20000 do
  local f = 1 + rnd(#fns)
  local a, n = {}, rnd(5)
  for j = 1, n do a[j] = arg() end
  local r = table.pack(pcall(fns[f], table.unpack(a, 1, n)))
  for j = 1, r.n do r[j] = flat(r[j], 0) end
  local line = (table.concat(r, " "):gsub("0x%x%x%x%x%x%x+", "PTR"))
  for j = 1, n do a[j] = flat(a[j], 0) end
  print(names[f] .. "(" .. table.concat(a, ",") .. ")", line)
end
