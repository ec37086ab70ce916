/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames and items from another node: what is accepted keeps the bounds that the rest relies on. */
#include <stdlib.h>

#include "controlplane/quarantine/frame.h"

static int swallow(void *arg, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)bytes;
    return len > PN_QFRAME_BYTES_MAX ? abort(), 0 : 0;
}

static void item(const ProtobufCBinaryData *b)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_item *i = pn_q_item_decode(&budget, b->data, b->len, &err);
    uint8_t sha[PN_Q_SHA_BYTES];

    if (i == NULL)
        return;
    if (i->sha256.len != PN_Q_SHA_BYTES || i->sequence == 0 || i->n_recipients > PN_Q_RECIPIENTS_MAX ||
        strlen(i->node) >= PN_NAME_BYTES || strlen(i->sender) > PN_Q_ADDRESS_MAX)
        abort();
    if (pn_q_record_sha(i, sha) != 0)
        abort();
    pn_pb_free(&budget, i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pn_pb_budget budget;
    struct pn_error err;
    pn_q_frame *f = pn_qframe_decode(&budget, data, size, &err);
    ProtobufCBinaryData whole = {size, (uint8_t *)(uintptr_t)data};

    item(&whole);
    if (f == NULL)
        return 0;
    if (f->put)
        item(&f->put->item);
    if (f->chunk && (f->chunk->content.len > PN_QCHUNK_BYTES || pn_qframe_id_get(f->chunk->id).sequence == 0))
        abort();
    for (size_t i = 0; f->ack && i < f->ack->n_ids; i++)
        if (pn_qframe_id_get(f->ack->ids[i]).sequence == 0)
            abort();
    pn_qframe_send(f, 1, swallow, NULL);
    pn_pb_free(&budget, f);
    return 0;
}
