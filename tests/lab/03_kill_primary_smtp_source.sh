#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The same with Postfix's own load generator: 50 smtp-source processes of 40 messages each. smtp-source gives up at the
# first error, so each is started again for what it still owes. What it counts as accepted must be there.
. "$(dirname "$0")/lib.sh"
lab_up

stream() { # NUMBER: sends 40 messages whatever happens
    local owed=40 got end out="$LAB/src.$1" err="$LAB/src-err.$1"
    end=$(($(pn_now_ms) + 60000))
    while [ $owed -gt 0 ] && [ "$(pn_now_ms)" -lt $end ]; do
        # -c prints a running count of messages whose final dot was sent: the last one is not accepted if it died then.
        ip netns exec "$LAB_PREFIX-cl" timeout 30 smtp-source -c -s 1 -m $owed -l 500 -M client.postern.test \
            -f sender@example.org -t user@example.net "$VIP4:25" > "$out" 2> "$err" || true
        got=$(tr '\r' '\n' < "$out" | grep -oE '^[0-9]+' | tail -n 1 || true)
        got=${got:-0}
        if [ $got -gt 0 ] && grep -q 'while sending message' "$err"; then got=$((got - 1)); fi
        cat "$err" >> "$LAB/log/smtp-source"
        owed=$((owed - got))
        echo $got >> "$LAB/src-accepted"
        [ $owed -le 0 ] || sleep 0.3
    done
    return $((owed > 0))
}
: > "$LAB/src-accepted"
streams=()
for n in $(seq 50); do
    stream "$n" &
    streams+=($!)
done
on_mx1() { [ "$(find "$LAB/mx1/mail/inbox/new" -type f 2> /dev/null | wc -l)" -gt 100 ]; }
want "mail reaches the primary" pn_wait 20 on_mx1
pn_postfix_kill mx1
unfinished=0
for pid in "${streams[@]}"; do wait "$pid" || unfinished=$((unfinished + 1)); done
want_eq "every sender got rid of its mail" $unfinished 0
accepted=$(awk '{ n += $1 } END { print n }' "$LAB/src-accepted")
want_eq "accepted, as smtp-source counts" "$accepted" 2000
sleep 1
m1=$(pn_mail_count mx1) m2=$(pn_mail_count mx2)
pn_say "(mx1 holds $m1, mx2 holds $m2)"
want_num "messages held by both gateways" $((m1 + m2)) -ge 2000
want_num "the secondary took mail" "$m2" -gt 100
