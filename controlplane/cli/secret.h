/* SPDX-License-Identifier: BSD-3-Clause */
/* Passphrases and tokens: from the terminal without echo, a file, or standard input; never from where ps shows them. */
#ifndef POSTERN_CLI_SECRET_H
#define POSTERN_CLI_SECRET_H

#include "controlplane/cli/cli.h"

#define PN_SECRET_BYTES 1026 /* what the daemon takes, and one more to notice that it is too long */

/* Where one passphrase comes from, as options gave it. */
struct pn_secret_from {
    bool ask; /* --passphrase: at the terminal */
    const char *file; /* --passphrase-file; "-": standard input */
};
static inline bool pn_secret_given(const struct pn_secret_from *from)
{
    return from->ask || from->file;
}

/*
 * prompt: "Passphrase of the CA's key". twice: a new one, to be typed again. 0, or an exit status after a message. The
 * caller wipes out.
 */
int pn_secret_read(const struct pn_secret_from *from, const char *prompt, bool twice, char out[PN_SECRET_BYTES]);
/* The whole of standard input without the white space around it. */
int pn_secret_stdin(const char *what, char out[PN_SECRET_BYTES]);
bool pn_secret_terminal(void); /* somebody can be asked */

/* Asks at the terminal; only "y" and "yes" are that. -1: there is none. */
int pn_secret_confirm(const char *question);

/* Puts it under key unless it is empty; takes the copy in JSON along when the process wipes what it frees. */
void pn_secret_set(json_t *args, const char *key, const char *secret);

#endif
