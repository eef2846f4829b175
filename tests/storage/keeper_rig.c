// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/keeper_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

enum { MESSAGE_HEAD = 16, SHIFT_MAX = 4096, STOP_FILES = 4096, FLUSH_TRIES = 10000 };

/* What bodies are made of: a message's begins somewhere in it. */
static uint8_t pool[LIFE_SIZE_MAX + SHIFT_MAX];

static void life_fill_pool(void)
{
    static bool filled;
    struct rng filler = {1};
    for (size_t i = 0; !filled && i < sizeof(pool); i++)
        pool[i] = (uint8_t)(rng_next(&filler) >> 32);
    filled = true;
}

static struct span life_bytes(uint64_t id, size_t size)
{
    return span_of(pool + id * 977 % SHIFT_MAX, size);
}

/* ---- The world ---- */

static uint64_t life_now_ns(struct env *env)
{
    return ((struct life *)env->self)->now_ns;
}

static void life_secret(struct env *env, void *at, size_t size)
{
    struct life *l = env->self;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)at)[i] = (uint8_t)rng_next(&l->chance);
}

static void life_parts(const void *message, struct message_parts *out)
{
    const struct life_message *m = message;
    size_t size = m->size;
    *out = (struct message_parts){.head_size = MESSAGE_HEAD};
    put_u64(put_u64(out->head, m->id), m->size);
    struct span all = life_bytes(m->id, size);
    size_t third = size / 3;
    out->parts[0] = span_of(all.at, third);
    out->parts[1] = span_of(all.at + third, third);
    out->parts[2] = span_of(all.at + 2 * third, size - 2 * third);
}

static void life_wake(void *arg)
{
    (void)arg; /* both sides are called anyway */
}

struct life *life_new(uint64_t seed)
{
    struct life *l = calloc(1, sizeof(*l));
    ASSERT(l != NULL);
    life_fill_pool();
    l->chance.state = seed;
    l->env = (struct env){
        .now_ns = life_now_ns, .secret = life_secret, .wall_ns = life_now_ns, .self = l};
    l->fd = false_disk_new(0);
    l->now_ns = 1;
    l->options = (struct keeper_options){.disk = false_disk(l->fd),
                                         .env = &l->env,
                                         .file_bytes = LIFE_FILE_BYTES,
                                         .journal_bytes = UINT64_C(4) * LIFE_FILE_BYTES,
                                         .parts = life_parts,
                                         .wake_core = life_wake,
                                         .wake_disk = life_wake};
    return l;
}

/* ---- The model ---- */

struct life_object *life_object(struct life *l, uint64_t number)
{
    for (size_t i = l->n_objects; i-- != 0;)
        if (l->objects[i].number == number)
            return &l->objects[i];
    return NULL;
}

static struct life_entry *life_entry(struct life *l, struct store_target t)
{
    for (size_t i = l->n_entries; i-- != 0;)
        if (l->entries[i].target.queue == t.queue && l->entries[i].target.seq == t.seq)
            return &l->entries[i];
    return NULL;
}

struct life_entry *life_last(struct life *l, const struct life_object *queue)
{
    for (size_t i = l->n_entries; i-- != 0;)
        if (l->entries[i].target.queue == queue->number)
            return &l->entries[i];
    return NULL;
}

/* Where an entry ends: when it is settled, or its queue is gone. */
static uint64_t life_entry_end(struct life *l, const struct life_entry *e)
{
    const struct life_object *q = life_object(l, e->target.queue);
    return q->to < e->to ? q->to : e->to;
}

static void life_release(void *arg, void *message)
{
    struct life_message *m = message;
    (void)arg;
    ck_assert_uint_eq(m->n_held, 1);
    m->n_held = 0;
}

static bool life_is_live(void *arg, struct store_target t)
{
    const struct life_entry *e = life_entry(arg, t);
    const struct life_object *q = life_object(arg, t.queue);
    return e != NULL && q != NULL && !e->gone && !q->gone;
}

static bool life_is_declared(void *arg, uint64_t number, struct span what)
{
    const struct life_object *o = life_object(arg, number);
    return o != NULL && !o->gone && span_eq(what, life_bytes(number, o->size));
}

/* ---- What a start finds ---- */

static void found_last_object(void *arg, uint64_t object)
{
    (void)arg;
    (void)object; /* the figures say it, too, and are looked at */
}

static enum err found_declared(void *arg, uint64_t number, struct span what)
{
    struct life *l = arg;
    struct life_object *o = life_object(l, number);
    if (false_disk_is_cut(l->fd))
        return OK;
    ck_assert_msg(o != NULL, "object %llu: invented", (unsigned long long)number);
    ck_assert_uint_gt(number, l->last_restored);
    ck_assert(span_eq(what, life_bytes(number, o->size)));
    l->last_restored = number;
    o->found = true;
    return OK;
}

static enum err found_message(void *arg, struct span bytes, uint32_t n, void **message)
{
    struct life *l = arg;
    struct span in = bytes;
    uint64_t id = 0;
    uint64_t size = 0;
    ck_assert(take_u64(&in, &id) && take_u64(&in, &size));
    ck_assert_uint_lt(id, l->n_messages);
    struct life_message *m = &l->messages[id];
    ck_assert_msg(m->size == size && in.size == size && span_eq(in, life_bytes(id, size)),
                  "message %llu: not as it was", (unsigned long long)id);
    m->n_loaded += n;
    *message = m;
    return OK;
}

static void found_drop(void *arg, void *message)
{
    struct life_message *m = message;
    (void)arg;
    ck_assert_uint_ne(m->n_loaded, 0);
    m->n_loaded--;
}

static enum err found_queue(void *arg, uint64_t queue, const struct recovered_message *messages,
                            size_t n, uint64_t flagged, uint64_t next_seq)
{
    struct life *l = arg;
    struct life_object *o = life_object(l, queue);
    for (size_t i = 0; i < n; i++) {
        struct life_message *m = messages[i].message;
        struct life_entry *e = life_entry(l, (struct store_target){queue, messages[i].seq});
        found_drop(l, m);
        ck_assert_msg(e != NULL && e->message == m, "message %llu: not of this queue",
                      (unsigned long long)m->id);
        ck_assert(i == 0 || messages[i].seq > messages[i - 1].seq);
        ck_assert_uint_gt(next_seq, messages[i].seq);
        ck_assert(!e->found && (o->found || false_disk_is_cut(l->fd)));
        e->found = true;
    }
    if (o != NULL) {
        o->flagged = flagged;
        o->next_seq = next_seq;
    }
    return OK;
}

/* ---- Comparing ---- */

/* How many things speak against each position, as differences. */
struct life_verdict {
    int64_t *change;
    uint64_t n;
};

static void life_against(struct life_verdict *v, uint64_t from, uint64_t to)
{
    if (to > v->n + 1)
        to = v->n + 1;
    if (from >= to)
        return;
    v->change[from]++;
    v->change[to]--;
}

static void life_judge(struct life_verdict *v, bool found, uint64_t from, uint64_t to)
{
    if (!found) {
        life_against(v, from, to);
    } else {
        life_against(v, 0, from);
        life_against(v, to, LIFE_NEVER);
    }
}

static void life_explain(struct life *l, uint64_t least)
{
    for (size_t i = 0; i < l->n_entries; i++) {
        struct life_entry *e = &l->entries[i];
        uint64_t to = life_entry_end(l, e);
        bool odd = e->found ? e->from > l->position || to <= least
                            : e->from <= least && to == LIFE_NEVER;
        if (odd)
            printf("entry %llu/%llu message %llu size %zu found %d from %lld to %lld (of the queue "
                   "%lld)\n",
                   (unsigned long long)e->target.queue, (unsigned long long)e->target.seq,
                   (unsigned long long)e->message->id, e->message->size, e->found,
                   (long long)e->from, (long long)e->to,
                   (long long)life_object(l, e->target.queue)->to);
    }
    for (size_t i = 0; i < l->n_objects; i++) {
        struct life_object *o = &l->objects[i];
        if (o->from != LIFE_NEVER)
            printf("object %llu found %d from %lld to %lld\n", (unsigned long long)o->number,
                   o->found, (long long)o->from, (long long)o->to);
    }
    fflush(stdout);
}

/* Is there a position at which everything is as it was found? */
static void life_compare(struct life *l)
{
    uint64_t least = l->figures.clean ? l->position : l->durable;
    struct life_verdict v = {calloc(l->position + 2, sizeof(*v.change)), l->position};
    ASSERT(v.change != NULL);
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct life_entry *e = &l->entries[i];
        life_judge(&v, e->found, e->message->left_out ? LIFE_NEVER : e->from, life_entry_end(l, e));
    }
    for (size_t i = 0; i < l->n_objects; i++)
        life_judge(&v, l->objects[i].found, l->objects[i].from, l->objects[i].to);
    int64_t against = 0;
    bool possible = false;
    for (uint64_t at = 0; at <= l->position; at++) {
        against += v.change[at];
        possible |= against == 0 && at >= least;
    }
    free(v.change);
    if (!possible)
        life_explain(l, least);
    ck_assert_msg(possible, "no position from %llu to %llu explains it", (unsigned long long)least,
                  (unsigned long long)l->position);
}

/* Does what was found of this entry say that the group counts, or that it does not? */
static int life_says(struct life *l, const struct life_entry *e, uint64_t group)
{
    const struct life_object *q = life_object(l, e->target.queue);
    bool there = q->found && q->to == LIFE_NEVER;
    if (e->entered_by == group && e->from <= l->durable && e->to == LIFE_NEVER && there)
        return e->found ? 1 : -1;
    return e->left_by == group && e->to <= l->durable && e->found ? -1 : 0;
}

/* A group of which a part is damaged is missing as a whole. Only unless its messages have been
 * written again, each by itself, or other damage has taken them. */
static void life_compare_groups(struct life *l)
{
    if (l->rewrites || l->figures.n_messages_lost != 0)
        return;
    for (size_t i = 0; i < l->n_entries; i++) {
        const uint64_t groups[] = {l->entries[i].entered_by, l->entries[i].left_by};
        for (size_t g = 0; g < 2; g++) {
            int says = groups[g] == 0 ? 0 : life_says(l, &l->entries[i], groups[g]);
            for (size_t k = 0; says != 0 && k < i; k++)
                ck_assert_msg(says + life_says(l, &l->entries[k], groups[g]) != 0,
                              "group %llu: in part", (unsigned long long)groups[g]);
        }
    }
}

/* Something was damaged: what has gone may be there again, or what was there be missing. */
static void life_compare_damaged(struct life *l)
{
    life_compare_groups(l);
    bool lost = l->figures.n_lost != 0;
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct life_entry *e = &l->entries[i];
        ck_assert(!e->found || !e->message->left_out);
        ck_assert_msg(!e->found || e->to > l->durable || lost, "message %llu: there again",
                      (unsigned long long)e->message->id);
    }
}

static void life_check_flags(struct life *l)
{
    bool clean = l->figures.clean;
    ck_assert(!clean || l->stopped != LIFE_NOT_STOPPED);
    ck_assert(clean || l->stopped != LIFE_STOPPED || l->harmed);
    for (size_t i = 0; i < l->n_entries; i++) {
        const struct life_entry *e = &l->entries[i];
        if (!e->found)
            continue;
        const struct life_object *q = life_object(l, e->target.queue);
        if (clean && !l->harmed)
            ck_assert_uint_eq(q->flagged, q->mark);
        else
            ck_assert(clean || e->target.seq > q->delivered || e->target.seq <= q->flagged);
    }
}

/* What was found is what there is from now on. */
static void life_rebase(struct life *l)
{
    for (size_t i = 0; i < l->n_entries; i++) {
        struct life_entry *e = &l->entries[i];
        e->entered_by = e->found ? e->entered_by : 0;
        e->left_by = e->found || e->to > l->durable ? 0 : e->left_by;
        e->from = e->found ? 0 : LIFE_NEVER;
        e->to = e->found ? LIFE_NEVER : 0;
        e->gone = !e->found;
        e->token = 0;
    }
    for (size_t i = 0; i < l->n_objects; i++) {
        struct life_object *o = &l->objects[i];
        o->from = o->found ? 0 : LIFE_NEVER;
        o->to = o->found ? LIFE_NEVER : 0;
        o->gone = !o->found;
        o->delivered = o->flagged;
        if (o->found)
            ck_assert_uint_ge(l->figures.last_object, o->number);
    }
    l->last_object = l->figures.last_object;
    l->position = l->durable = 0;
    memset(l->by_parcel, 0, sizeof(l->by_parcel));
    l->stopped = LIFE_NOT_STOPPED;
}

static void life_check(struct life *l)
{
    l->figures = *keeper_figures(l->keeper);
    const struct recovery_figures *f = &l->figures;
    for (size_t i = 0; i < l->n_messages; i++)
        ck_assert_uint_eq(l->messages[i].n_loaded, 0);
    bool damaged = f->n_lost != 0 || f->n_groups_dropped != 0 || f->n_messages_lost != 0;
    ck_assert_msg(!damaged || l->harmed, "lost: %llu records, %llu groups, %llu messages",
                  (unsigned long long)f->n_lost, (unsigned long long)f->n_groups_dropped,
                  (unsigned long long)f->n_messages_lost);
    if (damaged)
        life_compare_damaged(l);
    else
        life_compare(l);
    life_check_flags(l);
    life_rebase(l);
}

/* ---- Starting and ending ---- */

static void life_forget_found(struct life *l)
{
    l->last_restored = 0;
    for (size_t i = 0; i < l->n_entries; i++)
        l->entries[i].found = false;
    for (size_t i = 0; i < l->n_objects; i++) {
        l->objects[i].found = false;
        l->objects[i].flagged = 0;
        l->objects[i].next_seq = 1;
    }
}

static void life_close(struct life *l)
{
    if (l->keeper == NULL)
        return;
    store_end(keeper_store(l->keeper));
    keeper_close(l->keeper);
    l->keeper = NULL;
    for (size_t i = 0; i < l->n_messages; i++)
        ck_assert_uint_eq(l->messages[i].n_held, 0);
}

/* Takes note of what was durable when it ended. */
static void life_ended(struct life *l)
{
    if (l->keeper == NULL)
        return;
    uint64_t number = store_durable(keeper_store(l->keeper));
    while (number != 0 && l->by_parcel[number] == 0)
        number--;
    l->durable = number == 0 ? 0 : l->by_parcel[number];
    life_close(l);
}

enum err life_start(struct life *l)
{
    uint64_t holder;
    struct recovery_target to = {.last_object = found_last_object,
                                 .declared = found_declared,
                                 .message = found_message,
                                 .drop = found_drop,
                                 .queue = found_queue,
                                 .arg = l};
    struct store_owner owner = {life_release, life_is_live, life_is_declared, l};
    life_forget_found(l);
    enum err e = keeper_open(&l->keeper, &l->options, &holder);
    if (e == OK) {
        store_set_owner(keeper_store(l->keeper), &owner);
        e = keeper_restore(l->keeper, &to);
    }
    if (e == OK && !false_disk_is_cut(l->fd)) {
        life_check(l);
        l->first_file = life_newest_file(l);
        return OK;
    }
    life_close(l);
    for (size_t i = 0; i < l->n_messages; i++)
        ck_assert_uint_eq(l->messages[i].n_loaded, 0);
    if (l->stopped == LIFE_STOPPED)
        l->stopped = LIFE_MAYBE_STOPPED; /* a start may have said that it has been */
    return e != OK ? e : ERR_IO;
}

void life_end(struct life *l)
{
    life_ended(l);
    false_disk_process_ended(l->fd);
}

void life_power(struct life *l)
{
    life_ended(l);
    if (!false_disk_is_cut(l->fd))
        false_disk_cut(l->fd);
    false_disk_power_on(l->fd, &l->chance);
    false_disk_cut_at(l->fd, UINT64_MAX);
}

void life_free(struct life *l)
{
    life_close(l);
    false_disk_free(l->fd);
    free(l);
}

static void life_mark(struct life *l)
{
    struct store *s = keeper_store(l->keeper);
    for (size_t i = 0; i < l->n_objects; i++) {
        struct life_object *o = &l->objects[i];
        o->mark = o->delivered;
        if (!o->queue || o->gone)
            continue;
        ck_assert_uint_eq(store_reserve(s), PARCEL_RESERVE);
        if (o->mark != 0)
            store_mark(s, (struct store_target){o->number, o->mark});
    }
}

bool life_stop(struct life *l, bool clean)
{
    if (clean)
        life_mark(l);
    ck_assert_uint_eq(store_reserve(keeper_store(l->keeper)), PARCEL_RESERVE);
    l->by_parcel[store_filling(keeper_store(l->keeper))] = l->position;
    bool done = keeper_stop(l->keeper, clean);
    if (clean)
        l->stopped = done ? LIFE_STOPPED : LIFE_MAYBE_STOPPED;
    life_ended(l);
    if (!false_disk_is_cut(l->fd))
        false_disk_process_ended(l->fd);
    if (done)
        ck_assert_uint_eq(l->durable, l->position);
    return done;
}

void life_recover(struct life *l, unsigned n_cuts)
{
    life_power(l);
    for (; n_cuts != 0; n_cuts--) {
        false_disk_cut_at(l->fd, false_disk_count(l->fd) + 1 + rng_below(&l->chance, 30));
        if (life_start(l) == OK)
            (void)life_work(l); /* the power lasted longer */
        life_power(l);
    }
    enum err e;
    for (int i = 0; (e = life_start(l)) != OK && i < 30; i++) /* what was to fail does */
        life_end(l);
    ck_assert_int_eq(e, OK);
}

/* ---- Telling ---- */

static struct store *life_tell(struct life *l)
{
    struct store *s = keeper_store(l->keeper);
    store_tick(s, l->now_ns);
    ck_assert_uint_eq(store_reserve(s), PARCEL_RESERVE);
    uint64_t number = store_filling(s);
    ck_assert_uint_lt(number, LIFE_PARCELS_MAX);
    l->by_parcel[number] = ++l->position;
    return s;
}

struct life_object *life_declare(struct life *l, bool queue, size_t size)
{
    if (l->n_objects == LIFE_OBJECTS_MAX)
        return NULL;
    struct life_object *o = &l->objects[l->n_objects++];
    struct store *s = life_tell(l);
    *o = (struct life_object){.number = ++l->last_object,
                              .size = size,
                              .queue = queue,
                              .from = l->position,
                              .to = LIFE_NEVER,
                              .next_seq = 1};
    ck_assert_int_eq(store_declared(s, o->number, life_bytes(o->number, size)), OK);
    return o;
}

void life_undeclare(struct life *l, struct life_object *o)
{
    store_undeclared(life_tell(l), o->number);
    o->to = l->position;
    o->gone = true;
}

bool life_publish(struct life *l, struct life_object *const *queues, size_t n, size_t size,
                  uint64_t group)
{
    struct store_target targets[LIFE_TARGETS_MAX];
    if (l->n_entries + n > LIFE_ENTRIES_MAX || l->n_messages == LIFE_MESSAGES_MAX)
        return false;
    struct store *s = life_tell(l);
    struct life_message *m = &l->messages[l->n_messages];
    *m = (struct life_message){.id = l->n_messages++, .size = size, .n_held = 1};
    uint64_t token;
    for (size_t i = 0; i < n; i++)
        targets[i] = (struct store_target){queues[i]->number, queues[i]->next_seq++};
    ck_assert_int_eq(store_publish(s, m, size, targets, n, group, &token), OK);
    for (size_t i = 0; i < n; i++)
        l->entries[l->n_entries++] = (struct life_entry){.target = targets[i],
                                                         .message = m,
                                                         .token = token,
                                                         .from = group == 0 ? l->position
                                                                            : LIFE_NEVER,
                                                         .to = LIFE_NEVER,
                                                         .entered_by = group};
    return true;
}

void life_settle(struct life *l, struct life_entry *e, uint64_t group)
{
    struct life_message *m = e->message;
    bool held = m->n_held != 0;
    struct store *s = life_tell(l);
    e->gone = true;
    if (group == 0)
        e->to = l->position;
    e->left_by = group;
    store_settle(s, e->target, e->token, group);
    m->left_out |= held && m->n_held == 0;
}

void life_settle_range(struct life *l, struct life_object *queue, uint64_t first, uint64_t last)
{
    store_settle_range(life_tell(l), queue->number, first, last);
    for (size_t i = 0; i < l->n_entries; i++) {
        struct life_entry *e = &l->entries[i];
        if (e->target.queue != queue->number || e->target.seq < first || e->target.seq > last)
            continue;
        e->gone = true;
        if (e->to > l->position)
            e->to = l->position;
    }
}

void life_commit(struct life *l, uint64_t group)
{
    store_commit(life_tell(l), group);
    for (size_t i = 0; i < l->n_entries; i++) {
        struct life_entry *e = &l->entries[i];
        if (e->entered_by == group)
            e->from = l->position;
        if (e->left_by == group && e->to > l->position)
            e->to = l->position;
    }
}

void life_deliver(struct life *l, struct life_object *queue, uint64_t seq)
{
    (void)l;
    if (seq > queue->delivered)
        queue->delivered = seq;
}

/* ---- Going on ---- */

void life_step(struct life *l)
{
    struct store *s = keeper_store(l->keeper);
    store_tick(s, l->now_ns);
    store_release(s, store_durable(s));
    bool more = keeper_step(l->keeper, l->now_ns);
    (void)more;
}

enum keeper_work life_work(struct life *l)
{
    return keeper_work(l->keeper);
}

bool life_flush(struct life *l)
{
    struct store *s = keeper_store(l->keeper);
    uint64_t wanted = store_barrier(s);
    for (int i = 0; i < FLUSH_TRIES && store_durable(s) < wanted; i++) {
        life_step(l);
        if (life_work(l) == KEEPER_FAILED)
            return false;
    }
    life_step(l);
    return store_durable(s) >= wanted;
}

void life_settle_down(struct life *l)
{
    for (int i = 0; i < FLUSH_TRIES; i++) {
        life_step(l);
        if (life_work(l) != KEEPER_WORKED)
            return;
    }
    ck_abort_msg("the disk's side does not come to an end");
}

static bool life_is_file(struct life *l, uint64_t number)
{
    char path[DISK_PATH_MAX];
    snprintf(path, sizeof(path), JOURNAL_FOLDER "/%llu", (unsigned long long)number);
    return false_disk_file_size(l->fd, path) != UINT64_MAX;
}

uint64_t life_newest_file(struct life *l)
{
    uint64_t number = STOP_FILES;
    while (number != 0 && !life_is_file(l, number))
        number--;
    return number;
}

uint64_t life_file_from(struct life *l, uint64_t from)
{
    while (from < STOP_FILES && !life_is_file(l, from))
        from++;
    return from;
}

static unsigned life_damage_file(struct life *l, const char *path, struct span what)
{
    struct disk_file *f;
    uint64_t size = false_disk_file_size(l->fd, path);
    uint8_t *bytes = malloc(size);
    size_t got = 0;
    unsigned n = 0;
    ASSERT(bytes != NULL);
    ck_assert_int_eq(disk_open(l->options.disk, path, DISK_READ, &f), OK);
    ck_assert_int_eq(disk_read(f, 0, bytes, size, &got), OK);
    disk_close(f);
    for (size_t i = 0; i + what.size <= got; i++) {
        if (memcmp(bytes + i, what.at, what.size) != 0)
            continue;
        false_disk_flip(l->fd, path, i, 1);
        n++;
    }
    free(bytes);
    return n;
}

static unsigned life_damage(struct life *l, struct span what)
{
    unsigned n = 0;
    ck_assert_uint_ge(what.size, 8);
    l->harmed = true;
    for (uint64_t number = life_newest_file(l); number != 0; number--) {
        char path[DISK_PATH_MAX];
        snprintf(path, sizeof(path), JOURNAL_FOLDER "/%llu", (unsigned long long)number);
        if (life_is_file(l, number))
            n += life_damage_file(l, path, what);
    }
    return n;
}

unsigned life_damage_message(struct life *l, const struct life_message *m)
{
    uint8_t head[MESSAGE_HEAD];
    put_u64(put_u64(head, m->id), m->size);
    return life_damage(l, span_of(head, sizeof(head)));
}

unsigned life_damage_object(struct life *l, const struct life_object *o)
{
    return life_damage(l, life_bytes(o->number, o->size));
}
