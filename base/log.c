// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

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

void log_event(enum log_id id, const char *format, ...)
{
#define LOG_ROW(id, level, meaning) [id] = {#id, LOG_LEVEL_##level},
    static const struct {
        const char *name;
        enum log_level level;
    } EVENTS[] = {LOG_EVENTS(LOG_ROW)};
#undef LOG_ROW
    static const char *const LEVELS[] = {"error", "warn", "info", "debug"};
    if ((int)EVENTS[id].level > atomic_load_explicit(&log_level_max, memory_order_relaxed))
        return;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    log_tame(text);
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    fprintf(stderr, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ %s %s %s\n", utc.tm_year + 1900,
            utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, now.tv_nsec / 1000000,
            LEVELS[EVENTS[id].level], EVENTS[id].name, text);
}
