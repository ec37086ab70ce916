/* SPDX-License-Identifier: BSD-3-Clause */
/* The running configuration in its canonical form, which is itself a configuration: the client compares. */
#include <stdlib.h>

#include "controlplane/api/handlers.h"
#include "controlplane/conf/canon.h"

void pn_cmd_config(struct pn_api_call *call)
{
    char *text = pn_canon_text(call->view->conf);

    pn_api_ok(call, text ? json_pack("{s:s, s:s, s:s}", "file", call->view->conf_path, "digest",
                                     call->view->conf->digest, "text", text)
                         : NULL);
    free(text);
}
