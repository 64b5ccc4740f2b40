-- SPDX-License-Identifier: GPL-2.0-only
-- An error for each packet.
function process_packet(p)
  error("not this one")
end
