#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Nine nodes: a change on any of them is seen on the eight others at once, and 100,000 entries do not change that. The
# bounds are wide, for a busy machine; scripts/bench --only rules tells the figures.
# Runs alone: it measures time on both CPUs.
. "$(dirname "$0")/lib.sh"
pn_lab_start
bench() { # NAME OPTIONS...: on the loopback of the node's namespace
    local name=$1
    shift
    pn_ns nd $PYTHON "$_here/../bench/rules_cluster.py" --posternd "$PN_D" --postern "$PN_CLI" --dir "$LAB/nine" \
        --json "$LAB/$name.json" "$@"
}
figure() { jq "$2 | floor" "$LAB/$1.json"; }
want "nine nodes take 90 changes" bench changes --only changes --nodes 9 --changes 90
want_num "all see a change within 150 ms, 99 of 100 times" "$(figure changes .rules.changes.seen_on_all_ms.p99)" -le 150
want_num "and a removal" "$(figure changes .rules.changes.removed_on_all_ms.p99)" -le 150
want "100,000 entries are imported, and two nodes with as many join" bench many --only import,join --entries 100000
want_num "an addition beside them is on disk within 100 ms, 99 of 100 times" "$(figure many .rules.import.added_ms.p99)" -le 100
want_num "the two have all of it" "$(figure many .rules.join.after)" -eq 110000
want_num "within 15 s" "$(figure many .rules.join.join_s)" -le 15
want_num "for not more than five times the difference (2 x 0.8 MB)" "$(figure many .rules.join.moved_mb)" -le 8
