# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What dp_smoke.sh and dp_pair.sh share: postern-dp without posternd on one bridge in namespaces of its own, driven over its
# control sockets. Source it after px (prefix of the namespaces), tmp (a folder) and build are set.

tools=$(cd "$(dirname "${BASH_SOURCE[0]}")/tools" && pwd)
dp=$build/dataplane/postern-dp
pids=() made=() # namespaces: never those of another run

say() { printf '%s\n' "$*"; }
fail() {
    say "FAILED: $*"
    tail -n 20 "$tmp"/dp*.log 2> /dev/null || true
    exit 1
}
ok() {
    local what=$1
    shift
    "$@" > "$tmp/last" 2>&1 || {
        head -n 20 "$tmp/last"
        fail "$what ($*)"
    }
    say "  ok: $what"
}
not() {
    local what=$1
    shift
    if "$@" > "$tmp/last" 2>&1; then
        head -n 20 "$tmp/last"
        fail "$what ($*)"
    fi
    say "  ok: $what"
}
wait_for() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" > /dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.1
    done
}
in_ns() { ip netns exec "$px-$1" "${@:2}"; }

# Namespaces br (a bridge) and each NAME, linked to it by eth0.
ns_up() { # NAME...
    local n
    for n in "$@" br; do
        ip netns add "$px-$n" || fail "$px-$n: another run has it (PN_SMOKE_PREFIX= takes another name)"
        made+=("$n")
        ip -n "$px-$n" link set lo up
    done
    ip -n "$px-br" link add br0 type bridge
    ip -n "$px-br" link set br0 up
    for n in "$@"; do
        ip -n "$px-$n" link add eth0 type veth peer name "p$n" netns "$px-br"
        ip -n "$px-br" link set "p$n" master br0 up
        in_ns "$n" sysctl -qw net.ipv6.conf.eth0.accept_dad=0
        # Local senders leave checksums, segmentation and tags to the "card"; there is none on a veth.
        in_ns "$n" ethtool -K eth0 tx off tso off gso off gro off txvlan off rxvlan off > /dev/null 2>&1 || true
        in_ns br ethtool -K "p$n" tx off tso off gso off gro off txvlan off rxvlan off > /dev/null 2>&1 || true
    done
}
ns_down() {
    local n p
    for p in "${pids[@]}"; do kill "$p" 2> /dev/null || true; done
    pids=()
    for n in "${made[@]}"; do
        ip netns pids "$px-$n" 2> /dev/null | xargs -r kill 2> /dev/null || true
        ip netns del "$px-$n" 2> /dev/null || true
    done
    made=()
}

# A service that says who it is and whom it sees.
server() { # NAMESPACE NAME PORT
    ip netns exec "$px-$1" python3 "$tools/greeter.py" serve "$2" "$3" > /dev/null 2>&1 &
    pids+=($!)
}
