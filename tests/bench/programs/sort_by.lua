-- SPDX-License-Identifier: GPL-2.0-only
-- The same with a function that compares.
local function above(a, b) return a > b end
function run()
  local t, x = {}, 42
  for i = 1, 1000 do
    x = (x * 16807 + 12345) % 1048573
    table.insert(t, x)
  end
  table.sort(t, above)
  return t[1] + t[500] + t[1000]
end
