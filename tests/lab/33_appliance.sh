#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The appliances: each node is a gateway too, and the other's secondary. n1 owns the outbound address, n2 the inbound one, that of
# the web interface follows n1. When one dies the other serves all three; it comes back and takes its own.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/pair.sh"

VIP_WEB=10.77.0.27
MARK=8
PAIR_NODE='local-interface = "pnlocal";'
PAIR_CONF="
vip \"out\" { address = \"$VIP4\"; priority { n1 = 200; n2 = 100 } group = \"mine\" }
vip \"in\" { address = \"$VIP4B\"; priority { n1 = 100; n2 = 200 } }
vip \"web\" { address = \"$VIP_WEB\"; priority { n1 = 200; n2 = 100 } group = \"mine\" }
gateway \"mx1\" { address = \"$NODE4\"; mode = local; node = \"n1\" }
gateway \"mx2\" { address = \"$NODE2_4\"; mode = local; node = \"n2\" }
check \"mail\" { type = smtp; port = 25; interval = 500ms; timeout = 2s; rise = 1; fall = 2; helo = node.postern.test }
check \"https\" { type = tcp; port = 443; interval = 500ms; timeout = 2s; rise = 1; fall = 2 }
pool \"mx-out\" {
    checks = [\"mail\"]
    tier \"home\" { gateways = [\"mx1\"]; spill { active-flows-high = $MARK; hold-up = 200ms; hold-down = 500ms } }
    tier \"partner\" { gateways = [\"mx2\"] }
}
pool \"mx-in\" {
    checks = [\"mail\"]
    tier \"home\" { gateways = [\"mx2\"] }
    tier \"partner\" { gateways = [\"mx1\"] }
}
pool \"web\" { checks = [\"https\"]; tier \"both\" { gateways = [\"mx1\", \"mx2\"] } }
service \"smtp-out\" { vips = [\"out\"]; port = 25; pool = \"mx-out\" }
service \"smtp-in\" { vips = [\"in\"]; port = 25; pool = \"mx-in\" }
service \"https\" { vips = [\"web\"]; port = 443; pool = \"web\"; affinity = client }
"

pn_huge_setup
pn_lab_start
pn_pair_link
for n in 1 2; do
    part=$(pn_pair_part $n)
    pn_gateway_setup "$part" $VIP4 $VIP4B $VIP_WEB
    pn_postfix_make "mx$n" "$part"
    pn_postfix_start "mx$n"
    pn_spawn "web$n" "$part" $PYTHON "$TOOLS/greeter.py" serve "mx$n" 443
done
for n in $(seq 1 12); do pn_ns cl ip addr add 10.78.0.$((n + 100))/24 dev eth0; done
pn_pair_conf
home() { pn_pair_own out=n1 in=n2 web=n1; }
up_on() { pn_pair_cli "$1" -j gateway list | jq -e '[.gateways[] | select(.health == "up" and .state == "up")] | length == 2' > /dev/null; }
all_up() { up_on 1 && up_on 2; }
pn_pair_start out=n1 in=n2 web=n1 || fail "the pair did not come up"
want "the inbound address is n2's, the others are n1's" home
want "both see both gateways up" pn_wait 10 all_up

to() { # VIP MESSAGES -> how many each gateway took
    pn_ns cl $PYTHON "$TOOLS/smtpload.py" send "$1" --messages "$2" --accepted "$LAB/accepted" | jq -c .by
}
# Which gateway each of twelve clients gets at the web address, one line each.
web() {
    local n
    for n in $(seq 1 12); do
        echo "$n $(pn_ns cl $PYTHON "$TOOLS/greeter.py" ask $VIP_WEB 443 --source 10.78.0.$((n + 100)))"
    done
}
web_by() { awk '{ print $3 }' "$1" | sort -u | paste -sd' '; }

want_eq "outbound mail goes to n1's own mail server" "$(to $VIP4 6)" '{"mx1":6}'
want_eq "inbound mail to n2's" "$(to $VIP4B 6)" '{"mx2":6}'
web > "$LAB/web1"
web > "$LAB/web2"
want_eq "web clients are shared out" "$(web_by "$LAB/web1")" "mx1 mx2"
want "each at the same one every time" cmp "$LAB/web1" "$LAB/web2"
want_eq "with the clients' own addresses" "$(awk '$5 != "10.78.0." ($1 + 100)' "$LAB/web1" | wc -l)" 0

# --- load above the mark: the partner's gateway helps, behind the one owner ---
WATCH_PING_MS=2 watch_begin spill
hold_bg spilled 20 60 --every 0.5 --open-every 0.1
spilled=$BG
want_num "up to the mark they stay at home" "$(jq '.mx1 // 0' "$LAB/spilled.ready")" -ge $MARK
want_num "above it new sessions go to n2's mail server" "$(jq '.mx2 // 0' "$LAB/spilled.ready")" -ge 4
want_eq "n1 says that it spills" "$(pn_pair_cli 1 -j status | jq -r '[.pools[].tiers[] | select(.in_spill)] | length')" 1
watch_end spill 200
want_eq "and nobody but n1 answers for the address" "$(jq '.macs | length' "$LAB/spill.arp")" 1
want_num "n2 delivers what n1 hands over" "$(pn_pair_cli 2 -j stats | jq '.counters[] | select(.name == "steer_handed_over") | .value')" -ge 4
synced() { [ "$(pn_pair_cli 2 -j node list | jq .sync.flows_received)" -ge "$MARK" ]; }
want "n2 knows n1's flows" pn_wait 5 synced

# --- takeover while spilled: Postern on n1 dies, its mail server does not ---
watch_begin takeover
pn_pair_kill 1
want "n2 has all three" pn_wait 5 pn_pair_own out=n2 in=n2 web=n2
want_eq "mail for n1's address is taken by n2" "$(to $VIP4 3)" '{"mx2":3}'
pn_pair_dp_start 1
pn_pair_d_start 1
want "n1 comes back and takes its own" pn_wait 20 home
watch_end takeover "$PAIR_LIMIT"
hold_end spilled $spilled
want_eq "every session lived, spilled or not" "$(jq -r .alive "$LAB/spilled.json")" 20
want_eq "where it was" "$(jq -c '.sessions_by' "$LAB/spilled.json")" "$(jq -c . "$LAB/spilled.ready")"
want "n1's gateways are up again" pn_wait 10 all_up

# --- the whole machine dies: its mail server too ---
hold_bg kept 6 60 --every 0.5
kept=$BG
watch_begin death
pn_postfix_kill mx1
pn_end web1 KILL
pn_pair_kill 1
want "n2 has all three" pn_wait 5 pn_pair_own out=n2 in=n2 web=n2
want_eq "outbound mail" "$(to $VIP4 3)" '{"mx2":3}'
want_eq "inbound mail" "$(to $VIP4B 3)" '{"mx2":3}'
web > "$LAB/web3"
want_eq "and the web are served by n2" "$(web_by "$LAB/web3")" mx2
hold_bg away 6 60 --every 0.5
away=$BG
pn_postfix_start mx1
pn_spawn web1 nd $PYTHON "$TOOLS/greeter.py" serve mx1 443
pn_pair_dp_start 1
pn_pair_d_start 1
want "it comes back and takes its own" pn_wait 20 home
want "both see both gateways up" pn_wait 10 all_up
want_eq "outbound mail is n1's again" "$(to $VIP4 4)" '{"mx1":4}'
web > "$LAB/web4"
want "web clients are where they were" cmp "$LAB/web1" "$LAB/web4"
sleep 0.5
watch_end death "$PAIR_LIMIT"
hold_end away $away
want_eq "sessions begun at n2 meanwhile go on there" "$(jq -c '[.alive, .sessions_by]' "$LAB/away.json")" '[6,{"mx2":6}]'
hold_end kept $kept

# --- and the other one ---
watch_begin other $VIP4B
pn_pair_kill 2
want "n1 has all three" pn_wait 5 pn_pair_own out=n1 in=n1 web=n1
want_eq "inbound mail is taken by n1" "$(to $VIP4B 3)" '{"mx1":3}'
pn_pair_dp_start 2
pn_pair_d_start 2
want "n2 comes back and takes its own" pn_wait 20 home
watch_end other "$PAIR_LIMIT"
want_none_lost
