-- SPDX-License-Identifier: GPL-2.0-only
-- Drops packets whose payload holds one of some words. Case does not count.
--
--   iptables  -A FORWARD -p tcp --dport 80 -j LUA --script block-payload-word.lua --arg words=secret,forbidden
--   ip6tables -A FORWARD -p tcp --dport 80 -j LUA --script block-payload-word.lua --arg words=secret,forbidden
--
-- words   comma-separated list; "secret" when it is not given
-- A word that is split over two packets is not seen: for streams this is a hurdle, not a wall.

local words = {}
for word in (args.words or "secret"):gmatch "[^,]+" do
  words[#words + 1] = word:lower()
end
if #words == 0 then
  error("words: the list is empty", 0)
end

function process_packet(p)
  local payload = p.payload
  if not payload or payload == "" then
    return CONTINUE
  end
  payload = payload:lower()
  for i = 1, #words do
    if payload:find(words[i], 1, true) then
      return DROP, words[i]
    end
  end
  return CONTINUE
end
