/* SPDX-License-Identifier: BSD-3-Clause */
/* A channel for a user on another loop: links and messages in order, and nothing of the links lost without memory. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "controlplane/actors/courier.h"
#include "tests/unit/fake_loop.h"

#define MAX_BYTES 100u

static const struct pn_id other = {{7}};
static struct pn_transport transport;

static struct {
    bool link_full;
    const struct pn_channel_ops *channel;
    struct pn_courier *courier;
    char said[100]; /* what the user heard: U up, D down, R room, and messages */
    unsigned sent;
} seen;

/* ---- neighbours of paper ---- */

static void loops_run(void)
{
    while (fake_loop.n)
        fake_loop_run();
}

struct pn_loop *pn_cluster_actor_loop(struct pn_cluster_actor *a)
{
    (void)a;
    return NULL;
}

struct pn_cluster *pn_cluster_actor_cluster(struct pn_cluster_actor *a)
{
    (void)a;
    return NULL;
}

int pn_cluster_actor_on_members(struct pn_cluster_actor *a, pn_cluster_actor_members_fn *fn, void *arg)
{
    (void)a, (void)fn, (void)arg;
    return 0;
}

int pn_cluster_subscribe(struct pn_cluster *c, enum pn_channel channel, const struct pn_channel_ops *ops, void *arg)
{
    (void)c, (void)channel, (void)arg;
    seen.channel = ops;
    return 0;
}

struct pn_transport *pn_cluster_transport(const struct pn_cluster *c)
{
    (void)c;
    return &transport;
}

static enum pn_send_result transport_send(struct pn_transport *t, const struct pn_id *to, enum pn_channel channel,
                                          const void *bytes, size_t len)
{
    (void)t, (void)to, (void)channel, (void)bytes, (void)len;
    if (seen.link_full)
        return PN_SEND_FULL;
    seen.sent++;
    return PN_SEND_OK;
}

static bool transport_peer(const struct pn_transport *t, const struct pn_id *id, struct pn_transport_peer *out)
{
    (void)t, (void)id;
    *out = (struct pn_transport_peer){.name = "n2"};
    return true;
}

/* ---- the user ---- */

static void say(const char *text, size_t len)
{
    size_t at = strlen(seen.said);

    snprintf(seen.said + at, sizeof(seen.said) - at, "%.*s", (int)len, text);
}

static void on_up(void *arg, unsigned peer, const char *name)
{
    (void)arg, (void)peer;
    assert_string_equal(name, "n2");
    say("U", 1);
}

static void on_down(void *arg, unsigned peer)
{
    (void)arg, (void)peer;
    say("D", 1);
}

static void on_message(void *arg, unsigned peer, const uint8_t *bytes, size_t len)
{
    (void)arg, (void)peer;
    say((const char *)bytes, len);
}

static void on_room(void *arg, unsigned peer)
{
    (void)arg, (void)peer;
    say("R", 1);
}

static int setup(void **state)
{
    static const struct pn_transport_ops transport_ops = {.send = transport_send, .peer = transport_peer};
    static const struct pn_courier_ops ops = {on_up, on_down, on_message, on_room};
    static const struct pn_courier_options o = {
        .channel = PN_CHANNEL_ASK, .out_bytes_max = MAX_BYTES, .in_bytes_max = MAX_BYTES, .ops = &ops};
    struct pn_error err;

    (void)state;
    memset(&seen, 0, sizeof(seen));
    memset(&fake_loop, 0, sizeof(fake_loop));
    transport.ops = &transport_ops;
    seen.courier = pn_courier_new(NULL, NULL, &o, &err);
    return seen.courier ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loops_run();
    pn_courier_free(seen.courier);
    return 0;
}

static void comes(const char *text)
{
    seen.channel->message(seen.courier, &other, (const uint8_t *)text, strlen(text));
}

static void heard(const char *expected)
{
    loops_run();
    assert_string_equal(seen.said, expected);
    seen.said[0] = '\0';
}

/* ---- tests ---- */

static void test_order(void **state)
{
    (void)state;
    seen.channel->peer_up(seen.courier, &other);
    comes("a");
    comes("b");
    heard("Uab");
    assert_int_equal(pn_courier_send(seen.courier, 0, "x", 1), PN_COURIER_OK);
    loops_run();
    assert_int_equal(seen.sent, 1);
    seen.channel->peer_down(seen.courier, &other);
    heard("D");
    assert_int_equal(pn_courier_send(seen.courier, 0, "x", 1), PN_COURIER_DOWN);
    seen.channel->peer_up(seen.courier, &other);
    heard("U");
}

/* What came on a link that is gone since is heard before that, and the next link is another one. */
static void test_other_link(void **state)
{
    (void)state;
    seen.channel->peer_up(seen.courier, &other);
    heard("U");
    comes("a");
    seen.channel->peer_down(seen.courier, &other);
    seen.channel->peer_up(seen.courier, &other);
    comes("b");
    heard("aDUb");
    for (unsigned i = 0; i < MAX_BYTES; i++) /* nothing of it is still counted as under way */
        comes("c"), loops_run();
    assert_int_equal(strlen(seen.said), sizeof(seen.said) - 1);
    assert_int_equal(pn_courier_dropped(seen.courier), 0);
}

static void test_without_memory(void **state)
{
    (void)state;
    fake_loop.no_memory = true;
    seen.channel->peer_up(seen.courier, &other);
    heard("");
    pn_courier_look(seen.courier);
    heard("U");
    pn_courier_look(seen.courier);
    heard("");
    seen.channel->peer_down(seen.courier, &other);
    pn_courier_look(seen.courier);
    heard("D");
    seen.channel->peer_up(seen.courier, &other);
    fake_loop.no_memory = false;
    comes("a"); /* it does not come from nobody */
    heard("Ua");
}

static void test_room_without_memory(void **state)
{
    static const char half[MAX_BYTES / 2];

    (void)state;
    seen.channel->peer_up(seen.courier, &other);
    heard("U");
    seen.link_full = true;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(pn_courier_send(seen.courier, 0, half, sizeof(half)),
                         i == 2 ? PN_COURIER_FULL : PN_COURIER_OK);
    heard("");
    seen.link_full = false;
    fake_loop.no_memory = true;
    seen.channel->writable(seen.courier, &other);
    assert_int_equal(seen.sent, 2);
    pn_courier_look(seen.courier);
    heard("R");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_link, setup, teardown),
        cmocka_unit_test_setup_teardown(test_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_room_without_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
