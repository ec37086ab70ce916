/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/vip/protocol.h"

const struct pn_vip_protocol *const pn_vip_protocols[PN_VIP_PROTOCOL_COUNT] = {
    [PN_VIP_SEALED] = &pn_vip_sealed,
    [PN_VIP_VRRP] = &pn_vip_vrrp,
};
