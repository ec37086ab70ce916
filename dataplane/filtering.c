/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The address filter's way to the workers. Messages are taken in here, filters are made by a builder's thread, published here,
 * and given back to that thread to be freed when no worker can still be looking.
 */
#include "dataplane/filtering.h"

#include <stdlib.h>
#include <time.h>

#include <rte_rcu_qsbr.h>

#include "common/error.h"
#include "common/log.h"
#include "dataplane/builder.h"
#include "dataplane/core/filter_load.h"
#include "dataplane/runtime.h"

#define CHANGES_MAX 65536u /* waiting to be made */
#define JOBS_MAX 256u
#define RENEW_MS 5000u /* an overlay is merged into the tables after this time */
#define RENEW_DELTA (PN_FILTER_DELTA_MAX / 2) /* or when it has grown to this */

enum kind { LOAD, PATCH, RENEW };

struct filter_job {
    struct pn_build_job job; /* first */
    struct pn_filtering *f;
    enum kind kind;
    uint64_t taken_ns; /* when its message came */
    struct pn_filter_load load;
    struct pn_dp_filter_patch patch;
    struct pn_filter *result; /* NULL: err says why; RENEW: or there was nothing to do */
    uint64_t after; /* generation of the builder's newest then */
    struct pn_error err;
    /* Published, it stands for the filter before it: */
    struct pn_filter *old;
    uint64_t token;
    struct filter_job *next;
    struct pn_dp_prefix changes[];
};

struct pn_filtering {
    struct pn_dataplane *dp;
    struct pn_builder *builder;
    struct pn_filter *newest; /* the builder's alone */
    struct pn_filter *current; /* published; the newest or one before it */
    struct pn_filter_load load;
    uint64_t taken;
    unsigned queued, queued_loads;
    uint64_t queued_changes;
    struct filter_job *retired;
    uint64_t patched_ms; /* when what runs was first patched; 0: it is not */
    bool renewing;
    bool failed;
    uint32_t load_ms, patch_us;
    uint64_t changed_boottime_ns;
    struct pn_error err;
};

static uint64_t clock_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void patch_run(struct filter_job *j)
{
    struct pn_filtering *f = j->f;
    struct pn_filter *from = f->newest, *empty = NULL;

    if ((from ? from->generation : 0) != j->patch.from) {
        pn_error_set(&j->err, "filter: the set that it changes did not come to run");
        return;
    }
    if (!from) {
        struct pn_filter_set none[PN_FILTER_FAMILIES] = {{0}};
        from = empty = pn_filter_make(none, 0, 0, &j->err);
    }
    if (from)
        j->result =
            pn_filter_patch(from, j->changes, j->patch.count, j->patch.generation, j->patch.block_action, &j->err);
    pn_filter_free(empty);
}

static void job_run(struct pn_build_job *job)
{
    struct filter_job *j = (struct filter_job *)job;
    struct pn_filtering *f = j->f;

    if (j->kind == LOAD)
        j->result = pn_filter_load_make(&j->load, &j->err);
    else if (j->kind == PATCH)
        patch_run(j);
    else if (f->newest && pn_filter_is_patched(f->newest))
        j->result = pn_filter_renew(f->newest, &j->err);
    if (j->result)
        f->newest = j->result;
    j->after = f->newest ? f->newest->generation : 0;
}

static void job_free(struct filter_job *j)
{
    pn_filter_load_drop(&j->load);
    free(j);
}

/* Where filters are made they are freed: it may take milliseconds, and they share what they count. */
static void old_run(struct pn_build_job *job)
{
    struct filter_job *j = (struct filter_job *)job;

    pn_filter_free(j->old);
    job_free(j);
}

static void publish(struct filter_job *j)
{
    struct pn_filtering *f = j->f;
    struct pn_dataplane *dp = f->dp;
    struct pn_filter *now = j->result;

    j->old = f->current;
    f->current = now;
    atomic_store_explicit(&dp->shared->filter, now->empty ? NULL : now, memory_order_release);
    j->token = rte_rcu_qsbr_start(dp->qsbr);
    j->next = f->retired;
    f->retired = j;
    if (j->kind == RENEW || !pn_filter_is_patched(now))
        f->patched_ms = 0;
    else if (f->patched_ms == 0)
        f->patched_ms = dp->now_ms;
    if (j->kind == RENEW)
        return;
    f->changed_boottime_ns = clock_ns();
    uint64_t took_ns = f->changed_boottime_ns - j->taken_ns;
    f->failed = false;
    f->err.text[0] = '\0';
    if (j->kind == PATCH) {
        f->patch_us = (uint32_t)(took_ns / 1000);
        pn_log_debug("filter %llx: %u changes", (unsigned long long)now->generation, j->patch.count);
        return;
    }
    f->load_ms = (uint32_t)(took_ns / 1000000);
    pn_log_notice("filter: %u IPv4 and %u IPv6 prefixes blocked, %u and %u welcome, %s; made in %u ms, %zu MiB",
                  now->count[PN_FILTER_BLOCK][PN_FILTER_V4], now->count[PN_FILTER_BLOCK][PN_FILTER_V6],
                  now->count[PN_FILTER_WELCOME][PN_FILTER_V4], now->count[PN_FILTER_WELCOME][PN_FILTER_V6],
                  now->block_action == PN_FILTER_RESET ? "reset" : "drop", f->load_ms, pn_filter_bytes(now) >> 20);
}

static void job_done(struct pn_build_job *job)
{
    struct filter_job *j = (struct filter_job *)job;
    struct pn_filtering *f = j->f;

    if (j->kind == RENEW)
        f->renewing = false;
    else
        f->queued--;
    f->queued_loads -= j->kind == LOAD;
    f->queued_changes -= j->patch.count;
    if (j->result && !job->dropped) {
        publish(j);
        return;
    }
    if (j->err.text[0]) {
        pn_log_warning("%s; what ran before stays", j->err.text);
        if (j->kind != RENEW) {
            f->failed = true;
            f->err = j->err;
        }
        if (f->queued == 0)
            f->taken = j->after;
    }
    job_free(j);
}

static struct filter_job *job_new(struct pn_filtering *f, enum kind kind, unsigned changes)
{
    struct filter_job *j = calloc(1, sizeof(*j) + changes * sizeof(j->changes[0]));

    if (j) {
        j->job = (struct pn_build_job){.run = job_run, .done = job_done};
        j->f = f;
        j->kind = kind;
        j->taken_ns = clock_ns();
    }
    return j;
}

static void job_put(struct filter_job *j)
{
    struct pn_filtering *f = j->f;

    f->queued += j->kind != RENEW;
    f->queued_loads += j->kind == LOAD;
    f->queued_changes += j->patch.count;
    pn_builder_put(f->builder, &j->job);
}

static enum pn_dp_status refuse(struct pn_error *err, const char *why)
{
    pn_error_set(err, "filter: %s", why);
    return PN_DP_STATUS_REJECTED;
}

static enum pn_dp_status busy(struct pn_error *err)
{
    pn_error_set(err, "filter: too much waits to be made");
    return PN_DP_STATUS_BUSY;
}

enum pn_dp_status pn_filtering_begin(struct pn_dataplane *dp, const struct pn_dp_filter_begin *begin,
                                     struct pn_error *err)
{
    (void)err;
    pn_filter_load_begin(&dp->filtering->load, begin, dp->now_ms);
    return PN_DP_STATUS_OK;
}

enum pn_dp_status pn_filtering_add(struct pn_dataplane *dp, const struct pn_dp_filter_add *add,
                                   const struct pn_dp_prefix *prefixes, struct pn_error *err)
{
    return pn_filter_load_add(&dp->filtering->load, add, prefixes, dp->now_ms, err) ? PN_DP_STATUS_REJECTED
                                                                                    : PN_DP_STATUS_OK;
}

enum pn_dp_status pn_filtering_commit(struct pn_dataplane *dp, const struct pn_dp_filter_commit *commit,
                                      struct pn_error *err)
{
    struct pn_filtering *f = dp->filtering;

    if (pn_filter_load_whole(&f->load, commit, err))
        return PN_DP_STATUS_REJECTED;
    if (f->queued_loads || f->queued >= JOBS_MAX)
        return busy(err);
    struct filter_job *j = job_new(f, LOAD, 0);
    if (!j)
        return refuse(err, "no memory");
    j->load = f->load;
    f->load = (struct pn_filter_load){0};
    f->taken = commit->generation;
    job_put(j);
    return PN_DP_STATUS_OK;
}

enum pn_dp_status pn_filtering_patch(struct pn_dataplane *dp, const struct pn_dp_filter_patch *patch,
                                     const struct pn_dp_prefix *changes, struct pn_error *err)
{
    struct pn_filtering *f = dp->filtering;

    if (patch->from != f->taken) {
        pn_error_set(err, "filter: generation %llx is not what runs, %llx is", (unsigned long long)patch->from,
                     (unsigned long long)f->taken);
        return PN_DP_STATUS_REJECTED;
    }
    if (f->queued >= JOBS_MAX || f->queued_changes + patch->count > CHANGES_MAX)
        return busy(err);
    struct filter_job *j = job_new(f, PATCH, patch->count);
    if (!j)
        return refuse(err, "no memory");
    j->patch = *patch;
    memcpy(j->changes, changes, patch->count * sizeof(*changes));
    f->taken = patch->generation;
    job_put(j);
    return PN_DP_STATUS_OK;
}

void pn_filtering_get(const struct pn_dataplane *dp, struct pn_dp_filter *out)
{
    const struct pn_filtering *f = dp->filtering;
    const struct pn_filter *now = f->current;

    out->taken = f->taken;
    out->loading = f->load.generation;
    out->loading_count = f->load.count;
    out->state = f->queued ? PN_DP_FILTER_BUILDING : f->failed ? PN_DP_FILTER_FAILED : PN_DP_FILTER_IDLE;
    out->load_ms = f->load_ms;
    out->patch_us = f->patch_us;
    out->changed_boottime_ns = f->changed_boottime_ns;
    memcpy(out->error, f->err.text, sizeof(out->error));
    if (!now)
        return;
    out->generation = now->generation;
    memcpy(out->count, now->count, sizeof(out->count));
    out->block_action = now->block_action;
    out->memory_bytes = pn_filter_bytes(now);
}

void pn_filtering_ask(const struct pn_dataplane *dp, const struct pn_addr *client, struct pn_dp_filter_answer *out)
{
    pn_filter_ask(dp->filtering->current, client, out);
}

static void retired_free(struct pn_filtering *f, bool all)
{
    struct filter_job **at = &f->retired;

    while (*at) {
        struct filter_job *j = *at;
        if (!all && rte_rcu_qsbr_check(f->dp->qsbr, j->token, false) != 1) {
            at = &j->next;
            continue;
        }
        *at = j->next;
        j->job.run = old_run;
        j->job.done = NULL;
        if (all)
            old_run(&j->job);
        else
            pn_builder_put(f->builder, &j->job);
    }
}

void pn_filtering_tick(struct pn_dataplane *dp)
{
    struct pn_filtering *f = dp->filtering;

    if (f->retired)
        retired_free(f, false);
    if (pn_filter_load_expire(&f->load, dp->now_ms))
        pn_log_warning("filter: a set was begun but not finished: dropped");
    if (f->patched_ms == 0 || f->renewing || f->queued)
        return;
    size_t delta = f->current->delta[PN_FILTER_V4].n + f->current->delta[PN_FILTER_V6].n;
    if (delta < RENEW_DELTA && dp->now_ms - f->patched_ms < RENEW_MS)
        return;
    struct filter_job *j = job_new(f, RENEW, 0);
    f->patched_ms = dp->now_ms; /* without memory: again later */
    if (!j)
        return;
    f->renewing = true;
    job_put(j);
}

int pn_filtering_start(struct pn_dataplane *dp, struct pn_error *err)
{
    struct pn_filtering *f = calloc(1, sizeof(*f));

    if (!f)
        return pn_error_set(err, "filter: no memory");
    f->dp = dp;
    dp->filtering = f;
    f->builder = pn_builder_new(dp->loop, "pn-filter", err);
    return f->builder ? 0 : -1;
}

void pn_filtering_stop(struct pn_dataplane *dp)
{
    struct pn_filtering *f = dp->filtering;

    if (!f)
        return;
    pn_builder_free(f->builder);
    if (dp->shared)
        atomic_store_explicit(&dp->shared->filter, NULL, memory_order_release);
    retired_free(f, true);
    pn_filter_free(f->current);
    pn_filter_load_drop(&f->load);
    free(f);
    dp->filtering = NULL;
}
