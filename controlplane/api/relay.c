/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/api/relay.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"

static enum pn_api_code code_of(const char *name)
{
    for (int i = 0; i < PN_API_CODE_COUNT; i++)
        if (name && strcmp(pn_api_code_name[i], name) == 0)
            return (enum pn_api_code)i;
    return PN_API_REFUSED;
}

/* ---- asking ---- */

static void on_answer(void *arg, const uint8_t *bytes, size_t len, const char *error)
{
    struct pn_api_call *call = arg;
    json_error_t json_err;
    json_t *reply;

    if (!bytes) {
        pn_api_fail(call, PN_API_UNAVAILABLE, "%s", error);
        return;
    }
    reply = json_loadb((const char *)bytes, len, JSON_REJECT_DUPLICATES, &json_err);
    if (json_is_true(json_object_get(reply, "ok")) && json_object_get(reply, "result"))
        pn_api_ok(call, json_incref(json_object_get(reply, "result")));
    else if (json_is_string(json_object_get(reply, "error")))
        pn_api_fail(call, code_of(json_string_value(json_object_get(reply, "code"))), "%s",
                    json_string_value(json_object_get(reply, "error")));
    else
        pn_api_fail(call, PN_API_UNAVAILABLE, "the other node's answer is not one");
    json_decref(reply);
}

void pn_api_relay(struct pn_api_call *call, const char *node)
{
    struct pn_error err = {"the cluster does not run here; its log says why"};
    json_t *question =
        json_pack("{s:s, s:O, s:s}", "command", call->command->name, "args", call->args, "who", call->who);
    char *text = question ? json_dumps(question, JSON_COMPACT) : NULL;

    json_decref(question);
    if (call->remote)
        pn_api_fail(call, PN_API_REFUSED,
                    "this node would have to ask node %s, which is not what the asking node has "
                    "in its configuration",
                    node);
    else if (!text)
        pn_api_fail(call, PN_API_BUSY, "posternd is out of memory");
    else if (!call->view->ask || pn_ask(call->view->ask, node, text, strlen(text), on_answer, call, &err) < 0)
        pn_api_fail(call, PN_API_UNAVAILABLE, "node %s has to answer this: %s", node, err.text);
    free(text);
}

/* ---- being asked ---- */

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
