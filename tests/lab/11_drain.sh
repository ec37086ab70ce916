#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Drain: no new flows, the old ones finish, --wait tells when. Disable, enable and weights at run time.
. "$(dirname "$0")/lib.sh"
lab_up

hold_bg held 8 40 --every 1
held=$BG
pn_cli gateway drain mx1 --wait > "$LAB/drain.out" 2>&1 &
drain=$!
sleep 2
want "drain --wait is still waiting" kill -0 $drain
send --messages 20 --sessions 4
want_eq "new mail goes to the secondary" "$(result .by.mx2)" 20
hold_end held $held
want_eq "the old sessions finished on mx1" "$(jq -c '[.alive, (.by | keys)]' "$LAB/held.json")" '[8,["mx1"]]'
drained() { ! kill -0 $drain; }
want "drain --wait ends with the last session" pn_wait 20 drained
wait $drain || fail "drain --wait: exit status $?: $(cat "$LAB/drain.out")"
pn_say "(it said: $(tr '\r' '\n' < "$LAB/drain.out" | tail -n 1))"
want "enable" pn_cli gateway enable mx1
send --messages 20 --sessions 4
want_eq "mail is the primary's again" "$(result .by.mx1)" 20
want "disable" pn_cli gateway disable mx1
send --messages 10
want_eq "mail is the secondary's" "$(result .by.mx2)" 10
want "enable again" pn_cli gateway enable mx1
want_not "an unknown gateway is refused" pn_cli gateway drain mx9
want_not "a weight out of range is refused" pn_cli gateway weight mx1 100000
want_none_lost
