#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The node's own address stays the kernel's: ping and TCP go on before, while and after the dataplane runs.
. "$(dirname "$0")/lib.sh"
pn_huge_setup
pn_lab_start
lab_gateways
pn_postern_conf

ping_node() { pn_ns cl ping -c 3 -i 0.2 -W 1 "$1"; }
pn_spawn echo4 nd nc -l -k $NODE4 2222
tcp_node() { pn_ns cl nc -z -w 2 $NODE4 2222; }
want "ping before" ping_node $NODE4
want "ping6 before" ping_node $NODE6
want "TCP before" tcp_node

# A connection that stays open over all that follows, like an administrator's ssh.
cat > "$LAB/chat.py" << 'END'
import socket, sys, time, os
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
while not os.path.exists(sys.argv[3]):
    s.sendall(b"still here\n")
    time.sleep(0.2)
s.settimeout(1)
s.sendall(b"last words\n")
END
pn_spawn listener nd sh -c "exec nc -l $NODE4 2223 > $LAB/chat.out"
pn_wait 5 pn_ns nd sh -c "ss -ltn | grep -q 2223"
ip netns exec "$LAB_PREFIX-cl" $PYTHON "$LAB/chat.py" $NODE4 2223 "$LAB/chat.stop" &
chat=$!

pn_postern_start
want "ping while the dataplane runs" ping_node $NODE4
want "ping6 while the dataplane runs" ping_node $NODE6
want "TCP while the dataplane runs" tcp_node
want "the node reaches out" pn_ns nd ping -c 2 -i 0.2 -W 1 $CLIENT4
want "mail through the VIP" send --messages 5
pn_end dp KILL
want "ping after kill -9" ping_node $NODE4
want "ping6 after kill -9" ping_node $NODE6
want "TCP after kill -9" tcp_node
pn_dp_start
want "the VIP is back" pn_wait 20 pn_vip_answers $VIP4
want "ping after the restart" ping_node $NODE4
pn_end dp TERM
want "ping after an orderly stop" ping_node $NODE4
want_not "the VIP is silent without a dataplane" pn_vip_answers $VIP4
touch "$LAB/chat.stop"
wait $chat || fail "the open connection broke"
want "the open connection came through" pn_wait 5 grep -q "last words" "$LAB/chat.out"
