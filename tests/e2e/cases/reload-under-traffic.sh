# SPDX-License-Identifier: GPL-2.0-only
# While packets come, versions take over one after another: every packet meets a version, and only one.
# What they count on the way (each its own table) is lost with them; what the rule counts is not.
version() { echo "local n = $1 function process_packet(p) n = n + 1 return n > $1 and DROP or ACCEPT end" >busy.lua; }
version 0
console load busy.lua
ipt -A INPUT -p udp --dport 9 -j LUA --name busy
# The test must not end before a probe does: its packets are counted there.
traffic() { while [ ! -e stop ]; do probe udp $SERVER 9 500; done; }
traffic >arrived &
for n in $(seq 1 25); do
    version "$n"
    console reload busy
done
touch stop
wait
is 0 "$(sort -u arrived)" "packets that met no version"
[ "$(proc rules packets)" = $((500 * $(wc -l <arrived))) ]
is 0 "$(proc rules errors)" errors
is "$(proc rules packets)" "$(proc rules drop)" drops
is 1 "$(rows scripts name)" versions
# A version that fails is not put in place.
echo 'error "no"' >busy.lua
says 'busy\.lua:1: no' "$(refuses console reload busy)"
is 0 "$(probe udp $SERVER 9 5)" "after a reload that failed"
ipt -F INPUT
eventually 5 test "$(rows rules id)" = 0
console unload busy
