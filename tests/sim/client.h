// SPDX-License-Identifier: Apache-2.0
/* tests/sim/client.h — the client's side of AMQP 0-9-1, no more than the simulation needs.
 *
 * Methods and contents go into an output buffer that client_move pushes into the virtual socket as
 * far as it takes them; what comes back is cut into frames, put together and handed to the
 * listener. Bytes that are not well-formed are the broker's fault and end the simulation
 * (failure.h).
 *
 * Thread: the one of the simulation.
 */
#ifndef TESTS_SIM_CLIENT_H
#define TESTS_SIM_CLIENT_H

#include "amqp/content.h"
#include "amqp/method.h"
#include "base/buf.h"
#include "tests/sim/net.h"

enum { CLIENT_CHANNELS = 16 };

struct client_listener {
    void (*on_method)(void *arg, uint16_t channel, const struct method *m);
    void (*on_content)(void *arg, uint16_t channel, const struct method *m, struct span header,
                       struct span body);
    void (*on_heartbeat)(void *arg);
};

/* A content that is coming in on a channel. */
struct client_content {
    bool expected; /* a method with content has come, its header or body has not */
    bool has_header;
    uint64_t left;
    struct buf payload;
    struct buf header;
    struct buf body;
};

struct client {
    struct peer *peer;
    const struct client_listener *listener;
    void *arg;
    uint32_t frame_max;
    struct buf out;
    struct buf in;
    struct client_content contents[CLIENT_CHANNELS];
    uint64_t hash; /* of all bytes received */
};

void client_init(struct client *c, struct peer *peer, const struct client_listener *listener,
                 void *arg);

/* Lets go of the peer too. */
void client_fini(struct client *c);

void client_protocol_header(struct client *c);
void client_method(struct client *c, uint16_t channel, const struct method *m);
void client_heartbeat(struct client *c);
void client_garbage(struct client *c, struct span bytes);

/* basic.publish, header frame, body frames. `properties` begins with the flags. */
void client_publish(struct client *c, uint16_t channel, const struct amqp_basic_publish *m,
                    struct span properties, struct span body);

/* Bytes that the socket has not taken yet. */
size_t client_unsent(const struct client *c);

/* Sends what the socket takes. True when something moved. */
bool client_send(struct client *c);

/* Receives once and hands on what is whole. True when something moved. */
bool client_receive(struct client *c);

#endif
