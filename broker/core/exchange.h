// SPDX-License-Identifier: Apache-2.0
/* broker/core/exchange.h — where messages are published to, and how they find queues.
 *
 * The type decides which bindings match (exchange_type rows in exchange_{direct,fanout,topic,
 * headers}.c); everything else is the same for all.
 *
 * The functions below are the semantics of the methods of class exchange: they check in RabbitMQ's
 * order, act, and return NULL, or a reply row with its sentence in `f`. They neither answer the
 * client nor know of channels.
 *
 * An exchange lives from exchange_new to exchange_detach, which takes its name away and makes it
 * `deleted`: it matches nothing any more. Its memory goes when exchange_free_some has removed its
 * bindings. An auto-delete exchange is detached when the last binding it is the source of goes.
 *
 * Thread: core.   Blocks: never.   Allocates: declare and bind; REPLY_RESOURCE_ERROR when memory is
 * out.
 */
#ifndef BROKER_CORE_EXCHANGE_H
#define BROKER_CORE_EXCHANGE_H

#include "amqp/method.h"
#include "base/list.h"
#include "broker/core/vhost.h"

struct binding;
struct route;
struct routed_message;

struct exchange_type {
    const char *name;
    bool by_headers; /* the route depends on the message's headers, and on nothing else */
    /* NULL when every argument table of a binding will do. */
    const struct reply *(*check_arguments)(struct span arguments, struct fault *f);
    /* The type's own index; bind may fail with ERR_NOMEM and then has changed nothing. */
    enum err (*bind)(struct exchange *x, struct binding *b);
    void (*unbind)(struct exchange *x, struct binding *b);
    /* Adds the destination of every binding that matches to `r` (route_add). False when the route
     * is tired before the end: called again with the same, it goes on where it was. */
    bool (*route)(const struct exchange *x, const struct routed_message *m, struct route *r);
    /* Frees the index; there are no bindings left in it. NULL when there is nothing to free. */
    void (*fini)(struct exchange *x);
};

extern const struct exchange_type exchange_type_direct;
extern const struct exchange_type exchange_type_fanout;
extern const struct exchange_type exchange_type_topic;
extern const struct exchange_type exchange_type_headers;

struct exchange {
    struct map_node by_name;
    struct vhost *vhost;
    struct span name; /* in bytes */
    uint64_t number;  /* never used twice */
    bool told;        /* the store knows it … */
    uint64_t batch;   /* … once this is durable */
    const struct exchange_type *type;
    void *index; /* the type's own */
    bool durable;
    bool auto_delete;
    bool internal;
    bool deleted;
    struct span arguments; /* in bytes: a field table as it was declared */
    struct span alternate; /* in arguments: the alternate exchange's name; size 0 = none */
    struct list bindings;  /* it is the source of; by binding.in_source */
    struct list bound_to;  /* it is the destination of; by binding.in_destination */
    struct list in_detached;
    size_t n_bindings;                 /* it is the source of */
    uint64_t route_marks[ROUTE_LANES]; /* of the walks that visited it: see route.h */
    uint8_t bytes[];
};

/* What a declaration says. The spans are copied. */
struct exchange_spec {
    struct span name;
    const struct exchange_type *type;
    bool durable;
    bool auto_delete;
    bool internal;
    struct span arguments; /* an alternate-exchange among them is a long string, or is ignored */
};

/* "exchange 'x' in vhost '/'" parts for reply texts: format and arguments. */
#define EXCHANGE_TEXT            "exchange '%.*s' in vhost '%.*s'"
#define EXCHANGE_TEXT_ARGS(v, x) SPAN_FMT(x), SPAN_FMT((v)->name)

/* The type of that name, or NULL. */
const struct exchange_type *exchange_type(struct span name);

/* Is it the one whose name is empty, to which every queue is bound by its own name? */
bool exchange_is_default(const struct exchange *x);

/* Makes an exchange under a name that is free, without any check of what clients may do. ERR_NOMEM.
 */
MUST_USE enum err exchange_new(struct vhost *v, const struct exchange_spec *spec,
                               struct exchange **out);

/* Deletes `x`, without any check: see above. Idempotent. */
void exchange_detach(struct exchange *x);

/* Removes bindings of a detached exchange, and then frees it, counting `*work` down for each. True
 * when it has been freed. Sources that are auto-delete may be detached on the way. */
bool exchange_free_some(struct exchange *x, unsigned *work);

/* exchange.declare, passive or not. Errors: 403, 404, 406, 506. */
const struct reply *exchange_declare(struct vhost *v, const struct amqp_exchange_declare *m,
                                     struct fault *f);

/* exchange.delete. A missing exchange is fine. Takes what it does from `*work`, see
 * vhost_work_at_once. Errors: 403, 406. */
const struct reply *exchange_delete(struct vhost *v, const struct amqp_exchange_delete *m,
                                    unsigned *work, struct fault *f);

/* exchange.bind and exchange.unbind. Unbinding what does not exist is fine; it takes what it does
 * from `*work`, see vhost_work_at_once. Errors: 403, 404, 406, 506. */
const struct reply *exchange_bind(struct vhost *v, const struct amqp_exchange_bind *m,
                                  struct fault *f);
const struct reply *exchange_unbind(struct vhost *v, const struct amqp_exchange_unbind *m,
                                    unsigned *work, struct fault *f);

/* `name` without CR and LF, into `copy` (255 bytes): RabbitMQ drops them from names. */
struct span name_strip(struct span name, uint8_t *copy);

#endif
