#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Ctrl-C in the middle of a lab, and again while it cleans up, leaves nothing behind: no namespace, process, mount or folder. A killed one is cleaned later.
. "$(dirname "$0")/lib.sh"
PN_HUGE=no
before_ns=$(ip netns list | grep -cE "^pn(it|ik)$$" || true)
want_eq "no such lab at the start" "$before_ns" 0
work=$(mktemp -d)
LAB=$work
trap 'rm -rf "$work"' EXIT
cat > "$work/child.sh" << END
. "$_here/lib.sh"
PN_HUGE=no
pn_huge_setup
pn_lab_start "\$1"
lab_gateways
pn_postern_conf
pn_postern_start
touch "$work/up.\$1"
while :; do sleep 0.2; done
END
left() { # ID: what is still there of a lab
    ip netns list | grep "^pn$1-" || true
    [ ! -e "$PN_LAB_ROOT/$1" ] || echo "$PN_LAB_ROOT/$1"
    grep " $PN_LAB_ROOT/$1/" /proc/mounts || true
    pgrep -f "$PN_LAB_ROOT/$1/" || true
}
# Background jobs ignore Ctrl-C; this one must not. As a terminal does, the signal goes to the whole group.
setsid env --default-signal=INT bash "$work/child.sh" it$$ > "$work/out" 2>&1 &
child=$!
pn_wait 40 test -e "$work/up.it$$" || { cat "$work/out" >&2; fail "the lab did not come up"; }
kill -INT -- "-$child" 2> /dev/null || kill -INT "$child"
# Nor may somebody's impatience stop the cleaning up.
for _ in 1 2 3 4; do
    sleep 0.1
    kill -INT -- "-$child" 2> /dev/null || true
done
wait $child || true
want_eq "nothing is left after Ctrl-C" "$(left it$$)" ""

setsid bash "$work/child.sh" ik$$ > "$work/out" 2>&1 &
child=$!
pn_wait 40 test -e "$work/up.ik$$" || fail "the lab did not come up"
kill -9 $child
wait $child 2> /dev/null || true
want "lab-clean ends what a killed script left" "$PN_ROOT/scripts/lab-clean" "ik$$"
want_eq "nothing is left" "$(left ik$$)" ""
