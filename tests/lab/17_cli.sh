#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every command answers, -j gives JSON, mistakes give a clear message and a stable exit status.
. "$(dirname "$0")/lib.sh"
lab_up
hold_bg held 3 60 --every 1
held=$BG
for c in status vip service gateway "flow list" stats "explain $CLIENT4" "gateway show mx1" "service show smtp-in" "vip show in4" pool check-list; do
    # shellcheck disable=SC2086 # words
    want "postern $c" pn_cli $c
    # shellcheck disable=SC2086
    want "postern -j $c is JSON" sh -c "ip netns exec $LAB_PREFIX-nd $PN_CLI --socket $LAB/run/posternd.sock -j $c | jq -e ."
done
