// SPDX-License-Identifier: Apache-2.0
/* broker/cli/client.h — the other end of an AMQP 0-9-1 connection, for our own tools.
 *
 * The small client behind whippetctl and whippet-perf: an address, a socket, the handshake, and
 * calls that wait for their answer. It asks for no heartbeats and opens channels only when told to.
 * Whoever wants speed (broker/cli/perf_peer.h) makes the socket non-blocking and reads `in` itself.
 *
 * A function that fails leaves one sentence in `why`; after that only client_abort may be called.
 *
 * Thread: one at a time.   Blocks: until the timeout of the socket, client_fill excepted.
 */
#ifndef BROKER_CLI_CLIENT_H
#define BROKER_CLI_CLIENT_H

#include "amqp/method.h"
#include "base/buf.h"

enum { CLIENT_TEXT_MAX = 256, CLIENT_WHY_MAX = 512, CLIENT_READ_BYTES = 128 * 1024 };

/* amqp://USER:PASSWORD@HOST:PORT/VHOST; every part may be missing, %XX stands for a byte. */
struct client_address {
    char host[CLIENT_TEXT_MAX];
    char port[CLIENT_TEXT_MAX];
    char user[CLIENT_TEXT_MAX];
    char password[CLIENT_TEXT_MAX];
    char vhost[CLIENT_TEXT_MAX];
};

struct client {
    int fd;              /* -1 when there is none */
    uint32_t frame_max;  /* as agreed */
    struct buf in;       /* received, not yet looked at */
    struct buf out;      /* to be sent by client_flush */
    uint64_t skip_bytes; /* of the frame at the front of the input: its body is of no interest */
    char why[CLIENT_WHY_MAX];
};

/* Loopback, 5672, guest, guest and "/" where the text says nothing. ERR_SYNTAX. */
MUST_USE enum err client_address_parse(struct client_address *a, const char *uri);

void client_init(struct client *c);

/* Connects the socket alone; `why` leaves the address to the caller. Every later wait is bounded by
 * `timeout_ms`. ERR_IO. */
MUST_USE enum err client_connect(struct client *c, const struct client_address *a,
                                 uint32_t timeout_ms);

/* Sends the protocol header and waits for connection.start. ERR_IO, ERR_NOMEM. */
MUST_USE enum err client_greet(struct client *c);

/* All of the handshake, from connecting to connection.open-ok. ERR_IO, ERR_NOMEM; `why` names the
 * address. */
MUST_USE enum err client_open(struct client *c, const struct client_address *a,
                              uint32_t timeout_ms);

/* ERR_IO, ERR_NOMEM. */
MUST_USE enum err client_open_channel(struct client *c, uint16_t channel);

/* Appends a method frame to `out`. ERR_NOMEM. */
MUST_USE enum err client_put(struct client *c, uint16_t channel, const struct method *m);

/* Sends all of `out`. ERR_IO. */
MUST_USE enum err client_flush(struct client *c);

/* Receives once into `in`; *n_bytes = 0 when a non-blocking socket has nothing. ERR_IO, also for
 * the end of the connection; ERR_NOMEM. */
MUST_USE enum err client_fill(struct client *c, size_t *n_bytes);

/* Waits for the method `id`, dropping contents and heartbeats before it. `m` borrows `in` until the
 * next call. ERR_IO, also when another method comes; ERR_NOMEM. */
MUST_USE enum err client_expect(struct client *c, enum method_id id, struct method *m);

/* Put, flush, expect. */
MUST_USE enum err client_call(struct client *c, uint16_t channel, const struct method *request,
                              enum method_id id, struct method *m);

/* Writes the sentence for a connection.close or channel.close of the server. */
void client_set_refused(struct client *c, const struct method *m);

/* Makes the socket answer at once, or wait. */
void client_set_blocking(struct client *c, bool blocking);

/* Says good-bye in good order and frees; ERR_IO when the server does not answer in kind. */
MUST_USE enum err client_close(struct client *c);

/* Closes without a word and frees; `why` stays readable. Idempotent. */
void client_abort(struct client *c);

#endif
