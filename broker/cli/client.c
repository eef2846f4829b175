// SPDX-License-Identifier: Apache-2.0
/* The client of our own tools: see client.h. Everything here happens before or after the traffic
 * that is measured, so it is written to be plain; the fast part is perf_peer.c. */
#include "broker/cli/client.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "amqp/table.h"
#include "amqp/wire.h"
#include "base/bytes.h"
#include "base/limits.h"

/* ---- Addresses ---- */

static int client_hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == 0 ? NULL : strchr(digits, c | 0x20);
    return at == NULL ? -1 : (int)(at - digits);
}

/* Copies the bytes from `at` to `end`, percent signs resolved. */
static bool client_decode(char *out, const char *at, const char *end)
{
    size_t n = 0;
    for (; at < end; at++) {
        if (n + 1 >= CLIENT_TEXT_MAX)
            return false;
        if (*at != '%') {
            out[n++] = *at;
            continue;
        }
        if (end - at < 3 || client_hex(at[1]) < 0 || client_hex(at[2]) < 0)
            return false;
        out[n++] = (char)(client_hex(at[1]) * 16 + client_hex(at[2]));
        at += 2;
    }
    out[n] = 0;
    return true;
}

/* HOST, HOST:PORT, [HOST] or [HOST]:PORT. */
static bool client_parse_host(struct client_address *a, const char *at, const char *end)
{
    const char *host_end;
    if (at < end && *at == '[') {
        host_end = memchr(at, ']', (size_t)(end - at));
        if (host_end == NULL || !client_decode(a->host, at + 1, host_end))
            return false;
        at = host_end + 1;
    } else {
        host_end = memchr(at, ':', (size_t)(end - at));
        if (host_end == NULL)
            host_end = end;
        if (host_end != at && !client_decode(a->host, at, host_end))
            return false;
        at = host_end;
    }
    if (at == end)
        return true;
    return *at == ':' && at + 1 < end && client_decode(a->port, at + 1, end);
}

static bool client_parse_user(struct client_address *a, const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));
    if (!client_decode(a->user, at, colon == NULL ? end : colon))
        return false;
    return colon == NULL || client_decode(a->password, colon + 1, end);
}

enum err client_address_parse(struct client_address *a, const char *uri)
{
    *a = (struct client_address){
        .host = "127.0.0.1", .port = "5672", .user = "guest", .password = "guest", .vhost = "/"};
    const char *scheme = "amqp://";
    if (strncmp(uri, scheme, strlen(scheme)) != 0)
        return ERR_SYNTAX;
    uri += strlen(scheme);
    const char *end = uri + strcspn(uri, "/?");
    const char *at_sign = memrchr(uri, '@', (size_t)(end - uri));
    if (at_sign != NULL && !client_parse_user(a, uri, at_sign))
        return ERR_SYNTAX;
    if (!client_parse_host(a, at_sign == NULL ? uri : at_sign + 1, end))
        return ERR_SYNTAX;
    if (*end != '/' || end[1] == 0)
        return *end == '?' ? ERR_SYNTAX : OK;
    return client_decode(a->vhost, end + 1, end + strlen(end)) ? OK : ERR_SYNTAX;
}

/* ---- The socket ---- */

void client_init(struct client *c)
{
    *c = (struct client){.fd = -1, .frame_max = FRAME_MAX_MIN};
    buf_init(&c->in);
    buf_init(&c->out);
}

void client_abort(struct client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_fini(&c->in);
    buf_fini(&c->out);
}

static enum err client_failed(struct client *c, const char *what)
{
    const char *reason = errno == EAGAIN || errno == EINPROGRESS ? "timed out" : strerror(errno);
    snprintf(c->why, sizeof(c->why), "%s: %s", what, reason);
    return ERR_IO;
}

static enum err client_no_memory(struct client *c)
{
    snprintf(c->why, sizeof(c->why), "out of memory");
    return ERR_NOMEM;
}

void client_set_blocking(struct client *c, bool blocking)
{
    int flags = fcntl(c->fd, F_GETFL);
    fcntl(c->fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

enum err client_connect(struct client *c, const struct client_address *a, uint32_t timeout_ms)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found;
    int status = getaddrinfo(a->host, a->port, &hints, &found);
    if (status != 0) {
        snprintf(c->why, sizeof(c->why), "no such address: %s", gai_strerror(status));
        return ERR_IO;
    }
    struct timeval wait = {timeout_ms / 1000, (suseconds_t)(timeout_ms % 1000) * 1000};
    int on = 1;
    for (struct addrinfo *i = found; i != NULL && c->fd < 0; i = i->ai_next) {
        c->fd = socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
        if (c->fd < 0)
            continue;
        setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
        setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        if (connect(c->fd, i->ai_addr, i->ai_addrlen) == 0)
            continue;
        int saved = errno;
        close(c->fd);
        c->fd = -1;
        errno = saved;
    }
    freeaddrinfo(found);
    return c->fd >= 0 ? OK : client_failed(c, "cannot connect");
}

enum err client_flush(struct client *c)
{
    while (c->out.first != c->out.end) {
        struct span bytes = buf_span(&c->out);
        ssize_t n = send(c->fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            return client_failed(c, "send");
        buf_consume(&c->out, n < 0 ? 0 : (size_t)n);
    }
    return OK;
}

enum err client_fill(struct client *c, size_t *n_bytes)
{
    *n_bytes = 0;
    uint8_t *at = buf_reserve(&c->in, CLIENT_READ_BYTES);
    if (at == NULL)
        return client_no_memory(c);
    ssize_t n = recv(c->fd, at, c->in.capacity - c->in.end, 0);
    if (n > 0) {
        buf_commit(&c->in, (size_t)n);
        *n_bytes = (size_t)n;
        return OK;
    }
    if (n < 0 && errno == EINTR)
        return OK;
    if (n < 0 && errno == EAGAIN && (fcntl(c->fd, F_GETFL) & O_NONBLOCK) != 0)
        return OK;
    if (n < 0)
        return client_failed(c, "receive");
    snprintf(c->why, sizeof(c->why), "the server closed the connection");
    return ERR_IO;
}

/* ---- Methods ---- */

enum err client_put(struct client *c, uint16_t channel, const struct method *m)
{
    size_t size = method_size(m);
    uint8_t *start = buf_reserve(&c->out, size + FRAME_OVERHEAD);
    if (start == NULL)
        return client_no_memory(c);
    uint8_t *p = frame_put_head(start, FRAME_METHOD, channel, (uint32_t)size);
    put_u8(method_encode(p, m), FRAME_END);
    buf_commit(&c->out, size + FRAME_OVERHEAD);
    return OK;
}

void client_set_refused(struct client *c, const struct method *m)
{
    uint16_t code;
    struct span text;
    if (m->id == METHOD_connection_close) {
        code = m->connection_close.reply_code;
        text = m->connection_close.reply_text;
    } else if (m->id == METHOD_channel_close) {
        code = m->channel_close.reply_code;
        text = m->channel_close.reply_text;
    } else {
        snprintf(c->why, sizeof(c->why), "the server sent %s out of turn",
                 method_info(m->id)->name);
        return;
    }
    snprintf(c->why, sizeof(c->why), "%s: %u %.*s", method_info(m->id)->name, code, SPAN_FMT(text));
}

/* Takes a frame that `in` holds whole. True when it was a method, now in `m`. */
static enum err client_take_frame(struct client *c, struct method *m)
{
    struct span in = buf_span(&c->in);
    struct fault fault;
    uint8_t type;
    uint16_t channel;
    uint32_t size;
    struct span payload;
    m->id = METHOD_NONE;
    if (!take_u8(&in, &type))
        return OK;
    bool spoken = type == FRAME_METHOD || type == FRAME_HEADER || type == FRAME_BODY ||
                  type == FRAME_HEARTBEAT;
    if (spoken && (!take_u16(&in, &channel) || !take_u32(&in, &size) ||
                   !take_span(&in, size, &payload) || in.size == 0))
        return OK;
    if (!spoken || in.at[0] != FRAME_END) {
        snprintf(c->why, sizeof(c->why), "what answers does not speak AMQP 0-9-1");
        return ERR_IO;
    }
    buf_consume(&c->in, (size_t)size + FRAME_OVERHEAD);
    if (type != FRAME_METHOD)
        m->id = METHOD_COUNT;
    else if (method_decode(payload, m, &fault) != NULL) {
        snprintf(c->why, sizeof(c->why), "%s", fault.text);
        return ERR_IO;
    }
    return OK;
}

/* Drops what is left of a body that the traffic was not interested in. */
static void client_skip(struct client *c)
{
    struct span in = buf_span(&c->in);
    size_t n = c->skip_bytes < in.size ? (size_t)c->skip_bytes : in.size;
    buf_consume(&c->in, n);
    c->skip_bytes -= n;
}

enum err client_expect(struct client *c, enum method_id id, struct method *m)
{
    for (;;) {
        client_skip(c);
        enum err e = c->skip_bytes != 0 ? OK : client_take_frame(c, m);
        if (e != OK)
            return e;
        if (c->skip_bytes == 0 && m->id == id)
            return OK;
        if (c->skip_bytes == 0 && m->id != METHOD_NONE) {
            bool content = m->id == METHOD_COUNT || method_info(m->id)->content ||
                           m->id == METHOD_basic_ack || m->id == METHOD_basic_nack ||
                           m->id == METHOD_connection_blocked ||
                           m->id == METHOD_connection_unblocked;
            if (content)
                continue;
            client_set_refused(c, m);
            return ERR_IO;
        }
        size_t n_bytes;
        e = client_fill(c, &n_bytes);
        if (e != OK)
            return e;
    }
}

enum err client_call(struct client *c, uint16_t channel, const struct method *request,
                     enum method_id id, struct method *m)
{
    enum err e = client_put(c, channel, request);
    if (e == OK)
        e = client_flush(c);
    return e == OK ? client_expect(c, id, m) : e;
}

/* ---- The handshake ---- */

enum err client_greet(struct client *c)
{
    struct method start;
    if (buf_append(&c->out, span_of(WIRE_PROTOCOL_HEADER, sizeof(WIRE_PROTOCOL_HEADER))) != OK)
        return client_no_memory(c);
    enum err e = client_flush(c);
    return e == OK ? client_expect(c, METHOD_connection_start, &start) : e;
}

static enum err client_properties(struct buf *b)
{
    struct buf able;
    buf_init(&able);
    static const char *const ABLE[] = {"publisher_confirms", "basic.nack", "consumer_cancel_notify",
                                       "connection.blocked", "authentication_failure_close"};
    enum err e = OK;
    for (size_t i = 0; e == OK && i < sizeof(ABLE) / sizeof(ABLE[0]); i++)
        e = table_add_bool(&able, span_str(ABLE[i]), true);
    if (e == OK)
        e = table_add_longstr(b, SPAN_LIT("product"), SPAN_LIT("whippet tools"));
    if (e == OK)
        e = table_add(b, SPAN_LIT("capabilities"), 'F', buf_span(&able));
    buf_fini(&able);
    return e;
}

static enum err client_log_in(struct client *c, const struct client_address *a, struct method *tune)
{
    char plain[2 * CLIENT_TEXT_MAX + 2];
    int n = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);
    struct buf properties;
    buf_init(&properties);
    enum err e = client_properties(&properties);
    struct method start_ok = {.id = METHOD_connection_start_ok,
                              .connection_start_ok = {.client_properties = buf_span(&properties),
                                                      .mechanism = SPAN_LIT("PLAIN"),
                                                      .response = span_of(plain, (size_t)n),
                                                      .locale = SPAN_LIT("en_US")}};
    e = e == OK ? client_call(c, 0, &start_ok, METHOD_connection_tune, tune) : client_no_memory(c);
    buf_fini(&properties);
    return e;
}

static enum err client_handshake(struct client *c, const struct client_address *a,
                                 uint32_t timeout_ms)
{
    struct method m;
    enum err e = client_connect(c, a, timeout_ms);
    if (e == OK)
        e = client_greet(c);
    if (e == OK)
        e = client_log_in(c, a, &m);
    if (e != OK)
        return e;
    uint32_t frame_max = m.connection_tune.frame_max;
    c->frame_max = frame_max == 0 || frame_max > FRAME_MAX_DEFAULT ? FRAME_MAX_DEFAULT : frame_max;
    struct method tune_ok = {
        .id = METHOD_connection_tune_ok,
        .connection_tune_ok = {m.connection_tune.channel_max, c->frame_max, 0}};
    struct method open = {.id = METHOD_connection_open,
                          .connection_open = {.virtual_host = span_str(a->vhost)}};
    e = client_put(c, 0, &tune_ok);
    return e == OK ? client_call(c, 0, &open, METHOD_connection_open_ok, &m) : e;
}

enum err client_open(struct client *c, const struct client_address *a, uint32_t timeout_ms)
{
    enum err e = client_handshake(c, a, timeout_ms);
    if (e == OK)
        return OK;
    char why[CLIENT_WHY_MAX];
    memcpy(why, c->why, sizeof(why));
    snprintf(c->why, sizeof(c->why), "%.100s:%.20s: %.380s", a->host, a->port, why);
    return e;
}

enum err client_open_channel(struct client *c, uint16_t channel)
{
    struct method open = {.id = METHOD_channel_open};
    struct method m;
    return client_call(c, channel, &open, METHOD_channel_open_ok, &m);
}

enum err client_close(struct client *c)
{
    struct method close = {
        .id = METHOD_connection_close,
        .connection_close = {.reply_code = 200, .reply_text = SPAN_LIT("Goodbye")}};
    struct method m;
    enum err e = client_call(c, 0, &close, METHOD_connection_close_ok, &m);
    client_abort(c);
    return e;
}
