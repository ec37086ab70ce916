# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What every lab test starts with: . "$(dirname "$0")/lib.sh"; then lab_up, checks, and the EXIT trap cleans up.
set -euo pipefail
_here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$_here/../../scripts/lib/common.sh"
. "$_here/../../scripts/lib/huge.sh"
. "$_here/../../scripts/lib/lab.sh"
. "$_here/../../scripts/lib/postfix.sh"
. "$_here/../../scripts/lib/postern.sh"
pn_need_root

TOOLS=$_here/tools
PYTHON=/usr/bin/python3

# The whole edge: both gateways with the VIPs, Postern on the node, checks green.
lab_up() {
    pn_huge_setup
    pn_lab_start
    lab_gateways
    pn_postern_conf
    pn_postern_start || fail "Postern did not come up"
}

lab_gateways() {
    local n
    for n in 1 2; do
        pn_gateway_setup "m$n" $VIP4 $VIP6
        pn_postfix_make "mx$n" "m$n"
        pn_postfix_start "mx$n"
    done
}

# The node's port belongs to DPDK, with QUEUES receive queues; the host's own addresses move to the exception interface.
lab_owned_port() { # QUEUES
    sed -i "s|port \"lan\" {.*|port \"lan\" { type = dpdk; device = \"net_af_packet0,iface=eth0,qpairs=$1\"; queues = $1; exception = postern0 }|" \
        "$LAB/postern.conf"
    pn_ns nd ip addr flush dev eth0
    pn_ns nd sysctl -qw net.ipv6.conf.eth0.disable_ipv6=1
    mkdir -p "$LAB/state"
    pn_dp_start
    want "the exception interface appears" pn_wait 20 pn_ns nd ip link show postern0
    pn_ns nd ip link set postern0 up
    pn_ns nd ip addr add $NODE4/24 dev postern0
    pn_ns nd ip addr add $NODE6/64 dev postern0 nodad
    pn_ns nd ip route replace default via 10.77.0.1
    pn_ns nd ip -6 route replace default via fd77::1
    pn_posternd_start
    want "the VIP answers" pn_wait 20 pn_vip_answers $VIP4
    want "health checks go out" pn_wait 10 pn_gateways_up
}

fail() {
    pn_err "FAILED: $*"
    exit 1
}

# want TEXT COMMAND...: the command must succeed.
want() {
    local what=$1
    shift
    if "$@" > "$LAB/last" 2>&1; then
        pn_say "ok: $what"
    else
        head -n 20 "$LAB/last" >&2
        fail "$what ($*)"
    fi
}

# want_not TEXT COMMAND...: the command must fail.
want_not() {
    local what=$1
    shift
    if "$@" > "$LAB/last" 2>&1; then
        head -n 20 "$LAB/last" >&2
        fail "$what ($*)"
    fi
    pn_say "ok: $what"
}

# want_eq TEXT GOT EXPECTED; want_num TEXT GOT OPERATOR NUMBER (-lt -le -eq -ge -gt)
want_eq() {
    [ "$2" = "$3" ] || fail "$1: got '$2', expected '$3'"
    pn_say "ok: $1"
}
want_num() {
    { [[ $2 =~ ^-?[0-9]+$ ]] && test "$2" "$3" "$4"; } || fail "$1: got '$2', expected $3 $4"
    pn_say "ok: $1 ($2)"
}

# send [smtpload options]: mail from the client through the IPv4 VIP; JSON result in $LAB/send.json, Message-Ids in $LAB/accepted
send() {
    pn_ns cl $PYTHON "$TOOLS/smtpload.py" send "$VIP4" --accepted "$LAB/accepted" "$@" > "$LAB/send.json"
}

# in background, its process id in $BG
send_bg() {
    ip netns exec "$LAB_PREFIX-cl" $PYTHON "$TOOLS/smtpload.py" send "$VIP4" --accepted "$LAB/accepted" "$@" > "$LAB/send.json" &
    BG=$!
}

hold_bg() { # NAME SESSIONS SECONDS [options]: kept-open sessions; result in $LAB/NAME.json
    local name=$1 n=$2 secs=$3
    shift 3
    ip netns exec "$LAB_PREFIX-cl" $PYTHON "$TOOLS/smtpload.py" hold "$VIP4" --sessions "$n" --seconds "$secs" \
        --ready-file "$LAB/$name.ready" --stop-file "$LAB/$name.stop" --accepted "$LAB/accepted" "$@" > "$LAB/$name.json" &
    BG=$!
    pn_wait 30 test -s "$LAB/$name.ready" || fail "sessions of $name did not open"
}
hold_end() { # NAME PID
    touch "$LAB/$1.stop"
    wait "$2"
}

result() { jq -r "$1" "$LAB/send.json"; }

# Every message that a gateway accepted must be in a mailbox or a queue of one.
want_none_lost() {
    local lost
    sleep 0.5
    awk '{ print $2 }' "$LAB/accepted" | sort -u > "$LAB/ids.accepted"
    { pn_mail_ids mx1; pn_mail_ids mx2; } | sort -u > "$LAB/ids.held"
    lost=$(comm -23 "$LAB/ids.accepted" "$LAB/ids.held" | wc -l)
    want_eq "no accepted message is lost ($(wc -l < "$LAB/ids.accepted") accepted)" "$lost" 0
}

# Value of a packet counter, or of one of the totals (rx_packets, sent_packets, ...)
counter() { pn_cli -j stats | jq -r --arg n "$1" '(.counters[] | select(.name == $n) | .value) // .totals[$n]'; }

# want_counter TEXT NAME MINIMUM: posternd reads the dataplane's counters now and then, so it may take a moment.
want_counter() {
    reached() { [ "$(counter "$1")" -ge "$2" ]; }
    pn_wait 3 reached "$2" "$3" || fail "$1: counter $2 is $(counter "$2"), expected at least $3"
    pn_say "ok: $1 ($2 $(counter "$2"))"
}

# Every received packet is in exactly one end: sent on or answered, given to the host, dropped, or held for the moment.
want_identity() {
    balanced() { pn_cli -j stats | jq -e '.totals | .rx_packets == .sent_packets + .punted_packets + .dropped_packets + .held_packets' > /dev/null; }
    want "every packet is accounted for" pn_wait 5 balanced
}

accepted_by() { awk -v g="$1" '$3 == g { n++ } END { print n + 0 }' "${2:-$LAB/accepted}"; }
node_mac() { pn_ns nd cat /sys/class/net/eth0/address; }
