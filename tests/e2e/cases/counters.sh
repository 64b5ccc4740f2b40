# SPDX-License-Identifier: GPL-2.0-only
# Counters equal the packets that were sent: the rule's, the hook's, the script's.
cat >three.lua <<'LUA'
function process_packet(p)
  local port = p.udp.dport
  if port == 1001 then return ACCEPT end
  if port == 1002 then return DROP end
end
LUA
ipt -A INPUT -p udp -j LUA --script three.lua
is 7 "$(probe udp $SERVER 1001 7)"
is 0 "$(probe udp $SERVER 1002 11)"
is 13 "$(probe udp $SERVER 1003 13)"
is "31 7 11 13" "$(echo $(proc rules packets) $(proc rules accept) $(proc rules drop) $(proc rules continue))" rule
is 0 "$(proc rules errors)" errors
# 12 bytes of payload, 28 of headers.
is $((31 * 40)) "$(proc rules bytes)" bytes
is "31 7 11" "$(echo $(proc hooks packets family=ipv4 hook=INPUT) $(proc hooks accept family=ipv4 hook=INPUT) $(proc hooks drop family=ipv4 hook=INPUT))" hook
is 31 "$(proc scripts packets name=three)" script
is INPUT "$(proc rules hooks | sed 's/^-$/INPUT/')" "the rule's hook"
fuel=$(proc rules fuel)
[ "$fuel" -ge 31 ]
