/* SPDX-License-Identifier: BSD-3-Clause */
/* The quarantine's items and state as JSON. */
#include <stdio.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "controlplane/api/quarantine.h"
#include "controlplane/quarantine/headers.h"

json_t *pn_json_mail(const char *text)
{
    size_t len = text ? strlen(text) : 0;
    char *clean = malloc(3 * len + 1);
    json_t *value = NULL;

    if (clean) {
        pn_q_text_clean((const uint8_t *)text, len, clean, 3 * len + 1);
        value = json_string(clean);
    }
    free(clean);
    return value ? value : json_string("");
}

json_t *pn_json_base64(const uint8_t *bytes, size_t len)
{
    char *text = malloc(4 * (len / 3 + 1) + 1);
    json_t *value = NULL;

    if (text) {
        EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
        value = json_string_nocheck(text);
    }
    free(text);
    return value;
}

static json_t *recipients(const pn_q_item *item)
{
    json_t *list = json_array();

    for (size_t i = 0; i < item->n_recipients; i++)
        json_array_append_new(list, pn_json_mail(item->recipients[i]));
    return list;
}

json_t *pn_json_item(const pn_q_item *i)
{
    char sha[PN_Q_SHA_TEXT_BYTES] = "", id[PN_NAME_BYTES + 32];

    if (i->sha256.len == PN_Q_SHA_BYTES)
        pn_q_sha_format(i->sha256.data, sha);
    snprintf(id, sizeof(id), "%s/%llu", i->node, (unsigned long long)i->sequence);
    return json_pack("{s:o, s:o, s:o, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "item",
                     pn_json_mail(id), "node", pn_json_mail(i->node), "sequence", pn_json_u64(i->sequence), "sha256",
                     sha, "kind", i->kind == PN_Q_RECORD ? "record" : "message", "event", pn_q_event_name(i->event),
                     "direction", pn_q_direction_name(i->direction), "sender", pn_json_mail(i->sender), "recipients",
                     recipients(i), "subject", pn_json_mail(i->subject), "from", pn_json_mail(i->from), "reason",
                     pn_json_mail(i->reason), "rule", pn_json_mail(i->rule), "gateway", pn_json_mail(i->gateway),
                     "about", pn_json_mail(i->about), "size_bytes", pn_json_u64(i->size_bytes), "received_ms",
                     pn_json_u64(i->received_ms));
}

json_t *pn_json_row(const struct pn_host_row *row)
{
    static const char *const states[] = {"new", "released", "deleted"};
    json_t *o = pn_json_item(row->item);

    if (!o)
        return NULL;
    json_object_set_new(o, "id", pn_json_u64(row->number));
    json_object_set_new(o, "state", json_string(row->state <= PN_HOST_DELETED ? states[row->state] : "?"));
    json_object_set_new(o, "seen", json_boolean(row->flags & PN_HOST_SEEN));
    json_object_set_new(o, "hold", json_boolean(row->flags & PN_HOST_HOLD));
    json_object_set_new(o, "purged", json_boolean(row->flags & PN_HOST_PURGED));
    json_object_set_new(o, "release_open", json_boolean(row->flags & PN_HOST_RELEASING));
    json_object_set_new(o, "taken_ms", pn_json_u64(row->taken_ms));
    json_object_set_new(o, "file_bytes", pn_json_u64(row->file_bytes));
    return o;
}

/* ---- status ---- */

static json_t *peers(const struct pn_quarantine_status *s)
{
    json_t *list = json_array();

    for (unsigned i = 0; i < s->n_peers; i++) {
        const struct pn_quarantine_peer *p = &s->peers[i];
        json_array_append_new(
            list, json_pack("{s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", p->name, "up", p->up, "items",
                            pn_json_u64(p->receive.items), "repeats", pn_json_u64(p->receive.repeats), "bytes",
                            pn_json_u64(p->receive.bytes), "refused_later", pn_json_u64(p->receive.refused_later),
                            "refused", pn_json_u64(p->receive.refused), "bad_frames",
                            pn_json_u64(p->receive.bad_frames), "reason", pn_json_text(p->receive.reason)));
    }
    return list;
}

static json_t *spool(const struct pn_quarantine_status *s)
{
    const struct pn_spool_totals *t = &s->spool;

    return json_pack("{s:b, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b}", "open",
                     s->spool_open, "error", pn_json_text(s->spool_error), "level", pn_q_level_name(t->level),
                     "messages", pn_json_u64(t->pending_messages), "records", pn_json_u64(t->pending_records), "bytes",
                     pn_json_u64(t->pending_bytes), "refused", pn_json_u64(t->refused), "stored_bytes",
                     pn_json_u64(t->stored_bytes), "forwarded_bytes", pn_json_u64(t->acked_bytes), "taken",
                     pn_json_u64(t->taken), "failed", pn_json_u64(t->failed), "turned_away", pn_json_u64(t->full),
                     "evicted", pn_json_u64(t->evicted), "disk_free_bytes", pn_json_u64(s->disk_free_bytes), "ballast",
                     t->ballast);
}

static json_t *forwarding(const struct pn_quarantine_status *s)
{
    static const char *const states[] = {"down", "hello", "running"};
    const struct pn_forward_stats *f = &s->forwarding;
    uint64_t items = s->spool.pending_messages + s->spool.pending_records;

    return json_pack("{s:b, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:o, s:i, s:o, s:o, s:o, s:o, s:o, s:o}", "on",
                     s->forward, "state", states[f->state], "reached", f->state == PN_FORWARD_RUNNING, "items",
                     pn_json_u64(items), "bytes", pn_json_u64(s->spool.pending_bytes), "peak_items",
                     pn_json_u64(s->peak_items), "oldest_ms", s->oldest_ms ? pn_json_u64(s->oldest_ms) : json_null(),
                     "left_ms", s->left_ms == UINT64_MAX ? json_null() : pn_json_u64(s->left_ms), "items_per_s",
                     f->items_per_s, "bytes_per_s", f->bytes_per_s, "acked_items", pn_json_u64(f->acked_items),
                     "under_way", (int)f->under_way, "acked_bytes", pn_json_u64(f->acked_bytes), "repeats",
                     pn_json_u64(f->repeats), "refused", pn_json_u64(f->refused), "restored", pn_json_u64(f->restored),
                     "dropped_frames", pn_json_u64(s->dropped_frames), "reason", pn_json_text(f->reason));
}

json_t *pn_json_quarantine(const struct pn_view *v)
{
    struct pn_quarantine_status *s = v->quarantine ? malloc(sizeof(*s)) : NULL;
    json_t *o = NULL;

    if (s) {
        pn_quarantine_actor_status(v->quarantine, s);
        if (s->host[0])
            o = json_pack(
                "{s:s, s:b, s:o, s:o, s:{s:s, s:b, s:i, s:o, s:o, s:o, s:o, s:o}, s:{s:b, s:o, s:o, s:o, s:b, s:o, "
                "s:o, "
                "s:o, s:o}, s:o}",
                "host", s->host, "is_host", s->is_host, "spool", spool(s), "forwarding", forwarding(s), "lmtp",
                "socket", s->listen, "open", s->listening, "sessions", (int)s->lmtp.open, "connections",
                pn_json_u64(s->lmtp.connections), "messages", pn_json_u64(s->lmtp.messages), "refused",
                pn_json_u64(s->lmtp.refused), "turned_away", pn_json_u64(s->lmtp.turned_away + s->lmtp_away), "bytes",
                pn_json_u64(s->lmtp.bytes), "store", "open", s->store_open, "error", pn_json_text(s->store_error),
                "away_ms", s->store_away_since_ms ? pn_json_u64(v->now_ms() - s->store_away_since_ms) : json_null(),
                "failures", pn_json_u64(s->store_failures), "full", s->store_full, "items", pn_json_u64(s->store.items),
                "messages", pn_json_u64(s->store.messages), "waiting", pn_json_u64(s->store.waiting), "file_bytes",
                pn_json_u64(s->store.file_bytes), "peers", peers(s));
    }
    free(s);
    return o ? o : json_null();
}
