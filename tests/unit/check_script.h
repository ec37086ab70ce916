/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs one check's state machine against a script of what the server says, whole or byte by byte. */
#ifndef POSTERN_TEST_CHECK_SCRIPT_H
#define POSTERN_TEST_CHECK_SCRIPT_H

#include <stdio.h>
#include <string.h>

#include "controlplane/health/check.h"

struct script_result {
    enum pn_health verdict;
    char reason[128];
    char sent[4096]; /* all that the check sent; "<TLS>" where it asked for a handshake */
    bool done;
    struct pn_agent_report agent;
    char unknown[32];
};

/* parts: what comes after each command of the check, in turn; NULL ends. eof: closed after the last. */
static inline struct script_result script_run(const struct pn_conf_check *conf, const char *const *parts, size_t chunk,
                                              bool eof, const char *tls_error)
{
    static struct pn_check_run r;
    struct pn_check_target target = {
        .conf = conf, .addr = "192.0.2.1", .helo = "lb.example", .host = conf->host[0] ? conf->host : "192.0.2.1"};
    struct script_result out = {0};
    enum pn_check_act act;
    unsigned part = 0;
    const uint8_t *data = NULL;
    size_t len = 0;

    pn_check_init(&r, &target);
    act = pn_check_start(&r, r.ops->tls_first ? tls_error : NULL);
    for (;;) {
        size_t n, used;

        if (act == PN_CHECK_SEND)
            snprintf(out.sent + strlen(out.sent), sizeof(out.sent) - strlen(out.sent), "%.*s", (int)r.out_len, r.out);
        if (act == PN_CHECK_TLS) {
            snprintf(out.sent + strlen(out.sent), sizeof(out.sent) - strlen(out.sent), "<TLS>");
            len = 0;
            act = pn_check_tls_done(&r, tls_error);
            continue;
        }
        if (act == PN_CHECK_DONE)
            break;
        if (!len) {
            if (!parts[part])
                break;
            data = (const uint8_t *)parts[part];
            len = strlen(parts[part++]);
        }
        n = chunk && chunk < len ? chunk : len;
        act = pn_check_input(&r, data, n, &used);
        data += used;
        len -= used;
    }
    if (act != PN_CHECK_DONE && eof)
        act = pn_check_eof(&r);
    else if (act != PN_CHECK_DONE)
        pn_check_timeout(&r, conf->timeout_ms);
    out.done = act == PN_CHECK_DONE;
    out.verdict = r.verdict;
    snprintf(out.reason, sizeof(out.reason), "%s", r.reason);
    out.agent = r.agent;
    snprintf(out.unknown, sizeof(out.unknown), "%s", r.agent_unknown);
    return out;
}

#endif
