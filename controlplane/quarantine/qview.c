/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/qview.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/qview_stream.h"
#include "controlplane/quarantine/qview_text.h"
#include "controlplane/quarantine/words.h"

#define HEADER_VALUE_MAX 8192u /* shown of one field */
#define STEPS_MAX 20000u
#define NAME_MAX_BYTES 255u

struct maker {
    struct pn_qview_limits limits;
    struct pn_qview *v; /* NULL: only one part is looked for */
    uint64_t end_ms;
    size_t text_len;
    unsigned steps; /* of looking for text */
    bool failed; /* no memory */
    unsigned at, seen; /* the part that is wanted, leaves so far */
    GMimePart *found;
};

static struct pn_qview_limits limits_of(const struct pn_qview_limits *l)
{
    static const struct pn_qview_limits none = {0};

    if (l == NULL)
        l = &none;
    return (struct pn_qview_limits){.message_bytes = l->message_bytes ? l->message_bytes : 32u << 20,
                                    .text_bytes = l->text_bytes ? l->text_bytes : 256u << 10,
                                    .headers = l->headers ? l->headers : 500,
                                    .parts = l->parts ? l->parts : 200,
                                    .depth = l->depth ? l->depth : 20,
                                    .time_ms = l->time_ms ? l->time_ms : 500};
}

static void cut(struct maker *m, const char *why)
{
    if (m->v && m->v->cut == NULL)
        m->v->cut = why;
}

static char *clean_dup(const char *text)
{
    size_t len = text ? strlen(text) : 0, size = (len < HEADER_VALUE_MAX ? len : HEADER_VALUE_MAX) + 1;
    char *out = malloc(size);

    if (out)
        pn_q_text_clean((const uint8_t *)(text ? text : ""), len, out, size);
    return out;
}

/* --- headers: from the bytes themselves, so that order and repeats stay as they came --- */

static bool header_add(struct maker *m, const char *name, size_t name_len, char *value)
{
    struct pn_qview_header *h = &m->v->headers[m->v->n_headers];
    char field[NAME_MAX_BYTES + 1];

    pn_q_text_clean((const uint8_t *)name, name_len, field, sizeof(field));
    char *decoded = g_mime_utils_header_decode_text(NULL, value);
    h->name = strdup(field);
    h->value = clean_dup(decoded);
    g_free(decoded);
    if (h->name == NULL || h->value == NULL) {
        free(h->name);
        free(h->value);
        return false;
    }
    m->v->n_headers++;
    return true;
}

static void headers(struct maker *m, const uint8_t *raw, size_t len)
{
    const char *p = (const char *)raw, *end = p + pn_q_headers_length(raw, len);
    char value[HEADER_VALUE_MAX + 1];

    m->v->headers = calloc(m->limits.headers, sizeof(*m->v->headers));
    m->failed = m->v->headers == NULL;
    while (p < end && !m->failed) {
        size_t n = 0;
        const char *next = memchr(p, '\n', (size_t)(end - p)), *colon;
        next = next ? next + 1 : end;
        while (next < end && (*next == ' ' || *next == '\t')) { /* folded */
            const char *more = memchr(next, '\n', (size_t)(end - next));
            next = more ? more + 1 : end;
        }
        colon = memchr(p, ':', (size_t)(next - p));
        if (colon == NULL || colon == p) {
            p = next;
            continue; /* an mbox line, or nothing that is a field */
        }
        if (m->v->n_headers == m->limits.headers) {
            cut(m, "it has more header fields than are shown");
            return;
        }
        for (const char *q = colon + 1; q < next && n < HEADER_VALUE_MAX; q++)
            if (*q != '\r' && *q != '\n' && *q != '\0' && (n > 0 || (*q != ' ' && *q != '\t')))
                value[n++] = *q;
        value[n] = '\0';
        size_t name_len = (size_t)(colon - p);
        while (name_len > 0 && (p[name_len - 1] == ' ' || p[name_len - 1] == '\t'))
            name_len--;
        m->failed = !header_add(m, p, name_len, value);
        p = next;
    }
}

/* --- parts --- */

static bool is_type(GMimeObject *o, const char *type, const char *subtype)
{
    GMimeContentType *t = g_mime_object_get_content_type(o);

    return t && g_mime_content_type_is_type(t, type, subtype);
}

static bool is_attachment(GMimeObject *o)
{
    GMimeContentDisposition *d = g_mime_object_get_content_disposition(o);
    const char *how = d ? g_mime_content_disposition_get_disposition(d) : NULL;

    if (how && strcasecmp(how, "attachment") == 0)
        return true;
    return !is_type(o, "text", "plain") && !is_type(o, "text", "html");
}

/* Is there text of this kind below, to be read and not saved? */
static bool has_text(struct maker *m, GMimeObject *o, const char *subtype, unsigned depth)
{
    if (o == NULL || depth > m->limits.depth || ++m->steps > STEPS_MAX)
        return false;
    if (GMIME_IS_MULTIPART(o)) {
        int n = g_mime_multipart_get_count(GMIME_MULTIPART(o));
        for (int i = 0; i < n && i < (int)m->limits.parts; i++)
            if (has_text(m, g_mime_multipart_get_part(GMIME_MULTIPART(o), i), subtype, depth + 1))
                return true;
        return false;
    }
    return GMIME_IS_PART(o) && is_type(o, "text", subtype) && !is_attachment(o);
}

static void text_add(struct maker *m, GMimePart *part)
{
    struct pn_qgather g = {.max = 4 * m->limits.text_bytes};
    struct pn_qstream_state st = {.end_ms = m->end_ms, .sink = pn_qgather_sink, .arg = &g};
    GMimeDataWrapper *content = g_mime_part_get_content(part);
    GMimeObject *o = GMIME_OBJECT(part);
    bool html = is_type(o, "text", "html");
    size_t room = m->limits.text_bytes - m->text_len;
    char *utf8 = NULL, *flat = NULL, *clean = NULL;

    if (content == NULL || room == 0)
        return;
    GMimeStream *s = pn_qstream_new(&st);
    g_mime_data_wrapper_write_to_stream(content, s);
    g_object_unref(s);
    if (st.late)
        cut(m, "looking at it took too long");
    if (g.cut)
        cut(m, "its text is longer than what is shown");
    utf8 = pn_qtext_utf8(g_mime_object_get_content_type_parameter(o, "charset"), g.bytes ? (void *)g.bytes : "", g.len);
    free(g.bytes);
    if (utf8 && html)
        flat = pn_qhtml_text(utf8, strlen(utf8), m->limits.text_bytes);
    if (utf8 && (!html || flat))
        clean = pn_qtext_clean(html ? flat : utf8, strlen(html ? flat : utf8));
    free(utf8);
    free(flat);
    if (clean == NULL) {
        m->failed = true;
        return;
    }
    size_t len = strlen(clean);
    if (m->text_len > 0 && len > 0 && room > 1) { /* another part's text follows on a line of its own */
        m->v->text[m->text_len++] = '\n';
        room--;
    }
    if (len > room) {
        cut(m, "its text is longer than what is shown");
        len = room;
        while (len > 0 && ((unsigned char)clean[len] & 0xc0) == 0x80)
            len--;
    }
    memcpy(m->v->text + m->text_len, clean, len);
    m->text_len += len;
    m->v->text[m->text_len] = '\0';
    m->v->from_html |= html;
    free(clean);
}

static void leaf(struct maker *m, GMimeObject *o, unsigned depth, bool show)
{
    struct pn_qstream_state st = {.end_ms = m->end_ms};

    if (m->v == NULL) {
        if (m->seen++ == m->at && GMIME_IS_PART(o))
            m->found = GMIME_PART(o);
        return;
    }
    if (m->v->n_parts == m->limits.parts) {
        cut(m, "it has more parts than are shown");
        return;
    }
    struct pn_qview_part *p = &m->v->parts[m->v->n_parts];
    GMimeContentType *type = g_mime_object_get_content_type(o);
    char *mime = type ? g_mime_content_type_get_mime_type(type) : NULL;
    p->type = clean_dup(mime ? mime : "application/octet-stream");
    g_free(mime);
    p->name = clean_dup(GMIME_IS_PART(o) ? g_mime_part_get_filename(GMIME_PART(o)) : NULL);
    if (p->type == NULL || p->name == NULL) {
        free(p->type);
        free(p->name);
        m->failed = true;
        return;
    }
    p->depth = depth;
    p->attachment = is_attachment(o);
    m->v->n_parts++;
    GMimeDataWrapper *content = GMIME_IS_PART(o) ? g_mime_part_get_content(GMIME_PART(o)) : NULL;
    if (content) {
        GMimeStream *s = pn_qstream_new(&st);
        g_mime_data_wrapper_write_to_stream(content, s);
        g_object_unref(s);
        p->bytes = st.count;
        if (st.late)
            cut(m, "looking at it took too long");
    }
    if (show && !p->attachment && GMIME_IS_PART(o))
        text_add(m, GMIME_PART(o));
}

static void walk(struct maker *m, GMimeObject *o, unsigned depth, bool show)
{
    if (o == NULL || m->failed || m->found)
        return;
    if (depth > m->limits.depth) {
        cut(m, "its parts are nested deeper than is shown");
        return;
    }
    if (GMIME_IS_MULTIPART(o)) {
        GMimeMultipart *multi = GMIME_MULTIPART(o);
        int n = g_mime_multipart_get_count(multi), chosen = -1;
        bool alternative = is_type(o, "multipart", "alternative");
        for (int i = 0; alternative && m->v && i < n && i < (int)m->limits.parts && chosen < 0; i++)
            if (has_text(m, g_mime_multipart_get_part(multi, i), "plain", depth))
                chosen = i;
        for (int i = 0; alternative && m->v && i < n && i < (int)m->limits.parts && chosen < 0; i++)
            if (has_text(m, g_mime_multipart_get_part(multi, i), "html", depth))
                chosen = i;
        for (int i = 0; i < n; i++) {
            if (m->v ? m->v->n_parts == m->limits.parts : m->seen > m->limits.parts) {
                cut(m, "it has more parts than are shown");
                return;
            }
            walk(m, g_mime_multipart_get_part(multi, i), depth + 1, show && (!alternative || i == chosen));
        }
        return;
    }
    leaf(m, o, depth, show);
    if (GMIME_IS_MESSAGE_PART(o)) {
        GMimeMessage *inner = g_mime_message_part_get_message(GMIME_MESSAGE_PART(o));
        if (inner)
            walk(m, g_mime_message_get_mime_part(inner), depth + 1,
                 false); /* a forwarded mail's text is not this one's */
    }
}

static GMimeMessage *parse(struct maker *m, const void *raw, size_t len)
{
    struct pn_qstream_state st = {.bytes = raw, .len = len, .end_ms = m->end_ms};

    pn_q_mime_init();
    GMimeStream *s = pn_qstream_new(&st);
    GMimeParser *parser = g_mime_parser_new_with_stream(s);
    g_mime_parser_set_persist_stream(parser, FALSE);
    GMimeMessage *message = g_mime_parser_construct_message(parser, NULL);
    g_object_unref(parser);
    g_object_unref(s);
    if (st.late || st.many)
        cut(m, st.late ? "looking at it took too long" : "it has too many parts or fields");
    return message;
}

struct pn_qview *pn_qview_make(const void *raw, size_t len, const struct pn_qview_limits *limits, struct pn_error *err)
{
    struct maker m = {.limits = limits_of(limits)};

    if (len == 0) {
        pn_error_set(err, "the message is empty");
        return NULL;
    }
    m.v = calloc(1, sizeof(*m.v));
    if (m.v) {
        m.v->text = calloc(1, m.limits.text_bytes + 1);
        m.v->parts = calloc(m.limits.parts, sizeof(*m.v->parts));
    }
    if (m.v == NULL || m.v->text == NULL || m.v->parts == NULL) {
        pn_qview_free(m.v);
        pn_error_set(err, "no memory");
        return NULL;
    }
    if (len > m.limits.message_bytes) {
        len = m.limits.message_bytes;
        cut(&m, "the message is larger than what is looked at");
    }
    m.end_ms = pn_qstream_now_ms() + m.limits.time_ms;
    GMimeMessage *message = parse(&m, raw, len);
    headers(&m, raw, len);
    if (message)
        walk(&m, g_mime_message_get_mime_part(message), 0, true);
    else
        cut(&m, "it is not well-formed");
    if (message)
        g_object_unref(message);
    if (!m.failed)
        return m.v;
    pn_qview_free(m.v);
    pn_error_set(err, "no memory");
    return NULL;
}

int pn_qview_part(const void *raw, size_t len, unsigned at, const struct pn_qview_limits *limits, pn_qsink *sink,
                  void *arg, struct pn_error *err)
{
    struct maker m = {.limits = limits_of(limits), .at = at};
    int rc = -1;

    if (len > m.limits.message_bytes)
        len = m.limits.message_bytes;
    m.end_ms = pn_qstream_now_ms() + m.limits.time_ms;
    GMimeMessage *message = parse(&m, raw, len);
    if (message)
        walk(&m, g_mime_message_get_mime_part(message), 0, false);
    GMimeDataWrapper *content = m.found ? g_mime_part_get_content(m.found) : NULL;
    if (content == NULL) {
        pn_error_set(err, "the message has no such part");
    } else {
        struct pn_qstream_state st = {.end_ms = m.end_ms, .sink = sink, .arg = arg};
        GMimeStream *s = pn_qstream_new(&st);
        g_mime_data_wrapper_write_to_stream(content, s);
        g_object_unref(s);
        rc = st.late      ? pn_error_set(err, "looking at it took too long")
             : st.stopped ? pn_error_set(err, "the part is larger than may be taken out")
                          : 0;
    }
    if (message)
        g_object_unref(message);
    return rc;
}

void pn_qview_free(struct pn_qview *v)
{
    if (v == NULL)
        return;
    for (unsigned i = 0; i < v->n_headers; i++) {
        free(v->headers[i].name);
        free(v->headers[i].value);
    }
    for (unsigned i = 0; i < v->n_parts; i++) {
        free(v->parts[i].name);
        free(v->parts[i].type);
    }
    free(v->headers);
    free(v->parts);
    free(v->text);
    free(v);
}

int pn_qgather_sink(void *arg, const uint8_t *bytes, size_t len)
{
    struct pn_qgather *g = arg;
    size_t max = g->max ? g->max : 32u << 20, take = len < max - g->len ? len : max - g->len;

    if (g->len + take > g->size) {
        size_t size = g->size ? 2 * g->size : 65536;
        while (size < g->len + take)
            size *= 2;
        uint8_t *grown = realloc(g->bytes, size);
        if (grown == NULL) {
            g->cut = true;
            return -1;
        }
        g->bytes = grown;
        g->size = size;
    }
    if (take)
        memcpy(g->bytes + g->len, bytes, take);
    g->len += take;
    if (take == len)
        return 0;
    g->cut = true;
    return -1;
}
