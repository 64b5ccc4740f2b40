# SPDX-License-Identifier: GPL-2.0-only
# backends: legacy
# The console on a terminal: counters move under traffic and equal /proc's; a script comes and goes.
trap 'tmux -L console kill-server || true' EXIT
screen() { tmux -L console capture-pane -p -t console; }
shows() { screen | grep -qE -- "$1"; }
keys() { tmux -L console send-keys -t console "$@"; }

echo 'function process_packet(p) return ACCEPT end' >moving.lua
ipt -A INPUT -p udp -j LUA --script moving.lua
export TERM=${TERM:-screen}
tmux -L console -f /dev/null new-session -d -s console -x 140 -y 40 "ip netns exec server pstui"
eventually 15 shows moving
is 123 "$(probe udp $SERVER 9 123)"
is 123 "$(proc rules packets)"
eventually 10 shows '\b123\b'
is 77 "$(probe udp $SERVER 9 77)"
eventually 10 shows '\b200\b'
keys q
