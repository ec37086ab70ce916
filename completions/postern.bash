# SPDX-License-Identifier: BSD-3-Clause
# bash completion for postern(8). Commands and options come from the program, names from the running daemon.
_postern_lists="welcomelist blocklist personal-welcomelist personal-blocklist auto-welcomelist ip-welcomelist ip-blocklist keyword attachment advanced decompression order"
_postern_names() {
    postern "${_postern_socket[@]}" names "$@" 2>/dev/null
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

    # Commands, verbs and options are what the program itself says.
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_postern_names option ${noun:+"$noun"} ${verb:+"$verb"})" -- "$cur")
        return
    fi

    case ${#words[@]} in
    0) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names command)" -- "$cur") ;;
    1)
        case $noun in
        help) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names command)" -- "$cur") ;;
        check) mapfile -t COMPREPLY < <(compgen -W "list" -- "$cur"; compgen -f -- "$cur") ;;
        diff) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
        *) mapfile -t COMPREPLY < <(compgen -W "$(_postern_names verb "$noun")" -- "$cur") ;;
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
