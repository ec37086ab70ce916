#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# The page behind the links of digests (quarantine.digest-url), as CGI for any web server; docs/quarantine.md says how.
# Following a link only shows a button, since scanners follow links; the button (POST) releases the message.
#
# The web server's user may run one command; in /etc/sudoers.d/postern (sudo 1.9.10 or newer):
#     www-data ALL=(root) NOPASSWD: /usr/bin/postern ^quarantine link [0-9A-Za-z._-]+$
POSTERN=${POSTERN:-sudo -n /usr/bin/postern}
LC_ALL=C
export LC_ALL

page() { # STATUS TITLE, the body on standard input
    printf 'Status: %s\r\nContent-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n' "$1"
    printf 'Referrer-Policy: no-referrer\r\nX-Frame-Options: DENY\r\nX-Content-Type-Options: nosniff\r\n'
    printf "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    printf "frame-ancestors 'none'\r\n\r\n"
    printf '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">\n'
    printf '<meta name="viewport" content="width=device-width"><title>%s</title></head>\n' "$2"
    printf '<body style="font-family:sans-serif;max-width:40em;margin:2em auto;padding:0 1em">\n<h1>%s</h1>\n' "$2"
    cat
    printf '</body></html>\n'
}
html() { tr -d '\000-\010\013-\037\177' | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g'; }

token=${PATH_INFO#/}
case $token in
'' | *[!0-9A-Za-z._-]* | -*)
    echo '<p>This link is not valid.</p>' | page '404 Not Found' 'Quarantine'
    exit 0
    ;;
esac
if [ "${#token}" -gt 1023 ]; then
    echo '<p>This link is not valid.</p>' | page '404 Not Found' 'Quarantine'
    exit 0
fi

case $REQUEST_METHOD in
GET | HEAD)
    page '200 OK' 'Quarantine' << END
<p>A message to you is held back in quarantine. Have it delivered only if you know its sender and expect it.</p>
<form method="post" action="$token"><button style="font-size:1em;padding:.5em 1em">Deliver the message</button></form>
END
    ;;
POST)
    # Without quotes: the words of a command.
    # shellcheck disable=SC2086
    if said=$($POSTERN quarantine link "$token" 2>&1); then
        echo '<p>The message is on its way to you.</p>' | page '200 OK' 'Quarantine'
    else
        # The reason, without what is meant for administrators.
        why=$(printf '%s\n' "$said" | sed -n 's/^postern: //; s/ (postern quarantine.*//; s/ (--again.*//; 1p' | html)
        echo "<p>The message was not delivered: $why</p>" | page '409 Conflict' 'Quarantine'
    fi
    ;;
*)
    echo '<p>GET or POST.</p>' | page '405 Method Not Allowed' 'Quarantine'
    ;;
esac
