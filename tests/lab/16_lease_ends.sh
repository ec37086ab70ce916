#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Without posternd the VIP falls silent when the lease ends, not before; known flows go on for the grace time.
. "$(dirname "$0")/lib.sh"
export CONF_VIP4="lease = 3s; grace = 30s" CONF_VIP6="lease = 3s; grace = 30s"
lab_up
hold_bg held 5 60 --every 1
held=$BG
arp() { pn_ns rt arping -q -c 1 -w 1 -I br0 $VIP4; }
want "ARP is answered" arp
pn_end posternd KILL
want "and goes on being answered while the lease holds" arp
sleep 4
want_not "not afterwards" arp
want "the known sessions go on" kill -0 "$held"
pn_posternd_start
want "with posternd the VIP is back" pn_wait 10 arp
hold_end held $held
want_eq "sessions lived through it" "$(jq -r .alive "$LAB/held.json")" 5
