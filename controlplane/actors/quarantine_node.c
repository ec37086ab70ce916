/* SPDX-License-Identifier: BSD-3-Clause */
/* What each node does: takes mail into its spool, and forwards it to the host. On the writer's loop. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <event2/event.h>

#include "common/error.h"
#include "common/log.h"
#include "controlplane/actors/quarantine_internal.h"
#include "controlplane/loop/listener.h"
#include "controlplane/quarantine/forward_spool.h"
#include "controlplane/view/clock.h"

#define RETRY_MS 30000u /* opening what could not be opened */
#define AWAY_EVENT_MS 5000u /* a host not reached for so long is worth an event */
#define PURGE_A_SECOND 500u

/* ---- intake ---- */

bool pn_qa_listen(struct pn_quarantine_actor *a, const struct pn_conf_quarantine *conf)
{
    const struct group *group = conf->listen_group[0] ? getgrnam(conf->listen_group) : NULL;
    struct pn_error err;

    if (!conf->listen[0])
        return true;
    a->listen_fd = pn_lmtp_listen_unix(conf->listen, conf->listen_group[0] ? 0660 : 0666, &err);
    if (a->listen_fd < 0) {
        pn_qa_event(a, PN_LOG_ERROR, "lmtp", "%s", err.text);
        return false;
    }
    snprintf(a->listen, sizeof(a->listen), "%s", conf->listen);
    if (conf->listen_group[0] && (!group || chown(conf->listen, (uid_t)-1, group->gr_gid) < 0))
        pn_qa_event(a, PN_LOG_WARNING, "lmtp", "%s: only root can connect: group %s: %s", conf->listen,
                    conf->listen_group, group ? strerror(errno) : "there is none");
    return true;
}

/* Nobody waits for a spool that is not there: the mail server hears at once that it has to keep the message. */
static void on_away(void *arg, int fd, const struct sockaddr *from, socklen_t len)
{
    static const char text[] = "421 4.3.2 the quarantine is not available, try later\r\n";
    struct pn_quarantine_actor *a = arg;

    (void)from, (void)len;
    a->lmtp_away++;
    if (send(fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        errno = 0; /* it is being sent away either way */
    close(fd);
}

static void away_start(struct pn_quarantine_actor *a)
{
    int fd = a->listen_fd >= 0 && !a->away ? fcntl(a->listen_fd, F_DUPFD_CLOEXEC, 3) : -1;

    if (fd < 0)
        return;
    a->away = pn_listener_new(pn_loop_base(a->writer), fd, 0, "LMTP", on_away, a);
    if (!a->away)
        close(fd);
}

static void away_stop(struct pn_quarantine_actor *a)
{
    pn_listener_free(a->away);
    a->away = NULL;
}

static void on_committed(void *arg)
{
    pn_qa_node_pump(arg);
    pn_qa_changed(arg);
}

static void lmtp_stop(struct pn_quarantine_actor *a)
{
    struct pn_lmtp_server_stats now;

    if (!a->lmtp)
        return;
    pn_lmtp_server_stats(a->lmtp, &now);
    a->lmtp_before.connections += now.connections;
    a->lmtp_before.turned_away += now.turned_away;
    a->lmtp_before.messages += now.messages;
    a->lmtp_before.refused += now.refused;
    a->lmtp_before.bytes += now.bytes;
    pn_lmtp_server_free(a->lmtp);
    a->lmtp = NULL;
}

static void lmtp_start(struct pn_quarantine_actor *a)
{
    char host[256] = "localhost";
    struct pn_lmtp_server_options o = {.hostname = host,
                                       .connections_max = a->settings.conf.sessions,
                                       .recipients_max = 0,
                                       .message_bytes_max = a->settings.conf.message_max_bytes,
                                       .reason = "sent to the quarantine by the mail server",
                                       .gateway = a->settings.node,
                                       .committed = on_committed,
                                       .arg = a};
    struct pn_error err = {"no descriptor"};
    int fd = a->listen_fd >= 0 ? fcntl(a->listen_fd, F_DUPFD_CLOEXEC, 3) : -1;

    if (a->listen_fd < 0)
        return;
    gethostname(host, sizeof(host) - 1);
    if (fd >= 0)
        a->lmtp = pn_lmtp_server_new(pn_loop_base(a->writer), fd, a->spool, &o, &err);
    if (a->lmtp)
        return;
    if (fd >= 0)
        close(fd);
    pn_qa_event(a, PN_LOG_ERROR, "lmtp", "%s", err.text);
}

/* The listening socket is always answered: by the server, or by on_away(). */
static void lmtp_follow(struct pn_quarantine_actor *a)
{
    const struct pn_conf_quarantine *c = &a->settings.conf;

    if (a->lmtp && (!a->spool || a->lmtp_sessions != c->sessions || a->lmtp_message_max != c->message_max_bytes))
        lmtp_stop(a);
    if (a->spool && !a->lmtp) {
        away_stop(a);
        a->lmtp_sessions = c->sessions;
        a->lmtp_message_max = c->message_max_bytes;
        lmtp_start(a);
    }
    if (!a->lmtp)
        away_start(a);
}

/* ---- spool ---- */

static struct pn_q_limits limits_of(const struct pn_conf_quarantine *c)
{
    return (struct pn_q_limits){.quota_bytes = c->quota_bytes,
                                .keep_free_bytes = c->keep_free_bytes,
                                .warn_percent = c->warn_percent,
                                .high_percent = c->high_percent,
                                .policy = (enum pn_q_policy)c->policy};
}

static void spool_open(struct pn_quarantine_actor *a)
{
    const struct pn_conf_quarantine *c = &a->settings.conf;
    struct pn_spool_options o = {.path = a->spool_path,
                                 .node = a->settings.node,
                                 .limits = limits_of(c),
                                 .keep_acked_ms = 1000ull * c->keep_forwarded_s,
                                 .ballast_bytes = c->ballast_bytes,
                                 .message_bytes_max = c->message_max_bytes};
    struct pn_spool_recovery found;
    struct pn_error err;

    if (pn_spool_open(&o, &a->spool, &found, &err) < 0) {
        a->spool = NULL;
        a->spool_retry_ms = pn_clock_ms() + RETRY_MS;
        if (strcmp(a->spool_error, err.text) != 0)
            pn_qa_event(a, PN_LOG_ERROR, "spool", "mail for the quarantine is turned away until the spool opens: %s",
                        err.text);
        snprintf(a->spool_error, sizeof(a->spool_error), "%s", err.text);
        return;
    }
    if (a->spool_error[0])
        pn_qa_event(a, PN_LOG_NOTICE, "spool", "open again");
    a->spool_error[0] = '\0';
    if (found.pending || found.orphans_removed || found.files_missing)
        pn_qa_event(a, found.files_missing ? PN_LOG_ERROR : PN_LOG_NOTICE, "spool",
                    "%llu items wait for the host; %llu unfinished files removed, %llu files missing",
                    (unsigned long long)found.pending, (unsigned long long)found.orphans_removed,
                    (unsigned long long)found.files_missing);
}

struct pn_spool *pn_quarantine_actor_spool(struct pn_quarantine_actor *a, struct pn_error *err)
{
    if (!a->settings.conf.host[0])
        pn_error_set(err, "there is no quarantine: quarantine.host is not set in the configuration");
    else if (!a->spool)
        pn_error_set(err, "the spool is not open: %s", a->spool_error[0] ? a->spool_error : "posternd is starting");
    return a->spool;
}

int pn_quarantine_actor_offer_again(struct pn_quarantine_actor *a, struct pn_error *err)
{
    if (!pn_quarantine_actor_spool(a, err) || pn_spool_offer_again(a->spool, false, true, err) < 0)
        return -1;
    if (a->forward)
        pn_forward_rescan(a->forward);
    pn_qa_node_pump(a);
    return 0;
}

/* ---- forwarding ---- */

static int forward_send(void *arg, const uint8_t *bytes, size_t len)
{
    struct pn_quarantine_actor *a = arg;

    return a->target < 0 ? -1 : pn_qa_send_as_node(&a->peers[a->target], bytes, len);
}

void pn_qa_node_pump(struct pn_quarantine_actor *a)
{
    uint64_t now_ms = pn_clock_ms(), due_ms;

    if (!a->forward || a->target < 0)
        return;
    pn_forward_pump(a->forward, now_ms);
    due_ms = pn_forward_due_ms(a->forward, now_ms);
    if (due_ms == UINT64_MAX)
        evtimer_del(a->due);
    else
        pn_qa_after(a->due, due_ms > now_ms ? due_ms - now_ms : 1);
}

void pn_qa_node_frame(struct pn_quarantine_actor *a, unsigned peer, const uint8_t *bytes, size_t len)
{
    if (!a->forward || a->target != (int)peer)
        return;
    pn_forward_frame(a->forward, bytes, len, pn_clock_ms());
    pn_qa_changed(a);
    pn_qa_node_pump(a);
}

static uint64_t random_number(void)
{
    uint64_t n = 0;

    if (RAND_bytes((unsigned char *)&n, sizeof(n)) != 1)
        n = pn_clock_ns();
    return n ? n : 1;
}

static int target_now(const struct pn_quarantine_actor *a)
{
    if (!a->spool || !a->settings.conf.forward)
        return -1;
    if (pn_qa_is_host(&a->settings))
        return atomic_load(&a->host_open) ? (int)PN_QA_SELF : -1;
    for (unsigned i = 0; i < PN_COURIER_PEERS_MAX; i++)
        if (a->peers[i].up && strcmp(a->peers[i].name, a->settings.conf.host) == 0)
            return (int)i;
    return -1;
}

static void forward_end(struct pn_quarantine_actor *a)
{
    if (a->forward)
        pn_forward_down(a->forward);
    a->target = -1;
    evtimer_del(a->due);
}

static void forward_follow(struct pn_quarantine_actor *a)
{
    const struct pn_conf_quarantine *c = &a->settings.conf;
    struct pn_forward_options o = {.node = a->settings.node,
                                   .backlog_bytes_per_s = c->backlog_bytes_per_s,
                                   .stay = {[PN_Q_MESSAGE] = !c->forward_mail, [PN_Q_RECORD] = !c->forward_records}};
    int target = target_now(a);
    bool same = a->forward_made.backlog_bytes_per_s == o.backlog_bytes_per_s &&
                memcmp(a->forward_made.stay, o.stay, sizeof(o.stay)) == 0;

    if (a->forward && (!a->spool || !same)) {
        forward_end(a);
        pn_forward_free(a->forward);
        a->forward = NULL;
    }
    if (!a->forward && a->spool) {
        a->forward_made = o;
        o.seed = random_number();
        a->forward = pn_forward_new(&o, &pn_forward_spool_ops, a->spool, forward_send, a);
    }
    if (target == a->target || !a->forward)
        return;
    forward_end(a);
    a->target = target;
    if (target >= 0) {
        pn_forward_up(a->forward, random_number(), pn_clock_ms());
        pn_qa_node_pump(a);
    }
}

/* ---- together ---- */

void pn_qa_node_follow(struct pn_quarantine_actor *a)
{
    const struct pn_conf_quarantine *c = &a->settings.conf;

    if (!a->running)
        return;
    if (!c->host[0]) {
        pn_qa_node_close(a);
        away_start(a);
        return;
    }
    if (!a->spool && pn_clock_ms() >= a->spool_retry_ms)
        spool_open(a);
    if (a->spool) {
        struct pn_q_limits limits = limits_of(c);
        pn_spool_configure(a->spool, &limits, 1000ull * c->keep_forwarded_s, c->message_max_bytes);
    }
    lmtp_follow(a);
    forward_follow(a);
}

void pn_qa_node_close(struct pn_quarantine_actor *a)
{
    away_stop(a);
    lmtp_stop(a);
    pn_qa_intakes_forget(a, true);
    forward_end(a);
    pn_forward_free(a->forward);
    a->forward = NULL;
    if (a->spool)
        pn_spool_commit(a->spool);
    pn_spool_close(a->spool);
    a->spool = NULL;
}

/* ---- each second ---- */

static uint64_t oldest_ms(struct pn_spool *s, enum pn_q_kind kind)
{
    struct pn_pb_budget budget;
    struct pn_spool_row row;
    uint64_t ms = 0;

    if (pn_spool_next(s, kind, 0, &row) != 1)
        return 0;
    pn_q_item *item = pn_q_item_decode(&budget, row.item, row.item_len, NULL);
    if (item) {
        ms = item->received_ms;
        pn_pb_free(&budget, item);
    }
    return ms;
}

static void level_tell(struct pn_quarantine_actor *a, enum pn_q_level level)
{
    static const int how[] = {PN_LOG_NOTICE, PN_LOG_WARNING, PN_LOG_ERROR, PN_LOG_ERROR};

    if (level == a->level)
        return;
    if (level == PN_Q_LEVEL_FULL)
        pn_qa_event(a, how[level], "space", "full: %s",
                    a->settings.conf.policy == PN_CONF_FULL_OLDEST ? "the oldest mail is given up for new mail"
                    : a->settings.conf.policy == PN_CONF_FULL_DELIVER_TAGGED
                        ? "new mail is delivered, marked"
                        : "new mail is refused until there is room, its senders keep it");
    else
        pn_qa_event(a, how[level], "space", "%s (it was %s)", pn_q_level_name(level), pn_q_level_name(a->level));
    a->level = level;
}

static void reached_tell(struct pn_quarantine_actor *a, const struct pn_quarantine_status *now)
{
    bool reached = now->forwarding.state == PN_FORWARD_RUNNING;
    uint64_t now_ms = pn_clock_ms();

    if (reached) {
        if (!a->was_reached)
            pn_qa_event(a, PN_LOG_NOTICE, "host", "%s is reached; %llu items wait here", now->host,
                        (unsigned long long)(now->spool.pending_messages + now->spool.pending_records));
        a->was_reached = true;
        a->unreached_since_ms = 0;
    } else if (!now->forward || !a->spool) {
        a->was_reached = false;
        a->unreached_since_ms = 0;
    } else if (a->unreached_since_ms == 0) {
        a->unreached_since_ms = now_ms;
    } else if (a->unreached_since_ms != UINT64_MAX && now_ms - a->unreached_since_ms >= AWAY_EVENT_MS) {
        pn_qa_event(a, PN_LOG_WARNING, "host", "%s is not reached; mail waits here", now->host);
        a->unreached_since_ms = UINT64_MAX; /* told */
        a->was_reached = false;
    }
}

void pn_qa_node_second(struct pn_quarantine_actor *a)
{
    struct timespec now;
    struct pn_error err;

    if (!a->spool)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    if (pn_spool_purge(a->spool, (uint64_t)now.tv_sec * 1000, PURGE_A_SECOND, &err) < 0)
        pn_log_limited(60000, PN_LOG_ERROR, "quarantine: %s", err.text);
    pn_qa_intakes_forget(a, false);
    level_tell(a, pn_spool_admit(a->spool, 0).level);
}

void pn_qa_node_status(struct pn_quarantine_actor *a, struct pn_quarantine_status *out)
{
    struct pn_lmtp_server_stats lmtp = {0};
    struct statvfs vfs;

    snprintf(out->host, sizeof(out->host), "%s", a->settings.conf.host);
    out->is_host = pn_qa_is_host(&a->settings);
    out->forward = a->settings.conf.forward;
    out->spool_open = a->spool != NULL;
    snprintf(out->spool_error, sizeof(out->spool_error), "%s", a->spool_error);
    snprintf(out->listen, sizeof(out->listen), "%s", a->listen);
    out->listening = a->lmtp != NULL;
    out->lmtp = a->lmtp_before;
    out->lmtp_away = a->lmtp_away;
    if (a->lmtp)
        pn_lmtp_server_stats(a->lmtp, &lmtp);
    out->lmtp.connections += lmtp.connections;
    out->lmtp.turned_away += lmtp.turned_away;
    out->lmtp.messages += lmtp.messages;
    out->lmtp.refused += lmtp.refused;
    out->lmtp.bytes += lmtp.bytes;
    out->lmtp.open = lmtp.open;
    out->host_up = a->target >= 0;
    out->left_ms = UINT64_MAX;
    if (!a->spool)
        return;
    pn_spool_totals(a->spool, &out->spool);
    if (statvfs(a->spool_path, &vfs) == 0)
        out->disk_free_bytes = (uint64_t)vfs.f_bavail * vfs.f_frsize;
    uint64_t pending = out->spool.pending_messages + out->spool.pending_records;
    uint64_t message = oldest_ms(a->spool, PN_Q_MESSAGE), record = oldest_ms(a->spool, PN_Q_RECORD);
    out->oldest_ms = message && (message < record || !record) ? message : record;
    a->peak_items = pending == 0 ? 0 : pending > a->peak_items ? pending : a->peak_items;
    out->peak_items = a->peak_items;
    if (a->forward) {
        pn_forward_stats(a->forward, &out->forwarding);
        out->left_ms = pn_forward_left_ms(a->forward, pending, out->spool.pending_bytes);
    }
    reached_tell(a, out);
}
