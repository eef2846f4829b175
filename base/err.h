// SPDX-License-Identifier: Apache-2.0
/* base/err.h — what the world can do to us.
 *
 * A peer's fault is a `struct reply` (amqp/replies.def); a bug of ours is an ASSERT. What is left
 * is the machine: memory, files, limits.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#define ERRS(E)                                   \
    E(OK, "no error")                             \
    E(ERR_NOMEM, "out of memory")                 \
    E(ERR_LIMIT, "a configured limit is reached") \
    E(ERR_IO, "input or output failed")           \
    E(ERR_SYNTAX, "malformed")                    \
    E(ERR_NOT_FOUND, "not found")                 \
    E(ERR_FULL, "no space left on the disk")      \
    E(ERR_TAKEN, "held by another process")       \
    E(ERR_FUTURE, "written by a newer version")

#define ERR_ENUM(name, text) name,
enum err { ERRS(ERR_ENUM) };
#undef ERR_ENUM

/* The sentence for `e`, static. */
const char *err_text(enum err e);

#endif
