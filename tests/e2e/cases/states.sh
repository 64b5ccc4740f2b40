# SPDX-License-Identifier: GPL-2.0-only
# Rules of one version share an environment; --state picks another, --function another function.
cat >shared.lua <<'LUA'
local n = 0
function process_packet(p)
  n = n + 1
  if n > 5 then return DROP end
  return ACCEPT
end
function never(p) return DROP end
LUA
ipt -A INPUT -p udp --dport 1 -j LUA --script shared.lua
ipt -A INPUT -p udp --dport 2 -j LUA --script shared.lua
ipt -A INPUT -p udp --dport 3 -j LUA --script shared.lua --state 1
ipt -A INPUT -p udp --dport 4 -j LUA --script shared.lua --function never
is 1 "$(rows scripts name)" "versions"
is 3 "$(probe udp $SERVER 1 3)"
is 2 "$(probe udp $SERVER 2 3)" "the shared count"
is 3 "$(probe udp $SERVER 3 3)" "a count of its own"
is 0 "$(probe udp $SERVER 4 3)" "another function"
# Another source under the same name and path is a new version; older rules keep theirs.
sed -i 's/n > 5/n > 500/' shared.lua
ipt -A INPUT -p udp --dport 5 -j LUA --script shared.lua
is 2 "$(rows scripts name)" "versions after an edit"
is 0 "$(probe udp $SERVER 1 3)" "the old version"
is 3 "$(probe udp $SERVER 5 3)" "the new version"
# From another path it is refused.
mkdir elsewhere
cp shared.lua elsewhere/
says '--name' "$(refuses ipt -A INPUT -p udp --dport 6 -j LUA --script elsewhere/shared.lua)"
ipt -A INPUT -p udp --dport 6 -j LUA --script elsewhere/shared.lua --name another
