-- SPDX-License-Identifier: GPL-2.0-only
-- A loop of 100 turns.
function process_packet(p)
  local s = 0
  for i = 1, 100 do s = s + i % 8 end
  return ACCEPT
end
