/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "controlplane/conf/ucl.h"
#include "controlplane/conf/ucl_lex.h"

#define UCL_BLOCK_BYTES 65536u
#define UCL_MAX_TITLES 4

struct ucl_block {
    struct ucl_block *next;
    size_t used;
    char data[UCL_BLOCK_BYTES];
};

struct pn_ucl_doc {
    struct ucl_block *blocks;
    struct pn_ucl_node *root;
    const char *files[PN_UCL_MAX_FILES];
    unsigned n_files, n_nodes;
};

/* The files of one include (or the first file), read one after the other into the same object. */
struct ucl_source {
    char **paths;
    unsigned n_paths, next;
    bool may_miss; /* try=true, or found by a pattern */
    char *text; /* of the file being read */
    struct pn_ucl_lex lex;
    uint16_t file;
    unsigned base; /* depth of the object that includes */
    uint16_t from; /* the file that includes, and where */
    uint32_t line, column;
    bool started, braced, brace_closed; /* the whole file may stand in one {} */
};

struct ucl_open {
    struct pn_ucl_node *node;
    uint32_t line, column; /* of its bracket */
};

struct ucl_parser {
    const struct pn_ucl_io *io;
    struct pn_ucl_doc *doc;
    struct pn_ucl_error *error;
    struct ucl_source sources[PN_UCL_MAX_INCLUDE_DEPTH];
    unsigned n_sources;
    struct ucl_open open[PN_UCL_MAX_DEPTH]; /* [0]: the root */
    unsigned depth;
    struct pn_ucl_lexeme key, value, ahead;
};

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

static const char *ucl_text(struct pn_ucl_doc *doc, const char *text, size_t len)
{
    char *copy = ucl_alloc(doc, len + 1);
    if (copy)
        memcpy(copy, text, len); /* blocks are zeroed */
    return copy;
}

static struct ucl_source *ucl_source(struct ucl_parser *p)
{
    return &p->sources[p->n_sources - 1];
}

/* -1, so that callers can return it. line 0: the file as a whole. */
static int __attribute__((format(printf, 4, 5)))
ucl_fail(struct ucl_parser *p, uint32_t line, uint32_t column, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error->text, sizeof(p->error->text), format, args);
    va_end(args);
    p->error->line = line;
    p->error->column = column;
    return -1;
}

static int ucl_unexpected(struct ucl_parser *p, const struct pn_ucl_lexeme *found, const char *expected)
{
    char buf[96];
    return ucl_fail(p, found->line, found->column, "found %s, expected %s", pn_ucl_lexeme_say(found, buf, sizeof(buf)),
                    expected);
}

static int ucl_next(struct ucl_parser *p, enum pn_ucl_mode mode, struct pn_ucl_lexeme *out)
{
    return pn_ucl_lex_next(&ucl_source(p)->lex, mode, out, p->error) == PN_UCL_T_BAD ? -1 : 0;
}

static bool ucl_is(const struct pn_ucl_lexeme *lexeme, char punct)
{
    return lexeme->token == PN_UCL_T_PUNCT && lexeme->punct == punct;
}

static bool ucl_is_scalar(const struct pn_ucl_lexeme *lexeme)
{
    return lexeme->token == PN_UCL_T_WORD || lexeme->token == PN_UCL_T_QUOTED;
}

/* A child of parent at the place of at; key and value NULL where it has none. NULL and the error. */
static struct pn_ucl_node *ucl_add(struct ucl_parser *p, struct pn_ucl_node *parent, enum pn_ucl_type type,
                                   const struct pn_ucl_lexeme *at, const struct pn_ucl_lexeme *key,
                                   const struct pn_ucl_lexeme *value)
{
    struct pn_ucl_doc *doc = p->doc;
    if (doc->n_nodes == PN_UCL_MAX_NODES) {
        ucl_fail(p, at->line, at->column, "more than %d values", PN_UCL_MAX_NODES);
        return NULL;
    }
    struct pn_ucl_node *node = ucl_alloc(doc, sizeof(*node));
    if (!node || (key && !(node->key = ucl_text(doc, key->text, key->len))) ||
        (value && !(node->text = ucl_text(doc, value->text, value->len)))) {
        ucl_fail(p, at->line, at->column, "out of memory");
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
        return ucl_fail(p, bracket->line, bracket->column, "nested deeper than %d levels", PN_UCL_MAX_DEPTH - 1);
    p->open[p->depth++] = (struct ucl_open){node, bracket->line, bracket->column};
    return 0;
}

static void ucl_source_close(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    for (unsigned i = 0; i < s->n_paths; i++)
        free(s->paths[i]);
    free(s->paths);
    free(s->text);
    p->n_sources--;
}

/* Opens the source's next file. 1: there was none left. */
static int ucl_source_advance(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    uint32_t line = s->line, column = s->column;
    free(s->text);
    s->text = NULL;
    s->file = s->from; /* errors while opening belong to the line that includes */
    while (s->next < s->n_paths) {
        const char *path = s->paths[s->next++];
        for (unsigned i = 0; i + 1 < p->n_sources; i++)
            if (strcmp(p->sources[i].paths[p->sources[i].next - 1], path) == 0)
                return ucl_fail(p, line, column, "\"%s\" includes itself", path);
        if (p->doc->n_files == PN_UCL_MAX_FILES)
            return ucl_fail(p, line, column, "more than %d files", PN_UCL_MAX_FILES);
        size_t len = 0;
        struct pn_error err = {0};
        int found = p->io->read(p->io->arg, path, &s->text, &len, &err);
        if (found == 1 && s->may_miss)
            continue;
        if (found != 0)
            return ucl_fail(p, line, column, "%s: %.180s", path, found == 1 ? "no such file" : err.text);
        if (len > PN_UCL_MAX_FILE_BYTES)
            return ucl_fail(p, line, column, "%s: longer than %u bytes", path, PN_UCL_MAX_FILE_BYTES);
        const char *name = ucl_text(p->doc, path, strlen(path));
        if (!name)
            return ucl_fail(p, line, column, "out of memory");
        s->file = (uint16_t)p->doc->n_files;
        p->doc->files[p->doc->n_files++] = name;
        s->started = s->braced = s->brace_closed = false;
        pn_ucl_lex_start(&s->lex, s->text, len);
        return 0;
    }
    return 1;
}

/* Takes paths over. */
static int ucl_source_push(struct ucl_parser *p, char **paths, unsigned n, bool may_miss,
                           const struct pn_ucl_lexeme *at)
{
    if (p->n_sources == PN_UCL_MAX_INCLUDE_DEPTH) {
        for (unsigned i = 0; i < n; i++)
            free(paths[i]);
        free(paths);
        return ucl_fail(p, at->line, at->column, "files include each other deeper than %d levels",
                        PN_UCL_MAX_INCLUDE_DEPTH);
    }
    uint16_t from = p->n_sources > 0 ? ucl_source(p)->file : 0;
    p->sources[p->n_sources++] = (struct ucl_source){.paths = paths,
                                                     .n_paths = n,
                                                     .may_miss = may_miss,
                                                     .base = p->depth,
                                                     .from = from,
                                                     .line = at->line,
                                                     .column = at->column};
    int rc = ucl_source_advance(p);
    if (rc == 1)
        ucl_source_close(p);
    return rc < 0 ? -1 : 0;
}

/* Path as the including file means it: relative to its folder. */
static int ucl_include_path(struct ucl_parser *p, const struct pn_ucl_lexeme *name, char *path, size_t size)
{
    const char *from = p->doc->files[ucl_source(p)->file];
    const char *slash = strrchr(from, '/');
    int dir = name->text[0] == '/' || !slash ? 0 : (int)(slash - from) + 1;
    if (name->len + (size_t)dir >= size)
        return ucl_fail(p, name->line, name->column, "path is longer than %zu bytes", size - 1);
    memcpy(path, from, (size_t)dir);
    memcpy(path + dir, name->text, name->len + 1);
    return 0;
}

static int ucl_include(struct ucl_parser *p, const struct pn_ucl_lexeme *name, bool may_miss, bool pattern)
{
    char path[sizeof(p->error->file)];
    if (name->len == 0)
        return ucl_fail(p, name->line, name->column, "found an empty path, expected a file to include");
    if (ucl_include_path(p, name, path, sizeof(path)) != 0)
        return -1;
    char **paths = NULL;
    unsigned n = 0;
    if (pattern && strpbrk(name->text, "*?[")) {
        struct pn_error err = {0};
        if (p->io->glob(p->io->arg, path, &paths, &n, &err) != 0)
            return ucl_fail(p, name->line, name->column, "%s: %.180s", path, err.text);
        return ucl_source_push(p, paths, n, true, name);
    }
    paths = calloc(1, sizeof(*paths));
    char *copy = strdup(path);
    if (!paths || !copy) {
        free(paths);
        free(copy);
        return ucl_fail(p, name->line, name->column, "out of memory");
    }
    paths[0] = copy;
    return ucl_source_push(p, paths, 1, may_miss, name);
}

/* The end of an entry: separator, closing brace (left for the caller), or the end. */
static int ucl_end_entry(struct ucl_parser *p, const char *expected)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    if (ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
        return -1;
    if (p->ahead.token == PN_UCL_T_NEWLINE || ucl_is(&p->ahead, ';') || ucl_is(&p->ahead, ','))
        return 0;
    if (p->ahead.token == PN_UCL_T_END || ucl_is(&p->ahead, '}') || ucl_is(&p->ahead, ']')) {
        ucl_source(p)->lex = before;
        return 0;
    }
    return ucl_unexpected(p, &p->ahead, expected);
}

/* (try=true,glob=true): what stands between .include and its path. */
static int ucl_include_options(struct ucl_parser *p, bool *may_miss, bool *pattern)
{
    for (;;) {
        if (ucl_next(p, PN_UCL_OPTION, &p->key) != 0)
            return -1;
        if (ucl_is(&p->key, ')'))
            return 0;
        bool *option = strcmp(p->key.text, "try") == 0 ? may_miss : strcmp(p->key.text, "glob") == 0 ? pattern : NULL;
        if (p->key.token != PN_UCL_T_WORD || !option)
            return ucl_unexpected(p, &p->key, "an option of .include: try=true or glob=true");
        if (ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
            return -1;
        if (!ucl_is(&p->ahead, '='))
            return ucl_unexpected(p, &p->ahead, "'='");
        if (ucl_next(p, PN_UCL_OPTION, &p->value) != 0)
            return -1;
        if (!ucl_is_scalar(&p->value) || (strcmp(p->value.text, "true") != 0 && strcmp(p->value.text, "false") != 0))
            return ucl_unexpected(p, &p->value, "true or false");
        *option = p->value.text[0] == 't';
        if (ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
            return -1;
        if (ucl_is(&p->ahead, ')'))
            return 0;
        if (!ucl_is(&p->ahead, ','))
            return ucl_unexpected(p, &p->ahead, "',' or ')'");
    }
}

static int ucl_directive(struct ucl_parser *p)
{
    bool may_miss = false, pattern = false;
    if (strcmp(p->key.text, ".include") != 0)
        return ucl_unexpected(p, &p->key, "a key, or .include (no other directive is known)");
    if (ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
        return -1;
    if (ucl_is(&p->ahead, '(')) {
        if (ucl_include_options(p, &may_miss, &pattern) != 0 || ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
            return -1;
    }
    if (!ucl_is_scalar(&p->ahead))
        return ucl_unexpected(p, &p->ahead, "the path of a file to include");
    p->value = p->ahead;
    if (ucl_end_entry(p, "';' or the end of the line after the path") != 0)
        return -1;
    return ucl_include(p, &p->value, may_miss, pattern);
}

/* Skips line ends when `{` follows them, so that a brace may stand on its own line. 1: it does, and was taken. */
static int ucl_brace_follows(struct ucl_parser *p)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    do {
        if (ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
            return -1;
    } while (p->ahead.token == PN_UCL_T_NEWLINE);
    if (ucl_is(&p->ahead, '{'))
        return 1;
    ucl_source(p)->lex = before;
    return 0;
}

/* `key title ... {`: p->key is taken, p->value is the first title or the value. */
static int ucl_scalar_or_section(struct ucl_parser *p, struct pn_ucl_node *parent, bool separated)
{
    const char *expected = "';' or the end of the line after the value (a value with blanks needs quotes)";
    struct pn_ucl_lex before = ucl_source(p)->lex;
    int brace = separated ? 0 : ucl_brace_follows(p);
    if (brace < 0)
        return -1;
    if (brace == 0) {
        if (!separated && p->key.token == PN_UCL_T_WORD && strcmp(p->key.text, "include") == 0) {
            if (ucl_end_entry(p, "';' or the end of the line after the path") != 0)
                return -1;
            return ucl_include(p, &p->value, false, true);
        }
        struct pn_ucl_lex after = ucl_source(p)->lex;
        if (ucl_next(p, PN_UCL_VALUE, &p->ahead) != 0)
            return -1;
        if (separated || !ucl_is_scalar(&p->ahead)) {
            ucl_source(p)->lex = after;
            if (p->value.token == PN_UCL_T_WORD && strncmp(p->value.text, "<<", 2) == 0)
                return ucl_unexpected(p, &p->value, "a value (heredocs are not read)");
            if (!ucl_add(p, parent, PN_UCL_SCALAR, &p->key, &p->key, &p->value))
                return -1;
            return ucl_end_entry(p, expected);
        }
    }
    /* A section, or two words where one value may stand. */
    ucl_source(p)->lex = before;
    struct pn_ucl_node *node = ucl_add(p, parent, PN_UCL_OBJECT, &p->key, &p->key, NULL);
    for (unsigned i = 0; node; i++) {
        if (i == UCL_MAX_TITLES)
            return ucl_unexpected(p, &p->value, "'{' after the section's titles");
        node = ucl_add(p, node, PN_UCL_OBJECT, &p->value, &p->value, NULL);
        int rc = node ? ucl_brace_follows(p) : -1;
        if (rc == 1)
            return ucl_descend(p, node, &p->ahead);
        if (rc < 0 || ucl_next(p, PN_UCL_VALUE, &p->value) != 0)
            return -1;
        if (!ucl_is_scalar(&p->value))
            return ucl_fail(p, p->value.line, p->value.column, "expected '{' after a section's title, or %s", expected);
    }
    return -1;
}

static int ucl_entry(struct ucl_parser *p, struct pn_ucl_node *parent)
{
    struct pn_ucl_lex before = ucl_source(p)->lex;
    if (p->key.len == 0)
        return ucl_fail(p, p->key.line, p->key.column, "found an empty key");
    if (ucl_next(p, PN_UCL_KEY, &p->ahead) != 0)
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
        if (ucl_next(p, PN_UCL_VALUE, &p->value) != 0)
            return -1;
    } while (separated && p->value.token == PN_UCL_T_NEWLINE);
    if (ucl_is(&p->value, '[')) {
        struct pn_ucl_node *node = ucl_add(p, parent, PN_UCL_ARRAY, &p->key, &p->key, NULL);
        return node ? ucl_descend(p, node, &p->value) : -1;
    }
    if (!ucl_is_scalar(&p->value)) {
        char text[128];
        snprintf(text, sizeof(text), "a value for \"%.60s\"", p->key.text);
        return ucl_unexpected(p, &p->value, text);
    }
    return ucl_scalar_or_section(p, parent, separated);
}

static int ucl_file_end(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    const struct ucl_open *top = &p->open[p->depth - 1];
    if (p->depth > s->base)
        return ucl_fail(p, top->line, top->column, "section is not closed: expected '}' before the end of the file");
    if (s->braced && !s->brace_closed)
        return ucl_fail(p, 1, 1, "the brace around the file is not closed: expected '}' before its end");
    int rc = ucl_source_advance(p);
    if (rc == 1)
        ucl_source_close(p);
    return rc < 0 ? -1 : 0;
}

static int ucl_step_object(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    struct pn_ucl_node *node = p->open[p->depth - 1].node;
    if (ucl_next(p, PN_UCL_KEY, &p->key) != 0)
        return -1;
    if (p->key.token == PN_UCL_T_END)
        return ucl_file_end(p);
    if (p->key.token == PN_UCL_T_NEWLINE || ucl_is(&p->key, ';') || ucl_is(&p->key, ','))
        return 0;
    bool started = s->started;
    s->started = true;
    if (s->brace_closed)
        return ucl_unexpected(p, &p->key, "nothing after the brace that closes the file");
    if (ucl_is(&p->key, '}')) {
        if (p->depth > s->base)
            p->depth--;
        else if (s->braced)
            s->brace_closed = true;
        else
            return ucl_unexpected(p, &p->key, "a key (no section is open here)");
        return 0;
    }
    if (ucl_is(&p->key, '{') && !started) {
        s->braced = true; /* JSON's way */
        return 0;
    }
    if (!ucl_is_scalar(&p->key))
        return ucl_unexpected(p, &p->key, "a key");
    if (p->key.token == PN_UCL_T_WORD && p->key.text[0] == '.')
        return ucl_directive(p);
    return ucl_entry(p, node);
}

static int ucl_step_array(struct ucl_parser *p)
{
    struct pn_ucl_node *node = p->open[p->depth - 1].node;
    if (ucl_next(p, PN_UCL_VALUE, &p->value) != 0)
        return -1;
    if (p->value.token == PN_UCL_T_END)
        return ucl_fail(p, p->open[p->depth - 1].line, p->open[p->depth - 1].column,
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
        return ucl_unexpected(p, &p->value, "a value or ']'");
    if (!ucl_add(p, node, PN_UCL_SCALAR, &p->value, NULL, &p->value))
        return -1;
    return ucl_end_entry(p, "',' or ']' after a value in a list");
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
        return ucl_fail(p, 0, 0, "out of memory");
    }
    paths[0] = copy;
    p->doc->root->type = PN_UCL_OBJECT;
    p->open[p->depth++].node = p->doc->root;
    if (strlen(path) >= sizeof(p->error->file)) {
        p->sources[p->n_sources++] = (struct ucl_source){.paths = paths, .n_paths = 1};
        return ucl_fail(p, 0, 0, "path is longer than %zu bytes", sizeof(p->error->file) - 1);
    }
    int rc = ucl_source_push(p, paths, 1, false, &whole);
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
        ucl_source_close(p);
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
