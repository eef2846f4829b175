// SPDX-License-Identifier: Apache-2.0
/* tests/sim/replay.h — a recorded core once more, alone and turn by turn.
 *
 * The recording stands for everything around the core: it sets the time, what the store says, and
 * what the links bring and take. After each turn the core is checked, and what it said is compared
 * with the recording by its digest.
 *
 * The recording is not trusted. recording.h sees to single events; here their order is held to what
 * link.h promises (a connection is opened before anything else, and so on), and the positions to
 * what the rings hold. What breaks these ends the replay with a sentence.
 *
 * Thread: one.
 */
#ifndef TESTS_SIM_REPLAY_H
#define TESTS_SIM_REPLAY_H

#include "base/span.h"
#include "storage/store.h"

/* The exit status: 0 when all there is was replayed without a difference, also when the end of the
 * recording is cut off; 1 after a sentence on what is wrong. */
int replay(struct span recording);

#endif
