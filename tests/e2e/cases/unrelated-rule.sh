# SPDX-License-Identifier: GPL-2.0-only
# Adding and deleting rules that have nothing to do with it leaves a rule's counters and state alone.
cat >state.lua <<'LUA'
local n = 0
function process_packet(p)
  n = n + 1
  if n > 10 then return DROP end
  return ACCEPT
end
LUA
ipt -A INPUT -p udp -j LUA --script state.lua
is 6 "$(probe udp $SERVER 9 6)"
id=$(proc rules id)
ipt -A INPUT -p tcp --dport 1 -j DROP
ipt -I INPUT 1 -p tcp --dport 2 -j DROP
ipt -N other
ipt -A other -j LUA --script state.lua --state 7
is "6 $id" "$(proc rules packets state=0) $(proc rules id state=0)" "packets and id"
is 4 "$(probe udp $SERVER 9 6)" "with the state kept"
ipt -D INPUT -p tcp --dport 1 -j DROP
ipt -F other
ipt -X other
is "12 10 2 $id" "$(echo $(proc rules packets) $(proc rules accept) $(proc rules drop) $(proc rules id))" "in the end"
