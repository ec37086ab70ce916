/* SPDX-License-Identifier: BSD-3-Clause */
/* How the quarantine stands, and how the backlog goes. */
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"
#include "controlplane/cli/quarantine.h"

#define BAR_WIDTH 40

static long long ll(const json_t *o, const char *key)
{
    return (long long)pn_ji(o, key);
}

static enum pn_color color_of_level(const char *level)
{
    return strcmp(level, "ok") == 0 ? PN_GREEN : strcmp(level, "warn") == 0 ? PN_YELLOW : PN_RED;
}

static void line(const struct pn_cli *cli, enum pn_color color, const char *name, const char *state, const char *rest)
{
    printf("  %-10s %s%s%s%s%s\n", name, pn_color_on(cli, color), state, pn_color_off(cli, color), *rest ? ", " : "",
           rest);
}

static const char *age(int64_t since_ms, char buf[PN_FMT_BYTES])
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    int64_t ms = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - since_ms;
    return pn_fmt_duration(ms > 0 ? ms : 0, buf);
}

static void forwarding(const struct pn_cli *cli, const json_t *q)
{
    const json_t *f = pn_jo(q, "forwarding");
    char text[400], a[PN_FMT_BYTES], b[PN_FMT_BYTES];
    bool reached = pn_jb(f, "reached");

    snprintf(text, sizeof(text), "%lld waiting (%s)%s%s%s%s", ll(f, "items"), pn_fmt_bytes(pn_jf(f, "bytes"), a),
             pn_jnull(f, "oldest_ms") ? "" : ", oldest ", pn_jnull(f, "oldest_ms") ? "" : age(pn_ji(f, "oldest_ms"), b),
             !reached && *pn_js(f, "reason") ? "; " : "", reached ? "" : pn_js(f, "reason"));
    line(cli, reached ? PN_GREEN : PN_YELLOW, "to host",
         !pn_jb(f, "on") ? "off"
         : reached       ? "reached"
                         : "not reached",
         text);
}

static void node_part(const struct pn_cli *cli, const json_t *q)
{
    const json_t *s = pn_jo(q, "spool"), *l = pn_jo(q, "lmtp");
    char text[400], a[PN_FMT_BYTES], b[PN_FMT_BYTES];

    if (pn_jb(s, "open")) {
        snprintf(text, sizeof(text), "%s stored, %s of the disk free; taken %lld, turned away %lld, given up %lld%s%s",
                 pn_fmt_bytes(pn_jf(s, "stored_bytes"), a), pn_fmt_bytes(pn_jf(s, "disk_free_bytes"), b),
                 ll(s, "taken"), ll(s, "turned_away"), ll(s, "evicted"),
                 pn_jb(s, "ballast") ? "" : "; the reserve is used up", "");
        line(cli, color_of_level(pn_js(s, "level")), "spool", pn_js(s, "level"), text);
    } else {
        line(cli, PN_RED, "spool", "closed", pn_js(s, "error"));
    }
    if (pn_ji(s, "refused"))
        line(cli, PN_RED, "refused", "look",
             "the host refused items for good; postern quarantine retry offers them again");
    if (*pn_js(l, "socket")) {
        snprintf(text, sizeof(text), "%s; %lld sessions, %lld messages, %lld refused, %lld turned away",
                 pn_js(l, "socket"), ll(l, "sessions"), ll(l, "messages"), ll(l, "refused"), ll(l, "turned_away"));
        line(cli, pn_jb(l, "open") ? PN_GREEN : PN_RED, "LMTP", pn_jb(l, "open") ? "open" : "answers 421", text);
    }
    forwarding(cli, q);
}

static void host_part(const struct pn_cli *cli, const json_t *q)
{
    const json_t *s = pn_jo(q, "store");
    char text[400], a[PN_FMT_BYTES];
    struct pn_table *t;
    json_t *p;
    size_t i;

    if (pn_jb(s, "open"))
        snprintf(text, sizeof(text), "%lld messages (%lld new), %lld items, %s%s", ll(s, "messages"), ll(s, "waiting"),
                 ll(s, "items"), pn_fmt_bytes(pn_jf(s, "file_bytes"), a),
                 pn_jb(s, "full") ? "; its disk is full, nodes keep what they have" : "");
    else if (!pn_jnull(s, "away_ms"))
        snprintf(text, sizeof(text), "for %s: %s", pn_fmt_duration(pn_ji(s, "away_ms"), a), pn_js(s, "error"));
    else
        snprintf(text, sizeof(text), "%s", pn_js(s, "error"));
    line(cli, pn_jb(s, "open") && !pn_jb(s, "full") ? PN_GREEN : PN_RED, "store", pn_jb(s, "open") ? "open" : "away",
         text);
    if (json_array_size(pn_jo(q, "peers")) == 0)
        return;
    putchar('\n');
    t = pn_table_new(cli, "FROM", "LINK", ">ITEMS", ">REPEATS", ">BYTES", ">LATER", ">REFUSED", "REASON", NULL);
    json_array_foreach(pn_jo(q, "peers"), i, p)
    {
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "name"));
        pn_table_cell(t, pn_jb(p, "up") ? PN_GREEN : PN_RED, "%s", pn_jb(p, "up") ? "up" : "down");
        pn_table_cell(t, PN_PLAIN, "%lld", ll(p, "items"));
        pn_table_cell(t, PN_PLAIN, "%lld", ll(p, "repeats"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_fmt_bytes(pn_jf(p, "bytes"), a));
        pn_table_cell(t, PN_PLAIN, "%lld", ll(p, "refused_later"));
        pn_table_cell(t, PN_PLAIN, "%lld", ll(p, "refused"));
        pn_table_cell(t, PN_PLAIN, "%s", pn_js(p, "reason"));
    }
    pn_table_print(t, stdout);
}

/* NULL after a message: there is none, *status says how to end. */
static json_t *ask(struct pn_cli *cli, int *status)
{
    json_t *r;

    *status = pn_cli_call(cli, "quarantine status", NULL, &r);
    if (*status != PN_EXIT_OK)
        return NULL;
    if (json_is_object(pn_jo(r, "quarantine")))
        return r;
    json_decref(r);
    *status = PN_EXIT_FAILED;
    fputs("postern: there is no quarantine: quarantine.host is not set in the configuration\n", stderr);
    return NULL;
}

int pn_cli_quarantine_status(struct pn_cli *cli, int argc, char *argv[])
{
    int status;
    json_t *r, *q;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    if (cli->json)
        return (status = pn_cli_call(cli, "quarantine status", NULL, &r)) == PN_EXIT_OK ? pn_cli_print_json(r) : status;
    if (!(r = ask(cli, &status)))
        return status;
    q = pn_jo(r, "quarantine");
    printf("node %s, the host is %s%s\n", pn_js(r, "node"), pn_js(q, "host"),
           pn_jb(q, "is_host") ? " (this node)" : "");
    node_part(cli, q);
    if (pn_jb(q, "is_host") || pn_jb(pn_jo(q, "store"), "open"))
        host_part(cli, q);
    json_decref(r);
    return PN_EXIT_OK;
}

/* ---- for status ---- */

void pn_quarantine_line(const json_t *q, FILE *out)
{
    const json_t *f = pn_jo(q, "forwarding"), *s = pn_jo(q, "store");
    char bytes[PN_FMT_BYTES], since[PN_FMT_BYTES];

    if (!json_is_object(q))
        return;
    fprintf(out, "quarantine: %lld waiting for %s (%s)", ll(f, "items"), pn_js(q, "host"),
            pn_fmt_bytes(pn_jf(f, "bytes"), bytes));
    if (!pn_jnull(f, "oldest_ms"))
        fprintf(out, ", oldest %s", age(pn_ji(f, "oldest_ms"), since));
    if (pn_jb(q, "is_host"))
        fprintf(out, "; as the host: %lld messages, %lld new, %s%s", ll(s, "messages"), ll(s, "waiting"),
                pn_fmt_bytes(pn_jf(s, "file_bytes"), bytes), pn_jb(s, "open") ? "" : ", its store is away");
    fputc('\n', out);
}

static void alarm_line(const struct pn_cli *cli, FILE *out, const char *text, const char *more)
{
    fprintf(out, "%s! quarantine: %s%s%s\n", pn_color_on(cli, PN_RED), text, more, pn_color_off(cli, PN_RED));
}

void pn_quarantine_alarms(const struct pn_cli *cli, const json_t *q, FILE *out)
{
    const json_t *spool = pn_jo(q, "spool"), *f = pn_jo(q, "forwarding"), *store = pn_jo(q, "store");
    char text[300];

    if (!json_is_object(q))
        return;
    if (!pn_jb(spool, "open"))
        alarm_line(cli, out, "mail is turned away, the spool is not open: ", pn_js(spool, "error"));
    else if (strcmp(pn_js(spool, "level"), "ok") != 0)
        alarm_line(cli, out, "space for it: ", pn_js(spool, "level"));
    if (pn_ji(spool, "refused"))
        alarm_line(cli, out, "the host refused items for good (postern quarantine status)", "");
    if (pn_jb(f, "on") && !pn_jb(f, "reached") && pn_ji(f, "items")) {
        snprintf(text, sizeof(text), "%s is not reached, %lld items wait", pn_js(q, "host"), ll(f, "items"));
        alarm_line(cli, out, text, "");
    }
    if (pn_jb(q, "is_host") && !pn_jb(store, "open"))
        alarm_line(cli, out, "the host's store takes nothing, nodes keep what they have: ", pn_js(store, "error"));
    else if (pn_jb(store, "full"))
        alarm_line(cli, out, "the host's disk is full, nodes keep what they have", "");
}

/* ---- backlog ---- */

static void bar(const struct pn_cli *cli, const json_t *f, bool screen)
{
    char bytes[PN_FMT_BYTES], rate[PN_FMT_BYTES], speed[PN_FMT_BYTES], left[PN_FMT_BYTES], done[BAR_WIDTH + 1];
    int64_t items = pn_ji(f, "items"), peak = pn_ji(f, "peak_items");
    double share = peak > 0 ? 1 - (double)items / (double)peak : 1;
    int n = (int)(share * BAR_WIDTH);

    memset(done, '.', BAR_WIDTH);
    memset(done, '#', (size_t)(n < 0 ? 0 : n));
    done[BAR_WIDTH] = '\0';
    printf("%s[%s] %3d %%  %lld items, %s", screen ? "\r" : "", done, (int)(share * 100), (long long)items,
           pn_fmt_bytes(pn_jf(f, "bytes"), bytes));
    if (!pn_jb(f, "on"))
        printf("  %sforwarding is off%s", pn_color_on(cli, PN_YELLOW), pn_color_off(cli, PN_YELLOW));
    else if (!pn_jb(f, "reached"))
        printf("  %sthe host is not reached%s", pn_color_on(cli, PN_YELLOW), pn_color_off(cli, PN_YELLOW));
    else if (items)
        printf("  %s/s, %s/s, %s left", pn_fmt_rate(pn_jf(f, "items_per_s"), rate),
               pn_fmt_bytes(pn_jf(f, "bytes_per_s"), speed),
               pn_jnull(f, "left_ms") ? "?" : pn_fmt_duration(pn_ji(f, "left_ms"), left));
    else
        printf("  nothing waits");
    fputs(screen ? "\033[K" : "\n", stdout);
    fflush(stdout);
}

int pn_cli_quarantine_backlog(struct pn_cli *cli, int argc, char *argv[])
{
    bool watch = false, screen = isatty(STDOUT_FILENO) && !cli->json;
    const char *seconds_text = NULL;
    const struct pn_cli_option options[] = {
        {"watch", 'w', NULL, &watch}, {"interval", 'n', &seconds_text, NULL}, {NULL, 0, NULL, NULL}};
    long seconds = 1;
    int64_t items;
    int status;

    if (pn_cli_args(cli, argc, argv, options, NULL, 0) < 0 ||
        (seconds_text && pn_cli_number(cli, "interval", seconds_text, 1, 3600, &seconds) < 0))
        return PN_EXIT_USAGE;
    do {
        json_t *r = ask(cli, &status), *f;
        if (!r)
            return status;
        f = pn_jo(pn_jo(r, "quarantine"), "forwarding");
        items = pn_ji(f, "items");
        if (cli->json) {
            json_dumpf(f, stdout, watch ? JSON_COMPACT : JSON_INDENT(2));
            putchar('\n');
            fflush(stdout);
        } else {
            bar(cli, f, screen && watch);
        }
        json_decref(r);
        if (watch && items)
            sleep((unsigned)seconds);
    } while (watch && items);
    if (screen && watch)
        putchar('\n');
    return PN_EXIT_OK;
}
