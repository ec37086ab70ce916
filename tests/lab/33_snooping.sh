#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two nodes with multicast heartbeats behind a switch that forwards groups only to those who ask for them (IGMP and MLD snooping):
# on a shared port the kernel asks, on an owned one the exception tap's kernel or Postern itself.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

PAIR_HEARTBEAT+=' mode = multicast;'
GROUP=239.255.25.25

pn_huge_setup
pn_lab_start
pn_pair_link
pn_ns rt ip link set br0 type bridge mcast_query_response_interval 50 mcast_startup_query_interval 100 &&
    pn_ns rt ip link set br0 type bridge mcast_snooping 1 mcast_querier 1 || {
    pn_say "this kernel's bridge has no snooping: nothing to test"
    exit 0
}
sleep 1.5 # from then on it believes that it has heard all who want something
pn_pair_conf
cat >> "$LAB/pair.conf" << END
vip "six" { address = "$VIP6"; priority { n1 = 200; n2 = 100 } }
service "smtp6" { vips = ["six"]; port = 25; pool = "mx" }
END

asked() { pn_ns rt bridge mdb show dev br0 | grep "port $1 " | grep -q "grp $2 "; } # PORT GROUP
not_asked() { ! asked "$@"; }
heard() { # NODE: how many of the other's heartbeats
    pn_pair_cli "$1" -j node list | jq '[.nodes[].received] | add'
}
more() { [ "$(heard "$1")" -gt "$2" ]; }

agree() {
    pn_wait 20 pn_pair_owners n1 n2 || fail "the nodes do not agree: $(pn_pair_cli 1 vip; pn_pair_cli 2 vip; pn_pair_cli 1 log; pn_pair_cli 2 log)"
    pn_say "ok: the nodes agree"
}

want "two nodes that only hear what they asked for agree" pn_pair_start
for port in to-nd to-n2; do
    want "$port asks for the heartbeats' group" pn_wait 5 asked $port $GROUP
    want "$port asks for the group that solicitations for the IPv6 address go to" pn_wait 5 asked $port ff02::1:ff00:25
done
want_eq "nobody else does" "$(pn_ns rt bridge mdb show dev br0 | grep -c "port to-m[12] grp $GROUP ")" 0
# What is not asked for is not brought: this switch is one of those.
pn_ns m1 timeout 3 tcpdump -i eth0 -c 5 -n "udp port 24625" > "$LAB/m1.dump" 2>&1 || true
want "and gets none" grep -q "^0 packets captured" "$LAB/m1.dump"
want "the IPv6 address answers" pn_wait 5 pn_vip_answers $VIP6
want_eq "the address has one owner" "$(pn_pair_owner 2 six)" n1

pn_ns rt bridge mdb show dev br0 > "$LAB/mdb"
pn_end posternd1 TERM
pn_end dp1 TERM
want "a dataplane that ends leaves its groups" pn_wait 10 not_asked to-nd $GROUP

owned() { # EXCEPTION
    sed -i "0,/port \"lan\" {[^}]*}/s|port \"lan\" {[^}]*}|port \"lan\" { type = dpdk; device = \"net_af_packet0,iface=eth0\"; $1 address-v4 = \"$NODE4\"; address-v6 = \"$NODE6\" }|" \
        "$LAB/pair.conf"
    pn_end posternd1 TERM
    pn_end dp1 TERM
    pn_end posternd2 TERM
    # What guards the addresses while a shared port's dataplane is away; an owned device is not the kernel's any more.
    pn_ns nd ip link set eth0 xdp off
    pn_ns nd ip link set eth0 xdpgeneric off
    pn_ns nd ip addr flush dev eth0
    pn_ns nd sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
    want "no group is asked for on the owned port" pn_wait 10 not_asked to-nd $GROUP
    pn_pair_dp_start 1
}

owned ""
pn_pair_d_start 1
pn_pair_d_start 2
want "an owned port: Postern itself asks for the heartbeats' group" pn_wait 15 asked to-nd $GROUP
want "and for the IPv6 address's" pn_wait 5 asked to-nd ff02::1:ff00:25
agree
n=$(heard 1)
want "and go on hearing each other" pn_wait 5 more 1 $((n + 50))

owned "exception = postern0;"
want "the exception interface appears" pn_wait 20 pn_ns nd ip link show postern0
pn_ns nd ip link set postern0 up
pn_ns nd ip addr add $NODE4/24 dev postern0
pn_ns nd ip addr add $NODE6/64 dev postern0 nodad
pn_pair_d_start 1
pn_pair_d_start 2
want "with an exception interface its kernel asks" pn_wait 15 asked to-nd $GROUP
want "and for the IPv6 address's" pn_wait 5 asked to-nd ff02::1:ff00:25
want "as the kernel's list says" grep -q "$GROUP" <(pn_ns nd ip maddr show dev postern0)
agree
