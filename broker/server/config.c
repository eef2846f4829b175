// SPDX-License-Identifier: Apache-2.0
#include "broker/server/config.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/span.h"

enum config_type { CONFIG_text, CONFIG_word, CONFIG_number, CONFIG_size, CONFIG_part, CONFIG_flag };

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

#define LISTENERS_TCP "listeners.tcp."

/* What RabbitMQ knows of a place that logs go to, and of a category of them. */
#define LOG_PLACE(place) \
    "log." place, "log." place ".level", "log." place ".formatter", "log." place ".formatter."
#define LOG_CATEGORY(category) \
    "log." category ".level", "log." category ".file", "log." category ".rotation."

/* Keys of RabbitMQ that have no meaning here; a final dot stands for everything below. */
static const char *const CONFIG_IGNORED[] = {"collect_statistics",
                                             "collect_statistics_interval",
                                             "cluster_formation.",
                                             "cluster_name",
                                             "cluster_partition_handling",
                                             "cluster_keepalive_interval",
                                             "disk_free_limit.",
                                             LOG_PLACE("console"),
                                             "log.console.stdio",
                                             "log.console.use_colors",
                                             "log.console.color_esc_seqs.",
                                             LOG_PLACE("file"),
                                             "log.file.rotation.",
                                             LOG_PLACE("exchange"),
                                             "log.journald",
                                             "log.journald.level",
                                             "log.journald.fields",
                                             "log.syslog",
                                             "log.syslog.",
                                             "log.dir",
                                             LOG_CATEGORY("connection"),
                                             LOG_CATEGORY("channel"),
                                             LOG_CATEGORY("mirroring"),
                                             LOG_CATEGORY("queue"),
                                             LOG_CATEGORY("federation"),
                                             LOG_CATEGORY("upgrade"),
                                             LOG_CATEGORY("ra"),
                                             LOG_CATEGORY("default"),
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

/* Listeners may have any name. */
static bool config_is_listener(const char *key)
{
    size_t n = strlen(LISTENERS_TCP);
    return strncmp(key, LISTENERS_TCP, n) == 0 && key[n] != 0;
}

static const struct config_row *config_find(const char *key)
{
    if (config_is_listener(key))
        key = LISTENERS_TCP "default";
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

/* NULL when none is near. */
static const char *config_nearest(const char *key)
{
    const char *nearest = NULL;
    size_t least = strlen(key) / 3 + 1;
    for (size_t i = 0; i < CONFIG_N_ROWS; i++) {
        size_t distance = config_distance(key, CONFIG_ROWS[i].key);
        if (distance < least) {
            nearest = CONFIG_ROWS[i].key;
            least = distance;
        }
    }
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

/* A part of 1, in digits and with at most one point; the result is in percent. */
static bool config_part(const struct config_row *row, const char *value, uint64_t *out)
{
    char *end;
    if (value[0] == 0 || value[strspn(value, "0123456789.")] != 0)
        return false;
    double part = strtod(value, &end);
    if (*end != 0 || !(part >= 0 && part <= 1))
        return false;
    *out = (uint64_t)(part * 100 + 0.5);
    return *out >= row->least && *out <= row->most;
}

/* One of the words in "this, that or another". */
static bool config_word(const struct config_row *row, const char *value)
{
    size_t n = strlen(value);
    for (const char *at = row->unit; n != 0 && (at = strstr(at, value)) != NULL; at++)
        if ((at == row->unit || at[-1] == ' ') && (at[n] == ',' || at[n] == ' ' || at[n] == 0))
            return strcmp(value, "or") != 0;
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
    case CONFIG_word:
    case CONFIG_text:
        if (row->type == CONFIG_word && !config_word(row, value))
            return ERR_SYNTAX;
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
    case CONFIG_part:
        if (!config_part(row, value, &number))
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

/* What a row takes, for a refusal. */
static void config_print_range(const struct config_row *row, char *out, size_t size)
{
    const char *bytes = "bytes, or with k, M, G, kB, MB, GB, …";
    unsigned long long least = row->least;
    unsigned long long most = row->most;
    switch (row->type) {
    case CONFIG_text: snprintf(out, size, "at most %d bytes", CONFIG_TEXT_MAX - 1); break;
    case CONFIG_word: snprintf(out, size, "%s", row->unit); break;
    case CONFIG_number:
        snprintf(out, size, row->unit[0] == 0 ? "%llu to %llu" : "%llu to %llu (%s)", least, most,
                 row->unit);
        break;
    case CONFIG_size:
        if (row->most == UINT64_MAX)
            snprintf(out, size, "%s", bytes);
        else
            snprintf(out, size, "%llu to %llu (%s)", least, most, bytes);
        break;
    case CONFIG_part:
        snprintf(out, size, "a part of the whole: %.2f to %llu", (double)least / 100, most / 100);
        break;
    case CONFIG_flag: snprintf(out, size, "true or false"); break;
    }
}

static enum err config_refuse(const char *key, const char *value, const char *range, char *why,
                              size_t why_size)
{
    /* What is too long is not worth repeating, and may be a password. */
    if (strlen(value) >= CONFIG_TEXT_MAX)
        snprintf(why, why_size, "the value for %s is too long: it takes %s", key, range);
    else
        snprintf(why, why_size, "'%s' is no value for %s: it takes %s", value, key, range);
    return ERR_SYNTAX;
}

static enum err config_refuse_key(const char *key, char *why, size_t why_size)
{
    const char *nearest = config_nearest(key);
    if (nearest == NULL)
        snprintf(why, why_size, "unknown setting '%s'", key);
    else
        snprintf(why, why_size, "unknown setting '%s'; the nearest is '%s'", key, nearest);
    return ERR_NOT_FOUND;
}

enum err config_set(struct config *c, const char *key, const char *value, char *why,
                    size_t why_size)
{
    const struct config_row *row = config_find(key);
    if (row == NULL && config_is_ignored(key)) {
        log_event(LOG_CONFIG_IGNORED, "key=%s", key);
        return OK;
    }
    if (strcmp(key, "loopback_users") == 0) {
        if (strcmp(value, "none") != 0)
            return config_refuse(key, value, "none", why, why_size);
        c->guest_loopback_only = false;
        return OK;
    }
    if (row == NULL)
        return config_refuse_key(key, why, why_size);
    char range[128];
    config_print_range(row, range, sizeof(range));
    enum err e = config_store(c, row, value);
    if (e == ERR_SYNTAX)
        return config_refuse(key, value, range, why, why_size);
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
        if (CONFIG_ROWS[i].type == CONFIG_text || CONFIG_ROWS[i].type == CONFIG_word)
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

/* A file may give its listener any name, but there is one only: `before` holds its name. */
static enum err config_one_listener(const char *key, char before[CONFIG_TEXT_MAX], char *why,
                                    size_t why_size)
{
    if (!config_is_listener(key) || strcmp(key, before) == 0)
        return OK;
    if (before[0] != 0 || strlen(key) >= CONFIG_TEXT_MAX) {
        snprintf(why, why_size, "%s is a second listener after %s: there can be one only", key,
                 before);
        return ERR_SYNTAX;
    }
    memcpy(before, key, strlen(key) + 1);
    return OK;
}

/* One line of a file; empty ones and comments are fine. */
static enum err config_line(struct config *c, char *line, char listener[CONFIG_TEXT_MAX], char *why,
                            size_t why_size)
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
    key = config_trim(key);
    enum err e = config_one_listener(key, listener, why, why_size);
    return e == OK ? config_set(c, key, config_trim(equals + 1), why, why_size) : e;
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
        snprintf(why, why_size, "config file %s: %s", path, strerror(errno));
        return ERR_IO;
    }
    char line[1024];
    char listener[CONFIG_TEXT_MAX] = "";
    char detail[512] = "";
    enum err e = OK;
    for (unsigned n = 1; e == OK && fgets(line, sizeof(line), file) != NULL; n++) {
        if (config_is_whole(line, file)) {
            e = config_line(c, line, listener, detail, sizeof(detail));
        } else {
            snprintf(detail, sizeof(detail), "the line is too long");
            e = ERR_SYNTAX;
        }
        if (e != OK)
            snprintf(why, why_size, "%s:%u: %s", path, n, detail);
    }
    if (e == OK && ferror(file)) {
        snprintf(why, why_size, "config file %s: %s", path, strerror(errno));
        e = ERR_IO;
    }
    fclose(file);
    return e;
}

void config_print(FILE *to)
{
    for (size_t i = 0; i < CONFIG_N_ROWS; i++)
        fprintf(to, "  %-36s %s%s%s (default %s)\n", CONFIG_ROWS[i].key, CONFIG_ROWS[i].help,
                CONFIG_ROWS[i].unit[0] == 0          ? ""
                : CONFIG_ROWS[i].type == CONFIG_word ? ": "
                                                     : ", in ",
                CONFIG_ROWS[i].unit, CONFIG_ROWS[i].value);
}
