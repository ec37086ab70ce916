/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/qview_stream.h"

#include <time.h>

typedef struct {
    GMimeStream parent;
    struct pn_qstream_state *state;
} PnQstream;
typedef struct {
    GMimeStreamClass parent;
} PnQstreamClass;

static GType pn_qstream_get_type(void);
G_DEFINE_TYPE(PnQstream, pn_qstream, GMIME_TYPE_STREAM)

uint64_t pn_qstream_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static bool late(struct pn_qstream_state *s)
{
    if (!s->late && pn_qstream_now_ms() >= s->end_ms)
        s->late = true;
    return s->late;
}

/* Bytes up to the mark that is one too many. */
static size_t watch(struct pn_qstream_state *s, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t c = p[i];
        bool mark = false;
        if (c == '\n') {
            s->line = 0;
            continue;
        }
        if (s->line == 'x')
            continue;
        if (s->line == 0) {
            s->line = c == '-' ? '-' : c > ' ' && c <= '~' && c != ':' ? 'n' : 'x';
        } else if (s->line == '-' && c == '-') {
            mark = true;
        } else if (c == ':') {
            mark = true;
        } else {
            s->line = c > ' ' && c <= '~' ? 'n' : 'x';
        }
        if (mark) {
            s->line = 'x';
            if (++s->marks > PN_QSTREAM_MARKS_MAX)
                return i;
        }
    }
    return len;
}

static gssize stream_read(GMimeStream *stream, char *buf, size_t len)
{
    struct pn_qstream_state *s = ((PnQstream *)stream)->state;

    if (late(s) || s->many)
        return 0;
    if (len > s->len - s->at)
        len = s->len - s->at;
    size_t ok = watch(s, s->bytes + s->at, len);
    s->many = ok < len;
    len = ok;
    memcpy(buf, s->bytes + s->at, len);
    s->at += len;
    stream->position += (gint64)len;
    return (gssize)len;
}

static gssize stream_write(GMimeStream *stream, const char *buf, size_t len)
{
    struct pn_qstream_state *s = ((PnQstream *)stream)->state;

    if (s->stopped || late(s))
        return -1;
    if (s->sink && s->sink(s->arg, (const uint8_t *)buf, len) != 0) {
        s->stopped = true;
        return -1;
    }
    s->count += len;
    stream->position += (gint64)len;
    return (gssize)len;
}

static gboolean stream_eos(GMimeStream *stream)
{
    struct pn_qstream_state *s = ((PnQstream *)stream)->state;

    return s->late || s->many || s->at >= s->len;
}

static int stream_nothing(GMimeStream *stream)
{
    (void)stream;
    return 0;
}

static void pn_qstream_class_init(PnQstreamClass *class)
{
    GMimeStreamClass *c = GMIME_STREAM_CLASS(class);

    c->read = stream_read;
    c->write = stream_write;
    c->eos = stream_eos;
    c->flush = stream_nothing;
    c->close = stream_nothing;
}

static void pn_qstream_init(PnQstream *s)
{
    s->state = NULL;
}

GMimeStream *pn_qstream_new(struct pn_qstream_state *state)
{
    PnQstream *s = g_object_new(pn_qstream_get_type(), NULL);

    g_mime_stream_construct(&s->parent, 0, -1);
    s->state = state;
    return &s->parent;
}
