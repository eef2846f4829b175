// SPDX-License-Identifier: Apache-2.0
#include "base/slots.h"

#include "base/rng.h"
#include "tests/base/suite.h"

START_TEST(a_name_means_its_thing_until_it_is_removed)
{
    struct slots s;
    struct slot_id a;
    struct slot_id b;
    int thing_a;
    int thing_b;
    slots_init(&s);
    ck_assert_int_eq(slots_add(&s, &thing_a, &a), OK);
    ck_assert_ptr_eq(slots_at(&s, a), &thing_a);
    slots_remove(&s, a);
    ck_assert_ptr_null(slots_at(&s, a));
    ck_assert_int_eq(slots_add(&s, &thing_b, &b), OK);
    ck_assert_uint_eq(a.index, b.index); /* the index freed last is used first */
    ck_assert_uint_ne(a.generation, b.generation);
    ck_assert_ptr_null(slots_at(&s, a));
    ck_assert_ptr_eq(slots_at(&s, b), &thing_b);
    slots_fini(&s);
}
END_TEST

START_TEST(nothing_has_the_name_of_zeros)
{
    struct slots s;
    struct slot_id id;
    int thing;
    slots_init(&s);
    ck_assert_ptr_null(slots_at(&s, (struct slot_id){0, 0}));
    ck_assert_int_eq(slots_add(&s, &thing, &id), OK);
    ck_assert_ptr_null(slots_at(&s, (struct slot_id){0, 0}));
    ck_assert_ptr_null(slots_at(&s, (struct slot_id){UINT32_MAX, 1}));
    slots_fini(&s);
}
END_TEST

START_TEST(generations_skip_zero_when_they_wrap)
{
    struct slots s;
    struct slot_id id;
    int thing;
    slots_init(&s);
    ck_assert_int_eq(slots_add(&s, &thing, &id), OK);
    s.pages[0][id.index].generation = UINT32_MAX;
    id.generation = UINT32_MAX;
    slots_remove(&s, id);
    ck_assert_int_eq(slots_add(&s, &thing, &id), OK);
    ck_assert_uint_eq(id.generation, 1);
    slots_fini(&s);
}
END_TEST

START_TEST(names_hold_through_any_history)
{
    enum { THINGS = 2000 };
    static struct slot_id ids[THINGS];
    static int things[THINGS];
    static bool in[THINGS];
    struct rng rng = {2};
    struct slots s;
    size_t n = 0;
    slots_init(&s);
    for (int step = 0; step < 10000; step++) {
        size_t i = rng_below(&rng, THINGS);
        ck_assert_ptr_eq(slots_at(&s, ids[i]), in[i] ? &things[i] : NULL);
        if (in[i])
            slots_remove(&s, ids[i]);
        else
            ck_assert_int_eq(slots_add(&s, &things[i], &ids[i]), OK);
        in[i] = !in[i];
        n += in[i] ? 1 : (size_t)-1;
        ck_assert_uint_eq(s.n, n);
    }
    size_t n_walked = 0;
    for (uint32_t i = 0; i < slots_end(&s); i++) {
        uint32_t generation;
        int *thing = slots_at_index(&s, i, &generation);
        if (thing == NULL)
            continue;
        n_walked++;
        struct slot_id id = ids[thing - things];
        ck_assert(id.index == i && id.generation == generation);
    }
    ck_assert_uint_eq(n_walked, n);
    slots_fini(&s);
}
END_TEST

SUITE("slots", a_name_means_its_thing_until_it_is_removed, nothing_has_the_name_of_zeros,
      generations_skip_zero_when_they_wrap, names_hold_through_any_history)
