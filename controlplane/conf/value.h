/* SPDX-License-Identifier: BSD-3-Clause */
/* One value: text to field and back, by its schema row. Pure. */
#ifndef POSTERN_CONF_VALUE_H
#define POSTERN_CONF_VALUE_H

#include "controlplane/conf/schema.h"

#define PN_VALUE_TEXT_BYTES 640 /* the longest formatted scalar: PN_CONF_TEXT_BYTES of escapes and quotes */

/* Scalar types (not PN_T_REF, PN_T_REFS, PN_T_PRIORITIES). -1: *err says what was expected; the field is untouched. */
int pn_value_parse(const struct pn_schema_row *row, const char *text, void *field, struct pn_error *err);
/* The number of one node in a priority section. */
int pn_value_parse_priority(const struct pn_schema_row *row, const char *text, uint16_t *priority,
                            struct pn_error *err);

/* As one would write it (names and texts in quotes), into buf, which it returns; "" where nothing is set. */
char *pn_value_format(const struct pn_schema_row *row, const void *field, char *buf, size_t size);
/* Text in double quotes with JSON's escapes. */
char *pn_value_quote(const char *text, char *buf, size_t size);

/* What the row takes: "a duration from 100ms to 1h". */
char *pn_value_expected(const struct pn_schema_row *row, char *buf, size_t size);
/* " percent": what follows a number that counts these; "" where durations say it themselves. */
const char *pn_value_unit(enum pn_schema_unit unit);
/* "100ms to 1h", "" for types without a range. */
char *pn_value_range(const struct pn_schema_row *row, char *buf, size_t size);

#define PN_VALUE_HINT_BYTES 96
/* What somebody who wrote this wrong text may have meant: "; write 5min", or "" (hint.c). */
char *pn_value_hint(const struct pn_schema_row *row, const char *text, char *buf, size_t size);

/* [A-Za-z0-9._-]+, shorter than PN_NAME_BYTES. */
bool pn_value_is_name(const char *text);

#endif
