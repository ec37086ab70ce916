/* SPDX-License-Identifier: BSD-3-Clause */
/* Configuration files in memory, for tests and the fuzz target. */
#ifndef TESTS_CONF_MEMORY_H
#define TESTS_CONF_MEMORY_H

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/conf/ucl.h"

struct memory_file {
    const char *path; /* NULL ends the list, which is sorted */
    const char *text;
    size_t len; /* 0: strlen(text) */
};

static inline int memory_read(void *arg, const char *path, char **text, size_t *len, struct pn_error *err)
{
    (void)err;
    for (const struct memory_file *f = arg; f->path; f++) {
        if (strcmp(f->path, path) != 0)
            continue;
        *len = f->len ? f->len : strlen(f->text);
        *text = malloc(*len + 1); /* exactly as long, so that a sanitizer sees one byte too far */
        if (*len > 0)
            memcpy(*text, f->text, *len);
        *text = realloc(*text, *len ? *len : 1);
        return 0;
    }
    return 1;
}

static inline int memory_glob(void *arg, const char *pattern, char ***paths, unsigned *n, struct pn_error *err)
{
    (void)err;
    *paths = calloc(64, sizeof(char *));
    *n = 0;
    for (const struct memory_file *f = arg; f->path && *n < 64; f++)
        if (fnmatch(pattern, f->path, FNM_PATHNAME) == 0)
            (*paths)[(*n)++] = strdup(f->path);
    return 0;
}

static inline struct pn_ucl_io memory_io(const struct memory_file *files)
{
    return (struct pn_ucl_io){.read = memory_read, .glob = memory_glob, .arg = (void *)(uintptr_t)files};
}

#endif
