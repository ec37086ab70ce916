/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/client/quarantine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "common/error.h"
#include "controlplane/client/client.h"

struct pn_qclient {
    char *socket;
    unsigned patience_s;
    int fd;
    bool open; /* a message is under way */
    json_int_t number;
    size_t n;
    uint8_t piece[PN_QCLIENT_PIECE_BYTES];
    char base64[4 * (PN_QCLIENT_PIECE_BYTES / 3 + 1) + 1];
};

struct pn_qclient *pn_qclient_open(const char *socket, unsigned patience_s, struct pn_error *err)
{
    struct pn_qclient *q = calloc(1, sizeof(*q));

    if (q) {
        q->fd = -1;
        q->patience_s = patience_s;
        q->socket = strdup(socket);
    }
    if (!q || !q->socket)
        pn_error_set(err, "out of memory");
    else if ((q->fd = pn_client_open(socket, patience_s)) >= 0)
        return q;
    else
        pn_error_set(err, "%s: %s", socket, strerror(errno));
    pn_qclient_close(q);
    return NULL;
}

void pn_qclient_close(struct pn_qclient *q)
{
    if (!q)
        return;
    if (q->fd >= 0)
        close(q->fd);
    free(q->socket);
    free(q);
}

/* The connection cannot be trusted to stand where we think: the next message begins with another. */
static int lost(struct pn_qclient *q, struct pn_error *err)
{
    pn_error_set(err, "%s: %s", q->socket, errno == EAGAIN ? "no answer" : strerror(errno));
    if (q->fd >= 0)
        close(q->fd);
    q->fd = -1;
    q->open = false;
    return -1;
}

static int ask(struct pn_qclient *q, const char *command, json_t *args, json_t **result, struct pn_error *err)
{
    json_t *reply = args ? pn_client_ask(q->fd, command, args) : NULL;
    const char *error;

    *result = NULL;
    if (!args)
        errno = ENOMEM;
    if (!reply)
        return lost(q, err);
    if (json_is_true(json_object_get(reply, "ok"))) {
        *result = json_incref(json_object_get(reply, "result"));
        json_decref(reply);
        return 0;
    }
    error = json_string_value(json_object_get(reply, "error"));
    pn_error_set(err, "%.200s", error ? error : "refused");
    json_decref(reply);
    q->open = false;
    return -1;
}

/* One a line; 0, or -1 with no memory. */
static int recipients_put(json_t *args, const struct pn_qclient_mail *mail)
{
    size_t len = 1;
    char *text, *p;
    int rc;

    for (unsigned i = 0; i < mail->n_recipients; i++)
        len += strlen(mail->recipients[i]) + 1;
    if (!(text = p = malloc(len)))
        return -1;
    *p = '\0';
    for (unsigned i = 0; i < mail->n_recipients; i++) {
        if (i)
            *p++ = '\n';
        p = stpcpy(p, mail->recipients[i]);
    }
    rc = json_object_set_new(args, "recipients", json_string(text));
    free(text);
    return rc;
}

int pn_qclient_begin(struct pn_qclient *q, const struct pn_qclient_mail *mail, struct pn_error *err)
{
    const struct {
        const char *name, *value;
    } texts[] = {{"sender", mail->sender},   {"reason", mail->reason}, {"rule", mail->rule},
                 {"gateway", mail->gateway}, {"event", mail->event},   {"direction", mail->direction}};
    json_t *args, *result;
    bool whole;

    if (q->open)
        return pn_error_set(err, "the message before it is not ended");
    if (mail->n_recipients == 0)
        return pn_error_set(err, "a message without recipients");
    if (q->fd < 0 && (q->fd = pn_client_open(q->socket, q->patience_s)) < 0)
        return lost(q, err);
    args = json_object();
    whole = args && recipients_put(args, mail) == 0;
    for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].value && *texts[i].value)
            whole &= json_object_set_new(args, texts[i].name, json_string(texts[i].value)) == 0;
    if (mail->size_bytes)
        whole &= json_object_set_new(args, "size_bytes", json_integer((json_int_t)mail->size_bytes)) == 0;
    if (!whole) { /* json_string() refuses what is not UTF-8 */
        json_decref(args);
        return pn_error_set(err, "out of memory, or an address or text that is not UTF-8");
    }
    if (ask(q, "quarantine add begin", args, &result, err) < 0)
        return -1;
    q->number = json_integer_value(json_object_get(result, "number"));
    json_decref(result);
    q->n = 0;
    q->open = true;
    return 0;
}

static int piece_send(struct pn_qclient *q, struct pn_error *err)
{
    json_t *result;

    EVP_EncodeBlock((unsigned char *)q->base64, q->piece, (int)q->n);
    q->n = 0;
    if (ask(q, "quarantine add data", json_pack("{s:I, s:s}", "number", q->number, "base64", q->base64), &result, err) <
        0)
        return -1;
    json_decref(result);
    return 0;
}

int pn_qclient_data(struct pn_qclient *q, const void *bytes, size_t len, struct pn_error *err)
{
    const uint8_t *p = bytes;

    if (!q->open)
        return pn_error_set(err, "no message is under way");
    while (len) {
        size_t part = PN_QCLIENT_PIECE_BYTES - q->n < len ? PN_QCLIENT_PIECE_BYTES - q->n : len;

        memcpy(q->piece + q->n, p, part);
        q->n += part;
        p += part;
        len -= part;
        if (q->n == PN_QCLIENT_PIECE_BYTES && piece_send(q, err) < 0)
            return -1;
    }
    return 0;
}

int pn_qclient_end(struct pn_qclient *q, struct pn_qclient_taken *taken, struct pn_error *err)
{
    const char *sha;
    json_t *result;

    if (!q->open)
        return pn_error_set(err, "no message is under way");
    if ((q->n && piece_send(q, err) < 0) ||
        ask(q, "quarantine add end", json_pack("{s:I}", "number", q->number), &result, err) < 0)
        return -1;
    q->open = false;
    sha = json_string_value(json_object_get(result, "sha256"));
    taken->sequence = (uint64_t)json_integer_value(json_object_get(result, "sequence"));
    snprintf(taken->sha256, sizeof(taken->sha256), "%s", sha ? sha : "");
    json_decref(result);
    return 0;
}
