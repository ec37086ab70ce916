/* SPDX-License-Identifier: BSD-3-Clause */
/* Characters to tokens, for ucl.c alone. */
#ifndef POSTERN_CONF_UCL_LEX_H
#define POSTERN_CONF_UCL_LEX_H

#include "controlplane/conf/ucl.h"

struct pn_ucl_lex {
    const char *at, *end;
    uint32_t line, column;
};

enum pn_ucl_token {
    PN_UCL_T_END,
    PN_UCL_T_NEWLINE,
    PN_UCL_T_PUNCT, /* one of {}[](),;=: in punct */
    PN_UCL_T_WORD,
    PN_UCL_T_QUOTED,
    PN_UCL_T_BAD /* error filled */
};

struct pn_ucl_lexeme {
    enum pn_ucl_token token;
    char punct;
    uint32_t line, column;
    size_t len; /* of text, for words and strings */
    char text[PN_UCL_MAX_TEXT_BYTES + 1];
};

/* Words end at blanks, quotes, {}[],; and #; a key also at = : ( ), an option of .include also at = ( ). */
enum pn_ucl_mode { PN_UCL_KEY, PN_UCL_VALUE, PN_UCL_OPTION };

void pn_ucl_lex_start(struct pn_ucl_lex *lex, const char *text, size_t len);
/* The next token after blanks and comments. PN_UCL_T_BAD: error has line, column and text. */
enum pn_ucl_token pn_ucl_lex_next(struct pn_ucl_lex *lex, enum pn_ucl_mode mode, struct pn_ucl_lexeme *out,
                                  struct pn_ucl_error *error);
/* What was found, for messages: `'}'`, `"mx1"`, `the end of the line`. */
const char *pn_ucl_lexeme_say(const struct pn_ucl_lexeme *lexeme, char *buf, size_t size);

#endif
