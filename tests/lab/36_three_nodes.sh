#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Three nodes and an address that only a majority may have (prefer = exclusive): the third carries no address, it votes. Cut off
# from the other two an owner steps down before they go on; alone nobody has it until an administrator says so.
# Runs alone: it measures time on both CPUs.
PAIR_NODES=3
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

PAIR_VIP_A='prefer = exclusive;'

pn_huge_setup
pn_lab_start
pn_pair_link
lab_gateways
for n in 1 2; do pn_gateway_setup "m$n" $VIP4 $VIP4B; done
pn_pair_conf
pn_pair_start a=n1 b=n2 || fail "the three did not come up"

state() { pn_pair_cli "$1" -j vip show a | jq -r '.vips[0].state'; }
state_is() { [ "$(state "$1")" = "$2" ]; }
state_is_not() { [ "$(state "$1")" != "$2" ]; }
reason() { pn_pair_cli "$1" -j vip show a | jq -r '.vips[0].reason'; }
said() { pn_pair_cli "$1" -j log | jq -r '.events[].text' | grep -F "$2"; }
# A node cut off from the other nodes, ARP included; senders and gateways still reach it.
apart() { # NODE on|off
    [ "$2" = off ] || pn_ns rt nft -f - << END
table bridge apart {
    chain forward {
        type filter hook forward priority 0;
        iifname "to-$(pn_pair_part "$1")" oifname { "to-nd", "to-n2", "to-n3" } drop
        iifname { "to-nd", "to-n2", "to-n3" } oifname "to-$(pn_pair_part "$1")" drop
    }
}
END
    [ "$2" = on ] || pn_ns rt nft delete table bridge apart
}

want "three nodes agree: the exclusive address is n1's" pn_pair_own a=n1 b=n2
want_eq "n3 never takes it" "$(state 3)" backup

watch_begin partition
apart 1 on
want "n1, cut off, steps down" pn_wait 5 state_is_not 1 owner
want "and says why" said 1 "the lease ran out before it was renewed"
want "the two others go on with n2" pn_wait 5 state_is 2 owner
want_eq "by vote" "$(reason 2)" "voted in by a majority"
want "n1 says on its status that it has no majority" sh -c "ip netns exec $LAB_PREFIX-nd '$PN_CLI' --socket '$LAB/run/posternd1.sock' status | grep 'no majority'"
sleep 0.5
want_eq "n1 stays down" "$(pn_pair_cli 1 -j vip show a | jq -c '.vips[0] | [.state != "owner", .lease_left_ms, .reason]')" \
    '[true,0,"no heartbeat of an owner; waits for the votes of a majority"]'
apart 1 off
want "together again it is n1's" pn_wait 20 pn_pair_own a=n1 b=n2
watch_end partition "$PAIR_LIMIT"

watch_begin death
pn_pair_kill 1
want "n1 dies: n2 has it with n3's vote" pn_wait 5 pn_pair_own a=n2 b=n2
pn_end posternd3 KILL
want "n3 dies too: one of three is no majority" pn_wait 5 state_is_not 2 owner
want_not "nobody answers" pn_vip_answers $VIP4
want "but for the other address, which is not exclusive" pn_vip_answers $VIP4B
want "by force it may" pn_pair_cli 2 vip force a
want "and has it" pn_wait 5 state_is 2 owner
want_eq "which is shown" "$(reason 2)" "forced by order"
pn_pair_d_start 3
pn_pair_dp_start 1
pn_pair_d_start 1
want "all there: n1's, by votes" pn_wait 20 pn_pair_own a=n1 b=n2
want_eq "nothing is forced any more" "$(pn_pair_cli 2 -j vip show a | jq '.vips[0].forced')" false
touch "$LAB/death.stop"
wait $PING $ARP
want_eq "never two answered at a time" "$(jq .dual "$LAB/death.arp")" 0
