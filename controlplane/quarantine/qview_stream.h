/* SPDX-License-Identifier: BSD-3-Clause */
/* A GMime stream over bytes that ends when its time is up, or into a sink that may stop it. */
#ifndef POSTERN_QUARANTINE_QVIEW_STREAM_H
#define POSTERN_QUARANTINE_QVIEW_STREAM_H

#include <gmime/gmime.h>

#include "controlplane/quarantine/files.h"

struct pn_qstream_state {
    const uint8_t *bytes; /* read from here */
    size_t len, at;
    uint64_t end_ms; /* CLOCK_MONOTONIC */
    bool late; /* time was up */
    /* Lines that begin a part or a header field: each becomes objects of hundreds of bytes in GMime. */
    unsigned marks;
    bool many; /* more than PN_QSTREAM_MARKS_MAX: it ended there */
    unsigned char line; /* how the line began: 0 nothing yet, '-', 'n' a field's name, 'x' neither */
    pn_qsink *sink; /* or written to there; NULL: only counted */
    void *arg;
    uint64_t count; /* bytes written */
    bool stopped; /* the sink would take no more */
};

#define PN_QSTREAM_MARKS_MAX 50000u

uint64_t pn_qstream_now_ms(void);
/* state outlives the stream; unref it with g_object_unref(). */
GMimeStream *pn_qstream_new(struct pn_qstream_state *state);

#endif
