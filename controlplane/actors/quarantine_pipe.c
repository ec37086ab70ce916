/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/actors/quarantine_pipe.h"

#include <stdlib.h>
#include <string.h>

int pn_qa_pipe_init(struct pn_qa_pipe *p, int (*tell)(void *arg), void *arg)
{
    *p = (struct pn_qa_pipe){.tell = tell, .arg = arg};
    p->last = &p->first;
    return pthread_mutex_init(&p->lock, NULL) == 0 ? 0 : -1;
}

void pn_qa_pipe_free(struct pn_qa_pipe *p)
{
    pn_qa_frames_free(p->first);
    pthread_mutex_destroy(&p->lock);
}

int pn_qa_pipe_send(struct pn_qa_pipe *p, unsigned peer, const uint8_t *bytes, size_t len)
{
    struct pn_qa_frame *f = malloc(sizeof(*f) + len);
    bool tell = false;

    pthread_mutex_lock(&p->lock);
    bool full = !f || p->bytes + len > PN_QA_PIPE_BYTES_MAX;
    p->was_full |= full;
    if (!full) {
        *f = (struct pn_qa_frame){.peer = peer, .len = len};
        memcpy(f->bytes, bytes, len);
        *p->last = f;
        p->last = &f->next;
        p->bytes += len;
    }
    if (p->first && !p->told) /* a refused one tells, too: those that fill the pipe may be waiting for that */
        tell = p->told = true;
    pthread_mutex_unlock(&p->lock);
    if (full)
        free(f);
    if (tell && p->tell(p->arg) != 0) {
        pthread_mutex_lock(&p->lock);
        p->told = false;
        pthread_mutex_unlock(&p->lock);
    }
    return full;
}

struct pn_qa_frame *pn_qa_pipe_take(struct pn_qa_pipe *p, bool *was_full)
{
    pthread_mutex_lock(&p->lock);
    struct pn_qa_frame *list = p->first;
    p->first = NULL;
    p->last = &p->first;
    p->bytes = 0;
    p->told = false;
    *was_full = p->was_full;
    p->was_full = false;
    pthread_mutex_unlock(&p->lock);
    return list;
}

void pn_qa_frames_free(struct pn_qa_frame *f)
{
    while (f) {
        struct pn_qa_frame *next = f->next;
        free(f);
        f = next;
    }
}
