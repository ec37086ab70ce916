/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/forward_spool.h"

#include "common/log.h"

static int told(int rc, const struct pn_error *err)
{
    if (rc < 0)
        pn_log_limited(10000, PN_LOG_ERROR, "quarantine: %s", err->text);
    return rc;
}

static void show(const struct pn_spool_row *row, struct pn_forward_item *out)
{
    *out = (struct pn_forward_item){row->id, row->kind, row->file_bytes, row->item, row->item_len};
}

static int next(void *arg, enum pn_q_kind kind, uint64_t after, struct pn_forward_item *out)
{
    struct pn_spool_row row;
    int rc = pn_spool_next(arg, kind, after, &row);

    if (rc == 1)
        show(&row, out);
    return rc;
}

static int get(void *arg, const struct pn_q_id *id, struct pn_forward_item *out)
{
    struct pn_spool_row row;
    int rc = pn_spool_get(arg, id->sequence, &row);

    if (rc == 1 && (row.state != PN_SPOOL_STORED || !pn_q_id_equal(&row.id, id)))
        return 0;
    if (rc == 1)
        show(&row, out);
    return rc;
}

static ssize_t read_file(void *arg, const struct pn_q_id *id, uint64_t offset, void *buf, size_t len)
{
    return pn_spool_read(arg, id, offset, buf, len);
}

static uint64_t last(void *arg)
{
    return pn_spool_last(arg);
}

static int acked(void *arg, const struct pn_q_id *ids, unsigned n)
{
    struct pn_error err;
    return told(pn_spool_acked(arg, ids, n, &err), &err);
}

static int refused(void *arg, const struct pn_q_id *id, const char *reason)
{
    struct pn_error err;
    return told(pn_spool_refused(arg, id, reason, &err), &err);
}

static int offer_again(void *arg)
{
    struct pn_error err;
    return told(pn_spool_offer_again(arg, true, false, &err), &err);
}

static uint64_t mark_get(void *arg, const char *name)
{
    return pn_spool_mark_get(arg, name, 0);
}

static int mark_set(void *arg, const char *name, uint64_t value)
{
    struct pn_error err;
    return told(pn_spool_mark_set(arg, name, value, &err), &err);
}

const struct pn_forward_ops pn_forward_spool_ops = {
    .next = next,
    .get = get,
    .read = read_file,
    .last = last,
    .acked = acked,
    .refused = refused,
    .offer_again = offer_again,
    .mark_get = mark_get,
    .mark_set = mark_set,
};
