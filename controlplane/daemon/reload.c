/* SPDX-License-Identifier: BSD-3-Clause */
/* A new configuration in place of the running one: whole, or not at all. */
#include <stdlib.h>

#include "controlplane/conf/diff.h"
#include "controlplane/daemon/daemon.h"
#include "controlplane/view/clock.h"

static void whole_file_error(const struct pn_daemon *d, struct pn_conf_error *errors, unsigned max, unsigned *n,
                             const char *text)
{
    if (*n < max) {
        struct pn_conf_error *e = &errors[*n];

        *e = (struct pn_conf_error){.line = 0};
        snprintf(e->file, sizeof(e->file), "%s", d->opt->config);
        snprintf(e->text, sizeof(e->text), "%s", text);
    }
    (*n)++;
}

/* The dataplane will get it: is there room for all of it? */
static int try_compile(const struct pn_daemon *d, const struct pn_conf *conf, int node, const struct pn_runtime *rt,
                       struct pn_error *err)
{
    struct pn_ids *ids = malloc(sizeof(*ids));
    uint64_t *buf = malloc(PN_SNAPSHOT_MAX_BYTES);
    size_t len;
    int rc = -1;

    if (!ids || !buf) {
        snprintf(err->text, sizeof(err->text), "out of memory");
    } else {
        *ids = d->ids;
        rc = pn_compile_snapshot(conf, (unsigned)node, rt, ids, 1, buf, PN_SNAPSHOT_MAX_BYTES, &len, err);
    }
    free(ids);
    free(buf);
    return rc;
}

static void restart_needed(struct pn_daemon *d, const struct pn_conf *before)
{
    struct pn_conf_diff *diff = pn_conf_diff_new(before, d->conf);

    if (d->dataplane_ns)
        pn_orders_dataplane(d, d->dataplane_ns);
    if (diff && diff->n_changes)
        pn_eventlog_add(
            d->events, PN_LOG_NOTICE, "reload", "", "%u change%s%s", diff->n_changes, diff->n_changes == 1 ? "" : "s",
            d->reload.restart_needed ? "; some only count after a restart of postern-dp (see postern diff)" : "");
    else
        pn_eventlog_add(d->events, PN_LOG_NOTICE, "reload", "", "nothing has changed");
    pn_conf_diff_free(diff);
}

static void metrics_follow(struct pn_daemon *d)
{
    const char *listen = d->conf->nodes[d->node].metrics_listen;
    struct pn_error err;

    if (d->metrics && strcmp(pn_metrics_server_listen(d->metrics), listen) == 0)
        return;
    pn_metrics_server_free(d->metrics);
    d->metrics = listen[0] ? pn_metrics_server_new(d->base, listen, &d->view, &err) : NULL;
    if (listen[0] && !d->metrics)
        pn_eventlog_add(d->events, PN_LOG_ERROR, "metrics", "", "%s", err.text);
}

static void count_failure(struct pn_daemon *d, const struct pn_conf_error *errors, unsigned max, unsigned n)
{
    struct pn_reload_status *s = &d->reload;
    const struct pn_conf_error *e = n && max ? &errors[0] : NULL;
    char text[PN_CONF_ERROR_TEXT_BYTES];

    s->failed++;
    s->last_ok = false;
    s->last_ms = pn_clock_ms();
    if (e)
        pn_conf_error_text(e, s->error, sizeof(s->error));
    pn_eventlog_add(d->events, PN_LOG_ERROR, "reload", "", "refused, the running configuration goes on: %s", s->error);
    for (unsigned i = 1; i < n && i < max; i++)
        pn_log_error("reload: %s", pn_conf_error_text(&errors[i], text, sizeof(text)));
}

int pn_reload(struct pn_daemon *d, struct pn_conf_error *errors, unsigned max, unsigned *n)
{
    struct pn_conf *conf, *before = d->conf;
    struct pn_runtime *rt = NULL, *rt_before = d->rt;
    struct pn_error err = {""};
    struct pn_seal_ring ring = {.n_keys = 0};
    int node = -1;

    *n = 0;
    pn_notify_reloading();
    conf = pn_conf_load(d->opt->config, errors, max, n);
    if (!conf) {
        if (*n == 0)
            whole_file_error(d, errors, max, n, "out of memory");
        goto failed;
    }
    node = pn_conf_node_find(conf, d->opt->node);
    if (node < 0)
        pn_conf_no_node(conf, d->opt->node, err.text, sizeof(err.text));
    else if (pn_daemon_keys_load(d, conf, &ring, &err) < 0)
        ; /* err says it */
    else if (!(rt = pn_runtime_new(conf)))
        snprintf(err.text, sizeof(err.text), "out of memory");
    if (rt)
        pn_runtime_carry(rt, rt_before);
    /* The checks last: what fails there leaves them as they were, and after them nothing fails. */
    if (err.text[0] || try_compile(d, conf, node, rt, &err) < 0 || pn_health_apply(d->health, conf, &err) < 0) {
        whole_file_error(d, errors, max, n, err.text);
        goto failed;
    }

    d->conf = conf;
    d->rt = rt;
    d->node = node;
    d->view.conf = conf;
    d->view.rt = rt;
    d->view.node = node;
    pn_feed_carry(d, before);
    d->file_ring = ring;
    explicit_bzero(&ring, sizeof(ring));
    pn_daemon_keys(d);
    pn_vips_configure(d);
    pn_daemon_cluster_follow(d);
    pn_daemon_rules_follow(d);
    pn_daemon_quarantine_follow(d);
    metrics_follow(d);
    d->reload.done++;
    d->reload.last_ok = true;
    d->reload.last_ms = pn_clock_ms();
    d->reload.error[0] = '\0';
    restart_needed(d, before);
    pn_runtime_free(rt_before);
    pn_conf_free(before);
    pn_push_changed(d);
    pn_orders_keep(d); /* without those for gateways that are gone */
    d->ids_due = true;
    pn_notify_ready(d);
    return 0;

failed:
    explicit_bzero(&ring, sizeof(ring));
    count_failure(d, errors, max, *n);
    pn_runtime_free(rt);
    pn_conf_free(conf);
    pn_notify_ready(d);
    return -1;
}
