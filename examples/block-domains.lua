-- SPDX-License-Identifier: GPL-2.0-only
-- Blocks domains, and everything below them: DNS questions for them, TLS connections to them, plain HTTP
-- requests for them.
--
--   iptables  -A FORWARD -j LUA --script block-domains.lua --arg domains=example.com,ads.example.net
--   ip6tables -A FORWARD -j LUA --script block-domains.lua --arg domains=example.com,ads.example.net
--
-- domains   comma-separated list; required
-- TLS is seen by the name that a client asks for, also when it is cut into several packets: the first ones
-- are let through, and the one that completes the name is dropped.

local blocked, count = domainset {}, 0
for name in (args.domains or ""):gmatch "[^,]+" do
  blocked:add(name)
  count = count + 1
end
if count == 0 then
  error("domains: the list is empty", 0)
end

function process_packet(p)
  local dns = p.dns
  if dns then
    if not dns.qr and blocked:has(dns.qname) then
      return DROP, "dns"
    end
    return CONTINUE
  end
  local tls = p.tls
  if tls then
    if blocked:has(tls.sni) then
      return DROP, "tls"
    end
    return CONTINUE
  end
  local http = p.http
  if http then
    local host = http.host
    if host and blocked:has((host:gsub(":%d+$", ""))) then
      return DROP, "http"
    end
  end
  return CONTINUE
end
