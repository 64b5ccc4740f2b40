# SPDX-License-Identifier: GPL-2.0-only
# QUEUE hands packets to user space: without a listener they are dropped, or pass with "bypass".
cat >queue.lua <<'LUA'
function process_packet(p) return QUEUE(5) end
function bypass(p) return QUEUE(5, "bypass") end
LUA
ipt -A INPUT -p udp --dport 1 -j LUA --script queue.lua
ipt -A INPUT -p udp --dport 2 -j LUA --script queue.lua --function bypass
is 0 "$(probe udp $SERVER 1 4)" "without a listener"
is 4 "$(probe udp $SERVER 2 4)" "bypass"
is "4 4" "$(echo $(proc rules queue))" "counted"
