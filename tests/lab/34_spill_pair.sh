#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The owner dies while flows are spilled: they are exceptions that no other node would compute, so the other node must have been told of
# them. Established ones, and those in the middle of their handshake.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

MARK=6
PAIR_CONF="
vip \"a\" { address = \"$VIP4\"; priority { n1 = 200; n2 = 100 } }
vip \"b\" { address = \"$VIP4B\"; priority { n1 = 100; n2 = 200 } }
gateway \"mx1\" { address = \"$MX1_4\" }
gateway \"mx2\" { address = \"$MX2_4\" }
check \"mail\" { type = smtp; port = 25; interval = 500ms; timeout = 2s; rise = 2; fall = 2; helo = node.postern.test }
pool \"mx\" {
    checks = [\"mail\"]
    tier \"primary\" { gateways = [\"mx1\"]; spill { active-flows-high = $MARK; hold-up = 200ms; hold-down = 1s } }
    tier \"secondary\" { gateways = [\"mx2\"] }
}
service \"smtp\" { vips = [\"a\", \"b\"]; port = 25; pool = \"mx\" }
"

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

flows() { # NODE JQ-CONDITION -> how many
    pn_pair_cli "$1" -j flow list | jq "[.flows[] | select($2)] | length"
}
flows_are() { [ "$(flows "$1" "$2")" -ge "$3" ]; }

hold_bg spilled 18 60 --every 0.5 --open-every 0.1
spilled=$BG
away=$(jq '.mx2 // 0' "$LAB/spilled.ready")
want_num "above the mark new sessions go to the secondary" "$away" -ge 4
want "the other node knows them, and that they are spilled" \
    pn_wait 5 flows_are 2 '.spilled and .gateway == "mx2" and .state == "established"' "$away"

# Handshakes that the owner's death interrupts: the gateways' answers are held up on their way to the sender.
pn_ns cl nft -f - << 'END'
table ip hold {
    chain input {
        type filter hook input priority 0;
        tcp sport 25 tcp flags & (syn | ack) == (syn | ack) drop
    }
}
END
ip netns exec "$LAB_PREFIX-cl" $PYTHON "$TOOLS/smtpload.py" send $VIP4 --messages 5 --sessions 5 --connect-timeout 15 \
    --accepted "$LAB/accepted" > "$LAB/half.json" &
half=$!
want "five handshakes have begun, spilled" pn_wait 5 flows_are 1 '.spilled and .gateway == "mx2" and .state == "half-open"' 5
want "the other node knows them too" pn_wait 5 flows_are 2 '.spilled and .gateway == "mx2" and .state == "half-open"' 5

watch_begin death
pn_pair_kill 1
want "the owner dies, the other node has the address" pn_wait 5 pn_pair_own a=n2 b=n2
pn_ns cl nft delete table ip hold
wait $half || fail "the interrupted handshakes: $(cat "$LAB/half.json")"
want_eq "the handshakes end where they began" "$(jq -c '[.by, .failures]' "$LAB/half.json")" '[{"mx2":5},{}]'
want_num "spilled flows are the other node's now" "$(flows 2 '.spilled and .gateway == "mx2" and .state == "established"')" -ge "$away"
pn_pair_dp_start 1
pn_pair_d_start 1
want "it comes back and takes its own" pn_wait 20 pn_pair_own a=n1 b=n2
sleep 1
want_num "with the spilled flows" "$(flows 1 '.spilled and .gateway == "mx2" and .state == "established"')" -ge "$away"
watch_end death "$PAIR_LIMIT"
hold_end spilled $spilled
want_eq "every session lived" "$(jq -r .alive "$LAB/spilled.json")" 18
want_eq "where it was" "$(jq -c .sessions_by "$LAB/spilled.json")" "$(jq -c . "$LAB/spilled.ready")"
want_none_lost
