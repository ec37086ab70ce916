/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reader of the subset of UCL that postern.conf(5) describes: text in, a tree out whose every value knows file, line
 * and column. Pure but for malloc: files come through struct pn_ucl_io. Bounded in depth, size and number of values,
 * no recursion; every byte string ends in a tree or in one error.
 *
 * Scalars keep their text; what it means (number, duration, word) the schema decides. Left out of UCL on purpose:
 * heredocs, variables, macros other than .include, and spaces in words without quotes.
 */
#ifndef POSTERN_CONF_UCL_H
#define POSTERN_CONF_UCL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "postern/types.h"

#define PN_UCL_MAX_DEPTH 16 /* nested sections and arrays */
#define PN_UCL_MAX_INCLUDE_DEPTH 8
#define PN_UCL_MAX_FILES 256
#define PN_UCL_MAX_FILE_BYTES (1u << 20)
#define PN_UCL_MAX_NODES 65536
#define PN_UCL_MAX_TEXT_BYTES 4095 /* of one key or value */

enum pn_ucl_type { PN_UCL_OBJECT, PN_UCL_ARRAY, PN_UCL_SCALAR };

struct pn_ucl_node {
    enum pn_ucl_type type;
    bool quoted; /* a scalar written in quotes */
    uint16_t file; /* for pn_ucl_file() */
    uint32_t line, column; /* of the key; of the value in an array; from 1 */
    const char *key; /* NULL: element of an array, or the root */
    const char *text; /* scalar: UTF-8 without control characters but those written as escapes, no NUL inside */
    struct pn_ucl_node *first, *last, *next; /* children and sibling, in the order written; repeated keys stay apart */
};

struct pn_ucl_error {
    char file[256];
    uint32_t line, column; /* 0: the file as a whole */
    char text[256]; /* what was found and what was expected */
};

struct pn_ucl_io {
    /* 0: *text (malloc, *len bytes) is the file; 1: there is no such file; -1: err says what is wrong. */
    int (*read)(void *arg, const char *path, char **text, size_t *len, struct pn_error *err);
    /* Files that match, sorted by bytes: malloc'd array of malloc'd strings, none is not an error. -1: err. */
    int (*glob)(void *arg, const char *pattern, char ***paths, unsigned *n, struct pn_error *err);
    void *arg;
};

struct pn_ucl_doc;

/* The file at path and what it includes as one tree. NULL and *err at the first fault. */
struct pn_ucl_doc *pn_ucl_parse(const struct pn_ucl_io *io, const char *path, struct pn_ucl_error *err);
void pn_ucl_free(struct pn_ucl_doc *doc);

const struct pn_ucl_node *pn_ucl_root(const struct pn_ucl_doc *doc);
const char *pn_ucl_file(const struct pn_ucl_doc *doc, unsigned file); /* path; NULL past the last */

#endif
