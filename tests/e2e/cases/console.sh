# SPDX-License-Identifier: GPL-2.0-only
# backends: legacy
# The console on a terminal: counters move under traffic and equal /proc's; a script comes and goes.
screen() { tmux -L console capture-pane -p -t console; }
shows() { screen | grep -qE -- "$1"; }
keys() { tmux -L console send-keys -t console "$@"; }
# What the console showed is the best message of a failure.
finish() {
    status=$?
    [ $status = 0 ] || screen
    tmux -L console kill-server || true
    exit $status
}
trap finish EXIT

echo 'function process_packet(p) return ACCEPT end' >moving.lua
echo 'function process_packet(p) return DROP end' >second.lua
ipt -A INPUT -p udp -j LUA --script moving.lua
tmux -L console -f /dev/null new-session -d -s console -x 140 -y 40 -c "$PWD" \
    "ip netns exec server env TERM=screen-256color pstui"
eventually 20 shows 'Hooks'
keys 3
eventually 10 shows moving
is 123 "$(probe udp $SERVER 9 123)"
is 123 "$(proc rules packets)"
eventually 10 shows '\b123\b'
is 77 "$(probe udp $SERVER 9 77)"
eventually 10 shows "\\b$(proc rules packets)\\b"

keys 2
keys L
eventually 10 shows 'Load a script'
keys C-u
keys -l "$PWD/second.lua"
keys Enter
eventually 10 shows 'y yes'
keys y
loaded() { [ "$(proc scripts flags name=second)" = kept,newest ]; }
eventually 10 loaded
eventually 10 shows '^.second '
keys /
keys -l second
keys Enter
keys g
keys U
eventually 10 shows 'Unload second'
keys y
unloaded() { [ "$(proc scripts name name=second | wc -l)" = 0 ]; }
eventually 10 unloaded
is 1 "$(rows scripts name)" "scripts in the end"
keys Escape
keys q
