#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# An address added to the blocklist cannot begin a session any more, one in the welcomelist always can; a restart of either
# daemon changes nothing of that.
. "$(dirname "$0")/lib.sh"
lab_up

rules() { pn_cli -j rule status | jq -r ".filter.$1"; }
filter_is() { [ "$(rules known)" = true ] && [ "$(rules loading)" = false ] && [ "$(rules blocked_v4)" = "$1" ] && [ "$(rules welcomed_v4)" = "$2" ]; }
opens() { pn_ns cl timeout 3 bash -c "exec 3<>/dev/tcp/$VIP4/25 && head -c 3 <&3 | grep -q 220"; }

want "the dataplane has an empty filter" pn_wait 10 filter_is 0 0
want "a session opens" opens
want "the client's network is blocked" pn_cli rule add blocklist "$CLIENT4/24"
want "the dataplane has it" pn_wait 5 filter_is 1 0
want_not "no session opens" opens
want_counter "and it is counted" filter_blocked 1
want "the client alone is welcome" pn_cli rule add welcomelist "$CLIENT4"
want "the dataplane has it, too" pn_wait 5 filter_is 1 1
want "a session opens again" opens
want "not welcome any more" pn_cli rule remove welcomelist "$CLIENT4"
want "the dataplane has heard" pn_wait 5 filter_is 1 0
want_not "no session opens" opens

# The same by IPv6; the address as people write it, with bits beyond the prefix.
opens_v6() { pn_ns cl timeout 3 bash -c "exec 3<>/dev/tcp/$VIP6/25 && head -c 3 <&3 | grep -q 220"; }
v6_is() { [ "$(rules blocked_v6)" = "$1" ] && [ "$(rules welcomed_v6)" = "$2" ]; }
want "a session opens by IPv6" opens_v6
want "its network is blocked" pn_cli rule add blocklist "$CLIENT6/64"
want "the dataplane has it" pn_wait 5 v6_is 1 0
want_not "no session opens by IPv6" opens_v6
want "the client alone is welcome" pn_cli rule add welcomelist "$CLIENT6"
want "the dataplane has it, too" pn_wait 5 v6_is 1 1
want "a session opens by IPv6 again" opens_v6
want "no longer" pn_cli rule remove welcomelist "$CLIENT6"
want "nor blocked" pn_cli rule remove blocklist "$CLIENT6/64"
want "the dataplane has heard" pn_wait 5 v6_is 0 0

pn_end posternd KILL
want_not "nor while posternd is dead" opens
pn_posternd_start
want "posternd loads the filter again" pn_wait 10 filter_is 1 0
want_not "no session opens" opens
pn_end dp KILL
sleep 0.5
pn_dp_start
want "a new dataplane gets it" pn_wait 20 filter_is 1 0
want "and answers" pn_wait 20 pn_vip_answers $VIP4
want_not "no session opens" opens

# Many at once: 20,000 networks, while a session goes on.
seq 0 19999 | awk '{ printf "100.%d.%d.0/24\n", 64 + $1 / 256, $1 % 256 }' > "$LAB/nets.txt"
want "20,000 networks" pn_cli rule import "$LAB/nets.txt" --list blocklist
want "reach the dataplane" pn_wait 20 filter_is 20001 0
sed -i 's/^cluster {/filter { action = reset }\ncluster {/' "$LAB/postern.conf"
want "another action" pn_cli reload
want "is in the dataplane" pn_wait 20 bash -c "[ \"\$(ip netns exec $LAB_PREFIX-nd $PN_CLI --socket $LAB/run/posternd.sock -j rule status | jq -r .filter.action)\" = reset ]"
want "the client is let in again" pn_cli rule remove blocklist "$CLIENT4/24"
want "the dataplane has heard" pn_wait 5 filter_is 20000 0
want "a session opens" opens
