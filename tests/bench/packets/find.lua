-- SPDX-License-Identifier: GPL-2.0-only
-- Looks for a word in a payload of 1,472 bytes that has none.
function process_packet(p)
  if p.payload:find("attack", 1, true) then return DROP end
  return ACCEPT
end
