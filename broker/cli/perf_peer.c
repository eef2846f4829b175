// SPDX-License-Identifier: Apache-2.0
/* The part of whippet-perf that runs per message. What leaves is bytes of a block encoded
 * beforehand; what arrives is read here by hand, since decoding every delivery into a struct would
 * cost more than the rest together. Anything but deliveries and confirms goes to the codec. */
#include "broker/cli/perf_peer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "amqp/content.h"
#include "amqp/wire.h"
#include "base/bytes.h"
#include "broker/cli/perf_process.h"
#include "broker/cli/perf_topology.h"

enum { PEER_BLOCK_BYTES = 128 * 1024, PEER_ACK_FRAME = FRAME_OVERHEAD + 13 };

/* Class and method as the first four bytes of a method frame's payload. */
enum {
    PEER_DELIVER = 60 << 16 | 60,
    PEER_RETURN = 60 << 16 | 50,
    PEER_ACK = 60 << 16 | 80,
    PEER_NACK = 60 << 16 | 120,
    PEER_BLOCKED = 10 << 16 | 60,
    PEER_UNBLOCKED = 10 << 16 | 61
};

/* ---- What a producer sends ---- */

static uint8_t *peer_put_body(uint8_t *p, size_t size, size_t frame_max)
{
    while (size != 0) {
        size_t part = size < frame_max - FRAME_OVERHEAD ? size : frame_max - FRAME_OVERHEAD;
        p = frame_put_head(p, FRAME_BODY, 1, (uint32_t)part);
        memset(p, 'w', part);
        p = put_u8(p + part, FRAME_END);
        size -= part;
    }
    return p;
}

/* One message at `p`; sets where the body begins. */
static uint8_t *peer_put_message(struct peer *p, uint8_t *at, const struct method *publish)
{
    const struct perf_options *o = p->shared->options;
    uint8_t *start = at;
    at = frame_put_head(at, FRAME_METHOD, 1, (uint32_t)method_size(publish));
    at = put_u8(method_encode(at, publish), FRAME_END);
    at = frame_put_head(at, FRAME_HEADER, 1, CONTENT_HEADER_FIXED + o->persistent);
    at = put_u16(at, CLASS_BASIC);
    at = put_u16(at, 0);
    at = put_u64(at, o->size);
    at = put_u16(at, o->persistent ? PROPERTY_delivery_mode : 0);
    if (o->persistent)
        at = put_u8(at, 2);
    at = put_u8(at, FRAME_END);
    p->stamp_at = (size_t)(at - start) + FRAME_HEAD;
    return peer_put_body(at, (size_t)o->size, p->client.frame_max);
}

static enum err peer_make_block(struct peer *p, size_t index)
{
    const struct perf_options *o = p->shared->options;
    char key[PERF_NAME_MAX];
    topology_routing_key(o, index % topology_n_queues(o), key);
    struct method publish = {.id = METHOD_basic_publish,
                             .basic_publish = {.exchange = span_str(o->exchange),
                                               .routing_key = span_str(key),
                                               .mandatory = o->mandatory}};
    size_t n_frames = (size_t)o->size / (p->client.frame_max - FRAME_OVERHEAD) + 1;
    size_t bound = method_size(&publish) + CONTENT_HEADER_FIXED + 1 + (size_t)o->size +
                   (2 + n_frames) * FRAME_OVERHEAD;
    size_t n = bound < PEER_BLOCK_BYTES ? PEER_BLOCK_BYTES / bound : 1;
    p->block = malloc(n * bound);
    if (p->block == NULL)
        return ERR_NOMEM;
    uint8_t *at = p->block;
    for (size_t i = 0; i < n; i++)
        at = peer_put_message(p, at, &publish);
    p->block_size = (size_t)(at - p->block);
    p->message_size = p->block_size / n;
    return OK;
}

static enum err peer_make_window(struct peer *p)
{
    size_t size = 16;
    /* Confirms may come out of order: the oldest one may lag behind by more than a window. */
    while (size < 4 * p->shared->options->confirm)
        size *= 2;
    p->window = (struct peer_window){calloc(size, sizeof(uint64_t)), size - 1, 1};
    return p->window.sent_ns == NULL ? ERR_NOMEM : OK;
}

/* How many messages may be begun in all, as things stand. */
static uint64_t peer_limit(const struct peer *p)
{
    uint64_t limit = p->n_granted;
    if (!p->shared->confirming)
        return limit;
    uint64_t window = p->n_settled + p->shared->options->confirm;
    uint64_t kept = p->window.lowest + p->window.mask;
    if (window < limit)
        limit = window;
    return kept < limit ? kept : limit;
}

bool peer_may_send(const struct peer *p)
{
    if (p->role != PEER_PRODUCER || p->blocked)
        return false;
    return p->client.out.first != p->client.out.end ||
           p->sent_bytes < p->n_begun * p->message_size || p->n_begun < peer_limit(p);
}

/* Writes the time into messages of the block that will be begun by the next piece. */
static void peer_stamp(struct peer *p, size_t at, size_t size, uint64_t now_ns)
{
    size_t first = (at + p->message_size - 1) / p->message_size * p->message_size;
    for (; first < at + size; first += p->message_size)
        put_u64(p->block + first + p->stamp_at, now_ns);
}

static void peer_begin(struct peer *p, uint64_t n_begun, uint64_t now_ns)
{
    p->shared->n_sent += n_begun - p->n_begun;
    for (uint64_t tag = p->n_begun + 1; p->shared->confirming && tag <= n_begun; tag++)
        p->window.sent_ns[tag & p->window.mask] = now_ns;
    p->n_begun = n_begun;
}

/* Bytes that the socket took; 0 and `blocked` when it takes none. */
static enum err peer_write(struct peer *p, struct span bytes, size_t *n_bytes)
{
    ssize_t n = send(p->client.fd, bytes.at, bytes.size, MSG_NOSIGNAL | MSG_DONTWAIT);
    *n_bytes = n < 0 ? 0 : (size_t)n;
    p->blocked = *n_bytes < bytes.size;
    if (n >= 0 || errno == EAGAIN || errno == EINTR)
        return OK;
    snprintf(p->client.why, sizeof(p->client.why), "send: %s", strerror(errno));
    return ERR_IO;
}

static enum err peer_send_out(struct peer *p)
{
    size_t n;
    if (p->client.out.first == p->client.out.end)
        return OK;
    enum err e = peer_write(p, buf_span(&p->client.out), &n);
    buf_consume(&p->client.out, n);
    return e;
}

enum err peer_send(struct peer *p, uint64_t now_ns)
{
    enum err e = peer_send_out(p);
    if (e != OK || p->blocked || p->role != PEER_PRODUCER)
        return e;
    uint64_t limit = peer_limit(p);
    uint64_t bytes = limit > UINT64_MAX / p->message_size ? UINT64_MAX : limit * p->message_size;
    size_t at = (size_t)(p->sent_bytes % p->block_size);
    size_t size = p->block_size - at;
    if (bytes - p->sent_bytes < size)
        size = (size_t)(bytes - p->sent_bytes);
    if (size == 0 || bytes <= p->sent_bytes)
        return OK;
    if (p->shared->options->latency)
        peer_stamp(p, at, size, now_ns);
    size_t n;
    e = peer_write(p, span_of(p->block + at, size), &n);
    p->sent_bytes += n;
    peer_begin(p, (p->sent_bytes + p->message_size - 1) / p->message_size, now_ns);
    return e;
}

/* ---- What comes back to a producer ---- */

static void peer_settle(struct peer *p, uint64_t tag, bool nack, uint64_t now_ns)
{
    uint64_t *sent_ns = &p->window.sent_ns[tag & p->window.mask];
    if (*sent_ns == 0)
        return;
    if (p->shared->options->latency)
        histogram_record(&p->shared->to_confirm, now_ns - *sent_ns);
    *sent_ns = 0;
    p->n_settled++;
    if (nack)
        p->shared->n_nacked++;
    else
        p->shared->n_confirmed++;
}

static enum err peer_confirm(struct peer *p, struct span arguments, bool nack, uint64_t now_ns)
{
    uint64_t tag;
    uint8_t bits;
    if (!p->shared->confirming || p->role != PEER_PRODUCER || !take_u64(&arguments, &tag) ||
        !take_u8(&arguments, &bits) || tag > p->n_begun) {
        snprintf(p->client.why, sizeof(p->client.why), "a confirm for what was not published");
        return ERR_IO;
    }
    if (tag < p->window.lowest)
        return OK;
    for (uint64_t i = (bits & 1) != 0 ? p->window.lowest : tag; i <= tag; i++)
        peer_settle(p, i, nack, now_ns);
    while (p->window.lowest <= p->n_begun &&
           p->window.sent_ns[p->window.lowest & p->window.mask] == 0)
        p->window.lowest++;
    return OK;
}

bool peer_is_settled(const struct peer *p)
{
    return p->n_begun == p->n_granted && p->sent_bytes == p->n_begun * p->message_size &&
           (!p->shared->confirming || p->n_settled == p->n_begun);
}

/* ---- What comes to a consumer ---- */

static enum err peer_ack(struct peer *p, bool multiple)
{
    uint8_t *at = buf_reserve(&p->client.out, PEER_ACK_FRAME);
    if (at == NULL)
        return ERR_NOMEM;
    at = frame_put_head(at, FRAME_METHOD, 1, PEER_ACK_FRAME - FRAME_OVERHEAD);
    at = put_u32(at, PEER_ACK);
    at = put_u64(at, p->tag);
    put_u8(put_u8(at, multiple), FRAME_END);
    buf_commit(&p->client.out, PEER_ACK_FRAME);
    p->tag_acked = p->tag;
    return OK;
}

/* The last byte of a message has been seen. */
static enum err peer_delivered(struct peer *p)
{
    if (p->role == PEER_PRODUCER) {
        p->shared->n_returned++;
        return OK;
    }
    const struct perf_options *o = p->shared->options;
    p->shared->n_delivered++;
    p->n_taken++;
    if (o->auto_ack || p->tag - p->tag_acked < o->ack_every)
        return OK;
    return peer_ack(p, o->ack_every > 1);
}

/* ---- Frames ---- */

enum peer_got { PEER_MORE, PEER_TOOK, PEER_FAILED };

/* Whatever is neither delivery nor confirm: nothing that a run survives. */
static enum peer_got peer_odd_method(struct peer *p, struct span payload)
{
    struct method m;
    struct fault fault;
    if (method_decode(payload, &m, &fault) != NULL)
        snprintf(p->client.why, sizeof(p->client.why), "%s", fault.text);
    else
        client_set_refused(&p->client, &m);
    return PEER_FAILED;
}

static enum peer_got peer_method(struct peer *p, struct span *in, uint32_t size, uint64_t now_ns)
{
    struct span payload;
    uint8_t end;
    uint32_t id;
    struct span tag_text;
    struct span rest = *in;
    if (!take_span(&rest, size, &payload) || !take_u8(&rest, &end))
        return PEER_MORE;
    struct span arguments = payload;
    if (end != FRAME_END || !take_u32(&arguments, &id))
        return PEER_FAILED;
    switch (id) {
    case PEER_DELIVER:
        if (p->n_taken >= p->n_granted) {
            p->held = true;
            return PEER_MORE;
        }
        if (!take_shortstr(&arguments, &tag_text) || !take_u64(&arguments, &p->tag))
            return PEER_FAILED;
        break;
    case PEER_ACK:
    case PEER_NACK:
        if (peer_confirm(p, arguments, id == PEER_NACK, now_ns) != OK)
            return PEER_FAILED;
        break;
    case PEER_RETURN:
    case PEER_BLOCKED:
    case PEER_UNBLOCKED: break;
    default: return peer_odd_method(p, payload);
    }
    *in = rest;
    return PEER_TOOK;
}

static enum peer_got peer_header(struct peer *p, struct span *in, uint32_t size)
{
    struct span payload;
    uint8_t end;
    struct content_header header;
    struct span rest = *in;
    if (!take_span(&rest, size, &payload) || !take_u8(&rest, &end))
        return PEER_MORE;
    if (end != FRAME_END || !content_header_take(payload, &header))
        return PEER_FAILED;
    *in = rest;
    p->body_left = header.body_size;
    p->stamp_due = p->shared->options->latency && header.body_size >= 8;
    if (p->body_left == 0 && peer_delivered(p) != OK)
        return PEER_FAILED;
    return PEER_TOOK;
}

static enum peer_got peer_body(struct peer *p, struct span *in, uint32_t size, uint64_t now_ns)
{
    struct span rest = *in;
    uint64_t sent_ns;
    p->client.skip_bytes = (uint64_t)size + 1;
    if (p->stamp_due && p->role == PEER_CONSUMER) {
        if (!take_u64(&rest, &sent_ns)) {
            p->client.skip_bytes = 0;
            return PEER_MORE;
        }
        /* A message of an earlier run carries a time too, or none. */
        if (sent_ns <= now_ns)
            histogram_record(&p->shared->latency, now_ns - sent_ns);
        p->client.skip_bytes -= 8;
        p->stamp_due = false;
    }
    *in = rest;
    p->body_left -= size < p->body_left ? size : p->body_left;
    return p->body_left == 0 && peer_delivered(p) != OK ? PEER_FAILED : PEER_TOOK;
}

static enum peer_got peer_frame(struct peer *p, struct span *in, uint64_t now_ns)
{
    struct span rest = *in;
    uint8_t type;
    uint16_t channel;
    uint32_t size;
    if (!take_u8(&rest, &type) || !take_u16(&rest, &channel) || !take_u32(&rest, &size))
        return PEER_MORE;
    enum peer_got got = PEER_FAILED;
    if (size <= p->client.frame_max - FRAME_OVERHEAD) {
        if (type == FRAME_METHOD)
            got = peer_method(p, &rest, size, now_ns);
        else if (type == FRAME_HEADER)
            got = peer_header(p, &rest, size);
        else if (type == FRAME_BODY)
            got = peer_body(p, &rest, size, now_ns);
        else if (type == FRAME_HEARTBEAT)
            got = take_u8(&rest, &type) ? PEER_TOOK : PEER_MORE;
    }
    if (got == PEER_TOOK)
        *in = rest;
    return got;
}

enum err peer_take(struct peer *p, uint64_t now_ns)
{
    struct span before = buf_span(&p->client.in);
    struct span in = before;
    enum peer_got got = PEER_TOOK;
    p->held = false;
    while (got == PEER_TOOK && in.size != 0) {
        if (p->client.skip_bytes == 0) {
            got = peer_frame(p, &in, now_ns);
            continue;
        }
        size_t n = p->client.skip_bytes < in.size ? (size_t)p->client.skip_bytes : in.size;
        p->client.skip_bytes -= n;
        in = span_of(in.at + n, in.size - n);
    }
    buf_consume(&p->client.in, before.size - in.size);
    if (got == PEER_FAILED && p->client.why[0] == 0)
        snprintf(p->client.why, sizeof(p->client.why), "what came in is not AMQP 0-9-1");
    if (got == PEER_FAILED)
        return ERR_IO;
    return p->blocked ? OK : peer_send_out(p);
}

enum err peer_receive(struct peer *p)
{
    size_t n;
    enum err e = client_fill(&p->client, &n);
    return e == OK && n != 0 ? peer_take(p, process_now_ns()) : e;
}

/* ---- Begin and end ---- */

static enum err peer_consume(struct peer *p, size_t index)
{
    const struct perf_options *o = p->shared->options;
    char queue[PERF_NAME_MAX];
    struct method m;
    enum err e = OK;
    topology_queue(o, index % topology_n_queues(o), queue);
    struct method qos = {.id = METHOD_basic_qos,
                         .basic_qos = {.prefetch_count = (uint16_t)o->prefetch}};
    if (o->prefetch != 0)
        e = client_call(&p->client, 1, &qos, METHOD_basic_qos_ok, &m);
    struct method consume = {.id = METHOD_basic_consume,
                             .basic_consume = {.queue = span_str(queue),
                                               .consumer_tag = SPAN_LIT("whippet-perf"),
                                               .no_ack = o->auto_ack}};
    return e == OK ? client_call(&p->client, 1, &consume, METHOD_basic_consume_ok, &m) : e;
}

enum err peer_open(struct peer *p, struct peer_shared *shared, enum peer_role role, size_t index)
{
    const struct perf_options *o = shared->options;
    struct method select = {.id = METHOD_confirm_select};
    struct method m;
    *p = (struct peer){.role = role, .shared = shared, .n_granted = PERF_NO_LIMIT};
    client_init(&p->client);
    enum err e = client_open(&p->client, &o->address, (uint32_t)o->timeout_ms);
    if (e == OK)
        e = client_open_channel(&p->client, 1);
    if (e == OK && role == PEER_CONSUMER)
        e = peer_consume(p, index);
    if (e == OK && role == PEER_PRODUCER)
        e = peer_make_block(p, index);
    if (e == OK && role == PEER_PRODUCER && shared->confirming) {
        e = peer_make_window(p);
        if (e == OK)
            e = client_call(&p->client, 1, &select, METHOD_confirm_select_ok, &m);
    }
    if (e != OK)
        return e;
    client_set_blocking(&p->client, false);
    /* Deliveries may have come along with consume-ok; no event will announce them. */
    p->held = p->client.in.first != p->client.in.end;
    return OK;
}

enum err peer_close(struct peer *p)
{
    if (p->client.fd < 0)
        return OK;
    client_set_blocking(&p->client, true);
    enum err e = OK;
    bool owes = p->role == PEER_CONSUMER && !p->shared->options->auto_ack && p->tag != p->tag_acked;
    if (owes && p->body_left == 0)
        e = peer_ack(p, true);
    /* A producer that was stopped in the middle of a message finishes it: frames must stay whole.
     */
    uint64_t begun = p->n_begun * p->message_size - p->sent_bytes;
    if (e == OK && p->role == PEER_PRODUCER && begun != 0) {
        size_t at = (size_t)(p->sent_bytes % p->block_size);
        e = buf_append(&p->client.out, span_of(p->block + at, (size_t)begun));
    }
    return e == OK ? client_close(&p->client) : e;
}

void peer_free(struct peer *p)
{
    client_abort(&p->client);
    free(p->block);
    free(p->window.sent_ns);
}
