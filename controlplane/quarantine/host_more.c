/* SPDX-License-Identifier: BSD-3-Clause */
/* Reports, digests and small numbers of the host's store. */
#include "controlplane/quarantine/host_internal.h"

#include "common/error.h"

#define MARK_DIGEST "digest.low" /* every recipient's digest had what is up to there */

struct pn_report *pn_host_report(struct pn_host *h, const struct pn_report_ask *ask, struct pn_error *err)
{
    struct pn_report *r = pn_report_new(ask, err);

    if (r && h->ops->report(pn_host_db(h), r, err) != 0) {
        pn_report_free(r);
        return NULL;
    }
    return r;
}

/* One change by itself, durable when it returns 0. */
#define CHANGE(call)                                                                                                   \
    do {                                                                                                               \
        if (h->ops->begin(pn_host_db(h), err) != 0)                                                                    \
            return -1;                                                                                                 \
        if ((call) != 0) {                                                                                             \
            h->ops->rollback(pn_host_db(h));                                                                           \
            return -1;                                                                                                 \
        }                                                                                                              \
        return h->ops->commit(pn_host_db(h), err);                                                                     \
    } while (0)

int pn_host_report_purge(struct pn_host *h, uint64_t before_ms, struct pn_error *err)
{
    CHANGE(h->ops->report_purge(pn_host_db(h), before_ms, err));
}

int pn_host_digest_due(struct pn_host *h, uint64_t top, const char *after, unsigned limit, pn_host_due_each *each,
                       void *arg, struct pn_error *err)
{
    uint64_t low = 0;

    if (h->ops->mark_get(pn_host_db(h), MARK_DIGEST, &low) < 0)
        return pn_error_set(err, "quarantine host: the place of the last digests cannot be read");
    return h->ops->due(pn_host_db(h), low, top, after ? after : "", limit, each, arg, err);
}

int pn_host_digest_mark(struct pn_host *h, const char *address, uint64_t top, struct pn_error *err)
{
    CHANGE(h->ops->due_mark(pn_host_db(h), address, top, err));
}

int pn_host_digest_end(struct pn_host *h, uint64_t top, struct pn_error *err)
{
    CHANGE(h->ops->mark_set(pn_host_db(h), MARK_DIGEST, top, err) != 0 ||
           h->ops->due_clear(pn_host_db(h), top, err) != 0);
}

uint64_t pn_host_mark_get(struct pn_host *h, const char *name, uint64_t fallback)
{
    uint64_t value = fallback;

    return h->ops->mark_get(pn_host_db(h), name, &value) == 1 ? value : fallback;
}

int pn_host_mark_set(struct pn_host *h, const char *name, uint64_t value, struct pn_error *err)
{
    CHANGE(h->ops->mark_set(pn_host_db(h), name, value, err));
}
