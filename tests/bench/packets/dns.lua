-- SPDX-License-Identifier: GPL-2.0-only
-- Drops queries for names below some domains; what is measured is one for www.static.example.com.
local blocked = domainset { "example.org", "ads.example.net", "tracker.test", "static.test" }
function process_packet(p)
  local dns = p.dns
  if dns and blocked:has(dns.qname) then return DROP end
  return ACCEPT
end
