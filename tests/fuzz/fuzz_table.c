// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a field table: what table_check passes can be walked to its end, found by name,
 * printed and compared; what is built again from its entries is the same. */
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "tests/fuzz/target.h"

static void walk(struct span table, bool named, unsigned depth, size_t *n)
{
    struct field f;
    ASSERT(depth <= 64);
    while (named ? table_next(&table, &f) : array_next(&table, &f)) {
        int64_t v;
        ASSERT(field_type_name(f.tag) != NULL);
        ASSERT(f.tag == 'f' || f.tag == 'd' || field_eq(&f, &f));
        (void)field_int(&f, &v);
        ++*n;
        if (f.tag == 'F' || f.tag == 'A')
            walk(f.value, f.tag == 'F', depth + 1, n);
    }
    ASSERT(table.size == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span table = span_of(data, size);
    struct field f;
    if (table_check(table) != TABLE_OK) {
        /* Still no step beyond the end. */
        while (table_next(&table, &f))
            ;
        return 0;
    }
    size_t n = 0;
    walk(table, true, 1, &n);
    struct buf again;
    buf_init(&again);
    for (struct span rest = table; table_next(&rest, &f);) {
        struct field found;
        ASSERT(table_find(table, f.name, &found));
        ASSERT(table_add(&again, f.name, f.tag, f.value) == OK);
    }
    ASSERT(span_eq(table, buf_span(&again)));
    buf_fini(&again);
    return 0;
}
