#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Mail whose packets a router on the way cut into fragments reaches the flow's gateway.
. "$(dirname "$0")/lib.sh"
lab_up
pn_ns cl sysctl -qw net.ipv4.ip_no_pmtu_disc=1 # clear DF, so the router fragments and says nothing
pn_ns rt ip route replace 10.77.0.0/24 dev br0 proto kernel scope link src 10.77.0.1 mtu lock 700
pn_spawn tcpdump rt tcpdump -n -i to-nd -w "$LAB/frags.pcap" --immediate-mode -U "ip[6:2] & 0x3fff != 0"
sleep 1
send --messages 40 --sessions 4 --bytes 20000 --timeout 10
want_eq "all accepted" "$(result .accepted)" 40
want_eq "without a retry" "$(result .retries)" 0
pn_end tcpdump
want_num "they did come in fragments" "$(tcpdump -n -r "$LAB/frags.pcap" 2> /dev/null | wc -l)" -gt 100
want_counter "Postern sent fragments on" tx_fragment 100
want_identity
want_none_lost
