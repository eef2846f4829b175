// SPDX-License-Identifier: Apache-2.0
/* tests/wire/play.h — the statements of a wire script.
 *
 * A script is cases; a case begins with no connections, and what it declared is deleted after it.
 * Statements stand on a line of their own or, before the next `client >` or `client <` or behind
 * a semicolon, share one. A line goes on after a backslash. `a.2` is channel 2 of client a; `a` is
 * channel 1, for methods of class connection 0.
 *
 *   case "title"
 *   only whippet "reason"            RabbitMQ 3.10 differs on purpose: not played to it
 *   client a: connect                the socket alone
 *   client a: open vhost="/" …       … and the handshake, and channel 1. Also user= password=
 *                                    channel_max= frame_max= heartbeat= properties={…}
 *   a > METHOD name=value …          for basic.publish also properties, body= and `bare`
 *   a > frame TYPE "text" 00ff [end N]    a > raw "AMQP" 00000901    a > heartbeat
 *   a < METHOD name=value …          the next thing on the channel is this method
 *   a <~ METHOD …                    the first such method on the channel, whatever is before it
 *   a < raw "AMQP" 00000901          a < heartbeat          a < end [after SECONDS]
 *   a fails CODE "text"              channel.close for the method sent last (or `50.10`); the
 *                                    channel is opened again
 *   a dies CODE [10.40] "text"       connection.close, close-ok, the orderly end
 *   a quiet ["queue"]                a round trip, through that queue: nothing else has come
 *   a confirms 1-5                   each of these publishes is acked once, in any grouping
 *   a until METHOD … gives METHOD …  asks again until the answer is that; it is an event that
 *                                    other connections cause and that nobody is told about
 *   a close | drop | reset | shutdown     orderly; the socket; by RST; our side of the socket
 *   stop broker                      SIGTERM, to the process that --broker names
 *
 * Values are in script.h, names of arguments in fields.h.
 *
 * Thread: one.   Blocks: as peer.h says.
 */
#ifndef TESTS_WIRE_PLAY_H
#define TESTS_WIRE_PLAY_H

#include <sys/types.h>

#include "tests/wire/peer.h"

/* What a case has declared, to be deleted after it. */
struct declared {
    struct declared *next;
    bool exchange;
    struct span name;
};

struct amqt {
    struct script script;
    struct peer *peers;
    struct declared *declared;
    uint16_t port;
    pid_t broker; /* 0: not ours to stop */
    bool rabbitmq;
    bool verbose;
    bool all_fail;
    const char *label;
    char title[256];
    uint64_t began_ns;
    bool case_failed;
    bool skip_case;
    bool skip_script;
    unsigned n_cases;
    unsigned n_failed;
    unsigned n_skipped;
};

/* Plays the line that is tokenized in a->script. */
void play_line(struct amqt *a);

/* Deletes what the case has declared, through a connection of its own. */
void play_clean(struct amqt *a);

void play_close_all(struct amqt *a);

#endif
