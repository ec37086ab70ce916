/* SPDX-License-Identifier: BSD-3-Clause */
/* Lists from files. The first byte chooses the format and the pieces it is fed in. */
#include <stdlib.h>

#include "controlplane/rules/import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int row(void *arg, const struct pn_import_row *r)
{
    struct pn_rule rule;
    struct pn_error err;

    (void)arg;
    pn_rule_init(&rule);
    rule.key = r->key;
    rule.stamp = 1;
    strcpy(rule.node, "n1");
    if (r->line == 0 || pn_rule_check(&rule, &err) != 0) /* what is taken is in its normal form */
        abort();
    if (r->description &&
        (strlen(r->description) >= PN_RULE_DESCRIPTION_BYTES || !pn_rule_text_ok(r->description, false)))
        abort();
    if (r->body && (strlen(r->body) > PN_IMPORT_FIELD_MAX || !pn_rule_text_ok(r->body, true)))
        abort();
    return 0;
}

static void error(void *arg, uint64_t line, const char *text)
{
    (void)arg;
    if (line == 0 || text[0] == '\0')
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct pn_import_sink sink = {.row = row, .error = error};
    struct pn_importer *i;
    struct pn_error err;
    size_t piece;

    if (size < 1)
        return 0;
    piece = data[0] & 0x80 ? 1u + (data[0] >> 2 & 31) : size;
    i = pn_importer_new((enum pn_import_format)(data[0] & 3) % PN_IMPORT_FORMATS,
                        data[0] & 0x40 ? pn_kind_by_name("blocklist") : NULL, "me@here.example", &sink);
    if (i == NULL)
        return 0;
    data++;
    size--;
    do {
        size_t n = piece < size ? piece : size;
        if (pn_importer_feed(i, (const char *)data, n, n == size, &err) != 0)
            break;
        data += n;
        size -= n;
    } while (size);
    pn_importer_free(i);
    return 0;
}
