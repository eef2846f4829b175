// SPDX-License-Identifier: Apache-2.0
/* broker/server/inspect.h — `whippet --inspect DIR`: what a data directory holds, in lines.
 *
 * Nothing on the disk is changed, not even times of access, where the system lets us; and no broker
 * is started. What a start would make of the directory is found out by one on a disk_overlay.h,
 * whose log lines go to stderr as always.
 *
 * A line is a word and key=value; what may hold any bytes is in quotes, with \xNN for what is not
 * plain. New keys may come; those that are there keep their meaning.
 *
 * Thread: that of main, before there is any other.   Blocks: yes.
 */
#ifndef BROKER_SERVER_INSPECT_H
#define BROKER_SERVER_INSPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/env.h"

struct inspect_options {
    const char *data;
    bool records;        /* every one of them, too */
    uint64_t file_bytes; /* of the journal's files: journal.h */
    struct env *env;
};

/* Prints to stdout. 0 = it is sound; 1 = something is damaged, or a start would be refused; 2 = it
 * could not be looked at, and `why` tells. */
int inspect_print(const struct inspect_options *options, char *why, size_t why_size);

#endif
