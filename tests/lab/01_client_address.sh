#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A real Postfix behind the VIP logs the client's own address, IPv4 and IPv6, and the client sees only the VIP.
. "$(dirname "$0")/lib.sh"
lab_up

want "swaks delivers over IPv4" pn_ns cl swaks -4 --server $VIP4 --from sender@example.org --to user@example.net \
    --ehlo client.postern.test --header "Message-Id: <v4.$LAB_ID@client.postern.test>"
want "swaks delivers over IPv6" pn_ns cl swaks -6 --server $VIP6 --from sender@example.org --to user@example.net \
    --ehlo client.postern.test --header "Message-Id: <v6.$LAB_ID@client.postern.test>"
want "mx1 logged the IPv4 client" pn_wait 5 grep -q "client=unknown\[$CLIENT4\]" "$LAB/mx1/maillog"
want "mx1 logged the IPv6 client" pn_wait 5 grep -q "client=unknown\[$CLIENT6\]" "$LAB/mx1/maillog"
want_not "mx2 saw no client" grep -qE "client=unknown\[($CLIENT4|$CLIENT6)\]" "$LAB/mx2/maillog"
both_delivered() { [ "$(pn_mail_count mx1)" = 2 ]; }
want "both messages are in mx1's mailbox" pn_wait 5 both_delivered
want_eq "the router found the VIP at the node's MAC address" \
    "$(pn_ns rt ip -j neigh show $VIP4 | jq -r '.[0].lladdr')" "$(node_mac)"
want_eq "and so for IPv6" "$(pn_ns rt ip -6 -j neigh show $VIP6 | jq -r '.[0].lladdr')" "$(node_mac)"

# Gateways may be named by either family and serve both.
sed -i "s/\"$MX1_4\"/\"$MX1_6\"/; s/\"$MX2_4\"/\"$MX2_6\"/" "$LAB/postern.conf"
want "reload with the gateways' IPv6 addresses" pn_cli reload
want "they are up" pn_wait 10 pn_gateways_up
send --messages 10 --sessions 2
want_eq "mail to the IPv4 VIP goes on" "$(result .by.mx1)" 10
want "to the IPv6 VIP too" pn_ns cl $PYTHON "$TOOLS/smtpload.py" send $VIP6 --messages 10 --accepted "$LAB/accepted"
want_identity
want_none_lost
