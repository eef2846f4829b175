// SPDX-License-Identifier: Apache-2.0
/* base/limits.h — every bound on what others make us hold, with its reason.
 *
 * Messages, and their places in queues and channels, are charged to the memory limit of the broker
 * instead. What is neither is in docs/known-issues.md.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

enum {
    /* Nesting of field tables: deeper than any client makes, shallow enough for a fixed stack. */
    TABLE_DEPTH_MAX = 64,
    /* Entries of one table, all depths together: bounds the work of a look-up. */
    TABLE_ENTRIES_MAX = 16384,

    /* Frames: the smallest maximum that a peer may ask for (0-9-1 §4.2.3), and ours. */
    FRAME_MAX_MIN = 4096,
    FRAME_MAX_DEFAULT = 131072,
    /* Channels of one connection, as RabbitMQ offers. */
    CHANNEL_MAX_DEFAULT = 2047,

    /* Bodies above this are received straight into their own allocation and written from there. */
    BODY_INLINE_MAX = 16 * 1024,
    /* A larger body's buffer starts at this size and doubles as its bytes arrive. */
    BODY_FIRST_BYTES = 64 * 1024,
    /* The same for all but the first of a connection's unfinished contents: on thousands of
     * channels it would be much for what one octet announces. */
    BODY_FIRST_BYTES_CROWDED = 512,
    /* The protocol's ceiling for a body as RabbitMQ sets it. */
    BODY_SIZE_CEILING = 512 * 1024 * 1024,
    /* Unfinished contents of one connection, counted in largest messages. */
    ASSEMBLY_MESSAGES_MAX = 4,

    /* What an I/O thread reads into at once. */
    READ_BLOCK_BYTES = 128 * 1024,
    /* Rings between an I/O thread and the core. */
    LINK_RING_BYTES = 1024 * 1024,

    /* Output that a connection may have pending before its consumers are no longer fed. */
    OUTPUT_PENDING_MAX = 1024 * 1024,
    /* Output after which a connection is no longer read, so that its requests cannot add to it. */
    OUTPUT_STOP_READING = 4 * 1024 * 1024,
    /* Contents that wait in a channel's replies before its consumers are no longer fed. */
    REPLY_CONTENTS_MAX = 256,

    /* What a publisher may send while it runs ahead of consumers before it is throttled, and for
     * how long at most. So it is never slowed below 50,000 messages or 100 MB a second. Some
     * thousand small messages stay in the cache. */
    PACING_MESSAGES = 1024,
    PACING_BYTES = 2 * 1024 * 1024,
    PACING_THROTTLE_NS = 20 * 1000 * 1000,

    /* Events that wait for a parked channel before its connection is no longer read. */
    BLOCKED_PARKING_BYTES = 1024 * 1024,
    /* The same once all sessions together have parked this part of the memory limit. */
    PARKING_SHARE = 8,
    BLOCKED_PARKING_BYTES_CROWDED = 64 * 1024,

    /* What an entry of a queue, and one of a delivery not settled, is charged to the memory limit:
     * a message of few bytes may be in many queues. */
    QUEUE_ENTRY_BYTES = 16,
    UNSETTLED_ENTRY_BYTES = 32,

    /* What a transaction may hold until it is committed. */
    TX_BYTES_MAX = 256 * 1024 * 1024,
    /* The part of the memory limit that all open transactions may hold while it is passed. */
    TX_SHARE = 4,

    /* Steps of work (a message moved, a binding looked at) in one core turn: about a millisecond.
     */
    TURN_WORK_MAX = 4096,
};

#endif
