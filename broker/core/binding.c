// SPDX-License-Identifier: Apache-2.0
#include "broker/core/binding.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "broker/core/catalogue.h"
#include "broker/core/queue.h"
#include "broker/core/sorted_table.h"

static struct vhost *binding_vhost(const struct binding_id *id)
{
    return id->source->vhost;
}

/* The hashes of the two names are keyed already, and outlive the exchange's or queue's place in its
 * map. */
static uint64_t binding_hash(const struct binding_id *id)
{
    uint64_t destination = id->queue != NULL ? id->queue->by_name.hash * 3
                                             : id->exchange->by_name.hash * 5;
    uint64_t ends = binding_vhost(id)->hash_seed ^ destination ^ (id->source->by_name.hash * 7);
    uint64_t hash = map_hash(ends, id->key);
    return id->arguments.size == 0 ? hash : map_hash(hash, id->arguments);
}

static struct binding *binding_find_hashed(const struct binding_id *id, uint64_t hash)
{
    struct map_node *n = map_find(&binding_vhost(id)->bindings, hash);
    for (; n != NULL; n = map_find_next(n)) {
        struct binding *b = CONTAINER_OF(n, struct binding, by_identity);
        if (b->source == id->source && b->queue == id->queue && b->exchange == id->exchange &&
            span_eq(b->key, id->key) && span_eq(b->arguments, id->arguments))
            return b;
    }
    return NULL;
}

struct binding *binding_find(const struct binding_id *id)
{
    return binding_find_hashed(id, binding_hash(id));
}

enum err binding_add(const struct binding_id *id, uint64_t number)
{
    struct vhost *v = binding_vhost(id);
    struct binding *b = calloc(1, sizeof(struct binding) + id->key.size + id->arguments.size);
    if (b == NULL)
        return ERR_NOMEM;
    b->source = id->source;
    b->queue = id->queue;
    b->exchange = id->exchange;
    b->key = span_of(b->bytes, id->key.size);
    b->arguments = span_of(put_bytes(b->bytes, id->key), id->arguments.size);
    put_bytes(b->bytes + id->key.size, id->arguments);
    b->number = number;
    list_init(&b->in_index);
    enum err err = number != 0 ? OK : catalogue_tell_binding(b);
    if (err == OK)
        err = b->source->type->bind(b->source, b);
    if (err != OK) {
        catalogue_forget_binding(b);
        free(b);
        return err;
    }
    list_push_back(&b->source->bindings, &b->in_source);
    list_push_back(b->queue != NULL ? &b->queue->bindings : &b->exchange->bound_to,
                   &b->in_destination);
    map_insert(&v->bindings, &b->by_identity, binding_hash(id));
    b->source->n_bindings++;
    v->routing_epoch++;
    return OK;
}

void binding_remove(struct binding *b)
{
    struct exchange *source = b->source;
    struct vhost *v = source->vhost;
    bool dead = source->deleted || (b->queue != NULL ? b->queue->deleted : b->exchange->deleted);
    catalogue_forget_binding(b);
    source->type->unbind(source, b);
    list_remove(&b->in_source);
    list_remove(&b->in_destination);
    map_remove(&v->bindings, &b->by_identity);
    if (v->bindings.n == 0)
        map_fini(&v->bindings);
    source->n_bindings--;
    v->bindings_removed++;
    free(b);
    /* A dead end has told the caches already, when it was deleted. */
    if (!dead)
        v->routing_epoch++;
    if (source->auto_delete && source->n_bindings == 0)
        exchange_detach(source);
}

bool binding_remove_some(struct queue *q, unsigned *work)
{
    struct list *n;
    while ((n = list_first(&q->bindings)) != NULL && *work != 0) {
        (*work)--;
        binding_remove(CONTAINER_OF(n, struct binding, in_destination));
    }
    vhost_work(q->vhost, work);
    return list_empty(&q->bindings);
}

/* A bind or unbind of either kind, names stripped. */
struct binding_request {
    struct vhost *vhost;
    struct span source;
    struct span destination;
    bool to_queue;
    struct span key;
    struct span arguments;
    const struct session *session; /* for queues */
};

/* Direct reply-to has no queue that could be bound: its names only look like one. */
static bool binding_is_reply_to(struct span queue)
{
    struct span prefix = SPAN_LIT("amq.rabbitmq.reply-to");
    return span_starts(queue, prefix) &&
           (queue.size == prefix.size || queue.at[prefix.size] == '.');
}

/* What is refused by the names alone. */
static const struct reply *binding_check_names(const struct binding_request *q, struct fault *f)
{
    if (q->to_queue && binding_is_reply_to(q->destination))
        return fault_set(f, REPLY_ACCESS_REFUSED,
                         "cannot bind or unbind to a volatile (direct reply-to) queue");
    if (q->source.size == 0 || (!q->to_queue && q->destination.size == 0))
        return fault_set(f, REPLY_ACCESS_REFUSED,
                         "operation not permitted on the default exchange");
    return NULL;
}

/* Ends that do not exist are left NULL. */
static void binding_find_ends(const struct binding_request *q, struct binding_id *id)
{
    id->source = vhost_exchange(q->vhost, q->source);
    id->queue = q->to_queue ? vhost_queue(q->vhost, q->destination) : NULL;
    id->exchange = q->to_queue ? NULL : vhost_exchange(q->vhost, q->destination);
    id->key = q->key;
}

static const struct reply *binding_check_ends(const struct binding_request *q,
                                              const struct binding_id *id, struct fault *f)
{
    if (id->source == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no " EXCHANGE_TEXT,
                         EXCHANGE_TEXT_ARGS(q->vhost, q->source));
    if (q->to_queue && id->queue == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no " QUEUE_TEXT,
                         EXCHANGE_TEXT_ARGS(q->vhost, q->destination));
    if (!q->to_queue && id->exchange == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no " EXCHANGE_TEXT,
                         EXCHANGE_TEXT_ARGS(q->vhost, q->destination));
    return NULL;
}

static const struct reply *binding_out_of_memory(struct fault *f)
{
    return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
}

/* RabbitMQ looks at the arguments before it looks at who owns the queue. */
static const struct reply *binding_bind(const struct binding_request *q, struct fault *f)
{
    struct binding_id id;
    uint8_t *copy;
    const struct reply *refused = binding_check_names(q, f);
    if (refused != NULL)
        return refused;
    binding_find_ends(q, &id);
    refused = binding_check_ends(q, &id, f);
    if (refused == NULL && id.source->type->check_arguments != NULL)
        refused = id.source->type->check_arguments(q->arguments, f);
    if (refused == NULL && id.queue != NULL)
        refused = queue_check_owner(id.queue, q->session, f);
    if (refused != NULL)
        return refused;
    if (sorted_table_bytes(q->arguments, &id.arguments, &copy) != OK)
        return binding_out_of_memory(f);
    const struct binding *b = binding_find(&id);
    catalogue_found(q->vhost->catalogue, b == NULL ? 0 : b->batch);
    enum err err = b != NULL ? OK : binding_add(&id, 0);
    free(copy);
    return err == OK ? NULL : binding_out_of_memory(f);
}

/* What is not there counts as unbound; who owns the queue matters only when there is a binding. */
static const struct reply *binding_unbind(const struct binding_request *q, unsigned *work,
                                          struct fault *f)
{
    struct binding_id id;
    uint8_t *copy;
    const struct reply *refused = binding_check_names(q, f);
    if (refused != NULL)
        return refused;
    binding_find_ends(q, &id);
    if (id.source == NULL || (id.queue == NULL && id.exchange == NULL))
        return NULL;
    if (sorted_table_bytes(q->arguments, &id.arguments, &copy) != OK)
        return binding_out_of_memory(f);
    struct binding *b = binding_find(&id);
    free(copy);
    if (b == NULL)
        return NULL;
    if (id.queue != NULL)
        refused = queue_check_owner(id.queue, q->session, f);
    if (refused != NULL)
        return refused;
    binding_remove(b);
    vhost_work_at_once(q->vhost, work);
    return NULL;
}

static struct binding_request binding_queue_request(struct vhost *v, const struct session *session,
                                                    struct span exchange, struct span queue,
                                                    uint8_t copies[2][255])
{
    return (struct binding_request){
        .vhost = v,
        .source = name_strip(exchange, copies[0]),
        .destination = name_strip(queue, copies[1]),
        .to_queue = true,
        .session = session,
    };
}

const struct reply *queue_bind(struct vhost *v, const struct amqp_queue_bind *m,
                               const struct session *session, struct fault *f)
{
    uint8_t copies[2][255];
    struct binding_request q = binding_queue_request(v, session, m->exchange, m->queue, copies);
    q.key = m->routing_key;
    q.arguments = m->arguments;
    return binding_bind(&q, f);
}

const struct reply *queue_unbind(struct vhost *v, const struct amqp_queue_unbind *m,
                                 const struct session *session, unsigned *work, struct fault *f)
{
    uint8_t copies[2][255];
    struct binding_request q = binding_queue_request(v, session, m->exchange, m->queue, copies);
    q.key = m->routing_key;
    q.arguments = m->arguments;
    return binding_unbind(&q, work, f);
}

const struct reply *exchange_bind(struct vhost *v, const struct amqp_exchange_bind *m,
                                  struct fault *f)
{
    uint8_t source[255];
    uint8_t destination[255];
    struct binding_request q = {
        .vhost = v,
        .source = name_strip(m->source, source),
        .destination = name_strip(m->destination, destination),
        .key = m->routing_key,
        .arguments = m->arguments,
    };
    return binding_bind(&q, f);
}

const struct reply *exchange_unbind(struct vhost *v, const struct amqp_exchange_unbind *m,
                                    unsigned *work, struct fault *f)
{
    uint8_t source[255];
    uint8_t destination[255];
    struct binding_request q = {
        .vhost = v,
        .source = name_strip(m->source, source),
        .destination = name_strip(m->destination, destination),
        .key = m->routing_key,
        .arguments = m->arguments,
    };
    return binding_unbind(&q, work, f);
}
