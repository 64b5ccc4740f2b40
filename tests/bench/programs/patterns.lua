-- SPDX-License-Identifier: GPL-2.0-only
-- Every function that takes a pattern.
local text = ("the quick brown fox jumps over the lazy dog 12345 "):rep(40)
function run()
  local n = 0
  for word in text:gmatch("%a+") do n = n + #word end
  local _, count = text:gsub("%d+", "N")
  local swapped = text:gsub("(%w+) (%w+)", "%2 %1")
  local found = text:find("lazy cat", 1, true) or 0
  return n + count + #swapped + found + #text:match("(%d+) the")
end
