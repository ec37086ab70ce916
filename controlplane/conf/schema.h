/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration's schema as data: which sections there are, which keys each takes, their type, range, unit,
 * default and meaning. The loader, the canonical form, `postern diff` and the manual's table are all made from it.
 * A new key is one row in schema.c and one field in conf.h.
 */
#ifndef POSTERN_CONF_SCHEMA_H
#define POSTERN_CONF_SCHEMA_H

#include "controlplane/conf/conf.h"

enum pn_schema_type {
    PN_T_UINT, /* whole number; suffixes k, m, g (1000) and kb, mb, gb (1024) */
    PN_T_NUMBER, /* decimal number, at most six digits after the point; field: double */
    PN_T_DURATION, /* ms, s, min, h, d, w; a plain number counts seconds */
    PN_T_BOOL, /* true yes on, false no off */
    PN_T_WORD, /* one of row.words; field: enum */
    PN_T_NAME, /* [A-Za-z0-9._-]+; field: char[PN_NAME_BYTES] */
    PN_T_TEXT, /* any text; field: char[row.size] */
    PN_T_INTERFACE, /* name of a network interface; field: char[16] */
    PN_T_CORES, /* list of cores as EAL takes it: 0,2-3 */
    PN_T_LISTEN, /* address:port, [v6]:port, *:port */
    PN_T_ADDRESS, /* IPv4 or IPv6 address; field: struct pn_addr */
    PN_T_MAC, /* field: struct pn_mac */
    PN_T_VIP_MAC, /* the same, or port (zero), auto or by-protocol (PN_CONF_MAC_*) */
    PN_T_REF, /* name of an object of section row.target; field: uint16_t, its position */
    PN_T_REFS, /* list of them; field: uint16_t[row.max], their number at count_offset */
    PN_T_NETWORKS, /* list of networks; field: struct pn_prefix[row.max], their number at count_offset */
    PN_T_PRIORITIES, /* section of node = number; field: uint16_t[PN_MAX_NODES] by node position */
    PN_T_COUNT
};

enum pn_schema_unit { PN_UNIT_NONE, PN_UNIT_MS, PN_UNIT_S, PN_UNIT_US, PN_UNIT_PERCENT, PN_UNIT_MIB };

/* Sections, in the order of the manual. */
enum pn_schema_id {
    PN_SEC_CLUSTER,
    PN_SEC_CLUSTER_SYNC,
    PN_SEC_HEARTBEAT,
    PN_SEC_FILTER,
    PN_SEC_NODE,
    PN_SEC_NODE_PORT,
    PN_SEC_NODE_PATH,
    PN_SEC_NODE_DATAPLANE,
    PN_SEC_NODE_METRICS,
    PN_SEC_NODE_MESH,
    PN_SEC_VIP,
    PN_SEC_GATEWAY,
    PN_SEC_CHECK,
    PN_SEC_POOL,
    PN_SEC_POOL_TIER,
    PN_SEC_POOL_TIER_SPILL,
    PN_SEC_QUARANTINE,
    PN_SEC_SERVICE,
    PN_SEC_COUNT,
    PN_SEC_ROOT = PN_SEC_COUNT /* the file itself: parent of the first level */
};

enum pn_schema_shape {
    PN_SHAPE_SINGLE, /* at most one; its fields are its parent's */
    PN_SHAPE_LIST, /* titled; a calloc'd array behind a pointer at offset */
    PN_SHAPE_ARRAY /* titled; an array in the parent at offset */
};

struct pn_schema_section {
    const char *key; /* "port" */
    const char *path; /* "node.port" */
    enum pn_schema_id parent;
    enum pn_schema_shape shape;
    size_t offset, count_offset; /* in the parent's struct; count: unsigned */
    size_t stride; /* bytes of one object; it begins with char name[PN_NAME_BYTES] */
    size_t where_offset; /* struct pn_conf_where in the object */
    unsigned max;
    bool ordered; /* the order written means something (tiers, ports) */
    bool restart; /* adding or removing one needs a restart of postern-dp */
    const char *doc;
};

struct pn_schema_word {
    const char *word; /* NULL ends the list */
    int value;
    const char *doc;
};

#define PN_ROW_REQUIRED 0x01u
#define PN_ROW_RESTART 0x02u /* a change needs a restart of postern-dp */
#define PN_ROW_DOUBLE 0x04u /* duration in a double */
#define PN_ROW_UNSET_MINUS_1 0x08u /* not given: the field (double) becomes -1 until pn_conf_finish() */

struct pn_schema_row {
    enum pn_schema_id section;
    const char *key;
    enum pn_schema_type type;
    enum pn_schema_unit unit; /* of the field; and of a plain number unless it is a duration */
    unsigned flags;
    size_t offset, size; /* of the field in the section's struct */
    size_t count_offset; /* PN_T_REFS, PN_T_NETWORKS: unsigned, their number; PN_T_PRIORITIES: bool, was it written */
    enum pn_schema_id target; /* PN_T_REF, PN_T_REFS */
    double min, max; /* numbers: inclusive, in the field's unit; PN_T_REFS, PN_T_NETWORKS: how many */
    const struct pn_schema_word *words;
    const char *def; /* as one would write it; NULL: none (empty, zero, or see doc) */
    const char *doc; /* whole sentences, for postern.conf(5) */
};

extern const struct pn_schema_section pn_schema_sections[PN_SEC_COUNT];
extern const struct pn_schema_row pn_schema_rows[];
extern const unsigned pn_schema_n_rows;

/* Objects of a section in its parent's struct: one for PN_SHAPE_SINGLE (the parent itself). */
unsigned pn_schema_count(const struct pn_schema_section *section, const void *parent);
void *pn_schema_object(const struct pn_schema_section *section, const void *parent, unsigned i);

/* The row for key, or the section called key under section; NULL: none. */
const struct pn_schema_row *pn_schema_row_find(enum pn_schema_id section, const char *key);
const struct pn_schema_section *pn_schema_section_find(enum pn_schema_id parent, const char *key);
/* The key or section name of that level which key most likely means, NULL: nothing is near. */
const char *pn_schema_nearest(enum pn_schema_id section, const char *key);
/* The sections that know key, "vip, gateway" for people; "" when none does. */
const char *pn_schema_elsewhere(const char *key, char *buf, size_t size);

/* "there is no such vip, did you mean \"in4\"?", or which there are. root: the struct pn_conf; size: 128 or more. */
const char *pn_schema_no_such(enum pn_schema_id target, const void *root, const char *name, char *buf, size_t size);

/* Port a check of this type connects to where none is configured; 0: must be configured. */
uint16_t pn_schema_check_port(enum pn_check_type type);

#endif
