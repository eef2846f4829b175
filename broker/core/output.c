// SPDX-License-Identifier: Apache-2.0
#include "broker/core/output.h"

#include "base/bytes.h"
#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/messages.h"

bool output_has_room(const struct session *s)
{
    return s->in_flight_bytes < OUTPUT_PENDING_MAX;
}

bool output_ring_has_room(const struct session *s)
{
    return ring_has_room(&s->link->link->out, OUTPUT_KEPT_FOR_REPLIES + LINK_BYTES_MAX);
}

bool output_payload(struct session *s, uint16_t channel, struct span payload)
{
    size_t size = FRAME_OVERHEAD + payload.size;
    ASSERT(size <= LINK_BYTES_MAX);
    if (!ring_has_room(&s->link->link->out, OUTPUT_KEPT_FOR_ORDERS + LINK_BYTES_MAX))
        return false;
    struct out_bytes *out = ring_reserve(&s->link->link->out, sizeof(*out) + size);
    if (out == NULL)
        return false;
    out->head = (struct out_head){.kind = OUT_BYTES, .conn = s->conn, .channel = channel};
    out->size = (uint32_t)size;
    uint8_t *p = frame_put_head(out->bytes, FRAME_METHOD, channel, (uint32_t)payload.size);
    put_u8(put_bytes(p, payload), FRAME_END);
    ring_commit(&s->link->link->out, sizeof(*out) + size);
    return true;
}

bool output_content(struct session *s, uint16_t channel, struct span prefix, struct span suffix,
                    struct message *m)
{
    size_t size = sizeof(struct out_content) + prefix.size + suffix.size;
    if (!ring_has_room(&s->link->link->out, OUTPUT_KEPT_FOR_ORDERS + LINK_BYTES_MAX))
        return false;
    struct out_content *out = ring_reserve(&s->link->link->out, size);
    if (out == NULL)
        return false;
    struct message **in_flight = fifo_push(&s->in_flight);
    if (in_flight == NULL)
        return false;
    *in_flight = m;
    s->in_flight_bytes += message_footprint(m);
    out->head = (struct out_head){.kind = OUT_CONTENT, .conn = s->conn, .channel = channel};
    out->prefix_size = (uint16_t)prefix.size;
    out->suffix_size = (uint16_t)suffix.size;
    out->message = m;
    put_bytes(put_bytes(out->bytes, prefix), suffix);
    ring_commit(&s->link->link->out, size);
    return true;
}

bool output_order(struct session *s, enum order order)
{
    struct out_order *out = ring_reserve(&s->link->link->out, sizeof(*out));
    if (out == NULL)
        return false;
    *out = (struct out_order){.head = {.kind = OUT_ORDER, .conn = s->conn}, .order = order};
    ring_commit(&s->link->link->out, sizeof(*out));
    return true;
}

static void output_drop_first(struct session *s)
{
    struct message **first = fifo_front(&s->in_flight);
    s->in_flight_bytes -= message_footprint(*first);
    message_unref(s->core, *first);
    fifo_pop(&s->in_flight);
}

void output_sent(struct session *s, uint64_t contents)
{
    while (s->n_sent < contents && s->in_flight.n != 0) {
        s->n_sent++;
        output_drop_first(s);
    }
    if (s->in_flight_bytes > OUTPUT_PENDING_MAX / 2)
        return;
    /* All at once: it comes once per half of OUTPUT_PENDING_MAX that the peer has read. */
    for (struct list *node; (node = list_pop_front(&s->waiting)) != NULL;) {
        consumer_wake(CONTAINER_OF(node, struct consumer, in_wait));
        core_count(s->core, 1);
    }
    parking_wake_output(s);
}

void output_drop(struct session *s)
{
    while (s->in_flight.n != 0)
        output_drop_first(s);
}
