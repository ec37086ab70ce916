/* SPDX-License-Identifier: BSD-3-Clause */
#include "controlplane/cli/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "postern: %s: %s\n", what, why);
    return PN_EXIT_FAILED;
}

bool pn_secret_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* One line without its end. Bytes, -1: the end of input or an error before any. */
static ssize_t line_read(int fd, char *out, size_t size)
{
    size_t n = 0;
    char c;

    while (n < size - 1) {
        ssize_t got = read(fd, &c, 1);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 && n == 0)
            return -1;
        if (got <= 0 || c == '\n')
            break;
        out[n++] = c;
    }
    if (n && out[n - 1] == '\r')
        n--;
    out[n] = '\0';
    return (ssize_t)n;
}

/* Signals wait until the terminal echoes again. */
static ssize_t ask_once(int tty, const char *prompt, char out[PN_SECRET_BYTES])
{
    struct termios before, quiet;
    sigset_t held, mask;
    bool hidden = tcgetattr(tty, &before) == 0;
    ssize_t n;

    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigaddset(&held, SIGTSTP);
    sigprocmask(SIG_BLOCK, &held, &mask);
    if (hidden) {
        quiet = before;
        quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
        quiet.c_cc[VINTR] = quiet.c_cc[VSUSP] = _POSIX_VDISABLE;
        tcsetattr(tty, TCSAFLUSH, &quiet);
    }
    dprintf(tty, "%s: ", prompt);
    n = line_read(tty, out, PN_SECRET_BYTES);
    if (hidden) {
        tcsetattr(tty, TCSAFLUSH, &before);
        dprintf(tty, "\n");
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return n;
}

static int ask(const char *prompt, bool twice, char out[PN_SECRET_BYTES])
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char again[PN_SECRET_BYTES] = "", text[128];
    int rc = PN_EXIT_OK;

    if (tty < 0)
        return fail("--passphrase", "there is no terminal to ask at; use --passphrase-file");
    if (ask_once(tty, prompt, out) <= 0)
        rc = fail(prompt, "nothing was typed");
    if (rc == PN_EXIT_OK && twice) {
        snprintf(text, sizeof(text), "%s, again", prompt);
        if (ask_once(tty, text, again) < 0 || strcmp(again, out) != 0)
            rc = fail(prompt, "the two are not the same");
    }
    explicit_bzero(again, sizeof(again));
    close(tty);
    return rc;
}

int pn_secret_read(const struct pn_secret_from *from, const char *prompt, bool twice, char out[PN_SECRET_BYTES])
{
    bool standard = from->file && strcmp(from->file, "-") == 0;
    int fd, rc = PN_EXIT_OK;

    out[0] = '\0';
    if (!from->file)
        return from->ask ? ask(prompt, twice, out) : PN_EXIT_OK;
    fd = standard ? STDIN_FILENO : open(from->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail(from->file, strerror(errno));
    if (line_read(fd, out, PN_SECRET_BYTES) <= 0)
        rc = fail(standard ? "standard input" : from->file, "its first line is empty, expected a passphrase");
    if (!standard)
        close(fd);
    return rc;
}

int pn_secret_stdin(const char *what, char out[PN_SECRET_BYTES])
{
    size_t n = 0, from = 0;

    while (n < PN_SECRET_BYTES - 1) {
        ssize_t got = read(STDIN_FILENO, out + n, PN_SECRET_BYTES - 1 - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    while (n && strchr(" \t\r\n", out[n - 1]))
        n--;
    while (from < n && strchr(" \t\r\n", out[from]))
        from++;
    memmove(out, out + from, n - from);
    out[n - from] = '\0';
    return n > from ? PN_EXIT_OK : fail(what, "nothing came on standard input");
}

int pn_secret_confirm(const char *question)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    char text[16] = "";

    if (tty < 0)
        return -1;
    dprintf(tty, "%s [y/N] ", question);
    if (line_read(tty, text, sizeof(text)) < 0)
        text[0] = '\0';
    close(tty);
    return strcmp(text, "y") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "Y") == 0;
}

void pn_secret_set(json_t *args, const char *key, const char *secret)
{
    if (secret[0])
        json_object_set_new(args, key, json_string_nocheck(secret));
}
