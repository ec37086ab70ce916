/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages that come in pieces from callers which ask again and again, and records. On the writer's loop. */
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/view/clock.h"

static void intake_free(struct pn_qa_intake *i)
{
    pn_spool_abort(i->intake);
    free(i->about);
    *i = (struct pn_qa_intake){.number = 0};
}

static struct pn_qa_intake *intake_find(struct pn_quarantine_actor *a, uint64_t number)
{
    for (unsigned i = 0; i < PN_QUARANTINE_INTAKES_MAX; i++)
        if (a->intakes[i].number == number)
            return &a->intakes[i];
    return NULL;
}

void pn_qa_intakes_forget(struct pn_quarantine_actor *a, bool all)
{
    uint64_t now_ms = pn_clock_ms();

    for (unsigned i = 0; i < PN_QUARANTINE_INTAKES_MAX; i++)
        if (a->intakes[i].number && (all || now_ms - a->intakes[i].used_ms > PN_QUARANTINE_INTAKE_IDLE_MS))
            intake_free(&a->intakes[i]);
}

uint64_t pn_quarantine_intake_begin(struct pn_quarantine_actor *a, const pn_q_item *about, uint64_t size_hint_bytes,
                                    bool *full, struct pn_error *err)
{
    struct pn_spool *s = pn_quarantine_actor_spool(a, err);
    struct pn_qa_intake *i = intake_find(a, 0);

    *full = false;
    if (!s || pn_q_item_check(about, false, err) < 0)
        return 0;
    if (!i) {
        pn_error_set(err, "too many messages are being handed in at a time");
        return 0;
    }
    i->about = pn_q_item_encode(about, &i->about_len);
    i->intake = i->about ? pn_spool_begin(s, size_hint_bytes, full, err) : NULL;
    if (!i->intake) {
        if (!i->about)
            pn_error_set(err, "out of memory");
        intake_free(i);
        return 0;
    }
    i->number = ++a->intake_last;
    i->used_ms = pn_clock_ms();
    return i->number;
}

int pn_quarantine_intake_data(struct pn_quarantine_actor *a, uint64_t number, const void *bytes, size_t len,
                              struct pn_error *err)
{
    struct pn_qa_intake *i = number ? intake_find(a, number) : NULL;

    if (!i)
        return pn_error_set(err, "no such message is being handed in (it was left alone for too long, or posternd was "
                                 "restarted)");
    i->used_ms = pn_clock_ms();
    if (pn_spool_append(i->intake, bytes, len, err) == 0)
        return 0;
    intake_free(i);
    return -1;
}

int pn_quarantine_intake_end(struct pn_quarantine_actor *a, uint64_t number, pn_spool_done *done, void *arg,
                             struct pn_error *err)
{
    struct pn_qa_intake *i = number ? intake_find(a, number) : NULL;
    struct pn_pb_budget budget;
    pn_q_item *about;
    int rc = -1;

    if (!i)
        return pn_error_set(err, "no such message is being handed in");
    about = pn_pb_unpack(&budget, &pn__q__item__descriptor, i->about, i->about_len, SIZE_MAX);
    if (about) {
        rc = pn_spool_end(i->intake, about, done, arg, err);
        i->intake = NULL; /* queued, or gone */
        pn_pb_free(&budget, about);
    } else {
        pn_error_set(err, "out of memory");
    }
    intake_free(i);
    if (rc == 0)
        pn_quarantine_actor_queued(a);
    return rc;
}

void pn_quarantine_intake_abort(struct pn_quarantine_actor *a, uint64_t number)
{
    struct pn_qa_intake *i = number ? intake_find(a, number) : NULL;

    if (i)
        intake_free(i);
}

int pn_quarantine_record(struct pn_quarantine_actor *a, const pn_q_item *record, pn_spool_done *done, void *arg,
                         struct pn_error *err)
{
    struct pn_spool *s = pn_quarantine_actor_spool(a, err);

    if (!s || pn_spool_record(s, record, done, arg, err) < 0)
        return -1;
    pn_quarantine_actor_queued(a);
    return 0;
}
