// SPDX-License-Identifier: Apache-2.0
/* amqp/method.h — methods as structs, and the one codec that walks their rows.
 *
 * The payload of a method frame is class id, method id, arguments (0-9-1 §2.3.5.1). A decoded
 * method borrows the payload's bytes. Bits of consecutive arguments share an octet (§4.2.5.2).
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef AMQP_METHOD_H
#define AMQP_METHOD_H

#include "amqp/methods.def"
#include "amqp/reply.h"
#include "base/assert.h"
#include "base/span.h"

#define TYPE_octet     uint8_t
#define TYPE_shortu    uint16_t
#define TYPE_longu     uint32_t
#define TYPE_longlongu uint64_t
#define TYPE_bit       bool
#define TYPE_shortstr  struct span
#define TYPE_longstr   struct span
#define TYPE_table     struct span /* the entries, without the length in front */

#define METHOD_ENUM(name, class_id, method_id, sender, content) METHOD_##name,
enum method_id { METHOD_NONE, AMQP_METHODS(METHOD_ENUM) METHOD_COUNT };
#undef METHOD_ENUM

#define METHOD_FIELD(M, type, name) TYPE_##type name;
#define METHOD_STRUCT(name, class_id, method_id, sender, content) \
    struct amqp_##name {                                          \
        FIELDS_##name(METHOD_FIELD, )                             \
    };
AMQP_METHODS(METHOD_STRUCT)
#undef METHOD_STRUCT

#define METHOD_MEMBER(name, class_id, method_id, sender, content) struct amqp_##name name;
struct method {
    enum method_id id;
    union {
        AMQP_METHODS(METHOD_MEMBER)
    };
};
#undef METHOD_MEMBER
#undef METHOD_FIELD

enum method_sender { FROM_CLIENT = 1, FROM_SERVER = 2, FROM_BOTH = 3 };

struct method_info {
    const char *name; /* "queue_declare" */
    uint16_t class_id;
    uint16_t method_id;
    enum method_sender sender;
    bool content;
};

/* The row of `id`, never NULL for an id below METHOD_COUNT. */
const struct method_info *method_info(enum method_id id);

/* METHOD_NONE when there is no such method. */
enum method_id method_lookup(uint16_t class_id, uint16_t method_id);

/* METHOD_NONE when there is no such name. */
enum method_id method_by_name(struct span name);

/* Decodes the payload of a method frame into `m`, which borrows it.
 * Replies: COMMAND_INVALID for a method nobody knows; FRAME_ERROR for arguments that are cut
 * short, too long, or hold a malformed table. Class and method of `f` are set. */
MUST_USE const struct reply *method_decode(struct span payload, struct method *m, struct fault *f);

/* Bytes that method_encode would write. */
size_t method_size(const struct method *m);

/* Writes class id, method id and arguments at `p`, which has method_size() bytes of room, and
 * returns the position after them. Short strings must be at most 255 bytes. */
uint8_t *method_encode(uint8_t *p, const struct method *m);

/* Argument `i` of a method, for scripts and printers; NULL name at the end. */
enum method_type {
    METHOD_TYPE_octet,
    METHOD_TYPE_shortu,
    METHOD_TYPE_longu,
    METHOD_TYPE_longlongu,
    METHOD_TYPE_bit,
    METHOD_TYPE_shortstr,
    METHOD_TYPE_longstr,
    METHOD_TYPE_table
};
struct method_field {
    const char *name;
    enum method_type type;
    uint16_t offset; /* in struct method */
};
const struct method_field *method_fields(enum method_id id, size_t *n);

#endif
