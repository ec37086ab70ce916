#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Forwarding a backlog between two namespaces beside rsync of the same files in the same run. Needs root, rsync, jq.
#
# usage: tests/bench/bench_forward.sh [MESSAGES [BYTES [FOLDER]]]     default: 5000 messages of 20000 bytes in /var/tmp
set -euo pipefail
messages=${1:-5000} bytes=${2:-20000} folder=${3:-/var/tmp}
root=$(cd "$(dirname "$0")/../.." && pwd)
bench=${BENCH:-$root/build/tests/bench/bench_forward}
id=pnbf$$
work=$(mktemp -d "$folder/$id.XXXXXX")
pids=()

cleanup() {
    local p
    for p in "${pids[@]}"; do kill "$p" 2> /dev/null || true; done
    wait 2> /dev/null || true
    ip netns del "${id}a" 2> /dev/null || true
    ip netns del "${id}b" 2> /dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

ip netns add "${id}a"
ip netns add "${id}b"
ip link add "${id}a" netns "${id}a" type veth peer name "${id}b" netns "${id}b"
ip -n "${id}a" addr add 10.255.1.1/24 dev "${id}a"
ip -n "${id}b" addr add 10.255.1.2/24 dev "${id}b"
for side in a b; do
    ip -n "$id$side" link set "$id$side" up
    ip -n "$id$side" link set lo up
done

wait_port() { # PORT
    local i
    for i in {1..100}; do
        ip netns exec "${id}b" ss -Hltn "sport = :$1" | grep -q . && return 0
        sleep 0.1
    done
    echo "nothing listens on port $1" >&2
    return 1
}

"$bench" fill "$work/spool" "$messages" "$bytes"
cat > "$work/rsyncd.conf" << EOF
use chroot = no
uid = 0
gid = 0
[to]
path = $work/copy
read only = no
EOF
ip netns exec "${id}b" rsync --daemon --no-detach --config="$work/rsyncd.conf" --port=8730 --address=10.255.1.2 &
pids+=($!)
wait_port 8730

# Seconds of rsync over the spool's message files.
copy() { # OPTIONS...
    local t0 t1
    rm -rf "$work/copy"
    mkdir "$work/copy"
    sync -f "$work"
    t0=$(date +%s.%N)
    ip netns exec "${id}a" rsync -a "$@" "$work/spool/mail/" "rsync://10.255.1.2:8730/to/"
    t1=$(date +%s.%N)
    [ "$(find "$work/copy" -name '*.zst' | wc -l)" -ge "$((messages * 99 / 100))" ] || { echo "rsync left files out" >&2; return 1; }
    echo "$t0 $t1" | awk '{printf "%.3f", $2 - $1}'
}

before=$(copy)
ip netns exec "${id}b" "$bench" host "$work/host" 10.255.1.2 8731 &
pids+=($!)
wait_port 8731
sync -f "$work"
ours=$(ip netns exec "${id}a" "$bench" node "$work/spool" 10.255.1.2 8731)
after=$(copy)
synced=$(copy --fsync)
jq -n --argjson ours "$ours" --argjson a "$before" --argjson b "$after" --argjson s "$synced" '
    $ours + {rsync_s: [$a, $b], rsync_fsync_s: $s,
             ratio_to_rsync: ((($a + $b) / 2 / $ours.seconds * 100 | round) / 100),
             ratio_to_rsync_fsync: (($s / $ours.seconds * 100 | round) / 100)}'
