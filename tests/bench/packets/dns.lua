-- SPDX-License-Identifier: GPL-2.0-only
-- Drops queries for names below some domains.
local blocked = domainset { "example.org", "ads.example.net", "tracker.test", "example.com" }
function process_packet(p)
  local dns = p.dns
  if dns and blocked:has(dns.qname) then return DROP end
  return ACCEPT
end
