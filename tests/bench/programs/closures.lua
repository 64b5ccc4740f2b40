-- SPDX-License-Identifier: GPL-2.0-only
-- Functions that are made, called and forgotten.
local function counter(n)
  return function(by)
    n = n + by
    return n
  end
end
function run()
  local s = 0
  for i = 1, 3000 do
    local c = counter(i)
    c(1)
    s = s + c(2)
  end
  return s
end
