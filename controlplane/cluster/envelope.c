/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cluster/envelope.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/cluster/cluster.pb-c.h"

const char *const pn_bye_text[PN_BYE_COUNT] = {
    "closed", "a second connection", "not a member", "no protocol version in common", "shutting down",
};

int pn_envelope_decode(const uint8_t *body, size_t len, struct pn_envelope *e)
{
    Pnpb__Envelope *pb = pn_pb_unpack(&e->budget, &pnpb__envelope__descriptor, body, len, 4096 + 4 * len);

    e->message = pb;
    if (!pb)
        return -1;
    e->channel = pb->channel;
    e->payload = pb->payload.data;
    e->len = pb->payload.len;
    return 0;
}

void pn_envelope_free(struct pn_envelope *e)
{
    pn_pb_free(&e->budget, e->message);
    e->message = NULL;
}

static Pnpb__Envelope envelope(unsigned channel, const void *payload, size_t len)
{
    Pnpb__Envelope pb = PNPB__ENVELOPE__INIT;

    pb.channel = channel;
    pb.payload = (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)payload};
    return pb;
}

size_t pn_envelope_size(unsigned channel, size_t len)
{
    Pnpb__Envelope pb = envelope(channel, "", len);

    return pnpb__envelope__get_packed_size(&pb);
}

void pn_envelope_encode(unsigned channel, const void *payload, size_t len, uint8_t *out)
{
    Pnpb__Envelope pb = envelope(channel, payload, len);

    pnpb__envelope__pack(&pb, out);
}

/* ---- control ---- */

static struct pn_bytes hello_encode(const struct pn_control *c)
{
    Pnpb__Control pb = PNPB__CONTROL__INIT;
    Pnpb__Hello hello = PNPB__HELLO__INIT;
    struct pn_member_pb *self = c->hello.has_self ? pn_member_pb_new(&c->hello.self) : NULL;
    struct pn_bytes b;

    hello.proto_min = c->hello.proto_min;
    hello.proto_max = c->hello.proto_max;
    hello.version = (char *)(uintptr_t)c->hello.version;
    hello.cluster = (ProtobufCBinaryData){PN_ID_BYTES, (uint8_t *)(uintptr_t)c->hello.cluster.b};
    hello.node = (ProtobufCBinaryData){PN_ID_BYTES, (uint8_t *)(uintptr_t)c->hello.node.b};
    hello.self = pn_member_pb_get(self);
    pb.hello = &hello;
    b = pn_bytes_pack(&pb.base);
    pn_member_pb_free(self);
    return b;
}

static struct pn_bytes bye_encode(const struct pn_control *c)
{
    Pnpb__Control pb = PNPB__CONTROL__INIT;
    Pnpb__Bye bye = PNPB__BYE__INIT;
    struct pn_member_pb *row = c->bye.has_row ? pn_member_pb_new(&c->bye.row) : NULL;
    struct pn_bytes b;

    bye.reason = (uint32_t)c->bye.reason;
    bye.text = (char *)(uintptr_t)c->bye.text;
    bye.removed = pn_member_pb_get(row);
    pb.bye = &bye;
    b = pn_bytes_pack(&pb.base);
    pn_member_pb_free(row);
    return b;
}

struct pn_bytes pn_control_encode(const struct pn_control *c)
{
    Pnpb__Control pb = PNPB__CONTROL__INIT;
    Pnpb__Ping ping = PNPB__PING__INIT;
    Pnpb__Pong pong = PNPB__PONG__INIT;

    switch (c->kind) {
    case PN_CONTROL_HELLO:
        return hello_encode(c);
    case PN_CONTROL_PING:
        ping.sent_us = c->ping.sent_us;
        ping.members_digest = c->ping.members_digest;
        ping.keyring_digest = c->ping.keyring_digest;
        pb.ping = &ping;
        break;
    case PN_CONTROL_PONG:
        pong.sent_us = c->pong.sent_us;
        pong.wall_us = c->pong.wall_us;
        pb.pong = &pong;
        break;
    case PN_CONTROL_BYE:
        return bye_encode(c);
    }
    return pn_bytes_pack(&pb.base);
}

static int hello_take(const Pnpb__Hello *pb, struct pn_control *c, struct pn_error *err)
{
    c->kind = PN_CONTROL_HELLO;
    if (pb->proto_min == 0 || pb->proto_min > pb->proto_max || pb->proto_max > UINT16_MAX)
        return pn_error_set(err, "protocol versions %u to %u", pb->proto_min, pb->proto_max);
    if (pb->cluster.len != PN_ID_BYTES || pb->node.len != PN_ID_BYTES)
        return pn_error_set(err, "a hello without ids");
    c->hello.proto_min = (uint16_t)pb->proto_min;
    c->hello.proto_max = (uint16_t)pb->proto_max;
    pn_text_clean(pb->version, c->hello.version, sizeof(c->hello.version));
    memcpy(c->hello.cluster.b, pb->cluster.data, PN_ID_BYTES);
    memcpy(c->hello.node.b, pb->node.data, PN_ID_BYTES);
    c->hello.has_self = pb->self != NULL;
    return pb->self ? pn_codec_member(pb->self, &c->hello.self, err) : 0;
}

static int bye_take(const Pnpb__Bye *pb, struct pn_control *c, struct pn_error *err)
{
    c->kind = PN_CONTROL_BYE;
    c->bye.reason = pb->reason < PN_BYE_COUNT ? (enum pn_bye)pb->reason : PN_BYE_OTHER;
    pn_text_clean(pb->text, c->bye.text, sizeof(c->bye.text));
    c->bye.has_row = pb->removed != NULL;
    return pb->removed ? pn_codec_member(pb->removed, &c->bye.row, err) : 0;
}

int pn_control_decode(const void *bytes, size_t len, struct pn_control *c, struct pn_error *err)
{
    struct pn_pb_budget budget;
    Pnpb__Control *pb = NULL;
    int rc = 0;

    memset(c, 0, sizeof(*c));
    if (len <= PN_FRAME_HELLO_MAX)
        pb = pn_pb_unpack(&budget, &pnpb__control__descriptor, bytes, len, pn_pb_allowance(len));
    if (!pb)
        return pn_error_set(err, "a malformed control message");
    if (pb->hello) {
        rc = hello_take(pb->hello, c, err);
    } else if (pb->ping) {
        c->kind = PN_CONTROL_PING;
        c->ping.sent_us = pb->ping->sent_us;
        c->ping.members_digest = pb->ping->members_digest;
        c->ping.keyring_digest = pb->ping->keyring_digest;
    } else if (pb->pong) {
        c->kind = PN_CONTROL_PONG;
        c->pong.sent_us = pb->pong->sent_us;
        c->pong.wall_us = pb->pong->wall_us;
    } else if (pb->bye) {
        rc = bye_take(pb->bye, c, err);
    } else {
        rc = pn_error_set(err, "a control message of no known kind"); /* a later version's may be skipped */
    }
    pn_pb_free(&budget, pb);
    return rc;
}
