// SPDX-License-Identifier: Apache-2.0
#include "amqp/table.h"

#include "base/bytes.h"
#include "base/limits.h"

enum { SIZE_PREFIXED = 255 };

struct table_type {
    uint8_t size; /* of the value, or SIZE_PREFIXED */
    bool known;
    const char *name;
};

static const struct table_type TYPES[128] = {
    ['t'] = {1, true, "bool"},
    ['b'] = {1, true, "byte"},
    ['B'] = {1, true, "unsignedbyte"},
    ['s'] = {2, true, "short"},
    ['u'] = {2, true, "unsignedshort"},
    ['I'] = {4, true, "signedint"},
    ['i'] = {4, true, "unsignedint"},
    ['l'] = {8, true, "long"},
    ['L'] = {8, true, "long"},
    ['f'] = {4, true, "float"},
    ['d'] = {8, true, "double"},
    ['D'] = {5, true, "decimal"},
    ['T'] = {8, true, "timestamp"},
    ['V'] = {0, true, "void"},
    ['S'] = {SIZE_PREFIXED, true, "longstr"},
    ['x'] = {SIZE_PREFIXED, true, "binary"},
    ['A'] = {SIZE_PREFIXED, true, "array"},
    ['F'] = {SIZE_PREFIXED, true, "table"},
};

static bool table_take_value(struct span *in, struct field *f)
{
    uint8_t tag;
    if (!take_u8(in, &tag) || tag >= 128 || !TYPES[tag].known)
        return false;
    f->tag = (char)tag;
    if (TYPES[tag].size == SIZE_PREFIXED)
        return take_longstr(in, &f->value);
    return take_span(in, TYPES[tag].size, &f->value);
}

static bool table_take(struct span *in, struct field *f, bool named)
{
    f->name = SPAN_NONE;
    return (!named || take_shortstr(in, &f->name)) && table_take_value(in, f);
}

enum table_verdict table_check(struct span table)
{
    /* What is left of each table or array on the way down. */
    struct {
        struct span rest;
        bool named;
    } stack[TABLE_DEPTH_MAX];
    unsigned depth = 1;
    unsigned n_entries = 0;
    stack[0].rest = table;
    stack[0].named = true;
    while (depth != 0) {
        struct span *in = &stack[depth - 1].rest;
        if (in->size == 0) {
            depth--;
            continue;
        }
        struct field f;
        if (!table_take(in, &f, stack[depth - 1].named))
            return TABLE_MALFORMED;
        if (++n_entries > TABLE_ENTRIES_MAX)
            return TABLE_TOO_LONG;
        if (f.tag != 'F' && f.tag != 'A')
            continue;
        if (depth == TABLE_DEPTH_MAX)
            return TABLE_TOO_DEEP;
        stack[depth].rest = f.value;
        stack[depth].named = f.tag == 'F';
        depth++;
    }
    return TABLE_OK;
}

bool table_next(struct span *table, struct field *f)
{
    return table->size != 0 && table_take(table, f, true);
}

bool array_next(struct span *array, struct field *f)
{
    return array->size != 0 && table_take(array, f, false);
}

bool table_find(struct span table, struct span name, struct field *f)
{
    while (table_next(&table, f))
        if (span_eq(f->name, name))
            return true;
    return false;
}

bool field_int(const struct field *f, int64_t *v)
{
    struct span in = f->value;
    uint8_t v8 = 0;
    uint16_t v16 = 0;
    uint32_t v32 = 0;
    uint64_t v64 = 0;
    switch (f->tag) {
    case 'b':
    case 'B':
        if (!take_u8(&in, &v8))
            return false;
        *v = f->tag == 'b' ? (int64_t)(int8_t)v8 : (int64_t)v8;
        return true;
    case 's':
    case 'u':
        if (!take_u16(&in, &v16))
            return false;
        *v = f->tag == 's' ? (int64_t)(int16_t)v16 : (int64_t)v16;
        return true;
    case 'I':
    case 'i':
        if (!take_u32(&in, &v32))
            return false;
        *v = f->tag == 'I' ? (int64_t)(int32_t)v32 : (int64_t)v32;
        return true;
    case 'l':
    case 'L':
        if (!take_u64(&in, &v64))
            return false;
        *v = (int64_t)v64;
        return true;
    default: return false;
    }
}

const char *field_type_name(char tag)
{
    return (unsigned char)tag < 128 && TYPES[(unsigned char)tag].known
               ? TYPES[(unsigned char)tag].name
               : "unknown";
}

static double field_float(const struct field *f)
{
    struct span in = f->value;
    uint32_t v32 = 0;
    uint64_t v64 = 0;
    float v = 0;
    double d = 0;
    if (f->tag == 'f' && take_u32(&in, &v32)) {
        memcpy(&v, &v32, sizeof(v));
        return (double)v;
    }
    if (take_u64(&in, &v64))
        memcpy(&d, &v64, sizeof(d));
    return d;
}

bool field_eq(const struct field *a, const struct field *b)
{
    int64_t ia;
    int64_t ib;
    if (field_int(a, &ia))
        return field_int(b, &ib) && ia == ib;
    bool float_a = a->tag == 'f' || a->tag == 'd';
    bool float_b = b->tag == 'f' || b->tag == 'd';
    if (float_a && float_b)
        return a->tag == b->tag
                   ? span_eq(a->value, b->value)
                   : field_float(a) >= field_float(b) && field_float(a) <= field_float(b);
    return a->tag == b->tag && span_eq(a->value, b->value);
}

enum err table_add(struct buf *b, struct span name, char tag, struct span value)
{
    uint8_t *start = buf_reserve(b, 1 + name.size + 1 + 4 + value.size);
    if (start == NULL)
        return ERR_NOMEM;
    uint8_t *p = put_u8(put_shortstr(start, name), (uint8_t)tag);
    if (TYPES[(unsigned char)tag].size == SIZE_PREFIXED)
        p = put_longstr(p, value);
    else
        p = put_bytes(p, value);
    buf_commit(b, (size_t)(p - start));
    return OK;
}

enum err table_add_longstr(struct buf *b, struct span name, struct span value)
{
    return table_add(b, name, 'S', value);
}

enum err table_add_bool(struct buf *b, struct span name, bool value)
{
    uint8_t octet = value;
    return table_add(b, name, 't', span_of(&octet, 1));
}
