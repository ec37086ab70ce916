/* SPDX-License-Identifier: BSD-3-Clause */
/* Feeds fuzzed bytes to one run of a check and holds it to what the engine relies on. */
#ifndef POSTERN_FUZZ_CHECK_DRIVE_H
#define POSTERN_FUZZ_CHECK_DRIVE_H

#include <stdlib.h>

#include "controlplane/health/check.h"

static inline void drive_assert(int holds)
{
    if (!holds)
        abort();
}

/*
 * data[0]: bit 7 the run ends by timeout instead of the server's close, bit 6 certificates fail, bits 0..5 bytes a read
 * (0: all at once). The rest is what the server says.
 */
static inline void check_drive(enum pn_check_type type, const uint8_t *data, size_t size)
{
    static struct pn_check_run r;
    struct pn_conf_check conf = {.type = type, .port = 25, .timeout_ms = 5000};
    struct pn_check_target target = {.conf = &conf, .addr = "192.0.2.1", .helo = "lb.example", .host = "mx.example"};
    const char *tls_error;
    enum pn_check_act act;
    size_t chunk, sent = 0;
    bool timeout;

    if (!size)
        return;
    chunk = data[0] & 0x3f;
    timeout = data[0] & 0x80;
    tls_error = data[0] & 0x40 ? "certificate has expired" : NULL;
    data++;
    size--;
    pn_check_init(&r, &target);
    act = pn_check_start(&r, r.ops->tls_first ? tls_error : NULL);
    for (;;) {
        size_t n, used = 0;

        if (act == PN_CHECK_SEND) {
            drive_assert(r.out_len > 0 && r.out_len < sizeof(r.out));
            drive_assert(++sent < 8); /* no server makes a check talk for ever */
        }
        if (act == PN_CHECK_TLS) {
            act = pn_check_tls_done(&r, tls_error);
            continue;
        }
        if (act == PN_CHECK_DONE || !size)
            break;
        n = chunk && chunk < size ? chunk : size;
        act = pn_check_input(&r, data, n, &used);
        drive_assert(used > 0 && used <= n);
        drive_assert(r.in_bytes <= PN_CHECK_MAX_BYTES);
        data += used;
        size -= used;
    }
    if (act != PN_CHECK_DONE) {
        drive_assert(r.waiting != NULL);
        if (timeout)
            pn_check_timeout(&r, conf.timeout_ms);
        else
            drive_assert(pn_check_eof(&r) == PN_CHECK_DONE);
    }
    drive_assert(r.verdict == PN_HEALTH_UP || r.verdict == PN_HEALTH_BUSY || r.verdict == PN_HEALTH_DOWN);
    drive_assert(r.reason[0] != '\0');
    for (const char *c = r.reason; *c; c++)
        drive_assert(*c >= 0x20 && *c < 0x7f);
    drive_assert(r.agent.percent <= 100 && r.agent.queue >= 0);
}

#endif
