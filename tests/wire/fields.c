// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/fields.h"

#include <fnmatch.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "amqp/table.h"
#include "base/bytes.h"

#define FIELDS_PROPERTY(name, bit, type) \
    {#name, METHOD_TYPE_##type, (uint16_t)offsetof(struct properties, name)},
static const struct method_field PROPERTIES[] = {AMQP_PROPERTIES(FIELDS_PROPERTY)};
#undef FIELDS_PROPERTY
#define FIELDS_FLAG(name, bit, type) PROPERTY_##name,
static const uint16_t PROPERTY_FLAGS[] = {AMQP_PROPERTIES(FIELDS_FLAG)};
#undef FIELDS_FLAG
enum { N_PROPERTIES = sizeof(PROPERTIES) / sizeof(PROPERTIES[0]) };

/* ---- Names ---- */

static enum method_id fields_named(struct span word)
{
    char name[64] = "";
    for (size_t i = 0; i < word.size && i < sizeof(name) - 1; i++)
        name[i] = (char)(word.at[i] == '.' || word.at[i] == '-' ? '_' : word.at[i]);
    return method_by_name(span_str(name));
}

enum method_id fields_method(struct script *s)
{
    struct span word = script_word(s);
    enum method_id id = fields_named(word);
    if (id == METHOD_NONE)
        script_fail(s, "there is no method %.*s", SPAN_FMT(word));
    return id;
}

static const struct method_field *fields_find(const struct method_field *fields, size_t n,
                                              struct span name)
{
    for (size_t i = 0; i < n; i++)
        if (span_eq(span_str(fields[i].name), name))
            return &fields[i];
    return NULL;
}

bool fields_done(const struct script *s)
{
    return script_peek(s, 0)->kind == TOKEN_END || script_is(s, 0, ";") ||
           script_is(s, 0, "gives") || script_is(s, 1, ">") || script_is(s, 1, "<");
}

/* ---- Sending ---- */

static void fields_set(struct script *s, enum method_type type, void *at)
{
    if (type == METHOD_TYPE_bit && !script_is(s, 0, "=")) {
        *(bool *)at = true;
        return;
    }
    script_need(s, "=");
    switch (type) {
    case METHOD_TYPE_octet: *(uint8_t *)at = (uint8_t)script_number(s); break;
    case METHOD_TYPE_shortu: *(uint16_t *)at = (uint16_t)script_number(s); break;
    case METHOD_TYPE_longu: *(uint32_t *)at = (uint32_t)script_number(s); break;
    case METHOD_TYPE_longlongu: *(uint64_t *)at = script_number(s); break;
    case METHOD_TYPE_bit: *(bool *)at = script_number(s) != 0; break;
    case METHOD_TYPE_shortstr:
    case METHOD_TYPE_longstr: *(struct span *)at = script_text(s); break;
    case METHOD_TYPE_table: *(struct span *)at = script_table(s); break;
    }
}

static uint8_t *fields_put(uint8_t *p, enum method_type type, const void *at)
{
    if (type == METHOD_TYPE_octet)
        return put_u8(p, *(const uint8_t *)at);
    if (type == METHOD_TYPE_longlongu)
        return put_u64(p, *(const uint64_t *)at);
    const struct span *v = at;
    return type == METHOD_TYPE_table ? put_longstr(p, *v) : put_shortstr(p, *v);
}

static struct span fields_encode(struct script *s, const struct properties *p)
{
    size_t room = 2;
    for (size_t i = 0; i < N_PROPERTIES; i++) {
        const void *at = (const uint8_t *)p + PROPERTIES[i].offset;
        if ((p->flags & PROPERTY_FLAGS[i]) != 0)
            room += 8 + (PROPERTIES[i].type >= METHOD_TYPE_shortstr
                             ? ((const struct span *)at)->size
                             : 0);
    }
    uint8_t *rest = script_alloc(s, room);
    uint8_t *end = put_u16(rest, p->flags);
    for (size_t i = 0; i < N_PROPERTIES; i++)
        if ((p->flags & PROPERTY_FLAGS[i]) != 0)
            end = fields_put(end, PROPERTIES[i].type, (const uint8_t *)p + PROPERTIES[i].offset);
    return span_of(rest, (size_t)(end - rest));
}

/* A word that only methods with content have. */
static bool fields_read_content(struct script *s, struct message_script *m, struct properties *p)
{
    if (script_take(s, "bare")) {
        m->bare = true;
    } else if (script_take(s, "body")) {
        script_need(s, "=");
        m->body = script_text(s);
    } else if (script_take(s, "properties")) {
        script_need(s, "=");
        m->rest = script_text(s);
    } else {
        const struct method_field *field = fields_find(PROPERTIES, N_PROPERTIES,
                                                       script_peek(s, 0)->text);
        if (field == NULL)
            return false;
        s->at++;
        p->flags |= PROPERTY_FLAGS[field - PROPERTIES];
        fields_set(s, field->type, (uint8_t *)p + field->offset);
    }
    return true;
}

void fields_read(struct script *s, struct message_script *m)
{
    memset(m, 0, sizeof(*m));
    m->method.id = fields_method(s);
    size_t n_fields;
    const struct method_field *fields = method_fields(m->method.id, &n_fields);
    struct properties properties = {.flags = 0};
    while (!fields_done(s)) {
        struct span name = script_peek(s, 0)->text;
        const struct method_field *field = fields_find(fields, n_fields, name);
        if (field != NULL) {
            s->at++;
            fields_set(s, field->type, (uint8_t *)&m->method + field->offset);
        } else if (!method_info(m->method.id)->content || !fields_read_content(s, m, &properties)) {
            script_fail(s, "%s has no argument %.*s", method_info(m->method.id)->name,
                        SPAN_FMT(name));
        }
    }
    if (m->rest.at == NULL)
        m->rest = fields_encode(s, &properties);
}

/* ---- Expecting ---- */

/* The name behind a $ that has no value yet, which this comparison gives it. */
static bool fields_unset(const struct script *s, struct span *name)
{
    const struct token *t = script_peek(s, 0);
    if (t->kind != TOKEN_WORD || t->text.at[0] != '$')
        return false;
    *name = span_of(t->text.at + 1, t->text.size - 1);
    return script_variable(s, *name) == NULL;
}

static uint64_t fields_value(enum method_type type, const void *at)
{
    switch (type) {
    case METHOD_TYPE_octet: return *(const uint8_t *)at;
    case METHOD_TYPE_shortu: return *(const uint16_t *)at;
    case METHOD_TYPE_longu: return *(const uint32_t *)at;
    case METHOD_TYPE_longlongu: return *(const uint64_t *)at;
    case METHOD_TYPE_bit: return *(const bool *)at;
    case METHOD_TYPE_shortstr:
    case METHOD_TYPE_longstr:
    case METHOD_TYPE_table: break;
    }
    return 0;
}

static bool fields_number_eq(struct script *s, uint64_t v, bool bare)
{
    struct span name;
    char digits[32];
    if (bare)
        return v == 1;
    script_need(s, "=");
    if (!fields_unset(s, &name))
        return script_number(s) == v;
    s->at++;
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)v);
    script_set_variable(s, name, span_str(digits));
    return true;
}

static bool fields_text_eq(struct script *s, struct span v)
{
    struct span name;
    if (script_take(s, "~")) {
        struct span pattern = script_text(s);
        struct span text = script_copy(s, v); /* with a zero behind it */
        return fnmatch((const char *)pattern.at, (const char *)text.at, 0) == 0;
    }
    script_need(s, "=");
    if (!fields_unset(s, &name))
        return span_eq(script_text(s), v);
    s->at++;
    script_set_variable(s, name, v);
    return true;
}

/* Every entry of `least` is in `table`, with tables below compared alike: one level down, which is
 * what capabilities need. */
static bool fields_table_holds(struct span table, struct span least)
{
    struct field want;
    struct field got;
    struct field inner;
    struct field got_inner;
    while (table_next(&least, &want)) {
        if (!table_find(table, want.name, &got) || got.tag != want.tag)
            return false;
        if (want.tag != 'F' && !span_eq(want.value, got.value))
            return false;
        while (want.tag == 'F' && table_next(&want.value, &inner))
            if (!table_find(got.value, inner.name, &got_inner) || got_inner.tag != inner.tag ||
                !span_eq(inner.value, got_inner.value))
                return false;
    }
    return true;
}

static bool fields_table_eq(struct script *s, struct span v)
{
    if (!script_is(s, 0, "~"))
        return script_is(s, 1, "{") ? script_take(s, "=") && span_eq(script_table(s), v)
                                    : fields_text_eq(s, v);
    script_need(s, "~");
    struct span least = script_table(s);
    return table_check(v) == TABLE_OK && fields_table_holds(v, least);
}

static bool fields_eq(struct script *s, enum method_type type, const void *at)
{
    const struct span *v = at;
    switch (type) {
    case METHOD_TYPE_shortstr:
    case METHOD_TYPE_longstr: return fields_text_eq(s, *v);
    case METHOD_TYPE_table: return fields_table_eq(s, *v);
    case METHOD_TYPE_octet:
    case METHOD_TYPE_shortu:
    case METHOD_TYPE_longu:
    case METHOD_TYPE_longlongu:
    case METHOD_TYPE_bit: break;
    }
    bool bare = type == METHOD_TYPE_bit && !script_is(s, 0, "=");
    return fields_number_eq(s, fields_value(type, at), bare);
}

static bool fields_content_eq(struct script *s, const struct item *item, struct span name)
{
    struct properties p;
    if (span_eq(name, SPAN_LIT("body")))
        return fields_text_eq(s, span_of(item->body, item->body_size));
    if (span_eq(name, SPAN_LIT("properties")))
        return fields_text_eq(s, item->rest);
    bool absent = span_eq(name, SPAN_LIT("no"));
    if (absent)
        name = script_word(s);
    const struct method_field *field = fields_find(PROPERTIES, N_PROPERTIES, name);
    if (field == NULL)
        script_fail(s, "there is no property %.*s", SPAN_FMT(name));
    if (!properties_take(item->rest, &p))
        script_fail(s, "malformed properties in %s", peer_print(s, item));
    bool present = (p.flags & PROPERTY_FLAGS[field - PROPERTIES]) != 0;
    if (absent)
        return !present;
    return fields_eq(s, field->type, (const uint8_t *)&p + field->offset) && present;
}

bool fields_expect(struct script *s, const struct item *item, bool may_differ)
{
    size_t n_fields;
    const struct method_field *fields = method_fields(item->method.id, &n_fields);
    bool equal = true;
    while (!fields_done(s)) {
        struct span name = script_word(s);
        const struct method_field *field = fields_find(fields, n_fields, name);
        bool same = field != NULL
                        ? fields_eq(s, field->type, (const uint8_t *)&item->method + field->offset)
                        : fields_content_eq(s, item, name);
        if (!same && !may_differ)
            script_fail(s, "%.*s differs in %s", SPAN_FMT(name), peer_print(s, item));
        equal = equal && same;
    }
    return equal;
}
