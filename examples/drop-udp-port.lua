-- SPDX-License-Identifier: GPL-2.0-only
-- Drops UDP to or from chosen ports, over IPv4 and IPv6.
--
--   iptables  -A INPUT -p udp -j LUA --script drop-udp-port.lua --arg ports=53,123
--   ip6tables -A INPUT -p udp -j LUA --script drop-udp-port.lua --arg ports=53,123
--
-- ports   comma-separated list; 53 when it is not given
-- Everything else goes on to the next rule. Dropped packets are counted under the reason "port N".

local blocked = {}
for port in (args.ports or "53"):gmatch "[^,]+" do
  local n = math.tointeger(tonumber(port))
  if not n or n < 0 or n > 65535 then
    error("ports: '" .. port .. "' is not a port number", 0)
  end
  blocked[n] = "port " .. n
end

function process_packet(p)
  local udp = p.udp
  if not udp then
    return CONTINUE
  end
  local reason = blocked[udp.dport] or blocked[udp.sport]
  if reason then
    return DROP, reason
  end
  return CONTINUE
end
