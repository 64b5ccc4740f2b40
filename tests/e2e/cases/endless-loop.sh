# SPDX-License-Identifier: GPL-2.0-only
# An endless loop costs its fuel, gives the on-error verdict and a counted error; life goes on.
echo 'function process_packet(p) while true do end end' >loop.lua
for policy in drop accept continue; do
    ipt -A INPUT -p udp -j LUA --script loop.lua --on-error $policy
    case $policy in drop) arrive=0 ;; *) arrive=5 ;; esac
    is $arrive "$(probe udp $SERVER 9 5)" "$policy"
    is "5 5" "$(echo $(proc rules packets) $(proc rules errors))" "packets and errors"
    says 'loop\.lua:1:' "$(proc scripts last_error)"
    fuel=$(proc rules fuel)
    [ "$fuel" -ge 500000 ] && [ "$fuel" -le 550000 ]
    is 3 "$(probe icmp $SERVER 0 3)" "icmp goes on"
    ipt -F INPUT
    eventually 5 no_rows
done
# pcall does not catch it.
echo 'function process_packet(p) while true do pcall(function() while true do end end) end end' >loop.lua
ipt -A INPUT -p udp -j LUA --script loop.lua --fuel 1000
is 0 "$(probe udp $SERVER 9 2)" "with pcall"
is 2 "$(proc rules errors)" "errors with pcall"
