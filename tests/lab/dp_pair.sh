#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two postern-dp on one network without posternd: control packets, probes, planned release, flow sync, a virtual MAC, and a flow
# handed over to the other node's own server. The test speaks to both control sockets.
# Usage: dp_pair.sh [BUILD-DIR] [af_xdp|owned]   (root; both by default)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:-${PN_BUILD:-$here/../../build}}
shift || true
variants=${*:-af_xdp owned}
read -ra args <<< "${PN_PAIR_ARGS---realtime}"
px=${PN_SMOKE_PREFIX:-pndp}q
tmp=$(mktemp -d)
. "$here/dplib.sh"

ctl() { python3 "$here/dpctl.py" "$tmp/dp-$1.sock" "${@:2}"; }
counter() { python3 "$here/dpctl.py" "$tmp/stats-$1" stats "$2" | cut -d' ' -f2; }
pair() { python3 "$tools/dppair.py" "$tmp/dp-a.sock" "$tmp/dp-b.sock" "$@"; }
net_down() { ns_down; }
finish() {
    net_down
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM

# VIP 10.9.0.100; client .1, nodes .2 and .3, gateway .4.
net_up() { # VARIANT
    local n i=1 port
    ns_up c a b g
    for n in c a b g; do
        in_ns "$n" sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.rp_filter=0
        case $n-$1 in
        # The kernel sees the frames too, as it would not with a card that DPDK owns: it is made to ignore them.
        [ab]-owned) in_ns "$n" sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1 net.ipv4.conf.eth0.arp_ignore=8 net.ipv4.conf.eth0.rp_filter=1 ;;
        *) ip -n "$px-$n" addr add 10.9.0.$i/24 dev eth0 ;;
        esac
        ip -n "$px-$n" link set eth0 up
        i=$((i + 1))
    done
    for n in a b g; do
        ip -n "$px-$n" addr add 10.9.0.100/32 dev lo
        server $n $n 8025
    done
    port=lan:type=af_xdp,interface=eth0
    [ "$1" = af_xdp ] || port=lan:type=dpdk,exception=postern0,device=net_af_packet0,iface=eth0
    for n in a b; do
        ip netns exec "$px-$n" "$dp" --socket "$tmp/dp-$n.sock" --stats "$tmp/stats-$n" --flows 65536 \
            --local-interface pnlocal --port "$port" "${args[@]}" > "$tmp/dp-$n.log" 2>&1 &
        pids+=($!)
    done
    i=2
    port=eth0
    for n in a b; do
        wait_for 20 ctl $n hello || fail "postern-dp $n did not come up"
        [ "$1" = af_xdp ] || { port=postern0 && ip -n "$px-$n" addr add 10.9.0.$i/24 dev postern0; }
        ip -n "$px-$n" addr add fd00:9::$i/64 dev "$port" nodad
        i=$((i + 1))
    done
}

# Node A's view, and node B's: the same three gateways in the same order but for who is local.
configure() { # GENERATION FIRST SECOND THIRD [VIP-OPTIONS]
    local n gws
    for n in a b; do
        gws=(--gateway "a=10.9.0.2" --gateway "b=10.9.0.3" --gateway "g=10.9.0.4")
        [ $n = a ] && gws[1]+=,local || gws[3]+=,local
        ctl $n snapshot "$1" --vip "v4=10.9.0.100${5:-}" --vip v6=fd00:9::100 "${gws[@]}" --tier "$2" --tier "$3" --tier "$4" --service smtp=8025
    done
}
arping() { in_ns c ip neigh flush dev eth0; in_ns c ping -q -c 1 -W 1 10.9.0.100; }
pings() { in_ns c ping -q -c 2 -i 0.2 -W 1 10.9.0.100; }
greets() { in_ns c python3 "$tools/greeter.py" ask 10.9.0.100 8025 | grep -qx "220 $1 sees 10.9.0.1"; }
client_mac() { in_ns c ip neigh show 10.9.0.100 | grep -o 'lladdr [0-9a-f:]*' | cut -d' ' -f2; }
mac_of() { in_ns "$1" cat /sys/class/net/eth0/address; }

run_variant() {
    say "control packets:"
    configure 1 g a b
    ok "latency" pair packets "${PN_PAIR_PACKETS:-300}" 3
    sed 's/^/    /' "$tmp/last"
    ok "B took them from its port" test "$(counter b punt_control)" -ge 1200
    ok "none was refused" test "$(counter b control_malformed)$(counter b control_queue_full)$(counter b control_unread)" = 000

    say "probes and conflicts:"
    ok "a probe" pair probe 0
    sed 's/^/    /' "$tmp/last"
    ok "over IPv6" pair probe 1
    sed 's/^/    /' "$tmp/last"
    ok "two owners" pair conflict
    ctl b lease 0 0

    say "planned release:"
    ctl a lease 0 60
    ok "A answers" arping
    ok "client has A's MAC" test "$(client_mac)" = "$(mac_of a)"
    ctl a lease 0 0 forward=4000
    ok "released: echo is still answered" pings
    ok "new flows are still forwarded" greets g
    not "ARP is not answered" arping
    ctl a lease 0 60
    arping > /dev/null 2>&1 || true
    ctl a lease 0 0
    not "given up without a successor: no echo" pings

    say "flows move with the VIP:"
    ctl a lease 0 60
    ok "client asks anew" arping
    mkfifo "$tmp/in"
    ip netns exec "$px-c" python3 "$tools/greeter.py" talk 10.9.0.100 8025 < "$tmp/in" > "$tmp/out" 2>&1 &
    session=$!
    exec 9> "$tmp/in"
    ok "a session through A to the gateway" wait_for 5 grep -qx '220 g sees 10.9.0.1' "$tmp/out"
    ok "carried to B" pair sync 1
    sed 's/^/    /' "$tmp/last"
    ok "B has the flow" test "$(counter b sync_taken)" -ge 1
    # B would choose itself now: only the flow's entry keeps the session where it is.
    ctl b snapshot 2 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway a=10.9.0.2 --gateway b=10.9.0.3,local --gateway g=10.9.0.4 \
        --tier b --tier g --tier a --service smtp=8025
    ctl a lease 0 0
    ctl b lease 0 60
    sleep 0.2
    ok "client has B's MAC" test "$(client_mac)" = "$(mac_of b)"
    echo moved >&9
    ok "the session goes on" wait_for 5 grep -q '^moved ' "$tmp/out"
    say "    $(tail -n 1 "$tmp/out") ms for the first line after the move"
    ok "as B's flow" test "$(counter b flow_taken_over)" = 1
    ok "a new one goes to B itself" greets b
    exec 9>&-
    wait $session || fail "the session ended badly"
    ctl b lease 0 0

    say "handed over to the other node's own server:"
    configure 3 b a g
    ctl a lease 0 60
    ok "client asks anew" arping
    ok "A steers to B, B delivers at home" greets b
    ok "counted" test "$(counter b steer_handed_over)" -ge 1
    ok "A's own, when it comes first" eval 'configure 4 a b g && greets a'

    say "virtual MAC:"
    configure 5 g a b ,mac=02:50:4e:00:00:64
    ctl a lease 0 60
    ok "answered" arping
    ok "client has it" test "$(client_mac)" = 02:50:4e:00:00:64
    ok "frames to it arrive" greets g
    ctl a lease 0 0
    ctl b lease 0 60
    sleep 0.1
    ok "B answers with the same" arping
    ok "client need not learn" test "$(client_mac)" = 02:50:4e:00:00:64
    ok "and serves" greets g
}

for v in $variants; do
    say "== $v"
    net_up "$v"
    run_variant
    net_down
    rm -f "$tmp"/in "$tmp"/dp-?.sock
done
say "dp_pair: all passed"
