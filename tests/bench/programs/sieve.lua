-- SPDX-License-Identifier: GPL-2.0-only
-- Primes below 20,000: a list that is written all over.
function run()
  local n, count = 20000, 0
  local is = {}
  for i = 2, n do is[i] = true end
  for i = 2, n do
    if is[i] then
      count = count + 1
      for j = i * i, n, i do is[j] = false end
    end
  end
  return count
end
