#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A pair that shares a key file becomes a cluster while it carries addresses: no heartbeat is lost on the way, nor when the file goes.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

PAIR_CONF="vip \"a\" { address = \"$VIP4\"; priority { n1 = 200; n2 = 100 } }
vip \"b\" { address = \"$VIP4B\"; priority { n1 = 100; n2 = 200 } }
gateway \"mx1\" { address = \"$MX1_4\" }
pool \"mx\" { tier \"primary\" { gateways = [\"mx1\"] } }
service \"smtp\" { vips = [\"a\", \"b\"]; port = 25; pool = \"mx\" }"

state() { pn_pair_cli "$1" -j cluster status | jq -r "$2"; }
keys() { state "$1" '"\(.keys.heartbeats) \(.keys.file) \(.keys.cluster)"'; }
keys_are() { [ "$(keys 1)/$(keys 2)" = "$1/$1" ]; }
transitions() { for n in 1 2; do pn_pair_cli $n -j vip list | jq -c '[.vips[] | .transitions]'; done | tr '\n' ' '; }
refused_keys() { for n in 1 2; do pn_pair_cli $n -j node list | jq '[.heartbeats.refused | to_entries[] | select(.key | IN("forged", "unknown-key")) | .value] | add // 0'; done | paste -sd+ | bc; }

pn_huge_setup
pn_lab_start
pn_pair_link
pn_pair_conf
pn_pair_start || fail "the pair did not come up"
want_eq "heartbeats under the file's key" "$(keys 1)" "file true false"
before=$(transitions)

watch_begin cluster
want "one node makes a cluster" pn_pair_cli 1 cluster init
want_eq "and goes on with the file's key: the other has no other" "$(keys 1)" "file true true"
sleep 0.5
pn_pair_cli 1 cluster invite > "$LAB/token" 2> "$LAB/hints"
want "the other joins" pn_pair_cli 2 cluster join - < "$LAB/token"
want "both send with the cluster's key" pn_wait 10 keys_are "cluster true true"
sleep 0.5
mv "$LAB/heartbeat.keys" "$LAB/heartbeat.keys.old"
want "the file goes on one node" pn_pair_cli 1 reload
sleep 0.5
want "and on the other" pn_pair_cli 2 reload
want "the cluster's keys are all there is" keys_are "cluster false true"
want "they rotate" pn_pair_cli 2 cluster rotate-keys
epoch() { [ "$(state 1 '"\(.keys.epoch) \(.keys.phase)"')" = "2 stable" ]; }
want "to the end" pn_wait 30 epoch
sleep 0.5
watch_end cluster 60
want_eq "no address moved" "$(transitions)" "$before"
want_eq "no heartbeat was refused" "$(refused_keys)" 0

# A node that leaves has no key any more: it hands its addresses over instead of answering unheard.
watch_begin leave
want "a node leaves" pn_pair_cli 1 cluster remove n1 --yes
want "the other has its addresses" pn_wait 5 pn_pair_own_of 2 a=n2 b=n2
want "and says why it has none" grep -q 'no key for heartbeats' <(pn_pair_cli 1 status)
want_not "it cannot reload its way back" grep -q owner <(pn_pair_cli 1 reload > /dev/null 2>&1; pn_pair_cli 1 -j vip list | jq -r '.vips[].state')
sleep 0.5
watch_end leave "$PAIR_LIMIT"
cp "$LAB/heartbeat.keys.old" "$LAB/heartbeat.keys"
want "a key file brings it back" pn_pair_cli 1 reload
want "on the other node too" pn_pair_cli 2 reload
want "each address goes home" pn_wait 20 pn_pair_own a=n1 b=n2
want_eq "by the file: one node is no member" "$(keys 2)" "file true true"
pn_pair_cli 2 cluster status
