/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/health/check.h"

#include <stdio.h>

#include "common/error.h"

void pn_check_init(struct pn_check_run *r, const struct pn_check_target *target)
{
    memset(r, 0, sizeof(*r));
    r->target = target;
    r->ops = pn_check_type_ops(target->conf->type);
    r->waiting = "the connection";
}

enum pn_check_act pn_check_start(struct pn_check_run *r, const char *tls_error)
{
    if (tls_error && r->ops->tls_done)
        return r->ops->tls_done(r, tls_error);
    if (tls_error)
        return pn_check_verdict(r, PN_HEALTH_DOWN, "TLS: %s", tls_error);
    return r->ops->start(r);
}

enum pn_check_act pn_check_input(struct pn_check_run *r, const uint8_t *data, size_t len, size_t *used)
{
    enum pn_check_act act;

    *used = len;
    if (!r->ops->input)
        return PN_CHECK_MORE;
    if (len > PN_CHECK_MAX_BYTES - r->in_bytes) {
        if (r->linger)
            return PN_CHECK_DONE;
        return pn_check_verdict(r, PN_HEALTH_DOWN, "more than %u bytes waiting for %s", PN_CHECK_MAX_BYTES, r->waiting);
    }
    act = r->ops->input(r, data, len, used);
    r->in_bytes += *used;
    return act;
}

enum pn_check_act pn_check_eof(struct pn_check_run *r)
{
    if (r->linger)
        return PN_CHECK_DONE;
    if (r->ops->eof)
        return r->ops->eof(r);
    return pn_check_verdict(r, PN_HEALTH_DOWN, "connection closed waiting for %s", r->waiting);
}

enum pn_check_act pn_check_tls_done(struct pn_check_run *r, const char *error)
{
    if (r->ops->tls_done)
        return r->ops->tls_done(r, error);
    return pn_check_verdict(r, PN_HEALTH_DOWN, "TLS where none was asked for");
}

void pn_check_timeout(struct pn_check_run *r, uint32_t after_ms)
{
    char after[24];

    if (r->linger)
        return;
    if (after_ms % 1000)
        snprintf(after, sizeof(after), "%u ms", after_ms);
    else
        snprintf(after, sizeof(after), "%u s", after_ms / 1000);
    pn_check_verdict(r, PN_HEALTH_DOWN, "timeout after %s waiting for %s", after, r->waiting);
}

void pn_check_broken(struct pn_check_run *r, const char *what)
{
    if (!r->linger)
        pn_check_verdict(r, PN_HEALTH_DOWN, "%s", what);
}

/* blanks: allowed inside. */
static bool text_ok(const char *text, size_t size, bool blanks)
{
    size_t n = strnlen(text, size);

    if (n == size)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7f || (c == ' ' && !blanks))
            return false;
    }
    return true;
}

int pn_check_conf_valid(const struct pn_conf_check *conf, struct pn_error *err)
{
    const char *key = NULL;

    if (!pn_check_type_ops(conf->type))
        return pn_error_set(err, "check \"%s\": unknown type %d", conf->name, (int)conf->type);
    if (!text_ok(conf->helo, sizeof(conf->helo), false))
        key = "helo";
    else if (!text_ok(conf->host, sizeof(conf->host), false))
        key = "host";
    else if (!text_ok(conf->path, sizeof(conf->path), false) || (conf->path[0] && conf->path[0] != '/'))
        key = "path";
    if (key)
        return pn_error_set(err, "check \"%s\": %s has a blank or control character%s", conf->name, key,
                            strcmp(key, "path") == 0 ? ", or does not begin with \"/\"" : "");
    if (!conf->port)
        return pn_error_set(err, "check \"%s\": port is 0", conf->name);
    if (!conf->timeout_ms || !conf->interval_ms)
        return pn_error_set(err, "check \"%s\": interval and timeout must be above 0", conf->name);
    return 0;
}
