// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/dialogue.h"

#include "amqp/table.h"
#include "amqp/wire.h"
#include "base/bytes.h"
#include "tests/wire/fields.h"

struct item *dialogue_expect(struct peer *p, uint16_t channel, enum method_id id)
{
    struct item *item = peer_next(p, channel, METHOD_NONE);
    if (item->method.id != id)
        script_fail(p->script, "%.*s wanted %s and got %s", SPAN_FMT(p->name),
                    method_info(id)->name, peer_print(p->script, item));
    return item;
}

struct item *dialogue_call(struct peer *p, uint16_t channel, const struct method *m,
                           enum method_id answer)
{
    peer_send_method(p, channel, m);
    return dialogue_expect(p, channel, answer);
}

void dialogue_reopen(struct peer *p, uint16_t channel)
{
    struct method ok = {.id = METHOD_channel_close_ok};
    struct method open = {.id = METHOD_channel_open};
    peer_send_method(p, channel, &ok);
    dialogue_call(p, channel, &open, METHOD_channel_open_ok);
}

void dialogue_end(struct peer *p)
{
    struct method ok = {.id = METHOD_connection_close_ok};
    peer_send_method(p, 0, &ok);
    peer_shutdown(p);
    peer_end(p);
}

/* ---- The handshake ---- */

/* What a client announces that says nothing about it: everything that changes what it is sent. */
static struct span dialogue_capabilities(struct script *s)
{
    struct buf inner;
    struct buf outer;
    buf_init(&inner);
    buf_init(&outer);
    if (table_add_bool(&inner, SPAN_LIT("authentication_failure_close"), true) != OK ||
        table_add_bool(&inner, SPAN_LIT("consumer_cancel_notify"), true) != OK ||
        table_add_bool(&inner, SPAN_LIT("connection.blocked"), true) != OK ||
        table_add(&outer, SPAN_LIT("capabilities"), 'F', buf_span(&inner)) != OK)
        script_fail(s, "out of memory");
    struct span properties = script_copy(s, buf_span(&outer));
    buf_fini(&inner);
    buf_fini(&outer);
    return properties;
}

static struct span dialogue_plain(struct script *s, struct span user, struct span password)
{
    size_t size = user.size + password.size + 2;
    uint8_t *response = script_alloc(s, size);
    put_bytes(put_u8(put_bytes(put_u8(response, 0), user), 0), password);
    return span_of(response, size);
}

/* The words after `open`, into the three methods that they belong to. */
static void dialogue_options(struct script *s, struct amqp_connection_start_ok *start_ok,
                             struct amqp_connection_tune_ok *tune_ok,
                             struct amqp_connection_open *open)
{
    struct span user = SPAN_LIT("guest");
    struct span password = SPAN_LIT("guest");
    while (!fields_done(s)) {
        struct span name = script_word(s);
        script_take(s, "=");
        if (span_eq(name, SPAN_LIT("vhost")))
            open->virtual_host = script_text(s);
        else if (span_eq(name, SPAN_LIT("user")))
            user = script_text(s);
        else if (span_eq(name, SPAN_LIT("password")))
            password = script_text(s);
        else if (span_eq(name, SPAN_LIT("properties")))
            start_ok->client_properties = script_table(s);
        else if (span_eq(name, SPAN_LIT("channel_max")))
            tune_ok->channel_max = (uint16_t)script_number(s);
        else if (span_eq(name, SPAN_LIT("frame_max")))
            tune_ok->frame_max = (uint32_t)script_number(s);
        else if (span_eq(name, SPAN_LIT("heartbeat")))
            tune_ok->heartbeat = (uint16_t)script_number(s);
        else
            script_fail(s, "open has no option %.*s", SPAN_FMT(name));
    }
    start_ok->mechanism = SPAN_LIT("PLAIN");
    start_ok->response = dialogue_plain(s, user, password);
    start_ok->locale = SPAN_LIT("en_US");
}

void dialogue_open(struct peer *p)
{
    struct method start_ok = {.id = METHOD_connection_start_ok};
    struct method tune_ok = {.id = METHOD_connection_tune_ok};
    struct method open = {.id = METHOD_connection_open};
    struct method channel_open = {.id = METHOD_channel_open};
    start_ok.connection_start_ok.client_properties = dialogue_capabilities(p->script);
    tune_ok.connection_tune_ok.channel_max = 2047;
    tune_ok.connection_tune_ok.frame_max = p->frame_max;
    open.connection_open.virtual_host = SPAN_LIT("/");
    dialogue_options(p->script, &start_ok.connection_start_ok, &tune_ok.connection_tune_ok,
                     &open.connection_open);
    peer_send(p, span_of(WIRE_PROTOCOL_HEADER, sizeof(WIRE_PROTOCOL_HEADER)));
    dialogue_expect(p, 0, METHOD_connection_start);
    dialogue_call(p, 0, &start_ok, METHOD_connection_tune);
    peer_send_method(p, 0, &tune_ok);
    peer_set_frame_max(p, tune_ok.connection_tune_ok.frame_max);
    dialogue_call(p, 0, &open, METHOD_connection_open_ok);
    dialogue_call(p, 1, &channel_open, METHOD_channel_open_ok);
}
