/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/frame.h"

#include <stdlib.h>

#include "common/error.h"

static bool id_ok(const Pn__Q__Id *id)
{
    return id && id->sha256.len == PN_Q_SHA_BYTES && id->sequence > 0 && id->sequence <= INT64_MAX;
}

static const char *wrong(const pn_q_frame *f)
{
    if (f->version != PN_QFRAME_VERSION)
        return "of another version";
    if (f->hello && (f->hello->node[0] == '\0' || strnlen(f->hello->node, PN_NAME_BYTES) >= PN_NAME_BYTES))
        return "hello without a name";
    if (f->put && (f->put->content.len > PN_QINLINE_BYTES || f->put->file_bytes > 2 * PN_Q_MESSAGE_BYTES_MAX ||
                   (f->put->content.len && f->put->content.len != f->put->file_bytes)))
        return "put out of bounds";
    if (f->chunk && (!id_ok(f->chunk->id) || f->chunk->content.len == 0 || f->chunk->content.len > PN_QCHUNK_BYTES))
        return "chunk out of bounds";
    if (f->have && !id_ok(f->have->id))
        return "have without identity";
    if (f->refuse && (!id_ok(f->refuse->id) || strnlen(f->refuse->reason, PN_Q_TEXT_MAX + 1) > PN_Q_TEXT_MAX))
        return "refuse out of bounds";
    if (f->ack && f->ack->n_ids > PN_QACK_IDS_MAX)
        return "ack of too many";
    for (size_t i = 0; f->ack && i < f->ack->n_ids; i++)
        if (!id_ok(f->ack->ids[i]))
            return "ack without identity";
    return NULL;
}

pn_q_frame *pn_qframe_decode(struct pn_pb_budget *budget, const void *bytes, size_t len, struct pn_error *err)
{
    pn_q_frame *f = NULL;

    if (len <= PN_QFRAME_BYTES_MAX)
        f = pn_pb_unpack(budget, &pn__q__frame__descriptor, bytes, len, pn_pb_allowance(len));
    const char *why = f ? wrong(f) : "malformed or too large";
    if (why == NULL)
        return f;
    pn_error_set(err, "quarantine frame of %zu bytes: %s", len, why);
    pn_pb_free(budget, f);
    return NULL;
}

int pn_qframe_send(pn_q_frame *frame, uint64_t session, pn_qsend *send, void *arg)
{
    frame->version = PN_QFRAME_VERSION;
    frame->session = session;
    size_t len = pn__q__frame__get_packed_size(frame);
    uint8_t *bytes = len <= PN_QFRAME_BYTES_MAX ? malloc(len) : NULL;
    if (bytes == NULL)
        return -1;
    pn__q__frame__pack(frame, bytes);
    int rc = send(arg, bytes, len);
    free(bytes);
    return rc;
}
