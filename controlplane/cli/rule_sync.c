/* SPDX-License-Identifier: BSD-3-Clause */
/* How the rules stand, here and on the other nodes. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/rule.h"

#define POLL_US 50000

static void peers_print(struct pn_cli *cli, const json_t *peers)
{
    struct pn_table *t =
        pn_table_new(cli, "NODE", "STATE", ">BEHIND FOR", ">SKEW", ">SENT", ">RECEIVED", "DIFFERS", NULL);
    char lag[PN_FMT_BYTES], skew[PN_FMT_BYTES], in[PN_FMT_BYTES], out[PN_FMT_BYTES], differs[256];
    json_t *p;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)peers, i, p)
    {
        const char *state = pn_js(p, "state");
        bool equal = pn_jb(p, "equal");
        int64_t ms = pn_ji(p, "skew_ms");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "node"));
        pn_table_cell(t,
                      equal                                                         ? PN_GREEN
                      : strcmp(state, "down") == 0 || strcmp(state, "refused") == 0 ? PN_RED
                                                                                    : PN_YELLOW,
                      "%s", pn_js(p, "state"));
        pn_table_cell(t, PN_PLAIN, "%s",
                      equal                   ? ""
                      : pn_jnull(p, "lag_ms") ? "ever"
                                              : pn_fmt_duration(pn_ji(p, "lag_ms"), lag));
        if (pn_jnull(p, "skew_ms"))
            snprintf(skew, sizeof(skew), "-");
        else
            snprintf(skew, sizeof(skew), "%lld ms", (long long)ms);
        pn_table_cell(t, pn_jb(p, "skew_alarm") ? PN_RED : PN_PLAIN, "%s", skew);
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(p, "sent_bytes"), out));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(p, "received_bytes"), in));
        pn_table_cell(t, PN_PLAIN, "%s",
                      *pn_js(p, "problem") && strcmp(state, "refused") == 0
                          ? pn_js(p, "problem")
                          : pn_fmt_list(pn_jo(p, "differ"), differs, sizeof(differs)));
    }
    pn_table_print(t, stdout);
}

/* What somebody should see to. */
static void warnings_print(const json_t *r)
{
    char text[PN_FMT_BYTES];
    json_t *p;
    size_t i;

    if (pn_ji(r, "held"))
        printf("\n%s from clocks that run ahead: postern rule held\n", pn_fmt_count(pn_ji(r, "held"), text));
    if (pn_ji(r, "review"))
        printf("\n%s to review: postern rule review\n", pn_fmt_count(pn_ji(r, "review"), text));
    if (pn_ji(r, "clock_ahead_ms"))
        printf("\nchanges made here are stamped %s ahead of the clock: it was set back (postern rule reset-clock)\n",
               pn_fmt_duration(pn_ji(r, "clock_ahead_ms"), text));
    json_array_foreach(pn_jo(r, "peers"), i, p)
    {
        if (pn_jb(p, "skew_alarm"))
            printf("\nthe clock of %s and ours are %s apart: see to the time service\n", pn_js(p, "node"),
                   pn_fmt_duration(pn_ji(p, "skew_ms") < 0 ? -pn_ji(p, "skew_ms") : pn_ji(p, "skew_ms"), text));
        if (pn_ji(p, "bad_entries"))
            printf("\n%s of %s were not taken, they are not in order: see the log\n",
                   pn_fmt_count(pn_ji(p, "bad_entries"), text), pn_js(p, "node"));
    }
    if (pn_ji(r, "errors"))
        printf("\n%s of the database since the start, the last: %s\n", pn_fmt_count(pn_ji(r, "errors"), text),
               pn_js(r, "last_error"));
}

/* What of the IP lists keeps clients out already before they speak. */
static void filter_print(const json_t *f)
{
    char blocked[PN_FMT_BYTES], welcomed[PN_FMT_BYTES];

    if (!pn_jb(f, "known")) {
        puts("\nfilter: the dataplane does not answer; it has the networks again once it does");
        return;
    }
    printf("\nfilter: %s blocked (%s) and %s welcomed networks in the dataplane%s\n",
           pn_fmt_count(pn_ji(f, "blocked_v4") + pn_ji(f, "blocked_v6"), blocked), pn_js(f, "action"),
           pn_fmt_count(pn_ji(f, "welcomed_v4") + pn_ji(f, "welcomed_v6"), welcomed),
           pn_jb(f, "loading") ? "; a new set is being loaded" : "");
    if (*pn_js(f, "problem"))
        printf("filter: the newest networks are not in it: %s\n", pn_js(f, "problem"));
}

static void lists_print(struct pn_cli *cli, const json_t *r)
{
    struct pn_table *t = pn_table_new(cli, "LIST", ">ENTRIES", ">DELETED", "SYNCHRONISED", "DIGEST", NULL);
    char count[PN_FMT_BYTES];
    json_t *l;
    size_t i;

    json_array_foreach(pn_jo(r, "lists"), i, l)
    {
        bool on = pn_jb(l, "synchronised");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(l, "list"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_count(pn_ji(l, "entries"), count));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_count(pn_ji(l, "deleted"), count));
        pn_table_cell(t, on ? PN_PLAIN : PN_YELLOW, "%s", on ? "yes" : "no");
        pn_table_cell(t, PN_PLAIN, "%.12s", pn_js(l, "digest"));
    }
    pn_table_print(t, stdout);
}

int pn_cli_rule_status(struct pn_cli *cli, int argc, char *argv[])
{
    char entries[PN_FMT_BYTES], deleted[PN_FMT_BYTES];
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "rule status", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    if (!pn_jb(r, "open")) {
        printf("no rules on this node: %s\n", pn_js(r, "problem"));
        json_decref(r);
        return PN_EXIT_UNREACHABLE;
    }
    printf("node %s: %s entries and rules, %s deletions kept%s\n\n", pn_js(r, "node"),
           pn_fmt_count(pn_ji(r, "entries"), entries), pn_fmt_count(pn_ji(r, "deleted"), deleted),
           pn_jb(r, "clustered") ? "" : "; in no cluster");
    lists_print(cli, r);
    if (json_array_size(pn_jo(r, "peers"))) {
        putchar('\n');
        peers_print(cli, pn_jo(r, "peers"));
    }
    if (!pn_jnull(r, "filter"))
        filter_print(pn_jo(r, "filter"));
    warnings_print(r);
    json_decref(r);
    return PN_EXIT_OK;
}

static int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int pn_cli_rule_sync(struct pn_cli *cli, int argc, char *argv[])
{
    const char *timeout_text = NULL;
    bool wait = false, equal;
    const struct pn_cli_option options[] = {
        {"wait", 'w', NULL, &wait}, {"timeout", 0, &timeout_text, NULL}, {NULL, 0, NULL, NULL}};
    long timeout = 60;
    int64_t start = now_ms();
    json_t *r = NULL;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 ||
        (timeout_text && pn_cli_number(cli, "timeout", timeout_text, 1, 86400, &timeout) < 0))
        return PN_EXIT_USAGE;
    /* The first question makes the nodes compare; the second hears what came of it. */
    for (unsigned tries = 0;; tries++) {
        json_decref(r);
        status = pn_cli_call(cli, tries % 4 == 0 ? "rule sync" : "rule status", NULL, &r);
        if (status != PN_EXIT_OK)
            return status;
        equal = pn_jb(r, "equal");
        if ((equal && tries > 0) || !pn_jb(r, "clustered") || (!wait && tries >= 4) ||
            now_ms() - start > timeout * 1000)
            break;
        usleep(POLL_US);
    }
    status = equal || !wait || !pn_jb(r, "clustered") ? PN_EXIT_OK : PN_EXIT_TIMEOUT;
    if (cli->json) {
        pn_cli_print_json(r);
        return status;
    }
    if (!pn_jb(r, "clustered"))
        puts("this node is in no cluster: there is nobody to synchronise with");
    else if (equal)
        puts(json_array_size(pn_jo(r, "peers")) == 1 ? "both nodes have the same" : "all nodes have the same");
    else
        peers_print(cli, pn_jo(r, "peers"));
    if (status == PN_EXIT_TIMEOUT)
        fprintf(stderr, "postern: not all nodes have the same after %ld s\n", timeout);
    json_decref(r);
    return status;
}
