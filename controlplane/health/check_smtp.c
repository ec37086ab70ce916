/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * smtp, smtp-starttls, smtps: banner, EHLO (HELO where it is refused), STARTTLS and EHLO again, QUIT. QUIT is sent
 * whatever the verdict, and its answer awaited, so that gateways do not log a lost connection for each check.
 */
#include "controlplane/health/check.h"

static void expect(struct pn_check_run *r, enum pn_smtp_state state)
{
    memset(&r->u.smtp.reply, 0, sizeof(r->u.smtp.reply));
    r->u.smtp.state = state;
}

/* The verdict stands; take leave. */
static enum pn_check_act quit(struct pn_check_run *r)
{
    expect(r, PN_SMTP_QUIT);
    r->linger = true;
    return pn_check_send(r, "the reply to QUIT", "QUIT\r\n");
}

static enum pn_check_act start(struct pn_check_run *r)
{
    expect(r, PN_SMTP_BANNER);
    r->waiting = "the banner";
    r->wait_ms = r->target->conf->banner_delay_ms;
    return PN_CHECK_MORE;
}

static enum pn_check_act ehlo(struct pn_check_run *r, enum pn_smtp_state state)
{
    expect(r, state);
    if (state == PN_SMTP_HELO)
        return pn_check_send(r, "the reply to HELO", "HELO %s\r\n", r->target->helo);
    return pn_check_send(r, state == PN_SMTP_EHLO_TLS ? "the reply to EHLO after STARTTLS" : "the reply to EHLO",
                         "EHLO %s\r\n", r->target->helo);
}

/* Codes that say the same in every state. true: *act decides. */
static bool common_codes(struct pn_check_run *r, enum pn_check_act *act)
{
    const struct pn_smtp_reply *p = &r->u.smtp.reply;

    if (p->code < 400 || p->code > 499)
        return false;
    *act = pn_check_verdict(r, PN_HEALTH_BUSY, "%s", p->text);
    if (p->code != 421) /* 421 closes by itself (RFC 5321 3.8) */
        *act = quit(r);
    return true;
}

static enum pn_check_act up(struct pn_check_run *r)
{
    pn_check_verdict(r, PN_HEALTH_UP, "%s", r->u.smtp.reply.text);
    return quit(r);
}

static enum pn_check_act refused(struct pn_check_run *r, const char *what)
{
    pn_check_verdict(r, PN_HEALTH_DOWN, "%s: %s", what, r->u.smtp.reply.text);
    return quit(r);
}

static enum pn_check_act replied(struct pn_check_run *r)
{
    const struct pn_smtp_reply *p = &r->u.smtp.reply;
    bool want_tls = r->ops->type == PN_CHECK_SMTP_STARTTLS;
    enum pn_check_act act;

    if (r->u.smtp.state == PN_SMTP_QUIT)
        return PN_CHECK_DONE; /* 221 or whatever it was */
    if (r->verdict != PN_HEALTH_UNKNOWN)
        return quit(r); /* an smtps server whose certificate was refused: its banner was waited for to say goodbye */
    if (common_codes(r, &act))
        return act;
    switch (r->u.smtp.state) {
    case PN_SMTP_BANNER:
        return p->code == 220 ? ehlo(r, PN_SMTP_EHLO) : refused(r, "banner");
    case PN_SMTP_EHLO:
        if (p->code >= 500 && !want_tls)
            return ehlo(r, PN_SMTP_HELO);
        if (p->code != 250)
            return refused(r, "EHLO refused");
        if (!want_tls)
            return up(r);
        if (!p->starttls)
            return refused(r, "STARTTLS not offered");
        expect(r, PN_SMTP_STARTTLS);
        return pn_check_send(r, "the reply to STARTTLS", "STARTTLS\r\n");
    case PN_SMTP_HELO:
        return p->code == 250 ? up(r) : refused(r, "HELO refused");
    case PN_SMTP_STARTTLS:
        if (p->code != 220)
            return refused(r, "STARTTLS refused");
        r->u.smtp.state = PN_SMTP_HANDSHAKE;
        r->waiting = "the TLS handshake";
        return PN_CHECK_TLS; /* what came with the reply is thrown away unread (CVE-2011-0411) */
    case PN_SMTP_EHLO_TLS:
        return p->code == 250 ? up(r) : refused(r, "EHLO refused after STARTTLS");
    default:
        return pn_check_verdict(r, PN_HEALTH_DOWN, "reply out of turn: %s", p->text);
    }
}

static enum pn_check_act input(struct pn_check_run *r, const uint8_t *data, size_t len, size_t *used)
{
    const struct pn_smtp_reply *p = &r->u.smtp.reply;
    enum pn_smtp_reply_status status;
    enum pn_check_act act;
    bool linger = r->linger;
    size_t more;

    if (r->u.smtp.state == PN_SMTP_HANDSHAKE)
        return PN_CHECK_MORE;
    status = pn_smtp_reply_feed(&r->u.smtp.reply, data, len, used);
    if (status == PN_SMTP_REPLY_MORE)
        return PN_CHECK_MORE;
    if (status == PN_SMTP_REPLY_BAD) {
        *used = len;
        if (linger)
            return PN_CHECK_DONE;
        return pn_check_verdict(r, PN_HEALTH_DOWN, "%s waiting for %s", p->bad, r->waiting);
    }
    if (r->u.smtp.early) {
        *used = len;
        if (p->code == 421)
            return pn_check_verdict(r, PN_HEALTH_BUSY, "%s", p->text);
        return pn_check_verdict(r, PN_HEALTH_DOWN, "the server spoke before %s was due", r->waiting);
    }
    act = replied(r);
    if (act != PN_CHECK_SEND || *used == len || linger ||
        (r->verdict != PN_HEALTH_UNKNOWN && r->verdict != PN_HEALTH_UP))
        return act;
    /*
     * What came with the reply was sent before the server saw our next command, which therefore is not sent. A 421 may
     * come at any time (RFC 5321 3.8); anything else means that the server is out of step with its clients.
     */
    r->u.smtp.early = true;
    r->linger = false;
    r->verdict = PN_HEALTH_UNKNOWN;
    act = input(r, data + *used, len - *used, &more);
    *used += more;
    return act;
}

static enum pn_check_act tls_done(struct pn_check_run *r, const char *error)
{
    if (error)
        pn_check_verdict(r, PN_HEALTH_DOWN, "TLS: %s", error);
    if (r->ops->tls_first) {
        enum pn_check_act act = start(r);
        if (error)
            r->linger = true; /* only to say goodbye after the banner */
        return act;
    }
    return error ? quit(r) : ehlo(r, PN_SMTP_EHLO_TLS);
}

const struct pn_check_type_ops pn_check_smtp = {.type = PN_CHECK_SMTP, .name = "smtp", .start = start, .input = input};
const struct pn_check_type_ops pn_check_smtp_starttls = {
    .type = PN_CHECK_SMTP_STARTTLS, .name = "smtp-starttls", .start = start, .input = input, .tls_done = tls_done};
const struct pn_check_type_ops pn_check_smtps = {
    .type = PN_CHECK_SMTPS, .name = "smtps", .tls_first = true, .start = start, .input = input, .tls_done = tls_done};
