// SPDX-License-Identifier: Apache-2.0
/* Whether messages arrive as they were sent. Properties and tables are compared in their encoded
 * form, which shows every type tag and the order of the fields. */
#include "checks.h"

#include "properties.h"

#include <float.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define BODY             "h\xc3\xa9llo"
#define BODY_LARGE_BYTES (10u << 20)

#define TEXT_LONG_BYTES 30000
#define NAME_LONG_BYTES 255
#define N_FIELDS_MAX    40

/* As many bytes as a frame of the negotiated size can hold. */
static uint8_t sent_bytes[AMQP_DEFAULT_FRAME_SIZE];
static uint8_t got_bytes[AMQP_DEFAULT_FRAME_SIZE];

static amqp_bytes_t encoded(amqp_basic_properties_t *properties, uint8_t *room)
{
    amqp_bytes_t bytes = {AMQP_DEFAULT_FRAME_SIZE, room};
    int used = amqp_encode_properties(AMQP_BASIC_CLASS, properties, bytes);
    if (used < 0) {
        fail("encoding properties: %s", amqp_error_string2(used));
    }
    bytes.len = (size_t)used;
    return bytes;
}

void carries(amqp_basic_properties_t got, amqp_basic_properties_t sent)
{
    same_number("the property flags", got._flags, sent._flags);
    amqp_bytes_t wanted = encoded(&sent, sent_bytes);
    amqp_bytes_t came = encoded(&got, got_bytes);
    same_number("the length of the properties", came.len, wanted.len);
    for (size_t i = 0; i < wanted.len; i++) {
        if (sent_bytes[i] != got_bytes[i]) {
            fail("octet %zu of the encoded properties is 0x%02x, not 0x%02x", i, got_bytes[i],
                 sent_bytes[i]);
        }
    }
}

amqp_basic_properties_t every_property(void)
{
    static amqp_table_entry_t header;
    header = (amqp_table_entry_t){
        .key = amqp_cstring_bytes("trace"),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes("abc")},
    };
    return (amqp_basic_properties_t){
        ._flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
                  AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                  AMQP_BASIC_PRIORITY_FLAG | AMQP_BASIC_CORRELATION_ID_FLAG |
                  AMQP_BASIC_REPLY_TO_FLAG | AMQP_BASIC_EXPIRATION_FLAG |
                  AMQP_BASIC_MESSAGE_ID_FLAG | AMQP_BASIC_TIMESTAMP_FLAG | AMQP_BASIC_TYPE_FLAG |
                  AMQP_BASIC_USER_ID_FLAG | AMQP_BASIC_APP_ID_FLAG | AMQP_BASIC_CLUSTER_ID_FLAG,
        .content_type = amqp_cstring_bytes("text/plain"),
        .content_encoding = amqp_cstring_bytes("identity"),
        .headers = {1, &header},
        .delivery_mode = AMQP_DELIVERY_PERSISTENT,
        .priority = 7,
        .correlation_id = amqp_cstring_bytes("correlation-1"),
        .reply_to = amqp_cstring_bytes("some.queue"),
        .expiration = amqp_cstring_bytes("3600000"),
        .message_id = amqp_cstring_bytes("message-1"),
        .timestamp = 1700000000,
        .type = amqp_cstring_bytes("greeting"),
        .user_id = amqp_cstring_bytes("guest"),
        .app_id = amqp_cstring_bytes("interop"),
        .cluster_id = amqp_cstring_bytes("cluster-1"),
    };
}

void check_properties_by_get(struct session *s)
{
    struct name q = queue(s->conn, 1);
    amqp_basic_properties_t sent = every_property();
    send_message(s->conn, 1, "", q.text, false, &sent, amqp_cstring_bytes(BODY));
    send_text(s->conn, 1, "", q.text, "behind it");
    struct got got = get(s->conn, 1, q.text, false);
    carries(got.message.properties, sent);
    same_text("the body", got.message.body, BODY);
    same_text("the exchange", got.ok->exchange, "");
    same_text("the routing key", got.ok->routing_key, q.text);
    same_number("redelivered", (uint64_t)got.ok->redelivered, false);
    same_number("messages left", got.ok->message_count, 1);
    same_number("the delivery tag", got.ok->delivery_tag, 1);
    amqp_destroy_message(&got.message);
    amqp_basic_ack(s->conn, 1, 1, false);
    holds(s->conn, 1, q.text, "behind it", NULL);
}

void check_properties_by_consume(struct session *s)
{
    struct name x = exchange(s, "direct");
    struct name q = bound_queue(s, x.text, "key", amqp_empty_table);
    amqp_basic_properties_t sent = every_property();
    consume(s->conn, 1, q.text, "the tag", false);
    send_message(s->conn, 1, x.text, "key", false, &sent, amqp_cstring_bytes(BODY));
    struct event event = await(s->conn, AMQP_BASIC_DELIVER_METHOD);
    const amqp_basic_deliver_t *deliver = event.method.decoded;
    carries(event.message.properties, sent);
    same_text("the body", event.message.body, BODY);
    same_text("the exchange", deliver->exchange, x.text);
    same_text("the routing key", deliver->routing_key, "key");
    same_text("the consumer tag", deliver->consumer_tag, "the tag");
    same_number("redelivered", (uint64_t)deliver->redelivered, false);
    amqp_destroy_message(&event.message);
    amqp_basic_ack(s->conn, 1, deliver->delivery_tag, false);
}

void check_properties_absent(struct session *s)
{
    struct name q = queue(s->conn, 1);
    send_text(s->conn, 1, "", q.text, "plain");
    struct got got = get(s->conn, 1, q.text, true);
    carries(got.message.properties, (amqp_basic_properties_t){0});
    amqp_destroy_message(&got.message);
}

/* A table under construction, in room that is given back all at once. */
struct fields {
    amqp_table_entry_t entries[N_FIELDS_MAX];
    int n_entries;
};

static void add(struct fields *fields, const char *name, amqp_field_value_t value)
{
    if (fields->n_entries == N_FIELDS_MAX) {
        fail("too many fields");
    }
    fields->entries[fields->n_entries++] = (amqp_table_entry_t){.key = amqp_cstring_bytes(name),
                                                                .value = value};
}

#define VALUE(field_kind, member, ...) \
    ((amqp_field_value_t){.kind = AMQP_FIELD_KIND_##field_kind, .value.member = __VA_ARGS__})

/* Every type, at the ends of its range; but for floating-point values that are no numbers, on
 * which RabbitMQ closes the connection. */
static void add_every_type(struct fields *fields)
{
    add(fields, "t true", VALUE(BOOLEAN, boolean, 1));
    add(fields, "t false", VALUE(BOOLEAN, boolean, 0));
    add(fields, "b low", VALUE(I8, i8, INT8_MIN));
    add(fields, "b high", VALUE(I8, i8, INT8_MAX));
    add(fields, "B high", VALUE(U8, u8, UINT8_MAX));
    add(fields, "s low", VALUE(I16, i16, INT16_MIN));
    add(fields, "s high", VALUE(I16, i16, INT16_MAX));
    add(fields, "u high", VALUE(U16, u16, UINT16_MAX));
    add(fields, "I low", VALUE(I32, i32, INT32_MIN));
    add(fields, "I high", VALUE(I32, i32, INT32_MAX));
    add(fields, "i high", VALUE(U32, u32, UINT32_MAX));
    add(fields, "l low", VALUE(I64, i64, INT64_MIN));
    add(fields, "l high", VALUE(I64, i64, INT64_MAX));
    add(fields, "L", VALUE(U64, u64, 7));
    add(fields, "f least", VALUE(F32, f32, FLT_MIN));
    add(fields, "d most", VALUE(F64, f64, DBL_MAX));
    add(fields, "D", VALUE(DECIMAL, decimal, {2, 12345}));
    add(fields, "S", VALUE(UTF8, bytes, amqp_cstring_bytes("text \xc3\xbc")));
    add(fields, "S empty", VALUE(UTF8, bytes, amqp_cstring_bytes("")));
    add(fields, "x", VALUE(BYTES, bytes, {4, "\x00\x01\xce\xff"}));
    add(fields, "T", VALUE(TIMESTAMP, u64, 1700000001));
    add(fields, "V", (amqp_field_value_t){.kind = AMQP_FIELD_KIND_VOID});
    add(fields, "A empty", VALUE(ARRAY, array, {0, NULL}));
    add(fields, "F empty", VALUE(TABLE, table, {0, NULL}));
}

void check_field_types(struct session *s)
{
    static char long_name[NAME_LONG_BYTES + 1];
    static char long_text[TEXT_LONG_BYTES];
    memset(long_name, 'n', NAME_LONG_BYTES);
    memset(long_text, '5', sizeof long_text);

    struct fields inner = {0};
    add_every_type(&inner);
    amqp_field_value_t elements[N_FIELDS_MAX + 1];
    for (int i = 0; i < inner.n_entries; i++) {
        elements[i] = inner.entries[i].value;
    }
    elements[inner.n_entries] = VALUE(TABLE, table, {inner.n_entries, inner.entries});

    struct fields outer = {0};
    add_every_type(&outer);
    add(&outer, "A", VALUE(ARRAY, array, {inner.n_entries + 1, elements}));
    add(&outer, "F", VALUE(TABLE, table, {inner.n_entries, inner.entries}));
    add(&outer, "S long", VALUE(UTF8, bytes, {sizeof long_text, long_text}));
    add(&outer, long_name, VALUE(UTF8, bytes, amqp_cstring_bytes("the longest name")));

    amqp_basic_properties_t sent = {._flags = AMQP_BASIC_HEADERS_FLAG,
                                    .headers = {outer.n_entries, outer.entries}};
    struct name q = queue(s->conn, 1);
    send_message(s->conn, 1, "", q.text, false, &sent, amqp_empty_bytes);
    struct got got = get(s->conn, 1, q.text, true);
    carries(got.message.properties, sent);
    amqp_destroy_message(&got.message);
}

static void is_intact(amqp_bytes_t got, amqp_bytes_t sent)
{
    same_number("the length of the body", got.len, sent.len);
    if (sent.len > 0 && memcmp(got.bytes, sent.bytes, sent.len) != 0) {
        fail("the body has changed on its way");
    }
}

static void check_body(struct session *s, size_t n_bytes)
{
    amqp_bytes_t body = amqp_bytes_malloc(n_bytes);
    srandom((unsigned)n_bytes);
    for (size_t i = 0; i < n_bytes; i++) {
        ((uint8_t *)body.bytes)[i] = (uint8_t)random();
    }
    struct name q = queue(s->conn, 1);
    send_message(s->conn, 1, "", q.text, false, NULL, body);
    struct got got = get(s->conn, 1, q.text, true);
    is_intact(got.message.body, body);
    amqp_destroy_message(&got.message);
    consume(s->conn, 1, q.text, "", true);
    send_message(s->conn, 1, "", q.text, false, NULL, body);
    struct event event = await(s->conn, AMQP_BASIC_DELIVER_METHOD);
    is_intact(event.message.body, body);
    amqp_destroy_message(&event.message);
    amqp_bytes_free(body);
}

void check_body_empty(struct session *s)
{
    check_body(s, 0);
}

void check_body_small(struct session *s)
{
    check_body(s, 1);
}

void check_body_large(struct session *s)
{
    check_body(s, BODY_LARGE_BYTES);
}
