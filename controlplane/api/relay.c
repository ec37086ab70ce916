/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/api/relay.h"

#include <stdlib.h>

#include "common/error.h"

static enum pn_api_code code_of(const char *name)
{
    for (int i = 0; i < PN_API_CODE_COUNT; i++)
        if (name && strcmp(pn_api_code_name[i], name) == 0)
            return (enum pn_api_code)i;
    return PN_API_REFUSED;
}

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
