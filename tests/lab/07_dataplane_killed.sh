#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# kill -9 of the dataplane under load: it starts again, posternd refills it, established sessions go on where they were.
. "$(dirname "$0")/lib.sh"
lab_up

hold_bg held 20 60 --every 1
held=$BG
send_bg --messages 800 --sessions 20 --per-session 4 --rate 100 --retry 0.2 --timeout 30
load=$BG
sleep 2
pn_end dp KILL
sleep 0.5
pn_dp_start
want "the VIP answers again" pn_wait 20 pn_vip_answers $VIP4
want "over IPv6 too" pn_wait 5 pn_vip_answers $VIP6
wait "$load" || fail "mail was left over: $(cat "$LAB/send.json")"
want_eq "everything was accepted" "$(result .accepted)" 800
hold_end held $held
want_eq "established sessions lived" "$(jq -r .alive "$LAB/held.json")" 20
want_eq "where they were" "$(jq -c '.by | keys' "$LAB/held.json")" '["mx1"]'
want_none_lost
pn_end dp TERM
pn_dp_start
want "after an orderly stop and start as well" pn_wait 20 pn_vip_answers $VIP4
send --messages 5
want_eq "mail flows" "$(result .accepted)" 5
