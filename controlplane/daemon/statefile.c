/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/statefile.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"
#include "common/replace.h"

#define VERSION 1
#define WEIGHT_MAX 256

static int parse_gateway(const char *name, json_t *value, struct pn_state *state, struct pn_error *err)
{
    struct pn_state_gateway *g = &state->gateways[state->n];
    int drain = 0, disabled = 0;
    json_int_t weight = -1;
    json_error_t json_err;

    if (strlen(name) == 0 || strlen(name) >= sizeof(g->name))
        return pn_error_set(err, "a gateway's name has %zu bytes", strlen(name));
    if (state->n == PN_MAX_GATEWAYS)
        return pn_error_set(err, "more than %d gateways", PN_MAX_GATEWAYS);
    if (json_unpack_ex(value, &json_err, JSON_STRICT, "{s?b, s?b, s?I}", "drain", &drain, "disabled", &disabled,
                       "weight", &weight) < 0)
        return pn_error_set(err, "gateway %s: %s", name, json_err.text);
    if (weight < -1 || weight > WEIGHT_MAX)
        return pn_error_set(err, "gateway %s: weight %lld is not within 0..%d", name, (long long)weight, WEIGHT_MAX);
    *g = (struct pn_state_gateway){.drain = drain, .disabled = disabled, .weight = (int32_t)weight};
    memcpy(g->name, name, strlen(name) + 1);
    state->n++;
    return 0;
}

static int parse_id(const char *key, json_t *value, struct pn_state *state, struct pn_error *err)
{
    struct pn_state_id *id = &state->ids[state->n_ids];

    if (strlen(key) == 0 || strlen(key) >= sizeof(id->key))
        return pn_error_set(err, "a retired id's key has %zu bytes", strlen(key));
    if (state->n_ids == PN_STATE_IDS_MAX)
        return pn_error_set(err, "more than %u retired ids", PN_STATE_IDS_MAX);
    if (!json_is_integer(value) || json_integer_value(value) < 0 || json_integer_value(value) >= PN_ID_NONE)
        return pn_error_set(err, "retired id %.64s: not an id", key);
    id->id = (uint16_t)json_integer_value(value);
    memcpy(id->key, key, strlen(key) + 1);
    state->n_ids++;
    return 0;
}

/* 64 bits are more than every reader of JSON keeps: as hexadecimal text. */
static int parse_dataplane(const char *text, struct pn_state *state, struct pn_error *err)
{
    unsigned long long started, args;
    char end;

    if (text && sscanf(text, "%16llx-%16llx%c", &started, &args, &end) != 2)
        return pn_error_set(err, "dataplane: not START-DIGEST");
    if (text) {
        state->dataplane_ns = started;
        state->dataplane_args = args;
    }
    return 0;
}

int pn_state_parse(const char *text, size_t len, struct pn_state *state, struct pn_error *err)
{
    json_error_t json_err;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &json_err);
    json_t *gateways = NULL, *retired = NULL, *value;
    const char *name, *dataplane = NULL;
    int version = 0, standby = 0, rc = 0;

    memset(state, 0, sizeof(*state));
    if (!root)
        return pn_error_set(err, "line %d: %s", json_err.line, json_err.text);
    if (json_unpack_ex(root, &json_err, JSON_STRICT, "{s:i, s?b, s?o, s?o, s?s}", "version", &version, "standby",
                       &standby, "gateways", &gateways, "retired", &retired, "dataplane", &dataplane) < 0)
        rc = pn_error_set(err, "%s", json_err.text);
    else if (version != VERSION)
        rc = pn_error_set(err, "version %d, not %d", version, VERSION);
    else if (gateways && !json_is_object(gateways))
        rc = pn_error_set(err, "gateways is not an object");
    else if (retired && !json_is_object(retired))
        rc = pn_error_set(err, "retired is not an object");
    else
        rc = parse_dataplane(dataplane, state, err);
    state->standby = standby;
    if (rc == 0 && gateways)
        json_object_foreach(gateways, name, value) if (rc == 0) rc = parse_gateway(name, value, state, err);
    if (rc == 0 && retired)
        json_object_foreach(retired, name, value) if (rc == 0) rc = parse_id(name, value, state, err);
    json_decref(root);
    if (rc < 0)
        memset(state, 0, sizeof(*state));
    return rc;
}

char *pn_state_format(const struct pn_state *state)
{
    json_t *gateways = json_object(), *retired = json_object(), *root;
    char dataplane[40], *text;

    for (unsigned i = 0; i < state->n; i++) {
        const struct pn_state_gateway *g = &state->gateways[i];
        json_object_set_new(
            gateways, g->name,
            json_pack("{s:b, s:b, s:i}", "drain", g->drain, "disabled", g->disabled, "weight", g->weight));
    }
    for (unsigned i = 0; i < state->n_ids; i++)
        json_object_set_new(retired, state->ids[i].key, json_integer(state->ids[i].id));
    snprintf(dataplane, sizeof(dataplane), "%llx-%llx", (unsigned long long)state->dataplane_ns,
             (unsigned long long)state->dataplane_args);
    root = json_pack("{s:i, s:b, s:o, s:o, s:s}", "version", VERSION, "standby", state->standby, "gateways", gateways,
                     "retired", retired, "dataplane", dataplane);
    text = root ? json_dumps(root, JSON_INDENT(2) | JSON_SORT_KEYS) : NULL;
    json_decref(root);
    return text;
}

static int read_all(int fd, char *buf, size_t cap, size_t *len)
{
    *len = 0;
    while (*len < cap) {
        ssize_t n = read(fd, buf + *len, cap - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            return 0;
        *len += (size_t)n;
    }
    errno = EFBIG;
    return -1;
}

int pn_state_load(const char *dir, struct pn_state *state, struct pn_error *err)
{
    char path[4096], bad[4096 + 4];
    struct pn_error why;
    size_t len = 0;
    char *text;
    int fd, rc;

    memset(state, 0, sizeof(*state));
    if (snprintf(path, sizeof(path), "%s/" PN_STATEFILE_NAME, dir) >= (int)sizeof(path))
        return pn_error_set(err, "%s: path too long", dir);
    snprintf(bad, sizeof(bad), "%s.bad", path);
    fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 1 : pn_error_set(err, "%s: %s", path, strerror(errno));
    text = malloc(PN_STATEFILE_MAX_BYTES);
    if (!text) {
        close(fd);
        return pn_error_set(err, "out of memory");
    }
    if (read_all(fd, text, PN_STATEFILE_MAX_BYTES, &len) < 0)
        rc = pn_error_set(&why, "%s", strerror(errno));
    else
        rc = pn_state_parse(text, len, state, &why);
    close(fd);
    free(text);
    if (rc == 0)
        return 0;
    memset(state, 0, sizeof(*state));
    if (rename(path, bad) < 0)
        return pn_error_set(err, "%s: %s (and it cannot be kept aside: %s)", path, why.text, strerror(errno));
    return pn_error_set(err, "%s: %s (kept as %s.bad)", path, why.text, PN_STATEFILE_NAME);
}

int pn_state_save(const char *dir, const struct pn_state *state, struct pn_error *err)
{
    char *text = pn_state_format(state);
    size_t len;
    int rc;

    if (!text)
        return pn_error_set(err, "out of memory");
    len = strlen(text);
    text[len] = '\n'; /* in the NUL's place */
    rc = pn_file_replace(dir, PN_STATEFILE_NAME, text, len + 1, err);
    free(text);
    return rc;
}
