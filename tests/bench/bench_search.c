/* SPDX-License-Identifier: BSD-3-Clause */
/* Searches in a host's store. usage: bench_search FOLDER [ITEMS] [SEARCHES [CONNECTION]]
 * CONNECTION: of a PostgreSQL database, as libpq says it; otherwise the embedded store in FOLDER. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/hash.h"
#include "controlplane/quarantine/hostdb.h"

#include "../unit/quarantine_fixture.h"

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int each(void *arg, const struct pn_host_row *row)
{
    (void)row;
    ++*(unsigned long *)arg;
    return 0;
}

static int by_value(const void *a, const void *b)
{
    double d = *(const double *)a - *(const double *)b;
    return d < 0 ? -1 : d > 0;
}

static void fill_one(const struct pn_hostdb_ops *ops, struct pn_hostdb *db, unsigned i, uint64_t *random,
                     struct pn_error *err)
{
    char sender[64], rcpt[64], subject[80], rule[32], node[16], headers[400];
    char *rcpts[] = {rcpt};
    uint8_t sha[PN_Q_SHA_BYTES] = {0};
    pn_q_item item = PN__Q__ITEM__INIT;
    uint64_t r = pn_hash_split(random);

    memcpy(sha, &r, sizeof(r));
    snprintf(sender, sizeof(sender), "s%u@d%u.example", (unsigned)(r % 50000), (unsigned)(r % 5000));
    snprintf(rcpt, sizeof(rcpt), "u%u@example.net", (unsigned)(r >> 20) % 20000);
    snprintf(subject, sizeof(subject), "invoice %u for word%u", i, (unsigned)(r >> 40) % 10000);
    snprintf(rule, sizeof(rule), "rule%u", (unsigned)(r >> 30) % 300);
    snprintf(node, sizeof(node), "mx%u", i % 4 + 1);
    snprintf(headers, sizeof(headers),
             "Received: from h%u.example\nFrom: <%s>\nTo: <%s>\nSubject: %s\nMessage-ID: <m%u@h%u>\n",
             (unsigned)(r % 3000), sender, rcpt, subject, i, (unsigned)(r % 3000));
    item.node = node;
    item.sequence = i + 1;
    item.sha256 = (ProtobufCBinaryData){sizeof(sha), sha};
    item.kind = PN_Q_MESSAGE;
    item.sender = sender;
    item.recipients = rcpts;
    item.n_recipients = 1;
    item.subject = subject;
    item.rule = rule;
    item.reason = (char *)"spam score";
    item.received_ms = 1700000000000ull + 1000ull * i;
    if (ops->insert(db, &item, 9000, headers, item.received_ms, err) != 1)
        fprintf(stderr, "%s\n", err->text);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"sender",      "@domain", "recipient",  "subject words",
                                        "header text", "rule",    "node + day", "newest"};
    unsigned n = argc > 2 ? (unsigned)atoi(argv[2]) : 1000000, searches = argc > 3 ? (unsigned)atoi(argv[3]) : 800;
    const struct pn_hostdb_ops *ops = &pn_hostdb_sqlite;
    struct pn_hostdb *db;
    struct pn_error err;
    uint64_t random = 42;
    char dir[400], path[420], a[64], b[64];
    unsigned long rows = 0;

    if (argc < 2 || n < 10 || searches < 8) {
        fprintf(stderr, "usage: %s FOLDER [ITEMS] [SEARCHES [CONNECTION]]\n", argv[0]);
        return 2;
    }
    snprintf(dir, sizeof(dir), "%s/bench-search.%d", argv[1], (int)getpid());
    snprintf(path, sizeof(path), "%s/host.db", dir);
#ifdef PN_HAVE_POSTGRESQL
    if (argc > 4)
        ops = &pn_hostdb_postgresql;
#endif
    struct pn_hostdb_options o = {.where = argc > 4 ? argv[4] : path};
    if (mkdir(dir, 0700) != 0 || ops->open(&o, &db, &err) != 0) {
        perror(dir);
        return 1;
    }
    double start = now();
    for (unsigned i = 0; i < n;) {
        ops->begin(db, &err);
        for (unsigned k = 0; k < 2000 && i < n; k++, i++)
            fill_one(ops, db, i, &random, &err);
        if (ops->commit(db, &err) != 0)
            fprintf(stderr, "%s\n", err.text);
    }
    printf("%u items stored, %.0f/s\n", n, n / (now() - start));
    double *took = calloc(searches, sizeof(*took)), worst[8] = {0};
    for (unsigned i = 0; took && i < searches; i++) {
        struct pn_host_query q = PN_HOST_QUERY_ANY;
        unsigned r = (unsigned)(pn_hash_split(&random) % 1000000), kind = i % 8;
        snprintf(a, sizeof(a), "s%u@d%u.example", r % 50000, r % 5000);
        snprintf(b, sizeof(b), "word%u", r % 10000);
        switch (kind) {
        case 0:
            q.sender = a;
            break;
        case 1:
            q.sender = strchr(a, '@');
            break;
        case 2:
            snprintf(a, sizeof(a), "u%u@example.net", r % 20000), q.recipient = a;
            break;
        case 3:
            q.subject = b;
            break;
        case 4:
            snprintf(b, sizeof(b), "invoice h%u.example", r % 3000), q.text = b;
            break;
        case 5:
            snprintf(a, sizeof(a), "rule%u", r % 300), q.rule = a;
            break;
        case 6:
            q.node = "mx2";
            q.from_ms = 1700000000000ull + 1000ull * (r % n);
            q.to_ms = q.from_ms + 86400000;
            break;
        default:
            q.before = r % n;
            break;
        }
        double t = now();
        if (ops->find(db, &q, each, &rows, &err) != 0)
            fprintf(stderr, "%s\n", err.text);
        took[i] = 1000 * (now() - t);
        if (took[i] > worst[kind])
            worst[kind] = took[i];
    }
    for (unsigned k = 0; k < 8; k++)
        printf("  %-14s worst %8.2f ms\n", names[k], worst[k]);
    qsort(took, searches, sizeof(*took), by_value);
    printf("%u searches, %lu rows: median %.2f ms, p99 %.2f ms, worst %.2f ms\n", searches, rows, took[searches / 2],
           took[searches * 99 / 100], took[searches - 1]);
    free(took);
    for (unsigned days = 1; days <= 30; days += 29) {
        struct pn_report_ask ask = {.from_ms = 1700000000000ull, .to_ms = 1700000000000ull + days * 86400000ull};
        struct pn_report *report = pn_report_new(&ask, &err);
        double t0 = now();
        if (report == NULL || ops->report(db, report, &err) != 0)
            fprintf(stderr, "%s\n", err.text);
        else
            printf("report of %2u days: %8.2f ms, %llu quarantined\n", days, 1e3 * (now() - t0),
                   (unsigned long long)report->total.event[PN_Q_EVENT_QUARANTINED].count);
        pn_report_free(report);
    }
    ops->close(db);
    fixture_remove(dir);
    return 0;
}
