// SPDX-License-Identifier: Apache-2.0
/* One frame at a time. A body frame is used up as its bytes arrive, all others are looked at whole.
 * wire_publish_in_place is a short cut only: when it declines, the frames take the long way round
 * through an assembly and give the same event, or the fault. */
#include "amqp/wire.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"

const uint8_t WIRE_PROTOCOL_HEADER[8] = {'A', 'M', 'Q', 'P', 0, 0, 9, 1};

struct frame {
    uint8_t type;
    uint16_t channel;
    struct span payload;
};

uint8_t *frame_put_head(uint8_t *p, uint8_t type, uint16_t channel, uint32_t size)
{
    return put_u32(put_u16(put_u8(p, type), channel), size);
}

void wire_init(struct wire *w, uint32_t frame_max, uint64_t body_size_max, uint32_t home)
{
    memset(w, 0, sizeof(*w));
    w->frame_max = frame_max;
    w->frame_max_ours = frame_max;
    w->body_size_max = body_size_max;
    /* A largest message comes with its method and its header. */
    w->assembled_bytes_max = (body_size_max + 2 * (uint64_t)frame_max) * ASSEMBLY_MESSAGES_MAX;
    w->home = home;
    map_init(&w->assemblies);
}

static void wire_drop_finished(struct wire *w)
{
    if (w->finished != NULL)
        assembly_free(w->finished);
    w->finished = NULL;
}

void wire_fini(struct wire *w)
{
    wire_drop_finished(w);
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&w->assemblies, &walk)) != NULL;)
        assembly_free(CONTAINER_OF(n, struct assembly, by_channel));
    map_fini(&w->assemblies);
}

void wire_stop(struct wire *w)
{
    w->state = WIRE_STOPPED;
}

/* ---- Faults ---- */

static enum wire_got wire_fault(struct wire *w, struct wire_event *ev, enum method_id at_fault)
{
    const struct method_info *info = method_info(at_fault);
    ev->fault.class_id = info->class_id;
    ev->fault.method_id = info->method_id;
    wire_stop(w);
    return WIRE_FAULT;
}

static enum wire_got wire_frame_fault(struct wire *w, struct wire_event *ev,
                                      const struct reply *reply, const struct frame *frame,
                                      bool more, const char *what)
{
    char octets[128];
    fault_print_octets(octets, sizeof(octets),
                       frame->payload.size > 16 ? span_of(frame->payload.at, 16) : frame->payload,
                       true);
    fault_set(&ev->fault, reply, "type %u, %s octets = %s%s%s", frame->type,
              more || frame->payload.size > 16 ? "first 16" : "all", octets,
              what[0] == 0 ? "" : ": ", what);
    return wire_fault(w, ev, METHOD_NONE);
}

static enum wire_got wire_bad_end(struct wire *w, struct wire_event *ev, const struct frame *frame,
                                  bool more, uint8_t end)
{
    char what[48];
    snprintf(what, sizeof(what), "{invalid_frame_end_marker,%u}", end);
    return wire_frame_fault(w, ev, REPLY_FRAME_ERROR, frame, more, what);
}

static enum wire_got wire_out_of_memory(struct wire *w, struct wire_event *ev)
{
    fault_set(&ev->fault, REPLY_RESOURCE_ERROR, "out of memory");
    return wire_fault(w, ev, METHOD_NONE);
}

/* ---- Assemblies ---- */

static struct assembly *wire_assembly(const struct wire *w, uint16_t channel)
{
    struct map_node *n = map_find(&w->assemblies, channel);
    return n == NULL ? NULL : CONTAINER_OF(n, struct assembly, by_channel);
}

static enum method_id wire_assembly_method(const struct assembly *a)
{
    struct span in = assembly_payload(a);
    uint16_t class_id = 0;
    uint16_t method_id = 0;
    bool whole = take_u16(&in, &class_id) && take_u16(&in, &method_id);
    ASSERT(whole);
    return method_lookup(class_id, method_id);
}

/* The content is whole: hands it out and keeps it until the next call. */
static enum wire_got wire_finish(struct wire *w, struct assembly *a, struct wire_event *ev)
{
    map_remove(&w->assemblies, &a->by_channel);
    w->assembled_bytes -= assembly_bytes(a);
    w->finished = a;
    ev->channel = a->channel;
    ev->payload = assembly_payload(a);
    ev->header = assembly_header_payload(a);
    ev->body = assembly_small_body(a);
    ev->body_size = a->body_size;
    ev->large_body = a->large;
    a->large = NULL;
    const struct reply *bad = method_decode(ev->payload, &ev->method, &ev->fault);
    ASSERT(bad == NULL); /* it was decoded once already, before it was copied */
    return WIRE_PUBLISH;
}

/* May this many bytes be added to what is unfinished? If not, the fault is in `ev`. */
static bool wire_has_room(struct wire *w, uint64_t size, struct wire_event *ev)
{
    if (w->assembled_bytes + size <= w->assembled_bytes_max)
        return true;
    fault_set(&ev->fault, REPLY_RESOURCE_ERROR,
              "unfinished contents of this connection exceed %llu bytes",
              (unsigned long long)w->assembled_bytes_max);
    return false;
}

static enum wire_got wire_begin_content(struct wire *w, const struct frame *frame,
                                        struct wire_event *ev)
{
    if (!wire_has_room(w, frame->payload.size, ev))
        return wire_fault(w, ev, METHOD_NONE);
    /* More contents than channels can only be on channels that are not open. */
    if (w->assemblies.n >= w->channel_max) {
        fault_set(&ev->fault, REPLY_CHANNEL_ERROR, "expected 'channel.open'");
        return wire_fault(w, ev, ev->method.id);
    }
    struct assembly *a = assembly_new(frame->channel, frame->payload);
    if (a == NULL)
        return wire_out_of_memory(w, ev);
    map_insert(&w->assemblies, &a->by_channel, frame->channel);
    w->assembled_bytes += assembly_bytes(a);
    return WIRE_MORE;
}

static enum wire_got wire_content_header(struct wire *w, struct assembly *a,
                                         const struct frame *frame, struct wire_event *ev)
{
    struct content_header h;
    struct span weight = span_of(frame->payload.at + 2, 2);
    bool whole = content_header_take(frame->payload, &h);
    if (frame->type != FRAME_HEADER || !whole || !span_eq(weight, SPAN_LIT("\0\0"))) {
        fault_set(&ev->fault, REPLY_UNEXPECTED_FRAME,
                  "expected content header for class %u, got non content header frame instead",
                  CLASS_BASIC);
        return wire_fault(w, ev, wire_assembly_method(a));
    }
    if (h.class_id != CLASS_BASIC) {
        fault_set(&ev->fault, REPLY_UNEXPECTED_FRAME,
                  "expected content header for class %u, got one for class %u instead", CLASS_BASIC,
                  h.class_id);
        return wire_fault(w, ev, wire_assembly_method(a));
    }
    if (h.body_size > BODY_SIZE_CEILING) {
        fault_set(&ev->fault, REPLY_FRAME_ERROR,
                  "content body size %llu exceeds maximum allowed size %u",
                  (unsigned long long)h.body_size, BODY_SIZE_CEILING);
        return wire_fault(w, ev, METHOD_NONE);
    }
    if (!wire_has_room(w, frame->payload.size, ev))
        return wire_fault(w, ev, METHOD_NONE);
    w->assembled_bytes += frame->payload.size;
    if (assembly_header(a, frame->payload, h.body_size, w->body_size_max, w->home,
                        w->assemblies.n > 1) != OK)
        return wire_out_of_memory(w, ev);
    return h.body_size == 0 ? wire_finish(w, a, ev) : WIRE_MORE;
}

/* ---- Body frames, used up as they come ---- */

static enum wire_got wire_begin_body(struct wire *w, struct assembly *a, const struct frame *head,
                                     struct span *in, struct wire_event *ev)
{
    if (head->payload.size > a->body_left) {
        fault_set(&ev->fault, REPLY_FRAME_ERROR,
                  "content body frame exceeds remaining content size");
        return wire_fault(w, ev, METHOD_NONE);
    }
    *in = span_of(in->at + FRAME_HEAD, in->size - FRAME_HEAD);
    w->filling = a;
    w->frame_left = head->payload.size;
    w->snippet.size = 0;
    w->snippet.more = head->payload.size > sizeof(w->snippet.bytes);
    return WIRE_MORE;
}

static void wire_keep_snippet(struct wire *w, struct span bytes)
{
    struct wire_snippet *s = &w->snippet;
    for (size_t i = 0; i < bytes.size && s->size < sizeof(s->bytes); i++)
        s->bytes[s->size++] = bytes.at[i];
}

/* Memory is lent within the bound for unfinished contents; where that ends, wire_fill_body says so.
 */
size_t wire_body_room(struct wire *w, uint8_t **at)
{
    if (w->state != WIRE_FRAMES || w->filling == NULL || w->frame_left == 0)
        return 0;
    uint64_t room = assembly_room(w->filling, at);
    if (room > w->frame_left)
        room = w->frame_left;
    if (room > w->assembled_bytes_max - w->assembled_bytes)
        room = w->assembled_bytes_max - w->assembled_bytes;
    return (size_t)room;
}

void wire_body_received(struct wire *w, size_t n)
{
    struct assembly *a = w->filling;
    ASSERT(n <= w->frame_left);
    wire_keep_snippet(w, span_of(a->large->bytes + a->large->size, n));
    assembly_received(a, n);
    w->assembled_bytes += n;
    w->frame_left -= n;
}

/* WIRE_MORE with input left means: this frame is done, go on. */
static enum wire_got wire_fill_body(struct wire *w, struct span *in, struct wire_event *ev)
{
    struct assembly *a = w->filling;
    struct span bytes = span_of(in->at, in->size < w->frame_left ? in->size : w->frame_left);
    if (a->kept && !wire_has_room(w, bytes.size, ev))
        return wire_fault(w, ev, METHOD_NONE);
    wire_keep_snippet(w, bytes);
    if (assembly_body(a, bytes) != OK)
        return wire_out_of_memory(w, ev);
    if (a->kept)
        w->assembled_bytes += bytes.size;
    *in = span_of(in->at + bytes.size, in->size - bytes.size);
    w->frame_left -= bytes.size;
    uint8_t end;
    if (w->frame_left != 0 || !take_u8(in, &end))
        return WIRE_MORE;
    w->filling = NULL;
    if (end != FRAME_END) {
        struct frame frame = {FRAME_BODY, a->channel, span_of(w->snippet.bytes, w->snippet.size)};
        return wire_bad_end(w, ev, &frame, w->snippet.more, end);
    }
    return a->body_left == 0 ? wire_finish(w, a, ev) : WIRE_MORE;
}

/* ---- Whole frames ---- */

/* A frame of the wanted type and channel that lies whole in `*in`: taken. */
static bool wire_take_in_place(struct span *in, uint8_t type, uint16_t channel, size_t payload_max,
                               struct span *payload)
{
    struct span rest = *in;
    uint8_t t;
    uint16_t c;
    uint32_t size;
    uint8_t end;
    if (!take_u8(&rest, &t) || !take_u16(&rest, &c) || !take_u32(&rest, &size))
        return false;
    if (t != type || c != channel || size > payload_max || !take_span(&rest, size, payload) ||
        !take_u8(&rest, &end) || end != FRAME_END)
        return false;
    *in = rest;
    return true;
}

/* A publish whose header and single body frame follow in one piece: handed out where it lies. */
static bool wire_publish_in_place(const struct wire *w, uint16_t channel, struct span *in,
                                  struct wire_event *ev)
{
    struct span rest = *in;
    struct content_header h;
    if (!wire_take_in_place(&rest, FRAME_HEADER, channel, w->frame_max, &ev->header) ||
        !content_header_take(ev->header, &h) || h.class_id != CLASS_BASIC ||
        (ev->header.at[2] | ev->header.at[3]) != 0 || h.body_size > BODY_INLINE_MAX ||
        h.body_size > w->body_size_max)
        return false;
    ev->body = span_of(rest.at, 0);
    if (h.body_size != 0 &&
        (!wire_take_in_place(&rest, FRAME_BODY, channel, w->frame_max, &ev->body) ||
         ev->body.size != h.body_size))
        return false;
    /* Where the way through an assembly would be a fault, this one must be too. */
    if (w->assembled_bytes + ev->payload.size + ev->header.size + h.body_size >
        w->assembled_bytes_max)
        return false;
    ev->body_size = h.body_size;
    *in = rest;
    return true;
}

/* tune-ok takes effect at the very next byte; a value that the core will refuse changes nothing. */
static void wire_follow_tune(struct wire *w, const struct amqp_connection_tune_ok *m)
{
    if (w->tuned)
        return;
    w->tuned = true;
    w->heartbeat_s = m->heartbeat;
    w->channel_max = m->channel_max;
    if (m->frame_max >= FRAME_MAX_MIN && m->frame_max <= w->frame_max_ours)
        w->frame_max = m->frame_max;
}

static enum wire_got wire_method(struct wire *w, const struct frame *frame, struct span *in,
                                 struct wire_event *ev)
{
    if (frame->payload.size < 4)
        return wire_frame_fault(w, ev, REPLY_FRAME_ERROR, frame, false, "unknown_frame");
    if (method_decode(frame->payload, &ev->method, &ev->fault) != NULL) {
        wire_stop(w);
        return WIRE_FAULT;
    }
    ev->channel = frame->channel;
    ev->payload = frame->payload;
    if (ev->method.id == METHOD_connection_tune_ok && frame->channel == 0)
        wire_follow_tune(w, &ev->method.connection_tune_ok);
    if (!method_info(ev->method.id)->content || frame->channel == 0)
        return WIRE_METHOD;
    /* Nobody has a channel before tune-ok, and what is put together must be somebody's. */
    if (!w->tuned) {
        fault_set(&ev->fault, REPLY_UNEXPECTED_FRAME, "content before connection.tune-ok");
        return wire_fault(w, ev, ev->method.id);
    }
    if (wire_publish_in_place(w, frame->channel, in, ev))
        return WIRE_PUBLISH;
    return wire_begin_content(w, frame, ev);
}

static bool wire_is_unknown_method(const struct frame *frame)
{
    struct span in = frame->payload;
    uint16_t class_id;
    uint16_t method_id;
    return frame->type == FRAME_METHOD && take_u16(&in, &class_id) && take_u16(&in, &method_id) &&
           method_lookup(class_id, method_id) == METHOD_NONE;
}

static enum wire_got wire_whole_frame(struct wire *w, const struct frame *frame, struct span *in,
                                      struct wire_event *ev)
{
    struct content_header h;
    bool known = frame->type == FRAME_METHOD || frame->type == FRAME_BODY ||
                 (frame->type == FRAME_HEARTBEAT && frame->payload.size == 0) ||
                 (frame->type == FRAME_HEADER && content_header_take(frame->payload, &h));
    if (!known)
        return wire_frame_fault(w, ev, REPLY_FRAME_ERROR, frame, false, "unknown_frame");
    if (frame->type == FRAME_HEARTBEAT && frame->channel == 0)
        return WIRE_HEARTBEAT;
    if (frame->type == FRAME_HEARTBEAT || (frame->channel == 0 && frame->type != FRAME_METHOD))
        return wire_frame_fault(w, ev, REPLY_UNEXPECTED_FRAME, frame, false, "");
    /* As in RabbitMQ a method is looked up first, whatever is expected. */
    if (wire_is_unknown_method(frame))
        return wire_method(w, frame, in, ev);
    struct assembly *a = wire_assembly(w, frame->channel);
    if (a != NULL && !a->has_header)
        return wire_content_header(w, a, frame, ev);
    if (a != NULL) {
        fault_set(&ev->fault, REPLY_UNEXPECTED_FRAME,
                  "expected content body, got non content body frame instead");
        return wire_fault(w, ev, wire_assembly_method(a));
    }
    if (frame->type != FRAME_METHOD) {
        fault_set(&ev->fault, REPLY_UNEXPECTED_FRAME,
                  "expected method frame, got non method frame instead");
        return wire_fault(w, ev, METHOD_NONE);
    }
    return wire_method(w, frame, in, ev);
}

/* One frame, or a step into a body frame. `*progress` says whether anything was used up. */
static enum wire_got wire_frame(struct wire *w, struct span *in, struct wire_event *ev,
                                bool *progress)
{
    size_t before = in->size;
    *progress = false;
    if (w->filling != NULL) {
        enum wire_got got = wire_fill_body(w, in, ev);
        *progress = in->size != before;
        return got;
    }
    struct span rest = *in;
    struct frame frame;
    uint32_t size;
    if (!take_u8(&rest, &frame.type) || !take_u16(&rest, &frame.channel) || !take_u32(&rest, &size))
        return WIRE_MORE;
    frame.payload = span_of(rest.at, 0);
    /* RabbitMQ lets a payload be as large as the frame should have been. */
    if (size > w->frame_max) {
        char what[64];
        snprintf(what, sizeof(what), "{frame_too_large,%u,%u}", size,
                 w->frame_max - FRAME_OVERHEAD);
        return wire_frame_fault(w, ev, REPLY_FRAME_ERROR, &frame, false, what);
    }
    struct assembly *a = frame.type == FRAME_BODY ? wire_assembly(w, frame.channel) : NULL;
    if (a != NULL && a->has_header) {
        *progress = true;
        frame.payload.size = size;
        return wire_begin_body(w, a, &frame, in, ev);
    }
    uint8_t end;
    if (!take_span(&rest, size, &frame.payload) || !take_u8(&rest, &end))
        return WIRE_MORE;
    *in = rest;
    *progress = true;
    if (end != FRAME_END)
        return wire_bad_end(w, ev, &frame, false, end);
    return wire_whole_frame(w, &frame, in, ev);
}

static enum wire_got wire_protocol_header(struct wire *w, struct span *in)
{
    static const uint8_t ALSO[8] = {'A', 'M', 'Q', 'P', 1, 1, 0, 9};
    size_t n = in->size < 8 ? in->size : 8;
    bool right = memcmp(in->at, WIRE_PROTOCOL_HEADER, n) == 0 || memcmp(in->at, ALSO, n) == 0;
    if (right && n < 8)
        return WIRE_MORE;
    if (!right && n < 8 && memcmp(in->at, "AMQP", n < 4 ? n : 4) == 0)
        return WIRE_MORE;
    if (!right) {
        wire_stop(w);
        return WIRE_REFUSED;
    }
    *in = span_of(in->at + 8, in->size - 8);
    w->state = WIRE_FRAMES;
    return WIRE_OPENED;
}

enum wire_got wire_next(struct wire *w, struct span *in, struct wire_event *ev)
{
    wire_drop_finished(w);
    ev->large_body = NULL;
    if (w->state == WIRE_HEADER && in->size != 0)
        return wire_protocol_header(w, in);
    while (w->state == WIRE_FRAMES) {
        bool progress;
        enum wire_got got = wire_frame(w, in, ev, &progress);
        if (got != WIRE_MORE || !progress)
            return got;
    }
    if (w->state == WIRE_STOPPED)
        *in = span_of(in->at + in->size, 0);
    return WIRE_MORE;
}
