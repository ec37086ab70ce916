/* SPDX-License-Identifier: BSD-3-Clause */
/* A message to the first mail server of a list that takes it. On the reader's loop. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/addr.h"
#include "common/error.h"
#include "controlplane/actors/quarantine_internal.h"

#define CONNECT_MS 5000u /* then the next one's turn */
#define REPLY_MS 120000u

struct pn_qa_mail {
    struct pn_quarantine_actor *actor;
    struct pn_qa_mail *next, **prev;
    struct pn_qa_ways ways;
    unsigned at;
    char *sender, **recipients;
    unsigned n_recipients;
    uint8_t *message;
    size_t len;
    struct pn_smtp_out *smtp;
    pn_qa_mail_done *done;
    void *arg;
};

static void mail_free(struct pn_qa_mail *m)
{
    *m->prev = m->next;
    if (m->next)
        m->next->prev = m->prev;
    for (unsigned i = 0; i < m->n_recipients; i++)
        free(m->recipients[i]);
    free(m->recipients);
    free(m->sender);
    free(m->message);
    free(m);
}

static void finish(struct pn_qa_mail *m, enum pn_smtp_out_status status, const char *text)
{
    char all[700];

    snprintf(all, sizeof(all), "by %s: %s", m->ways.way[m->at < m->ways.n ? m->at : m->ways.n - 1], text);
    m->done(m->arg, status, all);
    mail_free(m);
}

/* "192.0.2.1:25", "[2001:db8::1]:25" */
static int parse(const char *text, struct pn_addr *addr, uint16_t *port)
{
    char host[PN_ADDR_TEXT_BYTES] = "";
    const char *colon = strrchr(text, ':');
    size_t len = colon ? (size_t)(colon - text) : 0;

    if (len >= 2 && text[0] == '[') {
        text++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof(host))
        return -1;
    memcpy(host, text, len);
    *port = (uint16_t)atoi(colon + 1);
    return *port && pn_addr_parse(host, addr, NULL) == 0 ? 0 : -1;
}

static void on_done(void *arg, const struct pn_smtp_out_result *result);

static int try_way(struct pn_qa_mail *m, struct pn_error *err)
{
    char host[256] = "localhost";
    struct pn_smtp_out_request r = {.helo = host,
                                    .sender = m->sender,
                                    .recipients = m->recipients,
                                    .n_recipients = m->n_recipients,
                                    .message = m->message,
                                    .message_len = m->len,
                                    .connect_ms = CONNECT_MS,
                                    .reply_ms = REPLY_MS};

    gethostname(host, sizeof(host) - 1);
    if (parse(m->ways.way[m->at], &r.addr, &r.port) < 0)
        return pn_error_set(err, "%s is no address:port", m->ways.way[m->at]);
    m->smtp = pn_smtp_out_start(pn_loop_base(m->actor->reader), &r, on_done, m, err);
    return m->smtp ? 0 : -1;
}

static void on_done(void *arg, const struct pn_smtp_out_result *result)
{
    struct pn_qa_mail *m = arg;
    struct pn_error err;
    char text[640];

    m->smtp = NULL;
    snprintf(text, sizeof(text), "%s", result->text);
    /* Another server only where this one surely did not take it, and may not have meant the message. */
    while (result->status == PN_SMTP_OUT_TEMPORARY && m->at + 1 < m->ways.n) {
        m->at++;
        if (try_way(m, &err) == 0)
            return;
    }
    finish(m, result->status, text);
}

int pn_qa_mail_send(struct pn_quarantine_actor *a, const struct pn_qa_ways *ways, const char *sender,
                    char *const *recipients, unsigned n, uint8_t *message, size_t len, pn_qa_mail_done *done, void *arg,
                    struct pn_error *err)
{
    struct pn_qa_mail *m = calloc(1, sizeof(*m));
    bool ok = m != NULL;

    if (!m) {
        free(message);
        return pn_error_set(err, "out of memory");
    }
    *m = (struct pn_qa_mail){.actor = a, .ways = *ways, .message = message, .len = len, .done = done, .arg = arg};
    m->prev = &a->mails;
    m->next = a->mails;
    if (m->next)
        m->next->prev = &m->next;
    a->mails = m;
    m->sender = strdup(sender);
    m->recipients = calloc(n ? n : 1, sizeof(*m->recipients));
    ok = m->sender && m->recipients;
    for (; ok && m->n_recipients < n; m->n_recipients++)
        ok = (m->recipients[m->n_recipients] = strdup(recipients[m->n_recipients])) != NULL;
    if (!ok)
        pn_error_set(err, "out of memory");
    for (; ok && m->at < m->ways.n; m->at++)
        if (try_way(m, err) == 0)
            return 0;
    if (ok && m->ways.n == 0)
        pn_error_set(err, "no mail server is configured to take it");
    mail_free(m);
    return -1;
}

void pn_qa_mails_cancel(struct pn_quarantine_actor *a)
{
    while (a->mails) {
        pn_smtp_out_cancel(a->mails->smtp);
        finish(a->mails, PN_SMTP_OUT_UNKNOWN, "posternd was stopped meanwhile");
    }
}

/* ---- which servers ---- */

static void way_add(struct pn_qa_ways *w, const char *way)
{
    for (unsigned i = 0; i < w->n; i++)
        if (strcmp(w->way[i], way) == 0)
            return;
    if (way[0] && w->n < PN_QA_WAYS_MAX)
        snprintf(w->way[w->n++], sizeof(w->way[0]), "%s", way);
}

void pn_qa_ways(const struct pn_quarantine_actor *a, const char *node, struct pn_qa_ways *out)
{
    const struct pn_qa_settings *s = &a->host_settings;

    out->n = 0;
    for (unsigned i = 0; i < s->n_nodes; i++)
        if (strcmp(s->nodes[i].name, node) == 0)
            way_add(out, s->nodes[i].release_to);
    way_add(out, s->conf.release_to);
    for (unsigned i = 0; i < s->n_nodes; i++)
        way_add(out, s->nodes[i].release_to);
}
