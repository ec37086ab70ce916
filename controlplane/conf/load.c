/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/load.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "controlplane/conf/canon.h"
#include "controlplane/conf/schema.h"

#define LOAD_MAX_WARNINGS 64

static int load_files(struct pn_conf *conf, const struct pn_ucl_doc *doc)
{
    unsigned n = 0;
    while (pn_ucl_file(doc, n))
        n++;
    conf->files = calloc(n + 1, sizeof(*conf->files));
    if (!conf->files)
        return -1;
    for (; conf->n_files < n; conf->n_files++)
        if (!(conf->files[conf->n_files] = strdup(pn_ucl_file(doc, conf->n_files))))
            return -1;
    return 0;
}

static void load_doc(struct pn_conf *conf, const struct pn_ucl_doc *doc, const char *path, struct pn_report *errors)
{
    struct pn_report warnings = {.max = LOAD_MAX_WARNINGS};
    warnings.rows = conf->warnings = calloc(LOAD_MAX_WARNINGS, sizeof(*conf->warnings));
    if (!conf->warnings || load_files(conf, doc) != 0) {
        pn_report_add(errors, path, 0, 0, "", "out of memory");
        return;
    }
    pn_conf_fill(conf, doc, errors);
    pn_conf_finish(conf);
    pn_conf_validate(conf, doc, errors, &warnings);
    conf->n_warnings = warnings.n > warnings.max ? warnings.max : warnings.n;
    if (errors->n == 0 && pn_canon_digest(conf) != 0)
        pn_report_add(errors, path, 0, 0, "", "out of memory");
}

struct pn_conf *pn_conf_load_io(const struct pn_ucl_io *io, const char *path, struct pn_conf_error *errors,
                                unsigned max_errors, unsigned *n_errors)
{
    struct pn_report report = {.rows = errors, .max = max_errors};
    struct pn_ucl_error syntax;
    struct pn_ucl_doc *doc = pn_ucl_parse(io, path, &syntax);
    struct pn_conf *conf = doc ? calloc(1, sizeof(*conf)) : NULL;
    if (!doc)
        pn_report_add(&report, syntax.file, syntax.line, syntax.column, "", "%s", syntax.text);
    else if (!conf)
        pn_report_add(&report, path, 0, 0, "", "out of memory");
    else
        load_doc(conf, doc, path, &report);
    pn_ucl_free(doc);
    if (report.n > 0) {
        pn_conf_free(conf);
        conf = NULL;
    }
    if (report.n > max_errors && max_errors > 0) {
        unsigned more = report.n - max_errors + 1;
        report.n = max_errors - 1;
        pn_report_add(&report, path, 0, 0, "", "and %u more errors", more);
    }
    *n_errors = report.n > max_errors ? max_errors : report.n;
    return conf;
}

struct pn_conf *pn_conf_load(const char *path, struct pn_conf_error *errors, unsigned max_errors, unsigned *n_errors)
{
    return pn_conf_load_io(&pn_conf_disk, path, errors, max_errors, n_errors);
}

void pn_conf_free(struct pn_conf *conf)
{
    if (!conf)
        return;
    for (unsigned i = 0; i < conf->n_files; i++)
        free(conf->files[i]);
    free(conf->files);
    free(conf->warnings);
    free(conf->nodes);
    free(conf->vips);
    free(conf->gateways);
    free(conf->checks);
    free(conf->pools);
    free(conf->services);
    free(conf);
}

static int node_named(const struct pn_conf *conf, const char *name)
{
    for (unsigned i = 0; i < conf->n_nodes; i++)
        if (strcmp(conf->nodes[i].name, name) == 0)
            return (int)i;
    return -1;
}

int pn_conf_node_of_host(const struct pn_conf *conf, const char *host)
{
    char name[PN_NAME_BYTES];
    size_t len = strcspn(host, ".");
    int found = node_named(conf, host);
    if (found >= 0 || len >= sizeof(name))
        return found;
    memcpy(name, host, len);
    name[len] = '\0';
    return node_named(conf, name);
}

int pn_conf_node_find(const struct pn_conf *conf, const char *name)
{
    char host[256] = "";
    if (name)
        return node_named(conf, name);
    int found = gethostname(host, sizeof(host) - 1) == 0 ? pn_conf_node_of_host(conf, host) : -1;
    return found < 0 && conf->n_nodes == 1 ? 0 : found;
}

char *pn_conf_no_node(const struct pn_conf *conf, const char *name, char *buf, size_t size)
{
    char host[64] = "", hint[160];
    if (name) {
        snprintf(buf, size, "node \"%.32s\": %s", name, pn_schema_no_such(PN_SEC_NODE, conf, name, hint, sizeof(hint)));
        return buf;
    }
    gethostname(host, sizeof(host) - 1);
    snprintf(buf, size, "this host is called \"%.40s\": %s; give --node, or name a node after the host", host,
             pn_schema_no_such(PN_SEC_NODE, conf, host, hint, sizeof(hint)));
    return buf;
}

char *pn_conf_counts(const struct pn_conf *conf, char *buf, size_t size)
{
    const struct {
        unsigned n;
        const char *what;
    } rows[] = {{conf->n_nodes, "node"}, {conf->n_vips, "VIP"},         {conf->n_services, "service"},
                {conf->n_pools, "pool"}, {conf->n_gateways, "gateway"}, {conf->n_checks, "check"}};
    size_t len = 0;
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]) && len < size; i++)
        len += (size_t)snprintf(buf + len, size - len, "%s%u %s%s", i ? ", " : "", rows[i].n, rows[i].what,
                                rows[i].n == 1 ? "" : "s");
    return buf;
}
