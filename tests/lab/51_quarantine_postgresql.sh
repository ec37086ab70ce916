#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The host's store in a real PostgreSQL: killed under load, stopped so that it is silent, told to refuse, and back. Nothing
# is lost or shown twice, both nodes take mail meanwhile, commands say within seconds why they cannot; then a message is
# found and released. No dataplane and no real-time thread runs.
. "$(dirname "$0")/lib.sh"
. "$_here/../../scripts/lib/rules.sh"
. "$_here/../../scripts/lib/postgres.sh"
pn_lab_start

INLET=10026

# Both nodes read the same file; each has a socket of its own, which counts at its start.
conf() { # NODE
    pn_two_conf
    sed -i "s|node \"n2\" {|node \"n2\" { release-to = \"$MX1_4:$INLET\";|; s|heartbeat {|heartbeat { realtime = no;|" "$LAB/two.conf"
    sed -i 's|node "n1" {|node "n1" { metrics { listen = "127.0.0.1:9125" }|' "$LAB/two.conf"
    cat >> "$LAB/two.conf" << END
quarantine {
    host = "n1"; store = postgresql; database = "host=$LAB/pg dbname=mailq user=q"
    listen = "$LAB/run/lmtp-$1"; listen-group = ""; keep-free = 1mb; ballast = 1mb; backlog-rate = 0
}
END
}
quarantine() { # NODE COMMAND...
    local node=$1
    shift
    pn_on "$node" quarantine "$@"
}
status_of() { quarantine "$1" -j status | jq -r ".quarantine.$2"; }
drained() { [ "$(quarantine n2 -j backlog | jq .items)" = 0 ] && [ "$(quarantine n1 -j backlog | jq .items)" = 0 ]; }
waits() { [ "$(quarantine "$1" -j backlog | jq .items)" -ge "$2" ]; }
metric() { pn_ns nd curl -s http://127.0.0.1:9125/metrics | awk -v n="postern_quarantine_$1" '$1 == n { print int($2) }'; }
open() { [ "$(status_of n1 store.open)" = true ]; }
away() { [ "$(status_of n1 store.open)" = false ]; }
logged() { pn_on n1 log | grep -q "$1"; }
# Messages by LMTP, many sessions at a time, as Postfix hands them in. It fails when one is refused.
load() { # NODE MESSAGES
    pn_ns "$(pn_two_part "$1")" timeout 20 smtp-source -L -s 8 -m "$2" -l 5000 -f load@spam.example -t user@example.net "unix:$LAB/run/lmtp-$1"
}
# What the server itself has, and how often at most: "items distinct largest-sequence" of a node.
rows() { pn_pg_sql "SELECT count(*), count(DISTINCT (seq, sha)), max(seq) FROM item WHERE node = '$1'" | tr '|' ' '; }
counted() { [ "$(status_of n1 store.items)" = "$1" ]; } # as of the last tenth of a second
there() { [ "$(pn_pg_sql "SELECT count(*) FROM item")" -ge "$1" ] && drained; }
exact() { # TEXT n1 n2: so many items of each, none twice, none missing
    want "$1" pn_wait 20 there $(($2 + $3))
    shift
    want_eq "all of n1 are in the database, once" "$(rows n1)" "$1 $1 $1"
    want_eq "all of n2 are in the database, once" "$(rows n2)" "$2 $2 $2"
    want "and status counts as many" pn_wait 3 counted $(($1 + $2))
}
# A command that must fail, and soon: it waits for no server for longer than this.
SOON_MS=6000
fails_soon() { # TEXT WORDS COMMAND...
    local what=$1 words=$2 t0 took rc=0
    shift 2
    t0=$(pn_now_ms)
    "$@" > "$LAB/said" 2>&1 || rc=$?
    took=$(($(pn_now_ms) - t0))
    [ $rc -ne 0 ] || fail "$what: it did not fail"
    grep -q "$words" "$LAB/said" || fail "$what: it says $(cat "$LAB/said")"
    want_num "$what, ms" $took -le $SOON_MS
}

pn_pg_make
pn_pg_start || fail "PostgreSQL does not start"
pn_pg_sql "CREATE ROLE q LOGIN" # a plain one, as docs/quarantine.md has it
pn_pg_sql "CREATE DATABASE mailq OWNER q TEMPLATE template0 ENCODING 'UTF8'"
PN_PG_DB=mailq
pn_postfix_make mx1 m1
echo "$MX1_4:$INLET inet n - n - - smtpd" >> "$LAB/mx1/etc/master.cf"
pn_postfix_start mx1
conf n1
pn_two_start n1 || fail "n1 does not start"
conf n2
pn_two_start n2 || fail "n2 does not start"
pn_two_join || fail "no cluster"
want_eq "no thread of either runs in real time" "$(cat /proc/"$(pn_pid posternd-n1)"/task/*/sched /proc/"$(pn_pid posternd-n2)"/task/*/sched | awk '/^policy/ { print $3 }' | sort -u)" 0

# --- to and fro ---
load n2 100
load n1 30
exact "both nodes' mail is on the host" 30 100

# --- the server is killed while mail comes in ---
load n2 2000 &
sender=$!
some() { [ "$(pn_pg_sql "SELECT count(*) FROM item")" -gt 150 ]; }
want "mail comes in" pn_wait 10 some
pn_pg_kill
wait $sender || fail "n2 refused mail while the host's database was away"
want "n1 takes its own mail meanwhile" load n1 20
want "the host says that its store is away" pn_wait 8 away
want "in the log, and what happens to the mail" pn_wait 2 logged "takes nothing, nodes keep what they have"
want "naming the setting and the reason" logged "quarantine.database: PostgreSQL: "
want "status has an alarm" bash -c "$(declare -f pn_on pn_ns pn_two_part); LAB=$LAB LAB_PREFIX=$LAB_PREFIX PN_CLI=$PN_CLI; pn_on n1 status | grep -q 'store takes nothing'"
fails_soon "a search fails" "PostgreSQL" quarantine n2 list
want "what was taken waits on the nodes" pn_wait 3 waits n1 20
want "on both" waits n2 1
pn_pg_start || fail "PostgreSQL does not start again"
exact "all of it goes once the server is back" 50 2100

# --- the server is silent: processes stopped, connections open ---
want "a search works, its connection stays open" pn_wait 10 quarantine n1 list --limit 1
load n2 2000 &
sender=$!
some() { [ "$(pn_pg_sql "SELECT count(*) FROM item")" -gt 2200 ]; }
want "mail comes in" pn_wait 10 some
pn_pg_signal STOP
stopped=$(pn_now_ms)
wait $sender || fail "n2 refused mail while the host's database was silent"
t0=$(pn_now_ms)
want "the host takes its own mail at once" load n1 20
want_num "as always, ms" $(($(pn_now_ms) - t0)) -le 2500
t0=$(pn_now_ms)
for i in 1 2 3; do pn_on n1 status > /dev/null; pn_on n1 rule list > /dev/null; quarantine n1 waiting > /dev/null 2>&1 || quarantine n1 list --waiting > /dev/null; done
want_num "status, rules and what waits answer as always, ms" $(($(pn_now_ms) - t0)) -le 2500
fails_soon "a search fails" "PostgreSQL" quarantine n1 list
fails_soon "the next one, too" "PostgreSQL" quarantine n2 list
fails_soon "so does a release" "PostgreSQL" quarantine n2 release 1
fails_soon "and a deletion" "PostgreSQL" quarantine n1 delete 2
want "the host says that its store is silent" pn_wait 8 away
want_eq "status says why" "$(status_of n1 store.error | grep -c 'does not answer\|no answer within')" 1
want_eq "so do metrics" "$(metric store_open)" 0
want_num "with the failures" "$(metric store_failures_total)" -ge 2
want_eq "what the store had is still told" "$(status_of n1 store.messages)" "$(metric store_messages)"
want_num "that is" "$(metric store_messages)" -ge 2150
want_num "and since when, ms" "$(status_of n1 store.away_ms)" -le $(($(pn_now_ms) - stopped))
want_num "n2 kept what the host did not get" "$(quarantine n2 -j backlog | jq .items)" -ge 1
pn_pg_signal CONT
exact "all of it goes once the server answers" 70 4100
want_eq "a release that failed is as if it had not been asked for" "$(quarantine n1 -j show 1 | jq -r '"\(.item.state) \(.item.release_open)"')" "new false"

# --- it answers and refuses: a full disk, as the server says it ---
pn_pg_sql "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE EXCEPTION 'could not extend file \"base/5\": No space left on device' USING ERRCODE = '53100'; END \$\$; CREATE TRIGGER no_room BEFORE INSERT ON item FOR EACH ROW EXECUTE FUNCTION no_room()"
load n2 10
want "a server without space is told of" pn_wait 8 logged "No space left on device"
want_eq "status says why" "$(status_of n1 store.error | grep -c 'No space left on device')" 1
want_num "it is counted" "$(status_of n1 store.failures)" -ge 3
want "a search works" bash -c "ip netns exec $LAB_PREFIX-nd $PN_CLI --socket $LAB/run/n1.sock quarantine list --limit 1 | grep -q load@spam.example"
pn_pg_sql "DROP TRIGGER no_room ON item"
load n2 1 # the next try of what was refused may be some seconds away; the next item is taken, and the others follow
exact "with space again all of it goes" 70 4111
want "the host's store is open" pn_wait 3 open

# --- found and released, once; posternd's end does not wait for a silent server ---
id=$(quarantine n2 -j list --node n2 --limit 1 | jq '.items[0].id')
want "a message is released from the other node" quarantine n2 release "$id"
delivered() { [ "$(pn_pg_sql "SELECT state FROM item WHERE number = $id")" = 1 ] && find "$LAB/mx1/mail/inbox/new" -type f | grep -q .; }
want "Postfix has it, and the database knows" pn_wait 10 delivered
want_not "a second release is refused" quarantine n1 release "$id"
pn_pg_signal STOP
load n1 5
sleep 0.3
t0=$(pn_now_ms)
pn_end posternd-n1
want_num "posternd ends in time, ms" $(($(pn_now_ms) - t0)) -le 2800
pn_pg_signal CONT
pn_pg_sql "ALTER ROLE q CONNECTION LIMIT 1"
conf n1
pn_two_start n1 || fail "n1 does not start again"
exact "what it had taken goes when it runs again" 75 4111

# --- a server with room for one session: the one that writes; the one that reads comes when there is room ---
said() { ! quarantine n1 list --limit 1 > "$LAB/said" 2>&1 && grep -q 'quarantine.database: PostgreSQL: .*too many connections' "$LAB/said"; }
want "a search says that the server has no room" pn_wait 10 said
pn_pg_sql "ALTER ROLE q CONNECTION LIMIT -1"
want "and works when there is some, without a restart" pn_wait 15 quarantine n1 list --limit 1
