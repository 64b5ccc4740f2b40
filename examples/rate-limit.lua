-- SPDX-License-Identifier: GPL-2.0-only
-- Limits how many packets a second each source may send, with room for bursts; what is beyond is dropped.
--
--   iptables  -A INPUT -p udp --dport 27015 -j LUA --script rate-limit.lua --arg rate=50 --arg burst=100
--   ip6tables -A INPUT -p udp --dport 27015 -j LUA --script rate-limit.lua --arg rate=50 --arg burst=100
--
-- rate     packets a second; 50 when it is not given; may be less than one (0.2 is one in five seconds)
-- burst    packets that a source may save up; as many as rate when it is not given
-- exempt   comma-separated addresses and prefixes that are never limited
-- All IPv6 addresses of a /64 are one source.

local rate = tonumber(args.rate or 50)
local limit = bucket { rate = rate, burst = tonumber(args.burst or math.max(1, rate)) }
local exempt = ipset {}
for network in (args.exempt or ""):gmatch "[^,]+" do
  exempt:add(network)
end

function process_packet(p)
  local source = p.src
  if not source or exempt:has(source) then
    return CONTINUE
  end
  -- The first half of an IPv6 source address is at offset 8.
  local key = p.ip and p.ip.version == 6 and p:bytes(8, 8) or source
  if limit:take(key) then
    return CONTINUE
  end
  return DROP, "too many"
end
