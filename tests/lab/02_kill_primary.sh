#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# 2,000 messages in 50 parallel sessions; the primary gateway is killed in the middle. No message that was accepted is lost,
# and new sessions reach the secondary within the check's fall time.
. "$(dirname "$0")/lib.sh"
lab_up

send_bg --messages 2000 --sessions 50 --per-session 4 --rate 250 --retry 0.2
sleep 3
before=$(wc -l < "$LAB/accepted")
want_num "mail flows before the crash" "$before" -gt 100
want_eq "all of it to the primary" "$(accepted_by mx2)" 0
killed=$(pn_now_ms)
pn_postfix_kill mx1
on_mx2() { [ "$(accepted_by mx2)" -gt 0 ]; }
want "the secondary takes over" pn_wait 15 on_mx2
took=$(($(pn_now_ms) - killed))
want_num "within the fall time, milliseconds" "$took" -le $((PN_FALL_MS + 1000))
pn_say "(taken over after $took ms)"
wait "$BG" || fail "the sender did not get rid of all its mail: $(cat "$LAB/send.json")"
want_eq "the sender got everything accepted" "$(result .accepted)" 2000
want_num "the secondary took mail" "$(accepted_by mx2)" -gt 500
want_none_lost

pn_postfix_start mx1
want "the primary is up again" pn_wait 15 pn_gateways_up
rm -f "$LAB/accepted2"
pn_ns cl $PYTHON "$TOOLS/smtpload.py" send $VIP4 --messages 50 --sessions 5 --accepted "$LAB/accepted2" > /dev/null
want_eq "new mail goes to the primary again" "$(accepted_by mx1 "$LAB/accepted2")" 50
