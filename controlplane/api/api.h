/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The command line's way into posternd: a UNIX stream socket, frames of a 4-byte big-endian length and that many bytes
 * of JSON. A request is {"command": "gateway drain", "args": {"name": "mx1"}}, at most PN_API_REQUEST_MAX bytes (from
 * those who may change nothing PN_API_READER_REQUEST_MAX); the reply {"ok": true, "result": ...} or {"ok": false, "code":
 * "not-found", "error": "no gateway \"mx9\""}. One request at a time on a connection. What may be asked is the table
 * pn_api_commands[]: one row a command.
 */
#ifndef POSTERN_API_H
#define POSTERN_API_H

#include <jansson.h>
#include <stdarg.h>
#include <sys/types.h>

#include "controlplane/view/view.h"

struct event_base;

#define PN_API_REQUEST_MAX (1u << 20)
#define PN_API_READER_REQUEST_MAX 65536u
#define PN_API_REPLY_MAX (16u << 20)
#define PN_API_DEFAULT_SOCKET "/run/postern/postern.sock"
#define PN_API_GROUP "postern"

/* What a row asks of the peer. Root, the daemon's own user and members of group `postern` may do all. */
enum pn_api_access {
    PN_API_READ, /* whoever can connect */
    PN_API_PRIVATE, /* shows addresses of mail clients (group only, as mail logs are) or the configuration */
    PN_API_WRITE, /* changes something: group only */
    PN_API_REMOTE = 8, /* with one of the above: another node may ask, too (relay.h) */
};

enum pn_api_code {
    PN_API_BAD_REQUEST, /* "bad-request" */
    PN_API_DENIED, /* "denied" */
    PN_API_NOT_FOUND, /* "not-found" */
    PN_API_REFUSED, /* "refused": understood, not possible */
    PN_API_UNAVAILABLE, /* "unavailable": the dataplane cannot be asked */
    PN_API_BUSY, /* "busy": ask again */
    PN_API_CODE_COUNT
};
extern const char *const pn_api_code_name[PN_API_CODE_COUNT];

enum pn_api_arg_type { PN_API_ARG_TEXT, PN_API_ARG_INT, PN_API_ARG_BOOL, PN_API_ARG_LIST };
struct pn_api_arg {
    const char *name; /* NULL ends the list */
    enum pn_api_arg_type type;
    bool required;
    int64_t min, max; /* numbers: range; text: max is its length in bytes, 0: PN_NAME_BYTES - 1; list: max elements */
};
#define PN_API_ARGS_MAX 18

#define PN_API_WHO_BYTES 96u

struct pn_api_call;

struct pn_api_command {
    const char *name;
    void (*run)(struct pn_api_call *call); /* answers once, now or later, with pn_api_ok() or pn_api_fail() */
    unsigned access; /* enum pn_api_access */
    struct pn_api_arg args[PN_API_ARGS_MAX + 1];
};
extern const struct pn_api_command pn_api_commands[];
extern const unsigned pn_api_n_commands;

/* ---- For handlers ---- */

struct pn_api_call {
    const struct pn_view *view;
    const struct pn_api_command *command;
    json_t *args; /* checked against the row */
    bool may_write; /* peer's rights */
    bool root; /* the peer is root or the daemon's own user */
    bool remote; /* asked by another node */
    char who[PN_API_WHO_BYTES]; /* for audits: "root", "alice", "alice@n2" */
    void (*done)(void *arg, json_t *reply); /* NULL: the peer is gone */
    void *done_arg;
    void *job; /* a handler's own, freed with free() when the call ends */
    json_t *partial; /* likewise, released */
    bool *answered; /* request.c's own: set once answered, while run() is on the stack */
};

const char *pn_api_text(const struct pn_api_call *call, const char *name); /* NULL: not given */
int64_t pn_api_int(const struct pn_api_call *call, const char *name, int64_t otherwise);
bool pn_api_bool(const struct pn_api_call *call, const char *name);

/* Each ends and frees the call. result is taken over; NULL means memory ran out. */
void pn_api_ok(struct pn_api_call *call, json_t *result);
void pn_api_fail(struct pn_api_call *call, enum pn_api_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
json_t *pn_api_failure(enum pn_api_code code, const char *format, va_list args); /* the reply alone */

/*
 * Asks the dataplane for the call; when that fails the call is answered and fn not called. fn gets OK replies only
 * and must answer.
 */
typedef void pn_api_dp_fn(struct pn_api_call *call, const void *payload, size_t len);
void pn_api_ask_dp(struct pn_api_call *call, enum pn_dp_type type, const void *payload, size_t len, pn_api_dp_fn *fn);

/* ---- Without a socket: tests and fuzzing ---- */

struct pn_api_peer {
    bool may_write;
    bool root;
    bool remote; /* only commands that say so in their row */
    const char *who; /* NULL: "" */
};
/*
 * One request. done gets the reply (its own reference) exactly once, maybe before this returns. Returns the call while
 * it is under way, for pn_api_abandon(); NULL when it is answered.
 */
struct pn_api_call *pn_api_request(const struct pn_view *view, struct pn_api_peer peer, const void *text, size_t len,
                                   void (*done)(void *arg, json_t *reply), void *done_arg);
void pn_api_abandon(struct pn_api_call *call); /* done will not be called any more */

/* ---- The server ---- */

struct pn_api_server;
/* mode: of the socket file, which goes to group `postern` where that exists. A stale socket is replaced, a live one not. */
struct pn_api_server *pn_api_server_new(struct event_base *base, const char *path, mode_t mode,
                                        const struct pn_view *view, struct pn_error *err);
void pn_api_server_free(struct pn_api_server *s); /* removes the socket */
/* Serves a connected socket as if it had been accepted; takes fd over. For tests and fuzzing. */
int pn_api_server_adopt(struct pn_api_server *s, int fd);
unsigned pn_api_server_connections(const struct pn_api_server *s);

#endif
