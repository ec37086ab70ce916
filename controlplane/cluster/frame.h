/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames on a stream: a 4-byte big-endian length, then that many bytes, at least one. Pure. */
#ifndef POSTERN_CLUSTER_FRAME_H
#define POSTERN_CLUSTER_FRAME_H

#include <stddef.h>
#include <stdint.h>

#define PN_FRAME_HEAD_BYTES 4u
#define PN_FRAME_BYTES_MAX (1u << 20) /* of the body; a mesh's envelope with its payload */
#define PN_FRAME_HELLO_MAX 8192u /* before the peers know each other */
#define PN_ENVELOPE_OVERHEAD 16u
#define PN_PAYLOAD_BYTES_MAX (PN_FRAME_BYTES_MAX - PN_ENVELOPE_OVERHEAD)

static inline void pn_frame_head_put(uint8_t head[PN_FRAME_HEAD_BYTES], size_t body_bytes)
{
    head[0] = (uint8_t)(body_bytes >> 24);
    head[1] = (uint8_t)(body_bytes >> 16);
    head[2] = (uint8_t)(body_bytes >> 8);
    head[3] = (uint8_t)body_bytes;
}

/* Bytes of the body, 0: the length is 0 or above max, the stream is lost. */
static inline size_t pn_frame_head_get(const uint8_t head[PN_FRAME_HEAD_BYTES], size_t max)
{
    size_t n = (size_t)head[0] << 24 | (size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3];
    return n <= max ? n : 0;
}

#endif
