#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The page behind a digest's links (etc/examples/quarantine-link.cgi): only its button acts, and what it shows is text.
set -u
cgi=$1
dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cat > "$dir/postern" << 'END'
#!/bin/sh
echo "$*" >> "$0.said"
case $3 in
1.good) echo "item 5: released by 127.0.0.1:25: 250 ok" ;;
*) echo 'postern: item 5 <b>&"x" was released already (postern quarantine audit 5)' >&2; exit 1 ;;
esac
END
chmod +x "$dir/postern"
bad=0
try() { # WHAT METHOD PATH EXPECTED
    POSTERN="$dir/postern" REQUEST_METHOD=$2 PATH_INFO=$3 sh "$cgi" > "$dir/out" 2>&1
    grep -qF -e "$4" "$dir/out" && return
    echo "not ok: $1"
    cat "$dir/out"
    bad=1
}
try "a link shows a button" GET /1.good '<form method="post" action="1.good">'
[ ! -e "$dir/postern.said" ] || { echo "not ok: a link alone acts"; bad=1; }
try "no token" GET / 'Status: 404'
try "an option is no token" POST /--help 'Status: 404'
try "nor are two words" POST '/1.good --again' 'Status: 404'
try "nor is a quote" GET '/1.good"' 'Status: 404'
try "nor what is too long" POST "/$(printf %01100d 1)" 'Status: 404'
try "no other method" PUT /1.good 'Status: 405'
[ ! -e "$dir/postern.said" ] || { echo "not ok: what is no token was handed on"; bad=1; }
try "the button releases" POST /1.good 'on its way to you'
try "a reason is text" POST /1.old 'item 5 &lt;b&gt;&amp;&quot;x&quot; was released already</p>'
[ "$(cat "$dir/postern.said")" = "quarantine link 1.good
quarantine link 1.old" ] || { echo "not ok: what was called:"; cat "$dir/postern.said"; bad=1; }
exit $bad
