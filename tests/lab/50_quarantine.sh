#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Quarantined mail of a real Postfix reaches the host, once each, whatever is killed or cut off on the way; it is found,
# shown, released through Postfix, and not released twice.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/rules.sh"
pn_lab_start

SOCKET=$LAB/run/lmtp
INLET=10026 # Postfix takes released mail here, without the filter that sent it to quarantine

conf() { # HOST FORWARD [more]
    pn_two_conf
    sed -i "s|node \"n2\" {|node \"n2\" { release-to = \"$MX1_4:$INLET\";|" "$LAB/two.conf"
    cat >> "$LAB/two.conf" << END
quarantine { host = "$1"; forward = $2; listen = "$SOCKET"; keep-free = 1mb; ballast = 1mb; backlog-rate = 0; ${3:-} }
END
}
quarantine() { # NODE COMMAND...
    local node=$1
    shift
    pn_on "$node" quarantine "$@"
}
waiting() { quarantine "$1" -j backlog | jq .items; }
waits() { [ "$(waiting "$1")" -ge "$2" ]; }
drained() { [ "$(waiting n2)" = 0 ] && [ "$(quarantine n2 -j backlog | jq .reached)" = true ]; }
# What the host has of n2, one "sequence sha256" a line; all pages.
ids_at_host() { # NODE
    local before=() page
    while :; do
        page=$(quarantine "$1" -j list --node n2 --kind any --limit 1000 "${before[@]}") || return 1
        jq -r '.items[] | "\(.sequence) \(.sha256)"' <<< "$page"
        [ "$(jq .more <<< "$page")" = true ] || break
        before=(--before "$(jq .next_before <<< "$page")")
    done | sort -n
}
# 20 kB each, through Postfix, which routes them by a header to the quarantine's socket.
send_spam() { # FIRST LAST
    pn_ns m1 $PYTHON - "$1" "$2" "$MX1_4" << 'END'
import os, smtplib, sys
first, last, host = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
smtp = smtplib.SMTP(host)
for i in range(first, last + 1):
    text = os.urandom(10000).hex()
    lines = "\r\n".join(text[k:k + 76] for k in range(0, len(text), 76))
    smtp.sendmail("sender%d@spam.example" % (i % 10), ["user@example.net"],
                  "From: sender%d@spam.example\r\nTo: user@example.net\r\nSubject: offer number%d\r\n"
                  "Message-Id: <spam-%d@spam.example>\r\nX-Spam: yes\r\n\r\n%s\r\n" % (i % 10, i, i, lines))
smtp.quit()
END
}
lmtp_load() { # MESSAGES: straight to the socket, many sessions at a time
    pn_ns m1 smtp-source -L -s 8 -m "$1" -l 20000 -f load@spam.example -t user@example.net "unix:$SOCKET"
}

pn_postfix_make mx1 m1
echo '/^X-Spam: yes/ FILTER quarantine:unix:'"$SOCKET" > "$LAB/mx1/etc/header_checks"
echo "header_checks = regexp:$LAB/mx1/etc/header_checks
minimal_backoff_time = 2s
maximal_backoff_time = 3s
queue_run_delay = 2s
lmtp_destination_concurrency_limit = 10" >> "$LAB/mx1/etc/main.cf"
echo "quarantine unix - - n - 10 lmtp
$MX1_4:$INLET inet n - n - - smtpd -o receive_override_options=no_header_body_checks" >> "$LAB/mx1/etc/master.cf"
pn_postfix_start mx1

conf n1 yes
pn_two_start n2 || fail "n2 does not start"
pn_two_start n1 || fail "n1 does not start"
pn_two_join || fail "no cluster"

# --- mail of Postfix, through the node, to the host ---
send_spam 1 20
arrived() { [ "$(quarantine "$1" -j list --limit 1000 "${@:3}" | jq '.items | length')" = "$2" ]; }
want "20 messages from Postfix are on the host" pn_wait 10 arrived n1 20
want_eq "none of them was delivered" "$(pn_mail_count mx1)" 0
want "a message is found by a word of its subject" arrived n1 1 number7
want "by its sender, asked on the other node" arrived n2 2 --sender sender7@spam.example
id=$(quarantine n2 -j list number7 | jq '.items[0].id')
want "it is shown" bash -c "ip netns exec $LAB_PREFIX-m1 $PN_CLI --socket $LAB/run/n2.sock quarantine show $id | grep -q '^Subject: offer number7'"
quarantine n1 show "$id" --raw > "$LAB/raw"
want_eq "as it came" "$(grep -c '^Message-Id: <spam-7@spam.example>' "$LAB/raw")" 1

# --- released through Postfix, once ---
want "released on the node that is not the host" quarantine n2 release "$id"
delivered() { pn_mail_ids mx1 | grep -qx 'spam-7@spam.example'; }
want "and delivered by Postfix" pn_wait 10 delivered
want_not "a second release is refused" quarantine n1 release "$id"
want_eq "the audit says who" "$(quarantine n1 -j audit "$id" | jq -r '[.audit[] | "\(.what) \(.who)"] | join(", ")')" \
    "release begun root@n2, released root@n2"
other=$(quarantine n1 -j list number8 | jq '.items[0].id')
pn_postfix_stop mx1
want_not "without a mail server it is not released" quarantine n1 release "$other"
want_eq "and stays as it was" "$(quarantine n1 -j show "$other" | jq -r .item.state)" new
pn_postfix_start mx1
want "so that it can be, later; its sender is welcome" quarantine n1 release "$other" --welcomelist
want "that is a rule on both nodes" pn_wait 5 pn_on n2 rule show personal-welcomelist sender8@spam.example --owner user@example.net
want "another is deleted" quarantine n2 delete "$(quarantine n1 -j list number9 | jq '.items[0].id')"
want_not "and not released any more" quarantine n2 release "$(quarantine n1 -j list number9 | jq '.items[0].id')"

# --- a digest's link, for one of two recipients ---
printf 'From: c@spam.example\r\nSubject: for two\r\n\r\nhello\r\n' > "$LAB/two"
want "a message to two is handed in" bash -c "ip netns exec $LAB_PREFIX-m1 $PN_CLI --socket $LAB/run/n2.sock quarantine add -r one@example.net -r user@example.net --sender c@spam.example < $LAB/two"
want "and found by the first of them" pn_wait 5 arrived n1 1 --recipient one@example.net
two=$(quarantine n1 -j list --recipient user@example.net "two" | jq '.items[0].id')
want "it is released for one" quarantine n1 release "$two" --to user@example.net
want_eq "and stays for the other" "$(quarantine n1 -j show "$two" | jq -r .item.state)" new
want_not "not again for the first" quarantine n1 release "$two" --to user@example.net
want "it is deleted" quarantine n1 delete "$two"

# --- the host is killed under load, and comes back ---
lmtp_load 400 &
load=$!
sleep 0.4
pn_end posternd-n1 KILL
wait $load || fail "the node did not take everything while its host was away"
send_spam 21 40
want "what the host did not get waits" pn_wait 10 waits n2 20
rc=0
quarantine n2 list > "$LAB/said" 2>&1 || rc=$?
want_eq "a list says that the host is not reached" "$rc" 3
waited=$(quarantine n2 -j list --waiting --limit 1000 | jq -r '.items[] | "\(.sequence) \(.sha256)"' | sort -n)
pn_two_start n1 || fail "n1 does not start again"
want "the backlog runs to zero" pn_wait 30 drained
ids_at_host n1 > "$LAB/ids"
want_eq "every item is there" "$(wc -l < "$LAB/ids")" 441
want_eq "once" "$(sort -u "$LAB/ids" | wc -l)" 441
want_eq "with a number each, none missing" "$(awk '{ print $1 }' "$LAB/ids" | tail -n 1)" 441
want_eq "what waited on the node is what the host has" "$(comm -23 <(sort <<< "$waited") <(sort "$LAB/ids"))" ""

# --- the node is killed while Postfix hands in ---
send_spam 41 100 &
load=$!
sleep 0.3
pn_end posternd-n2 KILL
wait $load
pn_two_start n2 || fail "n2 does not start again"
subjects() { quarantine n1 -j list --limit 1000 --sender @spam.example | jq -r '.items[].subject' | sed -n 's/offer number//p' | sort -un; }
all() { [ "$(subjects | tail -n +41 | wc -l)" -ge 60 ]; }
want "Postfix hands in again what was not acknowledged" pn_wait 30 all
pn_wait 10 drained
want_eq "nothing is missing" "$(subjects | tr '\n' ' ')" "$(seq -s ' ' 1 100) "

# --- forwarding off and on ---
conf n1 no
want "forwarding is turned off" pn_on n2 reload
last=$(ids_at_host n1 | tail -n 1 | cut -d' ' -f1)
lmtp_load 300
want "all of it stays here" pn_wait 5 waits n2 300
want_eq "and the host gets nothing" "$(ids_at_host n1 | tail -n 1 | cut -d' ' -f1)" "$last"
conf n1 yes
want "turned on again" pn_on n2 reload
want "all that is stored goes" pn_wait 30 drained
want_eq "once" "$(ids_at_host n1 | wc -l)" $((last + 300))

# --- a partition in the middle of a large message ---
pn_ns rt tc qdisc add dev to-m1 root tbf rate 40mbit burst 64kb latency 100ms
pn_ns m1 tc qdisc add dev eth0 root tbf rate 40mbit burst 64kb latency 100ms
{ printf 'From: a@spam.example\r\nSubject: large one\r\n\r\n'; head -c 12000000 /dev/urandom | base64; } > "$LAB/large"
bytes=$(quarantine n1 -j status | jq '.quarantine.peers[] | select(.name == "n2") | .bytes')
want "a message of 16 MB is handed in" bash -c "ip netns exec $LAB_PREFIX-m1 $PN_CLI --socket $LAB/run/n2.sock quarantine add --sender a@spam.example --recipient user@example.net --reason large < $LAB/large"
sleep 1.2
pn_two_cut
sleep 1
want_eq "it is cut off in the middle" "$(quarantine n1 -j list large | jq '.items | length')" 0
pn_two_mend
want "and goes on afterwards" pn_wait 60 arrived n1 1 large
got=$(quarantine n1 -j status | jq '.quarantine.peers[] | select(.name == "n2") | .bytes')
want_num "without sending again what had arrived" $((got - bytes)) -le 17000000
quarantine n1 show "$(quarantine n1 -j list large | jq '.items[0].id')" --raw > "$LAB/raw"
want "it is the same" cmp "$LAB/raw" "$LAB/large"
pn_ns rt tc qdisc del dev to-m1 root
pn_ns m1 tc qdisc del dev eth0 root

# --- another host: what waits goes there ---
conf n1 no
want "forwarding is off" pn_on n2 reload
lmtp_load 50
conf n2 yes
want "the host is another one" pn_on n2 reload
pn_on n1 reload > /dev/null
moved() { [ "$(quarantine n1 -j list --limit 1000 --node n2 | jq '.items | length')" = 50 ]; }
want "what waited is there" pn_wait 20 moved
want "what the first had is still found there" arrived n2 1 large --at n1

# --- a damaged spool: mail stays with Postfix, the rest of posternd lives ---
pn_end posternd-n2
dd if=/dev/urandom of="$LAB/n2/spool/spool.db" bs=4096 count=4 conv=notrunc status=none
rm -f "$LAB/n2/spool/spool.db-wal" "$LAB/n2/spool/spool.db-shm"
pn_two_start n2 || fail "n2 does not start with a damaged spool"
want "it says so" pn_wait 5 bash -c "ip netns exec $LAB_PREFIX-m1 $PN_CLI --socket $LAB/run/n2.sock log | grep -q 'spool.*turned away until the spool opens'"
send_spam 101 101
queued() { find "$LAB/mx1/queue/deferred" -type f | grep -q .; }
want "Postfix keeps the message" pn_wait 10 queued
quarantine n2 status
