// SPDX-License-Identifier: Apache-2.0
/* Every row of methods.def, filled from a seed. */
#include "amqp/method.h"

#include <string.h>

#include "base/bytes.h"
#include "base/rng.h"
#include "tests/base/suite.h"

static const char TEXT[] = "the quick brown fox jumps over the lazy dog";

static void fill_field(struct method *m, const struct method_field *f, struct rng *rng)
{
    void *at = (uint8_t *)m + f->offset;
    uint64_t number = rng_next(rng);
    switch (f->type) {
    case METHOD_TYPE_octet: *(uint8_t *)at = (uint8_t)number; break;
    case METHOD_TYPE_shortu: *(uint16_t *)at = (uint16_t)number; break;
    case METHOD_TYPE_longu: *(uint32_t *)at = (uint32_t)number; break;
    case METHOD_TYPE_longlongu: *(uint64_t *)at = number; break;
    case METHOD_TYPE_bit: *(bool *)at = number & 1; break;
    case METHOD_TYPE_shortstr:
    case METHOD_TYPE_longstr: *(struct span *)at = span_of(TEXT, number % sizeof(TEXT)); break;
    case METHOD_TYPE_table:
        *(struct span *)at = number % 2 == 0 ? SPAN_NONE : SPAN_LIT("\1kV\1lI\0\0\0\1");
    }
}

static void fill(struct method *m, enum method_id id, struct rng *rng)
{
    size_t n;
    const struct method_field *fields = method_fields(id, &n);
    memset(m, 0, sizeof(*m));
    m->id = id;
    for (size_t i = 0; i < n; i++)
        fill_field(m, &fields[i], rng);
}

static bool same_field(const struct method *a, const struct method *b, const struct method_field *f)
{
    const void *at = (const uint8_t *)a + f->offset;
    const void *bt = (const uint8_t *)b + f->offset;
    switch (f->type) {
    case METHOD_TYPE_octet: return *(const uint8_t *)at == *(const uint8_t *)bt;
    case METHOD_TYPE_shortu: return *(const uint16_t *)at == *(const uint16_t *)bt;
    case METHOD_TYPE_longu: return *(const uint32_t *)at == *(const uint32_t *)bt;
    case METHOD_TYPE_longlongu: return *(const uint64_t *)at == *(const uint64_t *)bt;
    case METHOD_TYPE_bit: return *(const bool *)at == *(const bool *)bt;
    case METHOD_TYPE_shortstr:
    case METHOD_TYPE_longstr:
    case METHOD_TYPE_table: return span_eq(*(const struct span *)at, *(const struct span *)bt);
    }
    return false;
}

START_TEST(every_method_survives_the_wire)
{
    struct rng rng = {1};
    for (enum method_id id = METHOD_NONE + 1; id < METHOD_COUNT; id++) {
        for (int round = 0; round < 50; round++) {
            struct method m;
            struct method back;
            struct fault f;
            uint8_t payload[2048];
            size_t n;
            const struct method_field *fields = method_fields(id, &n);
            fill(&m, id, &rng);
            uint8_t *end = method_encode(payload, &m);
            bool right = method_size(&m) == (size_t)(end - payload) &&
                         method_decode(span_of(payload, method_size(&m)), &back, &f) == NULL &&
                         back.id == id && f.class_id == method_info(id)->class_id &&
                         f.method_id == method_info(id)->method_id;
            for (size_t i = 0; right && i < n; i++)
                right = same_field(&m, &back, &fields[i]);
            if (!right)
                ck_abort_msg("%s", method_info(id)->name);
        }
    }
}
END_TEST

START_TEST(every_prefix_and_every_surplus_is_refused)
{
    struct rng rng = {2};
    for (enum method_id id = METHOD_NONE + 1; id < METHOD_COUNT; id++) {
        struct method m;
        struct method back;
        struct fault f;
        uint8_t payload[2048];
        fill(&m, id, &rng);
        size_t size = (size_t)(method_encode(payload, &m) - payload);
        payload[size] = 0;
        for (size_t n = 0; n <= size + 1; n++) {
            uint8_t *copy = malloc(n + (n == 0));
            put_bytes(copy, span_of(payload, n));
            const struct reply *bad = method_decode(span_of(copy, n), &back, &f);
            free(copy);
            if ((bad == NULL) != (n == size) || (bad != NULL && bad->scope != SCOPE_CONNECTION))
                ck_abort_msg("%s with %zu of %zu bytes", method_info(id)->name, n, size);
        }
    }
}
END_TEST

START_TEST(only_the_methods_of_the_table_are_known)
{
    unsigned n_known = 0;
    for (unsigned class_id = 0; class_id < 65536; class_id += class_id < 300 ? 1 : 97)
        for (unsigned method_id = 0; method_id < 600; method_id++) {
            enum method_id id = method_lookup((uint16_t)class_id, (uint16_t)method_id);
            const struct method_info *info = method_info(id);
            if (id == METHOD_NONE)
                continue;
            n_known++;
            if (info->class_id != class_id || info->method_id != method_id ||
                method_by_name(span_str(info->name)) != id)
                ck_abort_msg("%u.%u is %s", class_id, method_id, info->name);
        }
    ck_assert_uint_eq(n_known, METHOD_COUNT - 1);
    ck_assert_int_eq(method_by_name(SPAN_LIT("queue_dance")), METHOD_NONE);
    struct method m;
    struct fault f;
    const struct reply *bad = method_decode(SPAN_LIT("\0\x3c\0\x63"), &m, &f);
    ck_assert_ptr_eq(bad, REPLY_COMMAND_INVALID);
    ck_assert_uint_eq(f.class_id, 60);
    ck_assert_uint_eq(f.method_id, 99);
}
END_TEST

START_TEST(bits_share_an_octet)
{
    struct method m = {.id = METHOD_queue_declare};
    m.queue_declare.passive = true;
    m.queue_declare.exclusive = true;
    m.queue_declare.no_wait = true;
    uint8_t payload[32];
    uint8_t *end = method_encode(payload, &m);
    ck_assert(span_eq(span_of(payload, (size_t)(end - payload)),
                      SPAN_LIT("\0\x32\0\x0a\0\0\0\x15\0\0\0\0")));
}
END_TEST

START_TEST(a_malformed_table_is_refused)
{
    struct method m;
    struct fault f;
    const struct reply *bad = method_decode(SPAN_LIT("\0\x32\0\x0a\0\0\1q\0\0\0\0\3\1k?"), &m, &f);
    ck_assert_ptr_nonnull(bad);
    ck_assert_int_eq(bad->scope, SCOPE_CONNECTION);
    ck_assert_uint_eq(f.class_id, 50);
    ck_assert_uint_eq(f.method_id, 10);
}
END_TEST

SUITE("method", every_method_survives_the_wire, every_prefix_and_every_surplus_is_refused,
      only_the_methods_of_the_table_are_known, bits_share_an_octet, a_malformed_table_is_refused)
