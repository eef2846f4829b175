// SPDX-License-Identifier: Apache-2.0
/* amqp/reply.h — a peer's fault, and how far it reaches.
 *
 * A check returns NULL or a row (REPLY_NOT_FOUND …) and writes the human sentence into its
 * struct fault. One place (broker/core/session) turns that into channel.close or connection.close.
 *
 * Thread: any.   Allocates: never.
 */
#ifndef AMQP_REPLY_H
#define AMQP_REPLY_H

#include <stdint.h>

#include "amqp/replies.def"
#include "base/span.h"

enum scope { SCOPE_NONE, SCOPE_CHANNEL, SCOPE_CONNECTION };

struct reply {
    uint16_t code;
    enum scope scope;
    const char *name;
};

#define REPLY_DECLARE(name, code, scope) extern const struct reply REPLY_##name[1];
AMQP_REPLIES(REPLY_DECLARE)
#undef REPLY_DECLARE

enum { REPLY_TEXT_MAX = 255 };

struct fault {
    const struct reply *reply; /* NULL = none */
    uint16_t class_id;         /* the method at fault, 0/0 when none is */
    uint16_t method_id;
    char text[REPLY_TEXT_MAX + 1]; /* "NOT_FOUND - no queue 'q' in vhost '/'" */
};

/* Fills in reply and text ("NAME - " and the formatted sentence, longer than 255 bytes: cut,
 * with "..." at its end) and returns
 * `reply`. Class and method are left alone. */
__attribute__((format(printf, 3, 4))) const struct reply *fault_set(struct fault *f,
                                                                    const struct reply *reply,
                                                                    const char *format, ...);

/* Bytes as Erlang prints a binary, cut to `size`: <<1,2,3>>; with `as_text`, <<"abc">> when all of
 * them are printable. */
void fault_print_octets(char *text, size_t size, struct span octets, bool as_text);

#endif
