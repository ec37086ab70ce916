# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Two posternds on the lab's parts nd and m1, for what nodes have in common: rules. No dataplane is needed for that.

pn_two_conf() { # [lines of the cluster block]
    cat > "$LAB/two.conf" << END
cluster { name = "lab"; ${1:-} }
heartbeat { interval = 100ms; lease = 500ms; takeover = 800ms }
node "n1" { port "lan" { interface = eth0; address-v4 = $NODE4 } mesh { listen = "$NODE4:9477" } }
node "n2" { port "lan" { interface = eth0; address-v4 = $MX1_4 } mesh { listen = "$MX1_4:9477" } }
vip "in4" { address = "$VIP4"; priority { n1 = 200; n2 = 100 } }
gateway "mx2" { address = "$MX2_4" }
pool "mx" { tier "only" { gateways = ["mx2"] } }
service "smtp-in" { vips = ["in4"]; port = 25; pool = "mx" }
END
}

pn_two_part() { [ "$1" = n1 ] && echo nd || echo m1; }
pn_two_start() { # n1|n2
    mkdir -p "$LAB/$1"
    pn_spawn "posternd-$1" "$(pn_two_part "$1")" "$PN_D" --config "$LAB/two.conf" --socket "$LAB/run/$1.sock" \
        --dp-socket "$LAB/run/$1.dp" --state-dir "$LAB/$1" --node "$1"
    pn_wait 10 pn_on "$1" status
}
pn_on() { # n1|n2 COMMAND...
    local node=$1
    shift
    pn_ns "$(pn_two_part "$node")" "$PN_CLI" --socket "$LAB/run/$node.sock" "$@"
}
pn_two_cut() { pn_ns rt ip link set to-m1 down; }
pn_two_mend() { pn_ns rt ip link set to-m1 up; }
pn_two_join() {
    pn_on n1 cluster init > "$LAB/log/init" || return 1
    pn_on n1 -j cluster invite | jq -r .token > "$LAB/token"
    pn_on n2 cluster join "$(cat "$LAB/token")" > "$LAB/log/join"
}
# Entries of a list on a node.
pn_two_count() { pn_on "$1" -j rule status | jq --arg l "$2" '.lists[] | select(.list == $l) | .entries'; }
