/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The daily round of digests: the reader finds who is due and makes their mail, the keeper notes who had theirs. One
 * recipient after the other; host.h says what a crash in between costs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/quarantine/digest.h"
#include "controlplane/view/clock.h"

#define PAGE 50u
#define LAST "digest.last"
#define RETRY_MS 1800000u /* after a round in which some got nothing */
#define KEY_MS (30 * 86400000ull)

struct due {
    char address[PN_Q_ADDRESS_MAX + 1];
    uint64_t upto;
};

struct digest {
    struct pn_quarantine_actor *actor;
    bool dry_run;
    uint64_t top, store;
    char from[PN_CONF_TEXT_BYTES], url[PN_CONF_TEXT_BYTES];
    uint64_t expiry_ms;
    struct pn_qa_ways ways;
    struct pn_qlink_keys keys;
    struct due page[PAGE];
    unsigned n, at;
    char after[PN_Q_ADDRESS_MAX + 1];
    struct pn_quarantine_digest_sum sum;
    pn_quarantine_digest_each *each;
    pn_quarantine_digest_done *done;
    void *arg;
};

static uint64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static int64_t offset_ms(void)
{
    time_t now = time(NULL);
    struct tm tm;

    localtime_r(&now, &tm);
    return (int64_t)tm.tm_gmtoff * 1000;
}

/* ---- the end, on the keeper ---- */

static void round_end(void *arg)
{
    struct digest *d = arg;
    struct pn_quarantine_actor *a = d->actor;
    struct pn_error err = {""};

    if (!d->dry_run && d->sum.failed == 0 && !d->sum.problem[0] && a->host &&
        pn_host_digest_end(a->host, d->top, &err) < 0)
        snprintf(d->sum.problem, sizeof(d->sum.problem), "%s", err.text);
    if (!d->dry_run && (d->sum.sent || d->sum.failed || d->sum.problem[0]))
        pn_qa_event(a, d->sum.failed || d->sum.problem[0] ? PN_LOG_WARNING : PN_LOG_NOTICE, "digest",
                    "%u sent, %u not%s%s", d->sum.sent, d->sum.failed, d->sum.problem[0] ? ": " : "", d->sum.problem);
    if (!d->dry_run && (d->sum.failed || d->sum.problem[0])) {
        a->digest_retry_ms = pn_clock_ms() + RETRY_MS;
        a->digest_top = d->top;
    }
    a->digest_running = false;
    if (d->done)
        d->done(d->arg, &d->sum);
    pn_qlink_keys_wipe(&d->keys);
    free(d);
}

static void finish(struct digest *d)
{
    if (pn_loop_call(d->actor->keeper, round_end, d) < 0)
        round_end(d);
}

/* ---- one recipient, on the reader ---- */

static void step(void *arg);

static void next(struct digest *d)
{
    d->at++;
    if (pn_loop_call(d->actor->reader, step, d) < 0)
        finish(d);
}

static void mark(void *arg)
{
    struct digest *d = arg;
    struct pn_error err = {"the store is closed"};

    if (!d->actor->host || pn_host_digest_mark(d->actor->host, d->page[d->at].address, d->top, &err) < 0)
        snprintf(d->sum.problem, sizeof(d->sum.problem), "%s", err.text);
    next(d);
}

static void undeliverable(struct digest *d)
{
    d->sum.refused++;
    snprintf(d->sum.last, sizeof(d->sum.last), "%.100s: no address for a mail", d->page[d->at].address);
    if (d->dry_run)
        next(d);
    else if (pn_loop_call(d->actor->keeper, mark, d) < 0)
        mark(d);
}

static void on_mailed(void *arg, enum pn_smtp_out_status status, const char *text)
{
    struct digest *d = arg;
    bool had = status == PN_SMTP_OUT_ACCEPTED || status == PN_SMTP_OUT_PERMANENT;

    if (status == PN_SMTP_OUT_ACCEPTED) {
        d->sum.sent++;
    } else {
        d->sum.failed += !had;
        d->sum.refused += had;
        pn_log_limited(10000, PN_LOG_WARNING, "quarantine: digest for %s: %s", d->page[d->at].address, text);
        snprintf(d->sum.last, sizeof(d->sum.last), "%.100s: %.150s", d->page[d->at].address, text);
    }
    if (!had)
        next(d);
    else if (pn_loop_call(d->actor->keeper, mark, d) < 0)
        mark(d);
}

/* NULL: nothing is due after all, or err says why not. */
static char *make(struct digest *d, struct pn_host *store, size_t *len, unsigned *items, struct pn_error *err)
{
    const struct due *due = &d->page[d->at];
    const char *domain = strrchr(d->from, '@');
    struct pn_qdigest_options o = {.recipient = due->address,
                                   .sender = d->from,
                                   .base_url = d->url[0] ? d->url : NULL,
                                   .message_id_domain = domain ? domain + 1 : "localhost",
                                   .note = d->url[0] ? NULL : "Ask your mail administrator for messages that you miss.",
                                   .store = d->store,
                                   .now_ms = wall_ms(),
                                   .expiry_ms = wall_ms() + d->expiry_ms,
                                   .offset_ms = offset_ms(),
                                   .release_whitelist = true};
    struct pn_host_query q = PN_HOST_QUERY_ANY;
    struct pn_qdigest *digest = pn_qdigest_new(&o, &d->keys, err);
    char *text = NULL;

    *items = 0;
    if (!digest)
        return NULL;
    q.recipient = due->address;
    q.after = due->upto;
    q.before = d->top + 1;
    q.unseen = true;
    q.kind = PN_Q_MESSAGE;
    q.state = PN_HOST_NEW;
    q.limit = 1000;
    if (pn_host_find(store, &q, pn_qdigest_add_row, digest, err) == 0 && (*items = pn_qdigest_items(digest)) > 0)
        text = pn_qdigest_text(digest, len, err);
    pn_qdigest_free(digest);
    return text;
}

static int page_add(void *arg, const char *address, uint64_t upto)
{
    struct digest *d = arg;

    snprintf(d->page[d->n].address, sizeof(d->page[0].address), "%s", address);
    d->page[d->n].upto = upto;
    return ++d->n == PAGE;
}

/* 1: there is one at d->at; 0: nobody is left; -1 with err. */
static int page_at(struct digest *d, struct pn_host *store, struct pn_error *err)
{
    if (d->at < d->n)
        return 1;
    d->n = d->at = 0;
    if (pn_host_digest_due(store, d->top, d->after, PAGE, page_add, d, err) < 0)
        return -1;
    if (d->n)
        memcpy(d->after, d->page[d->n - 1].address, sizeof(d->after));
    return d->n > 0;
}

static void step(void *arg)
{
    struct digest *d = arg;
    struct pn_error err = {""};
    struct pn_host *store = pn_quarantine_actor_store(d->actor, &err);
    int rc = store ? page_at(d, store, &err) : -1;
    unsigned items = 0;
    size_t len = 0;

    if (rc <= 0) {
        if (rc < 0)
            snprintf(d->sum.problem, sizeof(d->sum.problem), "%s", err.text);
        finish(d);
        return;
    }
    err.text[0] = '\0';
    char *to = d->page[d->at].address;
    if (!pn_qdigest_address_ok(to)) { /* nobody can be reached there, today or tomorrow */
        undeliverable(d);
        return;
    }
    char *text = make(d, store, &len, &items, &err);
    d->sum.recipients += items > 0;
    d->sum.items += items;
    if (d->dry_run && items && d->each)
        d->each(d->arg, to, items);
    if (text && !d->dry_run) {
        if (pn_qa_mail_send(d->actor, &d->ways, d->from, &to, 1, (uint8_t *)text, len, on_mailed, d, &err) == 0)
            return;
        text = NULL; /* it was taken over */
    }
    free(text);
    if (err.text[0]) {
        d->sum.failed++;
        snprintf(d->sum.last, sizeof(d->sum.last), "%.100s: %.150s", to, err.text);
    }
    next(d);
}

/* ---- the beginning, on the keeper ---- */

/* top: of a round that is to be finished, so that those who had theirs get no second one; 0: of all that is there. */
static int run(struct pn_quarantine_actor *a, uint64_t top, bool dry_run, pn_quarantine_digest_each *each,
               pn_quarantine_digest_done *done, void *arg, struct pn_error *err)
{
    const struct pn_conf_quarantine *c = &a->host_settings.conf;
    struct pn_host *host = pn_quarantine_actor_host(a, err);
    struct pn_hostdb_totals totals;
    char path[PN_QA_PATH_BYTES + 16];
    struct digest *d;

    if (!host)
        return -1;
    if (!c->digest_from[0])
        return pn_error_set(err, "quarantine.digest-from is not set");
    if (a->digest_running)
        return pn_error_set(err, "a round of digests is under way");
    if (pn_host_totals(host, &totals) < 0) {
        struct pn_hostdb_health health;
        pn_host_health(host, &health);
        return pn_error_set(err, "the store cannot be read%s%.200s", health.text[0] ? ": " : "", health.text);
    }
    if (!(d = calloc(1, sizeof(*d))))
        return pn_error_set(err, "out of memory");
    *d = (struct digest){.actor = a,
                         .dry_run = dry_run,
                         .top = top ? top : totals.last,
                         .store = pn_host_store(host),
                         .expiry_ms = 1000ull * c->digest_expiry_s,
                         .each = each,
                         .done = done,
                         .arg = arg};
    memcpy(d->from, c->digest_from, sizeof(d->from));
    memcpy(d->url, c->digest_url, sizeof(d->url));
    pn_qa_ways(a, a->host_settings.node, &d->ways);
    snprintf(path, sizeof(path), "%s/links.key", a->store_path);
    uint64_t every_ms = d->expiry_ms > KEY_MS ? d->expiry_ms : KEY_MS;
    if (pn_qlink_keys_load(path, wall_ms(), &d->keys, err) < 0 ||
        pn_qlink_keys_rotate(path, wall_ms(), every_ms, &d->keys, err) < 0 ||
        (!dry_run && pn_host_mark_set(host, LAST, wall_ms(), err) < 0) || pn_loop_call(a->reader, step, d) < 0) {
        pn_qlink_keys_wipe(&d->keys);
        free(d);
        return -1;
    }
    a->digest_running = true;
    return 0;
}

int pn_quarantine_digest_run(struct pn_quarantine_actor *a, bool dry_run, pn_quarantine_digest_each *each,
                             pn_quarantine_digest_done *done, void *arg, struct pn_error *err)
{
    return run(a, 0, dry_run, each, done, arg, err);
}

void pn_qa_digest_second(struct pn_quarantine_actor *a)
{
    const struct pn_conf_quarantine *c = &a->host_settings.conf;
    unsigned hour = 7, minute = 0;
    struct pn_error err;

    if (!c->digest || a->digest_running)
        return;
    sscanf(c->digest_at, "%2u:%2u", &hour, &minute);
    bool again = a->digest_retry_ms && pn_clock_ms() >= a->digest_retry_ms;
    uint64_t last = pn_host_mark_get(a->host, LAST, 0), now_ms = wall_ms();
    if (last == 0) { /* the first one comes at its time, not at the start */
        pn_host_mark_set(a->host, LAST, now_ms, NULL);
        return;
    }
    bool due = now_ms >= pn_qdigest_due_ms(last, now_ms, hour * 60 + minute, offset_ms());
    if (!again && !due)
        return;
    a->digest_retry_ms = 0;
    if (run(a, due ? 0 : a->digest_top, false, NULL, NULL, NULL, &err) == 0)
        return;
    pn_qa_event(a, PN_LOG_ERROR, "digest", "%s", err.text);
    a->digest_retry_ms = pn_clock_ms() + RETRY_MS;
}

int pn_quarantine_link(struct pn_quarantine_actor *a, const char *token, struct pn_qlink *out, struct pn_error *err)
{
    struct pn_host *host = pn_quarantine_actor_host(a, err);
    char path[PN_QA_PATH_BYTES + 16];
    struct pn_qlink_keys keys;
    int rc;

    if (!host)
        return -1;
    snprintf(path, sizeof(path), "%s/links.key", a->store_path);
    if (pn_qlink_keys_load(path, wall_ms(), &keys, err) < 0)
        return -1;
    rc = pn_qlink_verify(&keys, pn_host_store(host), wall_ms(), token, out, err);
    pn_qlink_keys_wipe(&keys);
    return rc;
}
