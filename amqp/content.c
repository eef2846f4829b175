// SPDX-License-Identifier: Apache-2.0
#include "amqp/content.h"

#include <stdlib.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "base/limits.h"

bool content_header_take(struct span payload, struct content_header *h)
{
    uint16_t weight; /* unused by the protocol, and by RabbitMQ not looked at */
    h->rest = payload;
    return take_u16(&h->rest, &h->class_id) && take_u16(&h->rest, &weight) &&
           take_u64(&h->rest, &h->body_size);
}

static bool property_take_octet(struct span *in, uint8_t *v)
{
    return take_u8(in, v);
}

static bool property_take_longlongu(struct span *in, uint64_t *v)
{
    return take_u64(in, v);
}

static bool property_take_shortstr(struct span *in, struct span *v)
{
    return take_shortstr(in, v);
}

static bool property_take_table(struct span *in, struct span *v)
{
    return take_longstr(in, v) && table_check(*v) == TABLE_OK;
}

bool properties_take(struct span rest, struct properties *p)
{
    memset(p, 0, sizeof(*p));
    if (!take_u16(&rest, &p->flags))
        return false;
    /* Bit 0 announces a further flag word and bit 1 is unassigned: class basic has neither. */
    if ((p->flags & 3) != 0)
        return false;
#define PROPERTY_TAKE(name, bit, type)                                               \
    if ((p->flags & PROPERTY_##name) != 0 && !property_take_##type(&rest, &p->name)) \
        return false;
    AMQP_PROPERTIES(PROPERTY_TAKE)
#undef PROPERTY_TAKE
    return rest.size == 0;
}

struct body *body_new(uint64_t size, uint32_t home)
{
    size_t capacity = size < BODY_FIRST_BYTES ? (size_t)size : BODY_FIRST_BYTES;
    struct body *b = malloc(sizeof(*b) + capacity);
    if (b != NULL)
        *b = (struct body){.capacity = capacity, .home = home};
    return b;
}

enum err body_grow(struct body **b, uint64_t size)
{
    size_t capacity = (*b)->capacity * 2;
    if (capacity > size)
        capacity = (size_t)size;
    struct body *larger = realloc(*b, sizeof(*larger) + capacity);
    if (larger == NULL)
        return ERR_NOMEM;
    larger->capacity = capacity;
    *b = larger;
    return OK;
}

void body_free(struct body *b)
{
    free(b);
}
