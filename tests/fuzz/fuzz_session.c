// SPDX-License-Identifier: Apache-2.0
/* Whole sessions without sockets: bytes of several clients through wire, link and core.
 *
 * The first byte holds flags: a delay of the store, a memory limit, whether client 0 has to do its
 * own handshake. Then come pieces: a byte with the client (low bits) and what happens afterwards
 * (high bits), a length, and that many bytes of the client's stream.
 *
 * Whatever the bytes, the core's invariants hold after every turn, all it sends are well-formed
 * methods of a server, and once all sockets have gone nothing is left. */
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/log.h"
#include "broker/core/core.h"
#include "broker/core/vhost.h"
#include "tests/amqp/wire_play.h"
#include "tests/fuzz/target.h"
#include "tests/sim/null_keeper.h"

enum { CLIENTS = 3, OURS = 8192, BODY_MAX = 64 * 1024, INPUT_MAX = 16 * 1024, TURNS_MAX = 100000 };

enum { FLAG_DELAY = 1, FLAG_MEMORY = 2, FLAG_RAW = 4, FLAG_STALLED = 8 };

struct client {
    struct wire wire;
    struct buf rest;
    bool known;
    bool closed;  /* IN_CLOSED was said */
    bool dropped; /* an order to close came: nothing is parsed any more */
    bool stalled;
    uint64_t contents;
    uint64_t told;
};

static struct broker {
    struct env env;
    uint64_t now_ns;
    struct users users;
    struct link link;
    struct null_keeper keeper;
    uint64_t delay;
    struct core *core;
    struct client clients[CLIENTS];
} b;

static uint64_t broker_now_ns(struct env *env)
{
    (void)env;
    return b.now_ns++;
}

static void broker_secret(struct env *env, void *at, size_t size)
{
    (void)env;
    memset(at, 0x11, size);
}

static uint64_t broker_delay(void *arg)
{
    (void)arg;
    return b.delay;
}

static void broker_new(unsigned flags)
{
    static const uint8_t SALT[PASSWORD_SALT] = {1, 2, 3, 4};
    memset(&b, 0, sizeof(b));
    log_set_level(LOG_LEVEL_ERROR);
    b.env = (struct env){.now_ns = broker_now_ns, .secret = broker_secret, .self = NULL};
    b.delay = (flags & FLAG_DELAY) != 0 ? 5 : 0;
    users_init(&b.users);
    ASSERT(users_add(&b.users, SPAN_LIT("g"), SPAN_LIT("g"), SALT, true) == OK);
    ASSERT(link_init(&b.link) == OK);
    ASSERT(null_keeper_init(&b.keeper, broker_delay, NULL) == OK);
    struct core_options options = {.env = &b.env,
                                   .store = b.keeper.store,
                                   .users = &b.users,
                                   .version = SPAN_LIT("4.2.0"),
                                   .default_vhost = SPAN_LIT("/"),
                                   .frame_max = OURS,
                                   .channel_max = 2047,
                                   .heartbeat_s = 60,
                                   .message_size_max = BODY_MAX,
                                   .memory_limit_bytes = (flags & FLAG_MEMORY) != 0 ? 2000 : 0};
    struct link *links[] = {&b.link};
    ASSERT(core_new(&b.core, &options, links, 1) == OK);
    for (unsigned i = 0; i < CLIENTS; i++) {
        wire_init(&b.clients[i].wire, OURS, BODY_MAX, 0);
        buf_init(&b.clients[i].rest);
        b.clients[i].stalled = i == 1 && (flags & FLAG_STALLED) != 0;
    }
}

/* ---- What the core says ---- */

static void check_method(struct span payload, bool content)
{
    struct method m;
    struct fault f;
    ASSERT(method_decode(payload, &m, &f) == NULL);
    ASSERT((method_info(m.id)->sender & FROM_SERVER) != 0);
    ASSERT(method_info(m.id)->content == content);
}

static void hear_bytes(const struct out_bytes *out)
{
    struct span in = span_of(out->bytes, out->size);
    while (in.size != 0) {
        uint8_t type;
        uint16_t channel;
        uint32_t size;
        uint8_t end;
        struct span payload;
        ASSERT(take_u8(&in, &type) && take_u16(&in, &channel) && take_u32(&in, &size) &&
               take_span(&in, size, &payload) && take_u8(&in, &end));
        ASSERT(type == FRAME_METHOD && end == FRAME_END && channel == out->head.channel);
        check_method(payload, false);
    }
}

static void hear_content(struct client *c, const struct out_content *out)
{
    uint8_t payload[2048];
    struct span route = message_route(out->message);
    ASSERT((size_t)out->prefix_size + route.size + out->suffix_size <= sizeof(payload));
    uint8_t *p = put_bytes(payload, span_of(out->bytes, out->prefix_size));
    p = put_bytes(put_bytes(p, route), span_of(out->bytes + out->prefix_size, out->suffix_size));
    check_method(span_of(payload, (size_t)(p - payload)), true);
    struct content_header h;
    ASSERT(content_header_take(message_header(out->message), &h));
    ASSERT(h.body_size == message_body(out->message).size);
    c->contents++;
}

static void hear_order(struct client *c, enum order order)
{
    if (order == ORDER_CLOSE || order == ORDER_CLOSE_LATE)
        c->dropped = true;
    if (order == ORDER_RELEASED) {
        ASSERT(c->known && c->closed);
        c->known = false;
    }
}

static void hear(struct out_head *head)
{
    if (head->kind == OUT_BODIES) {
        struct body *next;
        for (struct body *at = ((struct out_bodies *)head)->first; at != NULL; at = next) {
            next = at->next;
            body_free(at);
        }
        return;
    }
    ASSERT(head->conn.index < CLIENTS && head->conn.generation == 1);
    struct client *c = &b.clients[head->conn.index];
    ASSERT(c->known);
    if (head->kind == OUT_CONTENT && c->closed)
        return; /* after IN_CLOSED the message may be gone */
    if (head->kind == OUT_BYTES)
        hear_bytes((const struct out_bytes *)head);
    else if (head->kind == OUT_CONTENT)
        hear_content(c, (const struct out_content *)head);
    else
        hear_order(c, (enum order)((const struct out_order *)head)->order);
}

static void *record(unsigned i, size_t size, enum in_kind kind, uint16_t channel)
{
    struct in_head *head = ring_reserve(&b.link.in, size);
    ASSERT(head != NULL);
    memset(head, 0, size);
    *head = (struct in_head){.kind = kind, .conn = {i, 1}, .channel = channel};
    ring_commit(&b.link.in, size);
    return head;
}

static void tell_sent(bool all)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        struct client *c = &b.clients[i];
        if (c->known && !c->closed && c->told != c->contents && (all || !c->stalled)) {
            struct in_sent *in = record(i, sizeof(*in), IN_SENT, 0);
            in->contents = c->told = c->contents;
        }
    }
}

/* One turn of everything. True when there is more to do. */
static bool turn(void)
{
    size_t size;
    ring_publish(&b.link.in);
    bool more = core_step(b.core);
    core_check(b.core);
    more |= null_keeper_step(&b.keeper);
    more |= store_durable(b.keeper.store) != b.core->durable;
    ring_see_published(&b.link.out);
    for (void *at; (at = ring_peek(&b.link.out, &size)) != NULL; ring_skip(&b.link.out))
        hear(at);
    ring_release(&b.link.out);
    ring_see_released(&b.link.in);
    tell_sent(false);
    return more | ring_publish(&b.link.in);
}

/* ---- What clients say ---- */

static void hand_on_publish(unsigned i, const struct wire_event *ev)
{
    size_t behind = ev->payload.size + ev->header.size + ev->body.size;
    struct in_publish *in = record(i, sizeof(*in) + behind, IN_PUBLISH, ev->channel);
    uint8_t *at = (uint8_t *)(in + 1);
    in->method_id = (uint8_t)ev->method.id;
    if (ev->method.id == METHOD_basic_publish) {
        in->mandatory = ev->method.basic_publish.mandatory;
        in->immediate = ev->method.basic_publish.immediate;
        in->route = span_of(at + 6, ev->payload.size - 7);
    }
    at = put_bytes(at, ev->payload);
    in->header = span_of(at, ev->header.size);
    at = put_bytes(at, ev->header);
    in->body = span_of(at, ev->body.size);
    put_bytes(at, ev->body);
    in->body_size = ev->body_size;
    in->large = ev->large_body;
}

static void hand_on(unsigned i, enum wire_got got, const struct wire_event *ev)
{
    struct client *c = &b.clients[i];
    if (got == WIRE_OPENED) {
        struct in_opened *in = record(i, sizeof(*in), IN_OPENED, 0);
        in->loopback = true;
        in->peer[0] = 0;
        c->known = true;
    } else if (got == WIRE_METHOD) {
        struct in_method *in = record(i, sizeof(*in) + ev->payload.size, IN_METHOD, ev->channel);
        struct fault f;
        put_bytes((uint8_t *)(in + 1), ev->payload);
        in->payload = span_of(in + 1, ev->payload.size);
        ASSERT(method_decode(in->payload, &in->method, &f) == NULL);
    } else if (got == WIRE_PUBLISH) {
        hand_on_publish(i, ev);
    } else if (got == WIRE_FAULT) {
        struct in_fault *in = record(i, sizeof(*in), IN_FAULT, 0);
        in->fault = ev->fault;
    }
}

static void feed(unsigned i, struct span piece)
{
    struct client *c = &b.clients[i];
    uint8_t *at = NULL;
    size_t room = c->dropped || c->closed ? 0 : wire_body_room(&c->wire, &at);
    if (room != 0 && i % 2 == 0 && buf_span(&c->rest).size == 0) {
        size_t n = room < piece.size ? room : piece.size;
        put_bytes(at, span_of(piece.at, n));
        wire_body_received(&c->wire, n);
        piece = span_of(piece.at + n, piece.size - n);
    }
    ASSERT(buf_append(&c->rest, piece) == OK);
    struct span in = buf_span(&c->rest);
    size_t before = in.size;
    struct wire_event ev;
    while (!c->dropped && !c->closed) {
        if (!ring_has_room(&b.link.in, LINK_IN_ROOM)) {
            turn();
            continue;
        }
        enum wire_got got = wire_next(&c->wire, &in, &ev);
        if (got == WIRE_MORE)
            break;
        hand_on(i, got, &ev);
    }
    buf_consume(&c->rest, before - in.size);
}

static void close_socket(unsigned i)
{
    struct client *c = &b.clients[i];
    if (c->known && !c->closed)
        record(i, sizeof(struct in_head), IN_CLOSED, 0);
    c->closed = true;
}

static void log_in(unsigned i)
{
    struct buf bytes;
    buf_init(&bytes);
    ASSERT(buf_append(&bytes, span_of(WIRE_PROTOCOL_HEADER, 8)) == OK);
    struct method m = {.id = METHOD_connection_start_ok};
    m.connection_start_ok.mechanism = SPAN_LIT("PLAIN");
    m.connection_start_ok.response = SPAN_LIT("\0g\0g");
    wire_put_method(&bytes, 0, &m);
    m = (struct method){.id = METHOD_connection_tune_ok};
    m.connection_tune_ok = (struct amqp_connection_tune_ok){2047, OURS, 0};
    wire_put_method(&bytes, 0, &m);
    m = (struct method){.id = METHOD_connection_open};
    m.connection_open.virtual_host = SPAN_LIT("/");
    wire_put_method(&bytes, 0, &m);
    m = (struct method){.id = METHOD_channel_open};
    wire_put_method(&bytes, 1, &m);
    feed(i, buf_span(&bytes));
    buf_fini(&bytes);
}

static void broker_free(void)
{
    unsigned n = 0;
    tell_sent(true);
    for (unsigned i = 0; i < CLIENTS; i++)
        close_socket(i);
    while (turn())
        ASSERT(n++ < TURNS_MAX);
    for (unsigned i = 0; i < CLIENTS; i++) {
        ASSERT(!b.clients[i].known);
        wire_fini(&b.clients[i].wire);
        buf_fini(&b.clients[i].rest);
    }
    ASSERT(list_empty(&b.core->sessions) && b.core->consumers.n == 0);
    ASSERT(b.core->queues.n == b.core->vhost->queues.n);
    ASSERT(b.core->queues.n != 0 || b.core->message_bytes == 0);
    core_free(b.core);
    null_keeper_fini(&b.keeper);
    link_fini(&b.link);
    users_fini(&b.users);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    uint8_t flags;
    uint8_t what;
    uint8_t length;
    struct span piece;
    if (size > INPUT_MAX || !take_u8(&in, &flags))
        return 0;
    broker_new(flags);
    for (unsigned i = (flags & FLAG_RAW) != 0; i < CLIENTS; i++)
        log_in(i);
    while (take_u8(&in, &what) && take_u8(&in, &length)) {
        if (!take_span(&in, length < in.size ? length : in.size, &piece))
            break;
        unsigned i = (what & 3) % CLIENTS;
        feed(i, piece);
        if ((what & 0x80) != 0)
            close_socket(i);
        if ((what & 0x40) != 0)
            tell_sent(true);
        if ((what & 0x20) != 0)
            turn();
    }
    unsigned n = 0;
    while (turn())
        ASSERT(n++ < TURNS_MAX);
    broker_free();
    return 0;
}
