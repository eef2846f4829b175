// SPDX-License-Identifier: Apache-2.0
#include "amqp/table.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"
#include "tests/base/suite.h"

/* One entry of every type, by hand. */
static const struct {
    char tag;
    struct span bytes; /* as on the wire, behind the tag */
    const char *name;
} KINDS[] = {
    {'t', {(const uint8_t *)"\1", 1}, "bool"},
    {'b', {(const uint8_t *)"\xfe", 1}, "byte"},
    {'B', {(const uint8_t *)"\xfe", 1}, "unsignedbyte"},
    {'s', {(const uint8_t *)"\xff\xfe", 2}, "short"},
    {'u', {(const uint8_t *)"\xff\xfe", 2}, "unsignedshort"},
    {'I', {(const uint8_t *)"\xff\xff\xff\xfe", 4}, "signedint"},
    {'i', {(const uint8_t *)"\xff\xff\xff\xfe", 4}, "unsignedint"},
    {'l', {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xfe", 8}, "long"},
    {'L', {(const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xfe", 8}, "long"},
    {'f', {(const uint8_t *)"\x3f\xc0\0\0", 4}, "float"},
    {'d', {(const uint8_t *)"\x3f\xf8\0\0\0\0\0\0", 8}, "double"},
    {'D', {(const uint8_t *)"\2\0\0\1\0", 5}, "decimal"},
    {'S', {(const uint8_t *)"\0\0\0\3abc", 7}, "longstr"},
    {'x', {(const uint8_t *)"\0\0\0\3\0\1\2", 7}, "binary"},
    {'A', {(const uint8_t *)"\0\0\0\3t\1V", 7}, "array"},
    {'T', {(const uint8_t *)"\0\0\0\0\x60\0\0\0", 8}, "timestamp"},
    {'F', {(const uint8_t *)"\0\0\0\3\1kV", 7}, "table"},
    {'V', {(const uint8_t *)"", 0}, "void"},
};
enum { N_KINDS = sizeof(KINDS) / sizeof(KINDS[0]) };

static uint8_t bytes[1 << 20];

/* All kinds, named "k0", "k1" … */
static struct span all_kinds(void)
{
    uint8_t *p = bytes;
    for (size_t i = 0; i < N_KINDS; i++) {
        char name[8];
        snprintf(name, sizeof(name), "k%zu", i);
        p = put_u8(put_shortstr(p, span_str(name)), (uint8_t)KINDS[i].tag);
        p = put_bytes(p, KINDS[i].bytes);
    }
    return span_of(bytes, (size_t)(p - bytes));
}

START_TEST(every_kind_is_known_and_found)
{
    struct span table = all_kinds();
    ck_assert_int_eq(table_check(table), TABLE_OK);
    for (size_t i = 0; i < N_KINDS; i++) {
        char name[8];
        struct field f;
        snprintf(name, sizeof(name), "k%zu", i);
        ck_assert(table_find(table, span_str(name), &f));
        ck_assert_int_eq(f.tag, KINDS[i].tag);
        ck_assert_str_eq(field_type_name(f.tag), KINDS[i].name);
        bool prefixed = strchr("SxAF", f.tag) != NULL;
        ck_assert_uint_eq(f.value.size, KINDS[i].bytes.size - (prefixed ? 4 : 0));
    }
    struct field f;
    ck_assert(!table_find(table, SPAN_LIT("k99"), &f));
    ck_assert_int_eq(table_check(SPAN_NONE), TABLE_OK);
}
END_TEST

/* Cut anywhere but between two entries, a table is malformed. */
START_TEST(every_prefix_is_whole_or_malformed)
{
    struct span table = all_kinds();
    bool at_entry[1024] = {[0] = true};
    struct span rest = table;
    for (struct field f; table_next(&rest, &f);)
        at_entry[table.size - rest.size] = true;
    for (size_t n = 0; n <= table.size; n++) {
        uint8_t *copy = malloc(n + (n == 0));
        put_bytes(copy, span_of(table.at, n));
        enum table_verdict v = table_check(span_of(copy, n));
        free(copy);
        ck_assert_msg(v == (at_entry[n] ? TABLE_OK : TABLE_MALFORMED), "cut at %zu", n);
    }
}
END_TEST

START_TEST(unknown_tags_are_malformed)
{
    for (unsigned tag = 0; tag < 256; tag++) {
        uint8_t table[16] = {1, 'k', (uint8_t)tag};
        bool known = false;
        for (size_t i = 0; i < N_KINDS; i++)
            known = known || KINDS[i].tag == (char)tag;
        if (!known)
            ck_assert_msg(table_check(span_of(table, sizeof(table))) == TABLE_MALFORMED, "tag %u",
                          tag);
    }
    ck_assert_str_eq(field_type_name('?'), "unknown");
    ck_assert_str_eq(field_type_name((char)0xff), "unknown");
}
END_TEST

START_TEST(hostile_lengths_are_malformed)
{
    const struct span wrong[] = {
        SPAN_LIT("\xff"),                  /* a name without bytes */
        SPAN_LIT("\1kS\xff\xff\xff\xff"),  /* a string beyond the end */
        SPAN_LIT("\1kF\0\0\0\4\3kkk"),     /* a table cut inside a name */
        SPAN_LIT("\1kF\0\0\0\2\1k\1xV"),   /* its entry goes on behind its end */
        SPAN_LIT("\1kA\0\0\0\2I\0\0\0\1"), /* likewise of an array */
        SPAN_LIT("\1kA\x80\0\0\0V"),
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        ck_assert_msg(table_check(wrong[i]) == TABLE_MALFORMED, "case %zu", i);
}
END_TEST

/* `depth` tables (or arrays) inside each other, the outermost included. */
static struct span nested(unsigned depth, char tag)
{
    uint8_t *end = bytes + sizeof(bytes);
    uint8_t *p = end;
    for (unsigned i = 1; i < depth; i++) {
        uint32_t size = (uint32_t)(end - p);
        bool named = tag == 'F' || i + 1 == depth;
        p -= named ? 7 : 5;
        uint8_t *at = named ? put_bytes(p, SPAN_LIT("\1k")) : p;
        put_u32(put_u8(at, (uint8_t)tag), size);
    }
    return span_of(p, (size_t)(end - p));
}

START_TEST(depth_is_bounded)
{
    for (int i = 0; i < 2; i++) {
        char tag = i == 0 ? 'F' : 'A';
        ck_assert_int_eq(table_check(nested(TABLE_DEPTH_MAX, tag)), TABLE_OK);
        ck_assert_int_eq(table_check(nested(TABLE_DEPTH_MAX + 1, tag)), TABLE_TOO_DEEP);
        ck_assert_int_eq(table_check(nested(100000, tag)), TABLE_TOO_DEEP);
    }
}
END_TEST

START_TEST(entries_are_bounded_all_depths_together)
{
    uint8_t *p = bytes;
    for (unsigned i = 0; i < TABLE_ENTRIES_MAX; i++)
        p = put_bytes(p, SPAN_LIT("\0V"));
    struct span table = span_of(bytes, (size_t)(p - bytes));
    ck_assert_int_eq(table_check(table), TABLE_OK);
    put_bytes(p, SPAN_LIT("\0V"));
    table.size += 2;
    ck_assert_int_eq(table_check(table), TABLE_TOO_LONG);
    /* An array of voids costs one octet each. */
    p = put_u32(put_bytes(bytes, SPAN_LIT("\0A")), TABLE_ENTRIES_MAX);
    memset(p, 'V', TABLE_ENTRIES_MAX);
    ck_assert_int_eq(table_check(span_of(bytes, 6 + TABLE_ENTRIES_MAX)), TABLE_TOO_LONG);
}
END_TEST

static struct field field(char tag, struct span value)
{
    return (struct field){.tag = tag, .value = value};
}

START_TEST(integers_are_read_by_their_width_and_sign)
{
    static const int64_t WANTED[] = {-2, 254, -2, 65534, -2, 4294967294, -2, -2};
    for (size_t i = 1; i <= 8; i++) {
        struct field f = field(KINDS[i].tag, KINDS[i].bytes);
        int64_t v;
        ck_assert(field_int(&f, &v));
        ck_assert_int_eq(v, WANTED[i - 1]);
    }
    for (size_t i = 9; i < N_KINDS; i++) {
        struct field f = field(KINDS[i].tag, KINDS[i].bytes);
        int64_t v;
        ck_assert(!field_int(&f, &v));
    }
}
END_TEST

START_TEST(fields_are_equal_by_value)
{
    struct field byte = field('b', SPAN_LIT("\5"));
    struct field wide = field('l', SPAN_LIT("\0\0\0\0\0\0\0\5"));
    struct field text = field('S', SPAN_LIT("5"));
    struct field raw = field('x', SPAN_LIT("5"));
    struct field single = field('f', SPAN_LIT("\x40\xa0\0\0"));
    struct field twice = field('d', SPAN_LIT("\x40\x14\0\0\0\0\0\0"));
    struct field other = field('d', SPAN_LIT("\x40\x15\0\0\0\0\0\0"));
    struct field stamp = field('T', SPAN_LIT("\0\0\0\0\0\0\0\5"));
    ck_assert(field_eq(&byte, &wide) && field_eq(&wide, &byte));
    ck_assert(field_eq(&single, &twice) && field_eq(&twice, &single));
    ck_assert(!field_eq(&single, &other));
    ck_assert(!field_eq(&byte, &single) && !field_eq(&single, &byte));
    ck_assert(!field_eq(&text, &raw) && field_eq(&text, &text));
    ck_assert(!field_eq(&stamp, &wide) && !field_eq(&wide, &stamp));
    ck_assert(!field_eq(&byte, &text));
}
END_TEST

START_TEST(what_is_built_is_what_was_meant)
{
    struct buf b;
    buf_init(&b);
    ck_assert_int_eq(table_add_longstr(&b, SPAN_LIT("s"), SPAN_LIT("text")), OK);
    ck_assert_int_eq(table_add_bool(&b, SPAN_LIT("t"), true), OK);
    ck_assert_int_eq(table_add(&b, SPAN_LIT("f"), 'F', SPAN_LIT("\1kV")), OK);
    ck_assert(span_eq(buf_span(&b), SPAN_LIT("\1sS\0\0\0\4text\1tt\1\1fF\0\0\0\3\1kV")));
    buf_fini(&b);
}
END_TEST

SUITE("table", every_kind_is_known_and_found, every_prefix_is_whole_or_malformed,
      unknown_tags_are_malformed, hostile_lengths_are_malformed, depth_is_bounded,
      entries_are_bounded_all_depths_together, integers_are_read_by_their_width_and_sign,
      fields_are_equal_by_value, what_is_built_is_what_was_meant)
