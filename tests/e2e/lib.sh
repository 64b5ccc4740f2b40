# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# What cases have at hand: two namespaces, iptables of the back end under test, probes, counters.

CLIENT=10.77.0.1
CLIENT_TOO=10.77.0.11
SERVER=10.77.0.2
CLIENT6=fd77::1
SERVER6=fd77::2
EXAMPLES=/usr/share/packetscript/examples

in_server() { ip netns exec server "$@"; }
ipt() { in_server "iptables-$BACKEND" "$@"; }
ip6t() { in_server "ip6tables-$BACKEND" "$@"; }
ipt_save() { in_server "iptables-$BACKEND-save" "$@"; }
ip6t_save() { in_server "ip6tables-$BACKEND-save" "$@"; }
ipt_restore() { in_server "iptables-$BACKEND-restore" "$@"; }
console() { in_server pstui "$@"; }

# probe PROTO ADDRESS PORT COUNT [WORD…]: prints how many packets from the client arrived.
probe() {
    local -
    set +x
    guest probe from=client to=server proto="$1" address="$2" port="$3" count="$4" "${@:5}"
}

# proc FILE COLUMN [KEY=VALUE…]: that column of the rows where every KEY is VALUE.
proc() {
    local -
    set +x
    in_server awk -F '\t' -v want="$2" -v where="${*:3}" '
        NR == 2 { for (i = 1; i <= NF; i++) column[$i] = i
                  if (!(want in column)) { print "no column " want > "/dev/stderr"; exit 1 } }
        NR > 2 { n = split(where, pairs, " "); fits = 1
                 for (i = 1; i <= n; i++) { split(pairs[i], pair, "=")
                     if ($(column[pair[1]]) != pair[2]) fits = 0 }
                 if (fits) print $(column[want]) }' "/proc/net/packetscript/$1"
}

# is WANTED GOT [WHAT]
is() {
    local -
    set +x
    [ "$1" = "$2" ] && return
    echo "${3:-value}: wanted '$1', got '$2'"
    return 1
}

# refuses COMMAND…: it must fail; what it says goes to standard output.
refuses() {
    local - said
    set +x
    if said=$("$@" 2>&1); then
        echo "this should have failed: $*" >&2
        return 1
    fi
    printf '%s\n' "$said"
}

# says PATTERN TEXT
says() {
    local -
    set +x
    grep -qE -- "$1" <<<"$2" && return
    echo "'$1' is not in: $2"
    return 1
}

# eventually SECONDS COMMAND…: until it succeeds.
eventually() {
    local -
    set +x
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}

rows() { proc "$1" "$2" | wc -l; }
no_rows() { [ "$(rows rules id)" = 0 ] && [ "$(rows scripts name)" = 0 ]; }

# Some cases need the module before a rule brings it.
module() { modprobe xt_LUA; }

make_namespaces() {
    ip netns add client
    ip netns add server
    for name in client server; do
        ip netns exec "$name" sysctl -qw net.ipv6.conf.all.accept_dad=0 \
            net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0
        ip -n "$name" link set lo up
    done
    ip link add c0 netns client type veth peer name s0 netns server
    ip -n client addr add $CLIENT/24 dev c0
    ip -n client addr add $CLIENT_TOO/24 dev c0
    ip -n server addr add $SERVER/24 dev s0
    ip -n client addr add $CLIENT6/64 dev c0 nodad
    ip -n server addr add $SERVER6/64 dev s0 nodad
    ip -n client link set c0 up
    ip -n server link set s0 up
    for address in $SERVER $SERVER6; do
        eventually 10 reaches "$address"
    done
}

reaches() { [ "$(probe icmp "$1" 0 1)" = 1 ]; }

make_namespaces
