/* SPDX-License-Identifier: BSD-3-Clause */
/* The other end of relay.c: a call that another node handed on. */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/api/relay.h"

static void on_reply(void *arg, json_t *reply)
{
    static const char too_large[] = "{\"ok\":false,\"code\":\"refused\",\"error\":\"too much for one answer between "
                                    "nodes: ask for less\"}";
    struct pn_ask_answer *answer = arg;
    char *text = json_dumps(reply, JSON_COMPACT);
    size_t len = text ? strlen(text) : 0;

    if (text && len <= PN_ASK_BYTES_MAX)
        pn_ask_reply(answer, text, len);
    else
        pn_ask_reply(answer, too_large, sizeof(too_large) - 1);
    free(text);
    json_decref(reply);
}

void pn_api_relayed(void *view, const char *from, const uint8_t *bytes, size_t len, struct pn_ask_answer *answer)
{
    json_error_t json_err;
    json_t *question =
        len <= PN_API_REQUEST_MAX + PN_API_WHO_BYTES ? json_loadb((const char *)bytes, len, 0, &json_err) : NULL;
    const char *by = json_string_value(json_object_get(question, "who"));
    char who[PN_API_WHO_BYTES];
    char *text;

    /* The node's own word for whom it let in, and its name, which is proven. */
    snprintf(who, sizeof(who), "%.60s@%s", by ? by : "?", from);
    if (json_is_object(question))
        json_object_del(question, "who");
    text = question ? json_dumps(question, JSON_COMPACT) : NULL;
    json_decref(question);
    pn_api_request(view, (struct pn_api_peer){.may_write = true, .remote = true, .who = who}, text ? text : "",
                   text ? strlen(text) : 0, on_reply, answer);
    free(text);
}
