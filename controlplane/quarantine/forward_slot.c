/* SPDX-License-Identifier: BSD-3-Clause */
/* Forwarding: items under way, when one is tried again, how fast it goes, and what stands in its way. */
#include "controlplane/quarantine/forward_internal.h"

#include <stdio.h>

#include "common/hash.h"

void pn_forward_trouble(struct pn_forward *f, const char *what)
{
    snprintf(f->st.reason, sizeof(f->st.reason), "%s", what);
}

/* Store or link failed: leave it alone for a moment instead of turning in circles. */
void pn_forward_pause(struct pn_forward *f, uint64_t now_ms)
{
    f->error_until_ms = now_ms + 1000;
}

void pn_forward_store_failed(struct pn_forward *f, uint64_t now_ms)
{
    pn_forward_trouble(f, "the spool cannot be read or written");
    pn_forward_pause(f, now_ms);
}

uint64_t pn_forward_retry_at(struct pn_forward *f, unsigned tries, uint64_t now_ms)
{
    uint64_t wait = f->o.retry_ms;

    for (unsigned i = 0; i < tries && wait < f->o.retry_max_ms; i++)
        wait *= 2;
    if (wait > f->o.retry_max_ms)
        wait = f->o.retry_max_ms;
    return now_ms + wait / 2 + pn_hash_split(&f->jitter) % (wait + 1);
}

void pn_forward_slot_free(struct pn_forward *f, struct pn_forward_slot *s)
{
    s->used = false;
    f->under_way--;
    f->messages_under_way -= s->kind == PN_Q_MESSAGE;
    f->backlog_under_way -= !s->live;
}

struct pn_forward_slot *pn_forward_slot_find(struct pn_forward *f, const struct pn_q_id *id)
{
    for (unsigned i = 0; i < PN_FORWARD_WINDOW; i++)
        if (f->slots[i].used && pn_q_id_equal(&f->slots[i].id, id))
            return &f->slots[i];
    return NULL;
}

void pn_forward_rate(struct pn_forward *f, uint64_t now_ms)
{
    uint64_t took = now_ms - f->rate_ms;

    if (took < 1000)
        return;
    double a = took >= 10000 ? 1 : (double)took / 10000.0;
    if (f->st.items_per_s <= 0)
        a = 1;
    f->st.bytes_per_s += a * (1000.0 * (double)f->window_bytes / (double)took - f->st.bytes_per_s);
    f->st.items_per_s += a * (1000.0 * (double)f->window_items / (double)took - f->st.items_per_s);
    f->rate_ms = now_ms;
    f->window_items = f->window_bytes = 0;
}
