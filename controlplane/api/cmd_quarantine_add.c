/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages and records handed in by command: begin, pieces in base64, end; "ok" only once it is on disk. */
#include <stdlib.h>

#include <openssl/evp.h>

#include "common/error.h"
#include "controlplane/api/quarantine.h"

/* An address a line to an array of them, pointers in front, text behind; for free(). NULL: no memory. */
static char **lines_of(const char *list, size_t *n)
{
    size_t len = list ? strlen(list) : 0;
    char **all, *at;

    *n = 0;
    for (size_t i = 0; i < len; i++)
        *n += i == 0 || list[i - 1] == '\n';
    all = malloc(*n * sizeof(*all) + len + 1);
    if (!all)
        return NULL;
    at = (char *)(all + *n);
    memcpy(at, list ? list : "", len + 1);
    for (size_t i = 0; i < *n; i++) {
        all[i] = at;
        at += strcspn(at, "\n");
        *at++ = '\0';
    }
    return all;
}

/* The envelope and the rest of the arguments. The recipients are for free(); all else stays the work's. -1: answered. */
static int about_of(struct pn_api_work *w, pn_q_item *item)
{
    const char *event = pn_api_work_text(w, "event"), *direction = pn_api_work_text(w, "direction");
    const struct {
        const char *name;
        char **field;
    } texts[] = {{"sender", &item->sender},   {"reason", &item->reason},   {"rule", &item->rule},
                 {"subject", &item->subject}, {"gateway", &item->gateway}, {"about", &item->about}};
    int e = event ? pn_q_event_parse(event) : PN_Q_EVENT_QUARANTINED;
    int d = direction ? pn_q_direction_parse(direction) : PN_Q_DIRECTION_UNKNOWN;

    if (e < 0 || d < 0) {
        pn_api_work_fail(w, PN_API_BAD_REQUEST, "\"%s\" is no %s", e < 0 ? event : direction,
                         e < 0 ? "event (" PN_Q_EVENT_WORDS ")" : "direction (in, out)");
        return -1;
    }
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (pn_api_work_text(w, texts[i].name))
            *texts[i].field = (char *)(uintptr_t)pn_api_work_text(w, texts[i].name);
    item->event = (uint32_t)e;
    item->direction = (uint32_t)d;
    item->size_bytes = (uint64_t)pn_api_work_int(w, "size_bytes", 0);
    item->recipients = lines_of(pn_api_work_text(w, "recipients"), &item->n_recipients);
    if (item->recipients)
        return 0;
    pn_api_work_fail(w, PN_API_BUSY, "posternd is out of memory");
    return -1;
}

static void begin_work(struct pn_api_work *w)
{
    pn_q_item about = PN__Q__ITEM__INIT;
    struct pn_error err;
    bool full;

    if (about_of(w, &about) < 0)
        return;
    about.kind = PN_Q_MESSAGE;
    uint64_t number = pn_quarantine_intake_begin(w->arg, &about, about.size_bytes, &full, &err);
    free(about.recipients);
    if (number)
        pn_api_work_ok(w, json_pack("{s:o}", "number", pn_json_u64(number)));
    else
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
}

void pn_cmd_quarantine_add_begin(struct pn_api_call *call)
{
    pn_api_spool_work(call, begin_work);
}

static void data_work(struct pn_api_work *w)
{
    uint64_t number = (uint64_t)pn_api_work_int(w, "number", 0);
    const char *text = pn_api_work_text(w, "base64");
    size_t len = strlen(text), pad = len >= 2 ? (text[len - 1] == '=') + (text[len - 2] == '=') : 0;
    uint8_t *bytes = malloc(len / 4 * 3 + 3);
    int n = bytes ? EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len) : -1;
    struct pn_error err;

    if (n < 0 || (size_t)n < pad) {
        pn_quarantine_intake_abort(w->arg, number);
        pn_api_work_fail(w, PN_API_BAD_REQUEST, "argument base64 is not that");
    } else if (pn_quarantine_intake_data(w->arg, number, bytes, (size_t)n - pad, &err) < 0) {
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
    } else {
        pn_api_work_ok(w, json_object());
    }
    free(bytes);
}

void pn_cmd_quarantine_add_data(struct pn_api_call *call)
{
    pn_api_spool_work(call, data_work);
}

static void on_stored(void *arg, const struct pn_spool_result *r)
{
    struct pn_api_work *w = arg;
    char sha[PN_Q_SHA_TEXT_BYTES];

    if (r->ok)
        pn_api_work_ok(
            w, json_pack("{s:o, s:s}", "sequence", pn_json_u64(r->sequence), "sha256", pn_q_sha_format(r->sha, sha)));
    else
        pn_api_work_fail(w, PN_API_REFUSED, "%s: %s", r->full ? "no space, try later" : "not stored",
                         r->reason ? r->reason : "unknown");
}

static void end_work(struct pn_api_work *w)
{
    struct pn_error err;

    if (pn_quarantine_intake_end(w->arg, (uint64_t)pn_api_work_int(w, "number", 0), on_stored, w, &err) < 0)
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
}

void pn_cmd_quarantine_add_end(struct pn_api_call *call)
{
    pn_api_spool_work(call, end_work);
}

static void record_work(struct pn_api_work *w)
{
    pn_q_item about = PN__Q__ITEM__INIT;
    struct pn_error err;

    if (about_of(w, &about) < 0)
        return;
    int rc = pn_quarantine_record(w->arg, &about, on_stored, w, &err);
    free(about.recipients);
    if (rc < 0)
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
}

void pn_cmd_report_add(struct pn_api_call *call)
{
    pn_api_spool_work(call, record_work);
}

/* What the host refused for good is offered again. */
static void retry_work(struct pn_api_work *w)
{
    struct pn_error err;

    if (pn_quarantine_actor_offer_again(w->arg, &err) < 0)
        pn_api_work_fail(w, PN_API_REFUSED, "%s", err.text);
    else
        pn_api_work_ok(w, json_object());
}

void pn_cmd_quarantine_retry(struct pn_api_call *call)
{
    pn_api_spool_work(call, retry_work);
}
