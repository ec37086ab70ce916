# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# Real Postfix gateways for the lab: one instance per namespace, each with its own configuration, queue, mailboxes and
# log below $LAB/<name>. The machine's own Postfix, if there is one, is not touched.

# pn_postfix_make NAME PART: writes the instance's files.
pn_postfix_make() {
    local name=$1 part=$2 dir=$LAB/$1 uid gid
    uid=$(id -u nobody)
    gid=$(id -g nobody)
    mkdir -p "$dir/etc" "$dir/queue" "$dir/data" "$dir/mail"
    chown postfix "$dir/data"
    chown "$uid:$gid" "$dir/mail"
    echo "$part" > "$dir/part"
    cat > "$dir/etc/main.cf" << END
compatibility_level = 3.6
myhostname = $name.postern.test
smtpd_banner = \$myhostname ESMTP
queue_directory = $dir/queue
data_directory = $dir/data
maillog_file = $dir/maillog
maillog_file_prefixes = $dir
inet_interfaces = all
inet_protocols = all
mynetworks =
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
smtpd_relay_restrictions = reject_unauth_destination
smtpd_peername_lookup = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
smtpd_client_message_rate_limit = 0
smtpd_forbid_bare_newline = yes
disable_dns_lookups = yes
notify_classes =
in_flow_delay = 0
default_process_limit = 400
virtual_transport = virtual
virtual_mailbox_domains = example.net
virtual_mailbox_base = $dir/mail
virtual_mailbox_maps = static:inbox/
virtual_mailbox_limit = 0
virtual_minimum_uid = 1
virtual_uid_maps = static:$uid
virtual_gid_maps = static:$gid
virtual_destination_concurrency_limit = 4
END
    [ ! -f "$LAB/tls/cert.pem" ] || cat >> "$dir/etc/main.cf" << END
smtpd_tls_security_level = may
smtpd_tls_cert_file = $LAB/tls/cert.pem
smtpd_tls_key_file = $LAB/tls/key.pem
END
    cat > "$dir/etc/master.cf" << END
smtp      inet  n - n - 400 smtpd
cleanup   unix  n - n - 0   cleanup
qmgr      unix  n - n 300 1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n - -   trivial-rewrite
bounce    unix  - - n - 0   bounce
defer     unix  - - n - 0   bounce
trace     unix  - - n - 0   bounce
proxymap  unix  - - n - -   proxymap
error     unix  - - n - -   error
retry     unix  - - n - -   error
virtual   unix  - n n - 8   virtual
anvil     unix  - - n - 1   anvil
postlog   unix-dgram n - n - 1 postlogd
END
}

pn_postfix_start() { # NAME
    local dir=$LAB/$1 part
    part=$(cat "$dir/part")
    # What master leaves behind when it is killed must not keep the next one from starting.
    pn_ns "$part" postfix -c "$dir/etc" start >> "$LAB/log/postfix-$1" 2>&1 ||
        { tail -n 20 "$LAB/log/postfix-$1" "$dir/maillog" >&2; return 1; }
    pn_wait 10 pn_ns "$part" nc -z -w 1 127.0.0.1 25
}

pn_postfix_master() { # NAME -> process id
    tr -d ' ' < "$LAB/$1/queue/pid/master.pid" 2> /dev/null
}

pn_postfix_stop() { # NAME: as an administrator would
    local pid
    pid=$(pn_postfix_master "$1")
    pn_ns "$(cat "$LAB/$1/part")" postfix -c "$LAB/$1/etc" stop >> "$LAB/log/postfix-$1" 2>&1 || true
    [ -z "$pid" ] || pn_wait 10 pn_pids_gone "$pid"
}

# pn_postfix_kill NAME: as a crash would, sessions and all.
pn_postfix_kill() {
    local master pids
    master=$(pn_postfix_master "$1")
    kill -STOP "$master" # or it starts another smtpd, with the listening socket, while we count
    pids=$(pgrep -P "$master")
    # shellcheck disable=SC2086 # a list of numbers
    kill -9 $pids "$master" 2> /dev/null || true
}

# Message-Ids that this gateway holds: delivered, or in its queue.
pn_mail_ids() { # NAME
    local q
    # The queue first: what is delivered meanwhile is in the mailbox by then.
    for q in incoming active deferred maildrop hold; do
        grep -rahoiE 'message-id: *<[^>]+>' "$LAB/$1/queue/$q" 2> /dev/null | sed -E 's/^[^<]*<//; s/>.*//' || true
    done
    grep -rahoiE --include='*' '^message-id: *<[^>]+>' "$LAB/$1/mail/inbox/new" 2> /dev/null |
        sed -E 's/^[^<]*<//; s/>.*//' || true
}

pn_mail_count() { # NAME -> distinct messages held
    pn_mail_ids "$1" | sort -u | grep -c . || true
}

# Client addresses that this gateway's log names, one a line, without the health checks of the node itself.
pn_mail_clients() { # NAME
    { grep -aoE 'client=[^ ]*\[[0-9a-fA-F.:]+\]' "$LAB/$1/maillog" 2> /dev/null || true; } |
        sed -E 's/.*\[(.*)\]/\1/' | sort | uniq -c | awk '{ print $2 " " $1 }'
}
