#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two nodes with lists of their own become one set; edits on either are seen on the other, also those made while nobody
# could see them; what was acknowledged survives kill -9.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/rules.sh"
pn_lab_start
pn_two_conf
pn_two_start n1 || fail "n1 does not start"
pn_two_start n2 || fail "n2 does not start"

# 10 entries here, 20 there, 5 of them the same.
seq 1 10 | sed 's/.*/sender&@example.org/' > "$LAB/ten.txt"
seq 6 25 | sed 's/.*/Sender&@Example.ORG/' > "$LAB/twenty.txt"
want "10 on the first" pn_on n1 rule import "$LAB/ten.txt" --list blocklist
want "20 on the second" pn_on n2 rule import "$LAB/twenty.txt" --list blocklist
want "a rule on the first" pn_on n1 rule put keyword lottery --text "first" --note "of n1"
sleep 0.05
want "and another of that name on the second, later" pn_on n2 rule put keyword lottery --text "second"

want_not "an input that cannot be read is no empty list" bash -c \
    "ip netns exec $LAB_PREFIX-nd $PN_CLI --socket $LAB/run/n1.sock rule import - --format csv --list blocklist 0> >(cat)"

pn_on n1 cluster init > "$LAB/log/init"
pn_on n1 -j cluster invite | jq -r .token > "$LAB/token"
pn_on n2 -j cluster join "$(cat "$LAB/token")" --dry-run > "$LAB/dry.json" || fail "the rehearsal failed"
want_eq "the rehearsal tells 20 here, 10 there, 5 common, 25 afterwards" \
    "$(jq -r '.rows[] | select(.list == "blocklist") | "\(.here) \(.there) \(.common) \(.total)"' "$LAB/dry.json")" "20 10 5 25"
want_eq "and has changed nothing" "$(pn_two_count n1 blocklist) $(pn_two_count n2 blocklist)" "10 20"
want "the second joins" pn_on n2 cluster join "$(cat "$LAB/token")"
want "all have the same" pn_on n2 rule sync --wait --timeout 20
want_eq "25 on both" "$(pn_two_count n1 blocklist) $(pn_two_count n2 blocklist)" "25 25"
pn_on n1 rule export blocklist > "$LAB/1.csv"
pn_on n2 rule export blocklist > "$LAB/2.csv"
want "and the same 25" cmp "$LAB/1.csv" "$LAB/2.csv"
want_eq "the newest rule has won" "$(pn_on n1 rule show keyword lottery --text)" second
want_eq "the other is in the history" "$(pn_on n1 -j rule log keyword lottery | jq -r '.versions[1].text')" first
want "and comes back" pn_on n1 rule restore keyword lottery
restored() { [ "$(pn_on n2 rule show keyword lottery --text)" = first ]; }
want "on both" pn_wait 5 restored

has() { pn_on "$1" rule show blocklist "$2"; }
has_not() { ! pn_on "$1" rule show blocklist "$2"; }
want "added on the first" pn_on n1 rule add blocklist new@example.org
want "seen on the second" pn_wait 5 has n2 new@example.org
want "removed on the second" pn_on n2 rule remove blocklist new@example.org
want "gone on the first" pn_wait 5 has_not n1 new@example.org

# Uses are summed over the nodes, and what one has learnt the other knows.
hits() { pn_on "$1" -j rule show "$2" "$3" | jq -r .hits; }
hits_are() { [ "$(hits "$1" "$2" "$3")" = "$4" ]; }
want "a use here" pn_on n1 rule hit blocklist Sender3@example.org --count 2
printf 'blocklist sender3@example.org count=3\n\nblocklist nobody@example.org\nblocklist sender3@example.org\n' > "$LAB/uses"
want_eq "uses there, from a log reader" "$(pn_on n2 -j rule hit --stdin < "$LAB/uses" | jq -r '"\(.counted) \(.missing) \(.bad)"')" "2 1 0"
for n in n1 n2; do
    want "$n shows the sum" pn_wait 15 hits_are $n blocklist sender3@example.org 6
done
rc=0
pn_on n1 rule hit blocklist nobody@example.org > "$LAB/last" 2>&1 || rc=$?
want_eq "a use of what is not there" "$rc" 4
want "learnt here" pn_on n1 rule learn auto-welcomelist friend@example.net --count 2
want "known there" pn_wait 15 hits_are n2 auto-welcomelist friend@example.net 2

# Edits while the nodes do not see each other.
pn_two_cut
want "added on one side of a cut" pn_on n1 rule add blocklist left@example.org
want "added on the other" pn_on n2 rule add blocklist right@example.org
want "removed on one side" pn_on n1 rule remove blocklist sender1@example.org
sleep 0.05
want "and added again on the other, later" pn_on n2 rule add blocklist sender1@example.org
want "added again on one side" pn_on n1 rule add blocklist sender2@example.org
sleep 0.05
want "and removed on the other, later" pn_on n2 rule remove blocklist sender2@example.org
want "a rule on one side" pn_on n1 rule put attachment exe --text one
sleep 0.05
want "and on the other, later" pn_on n2 rule put attachment exe --text two
rc=0
pn_on n1 rule sync --wait --timeout 2 > "$LAB/last" 2>&1 || rc=$?
want_eq "waiting for the other side takes too long" "$rc" 5
pn_two_mend
want "all have the same once the cut is mended" pn_on n1 rule sync --wait --timeout 60
for n in n1 n2; do
    want "$n has what one side added" has $n left@example.org
    want "$n has what the other added" has $n right@example.org
    want "$n has what was added again later" has $n sender1@example.org
    want_not "$n has not what was removed later" has $n sender2@example.org
    want_eq "$n has the later rule" "$(pn_on $n rule show attachment exe --text)" two
done
want_eq "the loser is in the history" "$(pn_on n1 -j rule log attachment exe | jq -r '.versions[1] | "\(.text) \(.why)"')" "one merged"

# kill -9 during an import: whatever was answered is there afterwards, and the same file goes on from there.
seq 1 200000 | sed 's/.*/bulk&@example.net/' > "$LAB/bulk.txt"
pn_on n1 -j rule import "$LAB/bulk.txt" --list blocklist > "$LAB/import" 2>&1 &
import=$!
sleep 0.1
before=$(pn_two_count n1 blocklist)
some() { [ "$(pn_two_count n1 blocklist)" -gt $((before + 5000)) ]; }
pn_wait 10 some
pn_end posternd-n1 KILL
wait $import && fail "the import did not notice"
promised=$(sed -n 's/.*postern: \([0-9,]*\) of .* were imported before.*/\1/p' "$LAB/import" | tr -d ,)
pn_two_start n1 || fail "n1 does not start again"
now=$(pn_two_count n1 blocklist)
want_num "the import told what it had done" "$promised" -ge 1000
want_num "nothing promised is lost ($promised promised)" "$now" -ge $((promised + 25))
want "the same file again" pn_on n1 rule import "$LAB/bulk.txt" --list blocklist
want "all have the same" pn_on n1 rule sync --wait --timeout 60
want_eq "all of it on both" "$(pn_two_count n1 blocklist) $(pn_two_count n2 blocklist)" "200026 200026"

# A class that is switched off on both stays apart, and is merged when it is on again.
pn_two_conf "sync { welcomelist = no }"
want "welcomelists stay apart on n1" pn_on n1 reload
want "and on n2" pn_on n2 reload
want "one here" pn_on n1 rule add welcomelist here@example.org
want "another there" pn_on n2 rule add welcomelist there@example.org
sleep 1
want_eq "each has its own" "$(pn_two_count n1 welcomelist) $(pn_two_count n2 welcomelist)" "1 1"
pn_two_conf
want "switched on on n1" pn_on n1 reload
want "and on n2" pn_on n2 reload
merged() { [ "$(pn_two_count n1 welcomelist) $(pn_two_count n2 welcomelist)" = "2 2" ]; }
want "both have both" pn_wait 10 merged

# A damaged database: the rest goes on, and with the file moved away all of it comes back from the other node.
pn_end posternd-n2
pn_on n1 rule add blocklist while-away@example.org > "$LAB/last"
dd if=/dev/urandom of="$LAB/n2/rules.db" bs=4096 count=4 conv=notrunc status=none
rm -f "$LAB/n2/rules.db-wal" "$LAB/n2/rules.db-shm"
pn_two_start n2 || fail "n2 does not start with a damaged database"
rc=0
pn_on n2 rule add blocklist x@example.org > "$LAB/said" 2>&1 || rc=$?
want_eq "rules are unavailable" "$rc" 3
want "and why is said" grep -q "rules.db" "$LAB/said"
want "it is in the log" bash -c "ip netns exec $LAB_PREFIX-m1 $PN_CLI --socket $LAB/run/n2.sock log | grep -q 'no rules on this node'"
want "and among the alarms" bash -c "ip netns exec $LAB_PREFIX-m1 $PN_CLI --socket $LAB/run/n2.sock status | grep -q '^! rules: none on this node'"
mv "$LAB/n2/rules.db" "$LAB/n2/damaged.db"
whole() { [ "$(pn_two_count n2 blocklist)" = 200027 ]; }
want "with the file moved away everything comes back" pn_wait 60 whole

# The same while it is in use.
mv "$LAB/n2/rules.db" "$LAB/n2/moved.db"
want "it is noticed at once" pn_wait 5 test -e "$LAB/n2/rules.db"
want "a change goes into the new one" pn_on n2 rule add blocklist into-the-new@example.org
again() { [ "$(pn_two_count n2 blocklist)" = 200028 ]; }
want "and everything comes back again" pn_wait 60 again
