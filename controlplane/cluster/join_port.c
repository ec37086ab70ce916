/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/join_port.h"

bool pn_join_port_begin(struct pn_join_port *p, struct pn_join_wire *wire, enum pn_join_role role,
                        const struct pn_join_rehearsal *ops, void *arg)
{
    p->wire = wire;
    p->ops = ops;
    if (!ops)
        return false;
    p->session = ops->begin(arg, role, p);
    return p->session != NULL;
}

int pn_join_port_take(struct pn_join_port *p, const Pnpb__JoinExchange *m)
{
    p->received_bytes += m->payload.len;
    if (!p->session || p->received_bytes > PN_JOIN_REHEARSAL_BYTES)
        return -1;
    p->ops->message(p->session, m->payload.data, m->payload.len);
    return p->failed ? -1 : 0;
}

void pn_join_port_end(struct pn_join_port *p)
{
    if (p->session)
        p->ops->end(p->session);
    p->session = NULL;
}

int pn_join_port_send(struct pn_join_port *port, const void *bytes, size_t len)
{
    Pnpb__Join m = PNPB__JOIN__INIT;
    Pnpb__JoinExchange exchange = PNPB__JOIN_EXCHANGE__INIT;

    exchange.payload = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)bytes};
    m.exchange = &exchange;
    port->sent_bytes += len;
    if (port->sent_bytes > PN_JOIN_REHEARSAL_BYTES || pn_join_wire_send(port->wire, &m) < 0) {
        port->failed = true;
        return -1;
    }
    return 0;
}

void pn_join_port_done(struct pn_join_port *port, const struct pn_join_row *rows, unsigned n)
{
    port->n_rows = n < PN_JOIN_ROWS_MAX ? n : PN_JOIN_ROWS_MAX;
    memcpy(port->rows, rows, port->n_rows * sizeof(rows[0]));
    port->done = true;
}
