#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every command answers, -j gives JSON, mistakes give a clear message and a stable exit status.
. "$(dirname "$0")/lib.sh"
lab_up
hold_bg held 3 60 --every 1
held=$BG

status_of() { # EXPECTED WORDS...: the exit status must be this
    local want=$1 rc=0
    shift
    pn_cli "$@" > "$LAB/last" 2>&1 || rc=$?
    [ $rc = "$want" ] || { head -n 10 "$LAB/last" >&2; fail "postern $*: exit status $rc, expected $want"; }
    pn_say "ok: postern $* gives $want"
}
json() { pn_cli -j "$@" > "$LAB/json" && jq -e . "$LAB/json"; }

for c in status vip "vip show in4" service "service show smtp-in" pool "pool show mx" gateway "gateway show mx1" \
    "check list" "check list mx1" "flow list" "flow list --client 10.78.0.0/16 --gateway mx1" "explain $CLIENT4" \
    "explain $CLIENT6" stats "stats --all" port neighbour node log version diff "gateway setup mx1" "watch --count 1"; do
    # shellcheck disable=SC2086 # words
    status_of 0 $c
    [ -s "$LAB/last" ] || fail "postern $c says nothing"
    case $c in watch*) continue ;; esac
    # shellcheck disable=SC2086
    want "postern -j $c is JSON" json $c
done

want_eq "the held sessions are listed" "$(pn_cli -j flow list | jq '[.flows[] | select(.gateway == "mx1" and .state == "established")] | length')" 3
client=$(pn_cli -j flow list | jq -r '.flows[] | select(.state == "established") | if (.client | test(":")) then "[\(.client)]:\(.port)" else "\(.client):\(.port)" end' | head -n 1)
status_of 0 flow show "$client"
status_of 4 flow show "$CLIENT4:1"

# A trace of a session shows each of its packets with the counter that it ended in.
(sleep 1; send --messages 1) &
status_of 5 trace $CLIENT4 -n 1000 --timeout 4
grep -q "tx_forward" "$LAB/last" || fail "the trace shows no forwarded packet"
grep -q "steer *mx1" "$LAB/last" || fail "the trace shows no steering"

status_of 2 bogus
status_of 2 gateway bogus
status_of 2 gateway weight mx1 lots
status_of 2 explain not-an-address
status_of 4 gateway show mx9
status_of 4 vip show nothing
status_of 0 check "$LAB/postern.conf"
status_of 1 check /nonexistent
status_of 0 help
status_of 0 gateway drain --help
cp "$LAB/postern.conf" "$LAB/other.conf"
sed -i 's/weight = 100/weight = 50/; s/^gateway "mx2" {/gateway "mx2" { weight = 7;/' "$LAB/other.conf"
status_of 0 diff "$LAB/other.conf"
grep -q mx2 "$LAB/last" || fail "diff does not name what changed"
hold_end held $held
pn_end posternd
status_of 3 status
status_of 3 gateway drain mx1
