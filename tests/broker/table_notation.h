// SPDX-License-Identifier: Apache-2.0
/* tests/broker/table_notation.h — field tables written as one line of text.
 *
 * `x-expires=I:5 x-overflow=S:drop-head` is a table of two entries: name, type tag, value. Entries
 * are parted by one space. A{…} and F{…} hold elements (`I:1 S:x`) and entries. D:2,550 is a
 * decimal, t:1 a bool, V: a void. A text ends at a space or a closing brace.
 *
 * Deliberate: bodies in a header, because a unit test is one file and two of them read this.
 *
 * Thread: any.   Allocates: never; each table stays valid for the next seven.
 */
#ifndef TESTS_BROKER_TABLE_NOTATION_H
#define TESTS_BROKER_TABLE_NOTATION_H

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "amqp/table.h"
#include "base/bytes.h"

enum { NOTATION_BYTES_MAX = 4096, NOTATION_TABLES = 8 };

static uint8_t *notation_entries(uint8_t *p, const char **s, bool named);

static uint8_t *notation_prefixed(uint8_t *p, const char **s, char tag)
{
    uint8_t *start = p + 4;
    if (tag == 'A' || tag == 'F') {
        p = notation_entries(start, s, tag == 'F');
        ck_assert_int_eq(*(*s)++, '}');
    } else {
        size_t size = strcspn(*s, " }");
        p = put_bytes(start, span_of(*s, size));
        *s += size;
    }
    put_u32(start - 4, (uint32_t)(p - start));
    return p;
}

static uint8_t *notation_number(uint8_t *p, const char **s, char tag)
{
    char *end;
    double d = strtod(*s, &end);
    float f = (float)d;
    uint32_t f_bits;
    uint64_t d_bits;
    memcpy(&f_bits, &f, sizeof(f));
    memcpy(&d_bits, &d, sizeof(d));
    uint64_t n = tag == 'f' || tag == 'd' ? 0
                 : **s == '-'             ? (uint64_t)strtoll(*s, &end, 10)
                                          : strtoull(*s, &end, 10);
    *s = end;
    switch (tag) {
    case 't':
    case 'b':
    case 'B': return put_u8(p, (uint8_t)n);
    case 's':
    case 'u': return put_u16(p, (uint16_t)n);
    case 'I':
    case 'i': return put_u32(p, (uint32_t)n);
    case 'f': return put_u32(p, f_bits);
    case 'd': return put_u64(p, d_bits);
    case 'D':
        ck_assert_int_eq(*(*s)++, ',');
        p = put_u32(put_u8(p, (uint8_t)n), (uint32_t)strtoull(*s, &end, 10));
        *s = end;
        return p;
    default: return put_u64(p, n);
    }
}

static uint8_t *notation_entries(uint8_t *p, const char **s, bool named)
{
    while (**s != '\0' && **s != '}') {
        if (named) {
            size_t size = strcspn(*s, "=");
            p = put_shortstr(p, span_of(*s, size));
            *s += size + 1;
        }
        char tag = *(*s)++;
        (*s)++; /* the colon, or the opening brace */
        p = put_u8(p, (uint8_t)tag);
        if (strchr("SxAF", tag) != NULL)
            p = notation_prefixed(p, s, tag);
        else if (tag != 'V')
            p = notation_number(p, s, tag);
        if (**s == ' ')
            (*s)++;
    }
    return p;
}

/* The table that `text` describes. */
static struct span notation(const char *text)
{
    static uint8_t tables[NOTATION_TABLES][NOTATION_BYTES_MAX];
    static size_t n;
    uint8_t *start = tables[n++ % NOTATION_TABLES];
    const char *s = text;
    ck_assert_uint_le(strlen(text), NOTATION_BYTES_MAX / 16);
    uint8_t *end = notation_entries(start, &s, true);
    struct span table = span_of(start, (size_t)(end - start));
    ck_assert_msg(*s == '\0' && table_check(table) == TABLE_OK, "not a table: %s", text);
    return table;
}

#endif
