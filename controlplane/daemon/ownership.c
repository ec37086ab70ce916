/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/daemon/ownership.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/rand.h>

#include "common/error.h"
#include "controlplane/daemon/confine.h"
#include "controlplane/dplink/rtlink.h"
#include "controlplane/view/clock.h"

#define PRIORITY 20
#define STACK_BYTES (512u << 10)
#define EVENTS 256u

struct own_event {
    enum pn_log_level level;
    const char *kind;
    char subject[PN_NAME_BYTES];
    char text[200];
};

struct pn_own {
    pthread_mutex_t lock;
    pthread_cond_t gate;
    pthread_t thread;
    bool thread_made, go, stop, confine, realtime;
    struct pn_node node;
    struct pn_rtlink *link;
    int kick, timer, news; /* wake the thread, at a time; wake the loop */
    struct own_event events[EVENTS];
    unsigned head, count;
    uint64_t lost;
    bool told; /* the loop was woken for what is in the ring */
    struct event *news_event;
    void (*event)(void *arg, enum pn_log_level level, const char *kind, const char *subject, const char *text);
    void *arg;
};

/* ---- what the node asks for; always under the lock ---- */

static void io_send(void *arg, enum pn_dp_type type, const void *payload, size_t bytes, uint32_t tag)
{
    struct pn_own *o = arg;
    pn_rtlink_send(o->link, type, payload, bytes, tag);
}

static bool io_clear(void *arg)
{
    struct pn_own *o = arg;
    return pn_rtlink_clear(o->link);
}

static void wake(int fd)
{
    uint64_t one = 1;
    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

static void io_event(void *arg, enum pn_log_level level, const char *kind, const char *subject, const char *text)
{
    struct pn_own *o = arg;
    if (o->count == EVENTS) {
        o->lost++;
        return;
    }
    struct own_event *e = &o->events[(o->head + o->count++) % EVENTS];
    e->level = level;
    e->kind = kind;
    snprintf(e->subject, sizeof(e->subject), "%s", subject);
    snprintf(e->text, sizeof(e->text), "%s", text);
    if (!o->told)
        wake(o->news);
    o->told = true;
}

static uint64_t io_random64(void *arg)
{
    uint64_t value = 0;
    (void)arg;
    if (RAND_bytes((unsigned char *)&value, sizeof(value)) != 1)
        abort(); /* a challenge that can be guessed is worse than none */
    return value;
}

/* ---- the connection ---- */

static void on_up(void *arg, const struct pn_dp_hello *hello)
{
    struct pn_own *o = arg;
    pn_node_linked(&o->node, true, hello->started_boottime_ns, pn_clock_ns());
}

static void on_down(void *arg, const char *reason)
{
    struct pn_own *o = arg;
    (void)reason; /* the daemon's own connection tells it */
    pn_node_linked(&o->node, false, o->node.dataplane, pn_clock_ns());
}

static void on_answer(void *arg, uint32_t tag, unsigned status, const void *payload, size_t bytes)
{
    struct pn_own *o = arg;
    pn_node_answer(&o->node, tag, status, payload, bytes, pn_clock_ns());
}

static void on_message(void *arg, enum pn_dp_type type, const void *payload, size_t bytes)
{
    struct pn_own *o = arg;
    pn_node_message(&o->node, type, payload, bytes, pn_clock_ns());
}

/* ---- the thread ---- */

static void arm(struct pn_own *o, uint64_t at_ns)
{
    struct itimerspec when = {.it_value = {.tv_sec = 0}};
    if (at_ns != UINT64_MAX) {
        when.it_value.tv_sec = (time_t)(at_ns / 1000000000u);
        when.it_value.tv_nsec = (long)(at_ns % 1000000000u);
        if (at_ns == 0)
            when.it_value.tv_nsec = 1;
    }
    timerfd_settime(o->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void drain(int fd)
{
    uint64_t n;
    while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
        ;
}

/* Input first: what came while we slept decides what the time means. */
static void turn(struct pn_own *o, bool readable)
{
    uint64_t link_ns, wake_ns, now_ns = pn_clock_ns();
    if (readable)
        pn_rtlink_readable(o->link, now_ns);
    link_ns = pn_rtlink_run(o->link, pn_clock_ns()); /* what answers and orders made us write leaves before the step */
    pn_node_step(&o->node, pn_clock_ns(), &wake_ns);
    pn_rtlink_flush(o->link, pn_clock_ns());
    if (pn_rtlink_fd(o->link) < 0) /* it may have ended just now, and no descriptor will tell */
        link_ns = pn_rtlink_run(o->link, pn_clock_ns());
    arm(o, link_ns < wake_ns ? link_ns : wake_ns);
}

static void *run(void *arg)
{
    struct pn_own *o = arg;
    struct pollfd fds[3] = {{.fd = o->kick, .events = POLLIN}, {.fd = o->timer, .events = POLLIN}};
    struct pn_error err;
    bool readable = false;
    pthread_mutex_lock(&o->lock);
    while (!o->go && !o->stop)
        pthread_cond_wait(&o->gate, &o->lock);
    if (o->go && o->confine && pn_confine_thread(&err) < 0)
        io_event(o, PN_LOG_ERROR, "node", "", err.text);
    while (!o->stop) {
        turn(o, readable);
        fds[2].fd = pn_rtlink_fd(o->link);
        fds[2].events = (short)(POLLIN | (pn_rtlink_wants_write(o->link) ? POLLOUT : 0));
        pthread_mutex_unlock(&o->lock);
        int n = poll(fds, 3, -1);
        if (n > 0 && fds[0].revents)
            drain(o->kick);
        if (n > 0 && fds[1].revents)
            drain(o->timer);
        readable = n > 0 && fds[2].fd >= 0 && fds[2].revents & (POLLIN | POLLHUP | POLLERR);
        pthread_mutex_lock(&o->lock);
    }
    pthread_mutex_unlock(&o->lock);
    return NULL;
}

/* What is there is locked; what comes is locked when it is first used. */
static int lock_memory(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    setrlimit(RLIMIT_MEMLOCK, &limit);
    /* The right to pass a limit is given up later, and then nothing could be mapped any more. */
    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY)
        return -1;
    return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static int make_thread(struct pn_own *o)
{
    struct sched_param param = {.sched_priority = PRIORITY};
    pthread_attr_t attr;
    sigset_t all, before;
    int rc;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    if (o->realtime) {
        pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
        pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
        pthread_attr_setschedparam(&attr, &param);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    rc = pthread_create(&o->thread, &attr, run, o);
    if (rc == EPERM && o->realtime) {
        o->realtime = false;
        io_event(o, PN_LOG_WARNING, "node", "",
                 "no real-time priority allowed: heartbeats may be late when the machine is busy");
        pthread_attr_setinheritsched(&attr, PTHREAD_INHERIT_SCHED);
        rc = pthread_create(&o->thread, &attr, run, o);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    o->thread_made = rc == 0;
    return rc;
}

/* ---- the loop's side ---- */

static void on_news(evutil_socket_t fd, short what, void *arg)
{
    struct pn_own *o = arg;
    struct own_event e;
    (void)what;
    drain(fd);
    for (;;) {
        pthread_mutex_lock(&o->lock);
        o->told = false;
        uint64_t lost = o->lost;
        bool any = o->count > 0;
        o->lost = any ? o->lost : 0;
        if (any) {
            e = o->events[o->head];
            o->head = (o->head + 1) % EVENTS;
            o->count--;
        }
        pthread_mutex_unlock(&o->lock);
        if (any)
            o->event(o->arg, e.level, e.kind, e.subject, e.text);
        else if (lost)
            o->event(o->arg, PN_LOG_WARNING, "node", "", "some events were too many to tell");
        if (!any)
            return;
    }
}

static int make_fds(struct pn_own *o, struct event_base *base)
{
    o->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    o->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (o->kick < 0 || o->news < 0 || o->timer < 0)
        return -1;
    o->news_event = event_new(base, o->news, EV_READ | EV_PERSIST, on_news, o);
    return o->news_event && event_add(o->news_event, NULL) == 0 ? 0 : -1;
}

static void make_lock(struct pn_own *o)
{
    pthread_mutexattr_t attr;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    pthread_mutex_init(&o->lock, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_cond_init(&o->gate, NULL);
}

struct pn_own *pn_own_new(struct event_base *base, const struct pn_own_options *opt,
                          void (*event)(void *arg, enum pn_log_level level, const char *kind, const char *subject,
                                        const char *text),
                          void *arg, struct pn_error *err)
{
    struct pn_own *o = calloc(1, sizeof(*o));
    if (!o) {
        pn_error_set(err, "out of memory");
        return NULL;
    }
    struct pn_rtlink_callbacks cb = {
        .up = on_up, .down = on_down, .answer = on_answer, .message = on_message, .arg = o};
    struct pn_node_io io = {.send = io_send, .clear = io_clear, .event = io_event, .random64 = io_random64, .arg = o};
    o->event = event;
    o->arg = arg;
    o->confine = opt->confine;
    o->realtime = opt->realtime;
    o->kick = o->news = o->timer = -1;
    make_lock(o);
    pn_node_init(&o->node, &io);
    if (!(o->link = pn_rtlink_new(opt->dp_socket, &cb, err))) {
        pn_own_free(o);
        return NULL;
    }
    if (make_fds(o, base) < 0) {
        pn_error_set(err, "ownership: %s", strerror(errno));
        pn_own_free(o);
        return NULL;
    }
    if (o->realtime && lock_memory() < 0)
        io_event(o, PN_LOG_WARNING, "node", "", "memory cannot be locked: heartbeats may be late when it is short");
    int rc = make_thread(o);
    if (rc != 0) {
        pn_error_set(err, "ownership thread: %s", strerror(rc));
        pn_own_free(o);
        return NULL;
    }
    o->node.show.realtime = o->realtime;
    return o;
}

void pn_own_go(struct pn_own *o)
{
    pthread_mutex_lock(&o->lock);
    o->go = true;
    pthread_cond_signal(&o->gate);
    pthread_mutex_unlock(&o->lock);
}

void pn_own_free(struct pn_own *o)
{
    if (!o)
        return;
    if (o->thread_made) {
        pthread_mutex_lock(&o->lock);
        o->stop = true;
        pthread_cond_signal(&o->gate);
        pthread_mutex_unlock(&o->lock);
        wake(o->kick);
        pthread_join(o->thread, NULL);
    }
    if (o->news_event)
        event_free(o->news_event);
    const int fds[] = {o->kick, o->news, o->timer};
    for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    pn_rtlink_free(o->link);
    pn_node_release(&o->node);
    pthread_mutex_destroy(&o->lock);
    pthread_cond_destroy(&o->gate);
    free(o);
}

struct pn_node *pn_own_lock(struct pn_own *o)
{
    pthread_mutex_lock(&o->lock);
    return &o->node;
}

void pn_own_unlock(struct pn_own *o)
{
    pthread_mutex_unlock(&o->lock);
    wake(o->kick);
}

void pn_own_show(struct pn_own *o, struct pn_ownership *out)
{
    pthread_mutex_lock(&o->lock);
    pn_node_show(&o->node, pn_clock_ns(), out);
    pthread_mutex_unlock(&o->lock);
}
