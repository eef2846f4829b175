// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "base/log_limit.h"

static _Atomic int log_level_max = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_max, (int)level, memory_order_relaxed);
}

/* Texts hold names that peers chose: none may end the line or steer a terminal. */
static void log_tame(char *text)
{
    for (; *text != 0; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

static const struct {
    const char *name;
    enum log_level level;
    uint32_t per_second;
} LOG_ROWS[] = {
#define LOG_ROW(id, level, per_second, meaning) [id] = {#id, LOG_LEVEL_##level, per_second},
    LOG_EVENTS(LOG_ROW)
#undef LOG_ROW
};

static struct log_limit log_limits[LOG_EVENT_COUNT];

static void log_write(enum log_id id, const char *text)
{
    static const char *const LEVELS[] = {"error", "warn", "info", "debug"};
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    fprintf(stderr, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s %s\n", utc.tm_year + 1900,
            utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000,
            LEVELS[LOG_ROWS[id].level], LOG_ROWS[id].name, text);
}

static bool log_may_write(enum log_id id, uint32_t n_lines, uint32_t now_s)
{
    struct log_verdict v = log_limit_ask(&log_limits[id], LOG_ROWS[id].per_second, now_s, n_lines);
    if (v.suppressed != 0) {
        char text[32];
        snprintf(text, sizeof(text), "suppressed=%" PRIu32, v.suppressed);
        log_write(id, text);
    }
    return v.written;
}

void log_event(enum log_id id, const char *format, ...)
{
    if ((int)LOG_ROWS[id].level > atomic_load_explicit(&log_level_max, memory_order_relaxed))
        return;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    uint32_t now_s = (uint32_t)now.tv_sec;
    /* Also of the others: the last of a flood may be followed by none of its kind. */
    for (int other = 0; other < LOG_EVENT_COUNT; other++)
        log_may_write((enum log_id)other, 0, now_s);
    if (!log_may_write(id, 1, now_s))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_tame(text);
    log_write(id, text);
}
