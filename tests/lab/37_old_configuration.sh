#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A node that comes back takes nothing before it knows what its peer knows: not with an older configuration, not without the flows. It
# says why.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

PAIR_HEARTBEAT+=' flow-sync-timeout = 20s;'

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

waits() { pn_pair_cli 1 -j vip show a | jq -r '.vips[0].waits // ""'; }
waits_for() { waits | grep -F "$1"; }
status() { pn_ns nd "$PN_CLI" --socket "$LAB/run/posternd1.sock" status; }
shown() { status | grep -F "$1"; }

hold_bg held 6 60 --every 0.5
held=$BG
pn_pair_kill 1
want "n1 dies, n2 has both" pn_wait 5 pn_pair_own a=n2 b=n2
sed 's/^gateway "mx2".*/gateway "mx2" { address = "10.77.0.12"; weight = 50 }/' "$LAB/pair.conf" > "$LAB/pair1.conf"
pn_pair_dp_start 1
pn_pair_d_start 1
want "n1 comes back with an older configuration" pn_wait 10 waits_for "its owner has another configuration"
sleep 1.5
want "it takes nothing" pn_pair_own a=n2 b=n2
want "and its status says so" shown "not taken back yet: its owner has another configuration"
want "in an alarm too" shown "node n2 has another configuration"
want "n2 is told of it as well" sh -c "ip netns exec $LAB_PREFIX-n2 '$PN_CLI' --socket '$LAB/run/posternd2.sock' status | grep 'n1 has another configuration'"

# Now the configuration is the same, but the flows do not come.
pn_pair_kill 1
rm "$LAB/pair1.conf"
pn_ns rt nft -f - << 'END'
table bridge nosync {
    chain forward {
        type filter hook forward priority 0;
        udp dport 24625 @th,88,8 0x02 drop
    }
}
END
pn_pair_dp_start 1
pn_pair_d_start 1
want "without n2's flows" pn_wait 10 waits_for "the flows of the other nodes are not all here"
sleep 1
want "it takes nothing either" pn_pair_own a=n2 b=n2
want "which its status says" shown "the flows of the other nodes are not all here"
want "as node list does" sh -c "ip netns exec $LAB_PREFIX-nd '$PN_CLI' --socket '$LAB/run/posternd1.sock' node list | grep -E '^n2 .* waiting'"
status
pn_ns rt nft delete table bridge nosync
want "with them it takes its own" pn_wait 10 pn_pair_own a=n1 b=n2
want_eq "and nothing waits any more" "$(waits)" ""
hold_end held $held
want_eq "the sessions lived through it" "$(jq -r .alive "$LAB/held.json")" 6
want_none_lost
