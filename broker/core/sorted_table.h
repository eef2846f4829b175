// SPDX-License-Identifier: Apache-2.0
/* broker/core/sorted_table.h — the entries of a field table in order of their names.
 *
 * Order is by the bytes of the name; entries of one name keep the order of the table. Two tables
 * are the same arguments to RabbitMQ when their sorted entries are the same, and in a sorted table
 * a name is found in O(log n), however many entries a peer sends.
 *
 * Only the top level is sorted. The tables must have passed table_check.
 *
 * Thread: any.   Blocks: never.   Allocates: sorted_table_init and sorted_table_bytes, for more
 * than a few entries.
 */
#ifndef BROKER_CORE_SORTED_TABLE_H
#define BROKER_CORE_SORTED_TABLE_H

#include "amqp/table.h"
#include "base/assert.h"
#include "base/err.h"

enum { SORTED_TABLE_FEW = 16 };

/* Borrows the table. May not be moved while in use. */
struct sorted_table {
    struct field *fields; /* `few`, or on the heap */
    size_t n;
    struct field few[SORTED_TABLE_FEW];
};

/* ERR_NOMEM, after which there is nothing to fini. */
MUST_USE enum err sorted_table_init(struct sorted_table *s, struct span table);
void sorted_table_fini(struct sorted_table *s);

/* The entry number `nth` (from 0) of that name, or NULL. */
const struct field *sorted_table_find(const struct sorted_table *s, struct span name, size_t nth);

/* The bytes of `table` with its entries sorted. `*copy` is what the caller frees afterwards: NULL
 * when the table was in order already, and then `*sorted` is the table itself. ERR_NOMEM. */
MUST_USE enum err sorted_table_bytes(struct span table, struct span *sorted, uint8_t **copy);

#endif
