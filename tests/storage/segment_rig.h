// SPDX-License-Identifier: Apache-2.0
/* tests/storage/segment_rig.h — a segment on a false disk, and beside it an array of what was
 * added.
 *
 * Whatever is shown is checked against the array: no message that was not added, none altered, none
 * twice, in order; and each is shown or said to be lost.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_STORAGE_SEGMENT_RIG_H
#define TESTS_STORAGE_SEGMENT_RIG_H

#include <string.h>

#include "storage/segment_priv.h"
#include "tests/base/suite.h"
#include "tests/sim/false_disk.h"

enum { RIG_NUMBER = 7, RIG_LSN = 4711, RIG_SAME_NONE = -1 };

struct rig_message {
    struct segment_message m;
    uint64_t size;
    int64_t same; /* the index of the one that has its bytes, or RIG_SAME_NONE */
    unsigned shown;
    bool lost;
};

struct rig {
    struct false_disk *fd;
    struct disk *disk;
    struct rng chance;
    struct env env;
    struct segment_name name;
    struct rig_message *messages; /* ascending */
    struct segment_place *places;
    size_t n;
    size_t capacity;
    struct segment_made made;
    /* What is being shown. */
    struct segment_window *window;
    size_t at;         /* the message shown last */
    uint64_t bytes;    /* of it, so far */
    uint64_t last_seq; /* shown or lost, plus one */
    uint64_t n_shown;  /* whole */
    uint64_t n_unreadable;
    enum err refuses; /* what the visitor answers */
};

static inline void rig_secret(struct env *env, void *at, size_t size)
{
    struct rng *chance = env->self;
    uint8_t *p = at;
    for (size_t i = 0; i < size; i++)
        p[i] = (uint8_t)rng_next(chance);
}

static inline struct rig *rig_new(uint64_t capacity)
{
    struct rig *r = calloc(1, sizeof(*r));
    ck_assert_ptr_nonnull(r);
    r->fd = false_disk_new(capacity);
    r->disk = false_disk(r->fd);
    r->chance.state = 5;
    r->env = (struct env){.secret = rig_secret, .self = &r->chance};
    r->name = (struct segment_name){.disk = r->disk, .store_id = "store", .number = RIG_NUMBER};
    r->window = segment_window_new();
    ck_assert_ptr_nonnull(r->window);
    ck_assert_int_eq(segment_make_folder(r->disk), OK);
    return r;
}

static inline void rig_free(struct rig *r)
{
    false_disk_free(r->fd);
    segment_window_free(r->window);
    free(r->messages);
    free(r->places);
    free(r->made.rows);
    free(r);
}

/* Notes a message, of its own or the same as another. Answers its index. */
static inline int64_t rig_note(struct rig *r, uint64_t queue, uint64_t seq, uint64_t size,
                               int64_t same)
{
    if (r->n == r->capacity) {
        r->capacity = r->capacity == 0 ? 64 : 2 * r->capacity;
        r->messages = realloc(r->messages, r->capacity * sizeof(*r->messages));
        r->places = realloc(r->places, r->capacity * sizeof(*r->places));
        ck_assert(r->messages != NULL && r->places != NULL);
    }
    r->messages[r->n] = (struct rig_message){
        .m = {{queue, seq}, 1000 + r->n, r->n % 3 == 0 ? 0 : 9000 - r->n % 100},
        .size = same == RIG_SAME_NONE ? size : r->messages[same].size,
        .same = same,
    };
    return (int64_t)r->n++;
}

static inline uint64_t rig_owner(const struct rig *r, size_t i)
{
    return r->messages[i].same == RIG_SAME_NONE ? i : (uint64_t)r->messages[i].same;
}

static inline uint8_t rig_byte(uint64_t owner, uint64_t i)
{
    return (uint8_t)(owner * 31 + i * 7 + (i >> 8));
}

/* Adds message `i` in pieces of up to `piece`. */
static inline enum err rig_add_bytes(struct rig *r, struct segment_writer *w, size_t i,
                                     size_t piece)
{
    static uint8_t bytes[1 << 21];
    enum err e = OK;
    for (uint64_t done = 0; e == OK && done < r->messages[i].size;) {
        uint64_t left = r->messages[i].size - done;
        size_t n = left < piece ? (size_t)left : piece;
        for (size_t k = 0; k < n; k++)
            bytes[k] = rig_byte(i, done + k);
        e = segment_add_bytes(w, span_of(bytes, n));
        done += n;
    }
    return e;
}

static inline enum err rig_add(struct rig *r, struct segment_writer *w, size_t i, size_t piece)
{
    const struct rig_message *m = &r->messages[i];
    if (m->same != RIG_SAME_NONE)
        return segment_add_same(w, &m->m, &r->places[m->same]);
    enum err e = segment_add(w, &m->m, m->size, &r->places[i]);
    return e == OK ? rig_add_bytes(r, w, i, piece) : e;
}

/* Writes all that was noted. */
static inline enum err rig_write(struct rig *r, size_t piece)
{
    struct segment_writer *w;
    struct segment_options o = {.disk = r->disk, .env = &r->env};
    memcpy(o.store_id, r->name.store_id, STORE_ID_SIZE);
    o.number = RIG_NUMBER;
    o.as_of_lsn = RIG_LSN;
    free(r->made.rows);
    r->made = (struct segment_made){.rows = NULL};
    enum err e = segment_begin(&w, &o);
    if (e != OK) {
        ck_assert_ptr_null(w);
        return e;
    }
    for (size_t i = 0; i < r->n && e == OK; i++)
        e = rig_add(r, w, i, piece);
    enum err end = segment_end(w, &r->made);
    ck_assert(e == OK || e == end);
    ck_assert(end == OK || r->made.rows == NULL);
    return end;
}

/* ---- Reading ---- */

static inline size_t rig_find(const struct rig *r, struct store_target t)
{
    size_t from = 0;
    for (size_t to = r->n; from < to;) {
        size_t i = from + (to - from) / 2;
        struct store_target at = r->messages[i].m.target;
        if (at.queue < t.queue || (at.queue == t.queue && at.seq < t.seq))
            from = i + 1;
        else
            to = i;
    }
    return from;
}

static inline enum err rig_more(void *arg, struct span bytes)
{
    struct rig *r = arg;
    struct rig_message *m = &r->messages[r->at];
    uint64_t owner = rig_owner(r, r->at);
    ck_assert_uint_le(bytes.size, m->size - r->bytes);
    size_t wrong = 0;
    for (size_t i = 0; i < bytes.size; i++)
        wrong += bytes.at[i] != rig_byte(owner, r->bytes + i);
    ck_assert_uint_eq(wrong, 0);
    r->bytes += bytes.size;
    if (r->bytes == m->size) {
        m->shown++;
        r->n_shown++;
    }
    return r->refuses;
}

static inline enum err rig_message(void *arg, const struct segment_shown *shown)
{
    struct rig *r = arg;
    r->at = rig_find(r, shown->message.target);
    r->bytes = 0;
    ck_assert_uint_lt(r->at, r->n);
    const struct rig_message *m = &r->messages[r->at];
    ck_assert_uint_eq(m->m.target.queue, shown->message.target.queue);
    ck_assert_uint_eq(m->m.target.seq, shown->message.target.seq);
    ck_assert_uint_eq(m->m.time_ns, shown->message.time_ns);
    ck_assert_uint_eq(m->m.deadline_ns, shown->message.deadline_ns);
    ck_assert_uint_eq(m->size, shown->size);
    ck_assert_uint_ge(m->m.target.seq, r->last_seq);
    r->last_seq = m->m.target.seq + 1;
    return rig_more(r, shown->bytes);
}

static inline void rig_damaged(void *arg, uint64_t first, uint64_t last, bool unreadable)
{
    struct rig *r = arg;
    uint64_t queue = r->name.number; /* see rig_read_queue */
    ck_assert_uint_le(first, last);
    ck_assert_uint_ge(last + 1, r->last_seq);
    r->last_seq = last + 1;
    r->n_unreadable += unreadable;
    for (size_t i = rig_find(r, (struct store_target){queue, first});
         i < r->n && r->messages[i].m.target.queue == queue && r->messages[i].m.target.seq <= last;
         i++)
        r->messages[i].lost = true;
}

/* Reads a queue from a seq on, call by call. */
static inline enum err rig_read_queue(struct rig *r, struct segment *s, uint64_t queue,
                                      uint64_t seq, struct segment_limits limits)
{
    struct segment_cursor c = {.queue = queue, .seq = seq};
    struct segment_visitor v = {rig_message, rig_more, rig_damaged, r};
    uint64_t number = r->name.number;
    enum err e = OK;
    r->last_seq = seq;
    r->name.number = queue; /* for rig_damaged */
    for (bool more = true; more && e == OK;) {
        uint64_t before = c.seq;
        uint64_t shown = r->n_shown;
        e = segment_read(s, r->window, &c, limits, &v, &more);
        ck_assert(!more || c.seq > before);
        ck_assert(limits.count == 0 || r->n_shown - shown <= limits.count);
        ck_assert(e == OK || c.seq == before);
    }
    r->name.number = number;
    return e;
}

static inline void rig_forget(struct rig *r)
{
    for (size_t i = 0; i < r->n; i++) {
        r->messages[i].shown = 0;
        r->messages[i].lost = false;
    }
    r->n_shown = 0;
    r->n_unreadable = 0;
}

/* Reads all, and answers how many are whole. The others were said to be lost, unless the footer was
 * made anew: then some may not be known of. */
static inline uint64_t rig_read(struct rig *r, struct segment *s, bool recovered)
{
    size_t n_rows;
    const struct segment_row *rows = segment_rows(s, &n_rows);
    rig_forget(r);
    for (size_t i = 0; i < n_rows; i++)
        ck_assert_int_eq(
            rig_read_queue(r, s, rows[i].queue, 0, (struct segment_limits){1 << 20, 64}), OK);
    for (size_t i = 0; i < r->n; i++) {
        const struct rig_message *m = &r->messages[i];
        ck_assert_uint_le(m->shown, 1);
        ck_assert(!(m->shown == 1 && m->lost));
        ck_assert(m->shown == 1 || m->lost || recovered);
    }
    return r->n_shown;
}

static inline enum err rig_open(struct rig *r, struct segment **s)
{
    enum file_state state;
    return segment_open(s, &r->name, &r->made.checksum, &state);
}

/* By the footer, or without it. */
static inline struct segment *rig_open_somehow(struct rig *r, bool *recovered)
{
    struct segment *s;
    enum file_state state;
    enum err e = rig_open(r, &s);
    *recovered = e == ERR_SYNTAX;
    if (*recovered)
        e = segment_recover(&s, &r->name, &state);
    ck_assert_int_eq(e, OK);
    return s;
}

static inline void rig_path(char path[DISK_PATH_MAX])
{
    segment_path(path, RIG_NUMBER);
}

/* The file has been changed, which a window takes for impossible. */
static inline void rig_window_anew(struct rig *r)
{
    segment_window_free(r->window);
    r->window = segment_window_new();
    ck_assert_ptr_nonnull(r->window);
}

static inline void rig_flip(struct rig *r, uint64_t offset, uint8_t mask)
{
    char path[DISK_PATH_MAX];
    rig_path(path);
    false_disk_flip(r->fd, path, offset, mask);
    rig_window_anew(r);
}

static inline uint64_t rig_file_size(struct rig *r)
{
    char path[DISK_PATH_MAX];
    rig_path(path);
    return false_disk_file_size(r->fd, path);
}

/* ---- What is noted ---- */

static inline void rig_note_few_large(struct rig *r)
{
    static const uint64_t SIZES[] = {
        SEGMENT_PART_BYTES,    SEGMENT_PART_BYTES + 1, 3000000, 0, 2 * SEGMENT_PART_BYTES, 12,
        SEGMENT_PART_BYTES - 1};
    for (uint64_t i = 0; i < sizeof(SIZES) / sizeof(SIZES[0]); i++)
        (void)rig_note(r, 3, 10 + 3 * i, SIZES[i], RIG_SAME_NONE);
    (void)rig_note(r, 9, 1, 0, 2); /* a reference to one of several records */
    (void)rig_note(r, 9, 2, 5, RIG_SAME_NONE);
    (void)rig_note(r, 9, 5, 0, 3); /* and to one without bytes */
}

static inline void rig_note_fan_out(struct rig *r, uint64_t n_queues, uint64_t n, uint64_t size)
{
    for (uint64_t queue = 1; queue <= n_queues; queue++)
        for (uint64_t i = 0; i < n; i++)
            (void)rig_note(r, queue, 100 + i, size + i, queue == 1 ? RIG_SAME_NONE : (int64_t)i);
}

static inline void rig_note_random(struct rig *r, uint64_t n_queues, uint64_t n_max,
                                   uint64_t size_max)
{
    uint64_t queue = 0;
    for (uint64_t q = 0; q < n_queues; q++) {
        queue += 1 + rng_below(&r->chance, 5);
        uint64_t seq = rng_below(&r->chance, 1000);
        for (uint64_t left = 1 + rng_below(&r->chance, n_max); left != 0; left--) {
            bool same = r->n != 0 && rng_below(&r->chance, 8) == 0;
            size_t other = same ? (size_t)rng_below(&r->chance, r->n) : 0;
            if (same && r->messages[other].same == RIG_SAME_NONE)
                (void)rig_note(r, queue, seq, 0, (int64_t)other);
            else
                (void)rig_note(r, queue, seq, rng_below(&r->chance, size_max), RIG_SAME_NONE);
            seq += 1 + rng_below(&r->chance, 3);
        }
    }
}

#endif
