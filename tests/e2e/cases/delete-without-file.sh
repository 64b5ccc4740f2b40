# SPDX-License-Identifier: GPL-2.0-only
# A rule can be checked and deleted after its script's file is gone, and while it does not compile.
cat >gone.lua <<'LUA'
function process_packet(p) return DROP end
LUA
ipt -A INPUT -p udp --dport 9 -j LUA --script gone.lua
ipt -A INPUT -p udp --dport 10 -j LUA --script gone.lua
echo 'function (' >gone.lua
ipt -C INPUT -p udp --dport 9 -j LUA --script gone.lua
ipt -D INPUT -p udp --dport 9 -j LUA --script gone.lua
rm gone.lua
ipt -C INPUT -p udp --dport 10 -j LUA --script gone.lua
refuses ipt -C INPUT -p udp --dport 10 -j LUA --script gone.lua --state 1
ipt -D INPUT -p udp --dport 10 -j LUA --script gone.lua
eventually 5 no_rows
