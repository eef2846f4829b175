// SPDX-License-Identifier: Apache-2.0
/* broker/net/io.h — one I/O thread's work: its connections, between its loop and its link.
 *
 * io_read takes what the sockets hold into events for the core; io_write takes the core's records
 * to the sockets, each connection's output in one write. The thread that runs both alternates with
 * loop_turn; with io_threads = 0 core_step comes between them on the same thread.
 *
 * Read blocks belong to the thread: an idle connection holds no buffer. A block is used again once
 * the core has released every record that points into it.
 *
 * Thread: one, always the same.
 */
#ifndef BROKER_NET_IO_H
#define BROKER_NET_IO_H

#include "base/env.h"
#include "broker/link/link.h"
#include "broker/net/loop.h"

struct io;

struct io_options {
    struct env *env;
    struct loop *loop;
    struct link *link;
    uint32_t index; /* of the link: bodies carry it home */
    uint32_t frame_max;
    uint64_t message_size_max;
    uint64_t handshake_timeout_ns;
};

/* ERR_NOMEM. */
MUST_USE enum err io_new(struct io **out, const struct io_options *options);

/* Closes what is left without a word. */
void io_free(struct io *io);

/* For loop_accept_on: makes a connection of a socket. */
loop_on_accept io_on_accept;

/* Drops the connections that the core has not heard of. */
void io_drop_unknown(struct io *io);

/* Reads ready sockets and runs due timers. */
void io_read(struct io *io);

/* Encodes what the core has sent and writes it out. */
void io_write(struct io *io);

/* How long loop_turn may wait; 0 when there is work left. */
uint64_t io_timeout_ns(struct io *io);

/* Is the core's side of the link waiting to be read by io_write? For the look before a wait. */
bool io_has_work(struct io *io);

size_t io_n_connections(const struct io *io);

#endif
