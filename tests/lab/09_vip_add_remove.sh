#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# VIPs come and go by reload, without a restart and without hurting sessions on the others.
. "$(dirname "$0")/lib.sh"
lab_up
for part in m1 m2; do pn_gateway_setup $part $VIP4 $VIP6 $VIP4B; done

hold_bg held 5 40 --every 1
held=$BG
want_not "the new VIP is silent" pn_vip_answers $VIP4B
dp=$(pn_pid dp)
export CONF_VIPS="vip \"in4b\" { address = \"$VIP4B\"; port = \"lan\"; priority { n1 = 200 } }" CONF_MORE_VIPS=', "in4b"'
pn_postern_conf
# Watch for the announcement while it comes up.
pn_spawn tcpdump rt tcpdump -n -i to-nd -w "$LAB/garp.pcap" --immediate-mode -U arp
sleep 1
want "reload takes the new VIP" pn_cli reload
want "the new VIP answers" pn_wait 5 pn_vip_answers $VIP4B
announced() { tcpdump -n -r "$LAB/garp.pcap" 2> /dev/null | grep -E "$VIP4B.*(Announcement|tell $VIP4B|is-at)" > /dev/null; }
want "it was announced by gratuitous ARP" pn_wait 5 announced
pn_end tcpdump
VIP_OLD=$VIP4
VIP4=$VIP4B
send --messages 20 --sessions 2
want_eq "and carries mail" "$(result .accepted)" 20
VIP4=$VIP_OLD

CONF_VIPS='' CONF_MORE_VIPS=''
pn_postern_conf
want "reload without it" pn_cli reload
pn_ns rt ip neigh flush dev br0
silent() { ! pn_vip_answers $VIP4B; }
want "it falls silent" pn_wait 5 silent
want "the others answer" pn_vip_answers $VIP4
want_eq "the dataplane is the same process" "$(pn_pid dp)" "$dp"
hold_end held $held
want_eq "sessions on the other VIP lived" "$(jq -r .alive "$LAB/held.json")" 5
