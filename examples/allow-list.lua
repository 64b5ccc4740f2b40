-- SPDX-License-Identifier: GPL-2.0-only
-- Lets only chosen networks in, one list for both IP versions; everything else is dropped.
--
--   iptables  -A INPUT -p tcp --dport 22 -j LUA --script allow-list.lua --arg allow=192.0.2.0/24,2001:db8::/32
--   ip6tables -A INPUT -p tcp --dport 22 -j LUA --script allow-list.lua --arg allow=192.0.2.0/24,2001:db8::/32
--
-- allow   comma-separated addresses and prefixes; this host alone when it is not given
-- Neighbour discovery is never dropped, for without it no IPv6 packet arrives at all; a rule without
-- "-p tcp" is safe, too.

local networks = {}
for network in (args.allow or "127.0.0.0/8,::1"):gmatch "[^,]+" do
  ip("::"):within(network) -- a mistake stops the script here, while it is being loaded
  networks[#networks + 1] = network
end

-- Answers that were found are kept, so that most packets cost one look-up. Bounded, like everything.
local known, remembered = {}, 0

local function allowed(source)
  for i = 1, #networks do
    if source:within(networks[i]) then
      return true
    end
  end
  return false
end

function process_packet(p)
  local icmp6 = p.icmp6
  if icmp6 and icmp6.type >= 133 and icmp6.type <= 137 then
    return ACCEPT
  end
  local source = p.src
  if not source then
    return CONTINUE
  end
  local answer = known[source]
  if answer == nil then
    answer = allowed(source)
    if remembered >= 4096 then
      known, remembered = {}, 0
    end
    known[source], remembered = answer, remembered + 1
  end
  if answer then
    return ACCEPT
  end
  return DROP, "not on the list"
end
