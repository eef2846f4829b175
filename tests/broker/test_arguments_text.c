// SPDX-License-Identifier: Apache-2.0
/* Expectations are what RabbitMQ puts into its reply texts for the same values. */
#include "broker/core/arguments_text.h"

#include <check.h>

#include "base/limits.h"
#include "tests/broker/table_notation.h"

static struct argument_text text;

/* The text of the only entry of the table `line`. */
static const char *value_text(const char *line)
{
    struct span table = notation(line);
    struct field f;
    ck_assert(table_next(&table, &f));
    argument_text_value(&text, &f);
    ck_assert_uint_eq(text.size, strlen(text.at));
    return text.at;
}

START_TEST(integers_are_shown_in_full_range)
{
    ck_assert_str_eq(value_text("a=b:-128"), "-128");
    ck_assert_str_eq(value_text("a=B:255"), "255");
    ck_assert_str_eq(value_text("a=s:-32768"), "-32768");
    ck_assert_str_eq(value_text("a=u:65535"), "65535");
    ck_assert_str_eq(value_text("a=I:-1"), "-1");
    ck_assert_str_eq(value_text("a=i:2147483648"), "2147483648");
    ck_assert_str_eq(value_text("a=l:-9223372036854775808"), "-9223372036854775808");
    ck_assert_str_eq(value_text("a=L:7"), "7");
    ck_assert_str_eq(value_text("a=T:18446744073709551615"), "18446744073709551615");
}
END_TEST

START_TEST(doubles_have_shortest_digits_in_the_shorter_notation)
{
    static const char *const ROWS[][2] = {
        {"a=d:5", "5.0"},
        {"a=d:0", "0.0"},
        {"a=d:-0", "-0.0"},
        {"a=d:1.5", "1.5"},
        {"a=d:-1.5", "-1.5"},
        {"a=d:0.1", "0.1"},
        {"a=f:0.1", "0.10000000149011612"},
        {"a=d:0.001", "0.001"},
        {"a=d:0.0001", "1.0e-4"},
        {"a=d:0.0123", "0.0123"},
        {"a=d:100", "100.0"},
        {"a=d:1000", "1.0e3"},
        {"a=d:1234", "1234.0"},
        {"a=d:123456789.125", "123456789.125"},
        {"a=d:1e15", "1.0e15"},
        {"a=d:1e22", "1.0e22"},
        {"a=d:-1.5e-7", "-1.5e-7"},
        {"a=d:9007199254740991", "9007199254740991.0"},
        {"a=d:9007199254740992", "9.007199254740992e15"},
        {"a=d:1.7976931348623157e308", "1.7976931348623157e308"},
        {"a=d:5e-324", "5.0e-324"},
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++)
        ck_assert_str_eq(value_text(ROWS[i][0]), ROWS[i][1]);
}
END_TEST

/* RabbitMQ cannot read these at all; what matters is that they do no harm. */
START_TEST(doubles_that_are_no_numbers_have_names)
{
    ck_assert_str_eq(value_text("a=d:inf"), "inf");
    ck_assert_str_eq(value_text("a=f:-inf"), "-inf");
    ck_assert_str_eq(value_text("a=d:nan"), "nan");
}
END_TEST

START_TEST(other_scalars_look_like_erlang_terms)
{
    ck_assert_str_eq(value_text("a=t:1"), "true");
    ck_assert_str_eq(value_text("a=t:0"), "false");
    ck_assert_str_eq(value_text("a=V:"), "undefined");
    ck_assert_str_eq(value_text("a=D:2,550"), "{2,550}");
    ck_assert_str_eq(value_text("a=D:0,4294967295"), "{0,4294967295}");
}
END_TEST

START_TEST(strings_alone_are_their_bytes)
{
    ck_assert_str_eq(value_text("a=S:foo"), "foo");
    ck_assert_str_eq(value_text("a=S:"), "");
    ck_assert_str_eq(value_text("a=x:foo"), "foo");
    ck_assert_str_eq(value_text("a=S:a'\"\\\n\x01\x80\xff"), "a'\"\\\n\x01\x80\xff");
}
END_TEST

/* A reply text of ours ends at a NUL, so one inside would hide what follows. */
START_TEST(nul_bytes_are_left_out)
{
    struct field f = {SPAN_NONE, 'S', SPAN_LIT("a\0b\0")};
    argument_text_value(&text, &f);
    ck_assert_str_eq(text.at, "ab");
}
END_TEST

START_TEST(tables_and_arrays_are_lists_of_tuples)
{
    ck_assert_str_eq(value_text("a=F{}"), "[]");
    ck_assert_str_eq(value_text("a=A{}"), "[]");
    ck_assert_str_eq(value_text("a=F{k=I:1}"), "[{<<\"k\">>,signedint,1}]");
    ck_assert_str_eq(value_text("a=F{a=S:b c=F{d=t:0} e=V:}"),
                     "[{<<\"a\">>,longstr,<<\"b\">>},{<<\"c\">>,table,[{<<\"d\">>,bool,false}]},"
                     "{<<\"e\">>,void,undefined}]");
    ck_assert_str_eq(value_text("a=A{S:x V: d:1.5 t:1 A{} F{} T:7 D:2,550 f:0.5 x:y}"),
                     "[{longstr,<<\"x\">>},{void,undefined},{double,1.5},{bool,true},{array,[]},"
                     "{table,[]},{timestamp,7},{decimal,{2,550}},{float,0.5},{binary,<<\"y\">>}]");
    ck_assert_str_eq(value_text("a=A{A{A{I:1} I:2} b:3 B:4 s:5 u:6 i:7 l:8}"),
                     "[{array,[{array,[{signedint,1}]},{signedint,2}]},{byte,3},{unsignedbyte,4},"
                     "{short,5},{unsignedshort,6},{unsignedint,7},{long,8}]");
}
END_TEST

START_TEST(strings_inside_are_quoted_or_listed_by_byte)
{
    ck_assert_str_eq(value_text("a=A{S:}"), "[{longstr,<<>>}]");
    ck_assert_str_eq(value_text("a=F{=I:1}"), "[{<<>>,signedint,1}]");
    ck_assert_str_eq(value_text("a=A{S:it's}"), "[{longstr,<<\"it's\">>}]");
    ck_assert_str_eq(value_text("a=A{S:a\"\\\n}"), "[{longstr,<<\"a\\\"\\\\\\n\">>}]");
    ck_assert_str_eq(value_text("a=A{S:\x1b\b\t\v\f\r}"), "[{longstr,<<\"\\e\\b\\t\\v\\f\\r\">>}]");
    ck_assert_str_eq(value_text("a=A{S:\xa0\xff}"), "[{longstr,<<\"\xa0\xff\">>}]");
    ck_assert_str_eq(value_text("a=A{S:a\x80}"), "[{longstr,<<97,128>>}]");
    ck_assert_str_eq(value_text("a=A{S:\x7f}"), "[{longstr,<<127>>}]");
    ck_assert_str_eq(value_text("a=A{S:\xe2\x82\xac}"), "[{longstr,<<226,130,172>>}]");
}
END_TEST

START_TEST(what_is_longer_than_a_reply_text_is_cut)
{
    uint8_t bytes[4000];
    struct field f = {SPAN_NONE, 'S', {bytes, sizeof(bytes)}};
    memset(bytes, 'z', sizeof(bytes));
    argument_text_value(&text, &f);
    ck_assert_uint_eq(text.size, REPLY_TEXT_MAX);
    ck_assert_uint_eq(strlen(text.at), REPLY_TEXT_MAX);
    /* Elements of an array: V, 4,000 times. */
    memset(bytes, 'V', sizeof(bytes));
    f.tag = 'A';
    argument_text_value(&text, &f);
    ck_assert_uint_eq(text.size, REPLY_TEXT_MAX);
    ck_assert_int_eq(strncmp(text.at, "[{void,undefined},{void,undefined},", 35), 0);
}
END_TEST

START_TEST(the_deepest_table_is_cut_like_any_other)
{
    /* An array in an array …, from the inside out; the outermost is the value of `f`. */
    enum { LEVELS = TABLE_DEPTH_MAX - 2, SIZE = LEVELS * 5 };
    uint8_t bytes[SIZE];
    for (size_t i = 0; i < LEVELS; i++)
        put_u32(put_u8(bytes + i * 5, 'A'), (uint32_t)(SIZE - (i + 1) * 5));
    struct field f = {SPAN_NONE, 'A', {bytes, SIZE}};
    argument_text_value(&text, &f);
    ck_assert_uint_eq(text.size, REPLY_TEXT_MAX);
    ck_assert_int_eq(strncmp(text.at, "[{array,[{array,[", 17), 0);
}
END_TEST

START_TEST(sentences_are_quoted_or_listed_by_byte)
{
    argument_text_sentence(&text, "no '", SPAN_LIT("x"), "'");
    ck_assert_str_eq(text.at, "\"no 'x'\"");
    argument_text_sentence(&text, "no '", SPAN_LIT(""), "'");
    ck_assert_str_eq(text.at, "\"no ''\"");
    argument_text_sentence(&text, "no '", SPAN_LIT("\xc3\xa9\"\\\n"), "'");
    ck_assert_str_eq(text.at, "\"no '\xc3\xa9\\\"\\\\\\n'\"");
    argument_text_sentence(&text, "no '", SPAN_LIT("\x01"), "'");
    ck_assert_str_eq(text.at, "[110,111,32,39,1,39]");
    argument_text_sentence(&text, "a", SPAN_LIT("\0"), "b");
    ck_assert_str_eq(text.at, "[97,0,98]");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arguments_text");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, integers_are_shown_in_full_range);
    tcase_add_test(cases, doubles_have_shortest_digits_in_the_shorter_notation);
    tcase_add_test(cases, doubles_that_are_no_numbers_have_names);
    tcase_add_test(cases, other_scalars_look_like_erlang_terms);
    tcase_add_test(cases, strings_alone_are_their_bytes);
    tcase_add_test(cases, nul_bytes_are_left_out);
    tcase_add_test(cases, tables_and_arrays_are_lists_of_tuples);
    tcase_add_test(cases, strings_inside_are_quoted_or_listed_by_byte);
    tcase_add_test(cases, what_is_longer_than_a_reply_text_is_cut);
    tcase_add_test(cases, the_deepest_table_is_cut_like_any_other);
    tcase_add_test(cases, sentences_are_quoted_or_listed_by_byte);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
