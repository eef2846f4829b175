// SPDX-License-Identifier: Apache-2.0
/* storage/inspect_priv.h — what looking for files (inspect.c) and walking through them
 * (inspect_walk.c) share.
 *
 * Thread: see inspect.h.
 */
#ifndef STORAGE_INSPECT_PRIV_H
#define STORAGE_INSPECT_PRIV_H

#include "storage/inspect.h"
#include "storage/journal_priv.h"

/* A batch of the journal's file `file`. */
struct inspect_found {
    size_t file; /* in journal.files */
    uint64_t offset;
    struct batch_head head;
};

struct inspect {
    struct disk *disk;
    const struct inspect_visitor *visitor;
    struct inspect_figures *figures;
    struct journal journal;     /* what is read with; of its files those that are ours */
    struct inspect_file *shown; /* for each of journal.files */
    size_t shown_capacity;
    struct inspect_found *found;
    size_t n_found;
    size_t found_capacity;
    /* While all is shown. */
    uint64_t next; /* the LSN that should come */
    uint64_t limit;
    uint64_t end; /* of the batch before, in the file at hand */
    bool over;    /* the end has been met */
    const char *last_path;
    uint64_t last_end;
    uint64_t oldest_in_doubt; /* as records in doubt say */
    bool said_again;          /* a start would say again what is in doubt */
};

void inspect_show(struct inspect *s, const struct inspect_file *f);

/* Counts and shows it. */
void inspect_damaged(struct inspect *s, const struct inspect_damage *d);

/* Finds out what counts, and shows the files that are ours with all that is in them. */
void inspect_walk(struct inspect *s);

#endif
