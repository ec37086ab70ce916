# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# From a bare Debian 12 to all that building, testing and showing Postern takes. Installs only what is missing.

PN_PACKAGES_BUILD=(
    gcc libc6-dev meson ninja-build pkg-config clang llvm libclang-rt-14-dev clang-format
    libdpdk-dev dpdk-dev libbpf-dev libxdp-dev libelf-dev libpcap-dev
    libssl-dev libevent-dev libjansson-dev libsystemd-dev libseccomp-dev libcap-dev libmnl-dev libcmocka-dev
    libprotobuf-c-dev protobuf-c-compiler libsqlite3-dev libidn2-dev libexpat1-dev libzstd-dev
    libpq-dev libgmime-3.0-dev
    mandoc git ca-certificates
)
PN_PACKAGES_LAB=(
    iproute2 iputils-ping iputils-arping ethtool tcpdump nftables procps
    postgresql postfix haproxy keepalived swaks libio-socket-inet6-perl netcat-openbsd curl jq openssl python3 shellcheck
)

pn_packages_missing() {
    local p
    for p in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$p" 2> /dev/null)" = installed ] || echo "$p"
    done
}

# Mail servers come without being started: the lab runs its own instances, the machine's mail is not ours to change.
pn_install() {
    local missing policy=/usr/sbin/policy-rc.d made_policy=no rc=0
    mapfile -t missing < <(pn_packages_missing "${PN_PACKAGES_BUILD[@]}" "${PN_PACKAGES_LAB[@]}")
    [ ${#missing[@]} -gt 0 ] || return 0
    command -v apt-get > /dev/null || pn_die "no apt-get here; please install: ${missing[*]}"
    pn_say "installing ${#missing[@]} packages: ${missing[*]}"
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' > "$policy"
        chmod 755 "$policy"
        made_policy=yes
    fi
    if printf '%s\n' "${missing[@]}" | grep -x postfix > /dev/null; then
        echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    fi
    {
        apt-get -q update &&
            apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install "${missing[@]}"
    } < /dev/null > "${PN_INSTALL_LOG:-/tmp/postern-install.$$.log}" 2>&1 || rc=$?
    [ "$made_policy" = no ] || rm -f "$policy"
    if [ $rc -ne 0 ]; then
        tail -n 30 "${PN_INSTALL_LOG:-/tmp/postern-install.$$.log}" >&2
        pn_die "installing packages failed"
    fi
    rm -f "/tmp/postern-install.$$.log"
}
