#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# One Postern node and one keepalived share addresses by VRRP version 3, IPv4 and IPv6, either of them at home: whoever dies or
# gives up, the other takes over in the time that VRRP promises, and mail goes on through Postern.
# Runs alone: it measures time on both CPUs.
. "$(dirname "$0")/lib.sh"

PN_LAB_PARTS=(cl rt nd n2 m1 m2)
K4=10.77.0.3 K6=fd77::3
INTERVAL=100 # ms
# Three intervals and the skew, one advertisement that was just sent, and what a busy machine needs.
TAKEOVER=$((INTERVAL * 4 + INTERVAL + 250))
HANDOVER=$((INTERVAL + 150)) # priority 0: the skew alone

vrrp_conf() { # PRIORITY of Postern
    cat > "$LAB/postern.conf" << END
cluster { name = "lab-vrrp" }
node "n1" {
    port "lan" { interface = eth0; address-v4 = "$NODE4" }
    dataplane { workers = 1; flows = 100000; huge-pages = ${PN_HUGE:-no} }
}
vip "a" { address = "$VIP4"; protocol = vrrp; vrid = 51; vrrp-interval = ${INTERVAL}ms; priority { n1 = $1 } }
vip "b" { address = "$VIP4B"; protocol = vrrp; vrid = 51; vrrp-interval = ${INTERVAL}ms; priority { n1 = $1 } }
vip "six" { address = "$VIP6"; protocol = vrrp; vrid = 51; vrrp-interval = ${INTERVAL}ms; priority { n1 = $1 } }
gateway "mx1" { address = "$MX1_4" }
gateway "mx2" { address = "$MX2_4" }
check "mail" { type = smtp; port = 25; interval = 500ms; timeout = 2s; rise = 2; fall = 2; helo = node.postern.test }
pool "mx" { checks = ["mail"]; tier "primary" { gateways = ["mx1"] } tier "secondary" { gateways = ["mx2"] } }
service "smtp" { vips = ["a", "b", "six"]; port = 25; pool = "mx" }
END
}

kept_conf() { # PRIORITY of keepalived
    cat > "$LAB/keepalived.conf" << END
global_defs {
    router_id lab
    vrrp_version 3
    vrrp_garp_master_refresh 1
}
vrrp_instance four {
    interface eth0
    state BACKUP
    virtual_router_id 51
    priority $1
    advert_int 0.$INTERVAL
    virtual_ipaddress {
        $VIP4/24 dev eth0
        $VIP4B/24 dev eth0
    }
}
vrrp_instance six {
    interface eth0
    state BACKUP
    virtual_router_id 51
    priority $1
    advert_int 0.$INTERVAL
    virtual_ipaddress {
        $VIP6/64 dev eth0
    }
}
END
}

kept_start() {
    rm -f "$LAB/run/kept.pid" "$LAB/run/kept-vrrp.pid"
    pn_spawn keepalived n2 keepalived --dont-fork --log-console --log-detail --vrrp --use-file="$LAB/keepalived.conf" \
        --pid="$LAB/run/kept.pid" --vrrp_pid="$LAB/run/kept-vrrp.pid"
}
# Not through a pipe: grep ends at the first match, and what ip(8) had still to write would make it a failure.
kept_has() { grep -qw "$1" <<< "$(pn_ns n2 ip -o addr show dev eth0)"; }
kept_has_all() { kept_has $VIP4 && kept_has $VIP4B && kept_has $VIP6; }
kept_has_none() { ! kept_has $VIP4 && ! kept_has $VIP4B && ! kept_has $VIP6; }
# What a machine's death takes with it, and a kill of keepalived does not.
kept_flush() {
    local a
    for a in $VIP4/24 $VIP4B/24 $VIP6/64; do
        pn_ns n2 ip addr del "$a" dev eth0 2> /dev/null || true
    done
}

states() { pn_cli -j vip list | jq -r '[.vips[].state] | unique | join(" ")'; }
postern_is() { [ "$(states)" = "$1" ]; }
postern_has() { postern_is owner && kept_has_none; }
kept_owns() { postern_is backup && kept_has_all; }

watch_begin() { # NAME
    rm -f "$LAB/$1.stop"
    ip netns exec "$LAB_PREFIX-cl" $PYTHON "$TOOLS/vipwatch.py" ping $VIP4 --stop "$LAB/$1.stop" > "$LAB/$1.ping" &
    PING4=$!
    ip netns exec "$LAB_PREFIX-cl" $PYTHON "$TOOLS/vipwatch.py" ping $VIP6 --stop "$LAB/$1.stop" > "$LAB/$1.ping6" &
    PING6=$!
    ip netns exec "$LAB_PREFIX-rt" $PYTHON "$TOOLS/vipwatch.py" arp $VIP4 --interval 3 --stop "$LAB/$1.stop" > "$LAB/$1.arp" &
    ARP=$!
    sleep 0.7
}
watch_end() { # NAME GAP-LIMIT
    sleep 0.4
    touch "$LAB/$1.stop"
    wait $PING4 $PING6 $ARP
    pn_dim "   IPv4 $(cat "$LAB/$1.ping") IPv6 $(cat "$LAB/$1.ping6") $(cat "$LAB/$1.arp")"
    want_num "$1: longest silence, IPv4, ms" "$(jq '.gap_ms | floor' "$LAB/$1.ping")" -le "$2"
    want_num "$1: longest silence, IPv6, ms" "$(jq '.gap_ms | floor' "$LAB/$1.ping6")" -le "$2"
}
want_single() { want_eq "$1: never two answer at a time" "$(jq .dual "$LAB/$1.arp")" 0; }
mail_flows() {
    send --messages 20 --sessions 4
    want_eq "$1: mail flows through Postern" "$(result .accepted)" 20
}

pn_huge_setup
pn_lab_start
pn_lab_link n2 $K4 $K6
for n in 1 2; do
    pn_gateway_setup "m$n" $VIP4 $VIP4B $VIP6
    pn_postfix_make "mx$n" "m$n"
    pn_postfix_start "mx$n"
done
vrrp_conf 200
kept_conf 100
mkdir -p "$LAB/state"
want "the configuration is right" "$PN_CLI" check "$LAB/postern.conf"

pn_head "Postern at home, keepalived behind it"
pn_dp_start
pn_posternd_start
kept_start
want "Postern has all of them" pn_wait 20 postern_has
want "gateways are up" pn_wait 10 pn_gateways_up
mail_flows "at the start"
want "both families answer" pn_wait 5 pn_vip_answers $VIP6
want_eq "its MAC is the virtual router's" "$(pn_ns rt ip neigh show $VIP4 dev br0 | grep -o '00:00:5e:00:01:33')" 00:00:5e:00:01:33
want_eq "and the other family's its own" "$(pn_ns rt ip neigh show $VIP6 dev br0 | grep -o '00:00:5e:00:02:33')" 00:00:5e:00:02:33
pn_cli vip show a
want_num "nothing was refused" "$(pn_cli -j vip list | jq '[.vips[].foreign_vrrp | select(. != null)] | length')" -eq 0

# While keepalived's machine is there, its kernel answers until it has heard us: only what nobody can help.
dies_and_returns() { # NAME; then die and come_back are called
    watch_begin "$1"
    die
    want "$1: keepalived takes over" pn_wait 5 kept_has_all
    sleep 0.5
    watch_end "$1" $TAKEOVER
    want_single "$1"
    watch_begin "$1-back"
    come_back
    want "$1: Postern takes back" pn_wait 10 postern_has
    watch_end "$1-back" $HANDOVER
}

die() { kill -9 "$(pn_pid posternd)"; }
come_back() { pn_posternd_start; }
dies_and_returns killed-posternd
mail_flows "after that"

die() { kill -9 "$(pn_pid dp)"; }
come_back() { pn_dp_start; }
dies_and_returns killed-dataplane

die() { kill -STOP "$(pn_pid posternd)"; }
come_back() { kill -CONT "$(pn_pid posternd)"; }
dies_and_returns stopped-posternd

die() { kill -STOP "$(pn_pid posternd)" "$(pn_pid dp)"; }
come_back() { kill -CONT "$(pn_pid dp)" "$(pn_pid posternd)"; }
dies_and_returns stopped-both

watch_begin move
want_not "VRRP names no successor" pn_cli vip move a n1
want "a planned move" pn_cli vip move a
want "of the whole virtual router" pn_wait 3 kept_has $VIP4B
want "the other family stays" test "$(pn_cli -j vip show six | jq -r '.vips[0].state')" = owner
sleep 1
want_eq "and is not taken back" "$(pn_cli -j vip show a | jq -r '.vips[0].state')" backup
want_eq "who has it is shown" "$(pn_cli -j vip show a | jq -r '.vips[0].vrrp.active')" $K4
pn_cli vip
watch_end move $HANDOVER

watch_begin returns
pn_end keepalived TERM
want "keepalived stops: Postern takes over" pn_wait 3 postern_is owner
watch_end returns $HANDOVER
kept_start
mail_flows "after keepalived stopped"

watch_begin standby
want "standby" pn_cli node standby
want "gives all to keepalived" pn_wait 3 kept_owns
want "active again" pn_cli node active
want "takes all back" pn_wait 5 postern_has
watch_end standby $HANDOVER

watch_begin ordinary-stop
pn_end posternd TERM
want "an ordinary stop gives them to keepalived" pn_wait 3 kept_has_all
pn_posternd_start
want "and Postern takes back" pn_wait 10 postern_has
watch_end ordinary-stop $HANDOVER

pn_head "keepalived at home, Postern behind it"
pn_end keepalived TERM
vrrp_conf 100
kept_conf 200
want "priorities by reload" pn_cli reload
kept_start
want "keepalived has all of them" pn_wait 10 kept_owns

watch_begin machine-dies
pn_ns rt ip link set to-n2 down
want "its machine dies: Postern takes over" pn_wait 5 postern_is owner
mail_flows "from the node behind"
kill -9 "$(cat "$LAB/run/kept-vrrp.pid")" "$(pn_pid keepalived)"
kept_flush
pn_ns rt ip link set to-n2 up
watch_end machine-dies $TAKEOVER
want_single machine-dies

watch_begin comes-back
kept_start
want "it takes its own back" pn_wait 10 kept_owns
watch_end comes-back $HANDOVER

watch_begin priority-0
pn_end keepalived TERM
want "an ordinary stop of keepalived: Postern takes over" pn_wait 3 postern_is owner
watch_end priority-0 $HANDOVER
mail_flows "after priority 0"

# keepalived has no lease: killed, it leaves its addresses behind, and its kernel goes on answering. Nobody can help that.
kept_start
want "keepalived has all of them again" pn_wait 10 kept_owns
kill -9 "$(pn_pid keepalived)" "$(cat "$LAB/run/kept-vrrp.pid")"
want "killed keepalived: Postern takes over all the same" pn_wait 5 postern_is owner
want "though the addresses were left there" kept_has_all
kept_flush
want "mail flows when they are gone" pn_wait 10 pn_vip_answers $VIP4
mail_flows "after the kill"

pn_head "strangers"
foreign() { pn_cli -j vip show a | jq -e '.vips[0].foreign_vrrp.id == 77' > /dev/null; }
sed -i "s/virtual_router_id 51/virtual_router_id 77/; s/priority 200/priority 250/" "$LAB/keepalived.conf"
kept_start
want "somebody else's virtual router with our addresses is told of" pn_wait 10 foreign
want_eq "and not obeyed" "$(states)" owner
want "an alarm" grep -q "announces it by VRRP, id 77; not obeyed" <(pn_cli status)
pn_end keepalived TERM

# Its kernel hands what comes from the virtual router's MAC to its own interface of that MAC; keepalived listens on the one below.
unheard() { pn_cli log | grep "$K4, priority 50, goes on advertising virtual router 51: it does not hear us" > /dev/null; }
kept_conf 50
sed -i "s/state BACKUP/use_vmac\nvmac_xmit_base\n&/; s/ dev eth0//" "$LAB/keepalived.conf"
kept_start
want "a router that does not hear us is told of" pn_wait 10 unheard
want_eq "and not obeyed" "$(states)" owner
pn_end keepalived TERM
want_none_lost
pn_cli log | tail -n 5
