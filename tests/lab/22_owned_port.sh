#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A port owned by DPDK: the node's own address lives on the exception port, the VIPs in the dataplane.
. "$(dirname "$0")/lib.sh"
pn_huge_setup
pn_lab_start
lab_gateways
pn_postern_conf
lab_owned_port 1
want "the node's own address answers" pn_wait 5 pn_vip_answers $NODE4
want "over IPv6 too" pn_wait 5 pn_vip_answers $NODE6
pn_spawn listen nd nc -l -k $NODE4 2222
want "TCP to the node" pn_wait 5 pn_ns cl nc -z -w 2 $NODE4 2222
send --messages 20 --sessions 4
want_eq "mail flows" "$(result .by.mx1)" 20
want_none_lost
