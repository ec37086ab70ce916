/* SPDX-License-Identifier: BSD-3-Clause */
/* What changes the cluster, and what only its thread knows: each runs there, beside its data. */
#include <stdlib.h>

#include "common/addr.h"
#include "common/error.h"
#include "controlplane/actors/cluster.h"
#include "controlplane/api/handlers.h"
#include "controlplane/api/work.h"

static struct pn_cluster *cluster_of(const struct pn_api_work *w)
{
    return pn_cluster_actor_cluster(w->arg);
}

static void give(struct pn_api_call *call, pn_api_work_fn *fn)
{
    pn_api_work(call, pn_cluster_actor_loop(call->view->cluster), fn, call->view->cluster);
}

/* What a command that changed something answers: where this node stands now. */
static json_t *stand(struct pn_api_work *w)
{
    struct pn_cluster_status *s = malloc(sizeof(*s));
    json_t *out = NULL;

    pn_cluster_actor_refresh(w->arg);
    if (s) {
        pn_cluster_actor_status(w->arg, s);
        out = json_pack("{s:s, s:s, s:s, s:i, s:i, s:s, s:I, s:s, s:I, s:s}", "state", pn_cluster_state_name[s->state],
                        "cluster", s->cluster_name, "node", s->name, "number", s->number, "members", (int)s->active,
                        "keys_phase", pn_keyring_phase_name[s->keys_phase], "keys_epoch", (json_int_t)s->keys_epoch,
                        "problem", s->mesh_error, "certificate_until_s", (json_int_t)s->cert_until_s, "node_id", s->id);
    }
    free(s);
    return out;
}

static void answer(struct pn_api_work *w, int rc, const struct pn_error *err)
{
    if (rc < 0)
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err->text);
    else
        pn_api_work_ok(w, stand(w));
}

/* ---- init, invite ---- */

static void do_init(struct pn_api_work *w)
{
    struct pn_error err;
    int rc = pn_cluster_init(cluster_of(w), pn_api_work_text(w, "name"), pn_api_work_text(w, "passphrase"), &err);

    answer(w, rc, &err);
}

void pn_cmd_cluster_init(struct pn_api_call *call)
{
    /* The configuration has a name for the cluster already. */
    if (!pn_api_text(call, "name"))
        json_object_set_new(call->args, "name", json_string(call->view->conf->cluster_name));
    give(call, do_init);
}

static void do_invite(struct pn_api_work *w)
{
    uint32_t ttl_s = (uint32_t)pn_api_work_int(w, "ttl_s", PN_INVITE_TTL_DEFAULT_S);
    char token[PN_TOKEN_TEXT_BYTES];
    struct pn_error err;

    if (pn_cluster_invite(cluster_of(w), ttl_s, pn_api_work_text(w, "passphrase"), pn_api_work_text(w, "ca_passphrase"),
                          token, &err) < 0) {
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
        return;
    }
    pn_cluster_actor_refresh(w->arg);
    pn_api_work_ok(w, json_pack("{s:s, s:I, s:b, s:s}", "token", token, "ttl_s", (json_int_t)ttl_s, "passphrase",
                                pn_api_work_text(w, "passphrase") != NULL, "cluster", pn_cluster_name(cluster_of(w))));
    explicit_bzero(token, sizeof(token));
}

void pn_cmd_cluster_invite(struct pn_api_call *call)
{
    give(call, do_invite);
}

/* ---- join: begun, then asked for ---- */

static json_t *rows_json(const struct pn_cluster_join *j)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < j->n_rows; i++) {
        const struct pn_join_row *r = &j->rows[i];
        json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "list", pn_json_text(r->list), "here",
                                              pn_json_u64(r->here), "there", pn_json_u64(r->there), "common",
                                              pn_json_u64(r->common), "added",
                                              pn_json_u64(r->total > r->here ? r->total - r->here : 0), "total",
                                              pn_json_u64(r->total)));
    }
    return list;
}

static json_t *join_json(struct pn_api_work *w)
{
    static const char *const names[] = {"none", "running", "done", "failed"};
    const struct pn_cluster_join *j = pn_cluster_actor_join_view(w->arg);
    char addr[PN_ADDR_TEXT_BYTES] = "";

    if (j->state == PN_CLUSTER_JOIN_RUNNING && j->progress.to.port)
        pn_addr_format(&j->progress.to.addr, addr, sizeof(addr));
    return json_pack("{s:s, s:b, s:s, s:s, s:i, s:o, s:o, s:s, s:o, s:o, s:o}", "state", names[j->state], "dry_run",
                     j->dry_run, "step", j->progress.step ? j->progress.step : "", "address", addr, "port",
                     (int)j->progress.to.port, "sent_bytes", pn_json_u64(j->progress.sent_bytes), "received_bytes",
                     pn_json_u64(j->progress.received_bytes), "cluster", j->cluster_name, "error",
                     pn_json_text(j->error), "rows", rows_json(j), "now",
                     j->state == PN_CLUSTER_JOIN_RUNNING ? json_null() : stand(w));
}

/* "ADDRESS", "ADDRESS:PORT", "[V6]:PORT". */
static int endpoint_parse(const char *text, struct pn_endpoint *e, struct pn_error *err)
{
    const char *colon = strrchr(text, ':');
    char host[PN_ADDR_TEXT_BYTES];
    bool bracket = text[0] == '[', port = colon && (bracket ? colon[-1] == ']' : strchr(text, ':') == colon);
    size_t len = port ? (size_t)(colon - text) : strlen(text);
    char *end;
    long number = PN_CLUSTER_PORT;

    if (bracket && len >= 2 && text[len - 1] == ']') {
        text++;
        len -= 2;
    }
    if (port) {
        number = strtol(colon + 1, &end, 10);
        if (colon[1] < '0' || colon[1] > '9' || *end || number < 1 || number > UINT16_MAX)
            return pn_error_set(err, "\"%.60s\" is not a port", colon + 1);
    }
    if (len >= sizeof(host))
        return pn_error_set(err, "\"%.60s\" is not an address", text);
    memcpy(host, text, len);
    host[len] = '\0';
    e->port = (uint16_t)number;
    return pn_addr_parse(host, &e->addr, err);
}

static void do_join(struct pn_api_work *w)
{
    const char *host = pn_api_work_text(w, "host");
    struct pn_endpoint to;
    struct pn_error err;

    if (host && endpoint_parse(host, &to, &err) < 0)
        pn_api_work_fail(w, PN_API_BAD_REQUEST, "host: %s", err.text);
    else if (pn_cluster_actor_join(w->arg, host ? &to : NULL, pn_api_work_text(w, "token"),
                                   pn_api_work_text(w, "passphrase"), pn_api_work_bool(w, "dry_run"), &err) < 0)
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_work_ok(w, join_json(w));
}

void pn_cmd_cluster_join(struct pn_api_call *call)
{
    give(call, do_join);
}

static void do_join_progress(struct pn_api_work *w)
{
    pn_api_work_ok(w, join_json(w));
}

void pn_cmd_cluster_join_progress(struct pn_api_call *call)
{
    give(call, do_join_progress);
}

static void do_join_cancel(struct pn_api_work *w)
{
    pn_cluster_actor_join_cancel(w->arg);
    pn_api_work_ok(w, join_json(w));
}

void pn_cmd_cluster_join_cancel(struct pn_api_call *call)
{
    give(call, do_join_cancel);
}

/* ---- members and keys ---- */

/* A member of that name, with a seat or without; a node outside a cluster is told so by the command itself. */
static bool named(struct pn_api_work *w, const char *name)
{
    const struct pn_members *m = pn_cluster_members(cluster_of(w));

    for (unsigned i = 0; i < m->n; i++)
        if (!m->rows[i].removed && strcmp(m->rows[i].name, name) == 0)
            return true;
    if (m->n == 0)
        return true;
    pn_api_work_fail(w, PN_API_NOT_FOUND, "no member \"%.40s\"", name);
    return false;
}

static void do_rename(struct pn_api_work *w)
{
    const char *name = pn_api_work_text(w, "name");
    struct pn_error err;

    if (named(w, name))
        answer(w, pn_cluster_rename(cluster_of(w), name, pn_api_work_text(w, "new_name"), &err), &err);
}

void pn_cmd_cluster_rename(struct pn_api_call *call)
{
    give(call, do_rename);
}

static void do_remove(struct pn_api_work *w)
{
    const char *name = pn_api_work_text(w, "name");
    struct pn_error err;

    if (named(w, name))
        answer(w, pn_cluster_remove(cluster_of(w), name, &err), &err);
}

void pn_cmd_cluster_remove(struct pn_api_call *call)
{
    give(call, do_remove);
}

static void do_rotate(struct pn_api_work *w)
{
    struct pn_error err;
    int rc = pn_cluster_rotate_keys(cluster_of(w), &err);

    answer(w, rc, &err);
}

void pn_cmd_cluster_rotate(struct pn_api_call *call)
{
    give(call, do_rotate);
}

static void do_renew(struct pn_api_work *w)
{
    struct pn_error err;
    int rc = pn_cluster_renew(cluster_of(w), pn_api_work_text(w, "ca_passphrase"), &err);

    answer(w, rc, &err);
}

void pn_cmd_cluster_renew(struct pn_api_call *call)
{
    give(call, do_renew);
}

/* ---- the perimeter ---- */

static struct pn_perimeter *perimeter_new(struct pn_api_work *w)
{
    struct pn_perimeter *p = malloc(sizeof(*p));

    if (!p)
        pn_api_work_fail(w, PN_API_BUSY, "posternd is out of memory");
    else
        pn_cluster_perimeter(cluster_of(w), p);
    return p;
}

static void do_perimeter_list(struct pn_api_work *w)
{
    struct pn_perimeter *p = perimeter_new(w);
    json_t *list;

    if (!p)
        return;
    list = json_array();
    for (unsigned i = 0; i < p->n; i++) {
        char text[PN_PREFIX_TEXT_BYTES];
        json_array_append_new(list, json_string(pn_prefix_format(&p->list[i], text, sizeof(text))));
    }
    free(p);
    pn_api_work_ok(w, json_pack("{s:s, s:o}", "cluster", pn_cluster_name(cluster_of(w)), "networks", list));
}

void pn_cmd_perimeter_list(struct pn_api_call *call)
{
    give(call, do_perimeter_list);
}

static void do_perimeter_export(struct pn_api_work *w)
{
    int format = pn_perimeter_format_parse(pn_api_work_text(w, "format"));
    struct pn_perimeter *p;
    char *text;

    if (format < 0) {
        pn_api_work_fail(w, PN_API_BAD_REQUEST, "format \"%s\" is not postfix, cidr or rspamd",
                         pn_api_work_text(w, "format"));
        return;
    }
    if (!(p = perimeter_new(w)))
        return;
    text = pn_perimeter_export(p, (enum pn_perimeter_format)format, pn_cluster_name(cluster_of(w)));
    free(p);
    pn_api_work_ok(w, text ? json_pack("{s:s}", "text", text) : NULL);
    free(text);
}

void pn_cmd_perimeter_export(struct pn_api_call *call)
{
    give(call, do_perimeter_export);
}
