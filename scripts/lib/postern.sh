# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Postern itself in the lab: configuration, the two daemons on the node nd, the DSR set-up of the gateways.
#
# pn_postern_conf reads these variables; each has the value below unless the caller set it:
#   CONF_SPILL      contents of the primary tier's spill block   ("" no spill)
#   CONF_CHECK      the check block's contents
#   CONF_VIPS       more vip blocks                              CONF_EXTRA      any other blocks
#   CONF_SERVICE    more lines of service smtp-in                CONF_NODE       more lines of the node's block
#   CONF_MX1 / CONF_MX2  more lines of the gateways              CONF_WORKERS, CONF_IDLE_SLEEP_US

PN_DP=${PN_DP:-$PN_BUILD/dataplane/postern-dp}
PN_D=${PN_D:-$PN_BUILD/controlplane/posternd}
PN_CLI=${PN_CLI:-$PN_BUILD/controlplane/cli/postern}
PN_XDP=${PN_XDP:-$PN_BUILD/dataplane/ports/xdp_vip.o}
# The checks' time to notice: interval x fall plus the time to connect.
PN_FALL_MS=1500

pn_postern_conf() {
    local check="type = smtp; port = 25; interval = 500ms; timeout = 2s; rise = 2; fall = 2; helo = node.postern.test"
    cat > "$LAB/postern.conf" << END
cluster { name = "lab" }
node "n1" {
    port "lan" { type = af_xdp; interface = eth0 }
    dataplane {
        workers = ${CONF_WORKERS:-1}
        flows = 200000
        idle-sleep-us = ${CONF_IDLE_SLEEP_US:-50}
        huge-pages = ${PN_HUGE:-no}
    }
    metrics { listen = "127.0.0.1:9125" }
    ${CONF_NODE:-}
}
vip "in4" { address = "$VIP4"; port = "lan"; priority { n1 = 200 } ${CONF_VIP4:-} }
vip "in6" { address = "$VIP6"; port = "lan"; priority { n1 = 200 } ${CONF_VIP6:-} }
${CONF_VIPS:-}
gateway "mx1" { address = "$MX1_4"; mode = l2dsr; ${CONF_MX1:-} }
gateway "mx2" { address = "$MX2_4"; mode = l2dsr; ${CONF_MX2:-} }
check "mail" { ${CONF_CHECK:-$check} }
pool "mx" {
    checks = ["mail"]
    tier "primary" {
        gateways = ["mx1"]
        ${CONF_SPILL:+spill { $CONF_SPILL \}}
    }
    tier "secondary" { gateways = ["mx2"] }
}
service "smtp-in" { vips = ["in4", "in6"${CONF_MORE_VIPS:-}]; port = 25; pool = "mx"; ${CONF_SERVICE:-} }
${CONF_EXTRA:-}
END
}

pn_posternd_start() {
    pn_spawn posternd nd "$PN_D" --config "$LAB/postern.conf" --socket "$LAB/run/posternd.sock" \
        --dp-socket "$LAB/run/dp.sock" --state-dir "$LAB/state" --node n1
}

pn_dp_start() {
    pn_ns nd "$PN_D" --config "$LAB/postern.conf" --node n1 --dataplane-args > "$LAB/dp.args"
    # Namespaces entered by ip-netns see no bpf file system; the pins must outlive the daemon, so it is the lab's own.
    # shellcheck disable=SC2016 # expanded by the inner shell
    pn_spawn dp nd sh -c 'mount --bind "$1" /sys/fs/bpf && shift && exec "$@"' sh "$LAB/bpf" \
        "$PN_DP" --args-file "$LAB/dp.args" --socket "$LAB/run/dp.sock" --stats "$LAB/run/stats" --xdp-program "$PN_XDP"
}

# The command line, as a person on the node would use it.
pn_cli() { pn_ns nd "$PN_CLI" --socket "$LAB/run/posternd.sock" "$@"; }

pn_vip_answers() { pn_ns cl ping -c 1 -W 1 "$1"; }

pn_postern_start() {
    mkdir -p "$LAB/state"
    pn_dp_start
    pn_posternd_start
    pn_wait 20 pn_vip_answers $VIP4 && pn_wait 5 pn_vip_answers $VIP6 || {
        pn_err "the VIPs do not answer; the daemons said:"
        tail -n 15 "$LAB/log/dp" "$LAB/log/posternd" >&2
        return 1
    }
    pn_wait 10 pn_gateways_up
}

pn_gateways_up() { [ "$(pn_gateway_health mx1)" = up ] && [ "$(pn_gateway_health mx2)" = up ]; }
pn_gateway_health() { pn_cli -j gateway list | jq -r --arg g "$1" '.gateways[] | select(.name == $g) | .health'; }

# What `postern gateway setup` tells a gateway's administrator to do.
pn_gateway_setup() { # PART VIP...
    local part=$1
    shift
    pn_ns "$part" "$PN_CLI" gateway setup --apply --vip "$@" >> "$LAB/log/gateway-setup" 2>&1 ||
        { tail -n 5 "$LAB/log/gateway-setup" >&2; return 1; }
}
