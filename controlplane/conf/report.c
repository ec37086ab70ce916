/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/conf/report.h"

#include <stdarg.h>
#include <stdio.h>

/* Texts hold UTF-8 from the file: a cut must not leave half a character. */
static void report_trim(char *text)
{
    size_t n = strlen(text), back = n;
    while (back > 0 && n - back < 4 && ((unsigned char)text[back - 1] & 0xc0) == 0x80)
        back--;
    if (back == 0)
        return;
    unsigned char lead = (unsigned char)text[back - 1];
    size_t need = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (n - back + 1 < need)
        text[back - 1] = '\0';
}

void pn_report_add(struct pn_report *report, const char *file, uint32_t line, uint32_t column, const char *key,
                   const char *format, ...)
{
    if (report->n++ >= report->max)
        return;
    struct pn_conf_error *row = &report->rows[report->n - 1];
    *row = (struct pn_conf_error){.line = line, .column = column};
    snprintf(row->file, sizeof(row->file), "%s", file ? file : "");
    snprintf(row->key, sizeof(row->key), "%s", key ? key : "");
    va_list args;
    va_start(args, format);
    vsnprintf(row->text, sizeof(row->text), format, args);
    va_end(args);
    report_trim(row->file);
    report_trim(row->key);
    report_trim(row->text);
}

size_t pn_report_path_add(char *path, size_t size, const char *part)
{
    size_t len = strlen(path);
    if (len < size)
        snprintf(path + len, size - len, "%s%s", len ? "." : "", part);
    return len;
}

static const char *report_line(const struct pn_conf_error *e, const char *before, char *buf, size_t size)
{
    char line[16] = "";
    if (e->line)
        snprintf(line, sizeof(line), "%u:", e->line);
    snprintf(buf, size, "%s:%s %s%s%s%s", e->file, line, e->key, e->key[0] ? ": " : "", before, e->text);
    return buf;
}

const char *pn_conf_warning_text(const struct pn_conf_error *e, char *buf, size_t size)
{
    return report_line(e, "warning: ", buf, size);
}

const char *pn_conf_error_text(const struct pn_conf_error *e, char *buf, size_t size)
{
    return report_line(e, "", buf, size);
}
