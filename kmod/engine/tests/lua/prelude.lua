-- SPDX-License-Identifier: GPL-2.0-only
-- Shows what a call answers, errors included, in one line.
local function show(v)
  if type(v) == "string" then return string.format("%q", v) end
  if type(v) == "number" then
    if v ~= v then return "nan" end
    if math.type(v) == "float" then return string.format("%a", v) end
  end
  return tostring(v)
end
local function call(name, f, ...)
  local r = table.pack(pcall(f, ...))
  for i = 1, r.n do r[i] = show(r[i]) end
  print(name, table.concat(r, " "))
end
