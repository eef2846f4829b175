// SPDX-License-Identifier: Apache-2.0
/* base/log.h — one line per event: time, level, id, key=value.
 *
 * Ids are an interface: tests and operators match on them. No secrets and no bodies go in. Lines go
 * to stderr. How many of one id are written in a second is limited by its row; the next line that
 * is written after the second is preceded by "suppressed=N" of that id.
 *
 * Thread: any.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/log_events.def"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

#define LOG_ENUM(id, level, per_second, meaning) id,
enum log_id { LOG_EVENTS(LOG_ENUM) LOG_EVENT_COUNT };
#undef LOG_ENUM

/* Only lines up to this level are written. */
void log_set_level(enum log_level level);

__attribute__((format(printf, 2, 3))) void log_event(enum log_id id, const char *format, ...);

#endif
