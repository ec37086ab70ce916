/* SPDX-License-Identifier: BSD-3-Clause */
/* A report's counts by time as stacked bars: SVG 1.1, one file, no scripts, nothing from elsewhere. */
#include "controlplane/quarantine/report.h"

#include <stdio.h>
#include <stdlib.h>

#include "controlplane/quarantine/headers.h"

#define WIDTH 960
#define HEIGHT 420
#define LEFT 70
#define RIGHT 20
#define TOP 80
#define BOTTOM 60
#define PLOT_W (WIDTH - LEFT - RIGHT)
#define PLOT_H (HEIGHT - TOP - BOTTOM)

/* From the bottom up; colours that stay apart for the colour-blind (Okabe and Ito). */
static const struct {
    unsigned event;
    const char *colour;
} layers[] = {{PN_Q_EVENT_RECEIVED, "#0072b2"}, {PN_Q_EVENT_REJECTED, "#999999"}, {PN_Q_EVENT_QUARANTINED, "#e69f00"},
              {PN_Q_EVENT_SPAM, "#cc79a7"},     {PN_Q_EVENT_VIRUS, "#d55e00"},    {PN_Q_EVENT_RELEASED, "#009e73"}};
#define LAYERS (sizeof(layers) / sizeof(layers[0]))

static void xml_text(FILE *f, const char *text)
{
    char clean[256];

    pn_q_text_clean((const uint8_t *)text, strlen(text), clean, sizeof(clean));
    for (const char *p = clean; *p; p++) {
        const char *as = *p == '&' ? "&amp;" : *p == '<' ? "&lt;" : *p == '>' ? "&gt;" : *p == '"' ? "&quot;" : NULL;
        if (as)
            fputs(as, f);
        else if ((unsigned char)p[0] == 0xef && (unsigned char)p[1] == 0xbf && (unsigned char)p[2] >= 0xbe)
            p += 2; /* U+FFFE and U+FFFF are not XML's (XML 1.0, 2.2) */
        else
            fputc(*p, f);
    }
}

/* 1, 2 or 5 times a power of ten, so that five of them hold the highest bar. */
static uint64_t grid_step(uint64_t highest)
{
    static const unsigned parts[] = {1, 2, 5};

    for (uint64_t ten = 1; ten < UINT64_MAX / 100; ten *= 10)
        for (unsigned i = 0; i < 3; i++)
            if (5 * ten * parts[i] >= highest)
                return ten * parts[i];
    return highest / 5 + 1;
}

static void grid(FILE *f, uint64_t step)
{
    for (unsigned i = 0; i <= 5; i++) {
        double y = TOP + PLOT_H - (double)PLOT_H * i / 5.0;
        fprintf(f, "<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"%s\"/>\n", LEFT, y, WIDTH - RIGHT, y,
                i ? "#dddddd" : "#333333");
        fprintf(f, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%llu</text>\n", LEFT - 8, y + 4,
                (unsigned long long)(step * i));
    }
}

static void legend(FILE *f, const struct pn_report *r)
{
    double x = LEFT;

    for (unsigned i = 0; i < LAYERS; i++) {
        uint64_t n = r->total.event[layers[i].event].count;
        fprintf(f, "<rect x=\"%.1f\" y=\"46\" width=\"12\" height=\"12\" fill=\"%s\"/>", x, layers[i].colour);
        fprintf(f, "<text x=\"%.1f\" y=\"56\">%s %llu</text>\n", x + 17, pn_q_event_name(layers[i].event),
                (unsigned long long)n);
        x += (double)PLOT_W / LAYERS;
    }
}

char *pn_report_svg(const struct pn_report *r, const char *title)
{
    char *text = NULL, at[24];
    size_t size;
    uint64_t highest = 1;
    FILE *f = open_memstream(&text, &size);

    if (f == NULL)
        return NULL;
    for (unsigned i = 0; i < r->n_points; i++) {
        uint64_t sum = 0;
        for (unsigned k = 0; k < LAYERS; k++)
            sum += r->points[i].event[layers[k].event].count;
        highest = sum > highest ? sum : highest;
    }
    uint64_t step = grid_step(highest);
    double scale = (double)PLOT_H / (5.0 * (double)step), slot = (double)PLOT_W / r->n_points;
    double width = slot > 4 ? slot * 0.8 : slot;
    fprintf(f,
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" "
            "width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" font-size=\"12\" "
            "fill=\"#333333\" role=\"img\">\n<title>",
            WIDTH, HEIGHT, WIDTH, HEIGHT);
    xml_text(f, title);
    fprintf(f,
            "</title>\n<rect width=\"%d\" height=\"%d\" fill=\"#ffffff\"/>\n<text x=\"%d\" y=\"28\" "
            "font-size=\"17\">",
            WIDTH, HEIGHT, LEFT);
    xml_text(f, title);
    fputs("</text>\n", f);
    legend(f, r);
    grid(f, step);
    /* Labels that do not run into each other: one in about 90 pixels. */
    unsigned every = (unsigned)(90.0 / slot) + 1;
    for (unsigned i = 0; i < r->n_points; i++) {
        double x = LEFT + slot * i + (slot - width) / 2, y = TOP + PLOT_H;
        pn_report_time(r, r->points[i].at_ms, at);
        for (unsigned k = 0; k < LAYERS; k++) {
            uint64_t n = r->points[i].event[layers[k].event].count;
            double h = (double)n * scale;
            if (n == 0)
                continue;
            y -= h;
            fprintf(f,
                    "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"><title>%s: %llu %s</title>"
                    "</rect>\n",
                    x, y, width, h, layers[k].colour, at, (unsigned long long)n, pn_q_event_name(layers[k].event));
        }
        if (i % every == 0)
            fprintf(f, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", LEFT + slot * (i + 0.5),
                    TOP + PLOT_H + 20, r->step_ms % (24 * PN_REPORT_HOUR_MS) ? at + 5 : at);
    }
    fputs("</svg>\n", f);
    bool failed = ferror(f);
    if (fclose(f) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
