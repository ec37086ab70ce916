#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of the control plane under load loses nothing: the lease goes on, and the daemon takes up where it was.
. "$(dirname "$0")/lib.sh"
lab_up

hold_bg held 10 40 --every 1
held=$BG
send_bg --messages 800 --sessions 20 --per-session 2 --rate 120 --retry 0.2
load=$BG
sleep 1.5
want "an order is given" pn_cli gateway weight mx1 50
pn_end posternd KILL
want "the VIP still answers" pn_vip_answers $VIP4
sleep 2
want "and after two seconds without posternd" pn_vip_answers $VIP6
pn_posternd_start
answers() { pn_cli status; }
want "posternd answers again" pn_wait 10 answers
want "and knows the gateways" pn_wait 10 pn_gateways_up
want_eq "and the administrator's order" "$(pn_cli -j gateway | jq -r '.gateways[] | select(.name == "mx1") | .weight')" 50
wait "$load" || fail "mail was left over: $(cat "$LAB/send.json")"
want_eq "everything was accepted" "$(result .accepted)" 800
want_eq "without a single failed attempt" "$(result '.failures | length')" 0
want_eq "all by the primary" "$(result .by.mx1)" 800
hold_end held $held
want_eq "the held sessions lived" "$(jq -r .alive "$LAB/held.json")" 10
want_none_lost
