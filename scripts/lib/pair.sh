# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Several Postern nodes on the lab's network (scripts/lib/lab.sh): nd is node n1; n2, and with PAIR_NODES=3 n3, stand beside
# it. Source it after postern.sh and before pn_lab_start; then pn_pair_link, pn_pair_conf, pn_pair_start.
#   PAIR_NODES       2 or 3
#   PAIR_HEARTBEAT   contents of the heartbeat block besides the key file; PN_PAIR_HEARTBEAT="" asks for the defaults
#   PAIR_LIMIT       ms without an answer that a takeover may cost with those
#   PAIR_KEYS        "cluster": no key file; the nodes own nothing before they are in a cluster
#   PAIR_NODE        more lines of each node's block; %n is its number
#   PAIR_VIP_A / PAIR_VIP_B  more lines of the VIPs "a" (home n1) and "b" (home n2)
#   PAIR_CONF        all blocks besides cluster, heartbeat and nodes; "": VIPs a and b, mx1 before mx2, service smtp

PAIR_NODES=${PAIR_NODES:-2} PAIR_NODE=${PAIR_NODE:-}
# A lease that outlasts a machine that stands still for 300 ms (100 ms were seen): only scripts/chaos is about the figures.
PAIR_HEARTBEAT=${PAIR_HEARTBEAT-${PN_PAIR_HEARTBEAT-interval = 50ms; lease = 400ms; takeover = 600ms; probe-lead = 120ms;}}
PAIR_LIMIT=${PN_PAIR_LIMIT:-2000}
NODE2_4=10.77.0.3 NODE2_6=fd77::3
PN_LAB_PARTS=(cl rt nd n2 m1 m2)
[ "$PAIR_NODES" -lt 3 ] || PN_LAB_PARTS+=(n3)

pn_pair_part() { [ "$1" = 1 ] && echo nd || echo "n$1"; }
pn_pair_nodes() { seq "$PAIR_NODES"; }
# Settings of the environment of a node's daemons, one word each; a caller may have its own.
pn_pair_env() { :; } # NODE

pn_pair_link() {
    local n
    for n in $(seq 2 "$PAIR_NODES"); do
        pn_lab_link "n$n" "10.77.0.$((n + 1))" "fd77::$((n + 1))"
    done
}

# A second network between the nodes, for heartbeats: eth1 of each, 10.79.0.N.
pn_pair_link_second() {
    local n part
    pn_ns rt ip link add br1 type bridge forward_delay 0 mcast_snooping 0
    pn_ns rt ip link set br1 up
    for n in $(pn_pair_nodes); do
        part=$(pn_pair_part "$n")
        ip link add "pns$$$part" type veth peer name "pnt$$$part"
        ip link set "pns$$$part" netns "$LAB_PREFIX-$part" name eth1
        ip link set "pnt$$$part" netns "$LAB_PREFIX-rt" name "second-$part"
        pn_ns rt ip link set "second-$part" master br1 up
        pn_ns "$part" ip addr add "10.79.0.$n/24" dev eth1
        pn_ns "$part" ip link set eth1 up
        pn_lab_plain "$part" eth1
        pn_lab_plain rt "second-$part"
    done
}

pn_pair_default_conf() {
    cat << END
vip "a" { address = "$VIP4"; priority { n1 = 200; n2 = 100 } ${PAIR_VIP_A:-} }
vip "b" { address = "$VIP4B"; priority { n1 = 100; n2 = 200 } ${PAIR_VIP_B:-} }
gateway "mx1" { address = "$MX1_4" }
gateway "mx2" { address = "$MX2_4" }
check "mail" { type = smtp; port = 25; interval = 500ms; timeout = 2s; rise = 2; fall = 2; helo = node.postern.test }
pool "mx" {
    checks = ["mail"]
    tier "primary" { gateways = ["mx1"] }
    tier "secondary" { gateways = ["mx2"] }
}
service "smtp" { vips = ["a", "b"]; port = 25; pool = "mx" }
END
}

pn_pair_conf() {
    local n dataplane
    dataplane="dataplane { workers = 1; flows = 100000; idle-sleep-us = ${CONF_IDLE_SLEEP_US:-50}; huge-pages = ${PN_HUGE:-no} }"
    [ -s "$LAB/heartbeat.keys" ] || [ "${PAIR_KEYS:-file}" = cluster ] || "$PN_CLI" heartbeat keygen "$LAB/heartbeat.keys" > /dev/null
    {
        echo 'cluster { name = "lab-pair" }'
        echo "heartbeat { ${PAIR_HEARTBEAT:-} key-file = \"$LAB/heartbeat.keys\" }"
        for n in $(pn_pair_nodes); do
            echo "node \"n$n\" { port \"lan\" { interface = eth0; address-v4 = \"10.77.0.$((n + 1))\"; address-v6 = \"fd77::$((n + 1))\" }"
            echo "${PAIR_NODE//%n/$n} $dataplane }"
        done
        [ -n "${PAIR_CONF:-}" ] && echo "$PAIR_CONF" || pn_pair_default_conf
    } > "$LAB/pair.conf"
}

# Each node reads the same file unless it has one of its own, pairN.conf.
pn_pair_conf_of() { [ -s "$LAB/pair$1.conf" ] && echo "$LAB/pair$1.conf" || echo "$LAB/pair.conf"; }

pn_pair_dp_start() { # NODE
    local part
    part=$(pn_pair_part "$1")
    mkdir -p "$LAB/bpf/n$1"
    pn_ns "$part" "$PN_D" --config "$(pn_pair_conf_of "$1")" --node "n$1" --dataplane-args > "$LAB/dp$1.args"
    # shellcheck disable=SC2016,SC2046 # expanded by the inner shell; words for env
    pn_spawn "dp$1" "$part" sh -c 'mount --bind "$1" /sys/fs/bpf && shift && exec "$@"' sh "$LAB/bpf/n$1" \
        env $(pn_pair_env "$1") "$PN_DP" --args-file "$LAB/dp$1.args" --socket "$LAB/run/dp$1.sock" --stats "$LAB/run/stats$1" --xdp-program "$PN_XDP"
}

pn_pair_d_start() { # NODE
    mkdir -p "$LAB/state$1"
    # shellcheck disable=SC2046 # words for env
    pn_spawn "posternd$1" "$(pn_pair_part "$1")" env $(pn_pair_env "$1") "$PN_D" --config "$(pn_pair_conf_of "$1")" --socket "$LAB/run/posternd$1.sock" \
        --dp-socket "$LAB/run/dp$1.sock" --state-dir "$LAB/state$1" --node "n$1"
}

pn_pair_cli() { # NODE ARGS...
    local n=$1
    shift
    pn_ns "$(pn_pair_part "$n")" "$PN_CLI" --socket "$LAB/run/posternd$n.sock" "$@"
}

# Whom a node believes to own a VIP, itself included.
pn_pair_owner() { # NODE VIP
    pn_pair_cli "$1" -j vip show "$2" 2> /dev/null | jq -r '.vips[0].owner // "nobody"'
}
# All that run agree on each VIP=OWNER.
pn_pair_own() {
    local n want
    for n in $(pn_pair_nodes); do
        pn_alive "posternd$n" || continue
        for want in "$@"; do
            [ "$(pn_pair_owner "$n" "${want%=*}")" = "${want#*=}" ] || return 1
        done
    done
}
# The same for some nodes: "1 2" VIP=OWNER...
pn_pair_own_of() { # NODES VIP=OWNER...
    local n want nodes=$1
    shift
    for n in $nodes; do
        for want in "$@"; do
            [ "$(pn_pair_owner "$n" "${want%=*}")" = "${want#*=}" ] || return 1
        done
    done
}
pn_pair_owners() { pn_pair_own "a=$1" "b=$2"; } # OWNER-OF-A OWNER-OF-B

# A frozen or dead node whole: its two daemons.
pn_pair_kill() { # NODE
    kill -9 "$(pn_pid "posternd$1")" "$(pn_pid "dp$1")"
    pn_wait 3 pn_gone "posternd$1"
    pn_wait 3 pn_gone "dp$1"
}

pn_pair_start() { # [VIP=OWNER...]
    local n
    for n in $(pn_pair_nodes); do
        pn_pair_dp_start "$n"
        pn_pair_d_start "$n"
    done
    [ $# -gt 0 ] || set -- a=n1 b=n2
    pn_wait 30 pn_pair_own "$@" || {
        tail -n 20 "$LAB"/log/dp? "$LAB"/log/posternd? >&2
        return 1
    }
}

# --- an address watched: how long it is silent, and whether two ever answer (tests/lab/tools/vipwatch.py) ---

watch_begin() { # NAME [VIP]
    rm -f "$LAB/$1.stop"
    ip netns exec "$LAB_PREFIX-cl" $PYTHON "$TOOLS/vipwatch.py" ping "${2:-$VIP4}" --interval "${WATCH_PING_MS:-1}" --stop "$LAB/$1.stop" > "$LAB/$1.ping" &
    PING=$!
    ip netns exec "$LAB_PREFIX-rt" $PYTHON "$TOOLS/vipwatch.py" arp "${2:-$VIP4}" --interval 3 --stop "$LAB/$1.stop" > "$LAB/$1.arp" &
    ARP=$!
    sleep 0.7
}
watch_end() { # NAME GAP-LIMIT
    touch "$LAB/$1.stop"
    wait $PING $ARP
    pn_dim "   $(cat "$LAB/$1.ping") $(cat "$LAB/$1.arp")"
    want_num "$1: longest silence, ms" "$(jq '.gap_ms | floor' "$LAB/$1.ping")" -le "$2"
    want_eq "$1: never two answer at a time" "$(jq .dual "$LAB/$1.arp")" 0
}
