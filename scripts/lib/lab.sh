# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A small mail edge in network namespaces on one machine:
#
#   cl  the senders: 10.78.0.100, fd78::100        ("the internet")
#    |
#   rt  router and switch: 10.78.0.1 | bridge br0 10.77.0.1, fd77::1
#    |--- nd  the Postern node:  10.77.0.2,  fd77::2   VIPs 10.77.0.25, fd77::25
#    |--- m1  gateway mx1:       10.77.0.11, fd77::11
#    '--- m2  gateway mx2:       10.77.0.12, fd77::12
#
# Each lab has its own namespaces (pn<ID>-cl ...) and directory, so several can exist; addresses are the same in all.
# Everything is ended by the EXIT trap, also after Ctrl-C; scripts/lab-clean ends what a killed script left.

PN_LAB_ROOT=${PN_LAB_ROOT:-$([ -w /dev/shm ] && echo /dev/shm || echo /tmp)/postern-lab}
PN_LAB_PARTS=(cl rt nd m1 m2)

VIP4=10.77.0.25 VIP6=fd77::25 VIP4B=10.77.0.26
NODE4=10.77.0.2 NODE6=fd77::2
MX1_4=10.77.0.11 MX2_4=10.77.0.12 MX1_6=fd77::11 MX2_6=fd77::12
CLIENT4=10.78.0.100 CLIENT6=fd78::100

# pn_ns PART COMMAND...: runs it inside the lab's namespace.
pn_ns() {
    local part=$1
    shift
    ip netns exec "$LAB_PREFIX-$part" "$@"
}

# pn_spawn NAME PART COMMAND...: a daemon of the lab. Output in $LAB/log/NAME, process id in $LAB/run/NAME.pid.
pn_spawn() {
    local name=$1 part=$2
    shift 2
    setsid ip netns exec "$LAB_PREFIX-$part" "$@" < /dev/null >> "$LAB/log/$name" 2>&1 &
    echo $! > "$LAB/run/$name.pid"
    disown $! 2> /dev/null || true
}

pn_pid() { cat "$LAB/run/$1.pid"; }
pn_alive() { [ -s "$LAB/run/$1.pid" ] && kill -0 "$(cat "$LAB/run/$1.pid")" 2> /dev/null; }
pn_gone() { ! pn_alive "$1"; }

# pn_end NAME [SIGNAL]: ends a daemon of the lab by its process id and waits until it is gone.
pn_end() {
    local name=$1 pid
    [ -s "$LAB/run/$name.pid" ] || return 0
    pid=$(cat "$LAB/run/$name.pid")
    kill "-${2:-TERM}" "$pid" 2> /dev/null || true
    pn_wait "${3:-10}" pn_gone "$name" || kill -9 "$pid" 2> /dev/null || true
    rm -f "$LAB/run/$name.pid"
}

pn_lab_link() { # PART IPV4 IPV6: a link from the part to the router's bridge
    local part=$1
    ip link add "pnl$$$part" type veth peer name "pnr$$$part"
    ip link set "pnl$$$part" netns "$LAB_PREFIX-$part" name eth0
    ip link set "pnr$$$part" netns "$LAB_PREFIX-rt" name "to-$part"
    pn_ns rt ip link set "to-$part" master br0 up
    pn_lab_address "$part" "$2" "$3" 10.77.0.1 fd77::1
    pn_lab_plain rt "to-$part"
}

pn_lab_address() { # PART IPV4 IPV6 ROUTER4 ROUTER6
    pn_ns "$1" ip link set lo up
    pn_ns "$1" ip addr add "$2/24" dev eth0
    pn_ns "$1" ip addr add "$3/64" dev eth0 nodad
    pn_ns "$1" ip link set eth0 up
    pn_ns "$1" ip route add default via "$4"
    pn_ns "$1" ip -6 route add default via "$5"
    pn_lab_plain "$1" eth0
}

# Frames as they would be on a wire: whole checksums, no segments glued together.
pn_lab_plain() {
    pn_ns "$1" ethtool -K "$2" tx off sg off tso off gso off gro off > /dev/null 2>&1 || true
}

pn_lab_start() { # [ID]
    local part
    LAB_ID=${1:-$$}
    LAB_PREFIX=pn$LAB_ID
    LAB=$PN_LAB_ROOT/$LAB_ID
    [ ! -e "$LAB" ] || pn_die "a lab $LAB_ID exists already; end it with scripts/lab-clean $LAB_ID"
    mkdir -p "$LAB/run" "$LAB/log" "$LAB/bpf"
    chmod 755 "$PN_LAB_ROOT" "$LAB"
    echo $$ > "$LAB/owner.pid"
    # For lab-clean: what has to be given back.
    printf 'PN_HUGE_RESTORE=%q PN_HUGE_MOUNTED=%q\n' "${PN_HUGE_RESTORE:-}" "${PN_HUGE_MOUNTED:-}" > "$LAB/huge"
    trap 'pn_lab_trap $?' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    mount -t bpf none "$LAB/bpf"
    for part in "${PN_LAB_PARTS[@]}"; do
        ip netns add "$LAB_PREFIX-$part"
        pn_ns "$part" sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 \
            net.ipv6.conf.default.accept_ra=0 net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
    done
    pn_ns rt ip link set lo up
    pn_ns rt ip link add br0 type bridge forward_delay 0 mcast_snooping 0
    pn_ns rt sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    pn_ns rt ip addr add 10.77.0.1/24 dev br0
    pn_ns rt ip addr add fd77::1/64 dev br0 nodad
    pn_ns rt ip link set br0 up
    ip link add "pnl$$cl" type veth peer name "pnr$$cl"
    ip link set "pnl$$cl" netns "$LAB_PREFIX-cl" name eth0
    ip link set "pnr$$cl" netns "$LAB_PREFIX-rt" name to-cl
    pn_ns rt ip addr add 10.78.0.1/24 dev to-cl
    pn_ns rt ip addr add fd78::1/64 dev to-cl nodad
    pn_ns rt ip link set to-cl up
    pn_lab_plain rt to-cl
    pn_lab_address cl $CLIENT4 $CLIENT6 10.78.0.1 fd78::1
    pn_lab_link nd $NODE4 $NODE6
    pn_lab_link m1 $MX1_4 $MX1_6
    pn_lab_link m2 $MX2_4 $MX2_6
}

pn_lab_trap() {
    local rc=$1
    # A second Ctrl-C must not leave half of the lab behind.
    trap '' INT TERM HUP
    trap - EXIT
    set +e
    if [ "${LAB_STAY:-no}" = yes ] && [ "$rc" -lt 128 ]; then
        exit "$rc"
    fi
    if [ "$rc" -ne 0 ] && [ -n "${PN_LAB_KEEP_LOGS:-}" ]; then
        mkdir -p "$PN_LAB_KEEP_LOGS"
        cp -r "$LAB/log" "$LAB"/*.conf "$PN_LAB_KEEP_LOGS/" 2> /dev/null
        cp "$LAB"/mx*/maillog "$PN_LAB_KEEP_LOGS/" 2> /dev/null
    fi
    pn_lab_remove "$LAB_ID"
    pn_huge_restore
    exit "$rc"
}

# pn_lab_remove ID: ends the lab's processes by their ids, then removes its namespaces and directory.
pn_lab_remove() {
    local id=$1 part dir=$PN_LAB_ROOT/$1 pids sig frozen
    for frozen in /sys/fs/cgroup/{freezer/,,unified/}postern-lab-"$id"; do # what is frozen cannot end
        [ ! -w "$frozen/freezer.state" ] || echo THAWED > "$frozen/freezer.state"
        [ ! -w "$frozen/cgroup.freeze" ] || echo 0 > "$frozen/cgroup.freeze"
    done
    for sig in TERM KILL; do
        pids=''
        for part in "${PN_LAB_PARTS[@]}" n2 n3; do # n2, n3: more nodes (pair.sh)
            pids+=" $({ ip netns pids "pn$id-$part" 2> /dev/null || true; } | tr '\n' ' ')"
        done
        # shellcheck disable=SC2086 # a list of numbers
        [ -z "${pids// /}" ] || kill -$sig $pids 2> /dev/null || true
        # shellcheck disable=SC2086
        [ -z "${pids// /}" ] || pn_wait 3 pn_pids_gone $pids || true
    done
    for part in "${PN_LAB_PARTS[@]}" n2 n3; do
        [ ! -e "/run/netns/pn$id-$part" ] || ip netns del "pn$id-$part" 2> /dev/null || true
    done
    rmdir /sys/fs/cgroup/{freezer/,,unified/}postern-lab-"$id" 2> /dev/null || true
    umount "$dir/bpf" 2> /dev/null || true
    rm -rf --one-file-system "$dir"
    rmdir "$PN_LAB_ROOT" 2> /dev/null || true
}

pn_pids_gone() {
    local p
    for p in "$@"; do
        ! kill -0 "$p" 2> /dev/null || return 1
    done
}

# Labs whose script is gone and that nobody asked to stay.
pn_lab_stale() {
    local dir
    for dir in "$PN_LAB_ROOT"/*/; do
        [ -f "$dir/owner.pid" ] || continue
        [ ! -e "$dir/stay" ] || continue
        kill -0 "$(cat "$dir/owner.pid")" 2> /dev/null || basename "$dir"
    done
}
