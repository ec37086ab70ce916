/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/smtp_out_say.h"

#include <stdio.h>

#include "common/error.h"
#include "controlplane/quarantine/headers.h"

static const char *const names[] = {"accepted", "temporary", "permanent", "unknown"};

const char *pn_smtp_out_status_name(enum pn_smtp_out_status status)
{
    return (unsigned)status < sizeof(names) / sizeof(names[0]) ? names[status] : "?";
}

/* An address that may stand in a command: nothing that ends the line or the path. */
static bool path_ok(const char *a, bool *utf8)
{
    size_t len = strlen(a);
    char clean[PN_Q_ADDRESS_MAX + 1];

    if (len > PN_Q_ADDRESS_MAX || pn_q_text_clean((const uint8_t *)a, len, clean, sizeof(clean)) != len ||
        strcmp(clean, a) != 0 || strchr(a, '<') || strchr(a, '>'))
        return false;
    for (; *a; a++)
        if ((unsigned char)*a >= 0x80)
            *utf8 = true;
        else if (*a == ' ' && strchr(clean, '"') == NULL) /* only within a quoted local part */
            return false;
    return true;
}

int pn_smtp_say_init(struct pn_smtp_say *s, const struct pn_smtp_out_request *rq, struct pn_error *err)
{
    memset(s, 0, sizeof(*s));
    s->rq = rq;
    s->status = PN_SMTP_OUT_TEMPORARY;
    if (rq->n_recipients == 0 || rq->n_recipients > PN_Q_RECIPIENTS_MAX)
        return pn_error_set(err, "smtp: no recipient, or too many");
    if (rq->helo == NULL || rq->helo[0] == '\0' || strlen(rq->helo) > 255 || strpbrk(rq->helo, " \t\r\n"))
        return pn_error_set(err, "smtp: no name for EHLO");
    if (rq->tls != PN_SMTP_OUT_PLAIN && rq->tls_ctx == NULL)
        return pn_error_set(err, "smtp: STARTTLS without a context");
    if (!path_ok(rq->sender, &s->utf8_needed))
        return pn_error_set(err, "smtp: the sender's address cannot be sent");
    for (unsigned i = 0; i < rq->n_recipients; i++)
        if (rq->recipients[i][0] == '\0' || !path_ok(rq->recipients[i], &s->utf8_needed))
            return pn_error_set(err, "smtp: recipient %u has an address that cannot be sent", i + 1);
    for (size_t i = 0; i < rq->message_len && !s->eightbit_message; i++)
        s->eightbit_message = rq->message[i] >= 0x80;
    return 0;
}

static void decide(struct pn_smtp_say *s, enum pn_smtp_out_status status, int code, const char *what, const char *text)
{
    char all[700];

    if (s->decided)
        return;
    snprintf(all, sizeof(all), "%s%s%s", what, what[0] ? ": " : "", text);
    pn_q_text_clean((const uint8_t *)all, strlen(all), s->text, sizeof(s->text));
    s->decided = true;
    s->status = status;
    s->code = code;
}

static enum pn_smtp_out_act quit(struct pn_smtp_say *s)
{
    s->at = PN_SMTP_AT_QUIT;
    snprintf(s->line, sizeof(s->line), "QUIT\r\n");
    return PN_SMTP_ACT_SAY;
}

/* Not taken. 4xx and what is out of turn: temporary; 5xx: for good. */
static enum pn_smtp_out_act refused(struct pn_smtp_say *s, const struct pn_smtp_reply *r, const char *what)
{
    decide(s, r->code >= 500 ? PN_SMTP_OUT_PERMANENT : PN_SMTP_OUT_TEMPORARY, r->code, what, r->text);
    return r->code == 421 ? PN_SMTP_ACT_END : quit(s);
}

static enum pn_smtp_out_act ehlo(struct pn_smtp_say *s)
{
    s->at = s->helo ? PN_SMTP_AT_HELO : PN_SMTP_AT_EHLO;
    snprintf(s->line, sizeof(s->line), "%s %s\r\n", s->helo ? "HELO" : "EHLO", s->rq->helo);
    return PN_SMTP_ACT_SAY;
}

static enum pn_smtp_out_act mail(struct pn_smtp_say *s, const struct pn_smtp_reply *r)
{
    char size[40] = "";

    if (s->rq->tls == PN_SMTP_OUT_STARTTLS_MUST && !s->tls) {
        decide(s, PN_SMTP_OUT_TEMPORARY, 0, "", "the server does not offer STARTTLS, which is required");
        return quit(s);
    }
    if (s->utf8_needed && !r->utf8) {
        decide(s, PN_SMTP_OUT_PERMANENT, 0, "", "an address is not ASCII and the server does not offer SMTPUTF8");
        return quit(s);
    }
    if (r->size_bytes && s->rq->message_len > r->size_bytes) {
        decide(s, PN_SMTP_OUT_PERMANENT, 0, "", "the message is larger than the server takes");
        return quit(s);
    }
    if (r->size_said)
        snprintf(size, sizeof(size), " SIZE=%zu", s->rq->message_len);
    s->at = PN_SMTP_AT_MAIL;
    /* Eight bits to a server that did not offer them: nearly all take them, and recoding would break signatures. */
    snprintf(s->line, sizeof(s->line), "MAIL FROM:<%s>%s%s%s\r\n", s->rq->sender, size,
             r->eightbit && s->eightbit_message ? " BODY=8BITMIME" : "", r->utf8 && s->utf8_needed ? " SMTPUTF8" : "");
    return PN_SMTP_ACT_SAY;
}

static enum pn_smtp_out_act rcpt(struct pn_smtp_say *s)
{
    if (s->rcpt == s->rq->n_recipients) {
        s->at = PN_SMTP_AT_DATA;
        snprintf(s->line, sizeof(s->line), "DATA\r\n");
    } else {
        s->at = PN_SMTP_AT_RCPT;
        snprintf(s->line, sizeof(s->line), "RCPT TO:<%s>\r\n", s->rq->recipients[s->rcpt]);
    }
    return PN_SMTP_ACT_SAY;
}

static bool good(const struct pn_smtp_reply *r)
{
    return r->code >= 200 && r->code < 300;
}

enum pn_smtp_out_act pn_smtp_say_reply(struct pn_smtp_say *s, const struct pn_smtp_reply *r)
{
    char what[PN_Q_ADDRESS_MAX + 32];

    if (s->decided)
        return PN_SMTP_ACT_END; /* the answer to QUIT, or whatever */
    switch (s->at) {
    case PN_SMTP_AT_BANNER:
        return good(r) ? ehlo(s) : refused(s, r, "banner");
    case PN_SMTP_AT_EHLO:
        if (r->code >= 500 && r->code != 521 && !s->helo) {
            s->helo = true;
            return ehlo(s);
        }
        if (!good(r))
            return refused(s, r, "EHLO");
        if (r->starttls && !s->tls && s->rq->tls != PN_SMTP_OUT_PLAIN) {
            s->at = PN_SMTP_AT_STARTTLS;
            snprintf(s->line, sizeof(s->line), "STARTTLS\r\n");
            return PN_SMTP_ACT_SAY;
        }
        return mail(s, r);
    case PN_SMTP_AT_HELO:
        return good(r) ? mail(s, r) : refused(s, r, "HELO");
    case PN_SMTP_AT_STARTTLS:
        return r->code == 220 ? PN_SMTP_ACT_TLS : refused(s, r, "STARTTLS");
    case PN_SMTP_AT_MAIL:
        return good(r) ? rcpt(s) : refused(s, r, "MAIL FROM");
    case PN_SMTP_AT_RCPT:
        if (!good(r)) {
            snprintf(what, sizeof(what), "recipient %s", s->rq->recipients[s->rcpt]);
            return refused(s, r, what);
        }
        s->rcpt++;
        return rcpt(s);
    case PN_SMTP_AT_DATA:
        if (r->code != 354)
            return refused(s, r, "DATA");
        s->at = PN_SMTP_AT_BODY;
        return PN_SMTP_ACT_BODY;
    case PN_SMTP_AT_BODY: /* it gave up on us; without the final dot it has nothing */
        decide(s, r->code >= 500 ? PN_SMTP_OUT_PERMANENT : PN_SMTP_OUT_TEMPORARY, r->code, "during the message",
               r->text);
        return PN_SMTP_ACT_END;
    case PN_SMTP_AT_DOT:
        if (!good(r))
            return refused(s, r, "");
        decide(s, PN_SMTP_OUT_ACCEPTED, r->code, "", r->text);
        return quit(s);
    case PN_SMTP_AT_QUIT:
        break;
    }
    return PN_SMTP_ACT_END;
}

enum pn_smtp_out_act pn_smtp_say_tls(struct pn_smtp_say *s, const char *fault)
{
    if (fault) {
        decide(s, PN_SMTP_OUT_TEMPORARY, 0, "TLS", fault);
        return PN_SMTP_ACT_END;
    }
    s->tls = true;
    return ehlo(s);
}

void pn_smtp_say_dot(struct pn_smtp_say *s)
{
    s->at = PN_SMTP_AT_DOT;
}

void pn_smtp_say_broken(struct pn_smtp_say *s, const char *why)
{
    decide(s, s->at == PN_SMTP_AT_DOT ? PN_SMTP_OUT_UNKNOWN : PN_SMTP_OUT_TEMPORARY, 0, "", why);
}

uint32_t pn_smtp_say_wait_ms(const struct pn_smtp_say *s)
{
    uint32_t reply = s->rq->reply_ms ? s->rq->reply_ms : 300000,
             dot = s->rq->data_reply_ms ? s->rq->data_reply_ms : 600000;

    return s->at == PN_SMTP_AT_QUIT ? 5000 : s->at == PN_SMTP_AT_DOT ? dot : reply;
}

size_t pn_smtp_stuff(struct pn_smtp_stuff *st, const uint8_t *in, size_t len, size_t *used, char *out, size_t size)
{
    size_t n = 0, i = 0;

    for (; i < len && n + 2 <= size; i++) {
        uint8_t c = in[i];
        if (c == '\n' && st->cr) {
            st->cr = false; /* its CR brought it along */
            continue;
        }
        st->cr = c == '\r';
        if (c == '\r' || c == '\n') {
            out[n++] = '\r';
            out[n++] = '\n';
            st->middle = false;
            continue;
        }
        if (c == '.' && !st->middle)
            out[n++] = '.';
        out[n++] = (char)c;
        st->middle = true;
    }
    *used = i;
    return n;
}

const char *pn_smtp_stuff_end(const struct pn_smtp_stuff *st)
{
    return st->middle ? "\r\n.\r\n" : ".\r\n";
}
