/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What kinds of rules there are. A kind is one row of a table: its words, what its entries look like, who owns them,
 * and how they merge. Everything else asks the row, so that a new kind is a new row. Each kind is also a class that is
 * synchronised or not, as configured.
 */
#ifndef POSTERN_RULES_KINDS_H
#define POSTERN_RULES_KINDS_H

#include "postern/types.h"

/* Numbers on the wire and on disk: never changed, never used again. */
enum pn_kind_number {
    PN_KIND_NONE = 0,
    PN_KIND_WELCOME = 1,
    PN_KIND_BLOCK = 2,
    PN_KIND_WELCOME_PERSONAL = 3,
    PN_KIND_BLOCK_PERSONAL = 4,
    PN_KIND_WELCOME_AUTO = 5,
    PN_KIND_WELCOME_IP = 6,
    PN_KIND_BLOCK_IP = 7,
    PN_KIND_KEYWORD = 16,
    PN_KIND_ATTACHMENT = 17,
    PN_KIND_ADVANCED = 18,
    PN_KIND_DECOMPRESSION = 24,
    PN_KIND_ORDER = 25,
    PN_KIND_LIMIT = 64 /* numbers are below, so a set of kinds is a uint64_t */
};
#define PN_KIND_BIT(number) (1ull << (number))

enum pn_shape {
    PN_SHAPE_LIST, /* a set of entries: added and removed; value, match field, description */
    PN_SHAPE_NAMED, /* objects with a name and a body: content rules, settings, orders; newest wins */
};

/* What the value of an entry may be (bits). */
enum pn_value_type {
    PN_VALUE_NONE = 0,
    PN_VALUE_ADDRESS = 1, /* user@example.org */
    PN_VALUE_AT_DOMAIN = 2, /* *@example.org: just that domain */
    PN_VALUE_AT_SUBDOMAINS = 4, /* *@*.example.org: what is below it */
    PN_VALUE_DOMAIN = 8, /* example.org: the domain and what is below it */
    PN_VALUE_IP = 16,
    PN_VALUE_CIDR = 32,
    PN_VALUE_NAME = 64, /* the name of a rule, a check or an engine */
};
#define PN_VALUE_MAIL (PN_VALUE_ADDRESS | PN_VALUE_AT_DOMAIN | PN_VALUE_AT_SUBDOMAINS | PN_VALUE_DOMAIN)
#define PN_VALUE_NET (PN_VALUE_IP | PN_VALUE_CIDR)

/* Which of a message's addresses an entry is compared with. Numbers on the wire and on disk. */
enum pn_field {
    PN_FIELD_NONE = 0, /* kinds that match no address of the message */
    PN_FIELD_SMTP_SENDER = 1, /* MAIL FROM */
    PN_FIELD_MIME_SENDER = 2, /* From: */
    PN_FIELD_SMTP_RECIPIENT = 3, /* RCPT TO */
    PN_FIELD_MIME_RECIPIENT = 4, /* To:, Cc: */
    PN_FIELD_COUNT
};

struct pn_kind {
    uint8_t number; /* enum pn_kind_number */
    uint8_t shape; /* enum pn_shape */
    bool personal; /* each entry has an owner: the recipient whose list it is in */
    bool present_is_safe; /* at a tie of stamps: true, what is there stays (blocked stays blocked); false, it goes */
    bool welcomes; /* lets mail in rather than keeps it out */
    uint8_t for_net; /* kind that takes this one's IP addresses and networks, PN_KIND_NONE: none */
    uint8_t values; /* bits of enum pn_value_type */
    uint8_t field; /* enum pn_field: where none is given; PN_FIELD_NONE: the kind has none */
    uint32_t cap; /* 0: no limit; otherwise that many entries, those used last */
    const char *name;
    const char *aliases; /* words accepted too, blank-separated */
    const char *title; /* for people */
};

extern const struct pn_kind pn_kinds[];
extern const unsigned pn_kinds_count;

const struct pn_kind *pn_kind_by_number(unsigned number); /* NULL: unknown, perhaps a newer Postern's */
/* By name or alias, any case, '_' for '-'. NULL: no such kind. */
const struct pn_kind *pn_kind_by_name(const char *word);
/* What lists there are, for an error message: "welcomelist, blocklist, ...". */
const char *pn_kind_names(char *buf, size_t size);

const char *pn_field_name(enum pn_field field); /* "smtp-sender"; "-" for none or unknown */
/* -1: no such field. Accepts smtp-from, mime-to, "SMTP FROM" and the like. */
int pn_field_by_name(const char *word);

#endif
