/* SPDX-License-Identifier: BSD-3-Clause */
/* Tokens as people type them. What parses is written again the same, and parses to the same. */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/cluster/token.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), again[PN_TOKEN_TEXT_BYTES], third[PN_TOKEN_TEXT_BYTES];
    struct pn_token t;
    struct pn_error err = {""};

    memcpy(text, data, size);
    text[size] = '\0';
    if (pn_token_parse(text, &t, &err) == 0) {
        if (!pn_token_format(&t, again) || pn_token_parse(again, &t, &err) != 0 || !pn_token_format(&t, third) ||
            strcmp(again, third) != 0) {
            fprintf(stderr, "a token does not come back\n");
            abort();
        }
    } else if (err.text[0] == '\0') {
        fprintf(stderr, "no reason given\n");
        abort();
    }
    free(text);
    return 0;
}
