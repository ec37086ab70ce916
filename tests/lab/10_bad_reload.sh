#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A bad configuration is refused with file and line, and the running one goes on.
. "$(dirname "$0")/lib.sh"
lab_up

cp "$LAB/postern.conf" "$LAB/good.conf"
want "check takes the good file" pn_cli check "$LAB/good.conf"
try() { # TEXT SED-EXPRESSION EXPECTED-IN-THE-MESSAGE
    sed -E "$2" "$LAB/good.conf" > "$LAB/postern.conf"
    want_not "reload refuses: $1" pn_cli reload
    grep -qE "$3" "$LAB/last" || fail "the message says nothing of $3: $(cat "$LAB/last")"
    grep -qE "postern.conf:[0-9]+" "$LAB/last" || fail "the message names no line: $(cat "$LAB/last")"
    want_not "check refuses it too" pn_cli check "$LAB/postern.conf"
    want "the running configuration goes on" send --messages 2
}
try "an unknown key" 's/^gateway "mx1" \{/gateway "mx1" { wieght = 3;/' 'wieght'
try "a wrong unit" 's/interval = 500ms/interval = 500kg/' 'interval'
try "a gateway that does not exist" 's/gateways = \["mx2"\]/gateways = ["mx9"]/' 'mx9'
try "an address out of range" "s/\"$VIP4\"/\"10.77.0.256\"/" 'address'
try "a brace too few" 's/^check "mail" \{/check "mail" /' '.'
head -c 200 /dev/urandom > "$LAB/postern.conf"
want_not "reload refuses random bytes" pn_cli reload
rm "$LAB/postern.conf"
want_not "reload refuses a missing file" pn_cli reload
cp "$LAB/good.conf" "$LAB/postern.conf"
want "reload takes the good one" pn_cli reload
want "posternd is the same process" pn_alive posternd
send --messages 5
want_eq "mail flows" "$(result .accepted)" 5
