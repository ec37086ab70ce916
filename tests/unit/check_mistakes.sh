#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Mistakes that operators make, and what `postern check` says of each: check_mistakes.sh POSTERN MISTAKES POSTERND
# posternd --check must say the same.
# MISTAKES has one case in each paragraph: its name after "=", a command that spoils $conf after "$", and then what is
# expected, the status last. PN_GOLDEN_WRITE=1 writes the file anew; read the difference before you commit it.
set -euo pipefail
postern=$(realpath "$1") golden=$(realpath "$2") posternd=$(realpath "$3")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
export LC_ALL=C
readonly conf=postern.conf dir postern golden posternd
umask 077

base() {
    cat <<'END'
cluster { name = "example" }
node "n1" {
    port "lan" { interface = "eth1"; address-v4 = "192.0.2.1" }
}
node "n2" {
    port "lan" { interface = "eth1"; address-v4 = "192.0.2.2" }
}
heartbeat { key-file = "keys" }
vip "in4" {
    address = "192.0.2.25"
    priority { n1 = 200; n2 = 100 }
}
vip "in6" {
    address = "2001:db8::25"
    priority { n1 = 200; n2 = 100 }
}
gateway "mx1" { address = "192.0.2.11" }
gateway "mx2" { address = "192.0.2.12" }
check "mail" {
    type = smtp
    interval = 2s
    timeout = 5s
}
pool "mx" {
    checks = ["mail"]
    tier "primary" {
        gateways = ["mx1"]
        spill { active-flows-high = 400 }
    }
    tier "secondary" { gateways = ["mx2"] }
}
service "smtp-in" {
    vips = ["in4", "in6"]
    port = 25
    pool = "mx"
}
END
}

# Runs the case and prints its paragraph as it should stand in the file. A shell of its own: what a case sets, it alone
# has. The name of the file cannot be set at all, so no case writes anywhere but into its folder.
paragraph() (
    name=$1 spoil=$2 rc=0
    mkdir "$dir/w$3"
    cd "$dir/w$3"
    base > "$conf"
    eval "$spoil"
    "$postern" check "$conf" > "$dir/out" 2> "$dir/err" || rc=$?
    "$posternd" --check -c "$conf" > "$dir/out.d" 2> "$dir/err.d" || true
    cmp -s "$dir/out" "$dir/out.d" && cmp -s "$dir/err" "$dir/err.d" || echo "$name" >> "$dir/differ"
    printf '= %s\n$ %s\n' "$name" "$spoil"
    cat "$dir/err" "$dir/out"
    printf 'status %s\n\n' "$rc"
)

n=0 name="" broken=0
while IFS= read -r line; do
    case $line in
    '= '*) name=${line#= } ;;
    '$ '*)
        paragraph "$name" "${line#\$ }" $n >> "$dir/new"
        n=$((n + 1))
        ;;
    esac
done < "$golden"

if [ -n "${PN_GOLDEN_WRITE:-}" ]; then
    cp "$dir/new" "$golden"
elif ! diff -u "$golden" "$dir/new"; then
    echo "postern check says something else (PN_GOLDEN_WRITE=1 writes $golden anew)" >&2
    broken=1
fi
# Whatever is refused names a file, mostly a line, and the key or the place; nothing ends by a signal.
if grep -nE '^status ([^01]|1.|0.)' "$dir/new"; then
    echo "an exit status that check does not have" >&2
    broken=1
fi
if grep -vE '^(= |\$ |status |$)' "$dir/new" | grep -vE '^[^ :]+:([0-9]+:)? [^ ].*'; then
    echo "these lines do not begin with FILE:LINE:" >&2
    broken=1
fi
if [ -e "$dir/differ" ]; then
    echo "posternd --check says something else:" >&2
    cat "$dir/differ" >&2
    broken=1
fi
# A node that is asked for must be there; without -n the file may be another machine's.
cd "$dir"
base > "$conf"
"$posternd" --check -n n2 -c "$conf" > out 2>&1 || { cat out; broken=1; }
if "$posternd" --check -n n9 -c "$conf" > out 2>&1 || ! grep -qF 'postern.conf: node "n9": there is no such node' out; then
    echo "posternd --check -n n9:" >&2
    cat out >&2
    broken=1
fi
[ "$n" -ge 40 ] || { echo "only $n cases" >&2; broken=1; }
exit $broken
