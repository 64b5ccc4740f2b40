-- SPDX-License-Identifier: GPL-2.0-only
-- The least that a script can do.
function process_packet(p)
  return ACCEPT
end
