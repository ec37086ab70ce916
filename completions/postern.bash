# SPDX-License-Identifier: BSD-3-Clause
# bash completion for postern(8). Names come from the running daemon.
_postern_lists="welcomelist blocklist personal-welcomelist personal-blocklist auto-welcomelist ip-welcomelist ip-blocklist keyword attachment advanced decompression order"
_postern_names() {
    postern "${_postern_socket[@]}" names "$1" 2>/dev/null
}

_postern() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} i noun="" verb="" words=()
    local -a _postern_socket=()
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -s | --socket) _postern_socket=(--socket "${COMP_WORDS[++i]}") ;;
        -*) ;;
        *) words+=("${COMP_WORDS[i]}") ;;
        esac
    done
    noun=${words[0]:-} verb=${words[1]:-}

    case $prev in
    -s | --socket) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --persist) mapfile -t COMPREPLY < <(compgen -W "systemd-networkd ifupdown script" -- "$cur"); return ;;
    --gateway) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names gateway)" -- "$cur"); return ;;
    --service) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names service)" -- "$cur"); return ;;
    --passphrase-file | --ca-passphrase-file) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --format) [[ $noun == rule ]] && mapfile -t COMPREPLY < <(compgen -W "csv json xml" -- "$cur")
        [[ $noun == report || $noun == quarantine ]] && mapfile -t COMPREPLY < <(compgen -W "table json csv svg" -- "$cur")
        [[ $noun == perimeter ]] && mapfile -t COMPREPLY < <(compgen -W "postfix cidr rspamd" -- "$cur"); return ;;
    --since | --until) mapfile -t COMPREPLY < <(compgen -W "1h 1d 7d 30d" -- "$cur"); return ;;
    --state) mapfile -t COMPREPLY < <(compgen -W "new released deleted" -- "$cur"); return ;;
    --kind) mapfile -t COMPREPLY < <(compgen -W "message record any" -- "$cur"); return ;;
    --event) mapfile -t COMPREPLY < <(compgen -W "quarantined received rejected released virus spam evicted" -- "$cur"); return ;;
    --by) mapfile -t COMPREPLY < <(compgen -W "day hour" -- "$cur"); return ;;
    --section) mapfile -t COMPREPLY < <(compgen -W "time nodes senders recipients rules" -- "$cur"); return ;;
    --node | --at) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names node)" -- "$cur"); return ;;
    --sender | --recipient | --subject | --reason | --to | --bytes | --before | --top) return ;;
    --expires) mapfile -t COMPREPLY < <(compgen -W "15m 1h 1d 7d" -- "$cur"); return ;;
    --field) mapfile -t COMPREPLY < <(compgen -W "smtp-sender mime-sender smtp-recipient mime-recipient" -- "$cur"); return ;;
    --list) mapfile -t COMPREPLY < <(compgen -W "$_postern_lists" -- "$cur"); return ;;
    --file | --output) mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    --owner | --note | --text | --search | --limit) [[ $prev == --text && $verb != put ]] || return ;;
    --timeout | --max | --client | --vip | --interface | -n) return ;;
    esac

    if [[ $cur == -* ]]; then
        local options="--json --socket --no-color --help"
        case "$noun $verb" in
        "gateway drain" | "gateway disable") options+=" --wait --timeout" ;;
        "gateway setup") options+=" --vip --apply --undo --persist --interface" ;;
        flow*) options+=" --client --service --gateway --max" ;;
        stats*) options+=" --all --drops" ;;
        explain*) options+=" --service" ;;
        trace*) options+=" -n --timeout" ;;
        log*) options+=" -n -f" ;;
        watch*) options+=" -n --count" ;;
        diff*) options+=" --exit-code" ;;
        "cluster init" | "cluster renew") options+=" --passphrase --passphrase-file" ;;
        "cluster invite") options+=" --expires --passphrase --passphrase-file --ca-passphrase --ca-passphrase-file" ;;
        "cluster join") options+=" --dry-run --passphrase --passphrase-file" ;;
        "cluster remove") options+=" --yes" ;;
        "perimeter export") options+=" --format" ;;
        "quarantine list" | "quarantine search") options+=" --sender --recipient --subject --node --rule --reason --event --state --kind --since --until --unseen --limit --before --waiting --at" ;;
        "quarantine show") options+=" --raw --headers --at" ;;
        "quarantine release") options+=" --to --welcomelist --again --at" ;;
        "quarantine add" | "report add") options+=" --recipient --sender --reason --rule --gateway --event --direction --bytes" ;;
        "quarantine backlog") options+=" --watch -n" ;;
        "quarantine purge" | "quarantine digest") options+=" --dry-run --at" ;;
        report* | "quarantine report") options+=" --by --since --until --node --format --section --top --at" ;;
        "quarantine "*) options+=" --at" ;;
        "rule add") options+=" --owner --field --note" ;;
        "rule remove" | "rule restore") options+=" --owner --field" ;;
        "rule hit" | "rule learn") options+=" --owner --field --count --stdin" ;;
        "rule list") options+=" --owner --search --deleted --limit" ;;
        "rule search") options+=" --owner --deleted --limit" ;;
        "rule show") options+=" --owner --field --text" ;;
        "rule put") options+=" --file --text --note" ;;
        "rule import") options+=" --format --list --owner --dry-run --skip-bad" ;;
        "rule export") options+=" --format --owner --output" ;;
        "rule log") options+=" --owner --field --limit" ;;
        "rule review") options+=" --owner --field --all" ;;
        "rule sync") options+=" --wait --timeout" ;;
        esac
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
        return
    fi

    case ${#words[@]} in
    0) mapfile -t COMPREPLY < <(compgen -W "status watch vip service pool gateway check diff reload flow explain trace stats port neighbour node cluster perimeter rule quarantine report heartbeat log version help" -- "$cur") ;;
    1)
        case $noun in
        vip) mapfile -t COMPREPLY < <(compgen -W "list show move force" -- "$cur") ;;
        service | pool) mapfile -t COMPREPLY < <(compgen -W "list show" -- "$cur") ;;
        gateway) mapfile -t COMPREPLY < <(compgen -W "list show drain enable disable weight setup" -- "$cur") ;;
        flow) mapfile -t COMPREPLY < <(compgen -W "list show" -- "$cur") ;;
        port | neighbour) mapfile -t COMPREPLY < <(compgen -W "list" -- "$cur") ;;
        node) mapfile -t COMPREPLY < <(compgen -W "show list hold standby active" -- "$cur") ;;
        cluster) mapfile -t COMPREPLY < <(compgen -W "status members init invite join rename remove rotate-keys renew" -- "$cur") ;;
        rule) mapfile -t COMPREPLY < <(compgen -W "status add remove hit learn list search show put order import export log restore review held sync reset-clock" -- "$cur") ;;
        quarantine) mapfile -t COMPREPLY < <(compgen -W "list search show release delete seen unseen hold unhold audit add status backlog retry purge digest link report" -- "$cur") ;;
        report) mapfile -t COMPREPLY < <(compgen -W "add" -- "$cur") ;;
        perimeter) mapfile -t COMPREPLY < <(compgen -W "list export" -- "$cur") ;;
        heartbeat) mapfile -t COMPREPLY < <(compgen -W "keygen" -- "$cur") ;;
        check) mapfile -t COMPREPLY < <(compgen -W "list" -- "$cur"; compgen -f -- "$cur") ;;
        diff) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        help) mapfile -t COMPREPLY < <(compgen -W "status watch vip service pool gateway check diff reload flow explain trace stats port neighbour node cluster perimeter rule quarantine report heartbeat log version" -- "$cur") ;;
        esac
        ;;
    2)
        case "$noun $verb" in
        "vip show" | "vip move" | "vip force") mapfile -t COMPREPLY < <(compgen -W "$(_postern_names vip)" -- "$cur") ;;
        "service show") mapfile -t COMPREPLY < <(compgen -W "$(_postern_names service)" -- "$cur") ;;
        "pool show") mapfile -t COMPREPLY < <(compgen -W "$(_postern_names pool)" -- "$cur") ;;
        "gateway "* | "check list") mapfile -t COMPREPLY < <(compgen -W "$(_postern_names gateway)" -- "$cur") ;;
        "heartbeat keygen") mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        "cluster remove" | "cluster rename") mapfile -t COMPREPLY < <(compgen -W "$(_postern_names member)" -- "$cur") ;;
        "rule add" | "rule remove" | "rule hit" | "rule learn" | "rule list" | "rule show" | "rule export" | "rule log" | "rule restore")
            mapfile -t COMPREPLY < <(compgen -W "$_postern_lists" -- "$cur") ;;
        "rule put") mapfile -t COMPREPLY < <(compgen -W "keyword attachment advanced decompression" -- "$cur") ;;
        "rule order") mapfile -t COMPREPLY < <(compgen -W "keyword attachment advanced" -- "$cur") ;;
        "rule import") mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        "rule review") mapfile -t COMPREPLY < <(compgen -W "accept drop" -- "$cur") ;;
        "quarantine digest") mapfile -t COMPREPLY < <(compgen -W "run" -- "$cur") ;;
        "report add") mapfile -t COMPREPLY < <(compgen -W "received rejected quarantined released virus spam" -- "$cur") ;;
        "node hold") mapfile -t COMPREPLY < <(compgen -W "off" -- "$cur") ;;
        explain*) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names service)" -- "$cur") ;;
        esac
        ;;
    3)
        [[ "$noun $verb" == "vip move" ]] && mapfile -t COMPREPLY < <(compgen -W "$(_postern_names node)" -- "$cur")
        [[ "$noun $verb" == "rule search" || "$noun $verb" == "rule review" ]] && mapfile -t COMPREPLY < <(compgen -W "$_postern_lists" -- "$cur")
        [[ "$noun $verb" == "gateway weight" ]] && mapfile -t COMPREPLY < <(compgen -W "default" -- "$cur")
        ;;
    esac
}
complete -F _postern postern
