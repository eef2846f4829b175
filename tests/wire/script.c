// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* ---- Failure and memory ---- */

void script_fail(struct script *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, sizeof(s->why), format, args);
    va_end(args);
    longjmp(s->failed, 1);
}

void *script_alloc(struct script *s, size_t size)
{
    struct script_memory *m = calloc(1, sizeof(*m) + size + 1);
    if (m == NULL)
        script_fail(s, "out of memory");
    m->next = s->memory;
    s->memory = m;
    return m->bytes;
}

struct span script_copy(struct script *s, struct span bytes)
{
    uint8_t *copy = script_alloc(s, bytes.size);
    put_bytes(copy, bytes);
    return span_of(copy, bytes.size);
}

void script_reset(struct script *s)
{
    for (struct script_memory *m; (m = s->memory) != NULL;) {
        s->memory = m->next;
        free(m);
    }
    s->n_variables = 0;
}

/* ---- Variables ---- */

const struct span *script_variable(const struct script *s, struct span name)
{
    for (size_t i = 0; i < s->n_variables; i++)
        if (span_eq(s->variables[i].name, name))
            return &s->variables[i].value;
    return NULL;
}

void script_set_variable(struct script *s, struct span name, struct span value)
{
    if (s->n_variables == SCRIPT_VARIABLES_MAX)
        script_fail(s, "too many variables");
    s->variables[s->n_variables].name = script_copy(s, name);
    s->variables[s->n_variables++].value = script_copy(s, value);
}

static struct span script_known(struct script *s, struct span name)
{
    const struct span *v = script_variable(s, name);
    if (v == NULL)
        script_fail(s, "$%.*s has no value yet", SPAN_FMT(name));
    return *v;
}

/* ---- Tokens ---- */

static int script_hex_digit(char c)
{
    const char *at = c == 0 ? NULL : strchr("0123456789abcdef", c);
    return at == NULL ? -1 : (int)(at - "0123456789abcdef");
}

static uint8_t script_escape(struct script *s, const char **p)
{
    char c = *(*p)++;
    switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case '0': return 0;
    case '\\':
    case '"': return (uint8_t)c;
    default: break;
    }
    int high = c == 'x' ? script_hex_digit(**p) : -1;
    int low = high < 0 ? -1 : script_hex_digit((*p)[1]);
    if (low < 0)
        script_fail(s, "unknown escape \\%c", c);
    *p += 2;
    return (uint8_t)(high * 16 + low);
}

/* `*p` stands behind the opening quote, and is left behind the closing one. */
static struct span script_quoted(struct script *s, const char **p)
{
    size_t room = strlen(*p) + 1;
    for (size_t i = 0; i < s->n_variables; i++)
        room += s->variables[i].value.size * 8;
    uint8_t *text = script_alloc(s, room);
    uint8_t *end = text;
    while (**p != '"') {
        if (**p == 0 || (size_t)(end - text) + 1 >= room)
            script_fail(s, "a text without its closing quote");
        if ((*p)[0] == '$' && (*p)[1] == '{') {
            size_t size = strcspn(*p + 2, "}");
            struct span value = script_known(s, span_of(*p + 2, size));
            if ((size_t)(end - text) + value.size >= room)
                script_fail(s, "a text with too many variables");
            end = put_bytes(end, value);
            *p += size + 3;
        } else if (**p == '\\') {
            ++*p;
            *end++ = script_escape(s, p);
        } else {
            *end++ = (uint8_t) * (*p)++;
        }
    }
    ++*p;
    return span_of(text, (size_t)(end - text));
}

void script_tokenize(struct script *s, const char *line)
{
    size_t n = 0;
    s->at = 0;
    for (const char *p = line;;) {
        p += strspn(p, " \t");
        struct token *t = &s->tokens[n++];
        if (n == SCRIPT_TOKENS_MAX)
            script_fail(s, "a line of more than %d words", SCRIPT_TOKENS_MAX - 1);
        *t = (struct token){TOKEN_END, SPAN_NONE};
        if (*p == 0 || *p == '#')
            return;
        if (*p == '"') {
            p++;
            t->kind = TOKEN_TEXT;
            t->text = script_quoted(s, &p);
            continue;
        }
        size_t size = strcspn(p, " \t\"={}[],*~<>;");
        t->kind = size == 0 ? TOKEN_MARK : TOKEN_WORD;
        t->text = span_of(p, size == 0 ? 1 : size);
        p += t->text.size;
    }
}

const struct token *script_peek(const struct script *s, size_t ahead)
{
    size_t at = s->at;
    while (ahead-- != 0 && s->tokens[at].kind != TOKEN_END)
        at++;
    return &s->tokens[at];
}

bool script_is(const struct script *s, size_t ahead, const char *word)
{
    const struct token *t = script_peek(s, ahead);
    return (t->kind == TOKEN_WORD || t->kind == TOKEN_MARK) && span_eq(t->text, span_str(word));
}

bool script_take(struct script *s, const char *word)
{
    if (!script_is(s, 0, word))
        return false;
    s->at++;
    return true;
}

void script_need(struct script *s, const char *word)
{
    if (!script_take(s, word))
        script_fail(s, "'%s' is missing before '%.*s'", word, SPAN_FMT(script_peek(s, 0)->text));
}

struct span script_word(struct script *s)
{
    const struct token *t = script_peek(s, 0);
    if (t->kind != TOKEN_WORD && t->kind != TOKEN_TEXT)
        script_fail(s, "a word is missing before '%.*s'", SPAN_FMT(t->text));
    s->at++;
    return t->text;
}

/* ---- Values ---- */

uint64_t script_number(struct script *s)
{
    struct span word = script_word(s);
    if (word.at[0] == '$')
        word = script_known(s, span_of(word.at + 1, word.size - 1));
    if (span_eq(word, SPAN_LIT("true")))
        return 1;
    if (span_eq(word, SPAN_LIT("false")))
        return 0;
    char digits[32] = "";
    char *end;
    memcpy(digits, word.at, word.size < sizeof(digits) - 1 ? word.size : sizeof(digits) - 1);
    uint64_t v = digits[0] == '-' ? (uint64_t)strtoll(digits, &end, 0) : strtoull(digits, &end, 0);
    if (*end != 0 || end == digits)
        script_fail(s, "'%.*s' is not a number", SPAN_FMT(word));
    return v;
}

static struct span script_hex(struct script *s, struct span word)
{
    uint8_t *bytes = script_alloc(s, word.size / 2);
    for (size_t i = 0; i + 1 < word.size; i += 2) {
        int high = script_hex_digit((char)word.at[i]);
        int low = script_hex_digit((char)word.at[i + 1]);
        if (high < 0 || low < 0)
            script_fail(s, "'%.*s' is not hexadecimal", SPAN_FMT(word));
        bytes[i / 2] = (uint8_t)(high * 16 + low);
    }
    if (word.size % 2 != 0)
        script_fail(s, "'%.*s' has half an octet", SPAN_FMT(word));
    return span_of(bytes, word.size / 2);
}

static struct span script_times(struct script *s, struct span text)
{
    if (!script_take(s, "*"))
        return text;
    uint64_t n = script_number(s);
    uint8_t *bytes = script_alloc(s, text.size * n);
    for (uint64_t i = 0; i < n; i++)
        put_bytes(bytes + i * text.size, text);
    return span_of(bytes, text.size * n);
}

struct span script_text(struct script *s)
{
    enum token_kind kind = script_peek(s, 0)->kind;
    struct span word = script_word(s);
    if (kind == TOKEN_WORD && word.at[0] == '$')
        return script_known(s, span_of(word.at + 1, word.size - 1));
    if (kind == TOKEN_WORD && span_starts(word, SPAN_LIT("hex:")))
        return script_hex(s, span_of(word.at + 4, word.size - 4));
    if (kind == TOKEN_WORD)
        script_fail(s, "a text is missing before '%.*s'", SPAN_FMT(word));
    return script_times(s, word);
}

static bool script_is_hex(struct span word)
{
    for (size_t i = 0; i < word.size; i++)
        if (script_hex_digit((char)word.at[i]) < 0)
            return false;
    return word.size % 2 == 0;
}

struct span script_payload(struct script *s)
{
    struct span all = SPAN_NONE;
    for (;;) {
        const struct token *t = script_peek(s, 0);
        bool hex = t->kind == TOKEN_WORD && script_is_hex(t->text);
        if (t->kind != TOKEN_TEXT && !hex)
            return all;
        s->at++;
        struct span part = script_times(s, hex ? script_hex(s, t->text) : t->text);
        uint8_t *joined = script_alloc(s, all.size + part.size);
        put_bytes(put_bytes(joined, all), part);
        all = span_of(joined, all.size + part.size);
    }
}

/* ---- Tables ---- */

static void script_add(struct script *s, struct buf *b, struct span bytes)
{
    if (buf_append(b, bytes) != OK)
        script_fail(s, "out of memory");
}

static void script_add_number(struct script *s, struct buf *b, uint64_t v, size_t size)
{
    uint8_t bytes[8];
    put_u64(bytes, v);
    script_add(s, b, span_of(bytes + 8 - size, size));
}

static void script_add_long(struct script *s, struct buf *b, struct span v)
{
    script_add_number(s, b, v.size, 4);
    script_add(s, b, v);
}

static char script_tag(struct script *s)
{
    const struct token *t = script_peek(s, 0);
    if (t->kind == TOKEN_TEXT)
        return 'S';
    if (script_is(s, 0, "{"))
        return 'F';
    if (script_is(s, 0, "["))
        return 'A';
    if (script_is(s, 0, "true") || script_is(s, 0, "false"))
        return 't';
    if (t->kind == TOKEN_WORD && t->text.size == 1 &&
        (t->text.at[0] < '0' || t->text.at[0] > '9')) {
        s->at++;
        return (char)t->text.at[0];
    }
    return t->kind == TOKEN_WORD && t->text.at[0] == '$' ? 'S' : 'I';
}

static void script_add_float(struct script *s, struct buf *b, char tag)
{
    struct span word = script_word(s);
    char digits[32] = "";
    memcpy(digits, word.at, word.size < sizeof(digits) - 1 ? word.size : sizeof(digits) - 1);
    double d = strtod(digits, NULL);
    float f = (float)d;
    uint64_t bits = 0;
    uint32_t small = 0;
    memcpy(&bits, &d, sizeof(bits));
    memcpy(&small, &f, sizeof(small));
    script_add_number(s, b, tag == 'd' ? bits : small, tag == 'd' ? 8 : 4);
}

static void script_add_value(struct script *s, struct buf *b);

static struct span script_array(struct script *s)
{
    struct buf inner;
    buf_init(&inner);
    script_need(s, "[");
    while (!script_take(s, "]")) {
        script_add_value(s, &inner);
        script_take(s, ",");
    }
    struct span all = script_copy(s, buf_span(&inner));
    buf_fini(&inner);
    return all;
}

static void script_add_value(struct script *s, struct buf *b)
{
    static const uint8_t SIZES[128] = {
        ['t'] = 1, ['b'] = 1, ['B'] = 1, ['s'] = 2, ['u'] = 2, ['U'] = 2,
        ['I'] = 4, ['i'] = 4, ['l'] = 8, ['L'] = 8, ['T'] = 8};
    char tag = script_tag(s);
    script_add_number(s, b, (uint8_t)tag, 1);
    if (SIZES[(unsigned char)tag % 128] != 0) {
        script_add_number(s, b, script_number(s), SIZES[(unsigned char)tag % 128]);
        return;
    }
    switch (tag) {
    case 'f':
    case 'd': script_add_float(s, b, tag); return;
    case 'D':
        script_add_number(s, b, script_number(s), 1);
        script_add_number(s, b, script_number(s), 4);
        return;
    case 'S':
    case 'x': script_add_long(s, b, script_text(s)); return;
    case 'A': script_add_long(s, b, script_array(s)); return;
    case 'F': script_add_long(s, b, script_table(s)); return;
    case 'V': return;
    default: script_fail(s, "no type '%c' in a table", tag);
    }
}

struct span script_table(struct script *s)
{
    if (!script_take(s, "{"))
        return script_text(s);
    struct buf b;
    buf_init(&b);
    while (!script_take(s, "}")) {
        struct span name = script_word(s);
        script_add_number(s, &b, name.size, 1);
        script_add(s, &b, name);
        script_need(s, "=");
        script_add_value(s, &b);
        script_take(s, ",");
    }
    struct span all = script_copy(s, buf_span(&b));
    buf_fini(&b);
    return all;
}
