// SPDX-License-Identifier: Apache-2.0
/* broker/core/arguments_text.h — field values as RabbitMQ's reply texts show them.
 *
 * Those texts carry Erlang terms: `[{<<"a">>,signedint,1}]` is a table, `1.0e22` a double. A reply
 * text ends after REPLY_TEXT_MAX bytes, so a value is written no further than that either. Bytes
 * are passed through, except NUL, which a reply text of ours cannot hold and which is left out.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef BROKER_CORE_ARGUMENTS_TEXT_H
#define BROKER_CORE_ARGUMENTS_TEXT_H

#include "amqp/reply.h"
#include "amqp/table.h"

struct argument_text {
    size_t size;
    char at[REPLY_TEXT_MAX + 1]; /* ends with a NUL */
};

/* The value alone. Strings come without quotes; a table or an array comes on one line. */
void argument_text_value(struct argument_text *t, const struct field *f);

/* The sentence `before` `value` `after` as an Erlang string: in double quotes and escaped, or, when
 * some byte of it is not printable, as the list of its bytes. */
void argument_text_sentence(struct argument_text *t, const char *before, struct span value,
                            const char *after);

#endif
