// SPDX-License-Identifier: Apache-2.0
/* broker/server/recorder.h — writes down what a core does, in a file, while it does it.
 *
 * The recorder is the core's observer. It keeps what a turn depends on in memory and writes it out
 * when there is enough of it, when RECORDER_NS have passed, and when the core comes to rest; so a
 * crash loses moments at most. See recording.h for the format.
 *
 * The file holds messages, the users' password digests, and the passwords of logins: only its owner
 * may read it. A file that is there already is kept as FILE.old.
 *
 * When writing fails or memory is out, that is logged (LOG_RECORD_FAILED) and the recording ends;
 * the core notices nothing.
 *
 * Thread: core.   Blocks: on the file.
 */
#ifndef BROKER_SERVER_RECORDER_H
#define BROKER_SERVER_RECORDER_H

#include "broker/core/core.h"

/* What may be unwritten: this much memory, or this much time while the core is at work. */
enum { RECORDER_BYTES = 64 * 1024, RECORDER_NS = 200 * 1000 * 1000 };

struct recorder;

/* `build` (borrowed for good) is the version of Whippet. ERR_NOMEM; ERR_IO with `why`. */
MUST_USE enum err recorder_open(struct recorder **out, const char *path, struct span build,
                                char *why, size_t why_size);

/* For core_options; valid until recorder_close, which comes after core_free. */
const struct core_observer *recorder_observer(const struct recorder *r);

/* Writes what is in memory. Also for the last moment of a process: it takes no memory and no lock,
 * so a signal handler may call it, on whatever thread; in the middle of a turn the last record may
 * then be cut off or damaged. NULL is none. */
void recorder_flush(struct recorder *r);

/* Flushes and closes. */
void recorder_close(struct recorder *r);

#endif
