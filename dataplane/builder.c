/* SPDX-License-Identifier: BSD-3-Clause */
#include "dataplane/builder.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <rte_errno.h>
#include <rte_lcore.h>

#include "common/error.h"
#include "dataplane/loop.h"

#define NICE 10

/* Oldest first. */
struct queue {
    struct pn_build_job *first, **last;
};

struct pn_builder {
    struct pn_loop_source ready; /* first: jobs that have run */
    int loop;
    pthread_t thread;
    bool running;
    /* Held for a few instructions, and with the priority of whoever waits for it. */
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct queue waiting, ran;
    bool started, stop;
};

static void queue_put(struct queue *q, struct pn_build_job *job)
{
    job->next = NULL;
    *q->last = job;
    q->last = &job->next;
}

static struct pn_build_job *queue_take(struct queue *q)
{
    struct pn_build_job *job = q->first;
    if (job) {
        q->first = job->next;
        if (!q->first)
            q->last = &q->first;
    }
    return job;
}

static void tell(struct pn_builder *b)
{
    const uint64_t one = 1;
    while (write(b->ready.fd, &one, sizeof(one)) < 0 && errno == EINTR)
        ;
}

/*
 * Behind a worker that it shares a CPU with. Not behind others elsewhere: a process's share of a CPU goes by the weights of all
 * its threads, so a low one beside busy workers gets next to nothing where anything else runs.
 */
static void behind_workers(void)
{
    unsigned lcore;
    rte_cpuset_t own;
    if (pthread_getaffinity_np(pthread_self(), sizeof(own), &own))
        return;
    RTE_LCORE_FOREACH_WORKER(lcore) {
        rte_cpuset_t both = rte_lcore_cpuset(lcore);
        CPU_AND(&both, &both, &own);
        if (CPU_COUNT(&both)) {
            setpriority(PRIO_PROCESS, (id_t)gettid(), NICE);
            return;
        }
    }
}

static void *work(void *arg)
{
    struct pn_builder *b = arg;
    behind_workers();
    pthread_mutex_lock(&b->lock);
    b->started = true;
    pthread_cond_broadcast(&b->wake);
    while (!b->stop) {
        struct pn_build_job *job = queue_take(&b->waiting);
        if (!job) {
            pthread_cond_wait(&b->wake, &b->lock);
            continue;
        }
        pthread_mutex_unlock(&b->lock);
        bool done = job->done != NULL; /* without, run frees it */
        job->run(job);
        pthread_mutex_lock(&b->lock);
        if (done) {
            queue_put(&b->ran, job);
            tell(b);
        }
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

static void ran_ready(struct pn_loop_source *source, uint32_t events)
{
    (void)events;
    struct pn_builder *b = (struct pn_builder *)source;
    uint64_t times;
    if (read(b->ready.fd, &times, sizeof(times)) < 0 && errno != EAGAIN)
        return;
    for (;;) {
        pthread_mutex_lock(&b->lock);
        struct pn_build_job *job = queue_take(&b->ran);
        pthread_mutex_unlock(&b->lock);
        if (!job)
            return;
        job->done(job);
    }
}

static int lock_make(struct pn_builder *b)
{
    pthread_mutexattr_t attr;
    int rc = pthread_mutexattr_init(&attr);
    if (rc == 0)
        rc = pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    if (rc == 0)
        rc = pthread_mutex_init(&b->lock, &attr);
    if (rc == 0)
        rc = pthread_cond_init(&b->wake, NULL);
    return rc;
}

struct pn_builder *pn_builder_new(int loop, const char *name, struct pn_error *err)
{
    struct pn_builder *b = calloc(1, sizeof(*b));
    if (!b || lock_make(b)) {
        pn_error_set(err, "builder %s: no memory", name);
        free(b);
        return NULL;
    }
    b->loop = loop;
    b->waiting.last = &b->waiting.first;
    b->ran.last = &b->ran.first;
    b->ready = (struct pn_loop_source){.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), .ready = ran_ready};
    if (b->ready.fd < 0 || pn_loop_add(loop, &b->ready, EPOLLIN)) {
        pn_error_set(err, "builder %s: %m", name);
        pn_builder_free(b);
        return NULL;
    }
    int rc = rte_ctrl_thread_create(&b->thread, name, NULL, work, b);
    if (rc) {
        pn_error_set(err, "builder %s: thread: %s", name, rte_strerror(-rc));
        pn_builder_free(b);
        return NULL;
    }
    b->running = true;
    /* What it needs a right for is done before the sandbox closes. */
    pthread_mutex_lock(&b->lock);
    while (!b->started)
        pthread_cond_wait(&b->wake, &b->lock);
    pthread_mutex_unlock(&b->lock);
    return b;
}

void pn_builder_put(struct pn_builder *b, struct pn_build_job *job)
{
    job->dropped = false;
    pthread_mutex_lock(&b->lock);
    queue_put(&b->waiting, job);
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

void pn_builder_free(struct pn_builder *b)
{
    if (!b)
        return;
    if (b->running) {
        pthread_mutex_lock(&b->lock);
        b->stop = true;
        pthread_cond_signal(&b->wake);
        pthread_mutex_unlock(&b->lock);
        pthread_join(b->thread, NULL);
    }
    struct pn_build_job *job;
    while ((job = queue_take(&b->ran)))
        job->done(job);
    while ((job = queue_take(&b->waiting))) {
        job->dropped = job->done != NULL;
        if (job->done)
            job->done(job);
        else
            job->run(job);
    }
    if (b->ready.fd >= 0) {
        pn_loop_remove(b->loop, &b->ready);
        close(b->ready.fd);
    }
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
