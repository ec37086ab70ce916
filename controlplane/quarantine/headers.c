/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/headers.h"

#include <string.h>
#include <strings.h>

static const uint8_t *line_end(const uint8_t *p, const uint8_t *end)
{
    const uint8_t *nl = memchr(p, '\n', (size_t)(end - p));

    return nl ? nl + 1 : end;
}

size_t pn_q_headers_length(const uint8_t *head, size_t len)
{
    const uint8_t *end = head + len;

    for (const uint8_t *p = head; p < end;) {
        const uint8_t *next = line_end(p, end);
        if (*p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n'))
            return (size_t)(p - head);
        p = next;
    }
    return len;
}

/* Length of the well-formed UTF-8 character at p (RFC 3629), 0 if there is none. */
static unsigned utf8_len(const uint8_t *p, size_t left)
{
    unsigned n = p[0] < 0x80                   ? 1
                 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                 : (p[0] & 0xf0) == 0xe0       ? 3
                 : p[0] >= 0xf0 && p[0] < 0xf5 ? 4
                                               : 0;

    if (n == 0 || n > left)
        return 0;
    for (unsigned i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

size_t pn_q_text_clean(const uint8_t *in, size_t len, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < len && n + 1 < size;) {
        unsigned c = utf8_len(in + i, len - i);
        bool c1 = c == 2 && in[i] == 0xc2 && in[i + 1] < 0xa0; /* control characters beyond ASCII */
        if (c == 0 || c1 || in[i] < 0x20 || in[i] == 0x7f) {
            bool space = in[i] == '\t' || in[i] == '\r' || in[i] == '\n';
            out[n++] = space ? ' ' : '?';
            i += c1 ? 2 : 1;
            continue;
        }
        if (n + c >= size)
            break;
        memcpy(out + n, in + i, c);
        n += c;
        i += c;
    }
    out[n] = '\0';
    return n;
}

bool pn_q_headers_find(const uint8_t *head, size_t len, const char *name, char *out, size_t size)
{
    size_t name_len = strlen(name);
    const uint8_t *end = head + pn_q_headers_length(head, len);

    out[0] = '\0';
    for (const uint8_t *p = head; p < end;) {
        const uint8_t *next = line_end(p, end);
        if ((size_t)(next - p) > name_len && strncasecmp((const char *)p, name, name_len) == 0) {
            const uint8_t *v = p + name_len;
            while (v < next && (*v == ' ' || *v == '\t'))
                v++;
            if (v < next && *v == ':') {
                v++;
                while (next < end && (*next == ' ' || *next == '\t'))
                    next = line_end(next, end);
                while (v < next && (*v == ' ' || *v == '\t'))
                    v++;
                while (next > v && (next[-1] == '\n' || next[-1] == '\r'))
                    next--;
                size_t n = 0; /* unfold: CRLF before white space goes (RFC 5322 2.2.3) */
                uint8_t flat[4096];
                for (; v < next && n < sizeof(flat); v++)
                    if (*v != '\r' && *v != '\n')
                        flat[n++] = *v;
                pn_q_text_clean(flat, n, out, size);
                return true;
            }
        }
        p = next;
    }
    return false;
}
