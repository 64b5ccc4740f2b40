-- SPDX-License-Identifier: GPL-2.0-only
-- Counts packets by source in a Lua table.
local counts = {}
function process_packet(p)
  local source = p.src
  counts[source] = (counts[source] or 0) + 1
  return ACCEPT
end
