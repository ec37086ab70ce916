/* SPDX-License-Identifier: BSD-3-Clause */
#include <string.h>
#include <time.h>

#include "controlplane/cli/cli.h"

const char *pn_js(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t pn_ji(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_real(value) ? (int64_t)json_real_value(value) : json_integer_value(value);
}

double pn_jf(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

bool pn_jb(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

bool pn_jnull(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return !value || json_is_null(value);
}

json_t *pn_jo(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

const char *pn_fmt_duration(int64_t ms, char buf[PN_FMT_BYTES])
{
    long long s = ms / 1000, min = s / 60, h = min / 60, d = h / 24;

    if (ms < 1000)
        snprintf(buf, PN_FMT_BYTES, "%lld ms", (long long)ms);
    else if (s < 120)
        snprintf(buf, PN_FMT_BYTES, "%lld s", s);
    else if (min < 60)
        snprintf(buf, PN_FMT_BYTES, "%lld min", min);
    else if (h < 48)
        snprintf(buf, PN_FMT_BYTES, min % 60 ? "%lld h %lld min" : "%lld h", h, min % 60);
    else
        snprintf(buf, PN_FMT_BYTES, h % 24 ? "%lld d %lld h" : "%lld d", d, h % 24);
    return buf;
}

const char *pn_fmt_rate(double per_s, char buf[PN_FMT_BYTES])
{
    snprintf(buf, PN_FMT_BYTES, per_s < 99.95 ? "%.1f" : "%.0f", per_s < 0.05 ? 0.0 : per_s);
    return buf;
}

const char *pn_fmt_bytes(double bytes, char buf[PN_FMT_BYTES])
{
    static const char *const unit[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    unsigned u = 0;

    while (bytes >= 1000 && u < sizeof(unit) / sizeof(unit[0]) - 1) {
        bytes /= 1000;
        u++;
    }
    snprintf(buf, PN_FMT_BYTES, u == 0 ? "%.0f %s" : "%.1f %s", bytes, unit[u]);
    return buf;
}

const char *pn_fmt_list(const json_t *array, char *buf, size_t size)
{
    size_t i, at = 0;
    json_t *value;

    buf[0] = '\0';
    json_array_foreach((json_t *)(uintptr_t)array, i, value)
    {
        int n = snprintf(buf + at, size - at, "%s%s", i ? ", " : "", json_string_value(value));
        if (n < 0 || (size_t)n >= size - at)
            break;
        at += (size_t)n;
    }
    return buf;
}

const char *pn_fmt_time(int64_t ms, char buf[PN_FMT_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;

    if (ms <= 0 || !localtime_r(&seconds, &tm) || strftime(buf, PN_FMT_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        buf[0] = '\0';
    return buf;
}

const char *pn_fmt_count(int64_t n, char buf[PN_FMT_BYTES])
{
    char digits[24];
    size_t len, at = 0;

    snprintf(digits, sizeof(digits), "%lld", (long long)n);
    len = strlen(digits);
    for (size_t i = 0; i < len; i++) {
        if (i > (digits[0] == '-') && (len - i) % 3 == 0)
            buf[at++] = ',';
        buf[at++] = digits[i];
    }
    buf[at] = '\0';
    return buf;
}
