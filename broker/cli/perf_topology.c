// SPDX-License-Identifier: Apache-2.0
#include "broker/cli/perf_topology.h"

#include <string.h>

/* Copies `pattern` with the first %d replaced. */
static void topology_name(const char *pattern, uint64_t number, char name[PERF_NAME_MAX])
{
    const char *at = strstr(pattern, "%d");
    if (at == NULL)
        snprintf(name, PERF_NAME_MAX, "%s", pattern);
    else
        snprintf(name, PERF_NAME_MAX, "%.*s%llu%s", (int)(at - pattern), pattern,
                 (unsigned long long)number, at + 2);
}

size_t topology_n_queues(const struct perf_options *o)
{
    return o->queue_pattern[0] == 0 ? 1 : (size_t)(o->queue_to - o->queue_from + 1);
}

void topology_queue(const struct perf_options *o, size_t index, char name[PERF_NAME_MAX])
{
    const char *pattern = o->queue_pattern[0] == 0 ? o->queue : o->queue_pattern;
    topology_name(pattern, o->queue_from + index, name);
}

void topology_routing_key(const struct perf_options *o, size_t index, char key[PERF_NAME_MAX])
{
    if (o->routing_key[0] == 0)
        topology_queue(o, index, key);
    else
        topology_name(o->routing_key, o->queue_from + index, key);
}

static bool topology_owns_exchange(const struct perf_options *o)
{
    return o->exchange[0] != 0 && strncmp(o->exchange, "amq.", 4) != 0;
}

static enum err topology_declare_queue(const struct perf_options *o, struct client *c, size_t index)
{
    char name[PERF_NAME_MAX];
    char key[PERF_NAME_MAX];
    struct method m;
    topology_queue(o, index, name);
    struct method declare = {.id = METHOD_queue_declare,
                             .queue_declare = {.queue = span_str(name),
                                               .durable = o->persistent,
                                               .auto_delete = !o->keep && !o->persistent}};
    enum err e = client_call(c, 1, &declare, METHOD_queue_declare_ok, &m);
    if (e != OK || o->exchange[0] == 0)
        return e;
    if (o->binding_key[0] == 0)
        topology_routing_key(o, index, key);
    else
        topology_name(o->binding_key, o->queue_from + index, key);
    struct method bind = {.id = METHOD_queue_bind,
                          .queue_bind = {.queue = span_str(name),
                                         .exchange = span_str(o->exchange),
                                         .routing_key = span_str(key)}};
    return client_call(c, 1, &bind, METHOD_queue_bind_ok, &m);
}

enum err topology_declare(const struct perf_options *o, struct client *c)
{
    struct method m;
    enum err e = OK;
    if (o->predeclared)
        return OK;
    if (topology_owns_exchange(o)) {
        struct method declare = {.id = METHOD_exchange_declare,
                                 .exchange_declare = {.exchange = span_str(o->exchange),
                                                      .type = span_str(o->type),
                                                      .durable = o->persistent}};
        e = client_call(c, 1, &declare, METHOD_exchange_declare_ok, &m);
    }
    for (size_t i = 0; e == OK && i < topology_n_queues(o); i++)
        e = topology_declare_queue(o, c, i);
    return e;
}

enum err topology_delete(const struct perf_options *o, struct client *c)
{
    struct method m;
    enum err e = OK;
    if (o->predeclared || o->keep)
        return OK;
    for (size_t i = 0; e == OK && i < topology_n_queues(o); i++) {
        char name[PERF_NAME_MAX];
        topology_queue(o, i, name);
        struct method del = {.id = METHOD_queue_delete, .queue_delete = {.queue = span_str(name)}};
        e = client_call(c, 1, &del, METHOD_queue_delete_ok, &m);
    }
    if (e == OK && topology_owns_exchange(o)) {
        struct method del = {.id = METHOD_exchange_delete,
                             .exchange_delete = {.exchange = span_str(o->exchange)}};
        e = client_call(c, 1, &del, METHOD_exchange_delete_ok, &m);
    }
    return e;
}
