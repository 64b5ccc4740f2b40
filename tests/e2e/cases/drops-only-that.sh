# SPDX-License-Identifier: GPL-2.0-only
# A rule drops what its script says, and only that, over both IP versions; counters agree.
script=$EXAMPLES/drop-udp-port.lua
for six in "" 6; do
    server=SERVER$six
    server=${!server}
    "ip${six}t" -A INPUT -j LUA --script "$script" --arg ports=53,123
    is 0 "$(probe udp "$server" 53 10)" "udp 53"
    is 0 "$(probe udp "$server" 123 10)" "udp 123"
    is 10 "$(probe udp "$server" 54 10)" "udp 54"
    is 3 "$(probe tcp "$server" 53 3)" "tcp 53"
    is 5 "$(probe icmp "$server" 0 5)" "icmp"
    is 20 "$(proc rules drop family=ipv${six:-4})" "dropped"
done
