# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# keepalived (VRRPv3) and HAProxy on the same two nodes, for chaos.sh: what is used today where Postern would be.
#
# As fair as it can be made: adverts as often as VRRPv3 allows (10 ms), real-time priority, no delays at start, preemption as
# on the Postern pair. HAProxy passes the sessions on, as it has to without a shared flow table; DNAT would keep some.

KEEPALIVED=${KEEPALIVED:-/usr/sbin/keepalived}
HAPROXY=${HAPROXY:-/usr/sbin/haproxy}

keepalived_conf() { # NODE PRIORITY-A PRIORITY-B
    local i names=(a b) vips=("$VIP4" "$VIP4B") priorities=("$2" "$3")
    echo 'global_defs { vrrp_version 3'
    echo 'vrrp_garp_master_repeat 5'
    # Without the limit, its default kills the process that keeps up 10 ms adverts and logs.
    echo 'vrrp_rt_priority 20'
    echo 'vrrp_rlimit_rttime 10000000'
    echo 'vrrp_no_swap }'
    for i in 0 1; do
        cat << END
vrrp_instance ${names[i]} {
    state BACKUP
    interface eth0
    virtual_router_id $((51 + i))
    priority ${priorities[i]}
    advert_int $(awk "BEGIN { print ${CHAOS_HEARTBEAT_MS:-10} / 1000 }")
    virtual_ipaddress {
        ${vips[i]}/32 dev eth0
    }
}
END
    done
}
keepalived_haproxy_conf() {
    cat << END
global
    maxconn 2000
defaults
    mode tcp
    timeout connect 2s
    timeout client 11m
    timeout server 11m
listen smtp
    bind $VIP4:25
    bind $VIP4B:25
    server mx1 $MX1_4:25 check inter 500ms
    server mx2 $MX2_4:25 check inter 500ms backup
END
}
keepalived_daemon() { # NODE
    rm -f "$LAB/run/keepalived$1".{parent,vrrp} # of one that was killed
    # shellcheck disable=SC2046 # settings for env
    pn_spawn "keepalived$1" "$(pn_pair_part "$1")" env $(chaos_env "$1") "$KEEPALIVED" -n -l -D -P -f "$LAB/keepalived$1.conf" \
        -p "$LAB/run/keepalived$1.parent" -r "$LAB/run/keepalived$1.vrrp"
}
keepalived_up() {
    local n
    keepalived_conf 1 200 100 > "$LAB/keepalived1.conf"
    keepalived_conf 2 100 200 > "$LAB/keepalived2.conf"
    keepalived_haproxy_conf > "$LAB/haproxy.cfg"
    for n in 1 2; do
        pn_ns "$(pn_pair_part $n)" sysctl -qw net.ipv4.ip_nonlocal_bind=1
        pn_spawn "haproxy$n" "$(pn_pair_part $n)" "$HAPROXY" -db -f "$LAB/haproxy.cfg"
        keepalived_daemon $n
    done
    pn_wait 20 keepalived_settled && pn_wait 10 pn_ns cl nc -z -w 1 $VIP4 25
}
keepalived_down() {
    local n
    for n in 1 2; do
        pn_end "keepalived$n" TERM
        pn_end "haproxy$n" TERM
    done
}
keepalived_has() { # NODE VIP
    pn_ns "$(pn_pair_part "$1")" ip -4 -o addr show dev eth0 | grep -qF " $2/32"
}
keepalived_settled() {
    keepalived_has 1 $VIP4 && ! keepalived_has 2 $VIP4 && keepalived_has 2 $VIP4B && ! keepalived_has 1 $VIP4B
}
keepalived_pids() {
    local pid
    pid=$(pn_pid keepalived1)
    pgrep -P "$pid" # first: a parent's death would have it end in good order
    echo "$pid"
}
keepalived_start() { keepalived_daemon 1; }
keepalived_restart() {
    pn_end keepalived1 TERM
    keepalived_daemon 1
}
keepalived_move_away() { pn_end keepalived1 TERM; }
keepalived_move_back() { keepalived_daemon 1; }
keepalived_transitions() { cat "$LAB"/log/keepalived? | grep -cE 'Entering (MASTER|BACKUP|FAULT) STATE' || true; }
keepalived_wire() { echo vrrp; }
keepalived_heartbeat_match() { echo 'ip protocol 112'; }
