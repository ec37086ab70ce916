#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# postern-dp alone, without posternd: a client, a node and two gateways on one segment; the test itself speaks to the
# control socket. Usage: dp_smoke.sh [BUILD-DIR] [af_xdp|owned|wire|local]...   (root; all variants by default)
#   af_xdp  interface shared with the kernel      owned  DPDK has the card, the host an exception tap
#   wire    DPDK has the card, the kernel nothing  local  a gateway on the node itself, behind the local tap
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=${1:-${PN_BUILD:-$here/../../build}}
shift || true
variants=${*:-af_xdp owned wire local}
px=${PN_SMOKE_PREFIX:-pndp}
tmp=$(mktemp -d)
dp_pid=
. "$here/dplib.sh"

ctl() { python3 "$here/dpctl.py" "$tmp/dp.sock" "$@"; }
counter() { python3 "$here/dpctl.py" "$tmp/stats" stats "$1" | cut -d' ' -f2; }
net_down() {
    [ -z "$dp_pid" ] || kill "$dp_pid" 2> /dev/null || true
    ns_down
    dp_pid=
}
finish() {
    net_down
    rm -rf "$tmp"
}
trap finish EXIT
trap 'exit 130' INT TERM

# VIPs 10.9.0.100 and fd00:9::100; client .1, node .2, gateways .3 and .4.
net_up() {
    local n i=1
    ns_up c n g1 g2
    for n in c n g1 g2; do
        ip -n "$px-$n" link set eth0 up
        if [ "$n" != n ] || [ "$1" = af_xdp ]; then
            ip -n "$px-$n" addr add 10.9.0.$i/24 dev eth0
            ip -n "$px-$n" addr add fd00:9::$i/64 dev eth0 nodad
        fi
        i=$((i + 1))
    done
    for n in g1 g2; do
        in_ns $n sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
        ip -n "$px-$n" addr add 10.9.0.100/32 dev lo
        ip -n "$px-$n" addr add fd00:9::100/128 dev lo nodad
        server $n $n 8025
    done
}

# Tagged questions from a raw socket (the kernel may lack VLANs); exits 0 when tagged answers come for all.
cat > "$tmp/tagged.py" << 'PY'
import socket, struct, sys, time
vid, v4, v6 = int(sys.argv[1]), socket.inet_aton(sys.argv[2]), socket.inet_pton(socket.AF_INET6, sys.argv[3])
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
s.bind(('eth0', 0))
s.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: where the kernel puts the tag
s.settimeout(0.2)
me = s.getsockname()[4]
tag = struct.pack('!HH', 0x8100, vid)
def csum(b):
    t = sum(struct.unpack('!%dH' % (len(b) // 2), b))
    while t >> 16:
        t = (t & 0xffff) + (t >> 16)
    return ~t & 0xffff
mac = None
ll = bytes.fromhex('fe8000000000000002aabbfffeccddee')
arp = b'\xff' * 6 + me + tag + struct.pack('!HHHBBH', 0x806, 1, 0x800, 6, 4, 1) + me + socket.inet_aton('10.9.7.1') + bytes(6) + v4
group = bytes.fromhex('ff0200000000000000000001ff') + v6[13:]
icmp = struct.pack('!BBHI', 135, 0, 0, 0) + v6 + b'\1\1' + me
icmp = icmp[:2] + struct.pack('!H', csum(ll + group + struct.pack('!II', len(icmp), 58) + icmp)) + icmp[4:]
ns = b'\x33\x33' + group[12:] + me + tag + struct.pack('!HIHBB', 0x86dd, 0x60000000, len(icmp), 58, 255) + ll + group + icmp
got = set()
end = time.time() + 3
while got != {'arp', 'na'} and time.time() < end:
    s.send(arp); s.send(ns)
    try:
        while True:
            data, anc, *_ = s.recvmsg(2048, 256)
            tci = [struct.unpack('=IIIHHHH', d[:20])[5] for l, t, d in anc if (l, t) == (263, 8)]
            if data[:6] != me or not tci or tci[0] & 0xfff != vid:
                continue
            if data[12:14] == b'\x08\x06' and data[20:22] == b'\0\2' and data[28:32] == v4:
                got.add('arp')
            if data[12:14] == b'\x86\xdd' and data[54] == 136 and data[62:78] == v6:
                got.add('na')
    except TimeoutError:
        pass
print(got)
sys.exit(got != {'arp', 'na'})
PY
session() { in_ns c python3 "$tools/greeter.py" ask "$1" "$2" --long 3 --timeout 3; }
session_says() { session "$1" "$2" | grep -x "$3" > /dev/null; }
pings() { in_ns c ping -q -c 2 -i 0.2 -W 1 "$1"; }
flush_client() {
    in_ns c ip neigh flush dev eth0
    in_ns c ip -6 neigh flush dev eth0
}

dp_start() {
    ip netns exec "$px-n" "$dp" --socket "$tmp/dp.sock" --stats "$tmp/stats" --flows 65536 "${ports[@]}" >> "$tmp/dp.log" 2>&1 &
    dp_pid=$!
    wait_for 15 ctl hello || fail "postern-dp did not come up"
}
configure() { # GENERATION [more]
    ctl snapshot "$1" --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway g1=10.9.0.3 --gateway g2=fd00:9::4 \
        --tier g1 --tier g2 --service smtp=8025 "${@:2}"
}
lease() {
    ctl lease 0 "$1"
    ctl lease 1 "$1"
}
node_reachable() {
    ok "$1: node answers ping over IPv4" pings 10.9.0.2
    ok "$1: and over IPv6" pings fd00:9::2
    ok "$1: TCP to the node's own address" session_says 10.9.0.2 2222 '220 node sees 10.9.0.1'
}

# A local mail server's address must not be answered for by the kernel.
kernel_has_vip() {
    ip -n "$px-n" addr add 10.9.0.100/32 dev lo
    in_ns c ip neigh replace 10.9.0.100 lladdr "$(in_ns n cat /sys/class/net/eth0/address)" dev eth0
    not "$1: silent even where the node's kernel has the VIP" pings 10.9.0.100
    ip -n "$px-n" addr del 10.9.0.100/32 dev lo
    flush_client
}

# DPDK's own words for it lead elsewhere (another program has the queue?).
needs_rights() {
    ! in_ns n timeout 10 setpriv --bounding-set=-net_admin --inh-caps=-net_admin "$dp" --socket "$tmp/dp.sock" --stats "$tmp/stats" \
        --flows 65536 "${ports[@]}" > "$tmp/rights.log" 2>&1 && grep -q 'needs root, or CAP_NET_ADMIN' "$tmp/rights.log"
}

run_variant() {
    say "$1:"
    : > "$tmp/dp.log"
    net_up "$1"
    if [ "$1" = af_xdp ]; then
        ports=(--port "lan:type=af_xdp,interface=eth0")
    else
        # The kernel sees the frames too, as it would not with a card that DPDK owns: it is made to ignore them.
        in_ns n sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1 net.ipv4.conf.eth0.arp_ignore=8 net.ipv4.conf.eth0.rp_filter=1
        ports=(--port 'lan:type=dpdk,exception=postern0,device=net_af_packet0,iface=eth0')
    fi
    server n node 2222
    [ "$1" != af_xdp ] || ok "without rights it says which" needs_rights
    dp_start
    if [ "$1" = owned ]; then
        ip -n "$px-n" addr add 10.9.0.2/24 dev postern0
        ip -n "$px-n" addr add fd00:9::2/64 dev postern0 nodad
        same=$(in_ns n cat /sys/class/net/eth0/address /sys/class/net/postern0/address | sort -u | wc -l)
        ok "exception interface has the card's MAC" test "$same" = 1
    fi
    wait_for 5 pings 10.9.0.2 || true
    node_reachable "no configuration"
    not "VIP silent before any snapshot" pings 10.9.0.100

    configure 1
    not "VIP silent without a lease" pings 10.9.0.100
    not "over IPv6 too" pings fd00:9::100
    ok "and that is counted" test "$(counter arp_no_lease)" -gt 0
    in_ns c timeout 4 tcpdump -q -c 30 -n -i eth0 'arp and ether broadcast and host 10.9.0.100 or (icmp6 and ip6[40] == 136)' \
        > "$tmp/announced" 2> /dev/null &
    sniff=$!
    sleep 0.3
    lease 60
    ok "VIP answers with a lease" pings 10.9.0.100
    ok "over IPv6 too" pings fd00:9::100
    wait $sniff || true
    ok "announced by gratuitous ARP" grep -q '10.9.0.100' "$tmp/announced"
    ok "and by an unsolicited advertisement" grep -q 'ICMP6, neighbor advertisement' "$tmp/announced"
    flush_client
    ok "ARP is answered, not only announced" pings 10.9.0.100
    ok "NDP is answered" pings fd00:9::100
    ok "a session over IPv4 reaches the gateway with the client's address" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    ok "a session over IPv6" session_says fd00:9::100 8025 '220 g1 sees fd00:9::1'
    node_reachable "with leases"

    # So many tiers that another thread compiles them; the client waits all the same.
    local many=() t
    for t in $(seq 40); do many+=(--tier "g1:$t+g2"); done
    ok "a snapshot of 40 tiers" ctl snapshot 2 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway g1=10.9.0.3 \
        --gateway g2=fd00:9::4,disabled "${many[@]}" --service smtp=8025,tiers=9
    ok "runs once it is answered" sh -c "python3 '$here/dpctl.py' '$tmp/dp.sock' get | grep -q 'generation 2$'"
    ok "and forwards" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    not "a bad one of 40 tiers is refused" ctl snapshot 3 --vip v4=10.9.0.100,port=5 --gateway g1=10.9.0.3 \
        "${many[@]/+g2/}" --service smtp=8025,tiers=9
    configure 2 --gateway x=10.9.0.77
    ctl snapshot 3 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway g1=10.9.0.3,drain --gateway g2=fd00:9::4 --tier g1 \
        --tier g2 --service smtp=8025
    ok "a drained gateway's new flows go on to the next tier" session_says 10.9.0.100 8025 '220 g2 sees 10.9.0.1'
    not "a bad snapshot is refused" ctl snapshot 4 --vip v4=10.9.0.100,port=5
    ok "and leaves the old one running" session_says fd00:9::100 8025 '220 g2 sees fd00:9::1'
    ok "a malformed message is refused" sh -c "python3 '$here/dpctl.py' '$tmp/dp.sock' raw 12000000ffff000001000000000000000000 | grep -q 'status 1'"
    ok "and so is an endless one" sh -c "python3 '$here/dpctl.py' '$tmp/dp.sock' raw ffffffff010000000100000000000000 | grep -q 'status 1'"
    not "a lease of two hours is refused" ctl lease 0 7200
    not "nobody's VIP has no lease" ctl lease 9 10
    configure 5

    # A gateway that takes a while to be found: the packets wait, none is lost.
    in_ns n ip neigh flush dev "$([ "$1" = owned ] && echo postern0 || echo eth0)"
    ok "a session while the gateway's MAC is looked up" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    if [ "$1" = af_xdp ]; then
        ip -n "$px-g1" link set eth0 address 02:00:00:00:00:66
        ok "a gateway with a new card and no word of it is found again" wait_for 16 session_says 10.9.0.100 8025 \
            '220 g1 sees 10.9.0.1'
    fi
    # An unknown gateway: packets are dropped with a name.
    ctl snapshot 6 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway no=10.9.0.99 --tier no --service smtp=8025
    not "a gateway that is not there" session 10.9.0.100 8025
    ok "shows as rewrite_no_neighbour" test "$(counter rewrite_no_neighbour)" -gt 0
    configure 7

    ctl lease 0 1 shorten
    ctl lease 1 0
    not "given up: silent at once" pings fd00:9::100
    sleep 1
    flush_client
    not "lease over: silent" pings 10.9.0.100
    lease 60
    ok "a new lease: answers again" pings 10.9.0.100
    ctl snapshot 8 --vip v6=fd00:9::100 --gateway g1=10.9.0.3 --tier g1 --service smtp=8025
    flush_client
    not "a VIP taken out of the snapshot is silent" pings 10.9.0.100
    configure 9
    lease 60
    flush_client
    ok "and comes back" pings 10.9.0.100

    ctl snapshot 11 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --vip t4=10.9.7.100,vlan=7 --vip t6=fd00:7::100,vlan=7 \
        --gateway g1=10.9.0.3 --tier g1 --service smtp=8025
    ctl lease 2 30
    not "a tagged VIP without a lease is silent" in_ns c python3 "$tmp/tagged.py" 7 10.9.7.100 fd00:7::100
    ctl lease 3 30
    ok "ARP and NDP for a tagged VIP are answered with the tag" in_ns c python3 "$tmp/tagged.py" 7 10.9.7.100 fd00:7::100
    not "but not on another VLAN" in_ns c python3 "$tmp/tagged.py" 8 10.9.7.100 fd00:7::100
    configure 12

    if [ "$1" = af_xdp ]; then
        in_ns n timeout 15 "$dp" --socket "$tmp/second.sock" --stats "$tmp/second" --flows 1024 "${ports[@]}" \
            > "$tmp/second.log" 2>&1 && fail "a second dataplane started on the interface"
        ok "a second dataplane on the interface is refused" grep -q 'another postern-dp has eth0' "$tmp/second.log"
        not "nor does --release touch a running one's interface" in_ns n "$dp" --release "${ports[@]}"
        ip -n "$px-n" link set dev eth0 xdp off
        ok "a program taken off is attached again" wait_for 3 sh -c "ip -n $px-n -d link show eth0 | grep -q xdp"
        ok "and the first goes on" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    fi
    kill -9 "$dp_pid"
    wait "$dp_pid" 2> /dev/null || true
    flush_client
    not "killed: the VIP is silent" pings 10.9.0.100
    if [ "$1" = af_xdp ]; then
        node_reachable "killed"
        kernel_has_vip "killed"
    fi
    dp_start
    if [ "$1" = owned ]; then
        ip -n "$px-n" addr add 10.9.0.2/24 dev postern0
        ip -n "$px-n" addr add fd00:9::2/64 dev postern0 nodad
    fi
    configure 10
    lease 60
    # The port's link goes and comes back.
    ip -n "$px-br" link set pn down
    sleep 1.2
    ip -n "$px-br" link set pn up
    ok "restarted, and through a link that was down: answers" wait_for 3 pings 10.9.0.100
    ok "and forwards" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    kill "$dp_pid"
    wait "$dp_pid" || fail "exit status after SIGTERM: $?"
    dp_pid=
    if [ "$1" = af_xdp ]; then
        ok "stopped: the program stays on the interface" sh -c "ip -n $px-n -d link show eth0 | grep -q xdp"
        node_reachable "stopped"
        kernel_has_vip "stopped"
        # A successor guards what it has taken over before any snapshot comes.
        dp_start
        kernel_has_vip "started again, not yet configured"
        kill "$dp_pid"
        wait "$dp_pid" || fail "exit status after SIGTERM: $?"
        dp_pid=
        ok "--release takes the program off" in_ns n "$dp" --release "${ports[@]}"
        not "none is left" sh -c "ip -n $px-n -d link show eth0 | grep -q xdp"
        node_reachable "released"
    else
        not "stopped: the exception interface is gone" in_ns n ip link show postern0
    fi
    ok "socket and counters are removed" sh -c "! test -e '$tmp/dp.sock' && ! test -e '$tmp/stats'"
    not "nothing went wrong in between" grep -E 'error:|sandbox:' "$tmp/dp.log"
    net_down
}

# No kernel interface on the port's network: gateways are found by questions of our own.
run_wire() {
    say "wire:"
    : > "$tmp/dp.log"
    net_up wire
    ports=(--workers 2 --port 'lan:type=dpdk,device=net_af_packet0,iface=eth0,qpairs=1')
    in_ns n sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
    dp_start
    configure 1
    lease 60
    ok "VIP answers" wait_for 3 pings 10.9.0.100
    ok "over IPv6 too" pings fd00:9::100
    ok "a gateway found by an ARP probe" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    ctl snapshot 2 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway g2=fd00:9::4 --tier g2 --service smtp=8025
    ok "a gateway found by a neighbour solicitation" session_says 10.9.0.100 8025 '220 g2 sees 10.9.0.1'
    ok "known from the wire" sh -c "python3 '$here/dpctl.py' '$tmp/dp.sock' neighbours | grep -q 'reachable wire'"
    mac=$(in_ns g1 cat /sys/class/net/eth0/address)
    ctl snapshot 3 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway "s=10.9.0.250,mac=$mac" --tier s --service smtp=8025
    ok "a configured MAC address is taken as it is" session_says fd00:9::100 8025 '220 g1 sees fd00:9::1'
    ok "requests were counted" test "$(counter gen_arp_request)" -gt 0
    ok "solicitations too" test "$(counter gen_ndp_solicit)" -gt 0
    kill "$dp_pid"
    wait "$dp_pid" || fail "exit status after SIGTERM: $?"
    dp_pid=
    net_down
}

# The appliance: the node is its own gateway.
run_local() {
    say "local:"
    : > "$tmp/dp.log"
    net_up af_xdp
    in_ns n sysctl -qw net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 net.ipv4.conf.all.rp_filter=0
    ip -n "$px-n" addr add 10.9.0.100/32 dev lo
    ip -n "$px-n" addr add fd00:9::100/128 dev lo nodad
    server n node 8025
    server n node 2222
    ports=(--port "lan:type=af_xdp,interface=eth0" --local-interface pnlocal)
    dp_start
    ctl snapshot 1 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway self=10.9.0.2,local --gateway g1=10.9.0.3 \
        --tier self --tier g1 --service smtp=8025
    not "VIP silent without a lease, although the kernel has it" pings 10.9.0.100
    lease 60
    ok "a session over IPv4 reaches the node's own server" session_says 10.9.0.100 8025 '220 node sees 10.9.0.1'
    ok "a session over IPv6" session_says fd00:9::100 8025 '220 node sees fd00:9::1'
    ok "counted as delivered here" test "$(counter tx_local)" -gt 0
    node_reachable "local"
    ctl snapshot 2 --vip v4=10.9.0.100 --vip v6=fd00:9::100 --gateway self=10.9.0.2,local,drain --gateway g1=10.9.0.3 \
        --tier self --tier g1 --service smtp=8025
    ok "drained, new flows go to the other gateway" session_says 10.9.0.100 8025 '220 g1 sees 10.9.0.1'
    kill "$dp_pid"
    wait "$dp_pid" || fail "exit status after SIGTERM: $?"
    dp_pid=
    net_down
}

for v in $variants; do
    case $v in
    wire) run_wire ;;
    local) run_local ;;
    *) run_variant "$v" ;;
    esac
done
say "dp_smoke: all passed"
