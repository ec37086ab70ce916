/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/quarantine/digest.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <openssl/sha.h>

#include "common/error.h"
#include "controlplane/quarantine/digest_mime.h"
#include "controlplane/quarantine/headers.h"

#define DAY_MS 86400000ll
#define URL_MAX 512u
#define SHOW_MAX 300u /* bytes of a sender's text in one place */

struct item {
    uint64_t number, received_ms, size_bytes;
    char *sender, *subject, *reason;
};

struct pn_qdigest {
    struct pn_qdigest_options o;
    char *texts[8]; /* the options' */
    unsigned n_texts;
    struct pn_qlink_keys keys;
    struct item *items;
    unsigned n, more;
    uint64_t highest;
};

/* Without ending the field or becoming two addresses. */
bool pn_qdigest_address_ok(const char *a)
{
    const char *at = a ? strrchr(a, '@') : NULL;

    if (at == NULL || at == a || at[1] == '\0' || strlen(a) > PN_Q_ADDRESS_MAX)
        return false;
    for (const unsigned char *p = (const unsigned char *)a; *p; p++)
        if (*p <= ' ' || *p == 0x7f || strchr("()<>[]:;,\\\"", *p))
            return false;
    char clean[PN_Q_ADDRESS_MAX + 1];
    pn_q_text_clean((const uint8_t *)a, strlen(a), clean, sizeof(clean));
    return strcmp(clean, a) == 0; /* UTF-8 where it is not ASCII (RFC 6532) */
}

static bool url_ok(const char *u)
{
    if (strlen(u) > URL_MAX || (strncmp(u, "https://", 8) != 0 && strncmp(u, "http://", 7) != 0))
        return false;
    for (; *u; u++)
        if (*u <= ' ' || *u > '~' || strchr("\"'<>\\`", *u))
            return false;
    return true;
}

static bool domain_ok(const char *d)
{
    size_t n = strlen(d);

    return n > 0 && n <= 255 && strspn(d, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-") == n;
}

/* A clean copy that lives as long as the digest; NULL stays NULL. */
static bool keep(struct pn_qdigest *d, const char **text)
{
    size_t size;

    if (*text == NULL)
        return true;
    size = strlen(*text) + 1;
    char *copy = malloc(size);
    if (copy == NULL)
        return false;
    pn_q_text_clean((const uint8_t *)*text, size - 1, copy, size);
    d->texts[d->n_texts++] = copy;
    *text = copy;
    return true;
}

struct pn_qdigest *pn_qdigest_new(const struct pn_qdigest_options *o, const struct pn_qlink_keys *keys,
                                  struct pn_error *err)
{
    const char *wrong = NULL;

    if (!pn_qdigest_address_ok(o->recipient))
        wrong = "the recipient's address cannot stand in a header";
    else if (!pn_qdigest_address_ok(o->sender))
        wrong = "the sender's address cannot stand in a header";
    else if (o->base_url && !url_ok(o->base_url))
        wrong = "base_url is no URL";
    else if (o->base_url && (keys == NULL || keys->keys[0].id == 0))
        wrong = "links, but no key to sign them";
    else if (o->message_id_domain == NULL || !domain_ok(o->message_id_domain))
        wrong = "message_id_domain is no domain";
    if (wrong) {
        pn_error_set(err, "digest: %s", wrong);
        return NULL;
    }
    struct pn_qdigest *d = calloc(1, sizeof(*d));
    if (d) {
        d->o = *o;
        d->items = calloc(PN_QDIGEST_ITEMS_MAX, sizeof(*d->items));
    }
    if (d == NULL || d->items == NULL || !keep(d, &d->o.recipient) || !keep(d, &d->o.sender) ||
        !keep(d, &d->o.from_name) || !keep(d, &d->o.subject) || !keep(d, &d->o.base_url) ||
        !keep(d, &d->o.message_id_domain) || !keep(d, &d->o.footer) || !keep(d, &d->o.note)) {
        pn_qdigest_free(d);
        pn_error_set(err, "no memory");
        return NULL;
    }
    if (keys)
        d->keys = *keys;
    return d;
}

void pn_qdigest_free(struct pn_qdigest *d)
{
    if (d == NULL)
        return;
    for (unsigned i = 0; i < d->n; i++) {
        free(d->items[i].sender);
        free(d->items[i].subject);
        free(d->items[i].reason);
    }
    for (unsigned i = 0; i < d->n_texts; i++)
        free(d->texts[i]);
    pn_qlink_keys_wipe(&d->keys);
    free(d->items);
    free(d);
}

static char *clean_copy(const char *text)
{
    char buf[SHOW_MAX + 1];

    pn_q_text_clean((const uint8_t *)(text ? text : ""), text ? strlen(text) : 0, buf, sizeof(buf));
    return strdup(buf);
}

int pn_qdigest_add(struct pn_qdigest *d, const struct pn_qdigest_item *item, struct pn_error *err)
{
    struct item i = {item->number, item->received_ms, item->size_bytes, NULL, NULL, NULL};

    if (d->n < PN_QDIGEST_ITEMS_MAX) {
        i.sender = clean_copy(item->sender);
        i.subject = clean_copy(item->subject);
        i.reason = clean_copy(item->reason);
        if (i.sender == NULL || i.subject == NULL || i.reason == NULL) {
            free(i.sender);
            free(i.subject);
            free(i.reason);
            return pn_error_set(err, "no memory");
        }
        d->items[d->n++] = i;
    } else {
        d->more++;
    }
    if (item->number > d->highest)
        d->highest = item->number;
    return 0;
}

int pn_qdigest_add_row(void *digest, const struct pn_host_row *row)
{
    struct pn_qdigest_item i = {.number = row->number,
                                .received_ms = row->item->received_ms,
                                .size_bytes = row->item->size_bytes,
                                .sender = row->item->sender,
                                .subject = row->item->subject,
                                .reason = row->item->reason};

    return pn_qdigest_add(digest, &i, NULL);
}

unsigned pn_qdigest_items(const struct pn_qdigest *d)
{
    return d->n + d->more;
}

static char *when(const struct pn_qdigest *d, uint64_t ms, char buf[24])
{
    time_t t = (time_t)((int64_t)ms / 1000 + d->o.offset_ms / 1000);
    struct tm tm;

    if (gmtime_r(&t, &tm) == NULL || strftime(buf, 24, "%Y-%m-%d %H:%M", &tm) == 0)
        strcpy(buf, "?");
    return buf;
}

static char *size_text(uint64_t bytes, char buf[24])
{
    if (bytes < 1000)
        snprintf(buf, 24, "%u bytes", (unsigned)bytes);
    else if (bytes < 1000000)
        snprintf(buf, 24, "%.1f kB", (double)bytes / 1e3);
    else
        snprintf(buf, 24, "%.1f MB", (double)bytes / 1e6);
    return buf;
}

static int link_for(const struct pn_qdigest *d, const struct item *i, enum pn_qlink_action action,
                    char token[PN_QLINK_TOKEN_BYTES], struct pn_error *err)
{
    struct pn_qlink l = {.store = d->o.store, .number = i->number, .action = action, .expiry_ms = d->o.expiry_ms};

    snprintf(l.recipient, sizeof(l.recipient), "%s", d->o.recipient);
    return pn_qlink_sign(&d->keys, &l, token, err);
}

static int part_text(const struct pn_qdigest *d, FILE *f, struct pn_error *err)
{
    char time[24], size[24], token[PN_QLINK_TOKEN_BYTES];

    fprintf(f, "%u message%s to %s %s held back in quarantine.\n", pn_qdigest_items(d),
            pn_qdigest_items(d) == 1 ? "" : "s", d->o.recipient, pn_qdigest_items(d) == 1 ? "is" : "are");
    for (unsigned k = 0; k < d->n; k++) {
        const struct item *i = &d->items[k];
        fprintf(f, "\n%s  %s\n  Subject: %s\n  Why: %s\n  Size: %s\n", when(d, i->received_ms, time),
                i->sender[0] ? i->sender : "(no sender)", i->subject[0] ? i->subject : "(none)",
                i->reason[0] ? i->reason : "(not said)", size_text(i->size_bytes, size));
        if (d->o.base_url == NULL)
            continue;
        if (link_for(d, i, PN_QLINK_RELEASE, token, err) != 0)
            return -1;
        fprintf(f, "  Deliver it: %s%s\n", d->o.base_url, token);
        if (d->o.release_whitelist) {
            if (link_for(d, i, PN_QLINK_RELEASE_WHITELIST, token, err) != 0)
                return -1;
            fprintf(f, "  Deliver it, and always accept this sender: %s%s\n", d->o.base_url, token);
        }
    }
    if (d->more)
        fprintf(f, "\nAnd %u more that are not listed here.\n", d->more);
    if (d->o.base_url)
        fprintf(f, "\nThe links work until %s. Do not pass this mail on: who has a link may use it.\n",
                when(d, d->o.expiry_ms, time));
    else if (d->o.note)
        fprintf(f, "\n%s\n", d->o.note);
    if (d->o.footer)
        fprintf(f, "\n-- \n%s\n", d->o.footer);
    return 0;
}

static void cell(FILE *f, const char *text, const char *instead)
{
    fputs("<td style=\"padding:4px 12px 4px 0;vertical-align:top\">", f);
    pn_mime_html(f, text[0] ? text : instead);
    fputs("</td>\n", f);
}

static int part_html(const struct pn_qdigest *d, FILE *f, struct pn_error *err)
{
    char time[24], size[24], token[PN_QLINK_TOKEN_BYTES];

    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Quarantine</title></head>\n"
          "<body style=\"font-family:sans-serif;font-size:14px\">\n<p>",
          f);
    fprintf(f, "%u message%s to <b>", pn_qdigest_items(d), pn_qdigest_items(d) == 1 ? "" : "s");
    pn_mime_html(f, d->o.recipient);
    fprintf(f,
            "</b> %s held back in quarantine.</p>\n<table style=\"border-collapse:collapse\">\n"
            "<tr style=\"text-align:left\"><th>Received</th><th>From</th><th>Subject</th><th>Why</th><th>Size</th>"
            "<th></th></tr>\n",
            pn_qdigest_items(d) == 1 ? "is" : "are");
    for (unsigned k = 0; k < d->n; k++) {
        const struct item *i = &d->items[k];
        fputs("<tr style=\"border-top:1px solid #ddd\">\n", f);
        cell(f, when(d, i->received_ms, time), "");
        cell(f, i->sender, "(no sender)");
        cell(f, i->subject, "(none)");
        cell(f, i->reason, "(not said)");
        cell(f, size_text(i->size_bytes, size), "");
        fputs("<td style=\"padding:4px 0;vertical-align:top\">", f);
        if (d->o.base_url) {
            if (link_for(d, i, PN_QLINK_RELEASE, token, err) != 0)
                return -1;
            fputs("<a href=\"", f);
            pn_mime_html(f, d->o.base_url);
            fprintf(f, "%s\">Deliver</a>", token);
        }
        if (d->o.base_url && d->o.release_whitelist) {
            if (link_for(d, i, PN_QLINK_RELEASE_WHITELIST, token, err) != 0)
                return -1;
            fputs("<br>\n<a href=\"", f);
            pn_mime_html(f, d->o.base_url);
            fprintf(f, "%s\">Deliver, always accept the sender</a>", token);
        }
        fputs("</td></tr>\n", f);
    }
    fputs("</table>\n", f);
    if (d->more)
        fprintf(f, "<p>And %u more that are not listed here.</p>\n", d->more);
    if (d->o.base_url) {
        fprintf(f, "<p>The links work until %s. Do not pass this mail on: who has a link may use it.</p>\n",
                when(d, d->o.expiry_ms, time));
    } else if (d->o.note) {
        fputs("<p>", f);
        pn_mime_html(f, d->o.note);
        fputs("</p>\n", f);
    }
    if (d->o.footer) {
        fputs("<p style=\"color:#666\">", f);
        pn_mime_html(f, d->o.footer);
        fputs("</p>\n", f);
    }
    fputs("</body></html>\n", f);
    return 0;
}

typedef int part_fn(const struct pn_qdigest *d, FILE *f, struct pn_error *err);

/* One alternative, quoted-printable. */
static int part(const struct pn_qdigest *d, FILE *out, const char *boundary, const char *type, part_fn *write,
                struct pn_error *err)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);

    if (f == NULL)
        return pn_error_set(err, "no memory");
    int rc = write(d, f, err);
    bool failed = ferror(f);
    if ((fclose(f) != 0 || failed) && rc == 0)
        rc = pn_error_set(err, "no memory");
    if (rc == 0) {
        fprintf(out, "--%s\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
                boundary, type);
        pn_mime_qp(out, text, len);
        fputs("\r\n", out);
    }
    free(text);
    return rc;
}

static void date(FILE *f, uint64_t ms, int64_t offset_ms)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t minutes = offset_ms / 60000, off = minutes < 0 ? -minutes : minutes;
    time_t t = (time_t)((int64_t)ms / 1000 + minutes * 60);
    struct tm tm = {.tm_mday = 1, .tm_year = 70, .tm_wday = 4};

    gmtime_r(&t, &tm);
    fprintf(f, "Date: %.3s, %d %.3s %d %02d:%02d:%02d %c%02d%02d\r\n", days + 3 * tm.tm_wday, tm.tm_mday,
            months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, minutes < 0 ? '-' : '+',
            (int)(off / 60), (int)(off % 60));
}

char *pn_qdigest_text(struct pn_qdigest *d, size_t *len, struct pn_error *err)
{
    uint8_t sum[SHA256_DIGEST_LENGTH];
    char hex[PN_Q_SHA_TEXT_BYTES], boundary[32], seed[PN_Q_ADDRESS_MAX + 64], *text = NULL;
    FILE *f = open_memstream(&text, len);

    if (f == NULL) {
        pn_error_set(err, "no memory");
        return NULL;
    }
    /* The same digest sent twice has the same Message-ID, by which mail systems drop the second. */
    int n = snprintf(seed, sizeof(seed), "%llx %llx %s", (unsigned long long)d->o.store, (unsigned long long)d->highest,
                     d->o.recipient);
    SHA256((const uint8_t *)seed, (size_t)n < sizeof(seed) ? (size_t)n : sizeof(seed) - 1, sum);
    pn_q_sha_format(sum, hex);
    snprintf(boundary, sizeof(boundary), "=_postern_%.20s", hex); /* "=_" never comes out of quoted-printable */
    date(f, d->o.now_ms, d->o.offset_ms);
    fputs("From: ", f);
    pn_mime_name(f, d->o.from_name);
    fprintf(f, "<%s>\r\nTo: <%s>\r\n", d->o.sender, d->o.recipient);
    fputs("Subject: ", f);
    pn_mime_words(f, d->o.subject ? d->o.subject : "Mail held back for you", sizeof("Subject: ") - 1);
    fprintf(f,
            "\r\nMessage-ID: <digest.%.32s@%s>\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
            "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n",
            hex, d->o.message_id_domain, boundary);
    int rc = part(d, f, boundary, "text/plain", part_text, err);
    if (rc == 0)
        rc = part(d, f, boundary, "text/html", part_html, err);
    fprintf(f, "--%s--\r\n", boundary);
    bool failed = ferror(f);
    if ((fclose(f) != 0 || failed) && rc == 0)
        rc = pn_error_set(err, "no memory");
    if (rc == 0)
        return text;
    free(text);
    return NULL;
}

uint64_t pn_qdigest_due_ms(uint64_t last_ms, uint64_t now_ms, unsigned at_minutes, int64_t offset_ms)
{
    if (last_ms == 0 || last_ms > now_ms)
        last_ms = now_ms ? now_ms - 1 : 0;
    int64_t local = (int64_t)last_ms + offset_ms;
    int64_t t = local - (local % DAY_MS + DAY_MS) % DAY_MS + (int64_t)(at_minutes % 1440) * 60000;

    if (t <= local)
        t += DAY_MS;
    return (uint64_t)(t - offset_ms);
}
