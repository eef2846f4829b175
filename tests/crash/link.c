// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "amqp/content.h"
#include "amqp/wire.h"
#include "base/bytes.h"

static void link_contents_init(struct link *l)
{
    for (int i = 0; i < LINK_CHANNELS_MAX; i++) {
        buf_init(&l->contents[i].method);
        buf_init(&l->contents[i].header);
        buf_init(&l->contents[i].body);
        l->contents[i].open = false;
    }
}

static void link_contents_fini(struct link *l)
{
    for (int i = 0; i < LINK_CHANNELS_MAX; i++) {
        buf_fini(&l->contents[i].method);
        buf_fini(&l->contents[i].header);
        buf_fini(&l->contents[i].body);
    }
}

enum err link_open(struct link *l, uint16_t port, uint16_t n_channels,
                   const struct link_listener *listener, void *owner)
{
    struct client_address address;
    char uri[64];
    ASSERT(n_channels <= LINK_CHANNELS_MAX);
    snprintf(uri, sizeof(uri), "amqp://guest:guest@127.0.0.1:%u", port);
    *l = (struct link){.listener = listener, .owner = owner, .n_channels = n_channels};
    client_init(&l->client);
    link_contents_init(l);
    enum err e = client_address_parse(&address, uri);
    if (e == OK)
        e = client_open(&l->client, &address, LINK_TIMEOUT_MS);
    for (uint16_t i = 1; e == OK && i <= n_channels; i++)
        e = client_open_channel(&l->client, i);
    if (e != OK) {
        client_abort(&l->client);
        return e;
    }
    client_set_blocking(&l->client, false);
    l->up = true;
    return OK;
}

void link_abort(struct link *l)
{
    if (!l->up)
        return;
    l->up = false;
    client_abort(&l->client);
    link_contents_fini(l);
}

enum err link_close(struct link *l)
{
    client_set_blocking(&l->client, true);
    enum err e = client_close(&l->client);
    link_abort(l);
    return e;
}

bool link_is_flushed(const struct link *l)
{
    return l->client.out.first == l->client.out.end;
}

enum err link_send(struct link *l)
{
    struct client *c = &l->client;
    while (!link_is_flushed(l)) {
        struct span bytes = buf_span(&c->out);
        ssize_t n = send(c->fd, bytes.at, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN)
            return OK;
        if (n < 0 && errno != EINTR) {
            snprintf(c->why, sizeof(c->why), "send: %s", strerror(errno));
            return ERR_IO;
        }
        buf_consume(&c->out, n < 0 ? 0 : (size_t)n);
    }
    return OK;
}

static enum err link_malformed(struct link *l, const char *what)
{
    snprintf(l->client.why, sizeof(l->client.why), "what came in is not AMQP 0-9-1: %s", what);
    return ERR_IO;
}

static enum err link_replace(struct buf *b, struct span bytes)
{
    buf_consume(b, buf_span(b).size);
    return buf_append(b, bytes);
}

/* NULL when we have no such channel. */
static struct link_content *link_content_of(struct link *l, uint16_t channel)
{
    return channel == 0 || channel > l->n_channels ? NULL : &l->contents[channel - 1];
}

static enum err link_on_method(struct link *l, uint16_t channel, struct span payload)
{
    struct method m;
    struct fault fault;
    if (method_decode(payload, &m, &fault) != NULL)
        return link_malformed(l, fault.text);
    if (!method_info(m.id)->content) {
        l->listener->on_method(l, channel, &m);
        return OK;
    }
    struct link_content *c = link_content_of(l, channel);
    if (c == NULL || c->open)
        return link_malformed(l, "a content inside another");
    c->open = true;
    c->body_size = UINT64_MAX;
    buf_consume(&c->body, buf_span(&c->body).size);
    return link_replace(&c->method, payload);
}

static enum err link_content_whole(struct link *l, uint16_t channel, struct link_content *c)
{
    struct method m;
    struct fault fault;
    if (method_decode(buf_span(&c->method), &m, &fault) != NULL)
        return link_malformed(l, fault.text);
    c->open = false;
    l->listener->on_content(l, channel, &m, buf_span(&c->header), buf_span(&c->body));
    return OK;
}

static enum err link_on_content(struct link *l, uint8_t type, uint16_t channel, struct span payload)
{
    struct content_header h;
    struct link_content *c = link_content_of(l, channel);
    if (c == NULL || !c->open || (type == FRAME_HEADER) != (c->body_size == UINT64_MAX))
        return link_malformed(l, "a content frame out of turn");
    enum err e = OK;
    if (type == FRAME_BODY)
        e = buf_append(&c->body, payload);
    else if (!content_header_take(payload, &h))
        return link_malformed(l, "a content header");
    else {
        c->body_size = h.body_size;
        e = link_replace(&c->header, payload);
    }
    if (e == OK && buf_span(&c->body).size > c->body_size)
        return link_malformed(l, "a body larger than announced");
    return e == OK && buf_span(&c->body).size == c->body_size ? link_content_whole(l, channel, c)
                                                              : e;
}

/* Takes one frame off the input; *more = false when none is whole. */
static enum err link_take(struct link *l, bool *more)
{
    struct span in = buf_span(&l->client.in);
    uint8_t type;
    uint16_t channel;
    uint32_t size;
    struct span payload;
    *more = false;
    if (!take_u8(&in, &type) || !take_u16(&in, &channel) || !take_u32(&in, &size))
        return OK;
    if (size > l->client.frame_max - FRAME_OVERHEAD)
        return link_malformed(l, "a frame that is too large");
    if (!take_span(&in, size, &payload) || in.size == 0)
        return OK;
    if (in.at[0] != FRAME_END)
        return link_malformed(l, "a frame without an end");
    *more = true;
    enum err e = OK;
    if (type == FRAME_METHOD)
        e = link_on_method(l, channel, payload);
    else if (type == FRAME_HEADER || type == FRAME_BODY)
        e = link_on_content(l, type, channel, payload);
    else if (type != FRAME_HEARTBEAT)
        e = link_malformed(l, "a frame of unknown type");
    buf_consume(&l->client.in, (size_t)size + FRAME_OVERHEAD);
    return e;
}

enum err link_receive(struct link *l, size_t *n_bytes)
{
    bool more = true;
    enum err e = client_fill(&l->client, n_bytes);
    while (e == OK && more)
        e = link_take(l, &more);
    return e;
}

void link_drain(struct link *l)
{
    size_t n;
    while (l->up && link_receive(l, &n) == OK) {
        struct pollfd fd = {.fd = l->client.fd, .events = POLLIN};
        if (n == 0 && poll(&fd, 1, LINK_TIMEOUT_MS) <= 0)
            break;
    }
    link_abort(l);
}
