# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Two Postern nodes on the lab's network (scripts/lib/lab.sh): nd is node n1, n2 a second one beside it. Source it after
# postern.sh and before pn_lab_start; then pn_pair_link, pn_pair_conf, pn_pair_start.
#   PAIR_HEARTBEAT   contents of the heartbeat block besides the key file
#   PAIR_VIP_A / PAIR_VIP_B  more lines of the VIPs "a" (home n1) and "b" (home n2)

PN_LAB_PARTS=(cl rt nd n2 m1 m2)
NODE2_4=10.77.0.3 NODE2_6=fd77::3

pn_pair_part() { [ "$1" = 1 ] && echo nd || echo n2; }

pn_pair_link() { pn_lab_link n2 $NODE2_4 $NODE2_6; }

pn_pair_conf() {
    local n dataplane
    dataplane="dataplane { workers = 1; flows = 100000; idle-sleep-us = ${CONF_IDLE_SLEEP_US:-50}; huge-pages = ${PN_HUGE:-no} }"
    [ -s "$LAB/heartbeat.keys" ] || "$PN_CLI" heartbeat keygen "$LAB/heartbeat.keys" > /dev/null
    {
        echo 'cluster { name = "lab-pair" }'
        echo "heartbeat { ${PAIR_HEARTBEAT:-} key-file = \"$LAB/heartbeat.keys\" }"
        for n in 1 2; do
            echo "node \"n$n\" { port \"lan\" { interface = eth0; address-v4 = \"10.77.0.$((n + 1))\"; address-v6 = \"fd77::$((n + 1))\" } $dataplane }"
        done
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
    } > "$LAB/pair.conf"
}

pn_pair_dp_start() { # NODE
    local part
    part=$(pn_pair_part "$1")
    mkdir -p "$LAB/bpf/n$1"
    pn_ns "$part" "$PN_D" --config "$LAB/pair.conf" --node "n$1" --dataplane-args > "$LAB/dp$1.args"
    # shellcheck disable=SC2016 # expanded by the inner shell
    pn_spawn "dp$1" "$part" sh -c 'mount --bind "$1" /sys/fs/bpf && shift && exec "$@"' sh "$LAB/bpf/n$1" \
        "$PN_DP" --args-file "$LAB/dp$1.args" --socket "$LAB/run/dp$1.sock" --stats "$LAB/run/stats$1" --xdp-program "$PN_XDP"
}

pn_pair_d_start() { # NODE
    mkdir -p "$LAB/state$1"
    pn_spawn "posternd$1" "$(pn_pair_part "$1")" "$PN_D" --config "$LAB/pair.conf" --socket "$LAB/run/posternd$1.sock" \
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
pn_pair_owners() { # OWNER-OF-A OWNER-OF-B: both nodes agree
    local n
    for n in 1 2; do
        [ "$(pn_pair_owner $n a)" = "$1" ] && [ "$(pn_pair_owner $n b)" = "$2" ] || return 1
    done
}

pn_pair_start() {
    local n
    for n in 1 2; do
        pn_pair_dp_start $n
        pn_pair_d_start $n
    done
    pn_wait 30 pn_pair_owners n1 n2
}
