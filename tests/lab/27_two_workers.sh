#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two workers with a receive queue each: flows are spread over both, counted and listed once, and survive a restart. An ICMP
# error that arrives at one worker finds the flow at the other's gateway.
. "$(dirname "$0")/lib.sh"
export CONF_WORKERS=2
pn_huge_setup
pn_lab_start
lab_gateways
pn_postern_conf
lab_owned_port 2
hold_bg held 30 60 --every 1
held=$BG
send --messages 300 --sessions 20 --per-session 3
want_eq "all accepted" "$(result .accepted)" 300
want_eq "no attempt failed" "$(result '.failures | length')" 0
sleep 1.5
for w in 0 1; do
    want_num "flows of worker $w" "$(pn_cli -j status | jq ".dataplane.workers[$w].flows")" -gt 10
    want_num "listed flows of worker $w" "$(pn_cli -j flow list --max 1000 | jq "[.flows[] | select(.worker == $w)] | length")" -gt 10
done
want_eq "the held sessions are listed once each" \
    "$(pn_cli -j flow list --max 1000 | jq '[.flows[] | select(.state == "established") | "\(.client):\(.port)"] | length == (unique | length)')" true
client=$(pn_cli -j flow list --max 1000 | jq -r '[.flows[] | select(.worker == 1 and .state == "established")][0] | "\(.client)"')
want_num "a flow of the second worker is known by its client" "$(pn_cli -j flow list --client "${client%:*}" | jq '.flows | length')" -gt 0
pn_end dp KILL
pn_dp_start
want "the exception interface is back" pn_wait 20 pn_ns nd ip link show postern0
pn_ns nd ip link set postern0 up
pn_ns nd ip addr replace $NODE4/24 dev postern0
pn_ns nd ip route replace default via 10.77.0.1
want "the VIP answers after a restart" pn_wait 20 pn_vip_answers $VIP4
sleep 2
hold_end held $held
want_eq "established sessions lived" "$(jq -r .alive "$LAB/held.json")" 30
want_identity
want_none_lost
