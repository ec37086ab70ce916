/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/api/work.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct start {
    pn_api_work_fn *fn;
    struct pn_api_work *work;
};

static void begin(void *arg)
{
    struct start s = *(struct start *)arg;

    free(arg);
    s.fn(s.work);
}

void pn_api_work(struct pn_api_call *call, struct pn_loop *to, pn_api_work_fn *fn, void *arg)
{
    struct pn_api_work *w;
    struct start *s;

    if (!to || !call->view->loop) {
        pn_api_fail(call, PN_API_UNAVAILABLE, "\"%s\": this part of posternd does not run; its log says why",
                    call->command->name);
        return;
    }
    w = calloc(1, sizeof(*w));
    s = malloc(sizeof(*s));
    if (w && s) {
        *w = (struct pn_api_work){.command = call->command->name,
                                  .args = call->args,
                                  .partial = call->partial,
                                  .root = call->root,
                                  .remote = call->remote,
                                  .arg = arg,
                                  .call = call,
                                  .back = call->view->loop};
        memcpy(w->who, call->who, sizeof(w->who));
        *s = (struct start){fn, w};
        if (pn_loop_call(to, begin, s) == 0)
            return;
    }
    free(w);
    free(s);
    pn_api_fail(call, PN_API_BUSY, "posternd is stopping or out of memory");
}

const char *pn_api_work_text(const struct pn_api_work *work, const char *name)
{
    return json_string_value(json_object_get(work->args, name));
}

int64_t pn_api_work_int(const struct pn_api_work *work, const char *name, int64_t otherwise)
{
    const json_t *value = json_object_get(work->args, name);
    return value ? json_integer_value(value) : otherwise;
}

bool pn_api_work_bool(const struct pn_api_work *work, const char *name)
{
    return json_is_true(json_object_get(work->args, name));
}

/* On the API's thread. */
static void answer(void *arg)
{
    struct pn_api_work *w = arg;

    if (w->error[0])
        pn_api_fail(w->call, w->code, "%s", w->error);
    else
        pn_api_ok(w->call, w->result);
    free(w);
}

static void finish(struct pn_api_work *w)
{
    struct pn_loop *back = w->back;

    free(w->job);
    w->job = NULL;
    if (pn_loop_call(back, answer, w) == 0)
        return;
    /* The API is going: its call cannot be touched from here any more. */
    json_decref(w->result);
    free(w);
}

void pn_api_work_ok(struct pn_api_work *work, json_t *result)
{
    work->result = result;
    finish(work);
}

void pn_api_work_fail(struct pn_api_work *work, enum pn_api_code code, const char *format, ...)
{
    va_list args;

    work->code = code;
    va_start(args, format);
    vsnprintf(work->error, sizeof(work->error), format, args);
    va_end(args);
    if (!work->error[0])
        snprintf(work->error, sizeof(work->error), "failed");
    finish(work);
}
