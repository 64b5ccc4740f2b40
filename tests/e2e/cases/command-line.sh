# SPDX-License-Identifier: GPL-2.0-only
# pstui loads, shows, reloads and unloads scripts; a rule can name one that is loaded.
echo 'function process_packet(p) return DROP end' >named.lua
console load named.lua
is kept,newest "$(proc scripts flags name=named)" flags
says named "$(console status)"
says '"name": ?"named"' "$(console status --json)"
ipt -A INPUT -p udp -j LUA --name named
is 0 "$(probe udp $SERVER 9 3)"
refuses console unload named
echo 'function process_packet(p) return ACCEPT end' >named.lua
console reload named
is 3 "$(probe udp $SERVER 9 3)" "after the reload"
ipt -F INPUT
eventually 5 test "$(rows rules id)" = 0
console unload named
is 0 "$(rows scripts name)"
console check named.lua
echo 'x = = 1' >wrong.lua
says 'wrong\.lua:1:' "$(refuses console check wrong.lua)"
is 42 "$(pstui lua -e 'print(6 * 7)')"
