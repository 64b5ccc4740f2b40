# SPDX-License-Identifier: GPL-2.0-only
# save | flush | restore gives the same rules, with every option, for both IP versions.
cat >"with space.lua" <<'LUA'
function process_packet(p) return CONTINUE end
function other(p) return DROP end
LUA
for six in "" 6; do
    "ip${six}t" -A INPUT -p udp -j LUA --script "$PWD/with space.lua" --name spaced
    "ip${six}t" -A INPUT -p udp --dport 9 -j LUA --script "$PWD/with space.lua" --name spaced --function other \
        --state 3 --on-error accept --fuel 5000 --memory 2M
    "ip${six}t" -A INPUT -p tcp -j LUA --script $EXAMPLES/drop-udp-port.lua --arg ports=53,99
    save="ip${six}t_save"
    before=$($save -t filter | grep -v '^[#:]')
    says '--function other' "$before"
    says '--state 3' "$before"
    says '--on-error accept' "$before"
    says '--fuel 5000' "$before"
    says '--memory 2' "$before"
    says '--arg "?ports=53,99' "$before"
    $save -t filter >saved
    "ip${six}t" -F INPUT
    eventually 5 no_rows
    is 0 "$($save -t filter | grep -c LUA || true)" "rules after the flush"
    in_server "ip${six}tables-$BACKEND-restore" <saved
    after=$($save -t filter | grep -v '^[#:]')
    is "$before" "$after" "restored rules"
    is 0 "$(proc rules packets function=other)" "the restored rule's counter"
    server=SERVER$six
    is 0 "$(probe udp "${!server}" 9 4)" "what the restored rule drops"
    is 4 "$(proc rules drop function=other)" "its counter"
    "ip${six}t" -F INPUT
    eventually 5 no_rows
done
