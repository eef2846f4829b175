// SPDX-License-Identifier: Apache-2.0
// clang-format off
/* broker/server/recording.h — a core's life as bytes: everything that its turns depend on.
 *
 *     recording = magic, record...
 *     magic     = "WHIPREC" and the number of this format, which any change to it raises
 *     record    = size of the payload (u32), CRC-32C of the payload (u32), payload
 *     payload   = kind (octet, enum recording_kind), then
 *       RECORDING_HEAD    version of Whippet, product version, virtual host (longstr each);
 *                         frame_max (u32), channel_max, heartbeat (u16), largest message, memory
 *                         limit (u64), work of a turn, pacing, links (u32); hash seed (u64),
 *                         secret of generated names (16 octets); users (u32), each with name
 *                         (longstr), salt, digest, loopback only (octet)
 *       RECORDING_INPUT   link (u32), events up to the end of the record
 *       RECORDING_TURN    time (u64), durable and filling batch (u64), shutdown (octet), then for
 *                         each link how far its out-ring is released (u64)
 *       RECORDING_DONE    digest of the turn (u64)
 *     event     = kind (octet, enum in_kind), connection's index and generation (u32), channel
 *                 (u16), then
 *       IN_OPENED         loopback (octet), peer (shortstr)
 *       IN_METHOD         payload of the method frame (longstr)
 *       IN_PUBLISH        method (octet), flags (octet, of enum recording_flag), link that a large
 *                         body belongs to (u32), announced size (u64), route, header, body
 *                         (longstr each)
 *       IN_FAULT          code, class, method (u16), text (shortstr)
 *       IN_SENT           contents (u64)
 *       IN_CLOSED         nothing
 *
 * All in network byte order. First comes the one head. A turn is its new events, as many records as
 * they take, then RECORDING_TURN, then RECORDING_DONE; the last turn of a process that crashed may
 * have no RECORDING_DONE. Events that a turn did not get to stay in the ring for the next.
 *
 * The digest is over what the turn said, byte for byte and with messages by content, and over a few
 * of the core's own counts. It says whether a replay has done the same.
 *
 * A lack of memory is not recorded: a turn that met one is replayed as if there had been enough.
 *
 * A recording is input like any other: the reading half believes nothing, and what it hands out is
 * what broker/net could have handed in. That holds for each event alone; their order is up to who
 * replays them.
 *
 * Thread: core for writing, any for reading.   Allocates: the growing of `out`.
 */
// clang-format on
#ifndef BROKER_SERVER_RECORDING_H
#define BROKER_SERVER_RECORDING_H

#include "base/buf.h"
#include "broker/core/core.h"

#define RECORDING_MAGIC SPAN_LIT("WHIPREC2")

enum {
    RECORDING_SECRETS = 8 + 16, /* hash seed, secret of names */
    RECORDING_LINKS_MAX = 64,   /* as io_threads */
    /* A record of events is cut once it is that long; one event may be as large as a body. */
    RECORDING_INPUT_BYTES = 64 * 1024,
};

enum recording_kind { RECORDING_HEAD, RECORDING_INPUT, RECORDING_TURN, RECORDING_DONE };

enum recording_flag {
    RECORDING_MANDATORY = 1,
    RECORDING_IMMEDIATE = 2,
    RECORDING_LARGE = 4 /* the body came in its own memory */
};

/* ---- Writing: whole records at the end of `out`. ERR_NOMEM; `out` then ends in half a record. */

/* Magic and head; `build` is the version of Whippet. */
MUST_USE enum err recording_put_head(struct buf *out, const struct core *core, struct span build);

/* Events of one link from `*at` to `end`, positions in its ring, until the record is long enough;
 * `*at` is moved past them. */
MUST_USE enum err recording_put_input(struct buf *out, const struct core *core, uint32_t link,
                                      uint64_t *at, uint64_t end);

MUST_USE enum err recording_put_turn(struct buf *out, const struct core *core);
MUST_USE enum err recording_put_done(struct buf *out, uint64_t digest);

/* Of a turn that has ended and not published anything: see core_observer. */
uint64_t recording_digest(const struct core *core, bool more);

/* ---- Reading. What comes out borrows the bytes that went in. ---- */

struct recording_record {
    enum recording_kind kind;
    struct span payload; /* without the kind */
};

enum recording_got {
    RECORDING_RECORD,
    RECORDING_END,    /* exactly behind a record */
    RECORDING_TORN,   /* in the middle of one */
    RECORDING_DAMAGED /* the checksum or the kind is wrong */
};

/* Takes the magic off the front. False when this is no recording, or one of another format. */
MUST_USE bool recording_take_magic(struct span *in);

/* Takes one record off the front. */
enum recording_got recording_next(struct span *in, struct recording_record *r);

struct recording_head {
    struct span build;
    struct core_options options; /* without env, store and users */
    uint32_t n_links;
    struct span secrets; /* RECORDING_SECRETS, in the order in which core_new asks for them */
    uint32_t n_users;
    struct span users; /* for recording_take_user */
};

/* False when it is malformed or out of bounds. With another `build` only that is sure to be set:
 * the rest may have another meaning. */
MUST_USE bool recording_take_head(struct span in, struct recording_head *head);

/* The name borrows. */
MUST_USE bool recording_take_user(struct span *in, struct user *user);

/* An event, as link.h has it; `large` is not set, its bytes are `body` and its home `home`. */
struct recording_event {
    union {
        struct in_head head;
        struct in_opened opened;
        struct in_method method;
        struct in_publish publish;
        struct in_fault fault;
        struct in_sent sent;
    };
    size_t size; /* of the struct in use */
    bool large;
    uint32_t home;
};

/* The link of a RECORDING_INPUT; then its events. False when it is malformed; that the events are
 * over is for the caller to see. */
MUST_USE bool recording_take_link(struct span *in, uint32_t *link);
MUST_USE bool recording_take_event(struct span *in, const struct core_options *options,
                                   struct recording_event *ev);

struct recording_turn {
    uint64_t now_ns;
    uint64_t durable;
    uint64_t filling;
    bool shutdown;
    uint64_t released[RECORDING_LINKS_MAX];
};

MUST_USE bool recording_take_turn(struct span in, uint32_t n_links, struct recording_turn *turn);
MUST_USE bool recording_take_done(struct span in, uint64_t *digest);

#endif
