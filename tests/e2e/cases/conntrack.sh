# SPDX-License-Identifier: GPL-2.0-only
# p.ct shows the connection that a packet belongs to and sets its mark; the module does not make
# connection tracking load.
cat >ct.lua <<'LUA'
local seen, ids = {}, {}
function none(p) if p.ct == nil then return ACCEPT end return DROP end
function mark(p)
  local ct = p.ct
  assert(ct.state == "new" and ct.id > 0)
  assert(ct.mark == (ids[ct.id] or 0), "the mark of before")
  ids[ct.id] = 42
  assert(ct.orig.src == p.src and ct.orig.dport == p.dport and ct.reply.dst == p.src)
  ct.mark = 42
  assert(p.ct.mark == 42)
end
function remember(p)
  local ct = p.ct
  if ct.state == "untracked" then
    assert(ct.mark == nil and ct.orig == nil)
    seen.untracked = true
  elseif p.udp then
    assert(ct.orig.dport == 5 and ct.reply.sport == 6 and p.dport == 6)
    seen.nat = true
  elseif ct.state == "established" then
    seen.established = ct.reply.src == p.src and ct.orig.sport == nil
  end
end
function has_seen(p) if seen[({ "untracked", "nat", "established" })[p.dport - 10]] then return ACCEPT end return DROP end
LUA
lua() { local chain=$1 function=$2; shift 2; ipt -A "$chain" "$@" -j LUA --script ct.lua --function "$function"; }
lua INPUT none -p udp --dport 1
is 3 "$(probe udp $SERVER 1 3)" "no connection tracking"
[ ! -e /sys/module/nf_conntrack/holders/xt_LUA ]
if modinfo -F depends xt_LUA | grep conntrack; then false; fi
# The kernel sees the mark that a script sets.
lua INPUT mark -p udp --dport 2
ipt -A INPUT -p udp --dport 2 -m connmark ! --mark 42 -j DROP
ipt -A INPUT -p udp --dport 3 -m connmark ! --mark 42 -j DROP
is 3 "$(probe udp $SERVER 2 3)" "marked"
is 0 "$(probe udp $SERVER 3 3)" "not marked"
# Address translation, answers, and what is not tracked.
ipt -t raw -A PREROUTING -p udp --dport 7 -j CT --notrack
ipt -t nat -A PREROUTING -p udp --dport 5 -j REDIRECT --to-ports 6
lua INPUT has_seen -p udp --dport 11:13
for port in 11 12 13; do is 0 "$(probe udp $SERVER $port 1)"; done
lua INPUT remember -p udp --dport 6:7
lua OUTPUT remember -p icmp
is 1 "$(probe udp $SERVER 7 1)" "untracked"
probe udp $SERVER 5 1
is 1 "$(probe icmp $SERVER 0 1)" "answered"
for port in 11 12 13; do is 1 "$(probe udp $SERVER $port 1)" "port $port"; done
is 0 "$(proc scripts errors)" "errors"
