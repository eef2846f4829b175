// SPDX-License-Identifier: Apache-2.0
/* broker/net/io_priv.h — what io.c and the files of a connection share of the thread. */
#ifndef BROKER_NET_IO_PRIV_H
#define BROKER_NET_IO_PRIV_H

#include "broker/net/conn.h"
#include "broker/net/io.h"

/* Output buffers that wait for the next connection: as many as fit in IO_SPARE_BYTES. */
enum { IO_BLOCKS = 4, IO_SPARE_BUFFERS = 64, IO_SPARE_BYTES = 4 * 1024 * 1024 };

/* What sockets are read into. Free again once the core has released the ring up to `used_until`. */
struct io_block {
    uint8_t *bytes;
    size_t used;
    uint64_t used_until;
};

struct io {
    struct io_options options;
    uint64_t now_ns;
    struct slots conns;
    struct timers timers;
    struct list ready;
    struct list written;
    struct io_block blocks[IO_BLOCKS];
    size_t block_size;
    unsigned block_at;
    struct buf spare[IO_SPARE_BUFFERS];
    unsigned n_spare;
    size_t spare_bytes;
};

/* At least `size` bytes to read into, with their number in `*room`; NULL while the core holds all
 * blocks. */
uint8_t *io_block_room(struct io *io, size_t size, size_t *room);

/* Keeps `size` bytes of the room for the records written since. */
void io_block_use(struct io *io, size_t size);

/* An output buffer for a connection that has none, and back. */
void io_lend_buffer(struct io *io, struct buf *b);
void io_return_buffer(struct io *io, struct buf *b);

#endif
