/* SPDX-License-Identifier: BSD-3-Clause */
/* The identity of a rule, from what an operator typed. */
#include <stdio.h>

#include "common/error.h"
#include "controlplane/rules/record.h"

static const struct {
    uint8_t type;
    const char *what;
} types[] = {
    {PN_VALUE_ADDRESS, "an address"}, {PN_VALUE_AT_DOMAIN, "*@a domain"}, {PN_VALUE_AT_SUBDOMAINS, "*@*.a domain"},
    {PN_VALUE_DOMAIN, "a domain"},    {PN_VALUE_IP, "an IP address"},     {PN_VALUE_CIDR, "a network"},
};

static const char *type_name(uint8_t type)
{
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].type == type)
            return types[i].what;
    return "something else";
}

static int kind_takes(const struct pn_kind *kind, const struct pn_value *value, struct pn_error *err)
{
    char wanted[128] = "";
    size_t n = 0;

    if (kind->values & value->type)
        return 0;
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]) && n < sizeof(wanted); i++)
        if (kind->values & types[i].type)
            n += (size_t)snprintf(wanted + n, sizeof(wanted) - n, "%s%s", n ? ", " : "", types[i].what);
    return pn_error_set(err, "\"%.64s\" is %s; %s takes %s", value->text, type_name(value->type), kind->name, wanted);
}

static int field_of(const struct pn_kind *kind, const char *word, uint8_t *field, struct pn_error *err)
{
    int f;

    *field = kind->field;
    if (word == NULL || *word == '\0' || strcmp(word, "-") == 0)
        return 0;
    if (kind->field == PN_FIELD_NONE)
        return pn_error_set(err, "entries of %s have no match field", kind->name);
    f = pn_field_by_name(word);
    if (f < 0)
        return pn_error_set(
            err, "\"%.32s\" is no match field: smtp-sender, mime-sender, smtp-recipient, mime-recipient", word);
    *field = (uint8_t)f;
    return 0;
}

int pn_rule_key_make(struct pn_rule_key *key, const struct pn_kind *kind, const char *owner, const char *value,
                     const char *field, struct pn_error *err)
{
    struct pn_value v, o = {.text = ""};
    uint8_t f;

    if (kind->shape == PN_SHAPE_NAMED) {
        if (pn_value_name(value, &v, err) != 0)
            return -1;
    } else if (pn_value_normalise(value, &v, err) != 0) {
        return -1;
    }
    if ((v.type & PN_VALUE_NET) && !(kind->values & v.type) && kind->for_net != PN_KIND_NONE) {
        kind = pn_kind_by_number(kind->for_net);
        field = NULL; /* the address of the client is compared, not one of the message */
    }
    if (kind_takes(kind, &v, err) != 0 || field_of(kind, field, &f, err) != 0)
        return -1;
    bool has_owner = owner != NULL && *owner != '\0';
    if (kind->personal && !has_owner)
        return pn_error_set(err, "an entry of %s needs its recipient", kind->name);
    if (!kind->personal && has_owner)
        return pn_error_set(err, "%s is one list for all, not \"%.64s\"'s", kind->name, owner);
    if (has_owner && pn_value_address(owner, &o, err) != 0)
        return -1;
    memset(key, 0, sizeof(*key));
    key->kind = kind->number;
    key->field = f;
    memcpy(key->owner, o.text, strlen(o.text));
    memcpy(key->value, v.text, strlen(v.text));
    return 0;
}
