// SPDX-License-Identifier: Apache-2.0
/* whippetctl: the operator's command. So far it can tell whether a broker answers. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "broker/cli/client.h"

/* rabbitmqctl's exit codes, from sysexits. */
enum { CTL_USAGE = 64, CTL_UNAVAILABLE = 69 };

/* One attempt may take this long; between two attempts of await_startup passes that much. */
enum { CTL_ANSWER_MS = 5000, CTL_PAUSE_MS = 50, CTL_TIMEOUT_S = 300, CTL_TIMEOUT_MAX_S = 1000000 };

struct ctl {
    struct client_address address;
    uint64_t timeout_s; /* 0: the command's own */
};

struct ctl_command {
    const char *name;
    int (*run)(const struct ctl *ctl);
    const char *help;
};

static uint64_t ctl_now_ms(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000u + (uint64_t)at.tv_nsec / 1000000u;
}

/* Does a broker answer the protocol header within the time? Otherwise why not. */
static enum err ctl_greet(const struct ctl *ctl, uint64_t timeout_ms, char why[CLIENT_WHY_MAX])
{
    struct client c;
    client_init(&c);
    enum err e = client_connect(&c, &ctl->address, (uint32_t)(timeout_ms == 0 ? 1 : timeout_ms));
    if (e == OK)
        e = client_greet(&c);
    memcpy(why, c.why, CLIENT_WHY_MAX);
    client_abort(&c);
    return e;
}

static int ctl_ping(const struct ctl *ctl)
{
    char why[CLIENT_WHY_MAX];
    uint64_t timeout_ms = ctl->timeout_s == 0 ? CTL_ANSWER_MS : ctl->timeout_s * 1000u;
    if (ctl_greet(ctl, timeout_ms, why) != OK) {
        fprintf(stderr, "whippetctl: %s:%s: %s\n", ctl->address.host, ctl->address.port, why);
        return CTL_UNAVAILABLE;
    }
    puts("Ping succeeded");
    return 0;
}

static int ctl_await_startup(const struct ctl *ctl)
{
    char why[CLIENT_WHY_MAX];
    uint64_t timeout_s = ctl->timeout_s == 0 ? CTL_TIMEOUT_S : ctl->timeout_s;
    uint64_t deadline_ms = ctl_now_ms() + timeout_s * 1000u;
    for (;;) {
        uint64_t now_ms = ctl_now_ms();
        uint64_t left_ms = now_ms < deadline_ms ? deadline_ms - now_ms : 0;
        if (ctl_greet(ctl, left_ms < CTL_ANSWER_MS ? left_ms : CTL_ANSWER_MS, why) == OK)
            return 0;
        if (ctl_now_ms() + CTL_PAUSE_MS >= deadline_ms) {
            fprintf(stderr, "whippetctl: %s:%s: not up after %llu s: %s\n", ctl->address.host,
                    ctl->address.port, (unsigned long long)timeout_s, why);
            return CTL_UNAVAILABLE;
        }
        nanosleep(&(struct timespec){0, CTL_PAUSE_MS * 1000000L}, NULL);
    }
}

static const struct ctl_command CTL_COMMANDS[] = {
    {"ping", ctl_ping, "does a broker answer?"},
    {"await_startup", ctl_await_startup, "wait until one does, at most --timeout seconds (300)"},
};
enum { CTL_N_COMMANDS = sizeof(CTL_COMMANDS) / sizeof(CTL_COMMANDS[0]) };

static void ctl_usage(FILE *to)
{
    fputs("Usage: whippetctl [--host HOST] [--port PORT] [--timeout SECONDS] COMMAND\n"
          "       whippetctl --version | --help\n\nCommands:\n",
          to);
    for (size_t i = 0; i < CTL_N_COMMANDS; i++)
        fprintf(to, "  %-16s %s\n", CTL_COMMANDS[i].name, CTL_COMMANDS[i].help);
    fputs("\nThe other commands of rabbitmqctl are not there yet.\n\n"
          "Exit status: 0; 64 for wrong usage or a command that is not there; 69 when no broker\n"
          "answers.\n",
          to);
}

static bool ctl_copy(char to[CLIENT_TEXT_MAX], const char *from)
{
    return snprintf(to, CLIENT_TEXT_MAX, "%s", from) < CLIENT_TEXT_MAX;
}

/* A whole number from 1 on. Otherwise says so, with the name of the option. */
static bool ctl_read_number(const char *option, const char *text, uint64_t most, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == 0 && errno == 0 && *out != 0 && *out <= most)
        return true;
    fprintf(stderr, "whippetctl: %s: '%s' is not 1 to %llu\n", option, text,
            (unsigned long long)most);
    return false;
}

static bool ctl_read_port(struct ctl *ctl, const char *text)
{
    uint64_t port;
    return ctl_read_number("--port", text, 65535, &port) && ctl_copy(ctl->address.port, text);
}

/* One command, and no more. */
static bool ctl_is_one_command(int n, char **words)
{
    if (n == 0)
        fputs("whippetctl: which command?\n", stderr);
    if (n > 1)
        fprintf(stderr, "whippetctl: %s takes no argument: '%s'\n", words[0], words[1]);
    return n == 1;
}

/* The exit status to leave with, or -1 to go on. */
static int ctl_parse(struct ctl *ctl, int argc, char **argv)
{
    static const struct option LONG[] = {
        {"host", required_argument, NULL, 'H'},    {"port", required_argument, NULL, 'p'},
        {"timeout", required_argument, NULL, 't'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    if (client_address_parse(&ctl->address, "amqp://") != OK)
        return CTL_USAGE;
    bool fine = true;
    for (int got; fine && (got = getopt_long(argc, argv, "t:h", LONG, NULL)) != -1;) {
        switch (got) {
        case 'H': fine = ctl_copy(ctl->address.host, optarg); break;
        case 'p': fine = ctl_read_port(ctl, optarg); break;
        case 't':
            fine = ctl_read_number("--timeout", optarg, CTL_TIMEOUT_MAX_S, &ctl->timeout_s);
            break;
        case 'v': puts("whippetctl " WHIPPET_VERSION); return 0;
        case 'h': ctl_usage(stdout); return 0;
        default: fine = false;
        }
    }
    if (fine && ctl_is_one_command(argc - optind, argv + optind))
        return -1;
    ctl_usage(stderr);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    struct ctl ctl = {.timeout_s = 0};
    int status = ctl_parse(&ctl, argc, argv);
    if (status >= 0)
        return status;
    const char *name = argv[optind];
    for (size_t i = 0; i < CTL_N_COMMANDS; i++)
        if (strcmp(CTL_COMMANDS[i].name, name) == 0)
            return CTL_COMMANDS[i].run(&ctl);
    fprintf(stderr, "whippetctl: %s is not there yet; see whippetctl --help\n", name);
    return CTL_USAGE;
}
