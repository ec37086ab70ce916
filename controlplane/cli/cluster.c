/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster as it is: cluster status and members, the perimeter. */
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "controlplane/cli/cli.h"

static void note(const struct pn_cli *cli, enum pn_color color, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void note(const struct pn_cli *cli, enum pn_color color, const char *format, ...)
{
    va_list args;

    printf("%s! ", pn_color_on(cli, color));
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    printf("%s\n", pn_color_off(cli, color));
}

static void equal_cell(struct pn_table *t, const json_t *peer, const char *key)
{
    bool known = !pn_jnull(peer, key), equal = pn_jb(peer, key);

    pn_table_cell(t, known && !equal ? PN_YELLOW : PN_PLAIN, "%s", !known ? "-" : equal ? "equal" : "differ");
}

static const char *fmt_us(int64_t us, char buf[PN_FMT_BYTES])
{
    if (us < 0 ? us > -10000000 : us < 10000000)
        snprintf(buf, PN_FMT_BYTES, "%.1f ms", (double)us / 1e3);
    else
        snprintf(buf, PN_FMT_BYTES, "%.1f s", (double)us / 1e6);
    return buf;
}

static void peer_table(const struct pn_cli *cli, const json_t *peers)
{
    struct pn_table *t = pn_table_new(cli, "PEER", "LINK", ">FOR", ">RTT", ">HEARD", ">QUEUED", ">CLOCK", "MEMBERS",
                                      "KEYS", "RULES", "VERSION", "PROBLEM", NULL);
    char a[PN_FMT_BYTES], b[PN_FMT_BYTES];
    json_t *p;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)peers, i, p)
    {
        bool up = strcmp(pn_js(p, "link"), "up") == 0;
        const char *reason = pn_js(p, "reason");

        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "name"));
        pn_table_cell(t, up ? PN_GREEN : PN_RED, "%s", up ? "up" : "down");
        pn_table_cell(t, PN_PLAIN, "%s", pn_jnull(p, "since_ms") ? "-" : pn_fmt_duration(pn_ji(p, "since_ms"), a));
        pn_table_cell(t, PN_PLAIN, "%s", up && !pn_jnull(p, "rtt_us") ? fmt_us(pn_ji(p, "rtt_us"), a) : "-");
        pn_table_cell(t, PN_PLAIN, "%s",
                      pn_jnull(p, "heard_ago_ms") ? "-" : pn_fmt_duration(pn_ji(p, "heard_ago_ms"), a));
        pn_table_cell(t, PN_PLAIN, "%s", up ? pn_fmt_bytes((double)pn_ji(p, "queued_bytes"), a) : "-");
        pn_table_cell(t, pn_jb(p, "skewed") ? PN_RED : PN_PLAIN, "%s%s", up && pn_ji(p, "skew_us") > 0 ? "+" : "",
                      up && !pn_jnull(p, "skew_us") ? fmt_us(pn_ji(p, "skew_us"), b) : "-");
        equal_cell(t, p, "members_equal");
        equal_cell(t, p, "keys_equal");
        equal_cell(t, p, "rules_equal");
        pn_table_cell(t, PN_PLAIN, "%s", *pn_js(p, "version") ? pn_js(p, "version") : "-");
        pn_table_cell(t, PN_RED, "%s", up ? "" : *reason ? reason : "not reached yet");
    }
    pn_table_print(t, stdout);
}

static void keys_line(const struct pn_cli *cli, const json_t *keys)
{
    const char *phase = pn_js(keys, "phase"), *sender = pn_js(keys, "heartbeats");

    printf("keys: epoch %lld, ", (long long)pn_ji(keys, "epoch"));
    if (strcmp(phase, "stable") == 0)
        printf("stable");
    else
        printf("rotating (%s): goes on when all members are connected", phase);
    if (strcmp(sender, "cluster") == 0)
        printf("; heartbeats are sent with them%s",
               pn_jb(keys, "file") ? ", the key file's are received too and may go" : "");
    else if (strcmp(sender, "file") == 0)
        printf("; heartbeats are sent with the key file's until all nodes are members");
    putchar('\n');
    if (strcmp(sender, "none") == 0)
        note(cli, PN_RED, "no key for heartbeats: this node owns no VIP");
}

static void strays(const struct pn_cli *cli, const json_t *list, const char *format)
{
    json_t *name;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)list, i, name)
    {
        printf("%s! %s %s%s\n", pn_color_on(cli, PN_YELLOW), json_string_value(name), format,
               pn_color_off(cli, PN_YELLOW));
    }
}

static void status_print(const struct pn_cli *cli, const json_t *r)
{
    const json_t *peers = pn_jo(r, "peers"), *cert = pn_jo(r, "certificate");
    const char *state = pn_js(r, "state");
    unsigned up = 0;
    json_t *p;
    size_t i;

    if (strcmp(state, "none") == 0) {
        printf("%s is in no cluster.\n"
               "  to make one: postern cluster init NAME\n"
               "  to join one: postern cluster invite on a member, then here postern cluster join TOKEN\n",
               pn_js(r, "node"));
        if (strcmp(pn_js(pn_jo(r, "keys"), "heartbeats"), "none") == 0)
            note(cli, PN_RED, "no key for heartbeats: this node owns no VIP");
        return;
    }
    if (strcmp(state, "removed") == 0) {
        note(cli, PN_RED, "%s was removed from the cluster %s. To come back: postern cluster invite on a member,",
             pn_js(r, "node"), pn_js(r, "cluster"));
        puts("  postern cluster join TOKEN here.");
        return;
    }
    json_array_foreach(peers, i, p) up += strcmp(pn_js(p, "link"), "up") == 0;
    printf("cluster %s%s%s: %s, number %lld; ", pn_color_on(cli, PN_BOLD), pn_js(r, "cluster"),
           pn_color_off(cli, PN_BOLD), pn_js(r, "node"), (long long)pn_ji(r, "number"));
    if (json_array_size(peers))
        printf("%u of %zu peer%s connected", up, json_array_size(peers), json_array_size(peers) == 1 ? "" : "s");
    else
        printf("the only member");
    if (!pn_jnull(r, "port"))
        printf("; listens on port %lld", (long long)pn_ji(r, "port"));
    if (pn_ji(r, "invites"))
        printf("; %lld token%s not used yet", (long long)pn_ji(r, "invites"), pn_ji(r, "invites") == 1 ? "" : "s");
    putchar('\n');
    if (*pn_js(r, "problem"))
        note(cli, PN_RED, "%s", pn_js(r, "problem"));
    printf("certificate: %lld days left, %s\n", (long long)pn_ji(cert, "days_left"),
           pn_jb(cert, "passphrase") ? "not renewed without the CA's passphrase (postern cluster renew)"
                                     : "renews by itself");
    keys_line(cli, pn_jo(r, "keys"));
    strays(cli, pn_jo(r, "not_members"), "is configured, but not a member (postern cluster invite)");
    strays(cli, pn_jo(r, "not_configured"), "is a member, but not in the configuration");
    json_array_foreach(peers, i, p)
    {
        if (pn_jb(p, "skewed"))
            note(cli, PN_RED, "the clock of %s is %+.1f s off this node's: check time synchronisation",
                 pn_js(p, "name"), (double)pn_ji(p, "skew_us") / 1e6);
    }
    if (json_array_size(peers)) {
        putchar('\n');
        peer_table(cli, peers);
    }
}

int pn_cli_cluster_status(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "cluster status", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    status_print(cli, r);
    json_decref(r);
    return PN_EXIT_OK;
}

static void member_table(const struct pn_cli *cli, const json_t *members)
{
    struct pn_table *t = pn_table_new(cli, ">NUMBER", "NAME", "MEMBER", "CONFIGURED", "LINK", "JOINED", ">VIPS",
                                      ">NETWORKS", "VERSION", "ADDRESSES", NULL);
    char addresses[160], at[32];
    struct tm tm;
    json_t *m;
    size_t i;

    json_array_foreach((json_t *)(uintptr_t)members, i, m)
    {
        bool member = pn_jb(m, "member"), self = pn_jb(m, "self");
        time_t joined = (time_t)(pn_ji(m, "joined_ms") / 1000);
        const char *link = self ? "this node" : pn_js(m, "link");

        localtime_r(&joined, &tm);
        strftime(at, sizeof(at), "%Y-%m-%d %H:%M", &tm);
        if (member && pn_ji(m, "number") >= 0)
            pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(m, "number"));
        else
            pn_table_cell(t, PN_PLAIN, "-");
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(m, "name"));
        pn_table_cell(t, member ? PN_PLAIN : PN_YELLOW, "%s",
                      !member                  ? "no"
                      : pn_ji(m, "number") < 0 ? "no seat free"
                                               : "yes");
        pn_table_cell(t, pn_jb(m, "configured") ? PN_PLAIN : PN_YELLOW, "%s", pn_jb(m, "configured") ? "yes" : "no");
        pn_table_cell(t,
                      self                      ? PN_PLAIN
                      : strcmp(link, "up") == 0 ? PN_GREEN
                                                : PN_RED,
                      "%s",
                      !member                      ? "-"
                      : strcmp(link, "never") == 0 ? "down"
                                                   : link);
        pn_table_cell(t, PN_PLAIN, "%s", member ? at : "-");
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(m, "vips"));
        pn_table_cell(t, PN_PLAIN, "%lld", (long long)pn_ji(m, "perimeter"));
        pn_table_cell(t, PN_PLAIN, "%s", *pn_js(m, "version") ? pn_js(m, "version") : "-");
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_list(pn_jo(m, "addresses"), addresses, sizeof(addresses)));
    }
    pn_table_print(t, stdout);
}

int pn_cli_cluster_members(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "cluster members", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    if (strcmp(pn_js(r, "state"), "none") == 0)
        puts("This node is in no cluster.");
    member_table(cli, pn_jo(r, "members"));
    json_decref(r);
    return PN_EXIT_OK;
}

/* ---- the perimeter ---- */

int pn_cli_perimeter_list(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r, *network;
    size_t i;
    int status;

    status = pn_cli_get_plain(cli, argc, argv, "perimeter list", &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    if (!json_array_size(pn_jo(r, "networks")))
        fprintf(stderr, "postern: the perimeter is empty: this node is in no cluster\n");
    json_array_foreach(pn_jo(r, "networks"), i, network) puts(json_string_value(network));
    json_decref(r);
    return PN_EXIT_OK;
}

int pn_cli_perimeter_export(struct pn_cli *cli, int argc, char *argv[])
{
    const char *format = NULL;
    const struct pn_cli_option options[] = {{"format", 'f', &format, NULL}, {NULL, 0, NULL, NULL}};
    json_t *r;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    if (!format)
        return pn_cli_usage(cli, "which --format: postfix, cidr or rspamd?");
    status = pn_cli_get(cli, "perimeter export", json_pack("{s:s}", "format", format), &r);
    if (status != PN_EXIT_OK || !r)
        return status;
    fputs(pn_js(r, "text"), stdout);
    json_decref(r);
    return PN_EXIT_OK;
}
