# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# The pair of Postern nodes under chaos.sh.

postern_up() {
    pn_pair_conf
    pn_pair_start && pn_wait 10 postern_green
}
postern_green() { pn_pair_cli 1 -j gateway list | jq -e 'all(.gateways[]; .health == "up")' && pn_pair_cli 2 -j gateway list | jq -e 'all(.gateways[]; .health == "up")'; }
postern_down() {
    local n
    for n in 1 2; do
        pn_end "posternd$n" KILL
        pn_end "dp$n" TERM
        pn_ns "$(pn_pair_part "$n")" ip link set eth0 xdp off # it guards the addresses until a successor comes
    done
}
postern_settled() { pn_pair_owners n1 n2 && postern_green > /dev/null; }
postern_pids() { # posternd | dp | all
    case $1 in
    all) pn_pid posternd1 && pn_pid dp1 ;;
    *) pn_pid "${1}1" ;;
    esac
}
postern_start() {
    case $1 in
    posternd) pn_pair_d_start 1 ;;
    dp) pn_pair_dp_start 1 ;;
    all) pn_pair_dp_start 1 && pn_pair_d_start 1 ;;
    esac
}
postern_restart() {
    pn_end posternd1 TERM
    pn_pair_d_start 1
}
restart_held() {
    pn_pair_cli 1 node hold 10 > /dev/null
    pn_end posternd1 TERM
    sleep 0.3
    pn_pair_d_start 1
    pn_wait 5 pn_pair_cli 1 status
}
restart_dp() {
    pn_end dp1 TERM
    pn_pair_dp_start 1
}
postern_move_away() { pn_pair_cli 1 vip move a n2 > /dev/null; }
postern_move_back() { pn_pair_cli 2 vip move a n1 > /dev/null; }
standby() { pn_pair_cli 1 node standby > /dev/null; }
active() { pn_pair_cli 1 node active > /dev/null; }

# State changes of both VIPs on both nodes; a restarted posternd counts from 0.
postern_transitions() {
    local n
    for n in 1 2; do pn_pair_cli $n -j vip; done 2> /dev/null | jq -s '[.[].vips[].transitions] | add // 0'
}
postern_refused() {
    local n
    for n in 1 2; do pn_pair_cli $n -j node list; done 2> /dev/null | jq -s '[.[].heartbeats.refused[]] | add // 0'
}
postern_wire() { echo sealed; }
postern_heartbeat_match() { echo 'ip protocol udp udp dport 24625'; }
