#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The primary falls silent (cable pulled): no RST, no ICMP, nothing. Senders must be served by the secondary soon.
. "$(dirname "$0")/lib.sh"
export CONF_CHECK="type = smtp; port = 25; interval = 500ms; timeout = 1s; rise = 2; fall = 2; helo = node.postern.test"
lab_up

send_bg --messages 600 --sessions 20 --rate 80 --retry 0.2 --timeout 4 --connect-timeout 2
sleep 2
want_num "mail flows" "$(accepted_by mx1)" -gt 50
pn_ns rt ip link set to-m1 down
cut=$(pn_now_ms)
on_mx2() { [ "$(accepted_by mx2)" -gt 0 ]; }
want "the secondary takes over" pn_wait 20 on_mx2
want_num "within two checks' timeouts and a retry, milliseconds" $(($(pn_now_ms) - cut)) -le 7000
wait "$BG" || fail "mail was left over: $(cat "$LAB/send.json")"
want_eq "everything was accepted" "$(result .accepted)" 600
want_none_lost
pn_ns rt ip link set to-m1 up
want "the primary is back" pn_wait 20 pn_gateways_up
send --messages 20
want_eq "and takes the mail again" "$(result .by.mx1)" 20
