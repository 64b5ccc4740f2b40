# SPDX-License-Identifier: GPL-2.0-only
# An edited script restored atomically runs in its new version; a restore that fails leaves the old.
echo 'function process_packet(p) return DROP end' >edit.lua
ipt -A INPUT -p udp --dport 9 -j LUA --script edit.lua
is 0 "$(probe udp $SERVER 9 3)" "version 1"
first=$(proc scripts hash)
ipt_save -t filter >rules

echo 'function process_packet(p) return ACCEPT end' >edit.lua
# An unknown target in the last line fails the whole table.
sed 's/^COMMIT/-A INPUT -j NO_SUCH_TARGET\nCOMMIT/' rules >bad
refuses ipt_restore <bad
is 0 "$(probe udp $SERVER 9 3)" "after a restore that failed"
eventually 5 test "$(rows scripts name)" = 1
is "$first" "$(proc scripts hash)" "the version after a restore that failed"
is 6 "$(proc rules packets)" "its counter"

echo 'function process_packet(p) return )' >edit.lua
says 'edit.lua:1:' "$(refuses ipt_restore <rules)"
is 0 "$(probe udp $SERVER 9 3)" "after a restore that did not compile"
is 1 "$(rows scripts name)" "versions"

echo 'function process_packet(p) return ACCEPT end' >edit.lua
ipt_restore <rules
is 3 "$(probe udp $SERVER 9 3)" "version 2"
one_new_version() { [ "$(rows scripts name)" = 1 ] && [ "$(proc scripts hash)" != "$first" ]; }
eventually 5 one_new_version
is 1 "$(rows rules id)" "rules"
