# SPDX-License-Identifier: GPL-2.0-only
# A Lua error gives the on-error verdict, is counted and told with its place; memory is bounded.
cat >errors.lua <<'LUA'
local kept = {}
function process_packet(p) local t = nil; return t.x end
function wrong_value(p) return 42 end
function hoard(p)
  while true do kept[#kept + 1] = ("x"):rep(1000) .. #kept end
end
LUA
ipt -A INPUT -p udp --dport 1 -j LUA --script errors.lua
ipt -A INPUT -p udp --dport 2 -j LUA --script errors.lua --function wrong_value --on-error accept
ipt -A INPUT -p udp --dport 3 -j LUA --script errors.lua --function hoard --on-error continue --fuel 10000000
is 0 "$(probe udp $SERVER 1 3)" "nil index, drop"
says 'errors\.lua:2:.*nil' "$(proc scripts last_error)"
is 3 "$(probe udp $SERVER 2 3)" "wrong value, accept"
is 1 "$(probe udp $SERVER 3 1)" "out of memory, continue"
is "3 3 1" "$(echo $(proc rules errors))" "errors"
is 3 "$(probe udp $SERVER 4 3)" "other packets"
# One line a packet would fill the log.
is 0 "$(probe udp $SERVER 1 200)" "many errors"
[ "$(dmesg | wc -l)" -lt 60 ]
