/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/conf/ucl_parse.h"

static void *ucl_alloc(struct pn_ucl_doc *doc, size_t bytes)
{
    bytes = (bytes + 7) & ~(size_t)7;
    if (!doc->blocks || UCL_BLOCK_BYTES - doc->blocks->used < bytes) {
        struct ucl_block *block = calloc(1, sizeof(*block));
        if (!block)
            return NULL;
        block->next = doc->blocks;
        doc->blocks = block;
    }
    void *mem = doc->blocks->data + doc->blocks->used;
    doc->blocks->used += bytes;
    return mem;
}

const char *pn_ucl_text(struct pn_ucl_doc *doc, const char *text, size_t len)
{
    char *copy = ucl_alloc(doc, len + 1);
    if (copy)
        memcpy(copy, text, len); /* blocks are zeroed */
    return copy;
}

/* -1, so that callers can return it. line 0: the file as a whole. */
int pn_ucl_fail(struct ucl_parser *p, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error->text, sizeof(p->error->text), format, args);
    va_end(args);
    p->error->line = line;
    p->error->column = column;
    return -1;
}

int pn_ucl_unexpected(struct ucl_parser *p, const struct pn_ucl_lexeme *found, const char *expected)
{
    char buf[96];
    return pn_ucl_fail(p, found->line, found->column, "found %s, expected %s",
                       pn_ucl_lexeme_say(found, buf, sizeof(buf)), expected);
}

int pn_ucl_next(struct ucl_parser *p, enum pn_ucl_mode mode, struct pn_ucl_lexeme *out)
{
    return pn_ucl_lex_next(&ucl_source(p)->lex, mode, out, p->error) == PN_UCL_T_BAD ? -1 : 0;
}

/* A child of parent at the place of at; key and value NULL where it has none. NULL and the error. */
static struct pn_ucl_node *ucl_add(struct ucl_parser *p, struct pn_ucl_node *parent, enum pn_ucl_type type,
                                   const struct pn_ucl_lexeme *at, const struct pn_ucl_lexeme *key,
                                   const struct pn_ucl_lexeme *value)
{
    struct pn_ucl_doc *doc = p->doc;
    if (doc->n_nodes == PN_UCL_MAX_NODES) {
        pn_ucl_fail(p, at->line, at->column, "more than %d values", PN_UCL_MAX_NODES);
        return NULL;
    }
    struct pn_ucl_node *node = ucl_alloc(doc, sizeof(*node));
    if (!node || (key && !(node->key = pn_ucl_text(doc, key->text, key->len))) ||
        (value && !(node->text = pn_ucl_text(doc, value->text, value->len)))) {
        pn_ucl_fail(p, at->line, at->column, "out of memory");
        return NULL;
    }
    doc->n_nodes++;
    node->type = type;
    node->quoted = value && value->token == PN_UCL_T_QUOTED;
    node->file = ucl_source(p)->file;
    node->line = at->line;
    node->column = at->column;
    if (parent->last)
        parent->last->next = node;
    else
        parent->first = node;
    parent->last = node;
    return node;
}

static int ucl_descend(struct ucl_parser *p, struct pn_ucl_node *node, const struct pn_ucl_lexeme *bracket)
{
    if (p->depth == PN_UCL_MAX_DEPTH)
        return pn_ucl_fail(p, bracket->line, bracket->column, "nested deeper than %d levels", PN_UCL_MAX_DEPTH - 1);
    p->open[p->depth++] = (struct ucl_open){node, bracket->line, bracket->column};
    return 0;
}

/* The end of an entry: separator, closing brace (left for the caller), or the end. */
int pn_ucl_end_entry(struct ucl_parser *p, const char *expected)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    if (pn_ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
        return -1;
    p->after = p->ahead.punct;
    if (p->ahead.token == PN_UCL_T_NEWLINE || ucl_is(&p->ahead, ';') || ucl_is(&p->ahead, ','))
        return 0;
    if (p->ahead.token == PN_UCL_T_END || ucl_is(&p->ahead, '}') || ucl_is(&p->ahead, ']')) {
        ucl_source(p)->lex = before;
        return 0;
    }
    return pn_ucl_unexpected(p, &p->ahead, expected);
}

/* Skips line ends when `{` follows them, so that a brace may stand on its own line. 1: it does, and was taken. */
static int ucl_brace_follows(struct ucl_parser *p)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    do {
        if (pn_ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
            return -1;
    } while (p->ahead.token == PN_UCL_T_NEWLINE);
    if (ucl_is(&p->ahead, '{'))
        return 1;
    ucl_source(p)->lex = before;
    return 0;
}

#define UCL_AFTER_VALUE "';' or the end of the line after the value (a value with blanks needs quotes)"

/* `key title ... {`: p->key is taken, p->value is the first title. */
static int ucl_section(struct ucl_parser *p, struct pn_ucl_node *parent)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    struct pn_ucl_node *node = ucl_add(p, parent, PN_UCL_OBJECT, &p->key, &p->key, NULL);
    for (unsigned i = 0; node; i++) {
        if (i == UCL_MAX_TITLES)
            return pn_ucl_unexpected(p, &p->value, "'{' after the section's titles");
        node = ucl_add(p, node, PN_UCL_OBJECT, &p->value, &p->value, NULL);
        int rc = node ? ucl_brace_follows(p) : -1;
        if (rc == 1)
            return ucl_descend(p, node, &p->ahead);
        if (rc < 0 || pn_ucl_next(p, PN_UCL_VALUE, &p->value) != 0)
            return -1;
        if (!ucl_is_scalar(&p->value)) {
            ucl_source(p)->lex = before; /* no brace: the second word is one too many */
            if (pn_ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
                return -1;
            return pn_ucl_unexpected(p, &p->ahead, UCL_AFTER_VALUE ", or '{' after a section's titles");
        }
    }
    return -1;
}

/* p->key and p->value are taken: is it that value, a section's title, or a file to include? */
static int ucl_scalar_or_section(struct ucl_parser *p, struct pn_ucl_node *parent, bool separated)
{
    struct pn_ucl_lex after = ucl_source(p)->lex;
    if (!separated) {
        int brace = ucl_brace_follows(p);
        if (brace < 0)
            return -1;
        bool include = p->key.token == PN_UCL_T_WORD && strcmp(p->key.text, "include") == 0;
        if (!brace && include) {
            if (pn_ucl_end_entry(p, "';' or the end of the line after the path") != 0)
                return -1;
            return pn_ucl_include(p, &p->value, false, true);
        }
        if (!brace && pn_ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
            return -1;
        ucl_source(p)->lex = after;
        if (brace || ucl_is_scalar(&p->ahead))
            return ucl_section(p, parent);
    }
    if (p->value.token == PN_UCL_T_WORD && strncmp(p->value.text, "<<", 2) == 0)
        return pn_ucl_unexpected(p, &p->value, "a value (heredocs are not read)");
    if (!ucl_add(p, parent, PN_UCL_SCALAR, &p->key, &p->key, &p->value))
        return -1;
    if (pn_ucl_end_entry(p, UCL_AFTER_VALUE) == 0)
        return 0;
    /* A value may stand on the next line; but that was the next key. */
    if (separated && p->value.line != p->key.line && (p->ahead.text[0] == '=' || p->ahead.text[0] == ':')) {
        char key[96];
        pn_ucl_fail(p, p->key.line, p->key.column, "found nothing after %s, expected a value",
                    pn_ucl_lexeme_say(&p->key, key, sizeof(key)));
    }
    return -1;
}

static int ucl_entry(struct ucl_parser *p, struct pn_ucl_node *parent)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    if (p->key.len == 0)
        return pn_ucl_fail(p, p->key.line, p->key.column, "found an empty key");
    if (pn_ucl_next(p, PN_UCL_KEY, &p->ahead) != 0)
        return -1;
    bool separated = ucl_is(&p->ahead, '=') || ucl_is(&p->ahead, ':');
    if (!separated)
        ucl_source(p)->lex = before;
    int brace = ucl_brace_follows(p);
    if (brace < 0)
        return -1;
    if (brace == 1) {
        struct pn_ucl_node *node = ucl_add(p, parent, PN_UCL_OBJECT, &p->key, &p->key, NULL);
        return node ? ucl_descend(p, node, &p->ahead) : -1;
    }
    do {
        if (pn_ucl_next(p, PN_UCL_VALUE, &p->value) != 0)
            return -1;
    } while (separated && p->value.token == PN_UCL_T_NEWLINE);
    if (ucl_is(&p->value, '[')) {
        struct pn_ucl_node *node = ucl_add(p, parent, PN_UCL_ARRAY, &p->key, &p->key, NULL);
        return node ? ucl_descend(p, node, &p->value) : -1;
    }
    if (!ucl_is_scalar(&p->value)) {
        char key[96], text[160];
        snprintf(text, sizeof(text), "a value for %s%s", pn_ucl_lexeme_say(&p->key, key, sizeof(key)),
                 separated         ? ""
                 : p->after == ',' ? " (a list stands in brackets: [a, b])"
                 : p->after == ';' ? " (a comment begins with #)"
                                   : "");
        return pn_ucl_unexpected(p, &p->value, text);
    }
    return ucl_scalar_or_section(p, parent, separated);
}

static int ucl_file_end(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    const struct ucl_open *top = &p->open[p->depth - 1];
    if (p->depth > s->base)
        return pn_ucl_fail(p, top->line, top->column, "section is not closed: expected '}' before the end of the file");
    if (s->braced && !s->brace_closed)
        return pn_ucl_fail(p, 1, 1, "the brace around the file is not closed: expected '}' before its end");
    int rc = pn_ucl_source_advance(p);
    if (rc == 1)
        pn_ucl_source_close(p);
    return rc < 0 ? -1 : 0;
}

static int ucl_step_object(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    struct pn_ucl_node *node = p->open[p->depth - 1].node;
    if (pn_ucl_next(p, PN_UCL_KEY, &p->key) != 0)
        return -1;
    if (p->key.token == PN_UCL_T_END)
        return ucl_file_end(p);
    if (p->key.token == PN_UCL_T_NEWLINE || ucl_is(&p->key, ';') || ucl_is(&p->key, ',')) {
        p->after = p->key.punct;
        return 0;
    }
    if (p->key.token == PN_UCL_T_WORD && strncmp(p->key.text, "//", 2) == 0)
        return pn_ucl_unexpected(p, &p->key, "a key (a comment begins with #)");
    bool started = s->started;
    s->started = true;
    if (s->brace_closed)
        return pn_ucl_unexpected(p, &p->key, "nothing after the brace that closes the file");
    if (ucl_is(&p->key, '}')) {
        if (p->depth > s->base)
            p->depth--;
        else if (s->braced)
            s->brace_closed = true;
        else
            return pn_ucl_unexpected(p, &p->key, "a key (no section is open here)");
        return 0;
    }
    if (ucl_is(&p->key, '{') && !started) {
        s->braced = true; /* JSON's way */
        return 0;
    }
    if (!ucl_is_scalar(&p->key))
        return pn_ucl_unexpected(p, &p->key, "a key");
    if (p->key.token == PN_UCL_T_WORD && p->key.text[0] == '.')
        return pn_ucl_directive(p);
    return ucl_entry(p, node);
}

static int ucl_step_array(struct ucl_parser *p)
{
    struct pn_ucl_node *node = p->open[p->depth - 1].node;
    if (pn_ucl_next(p, PN_UCL_VALUE, &p->value) != 0)
        return -1;
    if (p->value.token == PN_UCL_T_END)
        return pn_ucl_fail(p, p->open[p->depth - 1].line, p->open[p->depth - 1].column,
                           "list is not closed: expected ']' before the end of the file");
    if (p->value.token == PN_UCL_T_NEWLINE || ucl_is(&p->value, ';') || ucl_is(&p->value, ','))
        return 0;
    if (ucl_is(&p->value, ']')) {
        p->depth--;
        return 0;
    }
    if (ucl_is(&p->value, '{') || ucl_is(&p->value, '[')) {
        enum pn_ucl_type type = p->value.punct == '{' ? PN_UCL_OBJECT : PN_UCL_ARRAY;
        struct pn_ucl_node *child = ucl_add(p, node, type, &p->value, NULL, NULL);
        return child ? ucl_descend(p, child, &p->value) : -1;
    }
    if (!ucl_is_scalar(&p->value))
        return pn_ucl_unexpected(p, &p->value, "a value or ']'");
    if (!ucl_add(p, node, PN_UCL_SCALAR, &p->value, NULL, &p->value))
        return -1;
    return pn_ucl_end_entry(p, "',' or ']' after a value in a list");
}

static int ucl_parse(struct ucl_parser *p, const char *path)
{
    struct pn_ucl_lexeme whole = {0};
    char **paths = calloc(1, sizeof(*paths));
    char *copy = strdup(path);
    p->doc->root = ucl_alloc(p->doc, sizeof(*p->doc->root));
    if (!paths || !copy || !p->doc->root) {
        free(paths);
        free(copy);
        return pn_ucl_fail(p, 0, 0, "out of memory");
    }
    paths[0] = copy;
    p->doc->root->type = PN_UCL_OBJECT;
    p->open[p->depth++].node = p->doc->root;
    if (strlen(path) >= sizeof(p->error->file)) {
        p->sources[p->n_sources++] = (struct ucl_source){.paths = paths, .n_paths = 1};
        return pn_ucl_fail(p, 0, 0, "path is longer than %zu bytes", sizeof(p->error->file) - 1);
    }
    int rc = pn_ucl_source_push(p, paths, 1, false, &whole);
    while (rc == 0 && p->n_sources > 0)
        rc = p->open[p->depth - 1].node->type == PN_UCL_ARRAY ? ucl_step_array(p) : ucl_step_object(p);
    return rc;
}

struct pn_ucl_doc *pn_ucl_parse(const struct pn_ucl_io *io, const char *path, struct pn_ucl_error *err)
{
    memset(err, 0, sizeof(*err));
    struct pn_ucl_doc *doc = calloc(1, sizeof(*doc));
    struct ucl_parser *p = calloc(1, sizeof(*p));
    int rc = -1;
    if (doc && p) {
        *p = (struct ucl_parser){.io = io, .doc = doc, .error = err};
        rc = ucl_parse(p, path);
    } else {
        snprintf(err->text, sizeof(err->text), "out of memory");
    }
    if (rc != 0) {
        const char *file = p && p->n_sources > 0 && doc->n_files > 0 ? doc->files[ucl_source(p)->file] : path;
        snprintf(err->file, sizeof(err->file), "%s", file);
    }
    while (p && p->n_sources > 0)
        pn_ucl_source_close(p);
    free(p);
    if (rc != 0) {
        pn_ucl_free(doc);
        return NULL;
    }
    return doc;
}

void pn_ucl_free(struct pn_ucl_doc *doc)
{
    if (!doc)
        return;
    while (doc->blocks) {
        struct ucl_block *next = doc->blocks->next;
        free(doc->blocks);
        doc->blocks = next;
    }
    free(doc);
}

const struct pn_ucl_node *pn_ucl_root(const struct pn_ucl_doc *doc)
{
    return doc->root;
}

const char *pn_ucl_file(const struct pn_ucl_doc *doc, unsigned file)
{
    return file < doc->n_files ? doc->files[file] : NULL;
}
