// SPDX-License-Identifier: Apache-2.0
/* Writes Erlang terms into a reply text.
 *
 * Everything is added byte by byte to a text of fixed size, which stops taking bytes when it is
 * full; so no length has to be known beforehand, and a large table costs no more than a small one.
 */
#include "broker/core/arguments_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/limits.h"

enum {
    /* Significant digits that tell any double from any other. */
    DOUBLE_DIGITS_MAX = 17,
    /* From here on doubles are no longer exact integers, and are written with an exponent. */
    DOUBLE_EXACT_BITS = 53,
};

static void argument_text_start(struct argument_text *t)
{
    t->size = 0;
    t->at[0] = '\0';
}

static bool argument_text_full(const struct argument_text *t)
{
    return t->size == REPLY_TEXT_MAX;
}

static void argument_text_byte(struct argument_text *t, uint8_t byte)
{
    if (byte == 0 || argument_text_full(t))
        return;
    t->at[t->size++] = (char)byte;
    t->at[t->size] = '\0';
}

static void argument_text_bytes(struct argument_text *t, struct span s)
{
    for (size_t i = 0; i < s.size && !argument_text_full(t); i++)
        argument_text_byte(t, s.at[i]);
}

static void argument_text_str(struct argument_text *t, const char *s)
{
    argument_text_bytes(t, span_str(s));
}

static void argument_text_number(struct argument_text *t, int64_t n)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%lld", (long long)n);
    argument_text_str(t, digits);
}

static void argument_text_unsigned(struct argument_text *t, uint64_t n)
{
    char digits[24];
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
    argument_text_str(t, digits);
}

/* The letter that stands for a control character in an Erlang string, or 0. */
static uint8_t escape_letter(uint8_t byte)
{
    switch (byte) {
    case '\b': return 'b';
    case '\t': return 't';
    case '\n': return 'n';
    case '\v': return 'v';
    case '\f': return 'f';
    case '\r': return 'r';
    case 0x1b: return 'e';
    case '"': return '"';
    case '\\': return '\\';
    default: return 0;
    }
}

/* Printable in Latin-1, with the controls that have an escape. */
static bool span_is_printable(struct span s)
{
    for (size_t i = 0; i < s.size; i++) {
        uint8_t byte = s.at[i];
        bool plain = (byte >= 32 && byte < 127) || byte >= 160;
        if (!plain && escape_letter(byte) == 0)
            return false;
    }
    return true;
}

static void argument_text_escaped(struct argument_text *t, struct span s)
{
    for (size_t i = 0; i < s.size && !argument_text_full(t); i++) {
        uint8_t letter = escape_letter(s.at[i]);
        if (letter != 0)
            argument_text_byte(t, '\\');
        argument_text_byte(t, letter != 0 ? letter : s.at[i]);
    }
}

/* The bytes as numbers, a comma before each but the very first. */
static void argument_text_listed(struct argument_text *t, struct span s, bool *first)
{
    for (size_t i = 0; i < s.size && !argument_text_full(t); i++) {
        if (!*first)
            argument_text_byte(t, ',');
        *first = false;
        argument_text_unsigned(t, s.at[i]);
    }
}

void argument_text_sentence(struct argument_text *t, const char *before, struct span value,
                            const char *after)
{
    struct span parts[] = {span_str(before), value, span_str(after)};
    bool printable = span_is_printable(value);
    bool first = true;
    argument_text_start(t);
    argument_text_byte(t, printable ? '"' : '[');
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (printable)
            argument_text_escaped(t, parts[i]);
        else
            argument_text_listed(t, parts[i], &first);
    }
    argument_text_byte(t, printable ? '"' : ']');
}

static void argument_text_binary(struct argument_text *t, struct span s)
{
    bool first = true;
    argument_text_str(t, "<<");
    if (s.size != 0 && span_is_printable(s)) {
        argument_text_byte(t, '"');
        argument_text_escaped(t, s);
        argument_text_byte(t, '"');
    } else {
        argument_text_listed(t, s, &first);
    }
    argument_text_str(t, ">>");
}

/* The fewest digits that read back as `v`, which is positive; `*point` is where the decimal point
 * belongs: 1 is after the first digit. */
static size_t double_digits(double v, char digits[DOUBLE_DIGITS_MAX + 1], int *point)
{
    char text[40] = "";
    for (int n = 1; n <= DOUBLE_DIGITS_MAX; n++) {
        snprintf(text, sizeof(text), "%.*e", n - 1, v);
        double back = strtod(text, NULL);
        if (back >= v && back <= v)
            break;
    }
    size_t n = 0;
    char *p = text;
    for (; *p != 'e' && *p != '\0'; p++)
        if (*p != '.')
            digits[n++] = *p;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    digits[n] = '\0';
    *point = (*p == 'e' ? atoi(p + 1) : 0) + 1;
    return n;
}

/* d.ddde±x */
static void argument_text_scientific(struct argument_text *t, const char *digits, int point)
{
    argument_text_byte(t, (uint8_t)digits[0]);
    argument_text_byte(t, '.');
    argument_text_str(t, digits[1] != '\0' ? digits + 1 : "0");
    argument_text_byte(t, 'e');
    argument_text_number(t, point - 1);
}

/* ddd.ddd */
static void argument_text_fixed(struct argument_text *t, const char *digits, int point)
{
    int n = (int)strlen(digits);
    if (point <= 0)
        argument_text_byte(t, '0');
    for (int i = 0; i < point; i++)
        argument_text_byte(t, i < n ? (uint8_t)digits[i] : '0');
    argument_text_byte(t, '.');
    for (int i = point; i < 0; i++)
        argument_text_byte(t, '0');
    argument_text_str(t, point >= n ? "0" : digits + (point > 0 ? point : 0));
}

/* Shortest digits; the shorter one of the two notations. */
static void argument_text_double(struct argument_text *t, double v)
{
    char digits[DOUBLE_DIGITS_MAX + 1] = "";
    int point;
    if (__builtin_isnan(v) || __builtin_isinf(v)) {
        argument_text_str(t, __builtin_isnan(v) ? "nan" : __builtin_signbit(v) ? "-inf" : "inf");
        return;
    }
    if (__builtin_signbit(v)) {
        argument_text_byte(t, '-');
        v = -v;
    }
    if (!(v > 0)) {
        argument_text_str(t, "0.0");
        return;
    }
    int n = (int)double_digits(v, digits, &point);
    char exponent[16];
    int scientific = (n > 1 ? n + 1 : 3) + 1 +
                     snprintf(exponent, sizeof(exponent), "%d", point - 1);
    int fixed = point <= 0 ? 2 - point + n : point >= n ? point + 2 : n + 1;
    bool exact = v < (double)(1LL << DOUBLE_EXACT_BITS);
    if (exact && (point <= 0 ? fixed < scientific : fixed <= scientific))
        argument_text_fixed(t, digits, point);
    else
        argument_text_scientific(t, digits, point);
}

static void argument_text_float_field(struct argument_text *t, const struct field *f)
{
    struct span in = f->value;
    uint32_t v32 = 0;
    uint64_t v64 = 0;
    float v = 0;
    double d = 0;
    if (f->tag == 'f' && take_u32(&in, &v32)) {
        memcpy(&v, &v32, sizeof(v));
        d = (double)v;
    } else if (take_u64(&in, &v64)) {
        memcpy(&d, &v64, sizeof(d));
    }
    argument_text_double(t, d);
}

static void argument_text_decimal_field(struct argument_text *t, const struct field *f)
{
    struct span in = f->value;
    uint8_t scale = 0;
    uint32_t digits = 0;
    if (take_u8(&in, &scale) && take_u32(&in, &digits)) {
        argument_text_byte(t, '{');
        argument_text_unsigned(t, scale);
        argument_text_byte(t, ',');
        argument_text_unsigned(t, digits);
        argument_text_byte(t, '}');
    }
}

/* Whatever holds no other fields. `quoted`: strings as Erlang shows them inside a term. */
static void argument_text_scalar(struct argument_text *t, const struct field *f, bool quoted)
{
    struct span in = f->value;
    int64_t n = 0;
    uint64_t seconds = 0;
    uint8_t octet = 0;
    switch (f->tag) {
    case 'S':
    case 'x':
        if (quoted)
            argument_text_binary(t, f->value);
        else
            argument_text_bytes(t, f->value);
        break;
    case 't': argument_text_str(t, take_u8(&in, &octet) && octet != 0 ? "true" : "false"); break;
    case 'T':
        if (take_u64(&in, &seconds))
            argument_text_unsigned(t, seconds);
        break;
    case 'f':
    case 'd': argument_text_float_field(t, f); break;
    case 'D': argument_text_decimal_field(t, f); break;
    case 'V': argument_text_str(t, "undefined"); break;
    default:
        if (field_int(f, &n))
            argument_text_number(t, n);
        break;
    }
}

/* A table or an array and all below it, without recursion: what is left of each level waits in
 * `levels`. */
static void argument_text_list(struct argument_text *t, const struct field *f)
{
    struct {
        struct span rest;
        bool named;
        bool first;
    } levels[TABLE_DEPTH_MAX];
    size_t depth = 0;
    struct field next = *f;
    for (;;) {
        if (next.tag == 'A' || next.tag == 'F') {
            ASSERT(depth < TABLE_DEPTH_MAX);
            levels[depth].rest = next.value;
            levels[depth].named = next.tag == 'F';
            levels[depth].first = true;
            depth++;
            argument_text_byte(t, '[');
        } else {
            argument_text_scalar(t, &next, true);
            argument_text_byte(t, '}');
        }
        ASSERT(depth != 0); /* `f` itself is a list */
        while (!(levels[depth - 1].named ? table_next(&levels[depth - 1].rest, &next)
                                         : array_next(&levels[depth - 1].rest, &next))) {
            argument_text_byte(t, ']');
            if (--depth == 0)
                return;
            argument_text_byte(t, '}');
        }
        if (argument_text_full(t))
            return;
        argument_text_str(t, levels[depth - 1].first ? "{" : ",{");
        levels[depth - 1].first = false;
        if (levels[depth - 1].named) {
            argument_text_binary(t, next.name);
            argument_text_byte(t, ',');
        }
        argument_text_str(t, field_type_name(next.tag));
        argument_text_byte(t, ',');
    }
}

void argument_text_value(struct argument_text *t, const struct field *f)
{
    argument_text_start(t);
    if (f->tag == 'A' || f->tag == 'F')
        argument_text_list(t, f);
    else
        argument_text_scalar(t, f, false);
}
