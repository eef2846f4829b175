// SPDX-License-Identifier: Apache-2.0
/* broker/server/inspect_text.h — parts of the lines of `whippet --inspect`.
 *
 * Thread: that of main.   Blocks: on stdout.
 */
#ifndef BROKER_SERVER_INSPECT_TEXT_H
#define BROKER_SERVER_INSPECT_TEXT_H

#include "broker/core/catalogue.h"
#include "storage/inspect.h"

/* " key="bytes"". */
void inspect_put_quoted(const char *key, struct span bytes);

/* " key=2026-01-31T12:00:00.123456789Z". */
void inspect_put_time(const char *key, uint64_t time_ns);

/* Lines of their own. */
void inspect_put_file(const struct inspect_file *f);
void inspect_put_batch(const struct inspect_batch *b);
void inspect_put_record(const struct inspect_record *shown);
void inspect_put_damage(const struct inspect_damage *d);

/* " vhost=... name=... " and so on, up to the arguments. */
void inspect_put_item(const struct catalogue_item *i);

#endif
