#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A cluster from nothing: three nodes without a key file own nothing until they are members; tokens good and bad; keys that
# rotate under the heartbeats; a member that is removed, and strangers at the port.
. "$(dirname "$0")/lib.sh"
PAIR_NODES=3 PAIR_KEYS=cluster
. "$_here/../../scripts/lib/pair.sh"

PAIR_CONF="vip \"a\" { address = \"$VIP4\"; priority { n1 = 200; n2 = 100 } }
vip \"b\" { address = \"$VIP4B\"; priority { n1 = 100; n2 = 200 } }
gateway \"mx1\" { address = \"$MX1_4\" }
pool \"mx\" { tier \"primary\" { gateways = [\"mx1\"] } }
service \"smtp\" { vips = [\"a\", \"b\"]; port = 25; pool = \"mx\" }"

cluster() { # NODE ARGS...: what it says on both ways out goes into $LAB/said, too
    local n=$1 rc=0
    shift
    pn_pair_cli "$n" cluster "$@" > "$LAB/out" 2> "$LAB/err" || rc=$?
    { echo "\$ n$n: postern cluster $*"; cat "$LAB/out" "$LAB/err"; } | sed -E 's/PN1-[0-9A-Z-]+/PN1-.../' >> "$LAB/said"
    return $rc
}
said() { grep -qE "$1" "$LAB/err" || { cat "$LAB/err" >&2 && return 1; }; }
state() { pn_pair_cli "$1" -j cluster status | jq -r "$2"; }
connected() { [ "$(state "$1" '[.peers[] | select(.link == "up")] | length')" = "$2" ]; }
epoch_stable() { [ "$(state "$1" '"\(.keys.epoch) \(.keys.phase)"')" = "$2 stable" ]; }
refused_keys() { pn_pair_cli "$1" -j node list | jq '[.heartbeats.refused | to_entries[] | select(.key | IN("forged", "unknown-key")) | .value] | add // 0'; }
transitions() { pn_pair_cli "$1" -j vip list | jq -c '[.vips[] | .transitions]'; }

pn_huge_setup
pn_lab_start
pn_pair_link
pn_pair_conf
for n in 1 2 3; do
    pn_pair_dp_start $n
    pn_pair_d_start $n
done
for n in 1 2 3; do
    want "n$n answers its command line" pn_wait 20 pn_pair_cli $n cluster status
done

# --- without keys nobody owns anything, and says why ---
sleep 1
want_eq "without keys no node owns an address" "$(pn_pair_cli 1 -j vip list | jq -c '[.vips[] | select(.state == "owner")] | length')" 0
want "and says why" grep -q 'no key for heartbeats' <(pn_pair_cli 1 status)
want_not "a lone node without keys has no pair to hear" pn_ns cl ping -c 1 -W 1 $VIP4

# --- the first node ---
want "init" cluster 1 init lab
want_not "once" cluster 1 init again
want "and it says so" said 'in the cluster "lab" already'
want "the first node has keys now, and takes the addresses" pn_wait 10 pn_ns cl ping -c 1 -W 1 $VIP4
want_eq "both of them" "$(pn_pair_owner 1 a) $(pn_pair_owner 1 b)" "n1 n1"

want "invite" cluster 1 invite --expires 60s
want_eq "the token stands alone on standard output" "$(grep -cE '^PN1-[0-9A-Z-]+$' "$LAB/out")/$(wc -l < "$LAB/out")" 1/1
cp "$LAB/out" "$LAB/token.expires"
EXPIRES=$((SECONDS + 61))

# --- tokens that do not work, and say why ---
want_not "a token of noise" cluster 2 join PN1-ABCDEFGH
want "is told from a real one" said 'too short: part of it is missing'
want "another invite" cluster 1 invite
cp "$LAB/out" "$LAB/token"
want_not "a mistyped token" cluster 2 join "$(tr 'ABCDEFGHJK' 'BCDEFGHJKA' < "$LAB/token" | sed 's/^.N./PN/')"
want "is noticed before anybody is asked" said 'mistyped|must begin'
want_not "a host that is not there" cluster 2 join 10.77.0.77 - < "$LAB/token"
want "is named" said 'not joined: .*(route|refused|answer)'
want_not "a port where nobody listens" cluster 2 join 10.77.0.2:9478 - < "$LAB/token"
want "is named" said 'not joined: .*refused'

printf 'correct horse battery\n' > "$LAB/pass"
printf 'wrong horse battery\n' > "$LAB/badpass"
want "an invite with a passphrase" cluster 1 invite --passphrase-file "$LAB/pass"
cp "$LAB/out" "$LAB/token.pass"
want_not "a wrong passphrase" cluster 3 join --passphrase-file "$LAB/badpass" - < "$LAB/token.pass"
want "is refused" said 'not joined: refused: the token, or its passphrase, is wrong'
want_eq "and the node is in no cluster" "$(state 3 .state)" none

# --- the second node ---
if cluster 2 join --dry-run 10.77.0.2 - < "$LAB/token"; then
    pn_dim "$(cat "$LAB/out")"
    want "a dry run shows lists" grep -q TOTAL "$LAB/out"
else
    want "a dry run says why it cannot be" said 'cannot compare lists'
fi
want_eq "a dry run changes nothing" "$(state 2 .state)" none
want "join, the token by standard input" cluster 2 join 10.77.0.2 - < "$LAB/token"
want_eq "both list both" "$(for n in 1 2; do pn_pair_cli $n -j cluster members | jq -c '[.members[] | select(.member) | .name] | sort'; done | uniq)" '["n1","n2"]'
want_eq "and the one that is missing" "$(state 1 '.not_members | join(" ")')" n3
want_not "the token is used up" cluster 3 join - < "$LAB/token"
want "and that is said" said 'not joined: refused: the token has been used already'
want "heartbeats come under the cluster's keys: each address goes home" pn_wait 15 pn_pair_own_of "1 2" a=n1 b=n2
want_eq "by the cluster's key" "$(state 2 .keys.heartbeats)" cluster

# --- the third, with the passphrase ---
want "join with the passphrase, by the token's own address" cluster 3 join --passphrase-file "$LAB/pass" - < "$LAB/token.pass"
for n in 1 2 3; do
    want "n$n is connected to both others" pn_wait 15 connected $n 2
done
want "all three agree on the owners" pn_wait 15 pn_pair_own a=n1 b=n2
want_eq "nobody is missing" "$(state 3 '(.not_members + .not_configured) | length')" 0

# --- takeover and restart ---
watch_begin kill-posternd
kill -9 "$(pn_pid posternd1)"
want "killed posternd: the other has it" pn_wait 5 pn_pair_own_of 2 a=n2
down() { [ -n "$(state "$1" '.peers[] | select(.name == "'"$2"'" and .link == "down") | .reason')" ]; }
want "and its link is shown as down, with a reason" pn_wait 5 down 2 n1
pn_pair_d_start 1
want "it comes home, with the keys from its disk" pn_wait 20 pn_pair_own a=n1 b=n2
watch_end kill-posternd "$PAIR_LIMIT"
want "and is connected again" pn_wait 15 connected 1 2

# --- rotation under the heartbeats ---
before=$(transitions 1)$(transitions 2)
watch_begin rotate
want "rotate-keys" cluster 2 rotate-keys
want_not "not twice at a time" cluster 1 rotate-keys
want "which says why" said 'a rotation is under way'
for n in 1 2 3; do
    want "n$n has the new key and no other" pn_wait 30 epoch_stable $n 2
done
sleep 0.5
watch_end rotate 60
want_eq "no address moved" "$(transitions 1)$(transitions 2)" "$before"
for n in 1 2 3; do
    want_eq "n$n refused no heartbeat" "$(refused_keys $n)" 0
done

# --- strangers at the port ---
rss() { awk '/VmRSS/ { print $2 }' "/proc/$(pn_pid posternd1)/status"; }
rss_before=$(rss)
pn_ns cl $PYTHON "$TOOLS/meshgarbage.py" 10.77.0.2 9477 > "$LAB/garbage.json"
pn_dim "   $(cat "$LAB/garbage.json")"
want "every stranger is turned away in time" jq -e '.noise == .samples and .crowd == .["crowd-of"] and ([.[] | select(. == false)] | length) == 0' "$LAB/garbage.json"
want_num "posternd has not grown, kB" $(($(rss) - rss_before)) -le 8192
want "members stay connected" connected 1 2
want_num "handshakes that failed are counted" "$(state 1 .counters.handshakes_failed)" -ge 10
want_eq "nobody moved" "$(transitions 1)$(transitions 2)" "$before"

# --- rename, and the perimeter on every node ---
want "rename" cluster 1 rename n3 third
named() { [ "$(state "$1" '.peers[] | select(.name == "third") | .link')" = up ]; }
want "all know the new name" pn_wait 10 named 2
want_eq "which the configuration does not have" "$(state 2 '.not_configured | join(" ")')" third
want "and back" cluster 2 rename third n3
for n in 1 2 3; do
    pn_pair_cli $n perimeter export --format cidr > "$LAB/perimeter$n"
done
want "the perimeter is the same on all" cmp "$LAB/perimeter1" "$LAB/perimeter3"
want_eq "and has nodes and addresses" "$(grep -cxE '10\.77\.0\.([234]|25|26)/32|10\.77\.0\.2/31' "$LAB/perimeter1")" "$(grep -c '^10' "$LAB/perimeter1")"

# --- removal ---
cp -a "$LAB/state3" "$LAB/state3.stolen"
want_not "removing asks first" cluster 1 remove n3 < /dev/null
want "remove" cluster 1 remove n3 --yes
removed() { [ "$(state 3 .state)" = removed ]; }
want "the removed node knows" pn_wait 10 removed
want_eq "its secrets are gone" "$(find "$LAB/state3/cluster" -name ca.key -o -name keyring -o -name invites)" ""
want_eq "it owns nothing" "$(pn_pair_cli 3 -j vip list | jq -c '[.vips[] | select(.state == "owner")] | length')" 0
want "the others are without it" connected 1 1
for n in 1 2; do
    want "n$n: the keys rotate, since it knew them" pn_wait 30 epoch_stable $n 3
done
want_eq "no address moved for that" "$(transitions 1)$(transitions 2)" "$before"
pn_end posternd3 TERM
rm -r "$LAB/state3"
cp -a "$LAB/state3.stolen" "$LAB/state3"
pn_pair_d_start 3
want "with what it had on its disk it is refused, and told why" pn_wait 10 removed
want_eq "it hears of it, and wipes its secrets again" "$(find "$LAB/state3/cluster" -name ca.key -o -name keyring)" ""

# --- an expired token ---
sleep $((EXPIRES > SECONDS ? EXPIRES - SECONDS : 0))
want_not "an expired token" cluster 3 join - < "$LAB/token.expires"
want "says so" said 'not joined: refused: the token has expired'
want "a new one brings it back" cluster 2 invite
cp "$LAB/out" "$LAB/token.again"
want "under a new identity" cluster 3 join - < "$LAB/token.again"
want "all three are there" pn_wait 15 connected 3 2

# --- leaving ---
want "a node leaves" cluster 3 remove n3 --yes
gone() { [ "$(state 1 .members)" = 2 ] && [ "$(state 2 .members)" = 2 ]; }
want "the others know" pn_wait 10 gone

# --- another user than root ---
mkdir -p "$LAB/solo"
sed 's/10\.77\.0\.2"/10.77.0.2"/; s/port "lan"/mesh { listen = "127.0.0.1:9499" } &/' "$LAB/pair.conf" > "$LAB/solo.conf"
solo() { pn_spawn solo nd "$PN_D" --config "$LAB/solo.conf" --socket "$LAB/run/solo.sock" --dp-socket "$LAB/run/none.sock" --state-dir "$LAB/solo" --node n1 --user nobody; }
solo_cli() { pn_ns nd "$PN_CLI" --socket "$LAB/run/solo.sock" "$@"; }
solo
want "posternd as another user" pn_wait 10 solo_cli cluster status
want "makes a cluster" solo_cli cluster init solo
want_eq "its files are that user's, and nobody else's to read" "$(stat -c '%U %a' "$LAB"/solo/cluster/* | sort -u)" "nobody 600"
want_eq "nobody may look into it" "$(stat -c %a "$LAB/solo/cluster")" 700
pn_end solo TERM
chown -R root: "$LAB/solo"
solo
want "it starts over files that root left" pn_wait 10 solo_cli cluster status
want_eq "and is the member it was" "$(solo_cli -j cluster status | jq -r '"\(.state) \(.cluster)"')" "active solo"
pn_end solo TERM

pn_pair_cli 1 cluster status
pn_pair_cli 1 cluster members
pn_dim "$(cat "$LAB/said")"
want_eq "no message has anything but text" "$(LC_ALL=C grep -c '[^[:print:][:space:]]' "$LAB/said" || true)" 0
