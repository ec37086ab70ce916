/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Protobuf from outsiders within a budget. A few bytes on the wire can ask for a structure of a hundred (empty
 * sub-messages in a repeated field), so decoding allocates from a counted allowance and gives up when it is used up.
 */
#ifndef PN_COMMON_PB_H
#define PN_COMMON_PB_H

#include <stddef.h>
#include <stdint.h>

#include <protobuf-c/protobuf-c.h>

struct pn_pb_budget {
    ProtobufCAllocator allocator; /* stays where it is while the message lives */
    size_t left_bytes;
};

/* The message, or NULL: malformed, or in need of more than memory_bytes. Free it with pn_pb_free(). */
void *pn_pb_unpack(struct pn_pb_budget *budget, const ProtobufCMessageDescriptor *type, const void *bytes, size_t len,
                   size_t memory_bytes);
void pn_pb_free(struct pn_pb_budget *budget, void *message); /* message may be NULL */

/* An allowance that any honest message of len bytes stays below. */
static inline size_t pn_pb_allowance(size_t len)
{
    return 65536 + 8 * len;
}

#endif
