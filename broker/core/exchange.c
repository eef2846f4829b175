// SPDX-License-Identifier: Apache-2.0
#include "broker/core/exchange.h"

#include <stdio.h>
#include <stdlib.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "broker/core/arguments_text.h"
#include "broker/core/binding.h"
#include "broker/core/catalogue.h"

#define ALTERNATE SPAN_LIT("alternate-exchange")

static const struct exchange_type *const TYPES[] = {
    &exchange_type_direct,
    &exchange_type_fanout,
    &exchange_type_topic,
    &exchange_type_headers,
};

const struct exchange_type *exchange_type(struct span name)
{
    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++)
        if (span_eq(name, span_str(TYPES[i]->name)))
            return TYPES[i];
    return NULL;
}

bool exchange_is_default(const struct exchange *x)
{
    return x->name.size == 0;
}

struct span name_strip(struct span name, uint8_t *copy)
{
    size_t n = 0;
    for (size_t i = 0; i < name.size; i++)
        if (name.at[i] != '\r' && name.at[i] != '\n')
            copy[n++] = name.at[i];
    return n == name.size ? name : span_of(copy, n);
}

enum err exchange_new(struct vhost *v, const struct exchange_spec *spec, struct exchange **out)
{
    *out = NULL;
    struct exchange *x = calloc(1,
                                sizeof(struct exchange) + spec->name.size + spec->arguments.size);
    if (x == NULL)
        return ERR_NOMEM;
    x->vhost = v;
    x->number = catalogue_number(v->catalogue);
    x->type = spec->type;
    x->durable = spec->durable;
    x->auto_delete = spec->auto_delete;
    x->internal = spec->internal;
    x->name = span_of(x->bytes, spec->name.size);
    x->arguments = span_of(put_bytes(x->bytes, spec->name), spec->arguments.size);
    put_bytes(x->bytes + spec->name.size, spec->arguments);
    struct field f;
    if (table_find(x->arguments, ALTERNATE, &f) && f.tag == 'S')
        x->alternate = f.value;
    list_init(&x->bindings);
    list_init(&x->bound_to);
    list_init(&x->in_detached);
    map_insert(&v->exchanges, &x->by_name, map_hash(v->hash_seed, x->name));
    v->routing_epoch++;
    *out = x;
    return OK;
}

void exchange_detach(struct exchange *x)
{
    if (x->deleted)
        return;
    x->deleted = true;
    catalogue_forget_exchange(x);
    map_remove(&x->vhost->exchanges, &x->by_name);
    /* In front, so that what one request sets off is finished before older, larger work. */
    list_push_front(&x->vhost->detached, &x->in_detached);
    x->vhost->routing_epoch++;
}

bool exchange_free_some(struct exchange *x, unsigned *work)
{
    ASSERT(x->deleted);
    while (*work != 0) {
        (*work)--;
        /* Those it is the destination of come first: others can see that these are gone. */
        struct list *n = list_first(&x->bound_to);
        if (n != NULL) {
            binding_remove(CONTAINER_OF(n, struct binding, in_destination));
            continue;
        }
        n = list_first(&x->bindings);
        if (n != NULL) {
            binding_remove(CONTAINER_OF(n, struct binding, in_source));
            continue;
        }
        list_remove(&x->in_detached);
        if (x->type->fini != NULL)
            x->type->fini(x);
        free(x);
        return true;
    }
    return false;
}

static const struct reply *exchange_refuse_default(struct fault *f)
{
    return fault_set(f, REPLY_ACCESS_REFUSED, "operation not permitted on the default exchange");
}

/* A value of a whole text, and the words around it. */
enum { EXCHANGE_SIDE_MAX = REPLY_TEXT_MAX + 64 };

static const struct reply *exchange_differs(const struct exchange *x, const char *argument,
                                            const char *received, const char *current,
                                            struct fault *f)
{
    return fault_set(f, REPLY_PRECONDITION_FAILED,
                     "inequivalent arg '%s' for " EXCHANGE_TEXT ": received %s but current is %s",
                     argument, EXCHANGE_TEXT_ARGS(x->vhost, x->name), received, current);
}

static const struct reply *exchange_flag_differs(const struct exchange *x, const char *argument,
                                                 bool received, struct fault *f)
{
    return exchange_differs(x, argument, received ? "'true'" : "'false'",
                            received ? "'false'" : "'true'", f);
}

/* One side of the sentence about an argument. A void value reads like an absent one when the other
 * side has a value. */
static void exchange_print_side(char *text, size_t size, const struct field *side,
                                const struct field *other)
{
    struct argument_text value;
    if (side == NULL || (other != NULL && side->tag == 'V')) {
        snprintf(text, size, "none");
        return;
    }
    argument_text_value(&value, side);
    if (other == NULL)
        snprintf(text, size, "the value '%s' of type '%s'", value.at, field_type_name(side->tag));
    else
        snprintf(text, size, "'%s'", value.at);
}

static const struct reply *exchange_check_alternate(const struct exchange *x, struct span arguments,
                                                    struct fault *f)
{
    struct field received_field;
    struct field current_field;
    struct field *received = table_find(arguments, ALTERNATE, &received_field) ? &received_field
                                                                               : NULL;
    struct field *current = table_find(x->arguments, ALTERNATE, &current_field) ? &current_field
                                                                                : NULL;
    if (received == NULL && current == NULL)
        return NULL;
    /* The one that is kept is a long string; a byte array of the same bytes passes, as in RabbitMQ.
     */
    if (received != NULL && current != NULL && (received->tag == 'S' || received->tag == 'x') &&
        span_eq(received->value, current->value))
        return NULL;
    char received_text[EXCHANGE_SIDE_MAX];
    char current_text[EXCHANGE_SIDE_MAX];
    exchange_print_side(received_text, sizeof(received_text), received, current);
    exchange_print_side(current_text, sizeof(current_text), current, received);
    return exchange_differs(x, "alternate-exchange", received_text, current_text, f);
}

/* Is `x` what this declaration would make? */
static const struct reply *exchange_check_equivalence(const struct exchange *x,
                                                      const struct amqp_exchange_declare *m,
                                                      struct fault *f)
{
    if (!span_eq(m->type, span_str(x->type->name))) {
        char received[EXCHANGE_SIDE_MAX];
        char current[EXCHANGE_SIDE_MAX];
        snprintf(received, sizeof(received), "'%.*s'", SPAN_FMT(m->type));
        snprintf(current, sizeof(current), "'%s'", x->type->name);
        return exchange_differs(x, "type", received, current, f);
    }
    if (m->durable != x->durable)
        return exchange_flag_differs(x, "durable", m->durable, f);
    if (m->auto_delete != x->auto_delete)
        return exchange_flag_differs(x, "auto_delete", m->auto_delete, f);
    if (m->internal != x->internal)
        return exchange_flag_differs(x, "internal", m->internal, f);
    return exchange_check_alternate(x, m->arguments, f);
}

/* May a new exchange have this name and these arguments? */
static const struct reply *exchange_check_new(const struct vhost *v, struct span name,
                                              struct span arguments, struct fault *f)
{
    if (span_starts(name, SPAN_LIT("amq.")))
        return fault_set(f, REPLY_ACCESS_REFUSED,
                         "exchange name '%.*s' contains reserved prefix 'amq.*'", SPAN_FMT(name));
    struct field alternate;
    if (table_find(arguments, ALTERNATE, &alternate) && alternate.tag != 'S')
        return fault_set(f, REPLY_PRECONDITION_FAILED,
                         "invalid type '%s' for arg 'alternate-exchange' in " EXCHANGE_TEXT,
                         field_type_name(alternate.tag), EXCHANGE_TEXT_ARGS(v, name));
    return NULL;
}

static const struct reply *exchange_declare_passive(struct vhost *v, struct span name,
                                                    struct fault *f)
{
    if (name.size == 0)
        return exchange_refuse_default(f);
    if (vhost_exchange(v, name) == NULL)
        return fault_set(f, REPLY_NOT_FOUND, "no " EXCHANGE_TEXT, EXCHANGE_TEXT_ARGS(v, name));
    return NULL;
}

const struct reply *exchange_declare(struct vhost *v, const struct amqp_exchange_declare *m,
                                     struct fault *f)
{
    uint8_t copy[255];
    struct span name = name_strip(m->exchange, copy);
    catalogue_found(v->catalogue, 0);
    if (m->passive)
        return exchange_declare_passive(v, name, f);
    const struct exchange_type *type = exchange_type(m->type);
    if (type == NULL)
        return fault_set(f, REPLY_PRECONDITION_FAILED, "unknown exchange type '%.*s'",
                         SPAN_FMT(m->type));
    if (name.size == 0)
        return exchange_refuse_default(f);
    struct exchange *x = vhost_exchange(v, name);
    if (x != NULL) {
        catalogue_found(v->catalogue, x->batch);
        return exchange_check_equivalence(x, m, f);
    }
    const struct reply *refused = exchange_check_new(v, name, m->arguments, f);
    if (refused != NULL)
        return refused;
    struct exchange_spec spec = {
        .name = name,
        .type = type,
        .durable = m->durable,
        .auto_delete = m->auto_delete,
        .internal = m->internal,
        .arguments = m->arguments,
    };
    if (exchange_new(v, &spec, &x) != OK)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    if (catalogue_tell_exchange(x) == OK)
        return NULL;
    exchange_detach(x);
    return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
}

const struct reply *exchange_delete(struct vhost *v, const struct amqp_exchange_delete *m,
                                    unsigned *work, struct fault *f)
{
    uint8_t copy[255];
    struct span name = name_strip(m->exchange, copy);
    if (name.size == 0)
        return exchange_refuse_default(f);
    if (span_starts(name, SPAN_LIT("amq.")))
        return fault_set(f, REPLY_ACCESS_REFUSED,
                         "deletion of system " EXCHANGE_TEXT " not allowed",
                         EXCHANGE_TEXT_ARGS(v, name));
    struct exchange *x = vhost_exchange(v, name);
    if (x == NULL)
        return NULL;
    if (m->if_unused && x->n_bindings != 0)
        return fault_set(f, REPLY_PRECONDITION_FAILED, EXCHANGE_TEXT " in use",
                         EXCHANGE_TEXT_ARGS(v, name));
    exchange_detach(x);
    vhost_work_at_once(v, work);
    return NULL;
}
