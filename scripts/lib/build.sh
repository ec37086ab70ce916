# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash

# pn_build DIR [meson options]: sets up or re-uses a build directory and compiles it, quietly unless it fails.
pn_build() {
    local dir=$1 log
    shift
    log=$(mktemp "${TMPDIR:-/tmp}/postern-build.XXXXXX")
    if [ -f "$dir/build.ninja" ]; then
        pn_quiet "$log" meson configure "$dir" "$@" || { rm -f "$log"; return 1; }
    else
        pn_quiet "$log" meson setup "$dir" "$PN_ROOT" "$@" || { rm -f "$log"; return 1; }
    fi
    pn_quiet "$log" meson compile -C "$dir" || { rm -f "$log"; return 1; }
    rm -f "$log"
}
