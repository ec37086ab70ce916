/* SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>
#include <string.h>

#include "controlplane/conf/schema.h"
#include "controlplane/conf/validate.h"

void pn_validate_quarantine(struct pn_validate *v)
{
    const struct pn_conf_quarantine *q = &v->conf->quarantine;
    static const struct pn_conf_where none = {0};
    bool known = q->host[0] == '\0';
    char hint[160];

    pn_validate_at(v, &none, "", "%s", "");
    for (unsigned i = 0; i < v->conf->n_nodes; i++)
        known |= strcmp(v->conf->nodes[i].name, q->host) == 0;
    if (!known)
        pn_validate_error(v, "quarantine.host", "found \"%s\", expected the name of a node: %s", q->host,
                          pn_schema_no_such(PN_SEC_NODE, v->conf, q->host, hint, sizeof(hint)));
    if (q->listen[0] && q->listen[0] != '/')
        pn_validate_error(v, "quarantine.listen", "found \"%s\", expected an absolute path or nothing", q->listen);
    if (q->warn_percent > q->high_percent)
        pn_validate_error(v, "quarantine.warn", "found %u, expected at most high (%u)", q->warn_percent,
                          q->high_percent);
    if (q->store == PN_CONF_STORE_POSTGRESQL && !q->database[0])
        pn_validate_error(v, "quarantine.database", "missing, expected libpq's connection string: store is postgresql");
    const uint32_t ages[] = {q->keep_mail_s,    q->keep_virus_s,   q->keep_spam_s,  q->keep_released_s,
                             q->keep_deleted_s, q->keep_records_s, q->keep_counts_s};
    static const char *const keys[] = {"keep-mail",    "keep-virus",   "keep-spam",  "keep-released",
                                       "keep-deleted", "keep-records", "keep-counts"};
    const unsigned n = sizeof(ages) / sizeof(ages[0]);
    for (unsigned i = 0; i < n; i++) {
        char key[40];
        uint32_t least = i == n - 1 ? 86400 : 3600;
        snprintf(key, sizeof(key), "quarantine.%s", keys[i]);
        if (ages[i] && ages[i] < least)
            pn_validate_error(v, key, "found %u s, expected at least %s, or 0 for ever", ages[i],
                              i == n - 1 ? "a day" : "an hour");
    }
    unsigned hour, minute;
    char end;
    if (sscanf(q->digest_at, "%2u:%2u%c", &hour, &minute, &end) != 2 || hour > 23 || minute > 59)
        pn_validate_error(v, "quarantine.digest-at", "found \"%s\", expected HH:MM", q->digest_at);
    if (q->digest && !q->digest_from[0])
        pn_validate_error(v, "quarantine.digest-from", "missing, expected an address: digest is yes");
    else if (q->digest && !strchr(q->digest_from, '@'))
        pn_validate_error(v, "quarantine.digest-from", "found \"%s\", expected an address: digest is yes",
                          q->digest_from);
    if (strstr(q->database, "password"))
        pn_validate_warning(v, "quarantine.database",
                            "names a password, and postern diff shows it: keep it in libpq's passfile");
}
