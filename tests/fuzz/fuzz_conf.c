/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The configuration: any bytes as postern.conf. What loads has a canonical form that loads to the same, compiles for
 * each node to a snapshot that the dataplane accepts, and can be written as arguments. Bytes after a NUL are a second
 * file, "inc", that the first may include.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controlplane/conf/canon.h"
#include "controlplane/conf/diff.h"
#include "controlplane/conf/dpargs.h"
#include "controlplane/conf/load.h"
#include "controlplane/state/runtime.h"
#include "tests/unit/conf_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds, const char *what, const char *detail)
{
    if (holds)
        return;
    fprintf(stderr, "%s: %s\n", what, detail);
    abort();
}

static void check_errors(const struct pn_conf_error *errors, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        must(errors[i].text[0] != '\0', "error without text", errors[i].key);
        json_t *text = json_string(errors[i].text), *key = json_string(errors[i].key);
        must(text && key, "error that is not UTF-8", errors[i].text);
        json_decref(text);
        json_decref(key);
    }
}

static void check_compiles(const struct pn_conf *conf)
{
    static uint64_t buf[PN_SNAPSHOT_MAX_BYTES / 8];
    static char args[PN_DPARGS_MAX_BYTES];
    static const struct pn_dpargs_options options = {0};
    struct pn_runtime *rt = pn_runtime_new(conf);
    struct pn_ids *ids = calloc(1, sizeof(*ids));
    for (unsigned n = 0; rt && ids && n < conf->n_nodes; n++) {
        struct pn_error err = {0};
        struct pn_snapshot view;
        size_t len;
        must(pn_compile_snapshot(conf, n, rt, ids, 1, buf, sizeof(buf), &len, &err) == 0, "compile", err.text);
        must(pn_snapshot_validate(buf, len, &view, &err) == 0, "snapshot", err.text);
        must(pn_dpargs_write(conf, n, &options, args, sizeof(args), &err) == 0, "arguments", err.text);
    }
    pn_runtime_free(rt);
    free(ids);
}

static void check_canonical(const struct pn_conf *conf)
{
    struct pn_conf_error errors[4];
    unsigned n = 0;
    char *text = pn_canon_text(conf);
    const struct memory_file files[] = {{"f", text, 0}, {0}};
    struct pn_ucl_io io = memory_io(files);
    struct pn_conf *again = pn_conf_load_io(&io, "f", errors, 4, &n);
    must(again != NULL, "canonical form does not load", n ? errors[0].text : "");
    must(strcmp(conf->digest, again->digest) == 0, "canonical form has another digest", text);
    struct pn_conf_diff *diff = pn_conf_diff_new(conf, again);
    must(diff && diff->n_changes == 0, "canonical form differs", text);
    pn_conf_diff_free(diff);
    pn_conf_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *nul = size ? memchr(text, '\0', size) : NULL;
    size_t len = nul ? (size_t)(nul - text) : size;
    struct memory_file files[] = {{"f", len ? text : "", len}, {0}, {0}};
    if (nul && size > len + 1)
        files[1] = (struct memory_file){"inc", nul + 1, size - len - 1};
    struct pn_ucl_io io = memory_io(files);
    struct pn_conf_error errors[8];
    unsigned n = 0;
    struct pn_conf *conf = pn_conf_load_io(&io, "f", errors, 8, &n);
    must((conf == NULL) == (n > 0), "errors and result do not agree", "");
    check_errors(errors, n);
    if (!conf)
        return 0;
    check_errors(conf->warnings, conf->n_warnings);
    check_compiles(conf);
    check_canonical(conf);
    pn_conf_free(conf);
    return 0;
}
