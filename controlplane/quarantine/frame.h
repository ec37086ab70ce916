/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames between a node and the quarantine's host (quarantine.proto), bounded. Pure. */
#ifndef POSTERN_QUARANTINE_FRAME_H
#define POSTERN_QUARANTINE_FRAME_H

#include "controlplane/quarantine/item.h"

#define PN_QFRAME_BYTES_MAX ((1u << 20) - 16) /* what the transport carries */
#define PN_QCHUNK_BYTES (64u << 10)
#define PN_QINLINE_BYTES (128u << 10) /* files up to here travel with their item */
#define PN_QACK_IDS_MAX 256u
#define PN_QFRAME_VERSION 1u

typedef Pn__Q__Frame pn_q_frame;

/* NULL with err when malformed, of another version, or out of bounds. Free with pn_pb_free(). */
pn_q_frame *pn_qframe_decode(struct pn_pb_budget *budget, const void *bytes, size_t len, struct pn_error *err);

/* 0: queued; 1: full, try later; -1: no link. */
typedef int pn_qsend(void *arg, const uint8_t *bytes, size_t len);
/* Fills in the version; -1 also when there is no memory. */
int pn_qframe_send(pn_q_frame *frame, uint64_t session, pn_qsend *send, void *arg);

static inline void pn_qframe_id(Pn__Q__Id *out, struct pn_q_id *id)
{
    pn__q__id__init(out);
    out->sequence = id->sequence;
    out->sha256 = (ProtobufCBinaryData){PN_Q_SHA_BYTES, id->sha};
}
static inline struct pn_q_id pn_qframe_id_get(const Pn__Q__Id *in) /* of a decoded frame */
{
    struct pn_q_id id = {.sequence = in->sequence};
    memcpy(id.sha, in->sha256.data, PN_Q_SHA_BYTES);
    return id;
}

#endif
