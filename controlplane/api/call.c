/* SPDX-License-Identifier: BSD-3-Clause */
/* A call: its arguments, and its one reply. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/api/api.h"
#include "controlplane/api/json.h"

const char *const pn_api_code_name[PN_API_CODE_COUNT] = {"bad-request", "denied",      "not-found",
                                                         "refused",     "unavailable", "busy"};

const char *pn_api_text(const struct pn_api_call *call, const char *name)
{
    return json_string_value(json_object_get(call->args, name));
}

int64_t pn_api_int(const struct pn_api_call *call, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(call->args, name);
    return value ? json_integer_value(value) : otherwise;
}

bool pn_api_bool(const struct pn_api_call *call, const char *name)
{
    return json_is_true(json_object_get(call->args, name));
}

static void finish(struct pn_api_call *call, json_t *reply)
{
    if (call->answered)
        *call->answered = true;
    if (call->done)
        call->done(call->done_arg, reply);
    else
        json_decref(reply);
    json_decref(call->args);
    json_decref(call->partial);
    free(call->job);
    free(call);
}

void pn_api_ok(struct pn_api_call *call, json_t *result)
{
    json_t *reply = result ? json_pack("{s:b, s:o}", "ok", 1, "result", result) : NULL;

    if (reply)
        finish(call, reply);
    else
        pn_api_fail(call, PN_API_BUSY, "posternd is out of memory");
}

json_t *pn_api_failure(enum pn_api_code code, const char *format, va_list args)
{
    char text[512];

    vsnprintf(text, sizeof(text), format, args);
    return json_pack("{s:b, s:s, s:o}", "ok", 0, "code", pn_api_code_name[code], "error", pn_json_text(text));
}

void pn_api_fail(struct pn_api_call *call, enum pn_api_code code, const char *format, ...)
{
    va_list args;
    json_t *reply;

    va_start(args, format);
    reply = pn_api_failure(code, format, args);
    va_end(args);
    finish(call, reply);
}

void pn_api_abandon(struct pn_api_call *call)
{
    call->done = NULL;
}
