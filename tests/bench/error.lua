-- SPDX-License-Identifier: GPL-2.0-only
-- Fails on every packet.
function process_packet(p)
  local nothing
  return nothing.field
end
