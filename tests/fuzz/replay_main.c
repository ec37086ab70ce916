/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Runs a fuzz target without libFuzzer: every file of a folder as it is, cut short at each length, and with one byte
 * changed at a time, up to a number of inputs shared out over the files. The order is fixed, so a failure repeats.
 * Inputs lie in heap blocks of their exact size: AddressSanitizer sees any byte read past the end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

#define FILE_BYTES_MAX (1u << 20)

static unsigned long inputs_run;

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (copy == NULL) {
        perror("malloc");
        exit(1);
    }
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    inputs_run++;
}

static void run_changed(uint8_t *data, size_t size, size_t at, uint8_t value)
{
    uint8_t kept = data[at];

    if (kept == value)
        return;
    data[at] = value;
    run(data, size);
    data[at] = kept;
}

/* budget: inputs this file may use; long files are visited with a stride. */
static void run_file(uint8_t *data, size_t size, unsigned long budget)
{
    static const uint8_t values[] = {0x00, 0xff, 0x7f, 0x80, 0x01};
    const size_t per_byte = 1 + sizeof(values) + 8;
    size_t stride = budget ? size * per_byte / budget + 1 : 0;

    run(data, size);
    for (size_t at = 0; stride > 0 && at < size; at += stride) {
        run(data, at);
        for (size_t v = 0; v < sizeof(values); v++)
            run_changed(data, size, at, values[v]);
        for (unsigned bit = 0; bit < 8; bit++)
            run_changed(data, size, at, (uint8_t)(data[at] ^ (1u << bit)));
    }
}

static uint8_t *read_file(const char *path, size_t *size)
{
    uint8_t *data = malloc(FILE_BYTES_MAX);
    FILE *f = data ? fopen(path, "rb") : NULL;

    if (f == NULL) {
        perror(path);
        exit(1);
    }
    *size = fread(data, 1, FILE_BYTES_MAX, f);
    fclose(f);
    return data;
}

static int not_hidden(const struct dirent *e)
{
    return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
    struct dirent **names = NULL;
    char path[4096];

    if (argc < 2) {
        fprintf(stderr, "usage: %s FOLDER [INPUTS] | FILE...\n", argv[0]);
        return 2;
    }
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    struct stat st;
    if (stat(argv[1], &st) == 0 && S_ISREG(st.st_mode)) { /* single files, to look at a finding */
        for (int i = 1; i < argc; i++) {
            size_t size;
            uint8_t *data = read_file(argv[i], &size);
            run(data, size);
            free(data);
        }
        return 0;
    }
    int n = scandir(argv[1], &names, not_hidden, alphasort);
    if (n <= 0) {
        fprintf(stderr, "%s: no corpus there\n", argv[1]);
        return 1; /* an empty corpus would make the test pass without testing */
    }
    unsigned long total = argc > 2 ? strtoul(argv[2], NULL, 10) : 100000;
    for (int i = 0; i < n; i++) {
        size_t size;
        snprintf(path, sizeof(path), "%s/%s", argv[1], names[i]->d_name);
        uint8_t *data = read_file(path, &size);
        run_file(data, size, total / (unsigned long)n);
        free(data);
        free(names[i]);
    }
    free(names);
    run((const uint8_t *)"", 0);
    printf("%d files, %lu inputs\n", n, inputs_run);
    return 0;
}
