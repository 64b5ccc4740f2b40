# SPDX-License-Identifier: GPL-2.0-only
# Timers of a script run by themselves, have fuel of their own, and end with it.
cat >timers.lua <<'LUA'
local open, beats, knocked = false, 0, false
after(500, function() open = true end)
every(20, function() beats = beats + 1 end)
every(50, function() while true do end end)
local never = after(1, function() print "cancelled" beats = -1000000 end)
never:cancel()
function opened(p) if open then return ACCEPT end return DROP end
function beating(p) if beats >= 10 then return ACCEPT end return DROP end
function knock(p) after(100, function() knocked = true end) return ACCEPT end
function entered(p) if knocked then return ACCEPT end return DROP end
LUA
console load timers.lua
lua() { ipt -A INPUT -p udp --dport "$1" -j LUA --name timers --function "$2"; }
lua 1 opened
lua 2 beating
lua 3 knock
lua 4 entered
arrives() { [ "$(probe udp $SERVER "$1" 1)" = 1 ]; }
is 0 "$(probe udp $SERVER 4 1)" "nobody has knocked"
is 1 "$(probe udp $SERVER 3 1)" "a knock"
eventually 10 arrives 4
eventually 10 arrives 1
eventually 10 arrives 2
# One that never ends is stopped, counted and told.
errors=$(proc scripts errors)
[ "$errors" -gt 0 ]
says 'out of fuel.*timers\.lua:4' "$(proc scripts last_error)"
# A reload begins anew, without the timers of before.
sed -i 's/every(50, .*//; s/^after(500, /after(60000, /' timers.lua
console reload timers
is 0 "$(probe udp $SERVER 1 1)" "after the reload"
sleep 0.3
is "$(proc scripts errors)" "$(sleep 0.3; proc scripts errors)" "errors stand still"
eventually 10 arrives 2
# Timers that wait hold nothing up: everything goes, and the module can.
ipt -F INPUT
console unload timers
eventually 10 no_rows
