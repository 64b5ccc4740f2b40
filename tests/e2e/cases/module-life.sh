# SPDX-License-Identifier: GPL-2.0-only
# The first rule brings the module, rules keep it, and it leaves nothing behind.
[ ! -d /sys/module/xt_LUA ]
ipt -A INPUT -p udp -j LUA --script $EXAMPLES/drop-udp-port.lua
[ -d /sys/module/xt_LUA ]
refuses rmmod xt_LUA
is 0 "$(probe udp $SERVER 53 2)"
ipt -F INPUT
eventually 5 no_rows
eventually 5 rmmod xt_LUA
[ ! -e /proc/net/packetscript ]
is 2 "$(probe udp $SERVER 53 2)" "without the module"
# A namespace that goes with rules in place takes them along.
ipt -A INPUT -p udp -j LUA --script $EXAMPLES/drop-udp-port.lua
ip6t -A INPUT -p udp -j LUA --script $EXAMPLES/drop-udp-port.lua
ip netns del server
eventually 10 rmmod xt_LUA
