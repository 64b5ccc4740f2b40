-- SPDX-License-Identifier: GPL-2.0-only
-- Drops UDP to port 53; what is measured are packets to another port.
function process_packet(p)
  if p.udp and p.udp.dport == 53 then
    return DROP
  end
  return ACCEPT
end
