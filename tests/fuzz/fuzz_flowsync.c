/* SPDX-License-Identifier: BSD-3-Clause */
/* What an authentic but broken peer might say: flow sync (first byte even) and heartbeats (odd); accepted means the same bytes
 * come out again. */
#include <stdlib.h>

#include "controlplane/vip/flowsync.h"
#include "controlplane/vip/heartbeat.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t out[2048];
    const char *field = NULL;
    if (size < 1)
        return 0;
    if (data[0] & 1) {
        struct pn_heartbeat hb;
        if (pn_heartbeat_decode(data + 1, size - 1, &hb, &field) != 0)
            return field ? 0 : (abort(), 0);
        if (pn_heartbeat_encode(&hb, out, sizeof(out)) != size - 1 || memcmp(out, data + 1, size - 1) != 0)
            abort();
        return 0;
    }
    struct pn_flowsync m;
    if (pn_flowsync_decode(data + 1, size - 1, &m, &field) != 0)
        return field ? 0 : (abort(), 0);
    if (pn_flowsync_encode(&m, out, sizeof(out)) != size - 1 || memcmp(out, data + 1, size - 1) != 0)
        abort();
    return 0;
}
