/* SPDX-License-Identifier: BSD-3-Clause */
/* http, https: GET, the status within the configured range. */
#include "controlplane/health/check.h"

#include <stdio.h>

static enum pn_check_act start(struct pn_check_run *r)
{
    const struct pn_conf_check *c = r->target->conf;
    const char *host = r->target->host;
    bool bracket = strchr(host, ':') && host[0] != '[';
    char port[8] = "";

    if (c->port != r->ops->default_port)
        snprintf(port, sizeof(port), ":%u", c->port);
    return pn_check_send(r, "the HTTP status",
                         "GET %s HTTP/1.1\r\nHost: %s%s%s%s\r\nUser-Agent: postern\r\nAccept: */*\r\n"
                         "Connection: close\r\n\r\n",
                         c->path[0] ? c->path : "/", bracket ? "[" : "", host, bracket ? "]" : "", port);
}

static enum pn_check_act judge(struct pn_check_run *r)
{
    const struct pn_conf_check *c = r->target->conf;
    const struct pn_http_reply *p = &r->u.http;
    uint16_t min = c->status_min ? c->status_min : 200, max = c->status_max ? c->status_max : 399;

    if (p->code >= min && p->code <= max)
        return pn_check_verdict(r, PN_HEALTH_UP, "%s", p->text);
    return pn_check_verdict(r, PN_HEALTH_DOWN, "status not within %u-%u: %s", min, max, p->text);
}

static enum pn_check_act input(struct pn_check_run *r, const uint8_t *data, size_t len, size_t *used)
{
    enum pn_http_reply_status status;

    if (r->linger)
        return PN_CHECK_MORE; /* the body: read to its end, so that closing does not reset the connection */
    status = pn_http_reply_feed(&r->u.http, data, len, used);
    if (status == PN_HTTP_REPLY_MORE) {
        if (r->u.http.have_code)
            r->waiting = "the end of the HTTP header";
        return PN_CHECK_MORE;
    }
    *used = len;
    if (status == PN_HTTP_REPLY_BAD)
        return pn_check_verdict(r, PN_HEALTH_DOWN, "%s", r->u.http.bad);
    judge(r);
    r->linger = true;
    return PN_CHECK_MORE;
}

const struct pn_check_type_ops pn_check_http = {
    .type = PN_CHECK_HTTP, .name = "http", .default_port = 80, .start = start, .input = input};
const struct pn_check_type_ops pn_check_https = {
    .type = PN_CHECK_HTTPS, .name = "https", .tls_first = true, .default_port = 443, .start = start, .input = input};
