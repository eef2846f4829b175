// SPDX-License-Identifier: Apache-2.0
/* Exchanges of every type, and what they let through. */
#include "checks.h"

static void bind_queue(struct session *s, const char *queue_name, const char *exchange_name,
                       const char *key)
{
    amqp_queue_bind(s->conn, 1, amqp_cstring_bytes(queue_name), amqp_cstring_bytes(exchange_name),
                    amqp_cstring_bytes(key), amqp_empty_table);
    ok(s->conn, "queue.bind");
}

void check_direct(struct session *s)
{
    struct name x = exchange(s, "direct");
    struct name north = bound_queue(s, x.text, "north", amqp_empty_table);
    struct name south = bound_queue(s, x.text, "south", amqp_empty_table);
    send_text(s->conn, 1, x.text, "north", "1");
    send_text(s->conn, 1, x.text, "south", "2");
    send_text(s->conn, 1, x.text, "east", "3");
    send_text(s->conn, 1, x.text, "north", "4");
    holds(s->conn, 1, north.text, "1", "4", NULL);
    holds(s->conn, 1, south.text, "2", NULL);

    bind_queue(s, north.text, x.text, "south");
    amqp_queue_unbind(s->conn, 1, amqp_cstring_bytes(north.text), amqp_cstring_bytes(x.text),
                      amqp_cstring_bytes("north"), amqp_empty_table);
    ok(s->conn, "queue.unbind");
    send_text(s->conn, 1, x.text, "north", "5");
    send_text(s->conn, 1, x.text, "south", "6");
    holds(s->conn, 1, north.text, "6", NULL);
    holds(s->conn, 1, south.text, "6", NULL);
}

void check_fanout(struct session *s)
{
    struct name x = exchange(s, "fanout");
    struct name one = bound_queue(s, x.text, "", amqp_empty_table);
    struct name two = bound_queue(s, x.text, "ignored", amqp_empty_table);
    send_text(s->conn, 1, x.text, "any key", "to all");
    holds(s->conn, 1, one.text, "to all", NULL);
    holds(s->conn, 1, two.text, "to all", NULL);
}

void check_topic(struct session *s)
{
    static const char *const KEYS[] = {"app.eu.net", "log.eu.disk", "log",    "log.us.disk.full",
                                       "app.eu",     "app.us.disk", "logs.eu"};
    struct name x = exchange(s, "topic");
    struct name one = bound_queue(s, x.text, "*.eu.*", amqp_empty_table);
    struct name many = bound_queue(s, x.text, "log.#", amqp_empty_table);
    bind_queue(s, many.text, x.text, "#.disk");
    for (size_t i = 0; i < sizeof KEYS / sizeof KEYS[0]; i++) {
        send_text(s->conn, 1, x.text, KEYS[i], KEYS[i]);
    }
    holds(s->conn, 1, one.text, "app.eu.net", "log.eu.disk", NULL);
    holds(s->conn, 1, many.text, "log.eu.disk", "log", "log.us.disk.full", "app.us.disk", NULL);
}

static amqp_table_entry_t text_field(const char *name, const char *text)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(name),
        .value = {.kind = AMQP_FIELD_KIND_UTF8, .value.bytes = amqp_cstring_bytes(text)},
    };
}

static amqp_table_entry_t number_field(const char *name, int32_t number)
{
    return (amqp_table_entry_t){
        .key = amqp_cstring_bytes(name),
        .value = {.kind = AMQP_FIELD_KIND_I32, .value.i32 = number},
    };
}

static void send_headers(struct session *s, const char *exchange_name, const char *body,
                         const char *shape, int32_t size)
{
    amqp_table_entry_t fields[] = {text_field("shape", shape), number_field("size", size),
                                   text_field("colour", "red")};
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG,
                                          .headers = {3, fields}};
    send_message(s->conn, 1, exchange_name, "", false, &properties, amqp_cstring_bytes(body));
}

void check_headers(struct session *s)
{
    struct name x = exchange(s, "headers");
    amqp_table_entry_t all[] = {text_field("x-match", "all"), text_field("shape", "round"),
                                number_field("size", 7)};
    amqp_table_entry_t any[] = {text_field("x-match", "any"), text_field("shape", "round"),
                                number_field("size", 7)};
    struct name all_queue = bound_queue(s, x.text, "", (amqp_table_t){3, all});
    struct name any_queue = bound_queue(s, x.text, "", (amqp_table_t){3, any});
    send_headers(s, x.text, "both", "round", 7);
    send_headers(s, x.text, "neither", "square", 8);
    send_headers(s, x.text, "one", "square", 7);
    holds(s->conn, 1, all_queue.text, "both", NULL);
    holds(s->conn, 1, any_queue.text, "both", "one", NULL);
}

static void bind_exchange(struct session *s, const char *target, const char *source,
                          const char *key)
{
    amqp_exchange_bind(s->conn, 1, amqp_cstring_bytes(target), amqp_cstring_bytes(source),
                       amqp_cstring_bytes(key), amqp_empty_table);
    ok(s->conn, "exchange.bind");
}

void check_exchange_to_exchange(struct session *s)
{
    struct name source = exchange(s, "topic");
    struct name target = exchange(s, "direct");
    struct name q = bound_queue(s, target.text, "a.b", amqp_empty_table);
    bind_exchange(s, target.text, source.text, "a.*");
    send_text(s->conn, 1, source.text, "a.b", "through both");
    send_text(s->conn, 1, source.text, "a.c", "stopped by the second");
    send_text(s->conn, 1, source.text, "b.b", "stopped by the first");
    holds(s->conn, 1, q.text, "through both", NULL);
    bind_exchange(s, target.text, source.text, "keeps the source alive");
    amqp_exchange_unbind(s->conn, 1, amqp_cstring_bytes(target.text),
                         amqp_cstring_bytes(source.text), amqp_cstring_bytes("a.*"),
                         amqp_empty_table);
    ok(s->conn, "exchange.unbind");
    send_text(s->conn, 1, source.text, "a.b", "no longer");
    get_nothing(s->conn, 1, q.text);
    amqp_exchange_delete(s->conn, 1, amqp_cstring_bytes(source.text), false);
    ok(s->conn, "exchange.delete");
}
