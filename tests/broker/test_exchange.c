// SPDX-License-Identifier: Apache-2.0
/* The texts are a stock RabbitMQ's. */
#include "tests/broker/routing.h"

#define DEFAULT_REFUSED "ACCESS_REFUSED - operation not permitted on the default exchange"
#define DIFFERS(argument, received, current)                                     \
    "PRECONDITION_FAILED - inequivalent arg '" argument "' for exchange 'x' in " \
    "vhost '/': received " received " but current is " current

START_TEST(the_default_exchange_is_refused_but_an_unknown_type_comes_first)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_declare(&w, "", "direct", "d", ""), DEFAULT_REFUSED);
    ck_assert_str_eq(world_declare(&w, "\r\n", "direct", "d", ""), DEFAULT_REFUSED);
    ck_assert_str_eq(world_declare(&w, "", "", "p", ""), DEFAULT_REFUSED);
    ck_assert_str_eq(world_delete(&w, "", false), DEFAULT_REFUSED);
    ck_assert_str_eq(world_declare(&w, "", "nope", "d", ""),
                     "PRECONDITION_FAILED - unknown exchange type 'nope'");
    ck_assert_str_eq(world_declare(&w, "amq.direct", "Direct", "d", ""),
                     "PRECONDITION_FAILED - unknown exchange type 'Direct'");
    world_fini(&w);
}
END_TEST

START_TEST(reserved_names_are_refused_only_where_they_do_not_exist)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_declare(&w, "amq.x", "direct", "", ""),
                     "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'");
    ck_assert_str_eq(world_declare(&w, "a\nmq.x", "direct", "", ""),
                     "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'");
    ck_assert_str_eq(world_declare(&w, "amq.direct", "direct", "d", ""), "ok");
    ck_assert_str_eq(world_declare(&w, "amq.rabbitmq.trace", "topic", "di", ""), "ok");
    ck_assert_str_eq(world_declare(&w, "amq", "direct", "", ""), "ok");
    ck_assert_str_eq(world_declare(&w, "amqx", "direct", "", ""), "ok");
    world_fini(&w);
}
END_TEST

START_TEST(a_passive_declare_asks_for_the_name_alone)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_declare(&w, "x", "", "p", ""),
                     "NOT_FOUND - no exchange 'x' in vhost '/'");
    ck_assert(!world_exists(&w, "x"));
    ck_assert_str_eq(world_declare(&w, "amq.nope", "", "p", ""),
                     "NOT_FOUND - no exchange 'amq.nope' in vhost '/'");
    world_declare(&w, "x", "fanout", "da", "");
    ck_assert_str_eq(world_declare(&w, "x", "", "p", ""), "ok");
    ck_assert_str_eq(world_declare(&w, "\nx\r", "nope", "pi", "alternate-exchange:I:1"), "ok");
    world_fini(&w);
}
END_TEST

START_TEST(carriage_returns_and_line_feeds_are_dropped_from_names)
{
    struct world w;
    uint8_t copy[255];
    world_init(&w);
    ck_assert_str_eq(world_declare(&w, "a\rb\n", "direct", "", ""), "ok");
    ck_assert(world_exists(&w, "ab"));
    ck_assert_str_eq(world_delete(&w, "\nab", false), "ok");
    ck_assert(!world_exists(&w, "ab"));
    ck_assert(span_eq(name_strip(SPAN_LIT("\r\n\r\n"), copy), SPAN_LIT("")));
    struct span clean = SPAN_LIT("clean");
    ck_assert_ptr_eq(name_strip(clean, copy).at, clean.at);
    world_fini(&w);
}
END_TEST

START_TEST(a_second_declare_must_agree_with_the_first)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_declare(&w, "x", "direct", "", "foo:I:1"), "ok");
    ck_assert_str_eq(world_declare(&w, "x", "direct", "", "bar:I:2"), "ok");
    ck_assert_str_eq(world_declare(&w, "x", "fanout", "dai", ""),
                     DIFFERS("type", "'fanout'", "'direct'"));
    ck_assert_str_eq(world_declare(&w, "x", "direct", "dai", ""),
                     DIFFERS("durable", "'true'", "'false'"));
    ck_assert_str_eq(world_declare(&w, "x", "direct", "ai", ""),
                     DIFFERS("auto_delete", "'true'", "'false'"));
    ck_assert_str_eq(world_declare(&w, "x", "direct", "i", ""),
                     DIFFERS("internal", "'true'", "'false'"));
    world_delete(&w, "x", false);
    ck_assert_str_eq(world_declare(&w, "x", "topic", "dai", ""), "ok");
    ck_assert_str_eq(world_declare(&w, "x", "topic", "", ""),
                     DIFFERS("durable", "'false'", "'true'"));
    world_fini(&w);
}
END_TEST

#define AE "alternate-exchange"

static const struct {
    const char *arguments;
    const char *answer;
} ALTERNATES[] = {
    {AE ":S:a", "ok"},
    {AE ":S:a " AE ":S:b", "ok"},
    {AE ":x:a", "ok"},
    {"", DIFFERS(AE, "none", "the value 'a' of type 'longstr'")},
    {AE ":S:b", DIFFERS(AE, "'b'", "'a'")},
    {AE ":I:5", DIFFERS(AE, "'5'", "'a'")},
    {AE ":d:1.5", DIFFERS(AE, "'1.5'", "'a'")},
    {AE ":t:1", DIFFERS(AE, "'true'", "'a'")},
    {AE ":V:", DIFFERS(AE, "none", "'a'")},
    {AE ":x:abc", DIFFERS(AE, "'abc'", "'a'")},
    {AE ":A:", DIFFERS(AE, "'[]'", "'a'")},
};

static const struct {
    const char *arguments;
    const char *answer;
} ALTERNATES_OF_NONE[] = {
    {"", "ok"},
    {AE ":S:q", DIFFERS(AE, "the value 'q' of type 'longstr'", "none")},
    {AE ":I:5", DIFFERS(AE, "the value '5' of type 'signedint'", "none")},
    {AE ":V:", DIFFERS(AE, "the value 'undefined' of type 'void'", "none")},
    {AE ":x:abc", DIFFERS(AE, "the value 'abc' of type 'binary'", "none")},
    {AE ":F:", DIFFERS(AE, "the value '[]' of type 'table'", "none")},
};

START_TEST(the_alternate_exchange_is_the_one_argument_that_is_compared)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_declare(&w, "x", "direct", "", AE ":S:a"), "ok");
    for (size_t i = 0; i < sizeof(ALTERNATES) / sizeof(ALTERNATES[0]); i++)
        ck_assert_str_eq(world_declare(&w, "x", "direct", "", ALTERNATES[i].arguments),
                         ALTERNATES[i].answer);
    world_delete(&w, "x", false);
    ck_assert_str_eq(world_declare(&w, "x", "direct", "", ""), "ok");
    for (size_t i = 0; i < sizeof(ALTERNATES_OF_NONE) / sizeof(ALTERNATES_OF_NONE[0]); i++)
        ck_assert_str_eq(world_declare(&w, "x", "direct", "", ALTERNATES_OF_NONE[i].arguments),
                         ALTERNATES_OF_NONE[i].answer);
    /* An empty name leads nowhere, but is a value. */
    world_delete(&w, "x", false);
    ck_assert_str_eq(world_declare(&w, "x", "direct", "", AE ":S:"), "ok");
    ck_assert_str_eq(world_declare(&w, "x", "direct", "", ""),
                     DIFFERS(AE, "none", "the value '' of type 'longstr'"));
    world_fini(&w);
}
END_TEST

START_TEST(the_alternate_exchange_of_a_new_one_is_a_string)
{
    static const char *const TYPES[][2] = {
        {"I:5", "signedint"}, {"l:5", "long"}, {"b:5", "byte"},          {"d:1", "double"},
        {"t:1", "bool"},      {"V:", "void"},  {"T:5", "timestamp"},     {"x:a", "binary"},
        {"A:", "array"},      {"F:", "table"}, {"u:5", "unsignedshort"},
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        char arguments[64];
        char answer[256];
        snprintf(arguments, sizeof(arguments), AE ":%s", TYPES[i][0]);
        snprintf(answer, sizeof(answer),
                 "PRECONDITION_FAILED - invalid type '%s' for arg '" AE
                 "' in exchange 'x' in vhost '/'",
                 TYPES[i][1]);
        ck_assert_str_eq(world_declare(&w, "x", "direct", "", arguments), answer);
        ck_assert(!world_exists(&w, "x"));
    }
    world_fini(&w);
}
END_TEST

START_TEST(deleting_what_does_not_exist_is_fine_but_system_exchanges_stay)
{
    struct world w;
    world_init(&w);
    ck_assert_str_eq(world_delete(&w, "nope", false), "ok");
    ck_assert_str_eq(
        world_delete(&w, "amq.direct", false),
        "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' not allowed");
    ck_assert_str_eq(
        world_delete(&w, "a\rmq.nope", true),
        "ACCESS_REFUSED - deletion of system exchange 'amq.nope' in vhost '/' not allowed");
    world_fini(&w);
}
END_TEST

START_TEST(if_unused_looks_at_bindings_from_it_only)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "x", "fanout", "", "");
    world_declare(&w, "y", "fanout", "", "");
    world_bind_exchange(&w, "y", "x", "");
    ck_assert_str_eq(world_delete(&w, "y", true),
                     "PRECONDITION_FAILED - exchange 'y' in vhost '/' in use");
    ck_assert_str_eq(world_delete(&w, "x", true), "ok");
    ck_assert(!world_exists(&w, "x"));
    ck_assert_str_eq(world_delete(&w, "y", true), "ok");
    world_declare(&w, "x", "fanout", "", "");
    world_bind(&w, "x", "q", "");
    ck_assert_str_eq(world_delete(&w, "x", true),
                     "PRECONDITION_FAILED - exchange 'x' in vhost '/' in use");
    ck_assert_str_eq(world_delete(&w, "x", false), "ok");
    ck_assert_uint_eq(w.v->bindings.n, 0);
    ck_assert(list_empty(&world_queue(&w, "q")->bindings));
    world_fini(&w);
}
END_TEST

START_TEST(an_auto_delete_exchange_goes_with_its_last_binding)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_queue(&w, "r");
    world_declare(&w, "x", "fanout", "a", "");
    ck_assert_str_eq(world_unbind(&w, "x", "q", ""), "ok");
    ck_assert(world_exists(&w, "x"));
    world_bind(&w, "x", "q", "");
    world_bind(&w, "x", "r", "");
    world_unbind(&w, "x", "q", "");
    ck_assert(world_exists(&w, "x"));
    world_unbind(&w, "x", "r", "");
    ck_assert(!world_exists(&w, "x"));
    ck_assert(list_empty(&w.v->detached));
    world_fini(&w);
}
END_TEST

START_TEST(auto_delete_follows_bindings_backwards_and_never_forwards)
{
    struct world w;
    world_init(&w);
    world_declare(&w, "a", "fanout", "a", "");
    world_declare(&w, "b", "fanout", "a", "");
    world_declare(&w, "c", "fanout", "a", "");
    world_declare(&w, "kept", "fanout", "", "");
    world_bind_exchange(&w, "a", "b", "");
    world_bind_exchange(&w, "b", "c", "");
    world_bind_exchange(&w, "kept", "c", "");
    ck_assert_str_eq(world_delete(&w, "a", false), "ok");
    ck_assert(world_exists(&w, "b"));
    world_declare(&w, "a", "fanout", "a", "");
    world_bind_exchange(&w, "a", "b", "");
    ck_assert_str_eq(world_delete(&w, "c", false), "ok");
    ck_assert(!world_exists(&w, "b"));
    ck_assert(!world_exists(&w, "a"));
    ck_assert(world_exists(&w, "kept"));
    world_declare(&w, "self", "fanout", "a", "");
    world_bind_exchange(&w, "self", "self", "");
    ck_assert_str_eq(world_unbind_exchange(&w, "self", "self", ""), "ok");
    ck_assert(!world_exists(&w, "self"));
    world_fini(&w);
}
END_TEST

/* A chain long enough to break a stack if each exchange deleted the one before it by a call. */
START_TEST(a_long_chain_of_auto_delete_exchanges_goes_in_slices)
{
    enum { N_CHAIN = 20000 };
    struct world w;
    char name[16] = "0";
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    world_declare(&w, name, "fanout", "a", "");
    ck_assert_str_eq(world_bind(&w, name, "q", ""), "ok");
    for (unsigned i = 1; i < N_CHAIN; i++) {
        char source[16];
        snprintf(source, sizeof(source), "%u", i);
        world_declare(&w, source, "fanout", "a", "");
        ck_assert_str_eq(world_bind_exchange(&w, source, name, ""), "ok");
        memcpy(name, source, sizeof(name));
    }
    world_queue_delete(q);
    unsigned turns = 1;
    unsigned work = 100;
    ck_assert(binding_remove_some(q, &work));
    ck_assert(!world_exists(&w, "0"));
    ck_assert(world_exists(&w, name));
    for (work = 100; !vhost_work(w.v, &work); work = 100)
        turns++;
    ck_assert(!world_exists(&w, name));
    ck_assert_uint_ge(turns, N_CHAIN / 100);
    world_queue_free(q);
    world_fini(&w);
}
END_TEST

START_TEST(types_are_found_by_their_exact_names)
{
    ck_assert_ptr_eq(exchange_type(SPAN_LIT("direct")), &exchange_type_direct);
    ck_assert_ptr_eq(exchange_type(SPAN_LIT("fanout")), &exchange_type_fanout);
    ck_assert_ptr_eq(exchange_type(SPAN_LIT("topic")), &exchange_type_topic);
    ck_assert_ptr_eq(exchange_type(SPAN_LIT("headers")), &exchange_type_headers);
    ck_assert_ptr_null(exchange_type(SPAN_LIT("")));
    ck_assert_ptr_null(exchange_type(SPAN_LIT("direct ")));
    ck_assert_ptr_null(exchange_type(SPAN_LIT("x-random")));
}
END_TEST

WORLD_MAIN("exchange", the_default_exchange_is_refused_but_an_unknown_type_comes_first,
           reserved_names_are_refused_only_where_they_do_not_exist,
           a_passive_declare_asks_for_the_name_alone,
           carriage_returns_and_line_feeds_are_dropped_from_names,
           a_second_declare_must_agree_with_the_first,
           the_alternate_exchange_is_the_one_argument_that_is_compared,
           the_alternate_exchange_of_a_new_one_is_a_string,
           deleting_what_does_not_exist_is_fine_but_system_exchanges_stay,
           if_unused_looks_at_bindings_from_it_only,
           an_auto_delete_exchange_goes_with_its_last_binding,
           auto_delete_follows_bindings_backwards_and_never_forwards,
           a_long_chain_of_auto_delete_exchanges_goes_in_slices,
           types_are_found_by_their_exact_names)
