-- SPDX-License-Identifier: GPL-2.0-only
-- Lets each source send a number of packets in a stretch of time and drops what is beyond.
--
--   iptables  -A INPUT -p icmp   -j LUA --script count-per-source.lua --arg limit=100 --arg seconds=10
--   ip6tables -A INPUT -p icmpv6 -j LUA --script count-per-source.lua --arg limit=100 --arg seconds=10
--
-- limit     packets of one source in a stretch; 100 when it is not given
-- seconds   length of a stretch; 10 when it is not given
-- sources   how many sources are remembered; 10000 when it is not given
-- With more sources than that, counting starts afresh: memory stays bounded whoever sends.

local function argument(name, default)
  local n = math.tointeger(tonumber(args[name] or default))
  if not n or n < 1 then
    error(name .. ": '" .. tostring(args[name]) .. "' is not a positive whole number", 0)
  end
  return n
end

local limit = argument("limit", 100)
local stretch = argument("seconds", 10) * 1000
local most = argument("sources", 10000)

local counts = {}
local sources = 0
local ends = now() + stretch

function process_packet(p)
  local source = p.src
  if not source then
    return CONTINUE
  end
  local time = now()
  if time >= ends then
    counts, sources = {}, 0
    ends = time + stretch
  end
  local count = counts[source]
  if not count then
    if sources >= most then
      counts, sources = {}, 0
    end
    sources = sources + 1
    count = 0
  end
  count = count + 1
  counts[source] = count
  if count > limit then
    return DROP, "over the limit"
  end
  return CONTINUE
end
