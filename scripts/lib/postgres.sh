# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A real PostgreSQL server of the lab's own, below $LAB/pg: a unix socket only, run by an unprivileged user. The machine's
# own server, if there is one, is not touched.

pn_pg_bin() { # PROGRAM: Debian keeps them out of PATH; the newest version
    local found
    found=$(printf '%s\n' /usr/lib/postgresql/*/bin/"$1" | sort -V | tail -n 1)
    [ -x "$found" ] || pn_die "no PostgreSQL server here (/usr/lib/postgresql/*/bin/$1)"
    echo "$found"
}

# Its disk is the lab's, which is memory: what a crash of the machine would leave is not tried here.
pn_pg_make() {
    mkdir -p "$LAB/pg"
    chown nobody "$LAB/pg"
    pn_pg_as "$(pn_pg_bin initdb)" -D "$LAB/pg/data" -A trust -U postern -E UTF8 --locale=C.UTF-8 -N >> "$LAB/log/initdb" 2>&1 ||
        { tail -n 20 "$LAB/log/initdb" >&2; return 1; }
}
pn_pg_as() { (cd / && setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$@"); }

pn_pg_start() {
    pn_spawn postgres nd setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups "$(pn_pg_bin postgres)" -D "$LAB/pg/data" \
        -k "$LAB/pg" -c listen_addresses= -c shared_buffers=16MB -c max_connections=20 -c wal_level=minimal -c max_wal_senders=0
    pn_wait 20 pn_pg_sql 'SELECT 1'
}

pn_pg_sql() { # SQL -> rows of the database PN_PG_DB, columns parted by |
    psql -X -q -A -t -h "$LAB/pg" -U postern -d "${PN_PG_DB:-postgres}" -c "$1"
}

# The server and all that it has started. It is stopped first, or it starts another process while we count.
pn_pg_pids() {
    local main
    main=$(pn_pid postgres)
    pgrep -P "$main" || true
    echo "$main"
}
pn_pg_signal() { # STOP | CONT
    local main
    main=$(pn_pid postgres)
    kill "-$1" "$main"
    # shellcheck disable=SC2046 # a list of numbers
    kill "-$1" $(pn_pg_pids) 2> /dev/null || true
}

# As a crash would: nothing is written any more.
pn_pg_kill() {
    local pids
    kill -STOP "$(pn_pid postgres)"
    pids=$(pn_pg_pids)
    # shellcheck disable=SC2086 # a list of numbers
    kill -9 $pids 2> /dev/null || true
    # shellcheck disable=SC2086
    pn_wait 5 pn_pids_gone $pids
}
