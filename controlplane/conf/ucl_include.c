/* SPDX-License-Identifier: BSD-3-Clause */
/* Files that include files. */
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "controlplane/conf/ucl_parse.h"

void pn_ucl_source_close(struct ucl_parser *p)
{
    struct ucl_source *s = ucl_source(p);
    for (unsigned i = 0; i < s->n_paths; i++)
        free(s->paths[i]);
    free(s->paths);
    free(s->text);
    p->n_sources--;
}

/* Opens the source's next file. 1: there was none left. */
int pn_ucl_source_advance(struct ucl_parser *p)
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
                return pn_ucl_fail(p, line, column, "\"%s\" includes itself", path);
        if (p->doc->n_files == PN_UCL_MAX_FILES)
            return pn_ucl_fail(p, line, column, "more than %d files", PN_UCL_MAX_FILES);
        size_t len = 0;
        struct pn_error err = {0};
        int found = p->io->read(p->io->arg, path, &s->text, &len, &err);
        if (found == 1 && s->may_miss)
            continue;
        if (found == 0 && len > PN_UCL_MAX_FILE_BYTES)
            found = pn_error_set(&err, "longer than %u bytes", PN_UCL_MAX_FILE_BYTES);
        if (found != 0) {
            bool included = p->n_sources > 1; /* the first file is named anyway */
            return pn_ucl_fail(p, line, column, "%s%s%.180s", included ? path : "", included ? ": " : "",
                               found == 1 ? "no such file" : err.text);
        }
        const char *name = pn_ucl_text(p->doc, path, strlen(path));
        if (!name)
            return pn_ucl_fail(p, line, column, "out of memory");
        s->file = (uint16_t)p->doc->n_files;
        p->doc->files[p->doc->n_files++] = name;
        s->started = s->braced = s->brace_closed = false;
        pn_ucl_lex_start(&s->lex, s->text, len);
        return 0;
    }
    return 1;
}

/* Takes paths over. */
int pn_ucl_source_push(struct ucl_parser *p, char **paths, unsigned n, bool may_miss, const struct pn_ucl_lexeme *at)
{
    if (p->n_sources == PN_UCL_MAX_INCLUDE_DEPTH) {
        for (unsigned i = 0; i < n; i++)
            free(paths[i]);
        free(paths);
        return pn_ucl_fail(p, at->line, at->column, "files include each other deeper than %d levels",
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
    int rc = pn_ucl_source_advance(p);
    if (rc == 1)
        pn_ucl_source_close(p);
    return rc < 0 ? -1 : 0;
}

/* Path as the including file means it: relative to its folder. */
static int ucl_include_path(struct ucl_parser *p, const struct pn_ucl_lexeme *name, char *path, size_t size)
{
    const char *from = p->doc->files[ucl_source(p)->file];
    const char *slash = strrchr(from, '/');
    int dir = name->text[0] == '/' || !slash ? 0 : (int)(slash - from) + 1;
    if (name->len + (size_t)dir >= size)
        return pn_ucl_fail(p, name->line, name->column, "path is longer than %zu bytes", size - 1);
    memcpy(path, from, (size_t)dir);
    memcpy(path + dir, name->text, name->len + 1);
    return 0;
}

int pn_ucl_include(struct ucl_parser *p, const struct pn_ucl_lexeme *name, bool may_miss, bool pattern)
{
    char path[sizeof(p->error->file)];
    if (name->len == 0)
        return pn_ucl_fail(p, name->line, name->column, "found an empty path, expected a file to include");
    if (ucl_include_path(p, name, path, sizeof(path)) != 0)
        return -1;
    char **paths = NULL;
    unsigned n = 0;
    if (pattern && strpbrk(name->text, "*?[")) {
        struct pn_error err = {0};
        if (p->io->glob(p->io->arg, path, &paths, &n, &err) != 0)
            return pn_ucl_fail(p, name->line, name->column, "%s: %.180s", path, err.text);
        return pn_ucl_source_push(p, paths, n, true, name);
    }
    paths = calloc(1, sizeof(*paths));
    char *copy = strdup(path);
    if (!paths || !copy) {
        free(paths);
        free(copy);
        return pn_ucl_fail(p, name->line, name->column, "out of memory");
    }
    paths[0] = copy;
    return pn_ucl_source_push(p, paths, 1, may_miss, name);
}

/* (try=true,glob=true): what stands between .include and its path. */
static int ucl_include_options(struct ucl_parser *p, bool *may_miss, bool *pattern)
{
    for (;;) {
        if (pn_ucl_next(p, PN_UCL_OPTION, &p->key) != 0)
            return -1;
        if (ucl_is(&p->key, ')'))
            return 0;
        bool *option = strcmp(p->key.text, "try") == 0 ? may_miss : strcmp(p->key.text, "glob") == 0 ? pattern : NULL;
        if (p->key.token != PN_UCL_T_WORD || !option)
            return pn_ucl_unexpected(p, &p->key, "an option of .include: try=true or glob=true");
        if (pn_ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
            return -1;
        if (!ucl_is(&p->ahead, '='))
            return pn_ucl_unexpected(p, &p->ahead, "'='");
        if (pn_ucl_next(p, PN_UCL_OPTION, &p->value) != 0)
            return -1;
        if (!ucl_is_scalar(&p->value) || (strcmp(p->value.text, "true") != 0 && strcmp(p->value.text, "false") != 0))
            return pn_ucl_unexpected(p, &p->value, "true or false");
        *option = p->value.text[0] == 't';
        if (pn_ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
            return -1;
        if (ucl_is(&p->ahead, ')'))
            return 0;
        if (!ucl_is(&p->ahead, ','))
            return pn_ucl_unexpected(p, &p->ahead, "',' or ')'");
    }
}

int pn_ucl_directive(struct ucl_parser *p)
{
    bool may_miss = false, pattern = false;
    if (strcmp(p->key.text, ".include") != 0)
        return pn_ucl_unexpected(p, &p->key, "a key, or .include (no other directive is known)");
    if (pn_ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
        return -1;
    if (ucl_is(&p->ahead, '(')) {
        if (ucl_include_options(p, &may_miss, &pattern) != 0 || pn_ucl_next(p, PN_UCL_OPTION, &p->ahead) != 0)
            return -1;
    }
    if (!ucl_is_scalar(&p->ahead))
        return pn_ucl_unexpected(p, &p->ahead, "the path of a file to include");
    p->value = p->ahead;
    if (pn_ucl_end_entry(p, "';' or the end of the line after the path") != 0)
        return -1;
    return pn_ucl_include(p, &p->value, may_miss, pattern);
}
