// SPDX-License-Identifier: Apache-2.0
/* broker/server/config.h — settings, from one table: config.def.
 *
 * Later words win: defaults, environment (RABBITMQ_DEFAULT_USER, _PASS, _VHOST), file, command
 * line. A file has RabbitMQ's form: `key = value` lines, # comments. An unknown key is an error
 * that names file, line and the nearest key, if one is near; a key of RabbitMQ that has no meaning
 * here is accepted with a warning. `listeners.tcp.` may be followed by any name, as in RabbitMQ.
 *
 * Thread: main, before any other starts.
 */
#ifndef BROKER_SERVER_CONFIG_H
#define BROKER_SERVER_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/assert.h"
#include "base/err.h"
#include "broker/server/config.def"

enum { CONFIG_TEXT_MAX = 256 };

#define CONFIG_TYPE_text                                                char *
#define CONFIG_TYPE_word                                                char *
#define CONFIG_TYPE_number                                              uint64_t
#define CONFIG_TYPE_size                                                uint64_t
#define CONFIG_TYPE_part                                                uint64_t
#define CONFIG_TYPE_flag                                                bool
#define CONFIG_MEMBER(type, field, key, value, least, most, unit, help) CONFIG_TYPE_##type field;
struct config {
    CONFIG(CONFIG_MEMBER) /* texts are owned */
};
#undef CONFIG_MEMBER

/* Defaults and environment. ERR_NOMEM, ERR_SYNTAX (in an environment variable). */
MUST_USE enum err config_init(struct config *c, char *why, size_t why_size);
void config_fini(struct config *c);

/* One setting. ERR_NOT_FOUND: no such key; ERR_SYNTAX: not such a value; ERR_NOMEM. `why` says what
 * is wrong. */
MUST_USE enum err config_set(struct config *c, const char *key, const char *value, char *why,
                             size_t why_size);

/* A file. ERR_IO, and those of config_set with file and line in `why`; ERR_SYNTAX also for a second
 * listener in it. */
MUST_USE enum err config_load(struct config *c, const char *path, char *why, size_t why_size);

/* The table, for --help. */
void config_print(FILE *to);

#endif
