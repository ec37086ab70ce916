/* SPDX-License-Identifier: BSD-3-Clause */
/* check and diff work on files themselves; reload asks the daemon. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "controlplane/cli/cli.h"
#include "controlplane/conf/diff.h"
#include "controlplane/conf/load.h"
#include "controlplane/vip/keys.h"

#define MAX_ERRORS 64
#define DEFAULT_FILE "/etc/postern/postern.conf"

static void error_print(const struct pn_conf_error *e)
{
    char text[PN_CONF_ERROR_TEXT_BYTES];

    fprintf(stderr, "%s\n", pn_conf_error_text(e, text, sizeof(text)));
}

/* As the rows of "errors" and "warnings" are told in JSON. */
static json_t *row_json(const struct pn_conf_error *e)
{
    return json_pack("{s:s, s:i, s:s, s:s}", "file", e->file, "line", (int)e->line, "key", e->key, "text", e->text);
}

/* NULL after every error was printed (to stderr, and with -j as JSON to stdout). outside: the files it names, too. */
static struct pn_conf *load(const struct pn_cli *cli, const char *path, bool outside)
{
    static struct pn_conf_error errors[MAX_ERRORS];
    unsigned n = 0;
    struct pn_conf *conf = pn_conf_load(path, errors, MAX_ERRORS, &n);
    json_t *list;

    if (conf)
        n = outside ? pn_conf_outside(conf, pn_keys_look, errors, MAX_ERRORS) : 0;
    if (conf && n == 0)
        return conf;
    pn_conf_free(conf);
    list = json_array();
    for (unsigned i = 0; i < n && i < MAX_ERRORS; i++) {
        const struct pn_conf_error *e = &errors[i];

        error_print(e);
        json_array_append_new(list, row_json(e));
    }
    if (n > MAX_ERRORS)
        fprintf(stderr, "and %u more\n", n - MAX_ERRORS);
    if (cli->json)
        pn_cli_print_json(json_pack("{s:b, s:o, s:i}", "ok", 0, "errors", list, "n_errors", (int)n));
    else
        json_decref(list);
    return NULL;
}

static void warn(const struct pn_conf_error *w, json_t *list)
{
    char text[PN_CONF_ERROR_TEXT_BYTES];

    fprintf(stderr, "%s\n", pn_conf_warning_text(w, text, sizeof(text)));
    json_array_append_new(list, row_json(w));
}

/* What does not fit this machine, when it is one of the nodes by name. */
static void warn_here(const struct pn_conf *conf, json_t *list)
{
    static struct pn_conf_error rows[MAX_ERRORS];
    char host[256] = "";
    int node = gethostname(host, sizeof(host) - 1) == 0 ? pn_conf_node_of_host(conf, host) : -1;
    unsigned n_links = 0, n = 0;
    struct pn_conf_link *links = node >= 0 ? pn_conf_links(&n_links) : NULL;

    if (links)
        n = pn_conf_here(conf, (unsigned)node, links, n_links, rows, MAX_ERRORS);
    free(links);
    for (unsigned i = 0; i < n && i < MAX_ERRORS; i++)
        warn(&rows[i], list);
}

int pn_cli_check(struct pn_cli *cli, int argc, char *argv[])
{
    const char *file = DEFAULT_FILE;
    char counts[160];
    struct pn_conf *conf;
    json_t *warnings;

    if (pn_cli_args(cli, argc, argv, NULL, &file, 1) < 0)
        return PN_EXIT_USAGE;
    conf = load(cli, file, true);
    if (!conf)
        return PN_EXIT_FAILED;
    warnings = json_array();
    for (unsigned i = 0; i < conf->n_warnings; i++)
        warn(&conf->warnings[i], warnings);
    warn_here(conf, warnings);
    if (cli->json)
        pn_cli_print_json(json_pack("{s:b, s:s, s:s, s:i, s:i, s:i, s:i, s:i, s:i, s:o}", "ok", 1, "file", file,
                                    "digest", conf->digest, "nodes", (int)conf->n_nodes, "vips", (int)conf->n_vips,
                                    "services", (int)conf->n_services, "pools", (int)conf->n_pools, "gateways",
                                    (int)conf->n_gateways, "checks", (int)conf->n_checks, "warnings",
                                    json_incref(warnings)));
    else
        printf("%s: OK: %s\n", file, pn_conf_counts(conf, counts, sizeof(counts)));
    json_decref(warnings);
    pn_conf_free(conf);
    return PN_EXIT_OK;
}

/* The daemon's configuration in its canonical form, through a file that has no name. */
static struct pn_conf *running(const struct pn_cli *cli, const char *text)
{
    char path[64];
    size_t len = strlen(text);
    struct pn_conf *conf = NULL;
    int fd = memfd_create("postern-running", MFD_CLOEXEC);

    if (fd < 0 || write(fd, text, len) != (ssize_t)len) {
        perror("postern: running configuration");
    } else {
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        conf = load(cli, path, false);
    }
    if (fd >= 0)
        close(fd);
    return conf;
}

int pn_cli_diff(struct pn_cli *cli, int argc, char *argv[])
{
    const char *file = NULL;
    bool exit_code = false;
    const struct pn_cli_option options[] = {{"exit-code", 0, NULL, &exit_code}, {NULL, 0, NULL, NULL}};
    struct pn_conf *was = NULL, *now = NULL;
    struct pn_conf_diff *diff = NULL;
    json_t *r;
    int status, failed;

    if (pn_cli_args(cli, argc, argv, options, &file, 1) < 0)
        return PN_EXIT_USAGE;
    failed =
        exit_code ? PN_EXIT_USAGE : PN_EXIT_FAILED; /* with it, 1 says changes and nothing else, as diff(1) has it */
    status = pn_cli_call(cli, "config", NULL, &r);
    if (status != PN_EXIT_OK)
        return status == PN_EXIT_FAILED ? failed : status;
    now = load(cli, file ? file : pn_js(r, "file"), false);
    was = now ? running(cli, pn_js(r, "text")) : NULL;
    diff = was ? pn_conf_diff_new(was, now) : NULL;
    status = diff ? PN_EXIT_OK : failed;
    if (diff && cli->json)
        pn_cli_print_json(pn_conf_diff_json(diff));
    else if (diff)
        pn_conf_diff_print(diff, stdout);
    if (diff && exit_code)
        status = fflush(stdout) != 0 ? failed : diff->n_changes ? PN_EXIT_FAILED : PN_EXIT_OK;
    pn_conf_diff_free(diff);
    pn_conf_free(was);
    pn_conf_free(now);
    json_decref(r);
    return status;
}

int pn_cli_reload(struct pn_cli *cli, int argc, char *argv[])
{
    json_t *r, *e;
    size_t i;
    bool loaded;
    int status;

    if (pn_cli_args(cli, argc, argv, NULL, NULL, 0) < 0)
        return PN_EXIT_USAGE;
    status = pn_cli_call(cli, "reload", NULL, &r);
    if (status != PN_EXIT_OK)
        return status;
    loaded = pn_jb(r, "loaded");
    json_array_foreach(pn_jo(r, "errors"), i, e)
    {
        struct pn_conf_error row = {.line = (uint32_t)pn_ji(e, "line")};

        snprintf(row.file, sizeof(row.file), "%s", pn_js(e, "file"));
        snprintf(row.key, sizeof(row.key), "%s", pn_js(e, "key"));
        snprintf(row.text, sizeof(row.text), "%s", pn_js(e, "text"));
        error_print(&row);
    }
    if (!loaded)
        fprintf(stderr, "postern: not loaded; the running configuration goes on unchanged\n");
    if (cli->json)
        pn_cli_print_json(json_incref(r));
    else if (loaded)
        printf("loaded %s (%.12s)\n", pn_js(pn_jo(r, "config"), "file"), pn_js(pn_jo(r, "config"), "digest"));
    json_decref(r);
    return loaded ? PN_EXIT_OK : PN_EXIT_FAILED;
}
