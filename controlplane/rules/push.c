/* SPDX-License-Identifier: BSD-3-Clause */
/* After a commit: frames for peers, and word to those in this process who watch. */
#include "common/log.h"
#include "controlplane/rules/store.h"
#include "controlplane/rules/wire.h"

static void send_pushes(struct pn_rules *r)
{
    struct pn_wire_out out = {0};
    struct pn_error err;
    uint8_t kind = PN_KIND_NONE;

    for (size_t i = 0; i <= r->n_notes; i++) {
        bool end = i == r->n_notes;
        if (!end && (!r->notes[i].push || !(r->classes_on & PN_KIND_BIT(r->notes[i].kind))))
            continue;
        if (kind != PN_KIND_NONE && (end || r->notes[i].kind != kind || out.len > PN_WIRE_FRAME_GOAL)) {
            if (!out.failed && !pn_wire_empty(&out))
                r->push(r->push_arg, kind, out.data, out.len);
            kind = PN_KIND_NONE;
        }
        if (end)
            break;
        if (kind == PN_KIND_NONE) {
            kind = r->notes[i].kind;
            pn_wire_begin(&out, r->clock.last, pn_rules_wall_ms(r), 0, 0);
        }
        if (pn_rdb_get_seq(r, r->notes[i].seq, false, &r->work, &err) == 1)
            pn_wire_entry(&out, &r->work);
    }
    pn_wire_free(&out);
}

static void tell_watchers(struct pn_rules *r)
{
    struct pn_error err;

    for (size_t i = 0; i < r->n_notes; i++) {
        const struct pn_rdb_note *note = &r->notes[i];
        const struct pn_rule_key *key = note->gone;
        bool present = false;

        if (!note->watch)
            continue;
        if (key == NULL && pn_rdb_get_seq(r, note->seq, false, &r->work, &err) == 1) {
            key = &r->work.key;
            present = r->work.present;
        }
        for (unsigned w = 0; key && w < r->n_watch; w++)
            r->watch[w].fn(r->watch[w].arg, key, present);
    }
}

void pn_rdb_notes_send(struct pn_rules *r)
{
    if (r->push && r->n_notes)
        send_pushes(r);
    if (r->n_watch)
        tell_watchers(r);
}

void pn_rules_push_set(struct pn_rules *r, pn_rules_push_fn *fn, void *arg)
{
    r->push = fn;
    r->push_arg = arg;
}
