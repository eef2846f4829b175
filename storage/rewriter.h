// SPDX-License-Identifier: Apache-2.0
/* storage/rewriter.h — keeps the journal within its bound: FORMAT.md, section 5.
 *
 * When the journal has grown beyond its bound, what is still needed of its oldest file is written
 * once more, at its end, and the file let go of. Only the core knows what is needed: it is asked in
 * small portions, and what it has said is written before anything that the core tells later, so
 * that a settlement never lies in an older file than its message.
 *
 * What the core says rests on what it has told, which may not be durable yet: a settlement in a
 * group whose commit never comes is none. So the file stays until everything told by then is
 * durable, and the groups are over that had begun.
 *
 * If a file turns out to be needed for the most part, the bound is raised by its size, and lowered
 * again when others are not: so what is written again is at most about as much as is written.
 *
 * When the disk is full it is urged: it begins without the bound, and what is settled outside of
 * groups need not be durable before the file goes; for the settlements cannot be written. If a file
 * frees little, it rests for a while.
 *
 * Thread: that of the journal; rewriter_answer on the core's, while the rewriter waits for it.
 * Blocks: rewriter_step.
 */
#ifndef STORAGE_REWRITER_H
#define STORAGE_REWRITER_H

#include "storage/store.h"
#include "storage/writer.h"

enum { REWRITER_QUESTIONS = 1024 };

enum rewriter_state {
    REWRITER_IDLE,
    REWRITER_READING,  /* a file, piece by piece */
    REWRITER_ASKING,   /* until rewriter_answer */
    REWRITER_ANSWERED, /* what is needed is to be written */
    REWRITER_WAITING   /* until what the answers rest on is durable */
};

struct rewriter_question {
    struct store_target target;
    uint64_t object;
    struct span what; /* of an object; NULL = it is about the target */
    bool live;
};

/* A record that may have to be written again. */
struct rewriter_record {
    uint8_t kind;
    uint64_t time_ns;
    size_t at; /* its body, in `bytes` */
    size_t size;
};

struct rewriter {
    struct journal *journal;
    struct writer *writer;
    uint64_t bound; /* of the journal, in bytes */
    uint64_t slack; /* by which it is raised */
    enum rewriter_state state;
    struct journal_cursor cursor;
    bool more; /* of the file behind the cursor */
    uint64_t file_bytes;
    uint64_t kept_bytes; /* of the file: written again … */
    uint64_t asked_kept; /* … before the questions at hand */
    struct buf bytes;    /* of the piece at hand */
    struct rewriter_record *records;
    size_t n_records;
    size_t records_capacity;
    size_t asked_from; /* records that the questions are about … */
    size_t asked_to;
    struct rewriter_question *questions;
    size_t n_questions;
    size_t questions_capacity;
    size_t at;         /* … the next of them to be written … */
    size_t question;   /* … and its first question */
    bool urged;        /* the disk is full */
    unsigned rest;     /* so often need it not begin when it is urged */
    uint64_t told;     /* the answers rest on parcels up to this one … */
    uint64_t grouped;  /* … as far as groups go, up to this one … */
    bool is_told;      /* … which is written … */
    uint64_t told_lsn; /* … and on groups that began up to this LSN */
    struct batch batch;
    bool filled; /* the batch is to be written */
};

void rewriter_init(struct rewriter *rw, struct journal *j, struct writer *w, uint64_t bound);
void rewriter_fini(struct rewriter *rw);

/* Is there something that rewriter_step would do? */
bool rewriter_has_work(const struct rewriter *rw);

/* The disk is full: begins, if that may free something. */
void rewriter_urge(struct rewriter *rw);

/* It is not full any more. */
void rewriter_relieve(struct rewriter *rw);

/* One piece of work. What journal_write and journal_read_file answer: it is to be called again. */
MUST_USE enum err rewriter_step(struct rewriter *rw);

/* The state is REWRITER_ASKING, and is REWRITER_ANSWERED then. */
void rewriter_answer(struct rewriter *rw, const struct store *store);

#endif
