// SPDX-License-Identifier: Apache-2.0
#include "broker/net/io.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/log.h"
#include "broker/net/io_priv.h"

enum { IO_TIMERS_PER_TURN = 256 };

enum err io_new(struct io **out, const struct io_options *options)
{
    *out = NULL;
    struct io *io = calloc(1, sizeof(*io));
    if (io == NULL)
        return ERR_NOMEM;
    io->options = *options;
    io->now_ns = env_now_ns(options->env);
    slots_init(&io->conns);
    timers_init(&io->timers);
    list_init(&io->ready);
    list_init(&io->written);
    /* A whole frame of the largest size must fit in behind the rest of the one before. */
    io->block_size = READ_BLOCK_BYTES + 2 * (size_t)options->frame_max;
    *out = io;
    return OK;
}

void io_free(struct io *io)
{
    if (io == NULL)
        return;
    for (uint32_t i = 0; i < slots_end(&io->conns); i++) {
        uint32_t generation;
        struct conn *c = slots_at_index(&io->conns, i, &generation);
        if (c == NULL)
            continue;
        conn_drop(c);
        c->known = false;
        conn_free(c);
    }
    for (unsigned i = 0; i < IO_BLOCKS; i++)
        free(io->blocks[i].bytes);
    while (io->n_spare != 0)
        buf_fini(&io->spare[--io->n_spare]);
    timers_fini(&io->timers);
    slots_fini(&io->conns);
    free(io);
}

size_t io_n_connections(const struct io *io)
{
    return io->conns.n;
}

void io_on_accept(void *arg, struct loop_socket *socket, bool loopback)
{
    struct io *io = arg;
    struct conn *c;
    /* The loop may have slept for long since the last turn: deadlines count from now. */
    io->now_ns = env_now_ns(io->options.env);
    if (conn_new(&c, io, socket, loopback) != OK) {
        log_event(LOG_ACCEPT_FAILED, "peer=%s reason=\"out of memory\"", loop_peer(socket));
        loop_close(socket);
    }
}

void io_drop_unknown(struct io *io)
{
    for (uint32_t i = 0; i < slots_end(&io->conns); i++) {
        uint32_t generation;
        struct conn *c = slots_at_index(&io->conns, i, &generation);
        if (c != NULL && !c->known && c->state == CONN_OPEN)
            conn_drop(c);
    }
}

/* ---- Buffers ---- */

static bool io_block_is_free(struct io *io, const struct io_block *b)
{
    return atomic_load_explicit(&io->options.link->in.tail, memory_order_acquire) >= b->used_until;
}

uint8_t *io_block_room(struct io *io, size_t size, size_t *room)
{
    for (unsigned i = 0; i < IO_BLOCKS; i++) {
        struct io_block *b = &io->blocks[io->block_at];
        if (b->used != 0 && io_block_is_free(io, b))
            b->used = 0;
        if (b->bytes == NULL && (b->bytes = malloc(io->block_size)) == NULL)
            return NULL;
        if (io->block_size - b->used >= size) {
            *room = io->block_size - b->used;
            return b->bytes + b->used;
        }
        io->block_at = (io->block_at + 1) % IO_BLOCKS;
    }
    return NULL;
}

void io_block_use(struct io *io, size_t size)
{
    struct io_block *b = &io->blocks[io->block_at];
    b->used += (size + 7) & ~(size_t)7;
    if (b->used > io->block_size)
        b->used = io->block_size;
    b->used_until = io->options.link->in.w_at;
}

void io_lend_buffer(struct io *io, struct buf *b)
{
    if (b->bytes != NULL || io->n_spare == 0)
        return;
    *b = io->spare[--io->n_spare];
    io->spare_bytes -= b->capacity;
}

void io_return_buffer(struct io *io, struct buf *b)
{
    if (b->bytes == NULL)
        return;
    if (io->n_spare == IO_SPARE_BUFFERS || io->spare_bytes + b->capacity > IO_SPARE_BYTES) {
        buf_fini(b);
        return;
    }
    io->spare_bytes += b->capacity;
    io->spare[io->n_spare++] = *b;
    buf_init(b);
}

/* ---- Reading ---- */

void io_read(struct io *io)
{
    struct link *link = io->options.link;
    io->now_ns = env_now_ns(io->options.env);
    ring_see_released(&link->in);
    timers_run(&io->timers, io->now_ns, IO_TIMERS_PER_TURN);
    struct list now;
    list_init(&now);
    list_splice_back(&now, &io->ready);
    for (struct list *node; (node = list_pop_front(&now)) != NULL;) {
        struct conn *c = CONTAINER_OF(node, struct conn, in_ready);
        uint64_t before = link->in.w_at;
        if (conn_read(c))
            continue;
        /* No room: the others would find none either. Who took the last of it has had its turn. */
        list_remove(&c->in_ready);
        if (link->in.w_at == before)
            list_push_front(&now, &c->in_ready);
        else
            list_push_back(&io->ready, &c->in_ready);
        break;
    }
    /* Those that had no turn go first next time: a few busy peers may not keep the rest waiting. */
    list_splice_front(&io->ready, &now);
    if (ring_publish(&link->in) && link->wake_core != NULL)
        link->wake_core(link->wake_arg);
}

/* ---- Writing ---- */

static void io_free_bodies(struct body *b)
{
    while (b != NULL) {
        struct body *next = b->next;
        body_free(b);
        b = next;
    }
}

static void io_record(struct io *io, struct out_head *head)
{
    if (head->kind == OUT_BODIES) {
        io_free_bodies(((struct out_bodies *)head)->first);
        return;
    }
    struct conn *c = slots_at(&io->conns, head->conn);
    if (c == NULL)
        return;
    if (!list_linked(&c->in_written))
        list_push_back(&io->written, &c->in_written);
    switch ((enum out_kind)head->kind) {
    case OUT_BYTES: conn_bytes(c, (const struct out_bytes *)head); break;
    case OUT_CONTENT: conn_content(c, (const struct out_content *)head); break;
    case OUT_ORDER: conn_order(c, (enum order)((const struct out_order *)head)->order); break;
    case OUT_BODIES: break;
    }
}

void io_write(struct io *io)
{
    struct link *link = io->options.link;
    size_t size;
    ring_see_released(&link->in);
    ring_see_published(&link->out);
    for (struct out_head *head; (head = ring_peek(&link->out, &size)) != NULL;
         ring_skip(&link->out))
        io_record(io, head);
    ring_release(&link->out);
    struct list now;
    list_init(&now);
    list_splice_back(&now, &io->written);
    for (struct list *node; (node = list_pop_front(&now)) != NULL;) {
        struct conn *c = CONTAINER_OF(node, struct conn, in_written);
        conn_flush(c);
        if (!conn_tell(c))
            list_push_back(&io->written, &c->in_written);
    }
    if (ring_publish(&link->in) && link->wake_core != NULL)
        link->wake_core(link->wake_arg);
}

bool io_has_work(struct io *io)
{
    return ring_see_published(&io->options.link->out);
}

uint64_t io_timeout_ns(struct io *io)
{
    if (!list_empty(&io->ready) || !list_empty(&io->written))
        return 0;
    uint64_t deadline = timers_deadline_ns(&io->timers);
    if (deadline == TIMER_NEVER)
        return UINT64_MAX;
    uint64_t now = env_now_ns(io->options.env);
    return deadline <= now ? 0 : deadline - now;
}
