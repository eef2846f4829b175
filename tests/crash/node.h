// SPDX-License-Identifier: Apache-2.0
/* tests/crash/node.h — the broker as a process: started, waited for, killed, again and again.
 *
 * A node has a directory of its own, kept until node_remove; the broker gets `--listen` and
 * `--data`, and what it prints is appended to DIR/log. It runs in a process group of its own, and a
 * kill goes to the whole group: a wrapper's children die with it, at the same moment.
 *
 * Thread: one.   Blocks: node_await, node_kill, node_stop.
 */
#ifndef TESTS_CRASH_NODE_H
#define TESTS_CRASH_NODE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

enum { NODE_PATH_SIZE = 256, NODE_COMMAND_SIZE = 1024, NODE_WHY_SIZE = 600 };

struct node {
    char command[NODE_COMMAND_SIZE];
    char directory[NODE_PATH_SIZE];
    uint16_t port;
    pid_t pid; /* 0 = none */
    int pidfd;
    char why[NODE_WHY_SIZE]; /* after a failure */
};

/* A new directory below `parent`, and a port that nobody listens on. ERR_IO. */
enum err node_init(struct node *n, const char *command, const char *parent);

/* ERR_IO. */
enum err node_start(struct node *n);

/* Waits until it speaks AMQP. ERR_IO when it ends, or does not in `timeout_ms`. */
enum err node_await(struct node *n, uint32_t timeout_ms);

/* Waits for so long, or until the broker ends: then false. */
bool node_lives(struct node *n, uint32_t wait_ms);

/* SIGKILL to all of it; returns when it is gone. */
void node_kill(struct node *n);

/* SIGTERM, and waits for the end. ERR_IO when it does not end with 0 in `timeout_ms`. */
enum err node_stop(struct node *n, uint32_t timeout_ms);

/* Kills it, and removes its directory unless `keep`. */
void node_fini(struct node *n, bool keep);

#endif
