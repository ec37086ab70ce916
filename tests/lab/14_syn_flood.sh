#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A flood of SYNs from made-up addresses: established sessions go on, new mail gets in, memory does not grow.
# Runs alone: it measures time on both CPUs.
. "$(dirname "$0")/lib.sh"
lab_up
for part in m1 m2; do pn_ns $part sysctl -qw net.ipv4.tcp_syncookies=2; done

hold_bg held 20 60 --every 1
held=$BG
rss() { awk '/^VmRSS:/ { print $2 }' "/proc/$(pn_pid dp)/status"; }
rss_before=$(rss)
sent=$(pn_ns rt $PYTHON "$TOOLS/pkt.py" flood --vip $VIP4 --mac "$(node_mac)" --count 300000 --rate 60000)
want_num "SYNs sent" "$sent" -ge 300000
send --messages 20 --sessions 4 --timeout 10
want_eq "new mail gets in" "$(result .accepted)" 20
hold_end held $held
want_eq "established sessions lived" "$(jq -r .alive "$LAB/held.json")" 20
want_eq "each on its gateway" "$(jq -c '.by | keys' "$LAB/held.json")" "$(jq -c 'keys' "$LAB/held.ready")"
want_num "the dataplane's memory grew by at most 4 MiB, KiB" $(($(rss) - rss_before)) -le 4096
want_identity
want_none_lost
