// SPDX-License-Identifier: Apache-2.0
/* tests/wire/amqt.c — plays wire scripts against a broker and says which hold.
 *
 *   amqt --port N [--broker PID] [--rabbitmq] [--all-fail] [--label TEXT] [--verbose] SCRIPT...
 *
 * What scripts are made of is in play.h. One line of TAP per script. With --all-fail a script
 * is well when every case of it fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/wire/play.h"

enum { LINE_MAX_BYTES = 16384 };

/* A case fails once, whatever else goes wrong in it. */
static void amqt_failed(struct amqt *a, const char *path, unsigned line)
{
    if (a->verbose || !a->all_fail)
        printf("# %s:%u: case \"%s\": %s\n", path, line, a->title, a->script.why);
    a->n_failed += !a->case_failed;
    a->case_failed = true;
}

static void amqt_end_case(struct amqt *a, const char *path, unsigned line)
{
    if (a->verbose && a->title[0] != 0)
        printf("# %6.3f s %s: %s\n", (double)(peer_now_ns() - a->began_ns) / 1e9, path, a->title);
    play_close_all(a);
    if (setjmp(a->script.failed) == 0)
        play_clean(a);
    else
        amqt_failed(a, path, line);
    play_close_all(a);
    a->declared = NULL;
    script_reset(&a->script);
}

static void amqt_begin_case(struct amqt *a, const char *line)
{
    a->began_ns = peer_now_ns();
    a->case_failed = false;
    snprintf(a->title, sizeof(a->title), "%.*s", (int)strcspn(line + 6, "\""), line + 6);
    a->skip_case = a->skip_script;
    a->n_cases++;
}

/* A line with those that it goes on in. The number of lines read, 0 at the end. */
static unsigned amqt_read_line(FILE *f, char *line)
{
    size_t size = 0;
    for (unsigned n = 1; fgets(line + size, (int)(LINE_MAX_BYTES - size), f) != NULL; n++) {
        size += strlen(line + size);
        if (size == 0 || line[size - 1] != '\n')
            return n;
        line[--size] = 0;
        if (size == 0 || line[size - 1] != '\\')
            return n;
        line[--size] = 0;
    }
    return 0;
}

static void amqt_play(struct amqt *a, FILE *f, const char *path)
{
    static char line[LINE_MAX_BYTES];
    static unsigned at;
    at = 0;
    for (unsigned n; (n = amqt_read_line(f, line)) != 0;) {
        at += n;
        if (strncmp(line, "case \"", 6) == 0) {
            amqt_end_case(a, path, at - n);
            amqt_begin_case(a, line);
            continue;
        }
        if (a->case_failed || a->skip_case)
            continue;
        if (setjmp(a->script.failed) == 0) {
            script_tokenize(&a->script, line);
            play_line(a);
        } else {
            amqt_failed(a, path, at);
        }
    }
    amqt_end_case(a, path, at);
}

/* One line of TAP. */
static bool amqt_script(struct amqt *a, const char *path)
{
    FILE *f = fopen(path, "r");
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    a->title[0] = 0;
    a->case_failed = a->skip_case = a->skip_script = false;
    a->n_cases = a->n_failed = a->n_skipped = 0;
    if (f == NULL) {
        printf("not ok - %s%s: cannot be read\n", a->label, name);
        return false;
    }
    amqt_play(a, f, path);
    fclose(f);
    bool good = a->n_cases != 0 && a->n_failed == (a->all_fail ? a->n_cases : 0);
    printf("%s - %s%s: %u cases, %u failed, %u not for this broker\n", good ? "ok" : "not ok",
           a->label, name, a->n_cases, a->n_failed, a->n_skipped);
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    static struct amqt a = {.label = ""};
    bool good = true;
    int n_scripts = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            a.port = (uint16_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--broker") == 0 && i + 1 < argc) {
            a.broker = (pid_t)strtol(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--label") == 0 && i + 1 < argc) {
            a.label = argv[++i];
        } else if (strcmp(argv[i], "--rabbitmq") == 0) {
            a.rabbitmq = true;
        } else if (strcmp(argv[i], "--all-fail") == 0) {
            a.all_fail = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            a.verbose = true;
        } else {
            good = amqt_script(&a, argv[i]) && good;
            n_scripts++;
        }
    }
    return good && n_scripts != 0 ? 0 : 1;
}
