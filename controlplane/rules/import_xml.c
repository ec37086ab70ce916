/* SPDX-License-Identifier: BSD-3-Clause */
/* Elements "row" and their attributes. Expat reads; a document type is refused, so no entity is ever expanded. */
#include <expat.h>
#include <stdlib.h>

#include "common/error.h"
#include "controlplane/rules/import_internal.h"

#define DEPTH_MAX 64

struct xml {
    XML_Parser parser;
    unsigned depth;
    bool known; /* it is a list, an empty one perhaps */
    const char *wrong;
};

static const char *local_name(const char *name)
{
    const char *colon = strrchr(name, ':');
    return colon ? colon + 1 : name;
}

static void XMLCALL start_element(void *arg, const XML_Char *name, const XML_Char **attributes)
{
    struct pn_importer *i = arg;
    struct xml *x = i->state;
    const char *columns[COLUMNS] = {NULL};

    if (++x->depth > DEPTH_MAX) {
        x->wrong = "elements are nested too deeply";
        XML_StopParser(x->parser, XML_FALSE);
        return;
    }
    x->known |= strcmp(local_name(name), "data") == 0;
    if (strcmp(local_name(name), "row") != 0)
        return;
    x->known = true;
    for (unsigned a = 0; attributes[a]; a += 2) {
        const char *attribute = local_name(attributes[a]);
        int column = import_column(attribute, strlen(attribute));
        if (column >= 0)
            columns[column] = attributes[a + 1];
    }
    if (import_row(i, XML_GetCurrentLineNumber(x->parser), columns) != 0)
        XML_StopParser(x->parser, XML_FALSE);
}

static void XMLCALL end_element(void *arg, const XML_Char *name)
{
    struct pn_importer *i = arg;

    (void)name;
    ((struct xml *)i->state)->depth--;
}

static void XMLCALL doctype(void *arg, const XML_Char *name, const XML_Char *system, const XML_Char *public,
                            int internal)
{
    struct pn_importer *i = arg;
    struct xml *x = i->state;

    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    x->wrong = "a DOCTYPE is not taken";
    XML_StopParser(x->parser, XML_FALSE);
}

static int xml_start(struct pn_importer *i)
{
    struct xml *x = calloc(1, sizeof(*x));

    if (x == NULL)
        return -1;
    x->parser = XML_ParserCreate(NULL);
    if (x->parser == NULL) {
        free(x);
        return -1;
    }
    XML_SetUserData(x->parser, i);
    XML_SetElementHandler(x->parser, start_element, end_element);
    XML_SetStartDoctypeDeclHandler(x->parser, doctype);
    i->state = x;
    return 0;
}

static void xml_end(struct pn_importer *i)
{
    struct xml *x = i->state;

    XML_ParserFree(x->parser);
    free(x);
}

static int xml_feed(struct pn_importer *i, const char *data, size_t len, bool last, struct pn_error *err)
{
    struct xml *x = i->state;

    /* In small pieces: a token that is never closed is kept by expat whole, so its length is watched. */
    for (size_t at = 0; at < len || (last && at == len); at += 4096) {
        size_t n = len - at < 4096 ? len - at : 4096;
        bool end = last && at + n == len;
        if (XML_Parse(x->parser, data + at, (int)n, end) != XML_STATUS_OK) {
            const char *why = x->wrong ? x->wrong : XML_ErrorString(XML_GetErrorCode(x->parser));
            if (i->stopped)
                return 1;
            return pn_error_set(err, "line %lu: %s", XML_GetCurrentLineNumber(x->parser), why);
        }
        i->len += n;
        XML_Index parsed = XML_GetCurrentByteIndex(x->parser);
        if (parsed >= 0 && (uint64_t)parsed + PN_IMPORT_FIELD_MAX * 4 < i->len)
            return pn_error_set(err, "line %lu: a tag is longer than 256 KiB", XML_GetCurrentLineNumber(x->parser));
        if (end)
            break;
    }
    if (last && !x->known)
        return pn_error_set(err, "not a list as GFI exports it: it has neither <rs:data> nor a <z:row>");
    return 0;
}

const struct import_reader import_xml = {xml_feed, xml_start, xml_end};
