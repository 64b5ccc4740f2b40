# SPDX-License-Identifier: GPL-2.0-only
# One packet at a time is in an environment, on however many processors they come: what a plain Lua table
# counts is exact.
cat >shared.lua <<'LUA'
local seen = { n = 0 }
function process_packet(p)
  seen.n = seen.n + 1
  return seen.n <= 800 and ACCEPT or DROP
end
LUA
ipt -A INPUT -p udp -j LUA --script shared.lua
for port in 1 2 3 4; do
    probe udp $SERVER $port 200 >arrived.$port &
done
wait
is "200 200 200 200" "$(echo $(cat arrived.*))" "packets that came side by side"
is 0 "$(probe udp $SERVER 1 5)" "packets after these"
is 805 "$(proc rules packets)" packets
is "800 5 0" "$(echo $(proc rules accept) $(proc rules drop) $(proc rules errors))" verdicts
