#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Heartbeats over two networks: one that fails moves nothing and is told; without both the wire is asked; and an owner whose own
# cable is out gives its address up although it can still talk to the other.
# Runs alone: it measures time on both CPUs.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

PAIR_NODE='port "second" { interface = eth1; address-v4 = "10.79.0.%n" }
    path "lan" { port = lan }
    path "direct" { port = second }'

pn_huge_setup
pn_lab_start
pn_pair_link
pn_pair_link_second
lab_gateways
for n in 1 2; do pn_gateway_setup "m$n" $VIP4 $VIP4B; done
pn_pair_conf
pn_pair_start || fail "the pair did not come up"
home() { pn_pair_owners n1 n2; }

path() { # NODE PEER PATH -> true, false: heard over it
    pn_pair_cli "$1" -j node list | jq -r --arg n "$2" --arg p "$3" '.nodes[] | select(.name == $n).paths[] | select(.name == $p).heard'
}
path_is() { [ "$(path "$1" "$2" "$3")" = "$4" ]; }
said() { pn_pair_cli "$1" -j log | jq -r '.events[].text' | grep -F "$2"; }
transitions() { pn_pair_cli 2 -j vip list | jq -c '[.vips[].transitions]'; }
paths_cut() { # lan|direct on|off: heartbeats do not pass; on the LAN ARP does
    local from='iifname { "to-nd", "to-n2" }'
    [ "$1" = lan ] || from='iifname { "second-nd", "second-n2" }'
    if [ "$2" = off ]; then
        pn_ns rt nft delete table bridge "cut-$1"
        return
    fi
    pn_ns rt nft -f - << END
table bridge cut-$1 {
    chain forward {
        type filter hook forward priority 0;
        $from udp dport 24625 drop
    }
}
END
}

want "n2 hears n1 over the LAN" pn_wait 5 path_is 2 n1 lan true
want "and over the second network" path_is 2 n1 direct true
before=$(transitions)

WATCH_PING_MS=2 watch_begin one
for p in lan direct; do
    paths_cut $p on
    want "without path $p: told" pn_wait 5 path_is 2 n1 $p false
    want "on the other node too" pn_wait 5 path_is 1 n2 $p false
    want "as an alarm" said 2 "not heard over path $p"
    want "status says it" sh -c "ip netns exec $LAB_PREFIX-n2 '$PN_CLI' --socket '$LAB/run/posternd2.sock' status | grep 'n1 not heard over path $p'"
    want "everybody stays" home
    paths_cut $p off
    want "heard again" pn_wait 5 path_is 2 n1 $p true
    want "and told" said 2 "heard over path $p again"
done
pn_pair_cli 2 node list
watch_end one 100
want_eq "nothing has moved" "$(transitions)" "$before"

# Both: no heartbeat arrives, but the owner answers the probe.
watch_begin both
paths_cut lan on
paths_cut direct on
want "without both: the owner answers ARP, so there is an alarm" pn_wait 5 said 2 "the owner answers ARP/ND"
sleep 0.5
want_eq "and no takeover" "$(transitions)" "$before"
watch_end both 100
want_eq "one answers" "$(jq '.macs | length' "$LAB/both.arp")" 1
watch_begin dies
pn_pair_kill 1
want "when it dies nobody answers the probe: taken over" pn_wait 5 pn_pair_own a=n2 b=n2
paths_cut lan off
paths_cut direct off
pn_pair_dp_start 1
pn_pair_d_start 1
want "it comes back and takes its own" pn_wait 20 home
watch_end dies "$PAIR_LIMIT"

# The owner's own cable: it is heard over the second network, but mail cannot reach it.
want "heard over both" pn_wait 5 path_is 2 n1 lan true
watch_begin cable
pn_ns rt ip link set to-nd down
want "an owner whose cable is out gives its address up" pn_wait 5 pn_pair_own a=n2 b=n2
want_eq "and says why" "$(pn_pair_cli 1 -j vip show a | jq -r '.vips[0].reason')" "its port cannot send"
want_eq "heard all the time" "$(pn_pair_cli 2 -j node list | jq '.nodes[] | select(.name == "n1").heard')" true
pn_ns rt ip link set to-nd up
want "with the cable it takes it again" pn_wait 20 home
watch_end cable "$PAIR_LIMIT"

# It is heard, on both, but nothing reaches it on the LAN.
want "heard over both" pn_wait 5 path_is 1 n2 lan true
watch_begin deaf
pn_ns rt nft -f - << END
table bridge deaf {
    chain out {
        type filter hook postrouting priority 0;
        oifname "to-nd" drop
    }
}
END
want "an owner whose port receives nothing gives its address up" pn_wait 5 pn_pair_own a=n2 b=n2
want_eq "and says why" "$(pn_pair_cli 1 -j vip show a | jq -r '.vips[0].reason')" "its port receives nothing"
want "as an alarm" said 1 "its port has received nothing for"
sleep 1
want "it stays so" pn_pair_own a=n2 b=n2
pn_ns rt nft delete table bridge deaf
want "when it hears again it takes it again" pn_wait 20 home
want "and that is told" said 1 "its port receives again"
watch_end deaf $((PAIR_LIMIT + 2000)) # it is sure after four times takeover
