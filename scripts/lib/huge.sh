# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Huge pages for postern-dp: reserved if there is memory to spare, given back at the end, done without otherwise.
# pn_huge_setup sets PN_HUGE=yes|no. PN_HUGE=no from outside leaves the machine's huge pages alone.

PN_HUGE_MB=${PN_HUGE_MB:-512}
PN_HUGE_NR=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
PN_HUGE_FREE=/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages

pn_huge_setup() {
    local want=$((PN_HUGE_MB / 2)) avail_kb have
    PN_HUGE_RESTORE='' PN_HUGE_MOUNTED=''
    [ "${PN_HUGE:-auto}" != no ] || return 0
    PN_HUGE=no
    [ -w "$PN_HUGE_NR" ] || return 0
    if [ "$(cat "$PN_HUGE_FREE")" -lt "$want" ]; then
        avail_kb=$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)
        [ "$avail_kb" -gt $((PN_HUGE_MB * 1024 * 2 + 1048576)) ] || return 0
        have=$(cat "$PN_HUGE_NR")
        { echo $((have + want)) > "$PN_HUGE_NR"; } 2> /dev/null || return 0
        PN_HUGE_RESTORE="$have $((have + want))"
        if [ "$(cat "$PN_HUGE_FREE")" -lt "$want" ]; then
            pn_huge_restore
            return 0
        fi
    fi
    if ! awk '$3 == "hugetlbfs" { found = 1 } END { exit !found }' /proc/mounts; then
        mkdir -p /dev/hugepages && mount -t hugetlbfs none /dev/hugepages 2> /dev/null || { pn_huge_restore; return 0; }
        PN_HUGE_MOUNTED=/dev/hugepages
    fi
    PN_HUGE=yes
}

# Puts the number back unless somebody else has changed it meanwhile.
pn_huge_restore() {
    local before ours
    if [ -n "${PN_HUGE_RESTORE:-}" ]; then
        read -r before ours <<< "$PN_HUGE_RESTORE"
        if [ "$(cat "$PN_HUGE_NR")" = "$ours" ]; then
            { echo "$before" > "$PN_HUGE_NR"; } 2> /dev/null || true
        fi
        PN_HUGE_RESTORE=''
    fi
    if [ -n "${PN_HUGE_MOUNTED:-}" ]; then
        umount "$PN_HUGE_MOUNTED" 2> /dev/null || true
        PN_HUGE_MOUNTED=''
    fi
}
