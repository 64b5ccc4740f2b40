# SPDX-License-Identifier: GPL-2.0-only
# A namespace goes while packets run through its rules, with versions staged, kept and bound, with errors
# and printed lines under way: nothing is left, and other namespaces do not notice.
cat >noise.lua <<'LUA'
local kept = {}
function process_packet(p)
  kept[#kept % 100 + 1] = p.udp.payload .. ""
  print(#kept)
  if #kept % 3 == 0 then error("every third") end
  return ACCEPT
end
LUA
for round in 1 2 3; do
    [ $round = 1 ] || make_namespaces
    ipt -A INPUT -p udp -j LUA --script noise.lua --on-error accept
    ipt -A INPUT -p udp -j LUA --script noise.lua --name other --state 2 --on-error continue
    ip6t -A INPUT -p udp -j LUA --script noise.lua --on-error accept
    ip netns exec client "iptables-$BACKEND" -A OUTPUT -p udp -j LUA --script noise.lua --on-error accept
    console load noise.lua --name kept
    is 20 "$(probe udp $SERVER 9 20)" "round $round"
    probe udp $SERVER 9 3000 >/dev/null &
    sleep 0.2
    # The name goes at once, the namespace when the last process has left it.
    ip netns del server
    wait
    is 1 "$(ip netns exec client awk 'NR > 2' /proc/net/packetscript/rules | wc -l)" "rules of the other"
    ip netns del client
    for _ in $(seq 100); do
        [ "$(cat /sys/module/xt_LUA/refcnt)" = 0 ] && break
        sleep 0.1
    done
    is 0 "$(cat /sys/module/xt_LUA/refcnt)" "references of the module"
done
rmmod xt_LUA
