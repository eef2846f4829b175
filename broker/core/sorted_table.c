// SPDX-License-Identifier: Apache-2.0
#include "broker/core/sorted_table.h"

#include <stdlib.h>

#include "base/bytes.h"

/* A total order: entries of one table and one name are told apart by where they stand in it. */
static int sorted_table_cmp(const void *a, const void *b)
{
    const struct field *fa = a;
    const struct field *fb = b;
    int names = span_cmp(fa->name, fb->name);
    if (names != 0)
        return names;
    return (fa->name.at > fb->name.at) - (fa->name.at < fb->name.at);
}

enum err sorted_table_init(struct sorted_table *s, struct span table)
{
    struct field f;
    size_t n = 0;
    for (struct span rest = table; table_next(&rest, &f); n++)
        if (n < SORTED_TABLE_FEW)
            s->few[n] = f;
    s->n = n;
    s->fields = s->few;
    if (n > SORTED_TABLE_FEW) {
        s->fields = malloc(n * sizeof(struct field));
        if (s->fields == NULL)
            return ERR_NOMEM;
        n = 0;
        for (struct span rest = table; table_next(&rest, &f); n++)
            s->fields[n] = f;
    }
    if (s->n > 1)
        qsort(s->fields, s->n, sizeof(struct field), sorted_table_cmp);
    return OK;
}

void sorted_table_fini(struct sorted_table *s)
{
    if (s->fields != s->few)
        free(s->fields);
    s->fields = s->few;
    s->n = 0;
}

const struct field *sorted_table_find(const struct sorted_table *s, struct span name, size_t nth)
{
    size_t low = 0;
    for (size_t high = s->n; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (span_cmp(s->fields[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (nth >= s->n - low || !span_eq(s->fields[low + nth].name, name))
        return NULL;
    return &s->fields[low + nth];
}

static bool sorted_table_in_order(struct span table)
{
    struct field f;
    struct span last = SPAN_NONE;
    while (table_next(&table, &f)) {
        if (span_cmp(last, f.name) > 0)
            return false;
        last = f.name;
    }
    return true;
}

/* From the name's length octet to the end of the value. */
static struct span sorted_table_entry(const struct field *f)
{
    const uint8_t *start = f->name.at - 1;
    return span_of(start, (size_t)(f->value.at + f->value.size - start));
}

enum err sorted_table_bytes(struct span table, struct span *sorted, uint8_t **copy)
{
    *copy = NULL;
    *sorted = table;
    if (sorted_table_in_order(table))
        return OK;
    struct sorted_table s;
    if (sorted_table_init(&s, table) != OK)
        return ERR_NOMEM;
    uint8_t *p = *copy = malloc(table.size);
    for (size_t i = 0; p != NULL && i < s.n; i++)
        p = put_bytes(p, sorted_table_entry(&s.fields[i]));
    sorted_table_fini(&s);
    if (*copy == NULL)
        return ERR_NOMEM;
    *sorted = span_of(*copy, table.size);
    return OK;
}
