/* SPDX-License-Identifier: BSD-3-Clause */
/* Any client of the LMTP socket: begun messages end or are aborted exactly once, replies are whole lines. */
#include <stdlib.h>

#include "controlplane/quarantine/headers.h"
#include "controlplane/quarantine/lmtp.h"

static int under_way;

static void on_reply(void *arg, const char *text, size_t len)
{
    (void)arg;
    if (len < 5 || text[len - 1] != '\n' || text[len - 2] != '\r')
        abort();
    for (size_t i = 0; i + 2 < len; i++)
        if ((unsigned char)text[i] < 0x20)
            abort();
}
static enum pn_lmtp_result on_begin(void *arg, uint64_t hint)
{
    (void)arg;
    if (under_way++)
        abort();
    if (hint % 7 == 3)
        return under_way = 0, PN_LMTP_FULL;
    return PN_LMTP_STORED;
}
static enum pn_lmtp_result on_data(void *arg, const uint8_t *bytes, size_t len)
{
    char subject[64];
    (void)arg;
    if (under_way != 1 || len == 0)
        abort();
    pn_q_headers_find(bytes, len, "Subject", subject, sizeof(subject));
    return bytes[len - 1] == '!' ? PN_LMTP_FAILED : PN_LMTP_STORED;
}
static enum pn_lmtp_result on_end(void *arg, const char *sender, char *const *rcpt, unsigned n)
{
    (void)arg, (void)sender;
    if (under_way-- != 1 || n == 0 || rcpt[0][0] == '\0')
        abort();
    return PN_LMTP_STORED;
}
static void on_abort(void *arg)
{
    (void)arg;
    if (under_way-- != 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct pn_lmtp_options o = {"h", 3, 1000};
    static const struct pn_lmtp_ops ops = {on_reply, on_begin, on_data, on_end, on_abort};
    size_t step = size ? data[0] % 32 + 1u : 1, at = 0;
    struct pn_lmtp *l = pn_lmtp_new(&o, &ops, NULL);

    under_way = 0;
    while (l && at < size && !pn_lmtp_closed(l)) {
        at += pn_lmtp_feed(l, data + at, size - at < step ? size - at : step);
        if (pn_lmtp_waiting(l))
            pn_lmtp_done(l, (enum pn_lmtp_result)(at % 4));
    }
    pn_lmtp_free(l);
    if (under_way)
        abort();
    return 0;
}
