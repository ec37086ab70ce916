/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/item.h"

#include <stdlib.h>
#include <openssl/sha.h>

#include "common/error.h"

static const char *const events[PN_Q_EVENT_COUNT] = {
    [PN_Q_EVENT_QUARANTINED] = "quarantined", [PN_Q_EVENT_RECEIVED] = "received", [PN_Q_EVENT_REJECTED] = "rejected",
    [PN_Q_EVENT_RELEASED] = "released",       [PN_Q_EVENT_VIRUS] = "virus",       [PN_Q_EVENT_SPAM] = "spam",
    [PN_Q_EVENT_EVICTED] = "evicted",
};
static const char *const directions[PN_Q_DIRECTION_COUNT] = {"unknown", "in", "out"};

const char *pn_q_event_name(unsigned event)
{
    return event < PN_Q_EVENT_COUNT ? events[event] : "?";
}

const char *pn_q_direction_name(unsigned direction)
{
    return direction < PN_Q_DIRECTION_COUNT ? directions[direction] : "?";
}

static int word(const char *const *words, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(words[i], name) == 0)
            return (int)i;
    return -1;
}

int pn_q_event_parse(const char *name)
{
    return word(events, PN_Q_EVENT_COUNT, name);
}

int pn_q_direction_parse(const char *name)
{
    return word(directions, PN_Q_DIRECTION_COUNT, name);
}

static int text_check(const char *what, const char *text, size_t max, struct pn_error *err)
{
    size_t len = strnlen(text, max + 1);

    return len <= max ? 0 : pn_error_set(err, "quarantine item: %s is longer than %zu bytes", what, max);
}

int pn_q_item_check(const pn_q_item *i, bool complete, struct pn_error *err)
{
    if (i->kind != PN_Q_RECORD && i->kind != PN_Q_MESSAGE)
        return pn_error_set(err, "quarantine item: kind %u is not known", i->kind);
    if (i->event >= PN_Q_EVENT_COUNT)
        return pn_error_set(err, "quarantine item: event %u is not known", i->event);
    if (i->direction >= PN_Q_DIRECTION_COUNT)
        return pn_error_set(err, "quarantine item: direction %u is not known", i->direction);
    if (i->n_recipients > PN_Q_RECIPIENTS_MAX)
        return pn_error_set(err, "quarantine item: more than %u recipients", PN_Q_RECIPIENTS_MAX);
    if (i->size_bytes > PN_Q_MESSAGE_BYTES_MAX || i->received_ms > INT64_MAX)
        return pn_error_set(err, "quarantine item: size or time out of range");
    if (text_check("gateway", i->gateway, PN_Q_NAME_MAX, err) || text_check("rule", i->rule, PN_Q_NAME_MAX, err) ||
        text_check("about", i->about, PN_Q_NAME_MAX, err) || text_check("sender", i->sender, PN_Q_ADDRESS_MAX, err) ||
        text_check("reason", i->reason, PN_Q_TEXT_MAX, err) || text_check("subject", i->subject, PN_Q_TEXT_MAX, err) ||
        text_check("from", i->from, PN_Q_TEXT_MAX, err))
        return -1;
    for (size_t r = 0; r < i->n_recipients; r++)
        if (text_check("recipient", i->recipients[r], PN_Q_ADDRESS_MAX, err))
            return -1;
    if (!complete)
        return 0;
    if (i->node[0] == '\0' || strnlen(i->node, PN_NAME_BYTES) >= PN_NAME_BYTES)
        return pn_error_set(err, "quarantine item: no node's name");
    if (i->sequence == 0 || i->sequence > INT64_MAX)
        return pn_error_set(err, "quarantine item: sequence out of range");
    if (i->sha256.len != PN_Q_SHA_BYTES)
        return pn_error_set(err, "quarantine item: sha256 of %zu bytes", i->sha256.len);
    return 0;
}

uint8_t *pn_q_item_encode(const pn_q_item *item, size_t *len)
{
    *len = pn__q__item__get_packed_size(item);
    uint8_t *bytes = malloc(*len ? *len : 1);

    if (bytes)
        pn__q__item__pack(item, bytes);
    return bytes;
}

pn_q_item *pn_q_item_decode(struct pn_pb_budget *budget, const void *bytes, size_t len, struct pn_error *err)
{
    pn_q_item *item = NULL;

    if (len <= PN_Q_ITEM_BYTES_MAX)
        item = pn_pb_unpack(budget, &pn__q__item__descriptor, bytes, len, pn_pb_allowance(len));
    if (item == NULL) {
        pn_error_set(err, "quarantine item: malformed or too large (%zu bytes)", len);
        return NULL;
    }
    if (pn_q_item_check(item, true, err) != 0) {
        pn_pb_free(budget, item);
        return NULL;
    }
    return item;
}

int pn_q_record_sha(const pn_q_item *item, uint8_t sha[PN_Q_SHA_BYTES])
{
    pn_q_item bare = *item;
    size_t len;

    bare.sha256.len = 0;
    uint8_t *bytes = pn_q_item_encode(&bare, &len);
    if (bytes == NULL)
        return -1;
    SHA256(bytes, len, sha);
    free(bytes);
    return 0;
}

char *pn_q_sha_format(const uint8_t sha[PN_Q_SHA_BYTES], char buf[PN_Q_SHA_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < PN_Q_SHA_BYTES; i++) {
        buf[2 * i] = digits[sha[i] >> 4];
        buf[2 * i + 1] = digits[sha[i] & 15];
    }
    buf[2 * PN_Q_SHA_BYTES] = '\0';
    return buf;
}

int pn_q_sha_parse(const char *text, uint8_t sha[PN_Q_SHA_BYTES])
{
    for (unsigned i = 0; i < 2 * PN_Q_SHA_BYTES; i++) {
        int v = text[i] >= '0' && text[i] <= '9'   ? text[i] - '0'
                : text[i] >= 'a' && text[i] <= 'f' ? text[i] - 'a' + 10
                                                   : -1;
        if (v < 0)
            return -1;
        sha[i / 2] = (uint8_t)(i % 2 ? sha[i / 2] | v : v << 4);
    }
    return text[2 * PN_Q_SHA_BYTES] == '\0' ? 0 : -1;
}
