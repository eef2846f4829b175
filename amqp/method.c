// SPDX-License-Identifier: Apache-2.0
/* The rows of methods.def become descriptor arrays; the decoder and the encoder walk them. */
#include "amqp/method.h"

#include "amqp/table.h"
#include "base/bytes.h"

#define FIELD_ROW(M, type, field) \
    {#field, METHOD_TYPE_##type, (uint16_t)offsetof(struct method, M.field)},
#define FIELD_ROWS(name, class_id, method_id, sender, content) \
    static const struct method_field ROWS_##name[] = {FIELDS_##name(FIELD_ROW, name){NULL, 0, 0}};
AMQP_METHODS(FIELD_ROWS)
#undef FIELD_ROWS
#undef FIELD_ROW

struct method_row {
    struct method_info info;
    const struct method_field *fields;
    size_t n_fields;
};

#define SENDER_C        FROM_CLIENT
#define SENDER_S        FROM_SERVER
#define SENDER_B        FROM_BOTH
#define CARRIES_PLAIN   false
#define CARRIES_CONTENT true
#define METHOD_ROW(name, class_id, method_id, sender, content)                           \
    [METHOD_##name] = {{#name, class_id, method_id, SENDER_##sender, CARRIES_##content}, \
                       ROWS_##name,                                                      \
                       sizeof(ROWS_##name) / sizeof(ROWS_##name[0]) - 1},
static const struct method_row METHODS[METHOD_COUNT] = {[METHOD_NONE] = {.info = {.name = "none"}},
                                                        AMQP_METHODS(METHOD_ROW)};
#undef METHOD_ROW

/* Class ids 10 … 90 divided by ten are distinct: 85 gives 8, and there is no class 80. */
#define METHOD_INDEX_ROW(name, class_id, method_id, sender, content) \
    [class_id / 10][method_id] = METHOD_##name,
static const uint8_t METHOD_INDEX[10][256] = {AMQP_METHODS(METHOD_INDEX_ROW)};
#undef METHOD_INDEX_ROW

const struct method_info *method_info(enum method_id id)
{
    ASSERT(id < METHOD_COUNT);
    return &METHODS[id].info;
}

const struct method_field *method_fields(enum method_id id, size_t *n)
{
    ASSERT(id < METHOD_COUNT);
    *n = METHODS[id].n_fields;
    return METHODS[id].fields;
}

enum method_id method_lookup(uint16_t class_id, uint16_t method_id)
{
    if (class_id / 10 >= 10 || method_id > 255)
        return METHOD_NONE;
    enum method_id id = METHOD_INDEX[class_id / 10][method_id];
    return METHODS[id].info.class_id == class_id ? id : METHOD_NONE;
}

enum method_id method_by_name(struct span name)
{
    for (enum method_id id = METHOD_NONE + 1; id < METHOD_COUNT; id++)
        if (span_eq(span_str(METHODS[id].info.name), name))
            return id;
    return METHOD_NONE;
}

static bool method_take(struct span *in, enum method_type type, void *at)
{
    struct span *s = at;
    switch (type) {
    case METHOD_TYPE_octet: return take_u8(in, at);
    case METHOD_TYPE_shortu: return take_u16(in, at);
    case METHOD_TYPE_longu: return take_u32(in, at);
    case METHOD_TYPE_longlongu: return take_u64(in, at);
    case METHOD_TYPE_shortstr: return take_shortstr(in, s);
    case METHOD_TYPE_longstr: return take_longstr(in, s);
    case METHOD_TYPE_table: return take_longstr(in, s) && table_check(*s) == TABLE_OK;
    case METHOD_TYPE_bit: break;
    }
    return false; /* bits are taken by the octet */
}

static bool method_take_fields(struct span *in, const struct method_row *row, struct method *m)
{
    uint8_t octet = 0;
    unsigned n_bits = 0;
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct method_field *field = &row->fields[i];
        void *at = (uint8_t *)m + field->offset;
        if (field->type != METHOD_TYPE_bit) {
            n_bits = 0;
            if (!method_take(in, field->type, at))
                return false;
            continue;
        }
        if (n_bits % 8 == 0 && !take_u8(in, &octet))
            return false;
        *(bool *)at = (octet >> (n_bits++ % 8)) & 1;
    }
    return true;
}

const struct reply *method_decode(struct span payload, struct method *m, struct fault *f)
{
    struct span in = payload;
    f->class_id = 0;
    f->method_id = 0;
    if (!take_u16(&in, &f->class_id) || !take_u16(&in, &f->method_id))
        return fault_set(f, REPLY_FRAME_ERROR, "method frame without class and method");
    m->id = method_lookup(f->class_id, f->method_id);
    if (m->id == METHOD_NONE)
        return fault_set(f, REPLY_COMMAND_INVALID, "unknown method %u.%u", f->class_id,
                         f->method_id);
    struct span arguments = in;
    if (!method_take_fields(&in, &METHODS[m->id], m) || in.size != 0) {
        char octets[REPLY_TEXT_MAX + 1];
        fault_print_octets(octets, sizeof(octets), arguments, false);
        return fault_set(f, REPLY_FRAME_ERROR, "cannot decode %s", octets);
    }
    return NULL;
}

size_t method_size(const struct method *m)
{
    const struct method_row *row = &METHODS[m->id];
    size_t size = 4;
    unsigned n_bits = 0;
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct method_field *field = &row->fields[i];
        const struct span *s = (const void *)((const uint8_t *)m + field->offset);
        static const uint8_t FIXED[] = {
            [METHOD_TYPE_octet] = 1,     [METHOD_TYPE_shortu] = 2, [METHOD_TYPE_longu] = 4,
            [METHOD_TYPE_longlongu] = 8, [METHOD_TYPE_bit] = 0,    [METHOD_TYPE_shortstr] = 1,
            [METHOD_TYPE_longstr] = 4,   [METHOD_TYPE_table] = 4};
        if (field->type == METHOD_TYPE_bit) {
            size += n_bits++ % 8 == 0;
            continue;
        }
        n_bits = 0;
        size += FIXED[field->type];
        if (field->type >= METHOD_TYPE_shortstr)
            size += s->size;
    }
    return size;
}

static uint8_t *method_put(uint8_t *p, enum method_type type, const void *at)
{
    const struct span *s = at;
    switch (type) {
    case METHOD_TYPE_octet: return put_u8(p, *(const uint8_t *)at);
    case METHOD_TYPE_shortu: return put_u16(p, *(const uint16_t *)at);
    case METHOD_TYPE_longu: return put_u32(p, *(const uint32_t *)at);
    case METHOD_TYPE_longlongu: return put_u64(p, *(const uint64_t *)at);
    case METHOD_TYPE_shortstr: return put_shortstr(p, *s);
    case METHOD_TYPE_longstr:
    case METHOD_TYPE_table: return put_longstr(p, *s);
    case METHOD_TYPE_bit: break;
    }
    return p;
}

uint8_t *method_encode(uint8_t *p, const struct method *m)
{
    const struct method_row *row = &METHODS[m->id];
    p = put_u16(p, row->info.class_id);
    p = put_u16(p, row->info.method_id);
    unsigned n_bits = 0;
    for (size_t i = 0; i < row->n_fields; i++) {
        const struct method_field *field = &row->fields[i];
        const void *at = (const uint8_t *)m + field->offset;
        if (field->type != METHOD_TYPE_bit) {
            n_bits = 0;
            p = method_put(p, field->type, at);
            continue;
        }
        if (n_bits % 8 == 0)
            p = put_u8(p, 0);
        p[-1] |= (uint8_t)(*(const bool *)at << (n_bits++ % 8));
    }
    return p;
}
