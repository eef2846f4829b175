// SPDX-License-Identifier: Apache-2.0
/* Any bytes as the body of a record: what is read lies within it, and is written again as it was.
 * The first octet is the kind. */
#include <stdlib.h>
#include <string.h>

#include "storage/entry.h"
#include "tests/fuzz/target.h"

static void inside(struct span part, struct span whole)
{
    ASSERT(part.size == 0 || (part.at >= whole.at && part.at + part.size <= whole.at + whole.size));
}

static void write_again(const struct entry *e, struct span body)
{
    uint8_t *again = malloc(body.size + 1);
    ASSERT(again != NULL && entry_size(e) == body.size);
    uint8_t *bytes = entry_put(again, e, NULL);
    ASSERT((size_t)(bytes - again) + e->bytes.size == body.size);
    struct record r = {.kind = (uint8_t)e->kind, .body = {again, body.size}};
    struct entry got;
    if (e->bytes.size != 0)
        memcpy(bytes, e->bytes.at, e->bytes.size);
    ASSERT(entry_read(&r, &got) && got.n == e->n && span_eq(got.list, e->list));
    ASSERT(span_eq(got.bytes, e->bytes) && got.object == e->object && got.group == e->group);
    free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct record r = {.kind = data[0], .body = span_of(data + 1, size - 1)};
    struct entry e;
    if (!entry_read(&r, &e))
        return 0;
    inside(e.bytes, r.body);
    inside(e.list, r.body);
    for (uint32_t i = 0; e.list.size != 0 && i < e.n; i++)
        (void)entry_pair(&e, i);
    write_again(&e, r.body);
    return 0;
}
