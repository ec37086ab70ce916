/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A file is read twice: to find what is wrong with it before anything changes, then to send it, some hundred entries a
 * request, each a transaction of its own. What was there already is left alone, so the same command after an
 * interruption goes on where it ended.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/error.h"
#include "controlplane/cli/rule.h"
#include "controlplane/rules/import.h"

#define ROWS_MAX 1000 /* of a request */
#define BYTES_MAX (192u << 10)
#define ERRORS_SHOWN 20
#define BAR 30

struct import {
    struct pn_cli *cli;
    const char *path;
    uint64_t good, bad, total, sent, added, changed, unchanged;
    uint64_t lists[PN_KIND_LIMIT]; /* entries of each, as found */
    bool send, bar, quiet;
    json_t *rows;
    size_t bytes;
    int status; /* of the request that failed */
    double start_s, shown_s;
};

static double now_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void bar_show(struct import *im, bool last)
{
    double now = now_s(), rate, share = im->total ? (double)im->sent / (double)im->total : 1;
    char sent[PN_FMT_BYTES], total[PN_FMT_BYTES], per_s[PN_FMT_BYTES], left[PN_FMT_BYTES], hashes[BAR + 1];
    int full = (int)(share * BAR);

    if (!im->bar || (!last && now < im->shown_s + 0.1))
        return;
    im->shown_s = now;
    rate = now > im->start_s ? (double)im->sent / (now - im->start_s) : 0;
    memset(hashes, '#', sizeof(hashes));
    hashes[full] = '\0';
    fprintf(stderr, "\r[%-*s] %3d %%  %s of %s  %s/s  %s left \033[K", BAR, hashes, (int)(share * 100),
            pn_fmt_count((int64_t)im->sent, sent), pn_fmt_count((int64_t)im->total, total),
            pn_fmt_count((int64_t)rate, per_s),
            pn_fmt_duration(rate > 0 ? (int64_t)((double)(im->total - im->sent) / rate * 1000) : 0, left));
    if (last)
        fputs("\r\033[K", stderr);
    fflush(stderr);
}

static int flush_rows(struct import *im)
{
    size_t n = json_array_size(im->rows);
    json_t *r;

    if (n == 0)
        return 0;
    im->status = pn_cli_call(im->cli, "rule import", json_pack("{s:o}", "rows", im->rows), &r);
    im->rows = json_array();
    im->bytes = 0;
    if (im->status != PN_EXIT_OK)
        return -1;
    im->sent += n;
    im->added += (uint64_t)pn_ji(r, "added");
    im->changed += (uint64_t)pn_ji(r, "changed");
    im->unchanged += (uint64_t)pn_ji(r, "unchanged");
    json_decref(r);
    bar_show(im, false);
    return 0;
}

static int on_row(void *arg, const struct pn_import_row *row)
{
    struct import *im = arg;
    const char *text = row->body ? row->body : "", *note = row->description ? row->description : "";
    size_t bytes = 64 + strlen(row->key.value) + strlen(row->key.owner) + strlen(note) + 2 * strlen(text);
    json_t *o;

    im->good++;
    im->lists[row->key.kind]++;
    if (!im->send)
        return 0;
    if (strlen(text) > PN_RULE_BODY_MAX)
        return 0; /* told by the first reading */
    if (im->bytes + bytes > BYTES_MAX && flush_rows(im) < 0)
        return 1;
    o = json_pack("[s, s, s, s, s, s]", pn_kind_by_number(row->key.kind)->name, row->key.value,
                  row->key.field ? pn_field_name(row->key.field) : "", row->key.owner, note, text);
    if (!o || json_array_append_new(im->rows, o) < 0) {
        fputs("postern: out of memory\n", stderr);
        im->status = PN_EXIT_FAILED;
        return 1;
    }
    im->bytes += bytes;
    return json_array_size(im->rows) == ROWS_MAX && flush_rows(im) < 0;
}

static void on_error(void *arg, uint64_t line, const char *text)
{
    struct import *im = arg;

    im->bad++;
    if (!im->quiet && im->bad <= ERRORS_SHOWN)
        fprintf(stderr, "%s:%llu: %s\n", im->path, (unsigned long long)line, text);
}

/* 0; -1 after a message, or im->status is set. */
static int pass(struct import *im, FILE *f, enum pn_import_format format, const struct pn_kind *kind, const char *owner)
{
    const struct pn_import_sink sink = {.arg = im, .row = on_row, .error = on_error};
    struct pn_importer *importer = pn_importer_new(format, kind, owner, &sink);
    static char data[65536];
    struct pn_error err = {"out of memory"};
    int rc = importer ? 0 : -1;
    size_t n = sizeof(data);

    im->good = im->bad = 0;
    while (rc == 0 && n == sizeof(data)) {
        n = fread(data, 1, sizeof(data), f);
        if (ferror(f))
            rc = pn_error_set(&err, "%s", strerror(errno));
        else
            rc = pn_importer_feed(importer, data, n, n < sizeof(data), &err);
    }
    pn_importer_free(importer);
    if (rc < 0)
        fprintf(stderr, "%s: %s\n", im->path, err.text);
    return rc == 0 && im->send ? flush_rows(im) : rc == 0 ? 0 : -1;
}

/* What cannot be read twice is copied first. */
static FILE *open_input(const char *path)
{
    static char data[65536];
    FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "r"), *copy;
    size_t n;
    int error;

    if (!f || fseek(f, 0, SEEK_SET) == 0)
        return f;
    copy = tmpfile();
    while (copy && (n = fread(data, 1, sizeof(data), f)) > 0)
        if (fwrite(data, 1, n, copy) < n)
            break;
    if (copy && !ferror(f) && fflush(copy) == 0 && !ferror(copy)) {
        rewind(copy);
        return copy;
    }
    error = errno;
    if (copy)
        fclose(copy);
    errno = error;
    return NULL;
}

static int report(struct import *im, bool dry_run)
{
    json_t *lists = json_object();
    char a[PN_FMT_BYTES], b[PN_FMT_BYTES], c[PN_FMT_BYTES];

    for (unsigned i = 0; i < pn_kinds_count; i++)
        if (im->lists[pn_kinds[i].number])
            json_object_set_new(lists, pn_kinds[i].name, json_integer((json_int_t)im->lists[pn_kinds[i].number]));
    if (im->cli->json)
        return pn_cli_print_json(json_pack("{s:b, s:I, s:I, s:I, s:I, s:I, s:o}", "dry_run", dry_run, "entries",
                                           (json_int_t)im->good, "bad", (json_int_t)im->bad, "added",
                                           (json_int_t)im->added, "changed", (json_int_t)im->changed, "unchanged",
                                           (json_int_t)im->unchanged, "lists", lists));
    if (dry_run) {
        const char *name;
        json_t *n;

        printf("%s entries are good", pn_fmt_count((int64_t)im->good, a));
        if (im->bad)
            printf(", %s are not", pn_fmt_count((int64_t)im->bad, b));
        puts("; nothing was changed");
        json_object_foreach(lists, name, n) printf("  %-22s %s\n", name, pn_fmt_count(json_integer_value(n), a));
    } else {
        printf("%s added, %s changed, %s there already", pn_fmt_count((int64_t)im->added, a),
               pn_fmt_count((int64_t)im->changed, b), pn_fmt_count((int64_t)im->unchanged, c));
        if (im->bad)
            printf("; %s left out", pn_fmt_count((int64_t)im->bad, a));
        putchar('\n');
    }
    json_decref(lists);
    return PN_EXIT_OK;
}

int pn_cli_rule_import(struct pn_cli *cli, int argc, char *argv[])
{
    const char *path = NULL, *format_text = NULL, *list = NULL, *owner = NULL;
    bool dry_run = false, skip_bad = false;
    const struct pn_cli_option options[] = {{"format", 'F', &format_text, NULL}, {"list", 'l', &list, NULL},
                                            {"owner", 'o', &owner, NULL},        {"dry-run", 'n', NULL, &dry_run},
                                            {"skip-bad", 0, NULL, &skip_bad},    {NULL, 0, NULL, NULL}};
    struct import im = {.cli = cli};
    const struct pn_kind *kind;
    char names[300], text[PN_FMT_BYTES], total[PN_FMT_BYTES];
    int format, rc, status;
    FILE *f;
    int n = pn_cli_args(cli, argc, argv, options, &path, 1);

    if (n < 0)
        return PN_EXIT_USAGE;
    if (n == 0)
        return pn_cli_usage(cli, "which file? - is standard input");
    kind = list ? pn_kind_by_name(list) : NULL;
    if (list && !kind)
        return pn_cli_usage(cli, "there is no list \"%s\"; there are %s", list,
                            pn_rule_lists(names, sizeof(names), false));
    format = format_text ? pn_import_format_by_name(format_text) : pn_import_format_by_path(path);
    if (format_text && format < 0)
        return pn_cli_usage(cli, "\"%s\" is no format: csv, json, xml", format_text);
    if (format < 0)
        return pn_cli_usage(cli, "%s: its name does not tell its format: --format csv|json|xml", path);
    f = open_input(path);
    if (!f) {
        fprintf(stderr, "postern: %s: %s\n", path, strerror(errno));
        return PN_EXIT_FAILED;
    }
    im.path = path;
    rc = pass(&im, f, (enum pn_import_format)format, kind, owner);
    if (im.bad > ERRORS_SHOWN)
        fprintf(stderr, "(%s more)\n", pn_fmt_count((int64_t)im.bad - ERRORS_SHOWN, text));
    if (rc < 0)
        return PN_EXIT_FAILED;
    if (dry_run) {
        report(&im, true);
        return im.bad && !skip_bad ? PN_EXIT_FAILED : PN_EXIT_OK;
    }
    if (im.bad && !skip_bad) {
        fprintf(stderr, "postern: %s of %s entries are wrong; nothing was imported (--skip-bad imports the others)\n",
                pn_fmt_count((int64_t)im.bad, text), pn_fmt_count((int64_t)(im.bad + im.good), total));
        return PN_EXIT_FAILED;
    }
    im.total = im.good;
    im.send = im.quiet = true;
    im.bar = isatty(STDERR_FILENO) && !cli->json && im.total > ROWS_MAX;
    im.rows = json_array();
    im.start_s = now_s();
    memset(im.lists, 0, sizeof(im.lists));
    rewind(f);
    rc = pass(&im, f, (enum pn_import_format)format, kind, owner);
    bar_show(&im, true);
    json_decref(im.rows);
    if (rc < 0) {
        status = im.status != PN_EXIT_OK ? im.status : PN_EXIT_FAILED;
        fprintf(stderr, "postern: %s of %s entries were imported before; the same command goes on from there\n",
                pn_fmt_count((int64_t)im.sent, text), pn_fmt_count((int64_t)im.total, total));
        return status;
    }
    return report(&im, false);
}
