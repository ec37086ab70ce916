/* SPDX-License-Identifier: BSD-3-Clause */
/* One request: text to a checked call. No sockets here. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/api/api.h"

static const struct pn_api_command *command_find(const char *name)
{
    for (unsigned i = 0; i < pn_api_n_commands; i++)
        if (strcmp(pn_api_commands[i].name, name) == 0)
            return &pn_api_commands[i];
    return NULL;
}

static int check_value(const struct pn_api_arg *arg, const json_t *value, struct pn_error *err)
{
    size_t max = arg->max ? (size_t)arg->max : PN_NAME_BYTES - 1;

    switch (arg->type) {
    case PN_API_ARG_BOOL:
        return json_is_boolean(value) ? 0 : pn_error_set(err, "argument %s is not true or false", arg->name);
    case PN_API_ARG_INT:
        if (!json_is_integer(value))
            return pn_error_set(err, "argument %s is not a whole number", arg->name);
        if (json_integer_value(value) < arg->min || json_integer_value(value) > arg->max)
            return pn_error_set(err, "argument %s: %lld is not within %lld..%lld", arg->name,
                                (long long)json_integer_value(value), (long long)arg->min, (long long)arg->max);
        return 0;
    case PN_API_ARG_TEXT:
        if (!json_is_string(value))
            return pn_error_set(err, "argument %s is not a text", arg->name);
        if (json_string_length(value) == 0 || json_string_length(value) > max)
            return pn_error_set(err, "argument %s: length %zu is not within 1..%zu", arg->name,
                                json_string_length(value), max);
        return 0;
    case PN_API_ARG_LIST:
        if (!json_is_array(value))
            return pn_error_set(err, "argument %s is not a list", arg->name);
        if (json_array_size(value) > (size_t)arg->max)
            return pn_error_set(err, "argument %s has %zu elements, at most %lld", arg->name, json_array_size(value),
                                (long long)arg->max);
        return 0;
    }
    return -1;
}

static int check_args(const struct pn_api_command *command, json_t *args, struct pn_error *err)
{
    const char *key;
    json_t *value;

    json_object_foreach(args, key, value)
    {
        const struct pn_api_arg *arg = command->args;

        while (arg->name && strcmp(arg->name, key) != 0)
            arg++;
        if (!arg->name)
            return pn_error_set(err, "command \"%s\" has no argument \"%.40s\"", command->name, key);
        if (check_value(arg, value, err) < 0)
            return -1;
    }
    for (const struct pn_api_arg *arg = command->args; arg->name; arg++)
        if (arg->required && !json_object_get(args, arg->name))
            return pn_error_set(err, "command \"%s\" needs argument \"%s\"", command->name, arg->name);
    return 0;
}

/* The reply when there is no call yet. */
static void refuse(void (*done)(void *arg, json_t *reply), void *done_arg, enum pn_api_code code, const char *format,
                   ...) __attribute__((format(printf, 4, 5)));
static void refuse(void (*done)(void *arg, json_t *reply), void *done_arg, enum pn_api_code code, const char *format,
                   ...)
{
    va_list args;

    va_start(args, format);
    done(done_arg, pn_api_failure(code, format, args));
    va_end(args);
}

struct pn_api_call *pn_api_request(const struct pn_view *view, struct pn_api_peer peer, const void *text, size_t len,
                                   void (*done)(void *arg, json_t *reply), void *done_arg)
{
    const struct pn_api_command *command;
    struct pn_api_call *call;
    struct pn_error err;
    json_error_t json_err;
    json_t *request = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_err);
    json_t *args;
    const char *name, *key;
    json_t *value;
    bool answered = false;

    if (!json_is_object(request)) {
        refuse(done, done_arg, PN_API_BAD_REQUEST, "not a JSON object: %s", request ? "another type" : json_err.text);
        json_decref(request);
        return NULL;
    }
    json_object_foreach(request, key, value)
    {
        if (strcmp(key, "command") != 0 && strcmp(key, "args") != 0) {
            refuse(done, done_arg, PN_API_BAD_REQUEST, "unknown member \"%.40s\" in the request", key);
            json_decref(request);
            return NULL;
        }
    }
    name = json_string_value(json_object_get(request, "command"));
    command = name ? command_find(name) : NULL;
    if (!command) {
        refuse(done, done_arg, PN_API_BAD_REQUEST, "unknown command \"%.40s\"", name ? name : "");
        json_decref(request);
        return NULL;
    }
    args = json_object_get(request, "args");
    args = args ? json_incref(args) : json_object();
    json_decref(request);
    if (!json_is_object(args) || check_args(command, args, &err) < 0) {
        refuse(done, done_arg, PN_API_BAD_REQUEST, "%s", json_is_object(args) ? err.text : "args is not an object");
        json_decref(args);
        return NULL;
    }
    if (peer.remote && !(command->access & PN_API_REMOTE)) {
        refuse(done, done_arg, PN_API_DENIED, "\"%s\" is not for other nodes to ask", command->name);
        json_decref(args);
        return NULL;
    }
    if ((command->access & ~(unsigned)PN_API_REMOTE) != PN_API_READ && !peer.may_write) {
        refuse(done, done_arg, PN_API_DENIED, "\"%s\" is for root and members of group \"%s\"", command->name,
               PN_API_GROUP);
        json_decref(args);
        return NULL;
    }
    call = calloc(1, sizeof(*call));
    if (!call) {
        refuse(done, done_arg, PN_API_BUSY, "posternd is out of memory");
        json_decref(args);
        return NULL;
    }
    *call = (struct pn_api_call){.view = view,
                                 .command = command,
                                 .args = args,
                                 .may_write = peer.may_write,
                                 .root = peer.root,
                                 .remote = peer.remote,
                                 .done = done,
                                 .done_arg = done_arg};
    snprintf(call->who, sizeof(call->who), "%s", peer.who ? peer.who : "");
    /* The handler may answer, and so free the call, before it returns. */
    call->answered = &answered;
    pn_view_refresh(view);
    command->run(call);
    if (answered)
        return NULL;
    call->answered = NULL;
    return call;
}
