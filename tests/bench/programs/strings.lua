-- SPDX-License-Identifier: GPL-2.0-only
-- Builds strings, in a list and one upon the other.
function run()
  local t = {}
  for i = 1, 2000 do t[#t + 1] = "item " .. i .. ";" end
  local s = table.concat(t)
  local r = ""
  for i = 1, 200 do r = r .. "x" .. i end
  return #s + #r + #s:sub(100, 200):upper():rep(3)
end
