-- SPDX-License-Identifier: GPL-2.0-only
-- Eight queens: recursion over a small list.
local size, count = 8, 0
local function free(a, n, c)
  for i = 1, n - 1 do
    if a[i] == c or a[i] - i == c - n or a[i] + i == c + n then return false end
  end
  return true
end
local function add(a, n)
  if n > size then
    count = count + 1
    return
  end
  for c = 1, size do
    if free(a, n, c) then
      a[n] = c
      add(a, n + 1)
    end
  end
end
function run()
  count = 0
  add({}, 1)
  return count
end
