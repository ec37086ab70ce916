#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A round each of the faults of scripts/chaos that 30_pair does not make: nobody answers twice, no session or message is lost,
# and what must change nothing changes nothing.
# Runs alone: it measures time on both CPUs.
. "$(dirname "$0")/lib.sh"
LAB=$(mktemp -d)
trap 'rm -rf "$LAB"' EXIT
CHAOS=$_here/../../scripts/chaos
FAULTS=kill-all,freeze-node,link-down,partition,loss-heartbeats,clock-forward,restart-dp,restart-service,forged,replayed,mutated

want_not "a fault that is none is refused" "$CHAOS" --fault nonsense
# Not the shortest heartbeats: the lease outlasts a machine that stands still for 180 ms. scripts/chaos measures those.
rc=0
"$CHAOS" --rounds 1 --heartbeat "${PN_CHAOS_HEARTBEAT:-120}" --fault $FAULTS --json "$LAB/chaos.json" \
    --keep-logs "${PN_LAB_KEEP_LOGS:-$LAB/kept}" > "$LAB/out" 2>&1 || rc=$?
cat "$LAB/out"
want_eq "all that must hold held" $rc 0
want_eq "every fault was made" "$(jq '[.postern[].n] | add' "$LAB/chaos.json")" 11
want_eq "the report names no breach" "$(jq '.broken | length' "$LAB/chaos.json")" 0
want_num "sessions were in the middle of DATA" "$(jq '[.postern[].sessions] | add' "$LAB/chaos.json")" -ge 88
want_eq "each time a node came back, the other's flows came whole" \
    "$(cat "${PN_LAB_KEEP_LOGS:-$LAB/kept}"/log/posternd? | grep -c 'did not arrive')" 0
want_num "a planned restart of postern-dp: the address always answers" \
    "$(jq '.postern[] | select(.fault == "restart-dp") | .gap_ms.max, .restore_gap_ms.max | ceil' "$LAB/chaos.json" | sort -n | tail -n 1)" -lt 20
for storm in forged replayed mutated; do
    want_num "$storm: they were many" "$(jq --arg f $storm '.postern[] | select(.fault == $f) | .storm.sent' "$LAB/chaos.json")" -ge 5000
    want_num "$storm: and refused, with a count" "$(jq --arg f $storm '.postern[] | select(.fault == $f) | .storm.refused' "$LAB/chaos.json")" -ge 1000
done
