/* SPDX-License-Identifier: BSD-3-Clause */
/* The cluster on its own thread: what the main loop hears of it, and that nothing is touched after its end. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <dirent.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#include "controlplane/actors/cluster.h"
#include "controlplane/conf/load.h"

static const char conf_text[] = "node \"n1\" { port \"p\" { type = af_xdp; interface = eth0 }\n  mesh { listen = "
                                "\"127.0.0.1:%u\"; address = \"127.0.0.1\" }\n%s }\n";

struct fixture {
    char dir[64];
    struct event_base *base;
    struct pn_loop *main;
    struct pn_conf *conf;
    struct pn_cluster_actor *actor;
    pthread_t thread;
    unsigned rings, changes, events, elsewhere;
    struct pn_seal_ring ring;
    char event[256];
    /* on the cluster's thread */
    unsigned heard;
    enum pn_cluster_state heard_state;
};

static void on_ring(void *arg, const struct pn_seal_ring *ring)
{
    struct fixture *f = arg;

    f->rings++;
    f->ring = *ring;
    f->elsewhere += !pthread_equal(pthread_self(), f->thread);
}

static void on_changed(void *arg)
{
    struct fixture *f = arg;

    f->changes++;
    f->elsewhere += !pthread_equal(pthread_self(), f->thread);
}

static void on_event(void *arg, int level, const char *subject, const char *text)
{
    struct fixture *f = arg;

    (void)level;
    (void)subject;
    f->events++;
    snprintf(f->event, sizeof(f->event), "%s", text);
    f->elsewhere += !pthread_equal(pthread_self(), f->thread);
}

static const struct pn_cluster_actor_ops ops = {.ring = on_ring, .changed = on_changed, .event = on_event};

static void on_members(void *arg, enum pn_cluster_state state, const struct pn_members *members)
{
    struct fixture *f = arg;

    (void)members;
    f->heard++;
    f->heard_state = state;
}

static struct pn_conf *conf_new(const struct fixture *f, const char *more)
{
    char path[96];
    struct pn_conf_error errors[4];
    unsigned n = 0;
    FILE *out;

    snprintf(path, sizeof(path), "%s/postern.conf", f->dir);
    out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, conf_text, 20000u + (unsigned)getpid() % 20000u, more);
    fclose(out);
    struct pn_conf *conf = pn_conf_load(path, errors, 4, &n);
    if (!conf)
        fail_msg("%s: %s", errors[0].key, errors[0].text);
    return conf;
}

static struct pn_cluster_actor *actor_new(struct fixture *f)
{
    struct pn_cluster_actor_options o = {
        .conf = f->conf, .node = 0, .state_dir = f->dir, .version = "9.9", .main = f->main, .ops = &ops, .arg = f};
    struct pn_error err;
    struct pn_cluster_actor *a = pn_cluster_actor_new(&o, &err);

    if (!a)
        fail_msg("%s", err.text);
    return a;
}

static void fixture_open(struct fixture *f)
{
    struct pn_error err;

    memset(f, 0, sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/pn-actor-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->thread = pthread_self();
    f->base = event_base_new();
    f->main = pn_loop_new(f->base, &err);
    assert_non_null(f->main);
    f->conf = conf_new(f, "");
    f->actor = actor_new(f);
}

static void fixture_close(struct fixture *f)
{
    char command[128];

    pn_cluster_actor_free(f->actor);
    pn_loop_free(f->main);
    event_base_free(f->base);
    pn_conf_free(f->conf);
    snprintf(command, sizeof(command), "rm -r %s", f->dir);
    assert_int_equal(system(command), 0);
}

static void until(struct fixture *f, const unsigned *counter, unsigned at_least)
{
    for (unsigned i = 0; i < 2500 && *counter < at_least; i++) {
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        usleep(2000);
    }
    assert_true(*counter >= at_least);
}

static void do_init(void *arg)
{
    struct fixture *f = arg;
    struct pn_error err;

    if (pn_cluster_init(pn_cluster_actor_cluster(f->actor), "office", NULL, &err) < 0)
        abort();
}

static void do_remove(void *arg)
{
    struct fixture *f = arg;
    struct pn_error err;

    if (pn_cluster_remove(pn_cluster_actor_cluster(f->actor), "n1", &err) == 0)
        abort(); /* the last member */
}

static void test_news_come_to_the_main_loop(void **state)
{
    struct fixture f;
    struct pn_error err;
    struct pn_cluster_copy *copy = malloc(sizeof(*copy));
    struct pn_seal_ring ring;

    (void)state;
    fixture_open(&f);
    assert_int_equal(pn_cluster_actor_on_members(f.actor, on_members, &f), 0);
    assert_int_equal(pn_cluster_actor_start(f.actor, &err), 0);
    pn_cluster_actor_copy(f.actor, copy);
    assert_int_equal(copy->status.state, PN_CLUSTER_NONE);
    assert_int_equal(copy->n_seats, 0);
    pn_loop_call(pn_cluster_actor_loop(f.actor), do_init, &f);
    until(&f, &f.rings, 1);
    until(&f, &f.changes, 1);
    until(&f, &f.events, 1);
    assert_int_equal(f.elsewhere, 0);
    assert_int_equal(f.ring.n_keys, 1);
    pn_cluster_actor_ring(f.actor, &ring);
    assert_memory_equal(&ring, &f.ring, sizeof(ring));
    pn_cluster_actor_copy(f.actor, copy);
    assert_int_equal(copy->status.state, PN_CLUSTER_ACTIVE);
    assert_string_equal(copy->status.cluster_name, "office");
    assert_int_equal(copy->n_seats, 1);
    assert_string_equal(copy->seats[0].name, "n1");
    assert_true(copy->seats[0].self);
    assert_string_equal(copy->seats[0].version, "9.9");
    assert_int_equal(copy->seats[0].n_endpoints, 1);
    assert_true(f.heard >= 1);
    assert_int_equal(f.heard_state, PN_CLUSTER_ACTIVE);
    pn_loop_call(pn_cluster_actor_loop(f.actor), do_remove, &f);

    /* Over a restart the keys are there before the thread runs; news that nobody has read yet harm nobody. */
    pn_cluster_actor_free(f.actor);
    f.actor = actor_new(&f);
    pn_cluster_actor_ring(f.actor, &ring);
    assert_int_equal(ring.n_keys, 1);
    pn_cluster_actor_free(f.actor);
    f.actor = NULL;
    event_base_loop(f.base, EVLOOP_NONBLOCK);
    free(copy);
    fixture_close(&f);
}

static void test_reload(void **state)
{
    struct fixture f;
    struct pn_error err;
    struct pn_cluster_copy *copy = malloc(sizeof(*copy));
    unsigned before;

    (void)state;
    fixture_open(&f);
    assert_int_equal(pn_cluster_actor_start(f.actor, &err), 0);
    pn_loop_call(pn_cluster_actor_loop(f.actor), do_init, &f);
    until(&f, &f.changes, 1);
    pn_conf_free(f.conf);
    f.conf = conf_new(&f, "} cluster { perimeter = [\"192.0.2.0/24\", \"2001:db8::/32\"]");
    before = f.changes;
    pn_cluster_actor_reconfigure(f.actor, f.conf, 0);
    until(&f, &f.changes, before + 1);
    pn_cluster_actor_copy(f.actor, copy);
    assert_int_equal(copy->seats[0].n_extra, 2);
    free(copy);
    fixture_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_news_come_to_the_main_loop),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
