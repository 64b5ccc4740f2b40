# SPDX-License-Identifier: GPL-2.0-only
# A script with a mistake is refused with FILE:LINE and status 2, and changes nothing.
module
printf 'local ok = 1\n\nfunction process_packet(p)\n  return ) \nend\n' >wrong.lua
before=$(ipt_save -t filter | grep -v '^#' || true)
status=0
said=$(ipt -A INPUT -j LUA --script wrong.lua 2>&1) || status=$?
is 2 "$status" "exit status"
says 'wrong\.lua:4:' "$said"
is "$before" "$(ipt_save -t filter | grep -v '^#' || true)" "rules"
is 0 "$(rows scripts name)" "scripts"

# A mistake of the top level is found when the script is loaded.
printf 'local t\nt.x = 1\n' >early.lua
says 'early\.lua:2:' "$(refuses ipt -A INPUT -j LUA --script early.lua)"
# And so is a function that is not there.
echo 'x = 1' >none.lua
says process_packet "$(refuses ipt -A INPUT -j LUA --script none.lua)"
refuses ipt -A INPUT -j LUA --script not-there.lua
refuses ipt -A INPUT -j LUA
is 0 "$(rows scripts name)" "scripts in the end"
is 0 "$(ipt_save -t filter | grep -c LUA || true)" "rules in the end"
