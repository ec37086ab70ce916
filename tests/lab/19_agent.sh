#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A gateway's agent says how it is: drain, maint, ready, a percentage; an agent that vanishes is no reason to drop mail.
. "$(dirname "$0")/lib.sh"
export CONF_EXTRA='check "agent" { type = agent; port = 7777; interval = 500ms; timeout = 1s; rise = 1; fall = 2 }'
pn_huge_setup
pn_lab_start
lab_gateways
pn_postern_conf
sed -i 's/checks = \["mail"\]/checks = ["mail", "agent"]/' "$LAB/postern.conf"
agent() { echo "$2" > "$LAB/agent.$1"; }
for n in 1 2; do
    agent m$n "ready 100%"
    cat > "$LAB/agent-m$n.py" << END
import socket
s = socket.create_server(("0.0.0.0", 7777), reuse_port=True)
while True:
    c, _ = s.accept()
    c.sendall(open("$LAB/agent.m$n", "rb").read())
    c.close()
END
    pn_spawn agent$n m$n $PYTHON "$LAB/agent-m$n.py"
done
pn_postern_start
goes_to() { send --messages 4 && [ "$(result ".by.$1 // 0")" = 4 ]; }
want "ready: mail goes to the primary" goes_to mx1
agent m1 "drain"
want "drain: to the secondary" pn_wait 10 goes_to mx2
agent m1 "ready 100%"
want "ready: back" pn_wait 10 goes_to mx1
agent m1 "maint"
want "maint: to the secondary" pn_wait 10 goes_to mx2
agent m1 "ready"
want "ready: back again" pn_wait 10 goes_to mx1
agent m1 "0%"
want "0%: to the secondary" pn_wait 10 goes_to mx2
agent m1 "75% ready"
want "75%: back" pn_wait 10 goes_to mx1
head -c 3000 /dev/urandom > "$LAB/agent.m1"
sleep 2
want "an agent that talks rubbish does no harm" pn_alive posternd
