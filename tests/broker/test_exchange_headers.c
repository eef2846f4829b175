// SPDX-License-Identifier: Apache-2.0
/* Matching against cases taken from a stock RabbitMQ, and against a matcher without any index. The
 * cases marked so are kept different from old RabbitMQ on purpose. */
#include "base/rng.h"
#include "tests/broker/routing.h"

struct headers_case {
    const char *arguments;
    const char *headers;
    bool matches;
};

static const struct headers_case CASES[] = {
    {"", "", true},
    {"", "a:I:1", true},
    {"x-match:S:any", "a:I:1", false},
    {"x-match:S:all", "", true},
    {"a:I:1 b:I:2", "b:I:2 a:I:1 c:I:3", true},
    {"a:I:1 b:I:2", "a:I:1", false},
    {"x-match:S:any a:I:1 b:I:2", "a:I:1", true},
    {"x-match:S:any a:I:1 b:I:2", "a:I:2 b:I:3", false},
    /* Widths and signs of integers do not matter, their values do. */
    {"a:I:1", "a:l:1", true},
    {"a:b:1", "a:L:1", true},
    {"a:B:1", "a:u:1", true},
    {"a:s:-1", "a:l:-1", true},
    {"a:i:4294967295", "a:I:-1", false},
    {"a:u:65535", "a:s:-1", false},
    /* Numbers are no strings, and integers no floats (which they are in RabbitMQ 3). */
    {"a:I:1", "a:S:1", false},
    {"a:I:1", "a:d:1.0", false},
    {"a:f:1.0", "a:d:1.0", true},
    {"a:f:0.5", "a:f:0.5", true},
    {"a:d:0.5", "a:d:0.25", false},
    {"a:t:1", "a:t:2", true},
    {"a:t:1", "a:t:0", false},
    {"a:t:1", "a:I:1", false},
    {"a:x:z", "a:S:z", true},
    {"a:S:z", "a:S:zz", false},
    {"a:T:5", "a:T:5", true},
    {"a:T:5", "a:T:6", false},
    {"a:T:5", "a:l:5", true},
    {"a:D:5", "a:D:5", true},
    /* Void: there must be one, whatever it is. */
    {"a:V:", "a:S:z", true},
    {"a:V:", "a:V:", true},
    {"a:V:", "b:S:z", false},
    {"a:S:z", "a:V:", false},
    {"x-match:S:any a:V: b:V:", "b:t:0", true},
    /* Names that begin with x- */
    {"x-a:I:1", "b:I:1", true},
    {"x-:I:1", "", true},
    {"x:I:1", "", false},
    {"X-a:I:1", "", false},
    {"x-a:I:1 x-match:S:any", "x-a:I:1", false},
    {"x-a:I:1 x-match:S:any-with-x", "x-a:I:1", true},
    {"x-a:I:1 x-match:S:all-with-x", "b:I:1", false},
    {"x-a:I:1 x-match:S:all-with-x", "x-a:I:1", true},
    {"x-match:S:all-with-x", "b:I:1", true},
    {"x-match:S:any-with-x", "b:I:1", false},
    {"x-match:S:any-with-x", "x-match:S:any-with-x", false},
    /* Names that come twice */
    {"a:I:1", "a:I:1 a:I:2", true},
    {"a:I:2", "a:I:1 a:I:2", false},
    {"a:I:1 a:I:2", "a:I:1 a:I:2", true},
    {"a:I:1 a:I:2", "a:I:1", false},
    {"x-match:S:any a:I:1 a:I:2", "a:I:2", false},
};

START_TEST(cases_match_as_they_do_in_rabbitmq)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct headers_case *c = &CASES[i];
        struct world w;
        world_init(&w);
        world_queue(&w, "q");
        ck_assert_str_eq(world_bind_as(&w, NULL, "amq.headers", "q", "any key", c->arguments),
                         "ok");
        ck_assert_msg((world_route_headers(&w, "amq.headers", c->headers)[0] == 'q') == c->matches,
                      "arguments '%s' headers '%s'", c->arguments, c->headers);
        world_fini(&w);
    }
}
END_TEST

#define BAD_TYPE(type, value) \
    "PRECONDITION_FAILED - Invalid x-match field type " type " (value " value "); expected longstr"
#define BAD_VALUE(value)                                       \
    "PRECONDITION_FAILED - Invalid x-match field value " value \
    "; expected all, any, all-with-x, or any-with-x"

static const struct {
    const char *arguments;
    const char *answer;
} REFUSED[] = {
    {"x-match:S:foo", BAD_VALUE("<<\"foo\">>")},
    {"x-match:S:ALL", BAD_VALUE("<<\"ALL\">>")},
    {"x-match:S:", BAD_VALUE("<<>>")},
    {"x-match:S:a\"b", BAD_VALUE("<<\"a\\\"b\">>")},
    {"x-match:S:\001\002", BAD_VALUE("<<1,2>>")},
    {"x-match:S:[x", BAD_VALUE("<<\"[x\">>")},
    {"x-match:I:1", BAD_TYPE("signedint", "1")},
    {"x-match:l:1", BAD_TYPE("long", "1")},
    {"x-match:d:1.5", BAD_TYPE("double", "1.5")},
    {"x-match:t:1", BAD_TYPE("bool", "true")},
    {"x-match:V:", BAD_TYPE("void", "undefined")},
    {"x-match:T:5", BAD_TYPE("timestamp", "5")},
    {"x-match:x:all", BAD_TYPE("binary", "<<\"all\">>")},
    {"x-match:A:", BAD_TYPE("array", "[]")},
    {"x-match:F:", BAD_TYPE("table", "[]")},
    {"x-match:S:foo x-match:S:all", BAD_VALUE("<<\"foo\">>")},
};

START_TEST(other_values_of_x_match_are_refused_in_rabbitmqs_words)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++) {
        ck_assert_str_eq(world_bind_as(&w, NULL, "amq.headers", "q", "", REFUSED[i].arguments),
                         REFUSED[i].answer);
        ck_assert_str_eq(world_unbind_as(&w, NULL, "amq.headers", "q", "", REFUSED[i].arguments),
                         "ok");
    }
    ck_assert_str_eq(world_bind_as(&w, NULL, "amq.direct", "q", "", "x-match:S:foo"), "ok");
    ck_assert_str_eq(world_bind_as(&w, NULL, "amq.headers", "q", "", "x-match:S:all x-match:S:foo"),
                     "ok");
    ck_assert_uint_eq(w.v->bindings.n, 2);
    world_fini(&w);
}
END_TEST

/* Values 0 and 1, each in several clothes; V stands for any. */
static const char *const VALUES[] = {"I:0", "I:1", "b:1", "l:0", "S:0", "S:1", "t:0", "d:1", "V:"};
enum { N_VALUES = sizeof(VALUES) / sizeof(VALUES[0]), NO_VALUE = N_VALUES };

static bool naive_equal(size_t a, size_t h)
{
    static const int CLASS[N_VALUES] = {0, 1, 1, 0, 2, 3, 4, 5, 6};
    return h != NO_VALUE && (CLASS[a] == CLASS[h] || CLASS[a] == 6);
}

static const char *const NAMES[] = {"a", "b", "c", "x-d"};
enum { N_NAMES = 4 };

static void random_table(struct rng *rng, size_t values[N_NAMES], char text[256])
{
    for (size_t i = 0; i < N_NAMES; i++) {
        values[i] = rng_below(rng, 3) == 0 ? rng_below(rng, N_VALUES) : (size_t)NO_VALUE;
        if (values[i] != NO_VALUE)
            strcat(strcat(strcat(strcat(text, " "), NAMES[i]), ":"), VALUES[values[i]]);
    }
}

static bool naive_match(const size_t arguments[N_NAMES], const size_t headers[N_NAMES], bool any,
                        bool with_x)
{
    size_t n = 0;
    size_t n_met = 0;
    for (size_t i = 0; i < (with_x ? N_NAMES : N_NAMES - 1); i++) {
        if (arguments[i] == NO_VALUE)
            continue;
        n++;
        n_met += naive_equal(arguments[i], headers[i]);
    }
    return any ? n_met != 0 : n_met == n;
}

START_TEST(random_tables_match_as_the_naive_matcher_says)
{
    static const char *const MODES[] = {"all", "any", "all-with-x", "any-with-x"};
    struct world w;
    struct rng rng = {99};
    size_t n_matches = 0;
    world_init(&w);
    world_queue(&w, "q");
    for (int round = 0; round < 5000; round++) {
        size_t arguments[N_NAMES];
        size_t headers[N_NAMES];
        char bound[256] = "x-match:S:";
        char sent[256] = "";
        size_t mode = rng_below(&rng, 4);
        strcat(bound, MODES[mode]);
        random_table(&rng, arguments, bound);
        random_table(&rng, headers, sent);
        ck_assert_str_eq(world_bind_as(&w, NULL, "amq.match", "q", "", bound), "ok");
        bool wanted = naive_match(arguments, headers, mode % 2 != 0, mode >= 2);
        ck_assert_msg((world_route_headers(&w, "amq.match", sent)[0] == 'q') == wanted,
                      "arguments '%s' headers '%s'", bound, sent);
        n_matches += wanted;
        ck_assert_str_eq(world_unbind_as(&w, NULL, "amq.match", "q", "", bound), "ok");
    }
    ck_assert_uint_gt(n_matches, 500);
    world_fini(&w);
}
END_TEST

/* A linear search for each argument would need hundreds of millions of steps here. */
START_TEST(large_tables_are_matched_without_comparing_all_with_all)
{
    enum { N_ENTRIES = 16000 };
    struct world w;
    struct buf b;
    world_init(&w);
    buf_init(&b);
    world_queue(&w, "q");
    for (unsigned i = 0; i < N_ENTRIES; i++) {
        char name[16];
        snprintf(name, sizeof(name), "%u", i * 7919 % N_ENTRIES);
        ck_assert_int_eq(table_add(&b, span_str(name), 'V', SPAN_NONE), OK);
    }
    struct amqp_queue_bind m = {
        .exchange = SPAN_LIT("amq.headers"),
        .queue = SPAN_LIT("q"),
        .arguments = buf_span(&b),
    };
    struct routed_message message = {.headers = buf_span(&b)};
    ck_assert_str_eq(world_answer(&w, queue_bind(w.v, &m, NULL, &w.f)), "ok");
    for (int i = 0; i < 20; i++)
        ck_assert_str_eq(world_route_keys(&w, "amq.headers", &message, 1), "q");
    buf_fini(&b);
    world_fini(&w);
}
END_TEST

WORLD_MAIN("exchange_headers", cases_match_as_they_do_in_rabbitmq,
           other_values_of_x_match_are_refused_in_rabbitmqs_words,
           random_tables_match_as_the_naive_matcher_says,
           large_tables_are_matched_without_comparing_all_with_all)
