-- SPDX-License-Identifier: GPL-2.0-only
-- Hash parts that grow while keys go and come back, and lists that grow around keys of a hash part.

local most = 5000 // 5

-- Keys without values come back while their nodes move: the new part was made for those that had one.
for _, key in ipairs {
  function(i) return "k" .. i end,
  function(i) return i * 1000003 end,
  function(i) return i + 0.5 end,
} do
  for _, left in ipairs {24, 1, 7} do
    for n = 24, most + 24, 250 do
      local t, lost, seen = {}, 0, 0
      for i = 1, n do t[key(i)] = i end
      for i = 1, n - left do t[key(i)] = nil end
      t.new = 0
      for i = 1, n do t[key(i)] = -i end
      for i = 1, n do t["n" .. i] = i end
      for i = 1, n do if t[key(i)] ~= -i or t["n" .. i] ~= i then lost = lost + 1 end end
      for _ in pairs(t) do seen = seen + 1 end
      print(n, left, lost, seen - 2 * n)
    end
  end
end

-- Some of a list's items are in the hash part: a traversal meets each once, whatever it assigns.
local function made(n, m)
  local t = {}
  for i = n, m + 1, -1 do t[i] = i end
  for i = 1, m do t[i] = i end
  return t
end
local wrong = 0
for n = 1, most // 25 do
  for m = 0, n do
    local t, turns = made(n, m), 0
    for k, v in pairs(t) do
      t[k] = v + 1000
      turns = turns + 1
      if turns > 100 then break end
    end
    for i = 1, n do if t[i] ~= i + 1000 then wrong = wrong + 1 end end
    if turns ~= n then wrong = wrong + 1 end
    turns = 0
    for k, v in next, t do
      if k % 3 == n % 3 then t[k] = nil else t[k] = -v end
      turns = turns + 1
      if turns > 100 then break end
    end
    if turns ~= n then wrong = wrong + 1 end
    for i = 1, n do
      local expected = -(i + 1000)
      if i % 3 == n % 3 then expected = nil end
      if t[i] ~= expected then wrong = wrong + 1 end
    end
    t = made(n, m)
    for k in pairs(t) do t[k] = nil end
    if next(t) ~= nil then wrong = wrong + 1 end
  end
end
print(wrong)
local t, turns = made(8, 5), {}
t.x, t[2.5], t[100] = 1, 2, 3
for k in pairs(t) do
  turns[#turns + 1] = tostring(k)
  t[k] = nil
  t[k] = nil
end
table.sort(turns)
print(table.concat(turns, " "), next(t))
