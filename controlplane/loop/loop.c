/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/loop/loop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/error.h"

struct task {
    struct task *next;
    pn_loop_fn *fn;
    void *arg;
};

struct pn_loop {
    pthread_mutex_t lock;
    struct task *first, **last;
    bool closed;
    bool own_base, running;
    pthread_t thread;
    struct event_base *base;
    struct event *wake;
    int fd;
    pn_loop_fn *start;
    void *start_arg;
};

static struct task *take_all(struct pn_loop *l)
{
    struct task *list;

    pthread_mutex_lock(&l->lock);
    list = l->first;
    l->first = NULL;
    l->last = &l->first;
    pthread_mutex_unlock(&l->lock);
    return list;
}

static void run_all(struct pn_loop *l)
{
    for (struct task *t = take_all(l), *next; t; t = next) {
        next = t->next;
        t->fn(t->arg);
        free(t);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;

    (void)what;
    while (read(fd, &count, sizeof(count)) < 0 && errno == EINTR)
        ;
    run_all(arg);
}

struct pn_loop *pn_loop_new(struct event_base *base, struct pn_error *err)
{
    struct pn_loop *l = calloc(1, sizeof(*l));

    if (!l) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    l->last = &l->first;
    l->own_base = !base;
    l->base = base ? base : event_base_new();
    l->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->base && l->fd >= 0)
        l->wake = event_new(l->base, l->fd, EV_READ | EV_PERSIST, on_wake, l);
    pthread_mutex_init(&l->lock, NULL);
    if (!l->wake || event_add(l->wake, NULL) < 0) {
        pn_error_set(err, "no event loop: %s", l->fd < 0 ? strerror(errno) : "out of memory");
        pn_loop_free(l);
        return NULL;
    }
    return l;
}

struct event_base *pn_loop_base(struct pn_loop *loop)
{
    return loop->base;
}

static void *run(void *arg)
{
    struct pn_loop *l = arg;

    if (l->start)
        l->start(l->start_arg);
    event_base_dispatch(l->base);
    return NULL;
}

int pn_loop_start(struct pn_loop *loop, const char *name, pn_loop_fn *start, void *arg, struct pn_error *err)
{
    sigset_t all, before;
    int rc;

    loop->start = start;
    loop->start_arg = arg;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0)
        return pn_error_set(err, "no thread for %s: %s", name, strerror(rc));
    loop->running = true;
    pthread_setname_np(loop->thread, name);
    return 0;
}

bool pn_loop_here(const struct pn_loop *loop)
{
    return !loop->running || pthread_equal(loop->thread, pthread_self());
}

int pn_loop_call(struct pn_loop *loop, pn_loop_fn *fn, void *arg)
{
    struct task *t = malloc(sizeof(*t));
    uint64_t one = 1;
    bool closed, first;

    if (!t)
        return -1;
    *t = (struct task){.fn = fn, .arg = arg};
    pthread_mutex_lock(&loop->lock);
    closed = loop->closed;
    first = !loop->first;
    if (!closed) {
        *loop->last = t;
        loop->last = &t->next;
    }
    pthread_mutex_unlock(&loop->lock);
    if (closed)
        free(t);
    else if (first)
        while (write(loop->fd, &one, sizeof(one)) < 0 && errno == EINTR)
            ;
    return closed ? -1 : 0;
}

static void quit(void *arg)
{
    struct pn_loop *l = arg;
    event_base_loopbreak(l->base);
}

void pn_loop_stop(struct pn_loop *loop)
{
    if (loop->running) {
        while (pn_loop_call(loop, quit, loop) < 0)
            usleep(1000); /* memory will come back; without the call the thread never ends */
        pthread_join(loop->thread, NULL);
        loop->running = false;
    }
    pthread_mutex_lock(&loop->lock);
    loop->closed = true;
    pthread_mutex_unlock(&loop->lock);
    run_all(loop);
}

void pn_loop_free(struct pn_loop *loop)
{
    if (!loop)
        return;
    if (loop->wake)
        pn_loop_stop(loop);
    if (loop->wake)
        event_free(loop->wake);
    if (loop->fd >= 0)
        close(loop->fd);
    if (loop->own_base && loop->base)
        event_base_free(loop->base);
    pthread_mutex_destroy(&loop->lock);
    free(loop);
}
