-- SPDX-License-Identifier: GPL-2.0-only
-- Lets new connections to a TCP port in only from addresses that knocked at other ports before, in order.
--
--   iptables  -A INPUT -j LUA --script port-knocking.lua --arg port=22 --arg knocks=7000,8000,9000
--   ip6tables -A INPUT -j LUA --script port-knocking.lua --arg port=22 --arg knocks=7000,8000,9000
--
-- port      the port that is closed to others; 22 when it is not given
-- knocks    comma-separated list of ports to knock at; required
-- seconds   time for a knock after the one before; 10 when it is not given
-- open      seconds for which new connections are let in after the last one; 60 when it is not given
-- Connections that exist go on. A wrong knock begins anew, so that a scan of all ports opens none.

local function number(text, name, least, most)
  local n = math.tointeger(tonumber(text))
  if not n or n < least or n > most then
    error(name .. ": '" .. tostring(text) .. "' is not a number from " .. least .. " to " .. most, 0)
  end
  return n
end

local port = number(args.port or 22, "port", 1, 65535)
local seconds = number(args.seconds or 10, "seconds", 1, 3600)
local opened = number(args.open or 60, "open", 1, 86400)

local knocks = {}
for text in (args.knocks or ""):gmatch "[^,]+" do
  local knock = number(text, "knocks", 1, 65535)
  if knock == port then
    error("knocks: " .. knock .. " is the port itself", 0)
  end
  knocks[#knocks + 1] = knock
end
if #knocks == 0 then
  error("knocks: the list is empty", 0)
end

-- With names, so that a reload shuts nobody out.
local done = map { name = "port-knocking.done", ttl = seconds * 1000 }
local open = map { name = "port-knocking.open", ttl = opened * 1000 }

function process_packet(p)
  local tcp = p.tcp
  if not tcp or not tcp.syn or tcp.ack then
    return CONTINUE
  end
  local from, to = p.src, tcp.dport
  if to == port then
    if open:get(from) then
      return CONTINUE
    end
    return DROP, "closed"
  end
  local count = done:get(from) or 0
  -- A knock may come twice: it is sent again when nobody answers.
  if count > 0 and to == knocks[count] then
    return DROP, "knock"
  end
  if to ~= knocks[count + 1] then
    count = 0
  end
  if to ~= knocks[count + 1] then
    done:delete(from)
    return CONTINUE
  end
  if count + 1 < #knocks then
    done:set(from, count + 1)
  else
    done:delete(from)
    open:set(from, true)
  end
  return DROP, "knock"
end
