/* SPDX-License-Identifier: BSD-3-Clause */
/* The types of checks: one row each. */
#include "controlplane/health/check.h"

static const struct pn_check_type_ops *const types[PN_CHECK_TYPE_COUNT] = {
    [PN_CHECK_TCP] = &pn_check_tcp,
    [PN_CHECK_SMTP] = &pn_check_smtp,
    [PN_CHECK_SMTP_STARTTLS] = &pn_check_smtp_starttls,
    [PN_CHECK_SMTPS] = &pn_check_smtps,
    [PN_CHECK_HTTP] = &pn_check_http,
    [PN_CHECK_HTTPS] = &pn_check_https,
    [PN_CHECK_AGENT] = &pn_check_agent,
};

const struct pn_check_type_ops *pn_check_type_ops(enum pn_check_type type)
{
    return (unsigned)type < PN_CHECK_TYPE_COUNT ? types[type] : NULL;
}
