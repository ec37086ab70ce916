#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Prometheus text: well-formed, base units, no client addresses.
. "$(dirname "$0")/lib.sh"
lab_up
send --messages 20 --sessions 4
sleep 1.5
want "the endpoint answers" pn_ns nd curl -sSf -m 5 -o "$LAB/metrics" http://127.0.0.1:9125/metrics
want_not "no line is malformed" grep -vE '^(#.*|[a-zA-Z_:][a-zA-Z0-9_:]*(\{[^}]*\})? [-+]?([0-9.eE+-]+|Inf|NaN))$' "$LAB/metrics"
want_not "no client address in it" grep -qE "$CLIENT4|$CLIENT6" "$LAB/metrics"
want_eq "each series once" "$(grep -v '^#' "$LAB/metrics" | sed 's/ [^ ]*$//' | sort | uniq -d | wc -l)" 0
want_eq "counters end in _total" "$(awk '/^# TYPE/ && $4 == "counter" && $3 !~ /_total$/' "$LAB/metrics")" ""
want "new flows are counted" awk '/^postern_.*flows.*_total\{.*mx1/ && $NF >= 4 { ok = 1 } END { exit !ok }' "$LAB/metrics"
want_not "other paths are not there" pn_ns nd curl -sSf -m 5 http://127.0.0.1:9125/etc/passwd
