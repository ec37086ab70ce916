/* SPDX-License-Identifier: BSD-3-Clause */
/* How long the host, and who was it once, keeps what it has: rounds of small steps. On the keeper's loop. */
#include <time.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/quarantine/retention.h"
#include "controlplane/view/clock.h"

#define TIME_MS 50u /* of a second, at most, plus one step */
#define COUNT_MAX 1000u /* of a class, for a rehearsal */

static uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static struct pn_retention_config config_of(const struct pn_qa_settings *s)
{
    const struct pn_conf_quarantine *c = &s->conf;
    struct pn_retention_config out;

    memset(&out, 0, sizeof(out)); /* compared as bytes */
    for (unsigned i = 0; i < s->n_nodes; i++)
        if (s->nodes[i].host_quota_bytes) {
            memcpy(out.quotas[out.n_quotas].node, s->nodes[i].name, sizeof(out.quotas[0].node));
            out.quotas[out.n_quotas++].bytes = s->nodes[i].host_quota_bytes;
        }
    out.age_ms[PN_RETENTION_RECORDS] = 1000ull * c->keep_records_s;
    out.age_ms[PN_RETENTION_DELETED] = 1000ull * c->keep_deleted_s;
    out.age_ms[PN_RETENTION_RELEASED] = 1000ull * c->keep_released_s;
    out.age_ms[PN_RETENTION_VIRUS] = 1000ull * c->keep_virus_s;
    out.age_ms[PN_RETENTION_SPAM] = 1000ull * c->keep_spam_s;
    out.age_ms[PN_RETENTION_OTHER] = 1000ull * c->keep_mail_s;
    out.counts_age_ms = 1000ull * c->keep_counts_s;
    out.max_bytes = c->host_quota_bytes;
    return out;
}

static int step_do(struct pn_quarantine_actor *a, const struct pn_retention_step *s, struct pn_error *err)
{
    switch (s->act) {
    case PN_RETENTION_PURGE:
        return pn_host_purge(a->host, &s->purge, err);
    case PN_RETENTION_SIZE:
        return pn_host_purge_size(a->host, s->max_bytes, err);
    case PN_RETENTION_NODE:
        return pn_host_purge_node(a->host, s->node, s->max_bytes, err);
    case PN_RETENTION_COUNTS:
        return pn_host_report_purge(a->host, s->before_ms, err) < 0 ? -1 : 0;
    default:
        return 0;
    }
}

void pn_qa_keep_second(struct pn_quarantine_actor *a)
{
    uint64_t end_ms = pn_clock_ms() + TIME_MS;
    struct pn_retention_config config = config_of(&a->host_settings);
    struct pn_retention_step s;
    struct pn_error err;

    if (memcmp(&config, &a->keep_config, sizeof(config)) != 0) {
        a->keep_config = config;
        pn_retention_init(&a->keep, &config);
    }
    do {
        s = pn_retention_next(&a->keep, wall_ms());
        if (s.act == PN_RETENTION_WAIT)
            return;
        int gone = step_do(a, &s, &err);
        if (gone < 0)
            pn_log_limited(60000, PN_LOG_ERROR, "quarantine: %s", err.text);
        else if (s.act != PN_RETENTION_COUNTS)
            a->purged += (uint64_t)gone;
        pn_retention_done(&a->keep, &s, gone);
    } while (pn_clock_ms() < end_ms);
}

static int count_one(void *arg, const struct pn_host_row *row)
{
    unsigned *n = arg;

    *n += (row->flags & (PN_HOST_HOLD | PN_HOST_PURGED)) == 0;
    return 0;
}

int pn_quarantine_purge_rehearse(struct pn_quarantine_actor *a, pn_quarantine_purge_each *each, void *arg,
                                 struct pn_error *err)
{
    struct pn_retention_config config = config_of(&a->host_settings);
    struct pn_retention r = {.round_ms = 0};
    struct pn_retention_step s;

    if (!pn_quarantine_actor_host(a, err))
        return -1;
    config.max_bytes = config.n_quotas = 0; /* what goes for want of space depends on what comes */
    config.counts_age_ms = 0;
    pn_retention_init(&r, &config);
    while ((s = pn_retention_next(&r, wall_ms())).act == PN_RETENTION_PURGE) {
        struct pn_host_query q = PN_HOST_QUERY_ANY;
        unsigned n = 0;
        q.kind = s.purge.kind;
        q.state = s.purge.state;
        q.event = s.purge.event;
        q.to_ms = s.purge.received_before_ms;
        q.limit = COUNT_MAX;
        if (pn_host_find(a->host, &q, count_one, &n, err) < 0)
            return -1;
        each(arg, s.purge.kind, s.purge.state, s.purge.event, s.purge.received_before_ms, n, n >= COUNT_MAX);
        pn_retention_done(&r, &s, 0);
    }
    return 0;
}

void pn_quarantine_purge_now(struct pn_quarantine_actor *a)
{
    a->keep.round_ms = 0;
    a->keep.running = false;
    if (a->host)
        pn_qa_keep_second(a);
}
