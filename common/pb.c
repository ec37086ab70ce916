/* SPDX-License-Identifier: BSD-3-Clause */
#include "common/pb.h"

#include <stdlib.h>

static void *budget_alloc(void *arg, size_t size)
{
    struct pn_pb_budget *b = arg;

    if (size > b->left_bytes)
        return NULL;
    b->left_bytes -= size;
    return malloc(size ? size : 1);
}

static void budget_free(void *arg, void *p)
{
    (void)arg;
    free(p);
}

void *pn_pb_unpack(struct pn_pb_budget *budget, const ProtobufCMessageDescriptor *type, const void *bytes, size_t len,
                   size_t memory_bytes)
{
    budget->allocator = (ProtobufCAllocator){budget_alloc, budget_free, budget};
    budget->left_bytes = memory_bytes;
    return protobuf_c_message_unpack(type, &budget->allocator, len, bytes);
}

void pn_pb_free(struct pn_pb_budget *budget, void *message)
{
    if (message)
        protobuf_c_message_free_unpacked(message, &budget->allocator);
}
