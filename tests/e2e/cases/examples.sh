# SPDX-License-Identifier: GPL-2.0-only
# The examples do what they say.
script=$EXAMPLES/count-per-source.lua
ipt -A INPUT -p udp -j LUA --script $script --arg limit=5 --arg seconds=3600
is 5 "$(probe udp $SERVER 9 8)" "one source"
is 5 "$(probe udp $SERVER 9 8 source=$CLIENT_TOO)" "another source"
is 0 "$(probe udp $SERVER 9 8)" "the first again"
ipt -F INPUT

script=$EXAMPLES/block-payload-word.lua
for six in "" 6; do
    server=SERVER$six
    "ip${six}t" -A INPUT -p udp -j LUA --script $script --arg words=secret,forbidden
    is 0 "$(probe udp "${!server}" 9 3 payload='a SECRET in here')" "a word"
    is 0 "$(probe udp "${!server}" 9 3 payload=forbidden)" "the other word"
    is 3 "$(probe udp "${!server}" 9 3 payload='nothing of note')" "no word"
    "ip${six}t" -F INPUT
done
ipt -A INPUT -p tcp -j LUA --script $script
is 0 "$(probe tcp $SERVER 80 1 payload='a secret')" "a word over tcp"
is 2 "$(probe tcp $SERVER 80 2 payload='no word')" "no word over tcp"
ipt -F INPUT

script=$EXAMPLES/allow-list.lua
ipt -A INPUT -j LUA --script $script --arg allow=$CLIENT/32,fd77::1/128
ip6t -A INPUT -j LUA --script $script --arg allow=$CLIENT/32,fd77::1/128
is 3 "$(probe udp $SERVER 9 3)" "allowed"
is 0 "$(probe udp $SERVER 9 3 source=$CLIENT_TOO)" "not allowed"
is 3 "$(probe udp $SERVER6 9 3)" "allowed over IPv6"
ip -n client addr add fd77::11/64 dev c0 nodad
is 0 "$(probe udp $SERVER6 9 3 source=fd77::11)" "not allowed over IPv6"
