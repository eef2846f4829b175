// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/client.h"

#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "base/bytes.h"
#include "tests/sim/failure.h"

enum { CLIENT_READ = 64 * 1024 };

void client_init(struct client *c, struct peer *peer, const struct client_listener *listener,
                 void *arg)
{
    *c = (struct client){.peer = peer, .listener = listener, .arg = arg, .frame_max = 4096};
}

void client_fini(struct client *c)
{
    if (c->peer != NULL)
        peer_close(c->peer);
    c->peer = NULL;
    buf_fini(&c->out);
    buf_fini(&c->in);
    for (int i = 0; i < CLIENT_CHANNELS; i++) {
        buf_fini(&c->contents[i].payload);
        buf_fini(&c->contents[i].header);
        buf_fini(&c->contents[i].body);
    }
}

/* ---- Output ---- */

static uint8_t *client_room(struct client *c, size_t size)
{
    uint8_t *p = buf_reserve(&c->out, size);
    ASSERT(p != NULL);
    buf_commit(&c->out, size);
    return p;
}

static void client_frame(struct client *c, uint8_t type, uint16_t channel, struct span payload)
{
    uint8_t *p = client_room(c, FRAME_OVERHEAD + payload.size);
    p = frame_put_head(p, type, channel, (uint32_t)payload.size);
    put_u8(put_bytes(p, payload), FRAME_END);
}

void client_protocol_header(struct client *c)
{
    client_garbage(c, span_of(WIRE_PROTOCOL_HEADER, sizeof(WIRE_PROTOCOL_HEADER)));
}

void client_garbage(struct client *c, struct span bytes)
{
    put_bytes(client_room(c, bytes.size), bytes);
}

void client_heartbeat(struct client *c)
{
    client_frame(c, FRAME_HEARTBEAT, 0, SPAN_NONE);
}

void client_method(struct client *c, uint16_t channel, const struct method *m)
{
    size_t size = method_size(m);
    uint8_t *p = client_room(c, FRAME_OVERHEAD + size);
    p = frame_put_head(p, FRAME_METHOD, channel, (uint32_t)size);
    put_u8(method_encode(p, m), FRAME_END);
}

void client_publish(struct client *c, uint16_t channel, const struct amqp_basic_publish *m,
                    struct span properties, struct span body)
{
    struct method method = {.id = METHOD_basic_publish};
    method.basic_publish = *m;
    client_method(c, channel, &method);
    uint8_t header[CONTENT_HEADER_FIXED + 256];
    ASSERT(properties.size <= 256);
    uint8_t *p = put_u64(put_u16(put_u16(header, CLASS_BASIC), 0), body.size);
    p = put_bytes(p, properties);
    client_frame(c, FRAME_HEADER, channel, span_of(header, (size_t)(p - header)));
    size_t most = c->frame_max - FRAME_OVERHEAD;
    while (body.size != 0) {
        size_t n = body.size < most ? body.size : most;
        client_frame(c, FRAME_BODY, channel, span_of(body.at, n));
        body = span_of(body.at + n, body.size - n);
    }
}

size_t client_unsent(const struct client *c)
{
    return buf_span(&c->out).size;
}

bool client_send(struct client *c)
{
    size_t n = peer_send(c->peer, buf_span(&c->out));
    buf_consume(&c->out, n);
    return n != 0;
}

/* ---- Input ---- */

static void client_keep(struct buf *b, struct span bytes)
{
    buf_consume(b, buf_span(b).size);
    enum err e = buf_append(b, bytes);
    ASSERT(e == OK);
}

static void client_on_method(struct client *c, uint16_t channel, struct span payload)
{
    struct method m;
    struct fault f;
    const struct reply *bad = method_decode(payload, &m, &f);
    EXPECT(bad == NULL, "the broker sent a method that does not decode: %s", f.text);
    const struct method_info *info = method_info(m.id);
    EXPECT((info->sender & FROM_SERVER) != 0, "%s is not for a broker to send", info->name);
    if (info->content) {
        c->contents[channel].expected = true;
        c->contents[channel].has_header = false;
        client_keep(&c->contents[channel].payload, payload);
        return;
    }
    c->listener->on_method(c->arg, channel, &m);
}

static void client_content_done(struct client *c, uint16_t channel)
{
    struct client_content *content = &c->contents[channel];
    struct method m;
    struct fault f;
    content->expected = false;
    const struct reply *bad = method_decode(buf_span(&content->payload), &m, &f);
    ASSERT(bad == NULL);
    c->listener->on_content(c->arg, channel, &m, buf_span(&content->header),
                            buf_span(&content->body));
}

static void client_on_header(struct client *c, uint16_t channel, struct span payload)
{
    struct client_content *content = &c->contents[channel];
    struct content_header h;
    EXPECT(content->expected && !content->has_header, "a header frame that nothing announced");
    EXPECT(content_header_take(payload, &h) && h.class_id == CLASS_BASIC, "a bad content header");
    content->has_header = true;
    content->left = h.body_size;
    client_keep(&content->header, payload);
    client_keep(&content->body, SPAN_NONE);
    if (content->left == 0)
        client_content_done(c, channel);
}

static void client_on_body(struct client *c, uint16_t channel, struct span payload)
{
    struct client_content *content = &c->contents[channel];
    EXPECT(content->expected && content->has_header, "a body frame that nothing announced");
    EXPECT(payload.size <= content->left, "a body longer than its header says");
    enum err e = buf_append(&content->body, payload);
    ASSERT(e == OK);
    content->left -= payload.size;
    if (content->left == 0)
        client_content_done(c, channel);
}

static void client_on_frame(struct client *c, uint8_t type, uint16_t channel, struct span payload)
{
    EXPECT(channel < CLIENT_CHANNELS, "a frame on channel %u, which was never opened", channel);
    bool content = c->contents[channel].expected;
    EXPECT(!content || type != FRAME_METHOD, "a method in the middle of a content");
    switch (type) {
    case FRAME_METHOD: client_on_method(c, channel, payload); break;
    case FRAME_HEADER: client_on_header(c, channel, payload); break;
    case FRAME_BODY: client_on_body(c, channel, payload); break;
    case FRAME_HEARTBEAT:
        EXPECT(channel == 0 && payload.size == 0, "a malformed heartbeat");
        c->listener->on_heartbeat(c->arg);
        break;
    default: fail("a frame of type %u", type);
    }
}

/* Hands on the first whole frame. False when there is none. */
static bool client_next(struct client *c)
{
    struct span in = buf_span(&c->in);
    uint8_t type;
    uint16_t channel;
    uint32_t size;
    uint8_t end;
    struct span payload;
    struct span rest = in;
    if (in.size != 0 && in.at[0] == 'A') {
        /* The answer to a protocol header that it does not speak. */
        if (in.size >= sizeof(WIRE_PROTOCOL_HEADER))
            buf_consume(&c->in, sizeof(WIRE_PROTOCOL_HEADER));
        return in.size >= sizeof(WIRE_PROTOCOL_HEADER);
    }
    if (!take_u8(&rest, &type) || !take_u16(&rest, &channel) || !take_u32(&rest, &size))
        return false;
    EXPECT(size + FRAME_OVERHEAD <= c->frame_max, "a frame of %u bytes, more than agreed", size);
    if (!take_span(&rest, size, &payload) || !take_u8(&rest, &end))
        return false;
    EXPECT(end == FRAME_END, "a frame that does not end");
    /* A copy, for the listener may end the connection and its buffers with it. */
    struct span copy = span_dup(payload);
    ASSERT(copy.at != NULL);
    buf_consume(&c->in, FRAME_OVERHEAD + size);
    client_on_frame(c, type, channel, copy);
    free((void *)(uintptr_t)copy.at);
    return true;
}

bool client_receive(struct client *c)
{
    uint8_t *at = buf_reserve(&c->in, CLIENT_READ);
    ASSERT(at != NULL);
    size_t n = peer_receive(c->peer, at, CLIENT_READ);
    buf_commit(&c->in, n);
    for (size_t i = 0; i < n; i++)
        c->hash = (c->hash ^ at[i]) * 0x100000001b3u;
    trace_mix(c->hash);
    while (client_next(c)) {}
    return n != 0;
}
