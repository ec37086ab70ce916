#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Above the primary's high mark the secondary takes the overflow, below the low mark everything returns, and no established
# session ever moves.
. "$(dirname "$0")/lib.sh"
export CONF_SPILL="mode = overflow; active-flows-high = 20; hold-up = 1s; hold-down = 2s"
lab_up

hold_bg first 15 60 --every 2
first=$BG
want_eq "below the mark all sessions are the primary's" "$(jq -r .mx1 "$LAB/first.ready")" 15
hold_bg more 25 60 --every 2 # 40 in all: above the mark once held
more=$BG
in_spill() { pn_cli -j status | jq -e '[.. | objects | select(.name? == "primary") | .in_spill] | any' > /dev/null; }
want "the primary's tier is in spill" pn_wait 10 in_spill
hold_bg over 20 60 --every 2
over=$BG
want_eq "the overflow goes to the secondary" "$(jq -r '.mx2 // 0' "$LAB/over.ready")" 20
sleep 3
hold_end first $first
hold_end more $more
hold_end over $over
for name in first more over; do
    want_eq "all sessions of '$name' lived" "$(jq -r .alive "$LAB/$name.json")" "$(jq -r .opened "$LAB/$name.json")"
    want_eq "none of '$name' failed" "$(jq -c .failures "$LAB/$name.json")" "{}"
    want_eq "each stayed where it was" "$(jq -c '.by | keys' "$LAB/$name.json")" "$(jq -c 'keys' "$LAB/$name.ready")"
done
out_of_spill() { ! in_spill; }
want "the spill ends below the low mark" pn_wait 15 out_of_spill
send --messages 20 --sessions 2
want_eq "all new mail is the primary's again" "$(result .by.mx1)" 20
want_none_lost
