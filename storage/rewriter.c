// SPDX-License-Identifier: Apache-2.0
#include "storage/rewriter.h"

#include <stdlib.h>
#include <string.h>

static void rewriter_begin(struct rewriter *rw);

enum { RECORDS_MIN = 64, REWRITER_REST = 5 };

void rewriter_init(struct rewriter *rw, struct journal *j, struct writer *w, uint64_t bound)
{
    *rw = (struct rewriter){.journal = j, .writer = w, .bound = bound};
    buf_init(&rw->bytes);
    batch_init(&rw->batch);
}

void rewriter_fini(struct rewriter *rw)
{
    buf_fini(&rw->bytes);
    batch_fini(&rw->batch);
    free(rw->records);
    free(rw->questions);
}

/* ---- Beginning and ending ---- */

/* The oldest file that is there; the journal may know of none with the number told. */
static uint64_t rewriter_oldest(const struct rewriter *rw)
{
    return journal_oldest(rw->journal);
}

static bool rewriter_may_begin(const struct rewriter *rw)
{
    return rewriter_oldest(rw) < journal_newest(rw->journal) &&
           writer_oldest_group(rw->writer) > rewriter_oldest(rw) &&
           rewriter_oldest(rw) >= rw->writer->oldest; /* else one is about to be let go of */
}

/* All that the answers rest on is durable; or the parcels are, and the groups are to be seen to. */
static bool rewriter_may_end(const struct rewriter *rw)
{
    return rw->is_told ? writer_first_open(rw->writer) > rw->told_lsn
                       : rw->writer->last_parcel >= (rw->urged ? rw->grouped : rw->told);
}

bool rewriter_has_work(const struct rewriter *rw)
{
    switch (rw->state) {
    case REWRITER_IDLE:
        return journal_bytes(rw->journal) > rw->bound + rw->slack && rewriter_may_begin(rw);
    case REWRITER_READING: return rw->rest == 0;
    case REWRITER_ANSWERED: return true;
    case REWRITER_WAITING: return rewriter_may_end(rw);
    case REWRITER_ASKING: break;
    }
    return false;
}

static void rewriter_forget_piece(struct rewriter *rw)
{
    buf_consume(&rw->bytes, buf_span(&rw->bytes).size);
    rw->n_records = 0;
    rw->asked_from = 0;
    rw->asked_to = 0;
}

void rewriter_urge(struct rewriter *rw)
{
    if (rw->rest != 0) {
        rw->rest--;
        return;
    }
    if (rw->state == REWRITER_IDLE && rewriter_may_begin(rw))
        rewriter_begin(rw);
    rw->urged = rw->state != REWRITER_IDLE;
}

void rewriter_relieve(struct rewriter *rw)
{
    rw->urged = false;
    rw->rest = 0;
}

static void rewriter_begin(struct rewriter *rw)
{
    rw->state = REWRITER_READING;
    rw->cursor = (struct journal_cursor){.file = rewriter_oldest(rw), .strict = true};
    rw->more = true;
    rw->kept_bytes = 0;
    rw->told = 0;
    rw->grouped = 0;
    rw->is_told = false;
    rw->urged = false;
    rw->rest = 0;
    rw->file_bytes = journal_file_bytes(rw->journal);
    rewriter_forget_piece(rw);
}

/* Nothing in the file is needed any more: the next batch that is written says so. */
static void rewriter_end(struct rewriter *rw)
{
    rw->state = REWRITER_IDLE;
    rw->writer->oldest = rw->cursor.file + 1;
    /* One of which something is needed may free nothing at all: small batches take whole blocks. */
    rw->rest = rw->kept_bytes == 0 ? 0 : rw->kept_bytes > rw->file_bytes / 4 ? REWRITER_REST : 1;
    if (rw->kept_bytes > rw->file_bytes / 2)
        rw->slack += rw->file_bytes;
    else
        rw->slack -= rw->slack < rw->file_bytes ? rw->slack : rw->file_bytes;
    rewriter_forget_piece(rw);
    buf_trim(&rw->bytes, 0);
    batch_fini(&rw->batch);
    batch_init(&rw->batch);
    free(rw->records);
    free(rw->questions);
    rw->records = NULL;
    rw->records_capacity = 0;
    rw->questions = NULL;
    rw->questions_capacity = 0;
}

/* ---- Reading ---- */

static enum err rewriter_see(void *arg, uint64_t lsn, struct journal_place place,
                             const struct record *r)
{
    struct rewriter *rw = arg;
    (void)lsn;
    (void)place;
    if (r->kind != RECORD_publish && r->kind != RECORD_chunk && r->kind != RECORD_declared)
        return OK;
    if (rw->n_records == rw->records_capacity) {
        size_t capacity = rw->records_capacity == 0 ? RECORDS_MIN : 2 * rw->records_capacity;
        struct rewriter_record *records = realloc(rw->records, capacity * sizeof(*records));
        if (records == NULL)
            return ERR_NOMEM;
        rw->records = records;
        rw->records_capacity = capacity;
    }
    size_t at = buf_span(&rw->bytes).size;
    if (buf_append(&rw->bytes, r->body) != OK)
        return ERR_NOMEM;
    rw->records[rw->n_records++] = (struct rewriter_record){r->kind, r->time_ns, at, r->body.size};
    return OK;
}

static void rewriter_see_damage(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    (void)arg; /* journal_read_file logs it: there is nothing to keep */
    (void)lsn;
    (void)n;
    (void)file;
}

static enum err rewriter_read(struct rewriter *rw)
{
    struct journal_visitor visitor = {rewriter_see, rewriter_see_damage, rw};
    rewriter_forget_piece(rw);
    bool more;
    enum err e = journal_read_file(rw->journal, &rw->cursor, &visitor, &more);
    if (e == ERR_NOT_FOUND)
        e = OK; /* there is no file of that number: nothing is needed of it */
    if (e == OK)
        rw->more = more;
    else
        rewriter_forget_piece(rw); /* and it is read again */
    return e;
}

static bool rewriter_entry(const struct rewriter *rw, size_t i, struct entry *e)
{
    const struct rewriter_record *rec = &rw->records[i];
    struct record r = {.kind = rec->kind,
                       .body = span_of(buf_span(&rw->bytes).at + rec->at, rec->size)};
    return entry_read(&r, e) && (e->kind == RECORD_declared || e->n <= PARCEL_TARGETS_MAX);
}

/* ---- Asking ---- */

static enum err rewriter_ask_of(struct rewriter *rw, const struct entry *e)
{
    size_t n = e->kind == RECORD_declared ? 1 : e->n;
    size_t capacity = rw->questions_capacity == 0 ? RECORDS_MIN : rw->questions_capacity;
    while (capacity < rw->n_questions + n)
        capacity *= 2;
    if (capacity != rw->questions_capacity) {
        struct rewriter_question *questions = realloc(rw->questions, capacity * sizeof(*questions));
        if (questions == NULL)
            return ERR_NOMEM;
        rw->questions = questions;
        rw->questions_capacity = capacity;
    }
    for (uint32_t i = 0; i < n; i++) {
        struct rewriter_question q = {.object = e->object, .what = e->bytes};
        if (e->kind != RECORD_declared)
            q = (struct rewriter_question){.target = entry_pair(e, i)};
        rw->questions[rw->n_questions++] = q;
    }
    return OK;
}

static enum err rewriter_ask(struct rewriter *rw)
{
    rw->n_questions = 0;
    rw->asked_from = rw->asked_to;
    while (rw->asked_to < rw->n_records && rw->n_questions < REWRITER_QUESTIONS) {
        struct entry e;
        if (rewriter_entry(rw, rw->asked_to, &e) && rewriter_ask_of(rw, &e) != OK) {
            rw->asked_to = rw->asked_from;
            return ERR_NOMEM;
        }
        rw->asked_to++;
    }
    rw->at = rw->asked_from;
    rw->asked_kept = rw->kept_bytes;
    rw->question = 0;
    rw->state = REWRITER_ASKING;
    return OK;
}

void rewriter_answer(struct rewriter *rw, const struct store *store)
{
    const struct store_owner *owner = store_owner(store);
    ASSERT(rw->state == REWRITER_ASKING);
    for (size_t i = 0; i < rw->n_questions; i++) {
        struct rewriter_question *q = &rw->questions[i];
        q->live = q->what.at != NULL ? owner->is_declared(owner->arg, q->object, q->what)
                                     : owner->is_live(owner->arg, q->target);
    }
    rw->told = store_told(store);
    rw->grouped = store_grouped(store);
    rw->state = REWRITER_ANSWERED;
}

/* ---- Writing ---- */

/* The targets of a record that are live, to `targets`. */
static uint32_t rewriter_live(const struct rewriter *rw, const struct entry *e,
                              struct store_target *targets)
{
    uint32_t n = 0;
    const struct rewriter_question *q = &rw->questions[rw->question];
    if (e->kind == RECORD_declared)
        return q->live;
    for (uint32_t i = 0; i < e->n; i++)
        if (q[i].live)
            targets[n++] = q[i].target;
    return n;
}

/* Adds what is needed of the record at hand. ERR_FULL: the batch is. */
static enum err rewriter_add(struct rewriter *rw)
{
    struct store_target targets[PARCEL_TARGETS_MAX];
    struct entry e;
    if (!rewriter_entry(rw, rw->at, &e)) {
        rw->at++;
        return OK;
    }
    size_t n_asked = e.kind == RECORD_declared ? 1 : e.n;
    uint32_t n = rewriter_live(rw, &e, targets);
    if (n != 0) {
        struct record r = {.kind = (uint8_t)e.kind, .time_ns = rw->records[rw->at].time_ns};
        uint8_t *body;
        e.n = e.kind == RECORD_declared ? 0 : n;
        e.list = SPAN_NONE;
        r.body = (struct span){NULL, entry_size(&e)};
        if (batch_bytes_with(&rw->batch, &r) > journal_batch_max(rw->journal))
            return ERR_FULL;
        if (batch_add(&rw->batch, &r, &body) != OK)
            return ERR_NOMEM;
        memcpy(entry_put(body, &e, targets), e.bytes.at, e.bytes.size);
        rw->kept_bytes += record_size(&r);
    }
    rw->at++;
    rw->question += n_asked;
    return OK;
}

/* There is no room for what is needed: by the next time it may be less. What was written of this
 * portion is written once more then, which does no harm. */
static void rewriter_ask_again(struct rewriter *rw)
{
    batch_reset(&rw->batch);
    rw->filled = false;
    rw->asked_to = rw->asked_from;
    rw->kept_bytes = rw->asked_kept;
    rw->state = REWRITER_READING;
    rw->rest = rw->urged; /* else nobody counts it down */
}

static enum err rewriter_write(struct rewriter *rw)
{
    enum err e = OK;
    while (!rw->filled && e == OK && rw->at < rw->asked_to)
        e = rewriter_add(rw);
    if (e == ERR_NOMEM)
        return e;
    if (rw->batch.count != 0) {
        rw->filled = true;
        e = writer_write_batch(rw->writer, &rw->batch);
        if (e == ERR_FULL)
            rewriter_ask_again(rw);
        if (e != OK)
            return e;
        batch_reset(&rw->batch);
        rw->filled = false;
    }
    if (rw->at == rw->asked_to)
        rw->state = REWRITER_READING;
    return OK;
}

/* Everything told up to `told` is durable. Groups that go on may hold settlements as well. */
static void rewriter_wait(struct rewriter *rw)
{
    if (!rw->is_told)
        rw->told_lsn = journal_durable_lsn(rw->journal);
    rw->is_told = true;
    if (rewriter_may_end(rw))
        rewriter_end(rw);
}

enum err rewriter_step(struct rewriter *rw)
{
    switch (rw->state) {
    case REWRITER_IDLE: rewriter_begin(rw); return OK;
    case REWRITER_READING:
        if (rw->asked_to < rw->n_records)
            return rewriter_ask(rw);
        if (rw->more)
            return rewriter_read(rw);
        rw->state = REWRITER_WAITING;
        return OK;
    case REWRITER_ANSWERED: return rewriter_write(rw);
    case REWRITER_WAITING: rewriter_wait(rw); return OK;
    case REWRITER_ASKING: break;
    }
    return OK;
}
