// SPDX-License-Identifier: Apache-2.0
/* storage/record.h — one record of a batch: FORMAT.md, section 3.2.
 *
 * What a record says beyond its head is opaque here. Records lie at multiples of RECORD_ALIGN.
 *
 * Thread: any.   Blocks: never.   Allocates: never.
 */
#ifndef STORAGE_RECORD_H
#define STORAGE_RECORD_H

#include "base/assert.h"
#include "base/span.h"

#define RECORD_KINDS(K) \
    K(publish, 1)       \
    K(chunk, 2)         \
    K(settle, 3)        \
    K(mark, 4)          \
    K(declared, 5)      \
    K(undeclared, 6)    \
    K(commit, 7)        \
    K(stopped, 8)       \
    K(segment, 9)       \
    K(snapshot, 10)     \
    K(settled_log, 11)  \
    K(started, 12)      \
    K(dropped, 13)      \
    K(message, 14)      \
    K(part, 15)         \
    K(reference, 16)

#define RECORD_ENUM(name, number) RECORD_##name = number,
enum record_kind { RECORD_KINDS(RECORD_ENUM) };
#undef RECORD_ENUM

enum { RECORD_ALIGN = 8, RECORD_HEAD_SIZE = 24, RECORD_FIELDS_MAX = 65535 };

struct record {
    uint8_t kind;
    bool in_group;
    uint64_t group;     /* if in_group */
    uint64_t time_ns;   /* of ingest, since 1970 */
    struct span fields; /* as they are encoded, may be empty */
    struct span body;
};

/* The name of a kind, static; NULL for a number that is none. */
const char *record_kind_name(unsigned kind);

/* Its bytes, without padding. */
size_t record_size(const struct record *r);

/* Writes the record at `p`, which has room, but for its checksum, and for its body if `body.at` is
 * NULL. Returns where the body lies. */
uint8_t *record_put(uint8_t *p, const struct record *r);

/* Writes the checksum of a record that is complete. `p` is what record_put wrote. */
void record_seal(uint8_t *p);

/* The length that a record at `p` says it has: RECORD_HEAD_SIZE bytes are there. */
size_t record_length(const uint8_t *p);

/* Reads a record from the front of `in`, which it borrows. False when it is damaged. */
MUST_USE bool record_read(struct span in, struct record *r);

#endif
