// SPDX-License-Identifier: Apache-2.0
/* broker/server/memory_limit.h — how much memory this process may use.
 *
 * That is the machine's, or less where a control group limits it: a container, a unit of systemd.
 * Groups are nested and each level may set a limit; the smallest holds. Both versions are looked
 * at. What is absent or malformed counts as no limit.
 *
 * Thread: any.   Blocks: while files of the kernel are read.
 */
#ifndef BROKER_SERVER_MEMORY_LIMIT_H
#define BROKER_SERVER_MEMORY_LIMIT_H

#include <stdint.h>

/* Bytes. `root` stands before /proc and /sys: "" is this machine. */
uint64_t memory_limit_bytes(const char *root);

/* The smallest limit of a control group alone; UINT64_MAX = none. */
uint64_t memory_limit_of_groups(const char *root);

#endif
