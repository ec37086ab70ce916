#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two gateways of one tier share by weight; affinity keeps a client, or its network, at one gateway; explain tells which.
. "$(dirname "$0")/lib.sh"
pn_huge_setup
pn_lab_start
for i in $(seq 1 40); do pn_ns cl ip addr add "10.78.0.$((100 + i))/24" dev eth0; done
lab_gateways
conf() { # AFFINITY
    CONF_MX1="weight = 100" CONF_MX2="weight = 50" CONF_SERVICE="affinity = $1" pn_postern_conf
    sed -i 's/gateways = \["mx1"\]/gateways = ["mx1", "mx2"]/; /tier "secondary"/d' "$LAB/postern.conf"
}
conf none
pn_postern_start
send --messages 600 --sessions 10
m1=$(result .by.mx1)
want_num "two thirds of the sessions are mx1's: at least" "$m1" -ge 340
want_num "and at most" "$m1" -le 460

conf client
want "reload with affinity client" pn_cli reload
sleep 0.5
wrong=0 seen1=0 seen2=0
for i in $(seq 1 40); do
    from=10.78.0.$((100 + i))
    told=$(pn_cli -j explain $from | jq -r '.. | objects | .gateway? // empty | strings' | head -n 1)
    send --messages 4 --sessions 2 --source $from
    [ "$(result ".by.$told // 0")" = 4 ] || wrong=$((wrong + 1))
    case $told in mx1) seen1=$((seen1 + 1)) ;; mx2) seen2=$((seen2 + 1)) ;; esac
done
want_eq "each client stayed at the gateway that explain named" $wrong 0
want_num "clients at mx1" $seen1 -gt 10
want_num "clients at mx2" $seen2 -gt 3

conf network
want "reload with affinity network" pn_cli reload
sleep 0.5
sources=()
for i in $(seq 1 20); do sources+=(--source "10.78.0.$((100 + i))"); done
send --messages 40 --sessions 20 "${sources[@]}"
want_eq "a whole network is at one gateway" "$(result '.by | length')" 1
want_none_lost
