-- SPDX-License-Identifier: GPL-2.0-only
-- Numbers appended to a list and sorted.
function run()
  local t, x = {}, 42
  for i = 1, 1000 do
    x = (x * 16807 + 12345) % 1048573
    table.insert(t, x)
  end
  table.sort(t)
  return t[1] + t[500] + t[1000]
end
