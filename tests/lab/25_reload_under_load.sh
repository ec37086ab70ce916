#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Snapshots are swapped all the time under load: not one attempt fails.
. "$(dirname "$0")/lib.sh"
lab_up
hold_bg held 10 60 --every 1
held=$BG
send_bg --messages 1500 --sessions 20 --per-session 3 --rate 150
for i in $(seq 1 30); do
    case $((i % 3)) in
    0) CONF_MX1="weight = $((10 + i))" pn_postern_conf && pn_cli reload > /dev/null || fail "reload $i" ;;
    1) pn_cli gateway weight mx1 $((20 + i)) > /dev/null || fail "weight $i" ;;
    2) kill -HUP "$(pn_pid posternd)" ;;
    esac
    sleep 0.2
done
wait "$BG" || fail "mail was left over: $(cat "$LAB/send.json")"
want_eq "everything was accepted" "$(result .accepted)" 1500
want_eq "without a failed attempt" "$(result '.failures | length')" 0
hold_end held $held
want_eq "held sessions lived" "$(jq -r .alive "$LAB/held.json")" 10
want_eq "no snapshot was refused" "$(pn_cli -j status | jq .dataplane.snapshot.rejected)" 0
want_identity
want_none_lost
