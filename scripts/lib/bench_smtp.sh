# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# SMTP through the lab, the same load by every path in the same run: straight to the gateway through the router,
# through Postern, through HAProxy in tcp mode on the node, and through nftables' DNAT on the node. One smtp-sink is the gateway in
# all of them, one smtp-source the sender.

BENCH_PATHS=(direct postern haproxy nft)
BENCH_PORT=2525

bench_smtp_start() { # VARIANTS...: brings up the balancers named
    local v
    # Thousands of connections a second from one address: all ports, and TIME-WAIT ones again.
    pn_ns cl sysctl -qw net.ipv4.ip_local_port_range="1024 65000" net.ipv4.tcp_tw_reuse=1
    pn_gateway_setup m1 "$VIP4"
    pn_spawn sink m1 smtp-sink -u nobody "$MX1_4:$BENCH_PORT" 1024
    pn_spawn sink-vip m1 smtp-sink -u nobody "$VIP4:$BENCH_PORT" 1024
    for v in "$@"; do
        case $v in
        direct) ;;
        postern) bench_postern_start ;;
        haproxy)
            cat > "$LAB/haproxy.cfg" << END
global
    nbthread 2
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 60s
    timeout server 60s
listen smtp
    bind $NODE4:$BENCH_PORT
    server mx1 $MX1_4:$BENCH_PORT
END
            pn_spawn haproxy nd haproxy -db -f "$LAB/haproxy.cfg"
            ;;
        nft)
            pn_ns nd ip addr add 10.77.0.3/32 dev eth0
            pn_ns nd sysctl -qw net.ipv4.ip_forward=1
            pn_ns nd nft -f - << END
table ip bench {
    chain pre {
        type nat hook prerouting priority dstnat
        ip daddr 10.77.0.3 tcp dport $BENCH_PORT dnat to jhash ip saddr . tcp sport mod 2 map { 0 : $MX1_4, 1 : $MX1_4 }
    }
    chain post {
        type nat hook postrouting priority srcnat
        ip daddr $MX1_4 tcp dport $BENCH_PORT masquerade
    }
}
END
            ;;
        esac
    done
    for v in "$@"; do
        pn_wait 10 pn_ns cl nc -z -w 1 "$(bench_target "$v")" $BENCH_PORT || pn_die "bench: path $v does not answer"
    done
}

bench_postern_start() {
    CONF_CHECK="type = tcp; port = $BENCH_PORT" pn_postern_conf
    sed -i "s/port = 25; pool = \"mx\"/port = $BENCH_PORT; pool = \"mx\"/" "$LAB/postern.conf"
    mkdir -p "$LAB/state"
    pn_dp_start
    pn_posternd_start
    pn_wait 20 pn_vip_answers "$VIP4" || pn_die "bench: Postern did not come up: $(tail -n 5 "$LAB/log/dp" "$LAB/log/posternd")"
}

bench_target() {
    case $1 in
    direct) echo "$MX1_4" ;;
    postern) echo "$VIP4" ;;
    haproxy) echo "$NODE4" ;;
    nft) echo 10.77.0.3 ;;
    esac
}

# bench_smtp_once PATH sessions|messages COUNT -> per second
bench_smtp_once() {
    local target t0 t1 keep=()
    target=$(bench_target "$1")
    [ "$2" = sessions ] || keep=(-d)
    t0=${EPOCHREALTIME/./}
    timeout 120 ip netns exec "$LAB_PREFIX-cl" smtp-source "${keep[@]}" -s 20 -m "$3" -l 1000 \
        -f sender@example.org -t user@example.net "$target:$BENCH_PORT" >> "$LAB/log/smtp-source" 2>&1 ||
        pn_die "bench: smtp-source failed on path $1: $(tail -n 1 "$LAB/log/smtp-source")"
    t1=${EPOCHREALTIME/./}
    awk -v n="$3" -v us=$((t1 - t0)) 'BEGIN { printf "%.0f\n", n * 1e6 / us }'
}

pn_median() { sort -n | awk '{ v[NR] = $1 } END { print NR ? (NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2) : "null" }'; }

# bench_smtp_run ROUNDS SESSIONS MESSAGES PATHS...: writes $LAB/smtp.<path>.<kind>, one figure a line. In each round
# every path has its turn, so that what else the machine does hits all alike; odd rounds go the other way round.
bench_smtp_run() {
    local rounds=$1 n_sessions=$2 n_messages=$3 r v order
    shift 3
    for v in "$@"; do # once unmeasured: neighbours, caches
        bench_smtp_once "$v" sessions 200 > /dev/null
    done
    for ((r = 0; r < rounds; r++)); do
        order=("$@")
        [ $((r % 2)) = 0 ] || mapfile -t order < <(printf '%s\n' "$@" | tac)
        for v in "${order[@]}"; do
            bench_smtp_once "$v" sessions "$n_sessions" >> "$LAB/smtp.$v.sessions"
        done
        for v in "${order[@]}"; do
            bench_smtp_once "$v" messages "$n_messages" >> "$LAB/smtp.$v.messages"
        done
    done
}

# bench_smtp_row PATH: a line for people, $LAB/smtp.PATH.json for machines
bench_smtp_row() {
    local kind rate ratio out=()
    for kind in sessions messages; do
        rate=$(pn_median < "$LAB/smtp.$1.$kind")
        ratio=$(paste "$LAB/smtp.$1.$kind" "$LAB/smtp.direct.$kind" | awk '{ print $1 / $2 }' | pn_median)
        out+=("$rate" "$ratio")
    done
    LC_ALL=C printf '%-10s %12.0f %8.2f %12.0f %8.2f\n' "$1" "${out[@]}"
    jq -n --arg p "$1" --argjson s "${out[0]}" --argjson sr "${out[1]}" --argjson m "${out[2]}" --argjson mr "${out[3]}" \
        '{($p): {sessions_per_s: $s, sessions_ratio: $sr, messages_per_s: $m, messages_ratio: $mr}}' > "$LAB/smtp.$1.json"
}
