# SPDX-License-Identifier: GPL-2.0-only
# A hundred rules come in one transaction and share what they can; each counts its own packets.
cat >many.lua <<'LUA'
seen = {}
function process_packet(p)
  seen[p.udp.dport] = (seen[p.udp.dport] or 0) + 1
  if seen[p.udp.dport] > 2 then return DROP end
end
LUA
{
    echo '*filter'
    for port in $(seq 1001 1100); do
        echo "-A INPUT -p udp --dport $port -j LUA --script $PWD/many.lua"
    done
    echo COMMIT
} >rules
begin=$SECONDS
ipt_restore <rules
[ $((SECONDS - begin)) -lt 60 ]
is 100 "$(rows rules id)" rules
is 1 "$(rows scripts name)" versions
is 1 "$(proc scripts envs)" environments
for port in 1001 1050 1100; do
    is 2 "$(probe udp $SERVER $port 5)" "port $port"
done
is "5 5 5" "$(echo $(proc rules packets | grep -v '^0$'))" "counters"
ipt_save -t filter >saved
is 100 "$(grep -c -- '-j LUA' saved)" "saved rules"
# Another rule in the table: under legacy every rule is checked again, and none is made anew.
ipt -A INPUT -p tcp -j ACCEPT
is "5 5 5" "$(echo $(proc rules packets | grep -v '^0$'))" "counters after another rule"
is 0 "$(probe udp $SERVER 1050 2)" "the table of before"
ipt -F INPUT
eventually 10 no_rows
ipt_restore <saved
is 100 "$(rows rules id)" "rules again"
ipt -F INPUT
eventually 10 no_rows
