#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The program, its help, its manual pages and its completion name the same commands and options:
# cli_agree.sh POSTERN SOURCE
set -euo pipefail
postern=$(realpath "$1") source=$(realpath "$2")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
ln -s "$postern" "$dir/postern"
PATH=$dir:$PATH
cd "$dir" # completion of files finds nothing else
bad=0
wrong() { printf '%s\n' "$*" >&2; bad=1; }

# As people read them: no overstrikes, one line.
declare -A text
for p in postern postern-cluster postern-rule postern-quarantine; do
    text[$p]=" $(mandoc -Tutf8 "$source/docs/man/$p.8" | sed 's/.\x08//g' | tr -s ' \n' ' ') "
done
# Written short in help and manuals.
short='|--lines|--follow|--packets|--interval|'
page_of() {
    case $1 in
    cluster | perimeter) echo postern-cluster ;;
    rule) echo postern-rule ;;
    quarantine | report) echo postern-quarantine ;;
    *) echo postern ;;
    esac
}

# What completion offers after these words; the last one is being typed.
# shellcheck source=/dev/null
. "$source/completions/postern.bash"
offered() {
    COMP_WORDS=(postern "$@") COMP_CWORD=$# COMPREPLY=()
    _postern
    printf '%s\n' "${COMPREPLY[@]}" | sort
}

common=$(postern names option | tr '\n' '|')
for option in $(postern names option); do
    [[ ${text[postern]} == *"$option"* || $option == --help ]] || wrong "postern(8) does not name $option"
done
[ "$(offered '')" = "$(postern names command | sort)" ] || wrong "completion offers other commands than there are"

for noun in $(postern names command); do
    manual=$(page_of "$noun")
    verbs=$(postern names verb "$noun" || true)
    [[ ${text[$manual]} == *" $noun"[\ ,]* ]] || wrong "$manual(8) does not name $noun"
    [[ $noun =~ ^(check|diff|help)$ ]] || [ "$(offered "$noun" '')" = "$(sort <<< "$verbs")" ] ||
        wrong "completion offers other verbs of $noun than there are"
    for verb in - $verbs; do
        [ "$verb" != - ] || verb=""
        # A noun alone is its first verb, and looked at there.
        [ -n "$verb" ] || [ -z "$verbs" ] || [ "$noun" = report ] || continue
        # shellcheck disable=SC2086 # no verb, no word
        options=$(postern names option "$noun" $verb)
        # shellcheck disable=SC2086
        usage=$(postern help "$noun" $verb | if [ -n "$verb" ]; then cat; else sed -n 1,2p; fi)
        [[ -z $verb || ${text[$manual]} == *" $verb"[\ ,]* ]] || wrong "$manual(8) does not name $noun $verb"
        # shellcheck disable=SC2086
        [ "$(offered "$noun" $verb -)" = "$(sort <<< "$options")" ] ||
            wrong "completion offers other options of $noun $verb than it takes"
        for option in $options; do
            case "|$common" in *"|$option|"*) continue ;; esac
            case $short in *"|$option|"*) continue ;; esac
            [[ ${text[$manual]} == *"$option"* ]] || wrong "$manual(8) does not name $noun $verb $option"
            case $usage in
            *"$option"* | *'[...]'*) ;;
            *) wrong "postern help $noun $verb does not name $option" ;;
            esac
        done
        for option in ${usage//[!a-z-]/ }; do # words
            [[ $option == --?* ]] || continue
            [[ $'\n'$options$'\n' == *$'\n'"$option"$'\n'* ]] || wrong "postern help $noun $verb names $option, which it does not take"
        done
    done
done

# No manual names an option that no command on that page takes.
for manual in postern postern-cluster postern-rule postern-quarantine; do
    known=$(for noun in $(postern names command); do
        [ "$(page_of "$noun")" = $manual ] || continue
        postern names option "$noun"
        for verb in $(postern names verb "$noun" || true); do postern names option "$noun" "$verb"; done
    done | sort -u)
    for option in ${text[$manual]//[!a-zA-Z0-9-]/ }; do
        [[ $option == --?* ]] || continue
        grep -qx -e "$option" <<< "$known" || wrong "$manual(8) names $option, which no command there takes"
    done
done
exit $bad
