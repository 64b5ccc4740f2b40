# SPDX-License-Identifier: GPL-2.0-only
# A top level that burns its fuel runs for seconds where there is one processor: others get their turns
# meanwhile, packets and tasks, and whoever waits for it can be killed.
echo 'function process_packet(p) return DROP end' >quick.lua
echo 'while true do end' >burn.lua
printf '%s' 'string.rep("a", 28):find(("a?"):rep(28) .. ("a"):rep(28))' >pattern.lua
module
echo 1000000000 >/sys/module/xt_LUA/parameters/load_fuel
ipt -A INPUT -p udp --dport 9 -j LUA --script quick.lua
for script in burn pattern; do
    ip netns exec server pstui load $script.lua >said 2>&1 &
    loader=$!
    sleep 0.3
    turns=0
    for _ in $(seq 5); do
        is 0 "$(probe udp $SERVER 9 2)" "packets meanwhile"
        kill -0 $loader && turns=$((turns + 1))
    done
    is 5 $turns "turns of another task while $script runs"
    [ "$(cat /proc/$loader/task/*/stat | awk '{ print $15 }' | sort -n | tail -1)" -gt 10 ]
    kill -KILL $loader
    begin=$SECONDS
    wait $loader || true
    [ $((SECONDS - begin)) -le 2 ]
    is "" "$(proc scripts name name=$script)" "a version that was killed"
done
# The same from iptables' own process.
ip netns exec server "iptables-$BACKEND" -A INPUT -p udp --dport 10 -j LUA --script burn.lua >said 2>&1 &
sleep 0.5
kill -KILL $!
wait || true
is 1 "$(rows rules id)" rules
# Without a signal it ends by itself.
echo 2000000 >/sys/module/xt_LUA/parameters/load_fuel
says 'out of fuel' "$(refuses console load burn.lua)"
ipt -F INPUT
eventually 5 no_rows
