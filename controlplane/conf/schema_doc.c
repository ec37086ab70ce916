/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pn-schema-doc TEMPLATE: writes the template, an mdoc(7) page, to standard output and puts the schema in place of its
 * line `.\" @SCHEMA@`. Built and run when the manual is made; not installed.
 */
#include <stdio.h>
#include <stdlib.h>

#include "controlplane/conf/schema.h"
#include "controlplane/conf/value.h"

#define DOC_MARK ".\\\" @SCHEMA@\n"

/* Text on lines of its own: no line may begin like a request, backslashes are doubled up as \e. */
static void doc_text(const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", stdout);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == ' ' && (text[1] == '.' || text[1] == '\''))
            fputs(" \\&", stdout);
        else if (*text == ' ' && text[-1] == '.')
            fputc('\n', stdout); /* a sentence a line */
        else
            fputc(*text, stdout);
    }
    fputc('\n', stdout);
}

static void doc_words(const struct pn_schema_word *words)
{
    puts(".Bl -tag -width Ds -compact");
    for (; words->word; words++) {
        printf(".It Cm %s\n", words->word);
        doc_text(words->doc);
    }
    puts(".El");
}

/* What stands after the key: `= Ar duration`. The manual's SECTIONS explains the words. */
static void doc_argument(const struct pn_schema_row *row)
{
    static const char *const arguments[PN_T_COUNT] = {
        [PN_T_UINT] = "number",     [PN_T_NUMBER] = "decimal",      [PN_T_DURATION] = "duration",
        [PN_T_BOOL] = "switch",     [PN_T_WORD] = "word",           [PN_T_NAME] = "name",
        [PN_T_TEXT] = "text",       [PN_T_INTERFACE] = "interface", [PN_T_CORES] = "cores",
        [PN_T_LISTEN] = "endpoint", [PN_T_ADDRESS] = "address",     [PN_T_MAC] = "mac",
    };
    const char *target = pn_schema_sections[row->target].key;
    if (row->type == PN_T_PRIORITIES)
        printf(" Bro Ar node No = Ar number ; No ... Brc");
    else if (row->type == PN_T_REF)
        printf(" No = Ar %s", target);
    else if (row->type == PN_T_REFS)
        printf(" No = Bo Ar %s , No ... Bc", target);
    else if (row->type == PN_T_NETWORKS)
        printf(" No = Bo Ar network , No ... Bc");
    else if (row->type == PN_T_VIP_MAC)
        printf(" No = Cm by-protocol | port | auto | Ar mac");
    else
        printf(" No = Ar %s", arguments[row->type]);
}

/* What the value must be and is where it is not set, in parentheses. */
static void doc_bounds(const struct pn_schema_row *row)
{
    char range[128];
    const char *between = "";
    pn_value_range(row, range, sizeof(range));
    bool restart = row->flags & PN_ROW_RESTART, required = row->flags & PN_ROW_REQUIRED;
    if (!*range && row->type != PN_T_REFS && row->type != PN_T_NETWORKS && !row->def && !restart && !required)
        return;
    printf(" Pq ");
    if (*range) {
        printf("%s%s", range, pn_value_unit(row->unit));
        between = ", ";
    }
    if (row->type == PN_T_REFS || row->type == PN_T_NETWORKS) {
        printf("at most %.0f", row->max);
        between = ", ";
    }
    if (required || row->def) {
        printf("%s%s%s", between, required ? "required" : "default ", required ? "" : row->def);
        between = ", ";
    }
    if (restart)
        printf("%srestart", between);
}

static void doc_row(const struct pn_schema_row *row)
{
    printf(".It Ic %s", row->key);
    doc_argument(row);
    doc_bounds(row);
    puts("");
    doc_text(row->doc);
    if (row->words)
        doc_words(row->words);
}

static void doc_title(const struct pn_schema_section *section)
{
    printf(".Ss ");
    for (const char *part = section->path; *part;) {
        size_t len = strcspn(part, ".");
        printf("%.*s%s", (int)len, part, part[len] ? " / " : "");
        part += len + (part[len] == '.');
    }
    puts("");
}

static void doc_usage(const struct pn_schema_section *section)
{
    if (section->shape == PN_SHAPE_SINGLE)
        printf(".D1 Ic %s No { ... }\n", section->key);
    else
        printf(".D1 Ic %s No \\(dq Ns Ar name Ns No \\(dq { ... }\n", section->key);
    if (section->parent != PN_SEC_ROOT)
        printf("Inside a section\n.Ic %s .\n", pn_schema_sections[section->parent].key);
    if (section->shape != PN_SHAPE_SINGLE)
        printf("At most %u.\n", section->max);
}

static void doc_section(enum pn_schema_id id)
{
    const struct pn_schema_section *section = &pn_schema_sections[id];
    bool open = false;
    doc_title(section);
    doc_text(section->doc);
    doc_usage(section);
    for (unsigned i = 0; i < pn_schema_n_rows; i++) {
        if (pn_schema_rows[i].section != id)
            continue;
        if (!open)
            puts(".Bl -tag -width Ds");
        open = true;
        doc_row(&pn_schema_rows[i]);
    }
    if (open)
        puts(".El");
}

int main(int argc, char **argv)
{
    char line[4096];
    bool found = false;
    FILE *in = argc == 2 ? fopen(argv[1], "re") : NULL;
    if (!in) {
        fprintf(stderr, "usage: pn-schema-doc TEMPLATE\n");
        return 2;
    }
    while (fgets(line, sizeof(line), in)) {
        if (strcmp(line, DOC_MARK) != 0) {
            fputs(line, stdout);
            continue;
        }
        found = true;
        for (unsigned s = 0; s < PN_SEC_COUNT; s++)
            doc_section((enum pn_schema_id)s);
    }
    bool failed = ferror(in) != 0;
    fclose(in);
    if (!found || failed || fflush(stdout) != 0) {
        fprintf(stderr, "pn-schema-doc: %s: %s\n", argv[1],
                found ? "cannot be read or written" : "has no @SCHEMA@ line");
        return 1;
    }
    return 0;
}
