#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every gateway is down: nothing is steered, nothing is lost, and mail flows again as soon as one is back.
. "$(dirname "$0")/lib.sh"
lab_up
send_bg --messages 200 --sessions 10 --rate 40 --retry 0.3 --connect-timeout 1
sleep 1
pn_postfix_kill mx1
pn_postfix_kill mx2
both_down() { [ "$(pn_gateway_health mx1)" = down ] && [ "$(pn_gateway_health mx2)" = down ]; }
want "both count as down" pn_wait 10 both_down
want "the VIP still answers ping" pn_vip_answers $VIP4
want_counter "new flows are refused for a named reason" steer_no_gateway 1
want "explain says so" sh -c "ip netns exec $LAB_PREFIX-nd $PN_CLI --socket $LAB/run/posternd.sock explain $CLIENT4 | grep -qi 'no '"
pn_postfix_start mx2
wait "$BG" || fail "mail was left over: $(cat "$LAB/send.json")"
want_eq "everything was accepted in the end" "$(result .accepted)" 200
want_num "by the one that came back" "$(accepted_by mx2)" -gt 50
want_none_lost
