-- SPDX-License-Identifier: GPL-2.0-only
-- Writes a header field, to another value each time.
function process_packet(p)
  local ip = p.ip
  ip.dscp = ip.dscp == 46 and 10 or 46
  return ACCEPT
end
