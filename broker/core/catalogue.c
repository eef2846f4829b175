// SPDX-License-Identifier: Apache-2.0
#include "broker/core/catalogue.h"

#include <stdlib.h>

#include "base/bytes.h"
#include "broker/core/binding.h"
#include "broker/core/core.h"
#include "broker/core/queue.h"
#include "broker/core/vhost.h"

/* The largest head of a declaration: everything but its arguments. */
enum { CATALOGUE_HEAD_MAX = 1 + 4 * 256 + 2 * 8 + 1 + 4 };

void catalogue_init(struct catalogue *c, struct store *store)
{
    *c = (struct catalogue){.store = store, .last_number = CATALOGUE_FIRST_NUMBER};
}

uint64_t catalogue_number(struct catalogue *c)
{
    return c == NULL ? 0 : ++c->last_number;
}

/* ---- Telling ---- */

static enum err catalogue_tell(struct catalogue *c, uint64_t number, struct span head,
                               struct span arguments)
{
    uint8_t *what = malloc(head.size + 4 + arguments.size);
    if (what == NULL)
        return ERR_NOMEM;
    uint8_t *end = put_longstr(put_bytes(what, head), arguments);
    enum err e = store_declared(c->store, number, span_of(what, (size_t)(end - what)));
    c->asked = store_filling(c->store);
    free(what);
    return e;
}

enum err catalogue_tell_exchange(struct exchange *x)
{
    struct catalogue *c = x->vhost->catalogue;
    if (!x->durable || c == NULL)
        return OK;
    uint8_t head[CATALOGUE_HEAD_MAX];
    uint8_t *p = put_shortstr(put_u8(head, 'x'), x->vhost->name);
    p = put_shortstr(put_shortstr(p, x->name), span_str(x->type->name));
    p = put_u8(p, (uint8_t)((x->auto_delete ? CATALOGUE_AUTO_DELETE : 0) |
                            (x->internal ? CATALOGUE_INTERNAL : 0)));
    enum err e = catalogue_tell(c, x->number, span_of(head, (size_t)(p - head)), x->arguments);
    x->told = e == OK;
    x->batch = c->asked;
    return e;
}

enum err catalogue_tell_queue(struct queue *q)
{
    struct catalogue *c = q->vhost->catalogue;
    if (!q->durable || c == NULL)
        return OK;
    uint8_t head[CATALOGUE_HEAD_MAX];
    uint8_t *p = put_shortstr(put_shortstr(put_u8(head, 'q'), q->vhost->name), q->name);
    p = put_u8(p, q->auto_delete ? CATALOGUE_AUTO_DELETE : 0);
    enum err e = catalogue_tell(c, q->number, span_of(head, (size_t)(p - head)), q->arguments);
    q->told = e == OK;
    q->batch = c->asked;
    return e;
}

static uint64_t catalogue_destination(const struct binding *b)
{
    return b->queue != NULL ? b->queue->number : b->exchange->number;
}

static bool catalogue_binding_is_durable(const struct binding *b)
{
    return b->source->durable && (b->queue != NULL ? b->queue->durable : b->exchange->durable);
}

enum err catalogue_tell_binding(struct binding *b)
{
    struct vhost *v = b->source->vhost;
    struct catalogue *c = v->catalogue;
    if (!catalogue_binding_is_durable(b) || c == NULL)
        return OK;
    b->number = catalogue_number(c);
    uint8_t head[CATALOGUE_HEAD_MAX];
    uint8_t *p = put_shortstr(put_shortstr(put_u8(head, 'b'), v->name), b->source->name);
    p = put_shortstr(p, b->queue != NULL ? b->queue->name : b->exchange->name);
    p = put_u64(put_shortstr(p, b->key), b->source->number);
    p = put_u64(p, catalogue_destination(b));
    p = put_u8(p, b->queue != NULL ? CATALOGUE_TO_QUEUE : 0);
    enum err e = catalogue_tell(c, b->number, span_of(head, (size_t)(p - head)), b->arguments);
    b->batch = c->asked;
    if (e != OK)
        b->number = 0;
    return e;
}

void catalogue_found(struct catalogue *c, uint64_t batch)
{
    if (c != NULL)
        c->asked = batch;
}

uint64_t catalogue_asked(struct catalogue *c)
{
    /* Somebody waits for it now. */
    return c->asked == store_filling(c->store) ? store_barrier(c->store) : c->asked;
}

void catalogue_forget_exchange(struct exchange *x)
{
    if (x->told)
        store_undeclared(x->vhost->catalogue->store, x->number);
    x->told = false;
}

void catalogue_forget_queue(struct queue *q)
{
    if (q->told)
        store_undeclared(q->vhost->catalogue->store, q->number);
    q->told = false;
}

void catalogue_forget_binding(struct binding *b)
{
    if (b->number != 0)
        store_undeclared(b->source->vhost->catalogue->store, b->number);
    b->number = 0;
}

/* ---- Reading ---- */

static bool catalogue_take_binding(struct span *in, struct catalogue_item *i)
{
    return take_shortstr(in, &i->destination) && take_shortstr(in, &i->key) &&
           take_u64(in, &i->source_number) && take_u64(in, &i->destination_number);
}

bool catalogue_take(struct span in, struct catalogue_item *i)
{
    *i = (struct catalogue_item){.kind = 0};
    if (!take_u8(&in, &i->kind) || !take_shortstr(&in, &i->vhost) || !take_shortstr(&in, &i->name))
        return false;
    switch (i->kind) {
    case 'x':
        if (!take_shortstr(&in, &i->type))
            return false;
        break;
    case 'q': break;
    case 'b':
        if (!catalogue_take_binding(&in, i))
            return false;
        break;
    default: return false;
    }
    return take_u8(&in, &i->flags) && take_longstr(&in, &i->arguments) && in.size == 0;
}

/* The ends of a binding that are still those it was made between. */
static bool catalogue_find_ends(const struct core *core, const struct catalogue_item *i,
                                struct binding_id *id)
{
    const struct vhost *v = core->vhost;
    *id = (struct binding_id){.key = i->key, .arguments = i->arguments};
    id->source = vhost_exchange(v, i->name);
    if ((i->flags & CATALOGUE_TO_QUEUE) != 0)
        id->queue = vhost_queue(v, i->destination);
    else
        id->exchange = vhost_exchange(v, i->destination);
    uint64_t destination = id->queue != NULL      ? id->queue->number
                           : id->exchange != NULL ? id->exchange->number
                                                  : 0;
    return id->source != NULL && id->source->number == i->source_number &&
           destination == i->destination_number && destination != 0;
}

bool catalogue_has(const struct core *core, uint64_t number, struct span what)
{
    struct catalogue_item i;
    if (!catalogue_take(what, &i) || !span_eq(i.vhost, core->vhost->name))
        return false;
    if (i.kind == 'x') {
        const struct exchange *x = vhost_exchange(core->vhost, i.name);
        return x != NULL && x->number == number;
    }
    if (i.kind == 'q') {
        const struct queue *q = vhost_queue(core->vhost, i.name);
        return q != NULL && q->number == number;
    }
    struct binding_id id;
    const struct binding *b = catalogue_find_ends(core, &i, &id) ? binding_find(&id) : NULL;
    return b != NULL && b->number == number;
}

/* ---- Restoring ---- */

static enum err catalogue_restore_exchange(struct core *core, uint64_t number,
                                           const struct catalogue_item *i)
{
    struct exchange_spec spec = {.name = i->name,
                                 .type = exchange_type(i->type),
                                 .durable = true,
                                 .auto_delete = (i->flags & CATALOGUE_AUTO_DELETE) != 0,
                                 .internal = (i->flags & CATALOGUE_INTERNAL) != 0,
                                 .arguments = i->arguments};
    struct exchange *x;
    if (spec.type == NULL || vhost_exchange(core->vhost, i->name) != NULL)
        return ERR_SYNTAX;
    if (exchange_new(core->vhost, &spec, &x) != OK)
        return ERR_NOMEM;
    x->number = number;
    x->told = true;
    return OK;
}

static enum err catalogue_restore_queue(struct core *core, uint64_t number,
                                        const struct catalogue_item *i)
{
    struct amqp_queue_declare m = {.queue = i->name,
                                   .durable = true,
                                   .auto_delete = (i->flags & CATALOGUE_AUTO_DELETE) != 0,
                                   .arguments = i->arguments};
    struct queue *q;
    if (vhost_queue(core->vhost, i->name) != NULL)
        return ERR_SYNTAX;
    if (queue_new(&q, core, core->vhost, &m, NULL, number) != OK)
        return ERR_NOMEM;
    q->told = true;
    return OK;
}

static enum err catalogue_restore_binding(struct core *core, uint64_t number,
                                          const struct catalogue_item *i)
{
    struct binding_id id;
    if (!catalogue_find_ends(core, i, &id)) {
        store_undeclared(core->options.store, number);
        return ERR_NOT_FOUND;
    }
    if (id.source->type->check_arguments != NULL) {
        struct fault f;
        if (id.source->type->check_arguments(i->arguments, &f) != NULL)
            return ERR_SYNTAX;
    }
    if (binding_find(&id) != NULL)
        return ERR_SYNTAX;
    return binding_add(&id, number);
}

enum err catalogue_restore(struct core *core, uint64_t number, struct span what)
{
    struct catalogue_item i;
    if (!catalogue_take(what, &i) || !span_eq(i.vhost, core->vhost->name))
        return ERR_SYNTAX;
    switch (i.kind) {
    case 'x': return catalogue_restore_exchange(core, number, &i);
    case 'q': return catalogue_restore_queue(core, number, &i);
    default: return catalogue_restore_binding(core, number, &i);
    }
}
