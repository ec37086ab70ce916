/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries as files. Pure. */
#include <jansson.h>

#include "controlplane/rules/export.h"

/* ---- CSV ---- */

static void csv_text(FILE *f, const char *text, char behind)
{
    if (text[strcspn(text, ",\"\r\n")] == '\0' && text[0] != ' ') {
        fprintf(f, "%s%c", text, behind);
        return;
    }
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', f);
        fputc(*text, f);
    }
    fprintf(f, "\"%c", behind);
}

static int csv_row(void *arg, const struct pn_rule *r)
{
    struct pn_export *w = arg;

    csv_text(w->file, pn_kind_by_number(r->key.kind)->name, ',');
    csv_text(w->file, r->key.value, ',');
    csv_text(w->file, r->key.field ? pn_field_name(r->key.field) : "", ',');
    csv_text(w->file, r->key.owner, ',');
    csv_text(w->file, r->description, ',');
    csv_text(w->file, r->body ? r->body : "", ',');
    fprintf(w->file, "%llu\n", (unsigned long long)pn_rule_hits_total(r));
    w->rows++;
    return ferror(w->file);
}

/* ---- JSON ---- */

static int json_row(void *arg, const struct pn_rule *r)
{
    struct pn_export *w = arg;
    json_t *o = json_pack("{s:s, s:s}", "list", pn_kind_by_number(r->key.kind)->name, "value", r->key.value);

    if (o && r->key.field)
        json_object_set_new(o, "field", json_string(pn_field_name(r->key.field)));
    if (o && r->key.owner[0])
        json_object_set_new(o, "owner", json_string(r->key.owner));
    if (o && r->description[0])
        json_object_set_new(o, "description", json_string(r->description));
    if (o && r->body)
        json_object_set_new(o, "text", json_string(r->body));
    if (o && r->n_hits)
        json_object_set_new(o, "hits", json_integer((json_int_t)(pn_rule_hits_total(r) & INT64_MAX)));
    fputs(w->rows++ ? ",\n" : "", w->file);
    w->failed |= o == NULL || json_dumpf(o, w->file, JSON_COMPACT) != 0;
    json_decref(o);
    return w->failed || ferror(w->file);
}

/* ---- XML ---- */

static void xml_attribute(FILE *f, const char *name, const char *text)
{
    fprintf(f, " %s=\"", name);
    for (; *text; text++) {
        switch (*text) {
        case '<':
            fputs("&lt;", f);
            break;
        case '&':
            fputs("&amp;", f);
            break;
        case '"':
            fputs("&quot;", f);
            break;
        case '\n':
        case '\r':
        case '\t':
            fprintf(f, "&#%d;", *text);
            break;
        default:
            fputc(*text, f);
        }
    }
    fputc('"', f);
}

static int xml_row(void *arg, const struct pn_rule *r)
{
    static const char *const types[PN_FIELD_COUNT] = {
        [PN_FIELD_SMTP_SENDER] = "3",
        [PN_FIELD_MIME_SENDER] = "1",
        [PN_FIELD_SMTP_RECIPIENT] = "2",
        [PN_FIELD_MIME_RECIPIENT] = "0",
    };
    struct pn_export *w = arg;

    fputs("<z:row", w->file);
    xml_attribute(w->file, "description", r->description);
    xml_attribute(w->file, "entry", r->key.value);
    if (r->key.field < PN_FIELD_COUNT && types[r->key.field])
        xml_attribute(w->file, "type", types[r->key.field]);
    xml_attribute(w->file, "list", pn_kind_by_number(r->key.kind)->name);
    if (r->key.owner[0])
        xml_attribute(w->file, "owner", r->key.owner);
    if (r->body)
        xml_attribute(w->file, "text", r->body);
    fputs(" />\n", w->file);
    w->rows++;
    return ferror(w->file);
}

static const struct {
    const char *before, *after;
    int (*row)(void *arg, const struct pn_rule *rule);
} formats[PN_IMPORT_FORMATS] = {
    [PN_IMPORT_CSV] = {"list,value,field,owner,description,text,hits\n", "", csv_row},
    [PN_IMPORT_JSON] = {"[\n", "\n]\n", json_row},
    [PN_IMPORT_XML] = {"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                       "<xml xmlns:rs=\"urn:schemas-microsoft-com:rowset\" xmlns:z=\"#RowsetSchema\">\n<rs:data>\n",
                       "</rs:data>\n</xml>\n", xml_row},
};

void pn_export_begin(struct pn_export *e, enum pn_import_format format, FILE *file)
{
    *e = (struct pn_export){.format = format, .file = file};
    fputs(formats[format].before, file);
}

int pn_export_row(struct pn_export *e, const struct pn_rule *rule)
{
    return pn_kind_by_number(rule->key.kind) ? formats[e->format].row(e, rule) : 0;
}

int pn_export_end(struct pn_export *e)
{
    fputs(formats[e->format].after, e->file);
    return e->failed || ferror(e->file) || fflush(e->file) != 0 ? -1 : 0;
}
