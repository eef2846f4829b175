// SPDX-License-Identifier: Apache-2.0
#include "broker/server/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/span.h"

enum config_type { CONFIG_text, CONFIG_number, CONFIG_size, CONFIG_flag };

struct config_row {
    const char *key;
    enum config_type type;
    size_t offset;
    const char *value; /* the default, as written */
    uint64_t least;
    uint64_t most;
    const char *unit;
    const char *help;
};

#define CONFIG_ROW(type, field, key, value, least, most, unit, help) \
    {key, CONFIG_##type, offsetof(struct config, field), #value, least, most, unit, help},
static const struct config_row CONFIG_ROWS[] = {CONFIG(CONFIG_ROW)};
#undef CONFIG_ROW
enum { CONFIG_N_ROWS = sizeof(CONFIG_ROWS) / sizeof(CONFIG_ROWS[0]) };

/* Keys of RabbitMQ that have no meaning here; a final dot stands for everything below. */
static const char *const CONFIG_IGNORED[] = {"collect_statistics",
                                             "collect_statistics_interval",
                                             "cluster_formation.",
                                             "cluster_name",
                                             "cluster_partition_handling",
                                             "cluster_keepalive_interval",
                                             "disk_free_limit.",
                                             "log.",
                                             "management.",
                                             "management_agent.",
                                             "prometheus.",
                                             "tcp_listen_options.",
                                             "num_acceptors.",
                                             "queue_master_locator",
                                             "queue_leader_locator",
                                             "vm_memory_calculation_strategy",
                                             "vm_memory_high_watermark_paging_ratio",
                                             "memory_monitor_interval",
                                             "mnesia_table_loading_retry_",
                                             "net_ticktime",
                                             "background_gc_enabled",
                                             "background_gc_target_interval",
                                             "reverse_dns_lookups",
                                             "raft.",
                                             "statistics.",
                                             "consumer_timeout",
                                             "hipe_compile",
                                             "ssl_handshake_timeout",
                                             "default_user_tags.",
                                             "default_permissions.",
                                             "default_queue_type",
                                             "deprecated_features."};

static const struct config_row *config_find(const char *key)
{
    for (size_t i = 0; i < CONFIG_N_ROWS; i++)
        if (strcmp(CONFIG_ROWS[i].key, key) == 0)
            return &CONFIG_ROWS[i];
    return NULL;
}

static bool config_is_ignored(const char *key)
{
    for (size_t i = 0; i < sizeof(CONFIG_IGNORED) / sizeof(CONFIG_IGNORED[0]); i++) {
        size_t n = strlen(CONFIG_IGNORED[i]);
        bool below = CONFIG_IGNORED[i][n - 1] == '.' || CONFIG_IGNORED[i][n - 1] == '_';
        if (below ? strncmp(key, CONFIG_IGNORED[i], n) == 0 : strcmp(key, CONFIG_IGNORED[i]) == 0)
            return true;
    }
    return false;
}

/* Edit distance of two keys, for the hint. Keys longer than the table are not worth one. */
static size_t config_distance(const char *a, const char *b)
{
    size_t row[CONFIG_TEXT_MAX];
    size_t n = strlen(b);
    if (n >= CONFIG_TEXT_MAX)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != 0; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[n];
}

static const char *config_nearest(const char *key)
{
    const char *nearest = CONFIG_ROWS[0].key;
    for (size_t i = 1; i < CONFIG_N_ROWS; i++)
        if (config_distance(key, CONFIG_ROWS[i].key) < config_distance(key, nearest))
            nearest = CONFIG_ROWS[i].key;
    return nearest;
}

/* A whole number, for sizes with RabbitMQ's suffixes. */
static bool config_number(const struct config_row *row, const char *value, uint64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoull(value, &end, 10);
    if (end == value || errno != 0 || value[0] == '-')
        return false;
    if (strcmp(row->unit, "%") == 0 && *out == 0 && end[0] == '.') {
        double part = strtod(value, &end);
        if (!(part >= 0 && part <= 1))
            return false;
        *out = (uint64_t)(part * 100 + 0.5);
    }
    static const struct {
        const char *suffix;
        uint64_t factor;
    } SUFFIXES[] = {{"", 1},          {"k", 1024},    {"kB", 1000},       {"KB", 1000},
                    {"kiB", 1024},    {"KiB", 1024},  {"M", 1 << 20},     {"MB", 1000000},
                    {"MiB", 1 << 20}, {"G", 1 << 30}, {"GB", 1000000000}, {"GiB", 1 << 30}};
    size_t n = row->type == CONFIG_size ? sizeof(SUFFIXES) / sizeof(SUFFIXES[0]) : 1;
    for (size_t i = 0; i < n; i++)
        if (strcmp(end, SUFFIXES[i].suffix) == 0)
            return !__builtin_mul_overflow(*out, SUFFIXES[i].factor, out) && *out >= row->least &&
                   *out <= row->most;
    return false;
}

static bool config_flag(const char *value, bool *out)
{
    *out = strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    return *out || strcmp(value, "false") == 0 || strcmp(value, "0") == 0;
}

/* A value that is refused changes nothing. */
static enum err config_store(struct config *c, const struct config_row *row, const char *value)
{
    void *at = (char *)c + row->offset;
    uint64_t number;
    bool flag;
    char *copy;
    switch (row->type) {
    case CONFIG_text:
        copy = strlen(value) < CONFIG_TEXT_MAX ? (char *)(uintptr_t)span_dup(span_str(value)).at
                                               : NULL;
        if (copy == NULL)
            return strlen(value) < CONFIG_TEXT_MAX ? ERR_NOMEM : ERR_SYNTAX;
        free(*(char **)at);
        *(char **)at = copy;
        return OK;
    case CONFIG_number:
    case CONFIG_size:
        if (!config_number(row, value, &number))
            return ERR_SYNTAX;
        *(uint64_t *)at = number;
        return OK;
    case CONFIG_flag:
        if (!config_flag(value, &flag))
            return ERR_SYNTAX;
        *(bool *)at = flag;
        return OK;
    }
    return ERR_SYNTAX;
}

enum err config_set(struct config *c, const char *key, const char *value, char *why,
                    size_t why_size)
{
    const struct config_row *row = config_find(key);
    if (row == NULL && config_is_ignored(key)) {
        log_event(LOG_CONFIG_IGNORED, "key=%s", key);
        return OK;
    }
    if (row == NULL) {
        snprintf(why, why_size, "unknown setting '%s'; the nearest is '%s'", key,
                 config_nearest(key));
        return ERR_NOT_FOUND;
    }
    enum err e = config_store(c, row, value);
    if (e == ERR_SYNTAX)
        snprintf(why, why_size, "'%s' is no value for %s (%s)", value, key, row->help);
    if (e == ERR_NOMEM)
        snprintf(why, why_size, "out of memory");
    return e;
}

enum err config_init(struct config *c, char *why, size_t why_size)
{
    static const char *const ENVIRONMENT[][2] = {{"RABBITMQ_DEFAULT_USER", "default_user"},
                                                 {"RABBITMQ_DEFAULT_PASS", "default_pass"},
                                                 {"RABBITMQ_DEFAULT_VHOST", "default_vhost"}};
    memset(c, 0, sizeof(*c));
    enum err e = OK;
    for (size_t i = 0; e == OK && i < CONFIG_N_ROWS; i++) {
        char value[CONFIG_TEXT_MAX];
        const char *quoted = CONFIG_ROWS[i].value;
        size_t n = strlen(quoted);
        bool text = quoted[0] == '"';
        snprintf(value, sizeof(value), "%.*s", (int)(text ? n - 2 : n), text ? quoted + 1 : quoted);
        e = config_set(c, CONFIG_ROWS[i].key, value, why, why_size);
    }
    for (size_t i = 0; e == OK && i < sizeof(ENVIRONMENT) / sizeof(ENVIRONMENT[0]); i++) {
        const char *value = getenv(ENVIRONMENT[i][0]);
        if (value != NULL)
            e = config_set(c, ENVIRONMENT[i][1], value, why, why_size);
    }
    return e;
}

void config_fini(struct config *c)
{
    for (size_t i = 0; i < CONFIG_N_ROWS; i++)
        if (CONFIG_ROWS[i].type == CONFIG_text)
            free(*(char **)(void *)((char *)c + CONFIG_ROWS[i].offset));
}

static char *config_trim(char *s)
{
    while (isspace((unsigned char)*s))
        s++;
    size_t n = strlen(s);
    while (n != 0 && isspace((unsigned char)s[n - 1]))
        s[--n] = 0;
    return s;
}

/* One line of a file; empty ones and comments are fine. */
static enum err config_line(struct config *c, char *line, char *why, size_t why_size)
{
    line[strcspn(line, "#")] = 0;
    char *key = config_trim(line);
    if (*key == 0)
        return OK;
    char *equals = strchr(key, '=');
    if (equals == NULL) {
        snprintf(why, why_size, "'%s' is not of the form key = value", key);
        return ERR_SYNTAX;
    }
    *equals = 0;
    return config_set(c, config_trim(key), config_trim(equals + 1), why, why_size);
}

/* Does the line end within what was read? The rest of a comment is dropped, however long. */
static bool config_is_whole(const char *line, FILE *file)
{
    if (strchr(line, '\n') != NULL || feof(file))
        return true;
    bool comment = line[strspn(line, " \t")] == '#';
    for (int c = 0; comment && c != '\n' && c != EOF;)
        c = fgetc(file);
    return comment;
}

enum err config_load(struct config *c, const char *path, char *why, size_t why_size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        snprintf(why, why_size, "%s: %s", path, strerror(errno));
        return ERR_IO;
    }
    char line[1024];
    char detail[512] = "";
    enum err e = OK;
    for (unsigned n = 1; e == OK && fgets(line, sizeof(line), file) != NULL; n++) {
        if (config_is_whole(line, file)) {
            e = config_line(c, line, detail, sizeof(detail));
        } else {
            snprintf(detail, sizeof(detail), "the line is too long");
            e = ERR_SYNTAX;
        }
        if (e != OK)
            snprintf(why, why_size, "%s:%u: %s", path, n, detail);
    }
    fclose(file);
    return e;
}

void config_print(FILE *to)
{
    for (size_t i = 0; i < CONFIG_N_ROWS; i++)
        fprintf(to, "  %-36s %s%s%s (default %s)\n", CONFIG_ROWS[i].key, CONFIG_ROWS[i].help,
                CONFIG_ROWS[i].unit[0] == 0 ? "" : ", in ", CONFIG_ROWS[i].unit,
                CONFIG_ROWS[i].value);
}
