// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "amqp/wire.h"
#include "base/bytes.h"

enum { PEER_READ_BYTES = 65536 };

uint64_t peer_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

struct peer *peer_connect(struct script *s, uint16_t port, struct span name, bool reset_is_end)
{
    struct peer *p = script_alloc(s, sizeof(*p));
    p->script = s;
    p->name = script_copy(s, name);
    p->port = port;
    p->reset_is_end = reset_is_end;
    p->frame_max = 131072;
    p->last = &p->first;
    p->last_method = script_alloc(s, PEER_CHANNELS * sizeof(*p->last_method));
    buf_init(&p->in);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int one = 1;
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        peer_close(p, false);
        script_fail(s, "connect to port %u: %s", port, strerror(errno));
    }
    setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return p;
}

void peer_close(struct peer *p, bool reset)
{
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    if (p->fd >= 0 && reset)
        setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
    buf_fini(&p->in);
}

void peer_shutdown(struct peer *p)
{
    shutdown(p->fd, SHUT_WR);
}

void peer_set_frame_max(struct peer *p, uint32_t frame_max)
{
    /* What the server will not agree to does not bind it either. */
    if (frame_max != 0 && frame_max < p->frame_max)
        p->frame_max = frame_max;
}

/* ---- Out ---- */

static void peer_wait(struct peer *p, short events, uint64_t deadline_ns)
{
    if (p->fd < 0)
        script_fail(p->script, "%.*s is closed", SPAN_FMT(p->name));
    struct pollfd poll_fd = {.fd = p->fd, .events = events};
    uint64_t now_ns = peer_now_ns();
    int left_ms = now_ns >= deadline_ns ? 0 : (int)((deadline_ns - now_ns) / 1000000) + 1;
    if (poll(&poll_fd, 1, left_ms) == 0)
        script_fail(p->script, "%.*s: nothing came in %d s", SPAN_FMT(p->name),
                    PEER_PATIENCE_MS / 1000);
}

static uint64_t peer_deadline(void)
{
    return peer_now_ns() + PEER_PATIENCE_MS * UINT64_C(1000000);
}

void peer_send(struct peer *p, struct span bytes)
{
    uint64_t deadline_ns = peer_deadline();
    while (bytes.size != 0) {
        peer_wait(p, POLLOUT, deadline_ns);
        ssize_t n = send(p->fd, bytes.at, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            script_fail(p->script, "%.*s: sending: %s", SPAN_FMT(p->name), strerror(errno));
        if (n > 0)
            bytes = span_of(bytes.at + n, bytes.size - (size_t)n);
    }
    p->sent_ns = peer_now_ns();
}

void peer_send_frame(struct peer *p, uint8_t type, uint16_t channel, struct span payload)
{
    uint8_t *frame = script_alloc(p->script, payload.size + FRAME_OVERHEAD);
    uint8_t *end = frame_put_head(frame, type, channel, (uint32_t)payload.size);
    put_u8(put_bytes(end, payload), FRAME_END);
    peer_send(p, span_of(frame, payload.size + FRAME_OVERHEAD));
}

void peer_send_method(struct peer *p, uint16_t channel, const struct method *m)
{
    size_t size = method_size(m);
    uint8_t *payload = script_alloc(p->script, size);
    method_encode(payload, m);
    p->last_method[channel] = m->id;
    peer_send_frame(p, FRAME_METHOD, channel, span_of(payload, size));
}

void peer_send_content(struct peer *p, uint16_t channel, struct span rest, struct span body)
{
    uint8_t *header = script_alloc(p->script, 12 + rest.size);
    put_bytes(put_u64(put_u16(put_u16(header, CLASS_BASIC), 0), body.size), rest);
    peer_send_frame(p, FRAME_HEADER, channel, span_of(header, 12 + rest.size));
    size_t most = p->frame_max - FRAME_OVERHEAD;
    while (body.size != 0) {
        size_t size = body.size < most ? body.size : most;
        peer_send_frame(p, FRAME_BODY, channel, span_of(body.at, size));
        body = span_of(body.at + size, body.size - size);
    }
}

/* ---- In ---- */

static struct item *peer_add(struct peer *p, uint16_t channel)
{
    struct item *item = script_alloc(p->script, sizeof(*item));
    item->channel = channel;
    *p->last = item;
    p->last = &item->next;
    return item;
}

static struct item *peer_unfinished(struct peer *p, uint16_t channel)
{
    for (struct item *item = p->first; item != NULL; item = item->next)
        if (item->channel == channel && !item->whole)
            return item;
    return NULL;
}

static void peer_on_method(struct peer *p, uint16_t channel, struct span payload)
{
    struct fault f;
    struct item *item = peer_add(p, channel);
    if (method_decode(script_copy(p->script, payload), &item->method, &f) != NULL)
        script_fail(p->script, "the server sent a bad method: %s", f.text);
    if ((method_info(item->method.id)->sender & FROM_SERVER) == 0)
        script_fail(p->script, "the server sent %s", method_info(item->method.id)->name);
    item->whole = !method_info(item->method.id)->content;
}

static void peer_on_content(struct peer *p, uint8_t type, uint16_t channel, struct span payload)
{
    struct item *item = peer_unfinished(p, channel);
    struct content_header h;
    if (item == NULL || (type == FRAME_HEADER) != (item->rest.at == NULL))
        script_fail(p->script, "the server sent a frame of type %u out of turn", type);
    if (type == FRAME_HEADER) {
        if (!content_header_take(script_copy(p->script, payload), &h) || h.class_id != CLASS_BASIC)
            script_fail(p->script, "the server sent a malformed content header");
        item->rest = h.rest;
        item->body_size = h.body_size;
        item->body = script_alloc(p->script, h.body_size);
    } else {
        if (payload.size > item->body_size - item->body_got || payload.size == 0)
            script_fail(p->script, "the server sent a body frame of %zu bytes", payload.size);
        put_bytes(item->body + item->body_got, payload);
        item->body_got += payload.size;
    }
    item->whole = item->body_got == item->body_size;
}

/* One frame off what was read. False when there is no whole one. */
static bool peer_parse(struct peer *p)
{
    struct span in = buf_span(&p->in);
    size_t before = in.size;
    uint8_t type;
    uint8_t end;
    uint16_t channel;
    uint32_t size;
    struct span payload;
    if (!take_u8(&in, &type) || !take_u16(&in, &channel) || !take_u32(&in, &size))
        return false;
    if (size + FRAME_OVERHEAD > p->frame_max)
        script_fail(p->script, "the server sent a frame of %u bytes", size + FRAME_OVERHEAD);
    if (!take_span(&in, size, &payload) || !take_u8(&in, &end))
        return false;
    if (end != FRAME_END)
        script_fail(p->script, "the server ended a frame with %u", end);
    if (type == FRAME_METHOD) {
        peer_on_method(p, channel, payload);
    } else if (type == FRAME_HEARTBEAT && channel == 0 && size == 0) {
        struct item *item = peer_add(p, channel);
        item->heartbeat = true;
        item->whole = true;
    } else if (type == FRAME_HEADER || type == FRAME_BODY) {
        peer_on_content(p, type, channel, payload);
    } else {
        script_fail(p->script, "the server sent a frame of type %u", type);
    }
    buf_consume(&p->in, before - in.size);
    return true;
}

/* Reads once what is there or comes. */
static void peer_read(struct peer *p, uint64_t deadline_ns)
{
    peer_wait(p, POLLIN, deadline_ns);
    uint8_t *room = buf_reserve(&p->in, PEER_READ_BYTES);
    if (room == NULL)
        script_fail(p->script, "out of memory");
    ssize_t n = recv(p->fd, room, PEER_READ_BYTES, MSG_DONTWAIT);
    if (n > 0)
        buf_commit(&p->in, (size_t)n);
    else if (n == 0 || (errno == ECONNRESET && p->reset_is_end))
        p->ended = true;
    else if (errno != EAGAIN && errno != EINTR)
        script_fail(p->script, "%.*s: reading: %s", SPAN_FMT(p->name), strerror(errno));
}

static struct item *peer_look(struct peer *p, uint16_t channel, enum method_id id, bool heartbeat)
{
    for (struct item *item = p->first; item != NULL; item = item->next)
        if (!item->taken && item->channel == channel && item->heartbeat == heartbeat &&
            (id == METHOD_NONE || item->method.id == id))
            return item->whole ? item : NULL;
    return NULL;
}

/* Whatever a client waits for will not come any more after these. */
static void peer_check_alive(struct peer *p, uint16_t channel, enum method_id id)
{
    struct item *item = peer_look(p, 0, METHOD_connection_close, false);
    if (item != NULL)
        script_fail(p->script, "%.*s got %s", SPAN_FMT(p->name), peer_print(p->script, item));
    item = id == METHOD_NONE ? NULL : peer_look(p, channel, METHOD_channel_close, false);
    if (item != NULL)
        script_fail(p->script, "%.*s got %s", SPAN_FMT(p->name), peer_print(p->script, item));
    if (p->ended)
        script_fail(p->script, "%.*s: the server has ended the connection", SPAN_FMT(p->name));
}

static struct item *peer_await(struct peer *p, uint16_t channel, enum method_id id, bool heartbeat)
{
    uint64_t deadline_ns = peer_deadline();
    for (;;) {
        while (peer_parse(p)) {}
        struct item *item = peer_look(p, channel, id, heartbeat);
        if (item != NULL) {
            item->taken = true;
            return item;
        }
        peer_check_alive(p, channel, id);
        peer_read(p, deadline_ns);
    }
}

struct item *peer_next(struct peer *p, uint16_t channel, enum method_id id)
{
    return peer_await(p, channel, id, false);
}

struct item *peer_heartbeat(struct peer *p)
{
    return peer_await(p, 0, METHOD_NONE, true);
}

struct item *peer_untaken(struct peer *p)
{
    while (peer_parse(p)) {}
    for (struct item *item = p->first; item != NULL; item = item->next)
        if (!item->taken && !item->heartbeat)
            return item;
    return NULL;
}

void peer_end(struct peer *p)
{
    uint64_t deadline_ns = peer_deadline();
    while (!p->ended) {
        peer_read(p, deadline_ns);
        struct item *item = peer_untaken(p);
        if (item != NULL)
            script_fail(p->script, "%.*s wanted the end and got %s", SPAN_FMT(p->name),
                        peer_print(p->script, item));
    }
    if (buf_span(&p->in).size != 0)
        script_fail(p->script, "%.*s got part of a frame before the end", SPAN_FMT(p->name));
    peer_close(p, false);
}

struct span peer_raw(struct peer *p, size_t size)
{
    uint64_t deadline_ns = peer_deadline();
    while (buf_span(&p->in).size < size && !p->ended)
        peer_read(p, deadline_ns);
    struct span in = buf_span(&p->in);
    struct span got = script_copy(p->script, span_of(in.at, in.size < size ? in.size : size));
    buf_consume(&p->in, got.size);
    return got;
}

/* ---- Messages ---- */

static int peer_print_text(char *to, size_t room, struct span v)
{
    int n = snprintf(to, room, "\"");
    for (size_t i = 0; i < v.size && i < 300 && (size_t)n + 8 < room; i++)
        n += snprintf(to + n, room - (size_t)n, v.at[i] >= 32 && v.at[i] < 127 ? "%c" : "\\x%02x",
                      v.at[i]);
    return n + snprintf(to + n, room - (size_t)n, v.size > 300 ? "...\"" : "\"");
}

static int peer_print_field(char *to, size_t room, enum method_type type, const void *at)
{
    switch (type) {
    case METHOD_TYPE_octet: return snprintf(to, room, "%u", *(const uint8_t *)at);
    case METHOD_TYPE_shortu: return snprintf(to, room, "%u", *(const uint16_t *)at);
    case METHOD_TYPE_longu: return snprintf(to, room, "%u", *(const uint32_t *)at);
    case METHOD_TYPE_longlongu:
        return snprintf(to, room, "%llu", (unsigned long long)*(const uint64_t *)at);
    case METHOD_TYPE_bit: return snprintf(to, room, "%d", *(const bool *)at);
    case METHOD_TYPE_shortstr:
    case METHOD_TYPE_longstr:
    case METHOD_TYPE_table: break;
    }
    return peer_print_text(to, room, *(const struct span *)at);
}

const char *peer_print(struct script *s, const struct item *item)
{
    size_t room = 1500;
    char *text = script_alloc(s, room + 1);
    size_t n_fields;
    const struct method_field *fields = method_fields(item->method.id, &n_fields);
    int n = snprintf(text, room, "%s", method_info(item->method.id)->name);
    for (size_t i = 0; i < n_fields && (size_t)n < room - 400; i++) {
        n += snprintf(text + n, room - (size_t)n, " %s=", fields[i].name);
        n += peer_print_field(text + n, room - (size_t)n, fields[i].type,
                              (const uint8_t *)&item->method + fields[i].offset);
    }
    if (method_info(item->method.id)->content && (size_t)n < room - 400) {
        n += snprintf(text + n, room - (size_t)n, " body=");
        peer_print_text(text + n, room - (size_t)n, span_of(item->body, item->body_got));
    }
    return text;
}
