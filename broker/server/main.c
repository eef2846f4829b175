// SPDX-License-Identifier: Apache-2.0
/* Wiring: command line, settings, signals, and then workers_run. */
#include <errno.h>
#include <getopt.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/server/config.h"
#include "broker/server/inspect.h"
#include "broker/server/recorder.h"
#include "broker/server/workers.h"
#include "storage/batch.h"

/* Free memory at the end of the heap that is kept, and the size of a block that is mapped alone. */
enum { MAIN_TRIM_BYTES = 16 * 1024 * 1024, MAIN_MMAP_BYTES = 4 * 1024 * 1024 };

static struct workers *main_workers;   /* for the signal handler alone */
static struct recorder *main_recorder; /* likewise */

static void main_on_signal(int number)
{
    (void)number;
    int saved = errno;
    workers_stop(main_workers);
    errno = saved;
}

static void main_on_tell(int number)
{
    (void)number;
    int saved = errno;
    workers_tell(main_workers);
    errno = saved;
}

/* The last moments are what a recording is for. Then the signal does what it does otherwise. */
static void main_on_crash(int number)
{
    recorder_flush(main_recorder);
    raise(number);
}

static void main_usage(FILE *to)
{
    fputs(
        "Usage: whippet [--listen HOST:PORT] --data DIR [--config FILE] [--set KEY=VALUE]...\n"
        "               [--record FILE]\n"
        "       whippet --inspect DIR [--records]\n"
        "       whippet --version | --help\n\n"
        "A message broker that speaks AMQP 0-9-1 as RabbitMQ does.\n\n"
        "--record FILE writes down everything that the broker's decisions depend on, so that\n"
        "./dev sim --replay FILE repeats them. FILE grows with the traffic and holds messages\n"
        "and passwords; only its owner may read it. An older FILE becomes FILE.old.\n\n"
        "--inspect DIR prints what a data directory holds and what a start would make of it, a\n"
        "line for each file, batch, damage, queue and so on, and with --records for each record.\n"
        "It changes nothing. The exit status is 0 if all is sound, 1 if not, 2 if it cannot be\n"
        "read.\n\n"
        "Settings:\n",
        to);
    config_print(to);
}

struct main_options {
    const char *data;
    const char *record;
    const char *inspect;
    bool records;
};

/* `KEY=VALUE`. */
static enum err main_set(struct config *config, char *assignment, char *why, size_t why_size)
{
    char *equals = strchr(assignment, '=');
    if (equals == NULL) {
        snprintf(why, why_size, "--set wants KEY=VALUE, not '%s'", assignment);
        return ERR_SYNTAX;
    }
    *equals = 0;
    return config_set(config, assignment, equals + 1, why, why_size);
}

static enum err main_load(struct config *config, const char *path, char *why, size_t why_size)
{
    enum err e = config_load(config, path, why, why_size);
    size_t n = strlen(why);
    if (e == ERR_IO)
        snprintf(why + n, why_size - n, "; --config FILE names it");
    return e;
}

/* OK, or an error with `why`. --version and --help do not return. */
static enum err main_parse(int argc, char **argv, struct config *config,
                           struct main_options *options, char *why, size_t why_size)
{
    static const struct option LONG[] = {
        {"listen", required_argument, NULL, 'l'}, {"data", required_argument, NULL, 'd'},
        {"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
        {"record", required_argument, NULL, 'r'}, {"inspect", required_argument, NULL, 'i'},
        {"records", no_argument, NULL, 'R'},      {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0}};
    enum err e = OK;
    for (int c; e == OK && (c = getopt_long(argc, argv, "h", LONG, NULL)) != -1;) {
        switch (c) {
        case 'l': e = config_set(config, "listeners.tcp.default", optarg, why, why_size); break;
        case 'd': options->data = optarg; break;
        case 'c': e = main_load(config, optarg, why, why_size); break;
        case 's': e = main_set(config, optarg, why, why_size); break;
        case 'r': options->record = optarg; break;
        case 'i': options->inspect = optarg; break;
        case 'R': options->records = true; break;
        case 'v': puts("whippet " WHIPPET_VERSION); exit(0);
        case 'h': main_usage(stdout); exit(0);
        default: snprintf(why, why_size, "see whippet --help"); e = ERR_SYNTAX;
        }
    }
    if (e == OK && optind < argc) {
        snprintf(why, why_size, "'%s' is not an option", argv[optind]);
        e = ERR_SYNTAX;
    }
    return e;
}

static void main_set_log_level(const struct config *config)
{
    static const struct {
        const char *name;
        enum log_level level;
    } LEVELS[] = {{"error", LOG_LEVEL_ERROR},
                  {"warning", LOG_LEVEL_WARN},
                  {"info", LOG_LEVEL_INFO},
                  {"debug", LOG_LEVEL_DEBUG}};
    for (size_t i = 0; i < sizeof(LEVELS) / sizeof(LEVELS[0]); i++)
        if (strcmp(config->log_level, LEVELS[i].name) == 0)
            log_set_level(LEVELS[i].level);
}

/* Makes the last folder of the path, and looks whether it can be used. */
static enum err main_make_data(const char *path, char *why, size_t why_size)
{
    struct stat found;
    if (path == NULL || path[0] == 0) {
        snprintf(why, why_size,
                 path == NULL ? "--data DIR is missing: see whippet --help"
                              : "--data is empty: it names the directory for the data");
        return ERR_SYNTAX;
    }
    const char *advice = "";
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        advice = errno == ENOENT ? ", for its parent is missing: make that first" : "";
    else if (stat(path, &found) == 0 && !S_ISDIR(found.st_mode))
        errno = ENOTDIR;
    else if (access(path, R_OK | W_OK | X_OK) == 0)
        return OK;
    else
        advice = ": not writable for us";
    snprintf(why, why_size, "data directory %s: %s%s; --data DIR names it", path, strerror(errno),
             advice);
    return ERR_IO;
}

static enum err main_prepare(const struct config *config, const struct main_options *options,
                             struct env *env, struct users *users, char *why, size_t why_size)
{
    main_set_log_level(config);
    enum err e = main_make_data(options->data, why, why_size);
    if (e != OK)
        return e;
    uint8_t salt[PASSWORD_SALT];
    env_secret(env, salt, sizeof(salt));
    bool guest = strcmp(config->default_user, "guest") == 0;
    e = users_add(users, span_str(config->default_user), span_str(config->default_pass), salt,
                  guest && config->guest_loopback_only);
    if (e != OK)
        snprintf(why, why_size, "default_user: %s", err_text(e));
    return e;
}

/* As many connections as the system lets us have: the soft limit is mostly 1024. */
static void main_raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        log_event(LOG_ACCEPT_FAILED, "reason=\"the limit of descriptors could not be raised\"");
}

/* glibc gives the end of its heap back whenever 128 KiB of it are free, and maps every larger block
 * anew: a large body would fault its pages in one by one, each time. */
static void main_keep_memory(void)
{
    mallopt(M_TRIM_THRESHOLD, MAIN_TRIM_BYTES);
    mallopt(M_MMAP_THRESHOLD, MAIN_MMAP_BYTES);
}

/* NULL = nothing is recorded. */
static enum err main_record(const char *path, char *why, size_t why_size)
{
    if (path == NULL)
        return OK;
    enum err e = recorder_open(&main_recorder, path, span_str(WHIPPET_VERSION), why, why_size);
    struct sigaction crash = {.sa_handler = main_on_crash, .sa_flags = (int)SA_RESETHAND};
    if (e == OK) {
        sigaction(SIGABRT, &crash, NULL);
        sigaction(SIGSEGV, &crash, NULL);
        sigaction(SIGBUS, &crash, NULL);
    }
    return e;
}

static enum err main_serve(const struct config *config, const struct main_options *options,
                           struct env *env, const struct users *users, char *why, size_t why_size)
{
    main_raise_descriptors();
    main_keep_memory();
    struct loop_listener *listener;
    enum err e = listener_open(&listener, config->listener, why, why_size);
    if (e != OK) {
        size_t n = strlen(why);
        snprintf(why + n, why_size - n, "; --listen or listeners.tcp.default chooses another");
        return e;
    }
    /* Only now: a start that comes to nothing may not push an older recording aside. */
    e = main_record(options->record, why, why_size);
    if (e == OK)
        e = workers_new(
            &main_workers,
            &(struct workers_options){
                .config = config,
                .data = options->data,
                .env = env,
                .users = users,
                .listener = listener,
                .observer = main_recorder == NULL ? NULL : recorder_observer(main_recorder)},
            why, why_size);
    if (e == OK) {
        struct sigaction stop = {.sa_handler = main_on_signal};
        struct sigaction tell = {.sa_handler = main_on_tell, .sa_flags = SA_RESTART};
        sigaction(SIGUSR1, &tell, NULL);
        sigaction(SIGTERM, &stop, NULL);
        sigaction(SIGINT, &stop, NULL);
        signal(SIGPIPE, SIG_IGN);
        log_event(LOG_STARTED, "version=%s pid=%ld data=%s listeners=%s io_threads=%llu",
                  WHIPPET_VERSION, (long)getpid(), options->data, config->listener,
                  (unsigned long long)config->io_threads);
        puts("Server startup complete");
        fflush(stdout);
        e = workers_run(main_workers);
    }
    if (e != OK && why[0] == 0)
        snprintf(why, why_size, "%s", err_text(e));
    else if (e == OK)
        log_event(LOG_STOPPED, "reason=signal");
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    workers_free(main_workers);
    recorder_close(main_recorder);
    main_recorder = NULL;
    listener_close(listener);
    return e;
}

/* The exit status. */
static int main_inspect(const struct config *config, const struct main_options *options,
                        struct env *env, char *why, size_t why_size)
{
    int status = inspect_print(&(struct inspect_options){.data = options->inspect,
                                                         .records = options->records,
                                                         .file_bytes = config->journal_file_bytes /
                                                                       BLOCK_BYTES * BLOCK_BYTES,
                                                         .env = env},
                               why, why_size);
    if (why[0] != 0)
        fprintf(stderr, "whippet: %s\n", why);
    return status;
}

int main(int argc, char **argv)
{
    char why[1024] = "";
    struct config config;
    struct main_options options = {.data = NULL};
    int status = 0;
    struct env env = env_real();
    struct users users;
    users_init(&users);
    enum err e = config_init(&config, why, sizeof(why));
    if (e == OK)
        e = main_parse(argc, argv, &config, &options, why, sizeof(why));
    if (e == OK && options.inspect != NULL) {
        status = main_inspect(&config, &options, &env, why, sizeof(why));
    } else {
        if (e == OK)
            e = main_prepare(&config, &options, &env, &users, why, sizeof(why));
        if (e == OK)
            e = main_serve(&config, &options, &env, &users, why, sizeof(why));
        if (e != OK)
            log_event(LOG_START_FAILED, "reason=\"%s\"", why);
    }
    users_fini(&users);
    config_fini(&config);
    return e == OK ? status : 1;
}
