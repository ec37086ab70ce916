/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/rules/record.h"

#include <endian.h>
#include <pthread.h>
#include <stdlib.h>

#include <openssl/evp.h>

#include "common/error.h"

void pn_rule_init(struct pn_rule *rule)
{
    rule->key.kind = PN_KIND_NONE;
    rule->key.field = PN_FIELD_NONE;
    rule->key.owner[0] = rule->key.value[0] = rule->node[0] = rule->description[0] = '\0';
    rule->present = false;
    rule->stamp = 0;
    rule->body = NULL;
    rule->body_len = 0;
    rule->n_hits = 0;
}

void pn_rule_clear(struct pn_rule *rule)
{
    free(rule->body);
    pn_rule_init(rule);
}

int pn_rule_body_set(struct pn_rule *rule, const void *body, size_t len)
{
    char *copy = NULL;

    if (len > 0) {
        copy = malloc(len + 1);
        if (copy == NULL)
            return -1;
        memcpy(copy, body, len);
        copy[len] = '\0';
    }
    free(rule->body);
    rule->body = copy;
    rule->body_len = (uint32_t)len;
    return 0;
}

int pn_rule_copy(struct pn_rule *to, const struct pn_rule *from)
{
    if (to == from)
        return 0;
    if (pn_rule_body_set(to, from->body, from->body_len) != 0)
        return -1;
    to->key.kind = from->key.kind;
    to->key.field = from->key.field;
    strcpy(to->key.owner, from->key.owner);
    strcpy(to->key.value, from->key.value);
    to->present = from->present;
    to->stamp = from->stamp;
    strcpy(to->node, from->node);
    strcpy(to->description, from->description);
    to->n_hits = from->n_hits;
    memcpy(to->hits, from->hits, from->n_hits * sizeof(from->hits[0]));
    return 0;
}

bool pn_rule_key_equal(const struct pn_rule_key *a, const struct pn_rule_key *b)
{
    return a->kind == b->kind && a->field == b->field && strcmp(a->value, b->value) == 0 &&
           strcmp(a->owner, b->owner) == 0;
}

uint64_t pn_rule_hits_total(const struct pn_rule *rule)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < rule->n_hits; i++)
        if (__builtin_add_overflow(total, rule->hits[i].count, &total))
            return UINT64_MAX;
    return total;
}

uint64_t pn_rule_last_ms(const struct pn_rule *rule)
{
    uint64_t last = 0;

    for (unsigned i = 0; i < rule->n_hits; i++)
        if (rule->hits[i].last_ms > last)
            last = rule->hits[i].last_ms;
    return last;
}

void pn_rule_hit_add(struct pn_rule *rule, const char *node, uint64_t count, uint64_t last_ms)
{
    unsigned i = 0;
    struct pn_rule_hit *hit;

    while (i < rule->n_hits && strcmp(rule->hits[i].node, node) < 0)
        i++;
    if (i == rule->n_hits || strcmp(rule->hits[i].node, node) != 0) {
        if (rule->n_hits == PN_RULE_HITS_MAX) { /* the first name goes, as it does in a merge */
            if (i == 0)
                return;
            memmove(rule->hits, rule->hits + 1, (i - 1) * sizeof(rule->hits[0]));
            i--;
        } else {
            memmove(rule->hits + i + 1, rule->hits + i, (rule->n_hits - i) * sizeof(rule->hits[0]));
            rule->n_hits++;
        }
        memset(&rule->hits[i], 0, sizeof(rule->hits[i]));
        strncpy(rule->hits[i].node, node, PN_NAME_BYTES - 1);
    }
    hit = &rule->hits[i];
    if (__builtin_add_overflow(hit->count, count, &hit->count))
        hit->count = UINT64_MAX;
    if (last_ms > hit->last_ms)
        hit->last_ms = last_ms;
}

/* ---- Hashes ---- */

/* Fetched once: OpenSSL's look-up of an algorithm costs more than hashing a rule. A context for each thread. */
static EVP_MD *sha256;
static pthread_key_t context;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void context_free(void *ctx)
{
    EVP_MD_CTX_free(ctx);
}

static void hash_init(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (sha256 && pthread_key_create(&context, context_free) != 0)
        sha256 = NULL;
}

static EVP_MD_CTX *hash_start(void)
{
    static __thread EVP_MD_CTX *ctx; /* the key's value is only for its end */

    pthread_once(&once, hash_init);
    if (ctx == NULL && sha256 != NULL && (ctx = EVP_MD_CTX_new()) != NULL)
        pthread_setspecific(context, ctx);
    if (ctx == NULL || EVP_DigestInit_ex2(ctx, sha256, NULL) != 1)
        return NULL;
    return ctx;
}

struct packed {
    size_t len;
    uint8_t b[4 * PN_RULE_VALUE_BYTES + PN_RULE_HITS_MAX * 64];
};

static void pack_bytes(struct packed *p, const void *data, size_t len)
{
    memcpy(p->b + p->len, data, len);
    p->len += len;
}

static void pack_u64(struct packed *p, uint64_t v)
{
    uint64_t be = htobe64(v);
    pack_bytes(p, &be, 8);
}

static void pack_text(struct packed *p, const char *text) /* with its NUL: no two lists of texts pack alike */
{
    pack_bytes(p, text, strlen(text) + 1);
}

static void pack_key(struct packed *p, const struct pn_rule_key *key)
{
    const uint8_t head[2] = {key->kind, key->field};

    pack_bytes(p, head, 2);
    pack_text(p, key->owner);
    pack_text(p, key->value);
}

static uint64_t hash_packed(const struct packed *p, const void *more, size_t more_len)
{
    uint8_t out[EVP_MAX_MD_SIZE];
    uint64_t be;
    EVP_MD_CTX *ctx = hash_start();

    if (ctx == NULL || EVP_DigestUpdate(ctx, p->b, p->len) != 1 || EVP_DigestUpdate(ctx, more, more_len) != 1 ||
        EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        abort(); /* no SHA-256 in this OpenSSL or no memory for one context: nothing can be compared */
    memcpy(&be, out, 8);
    return be64toh(be);
}

uint64_t pn_rule_id(const struct pn_rule_key *key)
{
    struct packed p;

    p.len = 0;
    pack_key(&p, key);
    return hash_packed(&p, "", 0);
}

uint64_t pn_rule_content_hash(const struct pn_rule *rule)
{
    struct packed p;

    p.len = 0;
    pack_key(&p, &rule->key);
    p.b[p.len++] = (uint8_t)(rule->stamp == 0 ? 2 : rule->present);
    pack_text(&p, rule->description);
    p.b[p.len++] = rule->n_hits;
    for (unsigned i = 0; i < rule->n_hits; i++) {
        pack_text(&p, rule->hits[i].node);
        pack_u64(&p, rule->hits[i].count);
        pack_u64(&p, rule->hits[i].last_ms);
    }
    return hash_packed(&p, rule->body ? rule->body : "", rule->body_len);
}

/* ---- What may come in ---- */

bool pn_rule_text_ok(const char *text, bool newlines)
{
    for (const char *c = text; *c; c++)
        if (((unsigned char)*c < 0x20 && !(newlines && (*c == '\n' || *c == '\t' || *c == '\r'))) || *c == 0x7f)
            return false;
    return pn_utf8_valid(text, strlen(text));
}

bool pn_rule_node_ok(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || strchr("._-", *c)))
            return false;
    return *name != '\0' && strlen(name) < PN_NAME_BYTES;
}

int pn_rule_check(const struct pn_rule *rule, struct pn_error *err)
{
    const struct pn_kind *kind = pn_kind_by_number(rule->key.kind);
    struct pn_rule_key again;

    if (kind == NULL)
        return pn_error_set(err, "there is no kind %u here", rule->key.kind);
    if (pn_rule_key_make(&again, kind, rule->key.owner, rule->key.value,
                         rule->key.field ? pn_field_name(rule->key.field) : NULL, err) != 0)
        return -1;
    if (!pn_rule_key_equal(&again, &rule->key))
        return pn_error_set(err, "\"%.64s\" is not in its normal form, which is \"%.64s\"", rule->key.value,
                            again.value);
    if (!pn_rule_node_ok(rule->node))
        return pn_error_set(err, "\"%.32s\" is no node's name", rule->node);
    if (rule->stamp == 0 || rule->stamp > INT64_MAX)
        return pn_error_set(err, "\"%.64s\" has no stamp that can be", rule->key.value);
    if (!pn_rule_text_ok(rule->description, false))
        return pn_error_set(err, "the description of \"%.64s\" is not clean UTF-8", rule->key.value);
    if (rule->body_len > PN_RULE_BODY_MAX || (rule->body_len && kind->shape == PN_SHAPE_LIST))
        return pn_error_set(err, "\"%.64s\" has a body of %u bytes", rule->key.value, rule->body_len);
    if (rule->body_len && (strlen(rule->body) != rule->body_len || !pn_rule_text_ok(rule->body, true)))
        return pn_error_set(err, "the body of \"%.64s\" is not clean UTF-8", rule->key.value);
    for (unsigned i = 0; i < rule->n_hits; i++)
        if (!pn_rule_node_ok(rule->hits[i].node) || rule->hits[i].last_ms >> 47 ||
            (i && strcmp(rule->hits[i - 1].node, rule->hits[i].node) >= 0))
            return pn_error_set(err, "the hits of \"%.64s\" are not in order or out of range", rule->key.value);
    return 0;
}
