#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Broken, truncated and hostile frames: counted, never fatal, and no packet unaccounted for.
. "$(dirname "$0")/lib.sh"
lab_up
hold_bg held 5 60 --every 1
held=$BG
dp=$(pn_pid dp)
sent=$(pn_ns rt $PYTHON "$TOOLS/pkt.py" garbage --vip $VIP4 --vip6 $VIP6 --mac "$(node_mac)" --count 3)
want_num "frames sent" "$sent" -gt 3000
want "the dataplane is up" pn_alive dp
want_eq "and the same process" "$(pn_pid dp)" "$dp"
send --messages 20 --sessions 4
want_eq "mail flows" "$(result .accepted)" 20
hold_end held $held
want_eq "sessions lived" "$(jq -r .alive "$LAB/held.json")" 5
want_identity
for name in parse_truncated parse_ip_header parse_ip_checksum parse_ip_source parse_l4_header parse_tcp_flags \
    parse_ip6_extension arp_malformed ndp_malformed icmp_malformed classify_no_service; do
    want_counter "dropped and counted" $name 1
done
