/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/host_words.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"

struct pn_qwords {
    sqlite3 *db; /* in memory, only for its tokenizer */
    fts5_tokenizer tokenizer;
    Fts5Tokenizer *instance;
};

struct pn_qwords *pn_qwords_new(struct pn_error *err)
{
    struct pn_qwords *w = calloc(1, sizeof(*w));
    sqlite3_stmt *q = NULL;
    fts5_api *api = NULL;
    void *user = NULL;

    if (w && sqlite3_open_v2(":memory:", &w->db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(w->db, "SELECT fts5(?1)", -1, &q, NULL) == SQLITE_OK &&
        sqlite3_bind_pointer(q, 1, &api, "fts5_api_ptr", NULL) == SQLITE_OK)
        sqlite3_step(q);
    sqlite3_finalize(q);
    if (api && api->xFindTokenizer(api, "unicode61", &user, &w->tokenizer) == SQLITE_OK &&
        w->tokenizer.xCreate(user, NULL, 0, &w->instance) == SQLITE_OK)
        return w;
    pn_qwords_free(w);
    pn_error_set(err, "this SQLite has no FTS5, which the full text search needs");
    return NULL;
}

void pn_qwords_free(struct pn_qwords *w)
{
    if (w == NULL)
        return;
    if (w->instance)
        w->tokenizer.xDelete(w->instance);
    sqlite3_close_v2(w->db);
    free(w);
}

struct writer {
    FILE *f;
    char weight;
    unsigned at, n; /* position, words of this text */
    const char *before; /* a query: what stands between words of a phrase; NULL: a document */
    const char *weights;
};

static void word(FILE *f, const char *token, int len)
{
    fputc('\'', f);
    for (int i = 0; i < len; i++) {
        if (token[i] == '\'' || token[i] == '\\')
            fputc(token[i], f);
        fputc(token[i], f);
    }
    fputc('\'', f);
}

static int on_word(void *arg, int flags, const char *token, int len, int start, int end)
{
    struct writer *w = arg;

    (void)start, (void)end;
    if (flags & FTS5_TOKEN_COLOCATED)
        return SQLITE_OK;
    int cut = len > (int)PN_QWORD_BYTES_MAX ? (int)PN_QWORD_BYTES_MAX : len;
    while (cut > 0 && cut < len && /* whole characters */
           ((unsigned char)token[cut] & 0xc0) == 0x80)
        cut--;
    if (w->before) {
        if (w->n)
            fputs(w->before, w->f);
        word(w->f, token, cut);
        fprintf(w->f, ":%s", w->weights);
    } else {
        word(w->f, token, cut);
        fprintf(w->f, ":%u%c ", w->at < 16383 ? w->at : 16383, w->weight);
        w->at++;
    }
    w->n++;
    return SQLITE_OK;
}

static void text(struct pn_qwords *w, struct writer *out, const char *bytes, size_t len, int why)
{
    out->n = 0;
    w->tokenizer.xTokenize(w->instance, out, why, bytes, (int)len, on_word);
}

char *pn_qwords_vector(struct pn_qwords *w, const char *subject, const char *reason, const char *headers)
{
    const char *const texts[] = {subject, reason, headers};
    char *bytes = NULL;
    size_t size;
    struct writer out = {.f = open_memstream(&bytes, &size), .at = 1};

    if (out.f == NULL)
        return NULL;
    for (unsigned i = 0; i < 3; i++) {
        out.weight = (char)('A' + i);
        if (texts[i])
            text(w, &out, texts[i], strlen(texts[i]), FTS5_TOKENIZE_DOCUMENT);
        out.at += 2; /* no phrase goes from one into the next */
    }
    bool failed = ferror(out.f);
    if (fclose(out.f) != 0 || failed) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

char *pn_qwords_query(struct pn_qwords *w, const char *subject, const char *reason, const char *any, bool *none)
{
    static const char *const weights[] = {"A", "B", "AC"};
    const char *const texts[] = {subject, reason, any};
    char *bytes = NULL;
    size_t size;
    struct writer out = {.f = open_memstream(&bytes, &size), .before = " <-> "};
    unsigned groups = 0;

    *none = false;
    if (out.f == NULL)
        return NULL;
    for (unsigned i = 0; i < 3; i++)
        for (const char *p = texts[i] ? texts[i] : ""; *p;) {
            p += strspn(p, " \t");
            size_t len = strcspn(p, " \t");
            if (len == 0)
                break;
            fputs(groups++ ? " & ( " : "( ", out.f);
            out.weights = weights[i];
            text(w, &out, p, len, FTS5_TOKENIZE_QUERY);
            if (out.n == 0) {
                *none = true;
                fputs("'none'", out.f); /* what is only punctuation is in no text */
            }
            fputs(" )", out.f);
            p += len;
        }
    bool failed = ferror(out.f);
    if (fclose(out.f) != 0 || failed) {
        free(bytes);
        return NULL;
    }
    return bytes;
}
