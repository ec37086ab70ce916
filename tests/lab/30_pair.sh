#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two nodes, each home of one address: whatever dies, stops or is moved, somebody answers again soon, and never two at a time.
# Runs alone: it measures time on both CPUs.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

pn_huge_setup
pn_lab_start
pn_pair_link
for n in 1 2; do
    pn_gateway_setup "m$n" $VIP4 $VIP4B
    pn_postfix_make "mx$n" "m$n"
    pn_postfix_start "mx$n"
done
pn_pair_conf
pn_pair_start || fail "the pair did not come up"
pn_say "ok: opposite addresses have opposite owners"

settled() { pn_wait 20 pn_pair_owners n1 n2 || fail "the addresses did not come home: $(pn_pair_cli 1 vip; pn_pair_cli 2 vip)"; }

# Sessions in the middle of it all, over the address that moves.
hold_bg held 20 200 --every 1
held=$BG

watch_begin kill-posternd
kill -9 "$(pn_pid posternd1)"
want "killed posternd: the other has it" pn_wait 5 pn_pair_own_of 2 a=n2
pn_pair_d_start 1
settled
sleep 0.5
watch_end kill-posternd "$PAIR_LIMIT"

watch_begin kill-dataplane
kill -9 "$(pn_pid dp1)"
want "killed postern-dp: the other has it" pn_wait 5 pn_pair_own_of 2 a=n2
pn_pair_dp_start 1
settled
sleep 0.5
watch_end kill-dataplane "$PAIR_LIMIT"

for what in posternd dp both; do
    pids=$(case $what in posternd) pn_pid posternd1 ;; dp) pn_pid dp1 ;; *) pn_pid posternd1 && pn_pid dp1 ;; esac)
    watch_begin "stop-$what"
    # shellcheck disable=SC2086
    kill -STOP $pids
    want "stopped $what: the other has it" pn_wait 5 pn_pair_own_of 2 a=n2
    # shellcheck disable=SC2086
    kill -CONT $pids
    settled
    sleep 0.5
    watch_end "stop-$what" "$PAIR_LIMIT"
done

watch_begin move
want "a planned move" pn_pair_cli 1 vip move a n2
want "is done" pn_wait 5 pn_pair_owners n2 n2
want "and moved back" pn_pair_cli 2 vip move a n1
sleep 0.5
settled
watch_end move 60

watch_begin standby
want "standby" pn_pair_cli 1 node standby
want "gives all to the other" pn_wait 5 pn_pair_owners n2 n2
want "active again" pn_pair_cli 1 node active
settled
watch_end standby 60

watch_begin restart
want "the peers agree to wait" pn_pair_cli 1 node hold 10
pn_end posternd1 TERM
sleep 0.3
pn_pair_d_start 1
settled
sleep 0.5
watch_end restart 60
want_eq "a held restart moves nothing" "$(jq .changes "$LAB/restart.arp")" 0

watch_begin stop-service
pn_end posternd1 TERM
want "an ordinary stop hands over" pn_wait 5 pn_pair_own_of 2 a=n2
pn_pair_d_start 1
settled
watch_end stop-service 60

hold_end held $held
want_eq "every session lived through all of it" "$(jq -r .alive "$LAB/held.json")" 20
want_eq "where it was" "$(jq -c '.by | keys' "$LAB/held.json")" '["mx1"]'
want_num "flows were told to the other node" "$(pn_pair_cli 1 -j node list | jq .sync.flows_sent)" -ge 1

want_eq "nothing was refused" "$(pn_pair_cli 1 -j node list | jq '[.heartbeats.refused | to_entries[] | select(.key | IN("forged", "malformed", "unknown-key")) | .value] | add')" 0
pn_pair_cli 1 node list
