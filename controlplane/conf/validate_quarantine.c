/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>

#include "controlplane/conf/validate.h"

void pn_validate_quarantine(struct pn_validate *v)
{
    const struct pn_conf_quarantine *q = &v->conf->quarantine;
    static const struct pn_conf_where none = {0};
    bool known = q->host[0] == '\0';

    pn_validate_at(v, &none, "", "%s", "");
    for (unsigned i = 0; i < v->conf->n_nodes; i++)
        known |= strcmp(v->conf->nodes[i].name, q->host) == 0;
    if (!known)
        pn_validate_error(v, "quarantine.host", "found \"%s\", expected the name of a node: there is no such node",
                          q->host);
    if (q->listen[0] && q->listen[0] != '/')
        pn_validate_error(v, "quarantine.listen", "found \"%s\", expected an absolute path or nothing", q->listen);
    if (q->warn_percent > q->high_percent)
        pn_validate_error(v, "quarantine.warn", "found %u, expected at most high (%u)", q->warn_percent,
                          q->high_percent);
    if (q->store == PN_CONF_STORE_POSTGRESQL && !q->database[0])
        pn_validate_error(v, "quarantine.database", "missing, expected libpq's connection string: store is postgresql");
    if (strstr(q->database, "password"))
        pn_validate_warning(v, "quarantine.database",
                            "names a password, and postern config shows it: keep it in libpq's passfile");
}
