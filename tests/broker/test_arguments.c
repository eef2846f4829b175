// SPDX-License-Identifier: Apache-2.0
/* Expectations are RabbitMQ's answers to the same declarations. Every case is a row: a table as in
 * table_notation.h, and the sentence that refuses it as in refusal.h. */
#include "broker/core/arguments.h"

#include "tests/broker/refusal.h"
#include "tests/broker/table_notation.h"

#define QUEUE_Q "x-queue-type=S:quorum "

enum flags { DURABLE = 1, EXCLUSIVE = 2, AUTO_DELETE = 4 };

static const char *check_with(const char *line, unsigned flags)
{
    struct fault f = {0};
    const struct reply *refusal = queue_arguments_check(
        notation(line), (flags & DURABLE) != 0, (flags & EXCLUSIVE) != 0,
        (flags & AUTO_DELETE) != 0, SPAN_LIT("q"), SPAN_LIT("/"), &f);
    return said(refusal, &f);
}

static const char *check(const char *line)
{
    return check_with(line, DURABLE);
}

static const char *unnamed(const char *line)
{
    struct fault f = {0};
    return said(queue_arguments_check_unnamed(notation(line), &f), &f);
}

static int32_t priority;

static const char *consume(enum queue_type type, const char *line)
{
    struct fault f = {0};
    priority = 12345;
    const struct reply *refusal = consumer_arguments_check(notation(line), type, SPAN_LIT("q"),
                                                           SPAN_LIT("/"), &priority, &f);
    return said(refusal, &f);
}

static struct queue_settings read_settings(const char *line)
{
    struct queue_settings settings;
    queue_settings_read(notation(line), &settings);
    return settings;
}

/* One value of every type, with the name of the type. */
static const struct {
    const char *value;
    const char *name;
} VALUES[] = {
    {"t:1", "bool"},          {"b:1", "byte"},       {"B:1", "unsignedbyte"}, {"s:1", "short"},
    {"u:1", "unsignedshort"}, {"I:1", "signedint"},  {"i:1", "unsignedint"},  {"l:1", "long"},
    {"L:1", "long"},          {"f:1", "float"},      {"d:1", "double"},       {"D:0,1", "decimal"},
    {"T:1", "timestamp"},     {"V:", "void"},        {"S:1", "longstr"},      {"x:1", "binary"},
    {"A{I:1}", "array"},      {"F{a=I:1}", "table"},
};
enum { N_VALUES = sizeof(VALUES) / sizeof(VALUES[0]) };

/* Declares with `name` set to a value of each type: those whose tag is in `right` must not be
 * refused for their type, the others with `format` filled in with the type's name. */
static void check_types(const char *more, const char *name, const char *right, const char *format)
{
    for (size_t i = 0; i < N_VALUES; i++) {
        char line[128];
        char reason[64];
        char wanted[128];
        snprintf(line, sizeof(line), "%s%s=%s", more, name, VALUES[i].value);
        if (strchr(right, VALUES[i].value[0]) != NULL) {
            ck_assert_ptr_null(strstr(check(line), VALUES[i].name));
            continue;
        }
        strcpy(reason, format);
        char *at = strstr(reason, "TYPE");
        snprintf(wanted, sizeof(wanted), "invalid arg '%s' for Q: %.*s%s%s", name,
                 (int)(at - reason), reason, VALUES[i].name, at + 4);
        ck_assert_str_eq(check(line), wanted);
    }
}

START_TEST(integers_of_every_width_are_integers_and_nothing_else_is)
{
    static const char *const NAMES[] = {"x-expires", "x-message-ttl", "x-max-length",
                                        "x-max-length-bytes"};
    static const char *const QUORUM[] = {
        "x-max-in-memory-length", "x-max-in-memory-bytes", "x-quorum-initial-group-size",
        "x-delivery-limit",       "x-consumer-timeout",    "x-consumer-disconnected-timeout",
        "x-delayed-retry-min",    "x-delayed-retry-max"};
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        check_types("", NAMES[i], "bBsuIilL", "\"expected integer, got TYPE\"");
        check_types(QUEUE_Q, NAMES[i], "bBsuIilL", "\"expected integer, got TYPE\"");
    }
    for (size_t i = 0; i < sizeof(QUORUM) / sizeof(QUORUM[0]); i++)
        check_types(QUEUE_Q, QUORUM[i], "bBsuIilL", "\"expected integer, got TYPE\"");
    check_types("", "x-max-priority", "bBsuIilL", "\"expected integer, got TYPE\"");
    check_types("", "x-queue-version", "bBsuIilL", "\"expected integer, got TYPE\"");
}
END_TEST

START_TEST(words_are_long_strings_and_nothing_else)
{
    check_types("", "x-queue-type", "S", "{unacceptable_type,TYPE}");
    check_types("", "x-overflow", "S", "{unacceptable_type,TYPE}");
    check_types("", "x-queue-leader-locator", "S", "{unacceptable_type,TYPE}");
    check_types("", "x-dead-letter-routing-key", "S", "{unacceptable_type,TYPE}");
    check_types(QUEUE_Q, "x-dead-letter-strategy", "S", "{unacceptable_type,TYPE}");
    check_types(QUEUE_Q, "x-delayed-retry-type", "S", "{unacceptable_type,TYPE}");
    check_types("", "x-single-active-consumer", "t", "{unacceptable_type,TYPE}");
}
END_TEST

START_TEST(a_dead_letter_exchange_of_the_wrong_type_has_a_text_of_its_own)
{
    for (size_t i = 0; i < N_VALUES; i++) {
        char line[128];
        char wanted[128] = "ok";
        snprintf(line, sizeof(line), "x-dead-letter-exchange=%s", VALUES[i].value);
        if (VALUES[i].value[0] != 'S')
            snprintf(wanted, sizeof(wanted),
                     "invalid type '%s' for arg 'x-dead-letter-exchange' in Q", VALUES[i].name);
        ck_assert_str_eq(check(line), wanted);
    }
}
END_TEST

struct row {
    const char *line, *wanted;
};
static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char *got = check(rows[i].line);
        ck_assert_msg(strcmp(got, rows[i].wanted) == 0, "%s\n got    %s\n wanted %s", rows[i].line,
                      got, rows[i].wanted);
    }
}
#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof((rows)[0]))

START_TEST(integers_have_their_range)
{
    static const struct row ROWS[] = {
        {"x-expires=I:1", "ok"},
        {"x-expires=I:0", "invalid arg 'x-expires' for Q: {value_zero,0}"},
        {"x-expires=I:-1", "invalid arg 'x-expires' for Q: {value_negative,-1}"},
        {"x-expires=l:315360000000", "ok"},
        {"x-expires=l:315360000001",
         "invalid arg 'x-expires' for Q: {value_too_large,315360000001}"},
        {"x-message-ttl=I:0", "ok"},
        {"x-message-ttl=b:-128", "invalid arg 'x-message-ttl' for Q: {value_negative,-128}"},
        {"x-message-ttl=l:315360000000", "ok"},
        {"x-message-ttl=l:4611686018427387904",
         "invalid arg 'x-message-ttl' for Q: {value_too_large,4611686018427387904}"},
        {"x-max-length=I:0", "ok"},
        {"x-max-length=s:-1", "invalid arg 'x-max-length' for Q: {value_negative,-1}"},
        {"x-max-length=l:9223372036854775807", "ok"},
        {"x-max-length-bytes=I:0", "ok"},
        {"x-max-length-bytes=l:-9223372036854775808",
         "invalid arg 'x-max-length-bytes' for Q: {value_negative,-9223372036854775808}"},
        {"x-max-priority=I:0", "ok"},
        {"x-max-priority=B:255", "ok"},
        {"x-max-priority=I:256", "invalid arg 'x-max-priority' for Q: {max_value_exceeded,256}"},
        {"x-max-priority=I:-1", "invalid arg 'x-max-priority' for Q: {value_negative,-1}"},
        {"x-queue-version=I:1", "ok"},
        {"x-queue-version=I:2", "ok"},
        {"x-queue-version=I:0",
         "invalid arg 'x-queue-version' for Q: \"unsupported queue version '0'\""},
        {"x-queue-version=I:3",
         "invalid arg 'x-queue-version' for Q: \"unsupported queue version '3'\""},
        {"x-queue-version=I:-1", "invalid arg 'x-queue-version' for Q: {value_negative,-1}"},
        {QUEUE_Q "x-max-in-memory-length=I:0", "ok"},
        {QUEUE_Q "x-max-in-memory-length=I:-1",
         "invalid arg 'x-max-in-memory-length' for Q: {value_negative,-1}"},
        {QUEUE_Q "x-max-in-memory-bytes=I:-2",
         "invalid arg 'x-max-in-memory-bytes' for Q: {value_negative,-2}"},
        {QUEUE_Q "x-quorum-initial-group-size=I:1", "ok"},
        {QUEUE_Q "x-quorum-initial-group-size=I:0",
         "invalid arg 'x-quorum-initial-group-size' for Q: {value_zero,0}"},
        {QUEUE_Q "x-quorum-initial-group-size=I:-1",
         "invalid arg 'x-quorum-initial-group-size' for Q: {value_negative,-1}"},
        {QUEUE_Q "x-delivery-limit=I:0", "ok"},
        {QUEUE_Q "x-delivery-limit=I:-1", "ok"},
        {QUEUE_Q "x-delivery-limit=l:9223372036854775807", "ok"},
        {QUEUE_Q "x-consumer-timeout=I:-1",
         "invalid arg 'x-consumer-timeout' for Q: {value_negative,-1}"},
    };
    CHECK_ROWS(ROWS);
}
END_TEST

START_TEST(words_are_among_those_known)
{
    static const struct row ROWS[] = {
        {"x-queue-type=S:classic", "ok"},
        {"x-queue-type=S:quorum", "ok"},
        {"x-queue-type=S:", "ok"},
        {"x-queue-type=S:undefined", "ok"},
        {"x-queue-type=S:stream",
         "invalid arg 'x-queue-type' for Q: \"unsupported queue type 'stream'\""},
        {"x-queue-type=S:Quorum",
         "invalid arg 'x-queue-type' for Q: \"unsupported queue type 'Quorum'\""},
        {"x-queue-type=S:a\"\\",
         "invalid arg 'x-queue-type' for Q: \"unsupported queue type 'a\\\"\\\\'\""},
        {"x-queue-type=S:\x01",
         "invalid arg 'x-queue-type' for Q: [117,110,115,117,112,112,111,114,116,101,100,32,113,"
         "117,101,117,101,32,116,121,112,101,32,39,1,39]"},
        {"x-overflow=S:drop-head", "ok"},
        {"x-overflow=S:reject-publish", "ok"},
        {"x-overflow=S:reject-publish-dlx", "ok"},
        {"x-overflow=S:drop-tail", "invalid arg 'x-overflow' for Q: invalid_overflow"},
        {"x-overflow=S:", "invalid arg 'x-overflow' for Q: invalid_overflow"},
        {"x-queue-leader-locator=S:client-local", "ok"},
        {"x-queue-leader-locator=S:balanced", "ok"},
        {"x-queue-leader-locator=S:random", "ok"},
        {"x-queue-leader-locator=S:least-leaders", "ok"},
        {QUEUE_Q "x-queue-leader-locator=S:min-masters", "ok"},
        {QUEUE_Q "x-queue-leader-locator=S:foo",
         "invalid arg 'x-queue-leader-locator' for Q: invalid_queue_locator_arg"},
        {QUEUE_Q "x-dead-letter-strategy=S:at-most-once", "ok"},
        {QUEUE_Q "x-dead-letter-strategy=S:at-least-once", "ok"},
        {QUEUE_Q "x-dead-letter-strategy=S:foo",
         "invalid arg 'x-dead-letter-strategy' for Q: invalid_dlx_strategy"},
        {"x-single-active-consumer=t:1", "ok"},
        {"x-single-active-consumer=t:0", "ok"},
    };
    CHECK_ROWS(ROWS);
}
END_TEST

START_TEST(a_dead_letter_routing_key_needs_an_exchange)
{
    static const struct row ROWS[] = {
        {"x-dead-letter-routing-key=S:k",
         "invalid arg 'x-dead-letter-routing-key' for Q: routing_key_but_no_dlx_defined"},
        {QUEUE_Q "x-dead-letter-routing-key=S:",
         "invalid arg 'x-dead-letter-routing-key' for Q: routing_key_but_no_dlx_defined"},
        {"x-dead-letter-routing-key=S:k x-dead-letter-exchange=S:", "ok"},
        {"x-dead-letter-exchange=S:x x-dead-letter-routing-key=S:k", "ok"},
        {"x-dead-letter-exchange=S:x x-dead-letter-routing-key=x:k",
         "invalid arg 'x-dead-letter-routing-key' for Q: {unacceptable_type,binary}"},
    };
    CHECK_ROWS(ROWS);
}
END_TEST

START_TEST(arguments_of_other_types_are_refused_by_name)
{
    static const char *const NOT_CLASSIC[] = {"x-max-in-memory-length",
                                              "x-max-in-memory-bytes",
                                              "x-dead-letter-strategy",
                                              "x-quorum-initial-group-size",
                                              "x-initial-cluster-size",
                                              "x-delivery-limit",
                                              "x-max-age",
                                              "x-stream-max-segment-size-bytes"};
    static const char *const NOT_QUORUM[] = {"x-max-priority",
                                             "x-queue-version",
                                             "x-queue-mode",
                                             "x-queue-master-locator",
                                             "x-initial-cluster-size",
                                             "x-max-age",
                                             "x-stream-max-segment-size-bytes"};
    char line[128];
    char wanted[128];
    for (size_t i = 0; i < sizeof(NOT_CLASSIC) / sizeof(NOT_CLASSIC[0]); i++) {
        snprintf(line, sizeof(line), "%s=V:", NOT_CLASSIC[i]);
        snprintf(wanted, sizeof(wanted), "invalid arg '%s' for Q of queue type %s", NOT_CLASSIC[i],
                 "rabbit_classic_queue");
        ck_assert_str_eq(check(line), wanted);
    }
    for (size_t i = 0; i < sizeof(NOT_QUORUM) / sizeof(NOT_QUORUM[0]); i++) {
        snprintf(line, sizeof(line), QUEUE_Q "%s=I:1", NOT_QUORUM[i]);
        snprintf(wanted, sizeof(wanted), "invalid arg '%s' for Q of queue type %s", NOT_QUORUM[i],
                 "rabbit_quorum_queue");
        ck_assert_str_eq(check(line), wanted);
    }
}
END_TEST

START_TEST(what_nobody_knows_is_ignored)
{
    static const struct row ROWS[] = {
        {"", "ok"},
        {"x-foo=I:-1 foo=V: =S:x", "ok"},
        {"x-expire=S:x x-expiresx=S:x X-Expires=S:x", "ok"},
        {"x-queue-mode=S:lazy", "ok"},
        {"x-queue-mode=A{I:1}", "ok"},
        {"x-queue-master-locator=I:1", "ok"},
        {"x-consumer-timeout=S:x x-delayed-retry-type=I:1", "ok"},
        {QUEUE_Q "x-ha-policy=V:", "ok"},
    };
    CHECK_ROWS(ROWS);
}
END_TEST

/* Each row but the last offends twice or more; in the order in which RabbitMQ finds out. */
START_TEST(the_first_offence_is_named)
{
    static const struct row ROWS[] = {
        {"x-queue-type=S:z x-dead-letter-exchange=I:1",
         "invalid type 'signedint' for arg 'x-dead-letter-exchange' in Q"},
        {"x-expires=I:0 x-queue-type=S:z",
         "invalid arg 'x-queue-type' for Q: \"unsupported queue type 'z'\""},
        {"x-max-age=S:1h x-message-ttl=I:-1 x-expires=I:0",
         "invalid arg 'x-expires' for Q: {value_zero,0}"},
        {"x-dead-letter-routing-key=S:k x-message-ttl=I:-1",
         "invalid arg 'x-message-ttl' for Q: {value_negative,-1}"},
        {"x-max-length=I:-1 x-dead-letter-routing-key=S:k",
         "invalid arg 'x-dead-letter-routing-key' for Q: routing_key_but_no_dlx_defined"},
        {QUEUE_Q "x-max-length=I:-1 x-dead-letter-strategy=S:f",
         "invalid arg 'x-dead-letter-strategy' for Q: invalid_dlx_strategy"},
        {"x-max-length-bytes=I:-1 x-max-length=I:-2",
         "invalid arg 'x-max-length' for Q: {value_negative,-2}"},
        {"x-max-priority=I:-1 x-max-length-bytes=I:-2",
         "invalid arg 'x-max-length-bytes' for Q: {value_negative,-2}"},
        {"x-overflow=S: x-max-priority=I:-1",
         "invalid arg 'x-max-priority' for Q: {value_negative,-1}"},
        {"x-queue-version=I:-1 x-overflow=S:", "invalid arg 'x-overflow' for Q: invalid_overflow"},
        {"x-single-active-consumer=I:1 x-queue-version=I:-1",
         "invalid arg 'x-queue-version' for Q: {value_negative,-1}"},
        {QUEUE_Q "x-queue-leader-locator=S: x-quorum-initial-group-size=I:0",
         "invalid arg 'x-quorum-initial-group-size' for Q: {value_zero,0}"},
        {QUEUE_Q "x-max-priority=I:1 x-queue-leader-locator=S:",
         "invalid arg 'x-queue-leader-locator' for Q: invalid_queue_locator_arg"},
        {"x-max-age=S:1h x-delivery-limit=I:0",
         "invalid arg 'x-max-age' for Q of queue type rabbit_classic_queue"},
        {"x-delivery-limit=I:0 x-max-age=S:1h",
         "invalid arg 'x-delivery-limit' for Q of queue type rabbit_classic_queue"},
        {"x-expires=I:0 x-expires=I:5", "invalid arg 'x-expires' for Q: {value_zero,0}"},
        {"x-expires=I:5 x-expires=I:0", "ok"},
    };
    CHECK_ROWS(ROWS);
}
END_TEST

START_TEST(quorum_queues_are_durable_shared_and_lasting)
{
    static const char Q[] = "x-queue-type=S:quorum";
    ck_assert_str_eq(check_with(Q, DURABLE), "ok");
    ck_assert_str_eq(check_with(Q, 0), "invalid property 'non-durable' for Q");
    ck_assert_str_eq(check_with(Q, EXCLUSIVE), "invalid property 'exclusive-owner' for Q");
    ck_assert_str_eq(check_with(Q, DURABLE | EXCLUSIVE),
                     "invalid property 'exclusive-owner' for Q");
    ck_assert_str_eq(check_with(Q, DURABLE | AUTO_DELETE), "invalid property 'auto-delete' for Q");
    ck_assert_str_eq(check_with(Q, AUTO_DELETE | EXCLUSIVE),
                     "invalid property 'auto-delete' for Q");
    ck_assert_str_eq(check_with("x-queue-type=S:quorum x-max-priority=I:1", 0),
                     "invalid arg 'x-max-priority' for Q of queue type rabbit_quorum_queue");
    for (unsigned flags = 0; flags < 8; flags++)
        ck_assert_str_eq(check_with("x-queue-type=S:classic", flags), "ok");
}
END_TEST

START_TEST(quorum_queues_and_streams_want_a_name)
{
    ck_assert_str_eq(unnamed(""), "ok");
    ck_assert_str_eq(unnamed("x-queue-type=S:classic"), "ok");
    ck_assert_str_eq(unnamed("x-queue-type=x:quorum"), "ok");
    ck_assert_str_eq(unnamed("x-expires=I:0 x-queue-type=S:quorum"),
                     "Cannot declare a server-named queue for type rabbit_quorum_queue");
    ck_assert_str_eq(unnamed("x-queue-type=S:stream"),
                     "Cannot declare a server-named queue for type rabbit_stream_queue");
}
END_TEST

START_TEST(refusals_carry_the_names_as_they_are)
{
    struct fault f = {0};
    queue_arguments_check(notation("x-expires=I:0"), true, false, false, SPAN_LIT("%s'"),
                          SPAN_LIT("v%n"), &f);
    ck_assert_str_eq(f.text, "PRECONDITION_FAILED - invalid arg 'x-expires' for queue '%s'' in "
                             "vhost 'v%n': {value_zero,0}");
}
END_TEST

START_TEST(settings_not_given_are_none)
{
    struct queue_settings s = read_settings("");
    ck_assert_int_eq(s.type, QUEUE_CLASSIC);
    ck_assert_int_eq(s.overflow, OVERFLOW_DROP_HEAD);
    ck_assert(!s.single_active_consumer);
    ck_assert_uint_eq(s.priority_max, 0);
    ck_assert(s.message_ttl_ms == QUEUE_SETTING_NONE);
    ck_assert(s.expires_ms == QUEUE_SETTING_NONE);
    ck_assert(s.length_max == QUEUE_SETTING_NONE);
    ck_assert(s.length_bytes_max == QUEUE_SETTING_NONE);
    ck_assert(s.delivery_limit == QUEUE_SETTING_NONE);
    ck_assert_ptr_null(s.dead_letter_exchange.at);
    ck_assert_ptr_null(s.dead_letter_routing_key.at);
}
END_TEST

START_TEST(settings_given_are_read)
{
    struct queue_settings s = read_settings(
        "x-message-ttl=I:0 x-expires=l:315360000000 x-max-length=B:7 x-max-length-bytes=u:9 "
        "x-max-priority=b:10 x-overflow=S:reject-publish-dlx x-single-active-consumer=t:1 "
        "x-dead-letter-exchange=S: x-dead-letter-routing-key=S:k");
    ck_assert_int_eq(s.type, QUEUE_CLASSIC);
    ck_assert_int_eq(s.overflow, OVERFLOW_REJECT_PUBLISH_DLX);
    ck_assert(s.single_active_consumer);
    ck_assert_uint_eq(s.priority_max, 10);
    ck_assert(s.message_ttl_ms == 0);
    ck_assert(s.expires_ms == 315360000000);
    ck_assert(s.length_max == 7);
    ck_assert(s.length_bytes_max == 9);
    ck_assert_ptr_nonnull(s.dead_letter_exchange.at);
    ck_assert_uint_eq(s.dead_letter_exchange.size, 0);
    ck_assert(span_eq(s.dead_letter_routing_key, SPAN_LIT("k")));

    s = read_settings(QUEUE_Q "x-delivery-limit=I:-1 x-overflow=S:reject-publish "
                              "x-single-active-consumer=t:0 x-dead-letter-exchange=S:dlx");
    ck_assert_int_eq(s.type, QUEUE_QUORUM);
    ck_assert_int_eq(s.overflow, OVERFLOW_REJECT_PUBLISH);
    ck_assert(!s.single_active_consumer);
    ck_assert(s.delivery_limit == -1);
    ck_assert(span_eq(s.dead_letter_exchange, SPAN_LIT("dlx")));
    ck_assert_ptr_null(s.dead_letter_routing_key.at);
}
END_TEST

START_TEST(consumer_priority_is_an_integer)
{
    for (size_t i = 0; i < N_VALUES; i++) {
        char line[64];
        char wanted[128] = "ok";
        bool integer = strchr("bBsuIilL", VALUES[i].value[0]) != NULL;
        snprintf(line, sizeof(line), "x-priority=%s", VALUES[i].value);
        if (!integer)
            snprintf(wanted, sizeof(wanted),
                     "invalid arg 'x-priority' for Q: \"expected integer, got %s\"",
                     VALUES[i].name);
        ck_assert_str_eq(consume(QUEUE_CLASSIC, line), wanted);
        ck_assert_int_eq(priority, integer ? 1 : 0);
        ck_assert_str_eq(consume(QUEUE_QUORUM, line), wanted);
    }
}
END_TEST

START_TEST(consumer_priority_is_clamped_and_0_by_default)
{
    ck_assert_str_eq(consume(QUEUE_CLASSIC, ""), "ok");
    ck_assert_int_eq(priority, 0);
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-priority=I:-5"), "ok");
    ck_assert_int_eq(priority, -5);
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-priority=l:9223372036854775807"), "ok");
    ck_assert_int_eq(priority, INT32_MAX);
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-priority=l:-9223372036854775808"), "ok");
    ck_assert_int_eq(priority, INT32_MIN);
}
END_TEST

START_TEST(arguments_of_stream_consumers_are_refused)
{
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-stream-offset=S:first"),
                     "invalid arg 'x-stream-offset' for Q of queue type rabbit_classic_queue");
    ck_assert_str_eq(consume(QUEUE_QUORUM, "x-stream-offset=I:1"),
                     "invalid arg 'x-stream-offset' for Q of queue type rabbit_quorum_queue");
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-stream-filter=S:a x-stream-offset=S:first"),
                     "invalid arg 'x-stream-filter' for Q of queue type rabbit_classic_queue");
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-stream-match-unfiltered=t:1"),
                     "invalid arg 'x-stream-match-unfiltered' for Q of queue type "
                     "rabbit_classic_queue");
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-stream-offset=S:first x-priority=S:a"),
                     "invalid arg 'x-priority' for Q: \"expected integer, got longstr\"");
    ck_assert_str_eq(consume(QUEUE_CLASSIC, "x-foo=I:1 x-expires=S:x"), "ok");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("arguments");
    TCase *cases = tcase_create("all");
    tcase_add_test(cases, integers_of_every_width_are_integers_and_nothing_else_is);
    tcase_add_test(cases, words_are_long_strings_and_nothing_else);
    tcase_add_test(cases, a_dead_letter_exchange_of_the_wrong_type_has_a_text_of_its_own);
    tcase_add_test(cases, integers_have_their_range);
    tcase_add_test(cases, words_are_among_those_known);
    tcase_add_test(cases, a_dead_letter_routing_key_needs_an_exchange);
    tcase_add_test(cases, arguments_of_other_types_are_refused_by_name);
    tcase_add_test(cases, what_nobody_knows_is_ignored);
    tcase_add_test(cases, the_first_offence_is_named);
    tcase_add_test(cases, quorum_queues_are_durable_shared_and_lasting);
    tcase_add_test(cases, quorum_queues_and_streams_want_a_name);
    tcase_add_test(cases, refusals_carry_the_names_as_they_are);
    tcase_add_test(cases, settings_not_given_are_none);
    tcase_add_test(cases, settings_given_are_read);
    tcase_add_test(cases, consumer_priority_is_an_integer);
    tcase_add_test(cases, consumer_priority_is_clamped_and_0_by_default);
    tcase_add_test(cases, arguments_of_stream_consumers_are_refused);
    suite_add_tcase(suite, cases);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int n_failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return n_failed == 0 ? 0 : 1;
}
