#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Checks with STARTTLS; gateways' logs show nothing odd after them; a server that says 421 is busy, not dead.
. "$(dirname "$0")/lib.sh"
export CONF_CHECK="type = smtp-starttls; port = 25; interval = 500ms; timeout = 2s; rise = 2; fall = 2; helo = node.postern.test"
pn_huge_setup
pn_lab_start
mkdir "$LAB/tls"
openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=mx.postern.test -keyout "$LAB/tls/key.pem" -out "$LAB/tls/cert.pem" 2> /dev/null
lab_gateways
pn_postern_conf
pn_postern_start
want "both gateways are up by STARTTLS" pn_wait 10 pn_gateways_up
sleep 2
want_not "checks leave no lost connection in the log" grep -E "lost connection.*\[$NODE4\]|SSL_accept error.*\[$NODE4\]|timeout.*\[$NODE4\]|improper command.*\[$NODE4\]" "$LAB/mx1/maillog"
want "they say QUIT" grep -qE "disconnect from unknown\[$NODE4\].*starttls=1.*quit=1" "$LAB/mx1/maillog"
want "days to expiry are known" sh -c "ip netns exec $LAB_PREFIX-nd curl -sS http://127.0.0.1:9125/metrics | grep -E 'cert.* [0-9]'"

# 421: a busy primary takes no new mail while the secondary does, and comes back by itself.
pn_postfix_stop mx1
pn_spawn busy m1 smtp-sink -u nobody -Q connect "$MX1_4:25" 10
busy() { [ "$(pn_gateway_health mx1)" = busy ]; }
want "the primary counts as busy" pn_wait 10 busy
send --messages 5
want_eq "mail goes to the secondary" "$(result .by.mx2)" 5
pn_end busy
pn_postfix_start mx1
want "and back when it is well" pn_wait 15 pn_gateways_up
