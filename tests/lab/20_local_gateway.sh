#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The appliance case: the node is a gateway itself; mode local hands the VIP's packets to its own kernel.
. "$(dirname "$0")/lib.sh"
export CONF_NODE='local-interface = "pnlocal"'
pn_huge_setup
pn_lab_start
lab_gateways
pn_postern_conf
sed -i "s|^gateway \"mx1\".*|gateway \"mx1\" { address = \"$NODE4\"; mode = local }|" "$LAB/postern.conf"
pn_postfix_stop mx1
pn_postfix_make mx1 nd
sed -i 's/^myhostname.*/myhostname = mx1.postern.test/' "$LAB/mx1/etc/main.cf"
pn_gateway_setup nd $VIP4 $VIP6
pn_postfix_start mx1
pn_postern_start
send --messages 20 --sessions 4
want_eq "the node's own Postfix takes the mail" "$(result .by.mx1)" 20
want "and logs the client's address" pn_wait 5 grep -q "client=unknown\[$CLIENT4\]" "$LAB/mx1/maillog"
want "over IPv6" pn_ns cl $PYTHON "$TOOLS/smtpload.py" send $VIP6 --messages 5 --accepted "$LAB/accepted"
want "the client's IPv6 address too" pn_wait 5 grep -q "client=unknown\[$CLIENT6\]" "$LAB/mx1/maillog"
pn_postfix_stop mx1
goes_to_mx2() { send --messages 2 && [ "$(result '.by.mx2 // 0')" = 2 ]; }
want "when it stops, mx2 takes over" pn_wait 15 goes_to_mx2
want_none_lost
