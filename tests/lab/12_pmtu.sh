#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A link towards the client takes only small packets and says so to the VIP: the ICMP error must reach the gateway that
# holds the flow, or a large answer never arrives.
. "$(dirname "$0")/lib.sh"
export CONF_EXTRA='check "web" { type = tcp; port = 8025; interval = 500ms; timeout = 1s; rise = 1; fall = 3 }
pool "web" { checks = ["web"]; tier "primary" { gateways = ["mx1"] }; tier "secondary" { gateways = ["mx2"] } }
service "web" { vips = ["in4", "in6"]; port = 8025; pool = "web" }'
pn_huge_setup
pn_lab_start
lab_gateways
mkdir "$LAB/www"
head -c 300000 /dev/urandom > "$LAB/www/big"
for n in 1 2; do
    pn_spawn web$n m$n $PYTHON -m http.server --bind :: --directory "$LAB/www" 8025
    # A black hole stays one: no help from the kernel's own probing, no memory of earlier tries.
    pn_ns m$n sysctl -qw net.ipv4.tcp_mtu_probing=0
done
pn_postern_conf
pn_postern_start
get() { pn_ns cl curl -sSf -m 8 -o "$LAB/got" "http://$1:8025/big" && cmp -s "$LAB/got" "$LAB/www/big"; }
want "a large answer arrives over IPv4" get $VIP4
want "a large answer arrives over IPv6" get "[$VIP6]"
# TCP's own announcement would make segments small from the start; the path, not the end, is what is narrow.
pn_ns rt ip route replace 10.78.0.0/24 dev to-cl proto kernel scope link src 10.78.0.1 mtu lock 1300
pn_ns rt ip -6 route replace fd78::/64 dev to-cl proto kernel metric 256 mtu 1280
want "it still does over a narrow IPv4 path" get $VIP4
want "because the error went to the gateway" pn_ns m1 sh -c "ip route get $CLIENT4 from $VIP4 | grep -q 'mtu 1300'"
want "it still does over a narrow IPv6 path" get "[$VIP6]"
want "because the error went to the gateway" pn_ns m1 sh -c "ip -6 route get $CLIENT6 from $VIP6 | grep -q 'mtu 1280'"
want_counter "Postern counted them" tx_icmp_error 2
