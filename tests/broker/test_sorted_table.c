// SPDX-License-Identifier: Apache-2.0
/* Sorting is compared with what an insertion into an array by hand gives. */
#include "broker/core/sorted_table.h"

#include "base/rng.h"
#include "tests/broker/routing.h"

START_TEST(entries_come_in_order_of_name)
{
    struct buf b;
    struct sorted_table s;
    buf_init(&b);
    ck_assert_int_eq(sorted_table_init(&s, table_of(&b, "b:I:1 a:S:x ab:V: A:t:1")), OK);
    const char *names[] = {"A", "a", "ab", "b"};
    ck_assert_uint_eq(s.n, 4);
    for (size_t i = 0; i < 4; i++)
        ck_assert(span_eq(s.fields[i].name, span_str(names[i])));
    sorted_table_fini(&s);
    buf_fini(&b);
}
END_TEST

START_TEST(entries_of_one_name_keep_their_order)
{
    struct buf b;
    struct sorted_table s;
    int64_t v = 0;
    buf_init(&b);
    ck_assert_int_eq(sorted_table_init(&s, table_of(&b, "k:I:3 a:I:0 k:I:1 z:I:9 k:I:2")), OK);
    const int64_t wanted[] = {3, 1, 2};
    for (size_t i = 0; i < 3; i++) {
        const struct field *f = sorted_table_find(&s, SPAN_LIT("k"), i);
        ck_assert_ptr_nonnull(f);
        ck_assert(field_int(f, &v));
        ck_assert_int_eq(v, wanted[i]);
    }
    ck_assert_ptr_null(sorted_table_find(&s, SPAN_LIT("k"), 3));
    ck_assert_ptr_null(sorted_table_find(&s, SPAN_LIT("kk"), 0));
    ck_assert_ptr_null(sorted_table_find(&s, SPAN_LIT("zz"), 0));
    ck_assert_ptr_null(sorted_table_find(&s, SPAN_LIT(""), 0));
    sorted_table_fini(&s);
    buf_fini(&b);
}
END_TEST

START_TEST(an_empty_table_has_nothing)
{
    struct sorted_table s;
    struct span sorted;
    uint8_t *copy;
    ck_assert_int_eq(sorted_table_init(&s, SPAN_NONE), OK);
    ck_assert_uint_eq(s.n, 0);
    ck_assert_ptr_null(sorted_table_find(&s, SPAN_LIT("a"), 0));
    sorted_table_fini(&s);
    ck_assert_int_eq(sorted_table_bytes(SPAN_NONE, &sorted, &copy), OK);
    ck_assert_uint_eq(sorted.size, 0);
    ck_assert_ptr_null(copy);
}
END_TEST

START_TEST(a_table_in_order_is_not_copied)
{
    struct buf b;
    struct span sorted;
    uint8_t *copy;
    buf_init(&b);
    struct span table = table_of(&b, "a:I:1 a:I:0 b:S:x");
    ck_assert_int_eq(sorted_table_bytes(table, &sorted, &copy), OK);
    ck_assert_ptr_null(copy);
    ck_assert_ptr_eq(sorted.at, table.at);
    ck_assert_uint_eq(sorted.size, table.size);
    buf_fini(&b);
}
END_TEST

START_TEST(the_same_entries_in_another_order_give_the_same_bytes)
{
    struct buf a;
    struct buf b;
    struct span sorted;
    uint8_t *copy;
    buf_init(&a);
    buf_init(&b);
    struct span wanted = table_of(&a, "a:V: b:S:x c:l:7");
    ck_assert_int_eq(sorted_table_bytes(table_of(&b, "c:l:7 a:V: b:S:x"), &sorted, &copy), OK);
    ck_assert_ptr_nonnull(copy);
    ck_assert(span_eq(sorted, wanted));
    free(copy);
    buf_fini(&a);
    buf_fini(&b);
}
END_TEST

/* Tables of every size around the point where entries move to the heap, with few different names.
 */
START_TEST(random_tables_sort_like_an_insertion_by_hand)
{
    struct rng rng = {7};
    for (unsigned round = 0; round < 400; round++) {
        struct buf b;
        struct sorted_table s;
        struct field wanted[64];
        size_t n = 0;
        buf_init(&b);
        for (size_t left = rng_below(&rng, 40); left != 0; left--) {
            char name[8];
            uint8_t value[4];
            snprintf(name, sizeof(name), "%u", (unsigned)rng_below(&rng, 30));
            put_u32(value, (uint32_t)left);
            ck_assert_int_eq(table_add(&b, span_str(name), 'I', span_of(value, 4)), OK);
        }
        struct field f;
        for (struct span rest = buf_span(&b); table_next(&rest, &f);) {
            size_t at = n++;
            for (; at != 0 && span_cmp(wanted[at - 1].name, f.name) > 0; at--)
                wanted[at] = wanted[at - 1];
            wanted[at] = f;
        }
        ck_assert_int_eq(sorted_table_init(&s, buf_span(&b)), OK);
        ck_assert_uint_eq(s.n, n);
        for (size_t i = 0; i < n; i++)
            ck_assert_ptr_eq(s.fields[i].name.at, wanted[i].name.at);
        sorted_table_fini(&s);
        buf_fini(&b);
    }
}
END_TEST

WORLD_MAIN("sorted_table", entries_come_in_order_of_name, entries_of_one_name_keep_their_order,
           an_empty_table_has_nothing, a_table_in_order_is_not_copied,
           the_same_entries_in_another_order_give_the_same_bytes,
           random_tables_sort_like_an_insertion_by_hand)
