# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# What every script starts from: the tree's root, a place for temporary files, plain words on the screen.

PN_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
PN_BUILD=${PN_BUILD:-$PN_ROOT/build}
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
# Debian's own programs first: a python3 or gcc of somebody's home directory is not what install.sh installed.
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH

pn_colour_set() { # yes | no | auto
    if [ "$1" = yes ] || { [ "$1" = auto ] && [ -t 1 ] && [ -z "${NO_COLOR:-}" ]; }; then
        C_B=$'\e[1m' C_G=$'\e[32m' C_R=$'\e[31m' C_Y=$'\e[33m' C_D=$'\e[2m' C_0=$'\e[0m'
    else
        C_B='' C_G='' C_R='' C_Y='' C_D='' C_0=''
    fi
}
pn_colour_set auto

pn_say() { printf '%s\n' "$*"; }
pn_head() { printf '\n%s%s%s\n' "$C_B" "$*" "$C_0"; }
pn_dim() { printf '%s%s%s\n' "$C_D" "$*" "$C_0"; }
pn_err() { printf '%s%s%s\n' "$C_R" "$*" "$C_0" >&2; }
pn_die() { pn_err "$*"; exit 1; }

pn_need_root() {
    [ "$(id -u)" = 0 ] || pn_die "$(basename "$0") needs root: network namespaces, packages and huge pages (sudo $0)"
}

# Milliseconds of a clock that nobody sets.
pn_now_ms() {
    local up
    read -r up _ < /proc/uptime
    up=${up/./}
    echo $((10#$up * 10))
}

# pn_wait SECONDS COMMAND...: until the command succeeds, asked ten times a second.
pn_wait() {
    local end=$(($(pn_now_ms) + $1 * 1000))
    shift
    until "$@" > /dev/null 2>&1; do
        [ "$(pn_now_ms)" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# pn_quiet LOG COMMAND...: output to LOG, shown only when the command fails.
pn_quiet() {
    local log=$1
    shift
    if ! "$@" > "$log" 2>&1; then
        pn_err "failed: $*"
        tail -n 40 "$log" >&2
        return 1
    fi
}
