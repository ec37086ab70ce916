/* SPDX-License-Identifier: BSD-3-Clause */
/* What ucl.c and ucl_include.c share. */
#ifndef POSTERN_CONF_UCL_PARSE_H
#define POSTERN_CONF_UCL_PARSE_H

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
    char after; /* ',' or ';' before the key on its line, 0: neither */
};

static inline struct ucl_source *ucl_source(struct ucl_parser *p)
{
    return &p->sources[p->n_sources - 1];
}

static inline bool ucl_is(const struct pn_ucl_lexeme *lexeme, char punct)
{
    return lexeme->token == PN_UCL_T_PUNCT && lexeme->punct == punct;
}

static inline bool ucl_is_scalar(const struct pn_ucl_lexeme *lexeme)
{
    return lexeme->token == PN_UCL_T_WORD || lexeme->token == PN_UCL_T_QUOTED;
}

/* ucl.c; those that return int: 0, or -1 and the error. */
const char *pn_ucl_text(struct pn_ucl_doc *doc, const char *text, size_t len);
int pn_ucl_fail(struct ucl_parser *p, uint32_t line, uint32_t column, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
int pn_ucl_unexpected(struct ucl_parser *p, const struct pn_ucl_lexeme *found, const char *expected);
int pn_ucl_next(struct ucl_parser *p, enum pn_ucl_mode mode, struct pn_ucl_lexeme *out);
int pn_ucl_end_entry(struct ucl_parser *p, const char *expected);

/* ucl_include.c */
/* Opens the first of n paths; takes the array over. */
int pn_ucl_source_push(struct ucl_parser *p, char **paths, unsigned n, bool may_miss, const struct pn_ucl_lexeme *at);
/* Opens the source's next file. 1: there was none left. */
int pn_ucl_source_advance(struct ucl_parser *p);
void pn_ucl_source_close(struct ucl_parser *p);
/* Reads name, a pattern perhaps, into the object being read. */
int pn_ucl_include(struct ucl_parser *p, const struct pn_ucl_lexeme *name, bool may_miss, bool pattern);
/* `.include ...`, whose first word is in p->key. */
int pn_ucl_directive(struct ucl_parser *p);

#endif
