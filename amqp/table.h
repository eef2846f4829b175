// SPDX-License-Identifier: Apache-2.0
/* amqp/table.h — field tables in RabbitMQ's dialect, read where they lie.
 *
 * A table here is the run of its entries, without the 32-bit length in front. Nothing is built:
 * table_check proves once that the bytes are well-formed and within bounds, afterwards table_next
 * and array_next walk them. Type tags (0-9-1 §4.2.5.5 as RabbitMQ reads them):
 *
 *   t bool   b int8   B uint8   s int16   u uint16   I int32   i uint32   l L int64   f float
 *   d double   D decimal   S long string   x bytes   A array   T timestamp   F table   V void
 *
 * Thread: any.   Blocks: never.   Allocates: table_add* only.
 */
#ifndef AMQP_TABLE_H
#define AMQP_TABLE_H

#include "base/buf.h"
#include "base/span.h"

enum table_verdict { TABLE_OK, TABLE_MALFORMED, TABLE_TOO_DEEP, TABLE_TOO_LONG };

struct field {
    struct span name; /* empty in arrays */
    char tag;
    struct span value; /* of S, x, A and F: without the length in front */
};

/* Is every entry, at every depth, well-formed and inside the limits (base/limits.h)? */
enum table_verdict table_check(struct span table);

/* Takes the next entry off the front of `*table`, which table_check has passed. False at the end.
 */
bool table_next(struct span *table, struct field *f);

/* The same for the elements of an array's value. */
bool array_next(struct span *array, struct field *f);

/* The first entry of that name. */
bool table_find(struct span table, struct span name, struct field *f);

/* True for b B s u I i l L; then `*v` is the value. */
bool field_int(const struct field *f, int64_t *v);

/* RabbitMQ's name for the type, as its reply texts print it: "longstr", "signedint", "bool" … */
const char *field_type_name(char tag);

/* Equal as RabbitMQ compares: integers by value whatever their width; a float only with a float;
 * strings, bytes and the rest byte by byte with their kind. */
bool field_eq(const struct field *a, const struct field *b);

/* Appends an entry to a table being built in `b`. ERR_NOMEM. */
MUST_USE enum err table_add(struct buf *b, struct span name, char tag, struct span value);

/* Writers for the commonest kinds. ERR_NOMEM. */
MUST_USE enum err table_add_longstr(struct buf *b, struct span name, struct span value);
MUST_USE enum err table_add_bool(struct buf *b, struct span name, bool value);

#endif
