#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A port owned by DPDK: the node's own address lives on the exception port, the VIPs in the dataplane.
. "$(dirname "$0")/lib.sh"
pn_huge_setup
pn_lab_start
lab_gateways
pn_postern_conf
sed -i 's|port "lan" {.*|port "lan" { type = dpdk; device = "net_af_packet0,iface=eth0"; exception = "postern0" }|' "$LAB/postern.conf"
# The kernel keeps its hands off the interface; what DPDK owns has no addresses.
pn_ns nd ip addr flush dev eth0
pn_ns nd sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
mkdir -p "$LAB/state"
pn_dp_start
want "the exception interface appears" pn_wait 20 pn_ns nd ip link show postern0
pn_ns nd ip link set postern0 up
pn_ns nd ip addr add $NODE4/24 dev postern0
pn_ns nd ip addr add $NODE6/64 dev postern0 nodad
pn_ns nd ip route replace default via 10.77.0.1
pn_ns nd ip -6 route replace default via fd77::1
pn_posternd_start
want "the VIP answers" pn_wait 20 pn_vip_answers $VIP4
want "the node's own address answers" pn_wait 5 pn_vip_answers $NODE4
want "over IPv6 too" pn_wait 5 pn_vip_answers $NODE6
pn_spawn listen nd nc -l -k $NODE4 2222
want "TCP to the node" pn_wait 5 pn_ns cl nc -z -w 2 $NODE4 2222
want "health checks go out" pn_wait 10 pn_gateways_up
send --messages 20 --sessions 4
want_eq "mail flows" "$(result .by.mx1)" 20
want_none_lost
