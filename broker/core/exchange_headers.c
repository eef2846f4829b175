// SPDX-License-Identifier: Apache-2.0
/* A binding matches by its arguments and the message's headers; keys do not matter.
 *
 * The argument x-match chooses the mode. Other arguments whose names begin with x- count only in
 * the modes with-x. An argument is met by the header of its name when that has an equal value, or
 * any value if the argument's own is void. Of several headers of one name the first counts;
 * arguments that repeat a name are met one by one.
 *
 * Every binding is looked at, in O(arguments x log headers). */
#include <stdio.h>
#include <string.h>

#include "amqp/table.h"
#include "broker/core/arguments_text.h"
#include "broker/core/exchange.h"
#include "broker/core/route.h"
#include "broker/core/sorted_table.h"

struct headers_mode {
    const char *name;
    bool any;
    bool with_x;
};

static const struct headers_mode MODES[] = {
    {"all", false, false},
    {"any", true, false},
    {"all-with-x", false, true},
    {"any-with-x", true, true},
};

#define X_MATCH SPAN_LIT("x-match")

enum {
    LOOKS_PER_BINDING = 4,
    LOOKS_PER_ARGUMENT = 3 /* a search among the headers */
};

/* NULL when x-match has none of the four values. */
static const struct headers_mode *headers_mode(struct span arguments)
{
    struct field f;
    if (!table_find(arguments, X_MATCH, &f))
        return &MODES[0];
    for (size_t i = 0; f.tag == 'S' && i < sizeof(MODES) / sizeof(MODES[0]); i++)
        if (span_eq(f.value, span_str(MODES[i].name)))
            return &MODES[i];
    return NULL;
}

/* Strings as Erlang shows them inside a term, <<"most">>, <<1,2>> or <<>>; anything else as it is.
 */
static void headers_print(char text[REPLY_TEXT_MAX + 8], const struct field *f)
{
    struct argument_text value;
    if (f->tag != 'S' && f->tag != 'x') {
        argument_text_value(&value, f);
        memcpy(text, value.at, value.size + 1);
        return;
    }
    argument_text_sentence(&value, "", f->value, "");
    /* Bytes that are not printable come as a list: [1,2]. */
    bool listed = value.at[0] == '[';
    size_t size = f->value.size == 0 ? 0 : value.size - (listed ? 2 : 0);
    snprintf(text, REPLY_TEXT_MAX + 8, "<<%.*s>>", (int)size, value.at + (listed ? 1 : 0));
}

static const struct reply *headers_check_arguments(struct span arguments, struct fault *f)
{
    struct field match;
    char value[REPLY_TEXT_MAX + 8];
    if (headers_mode(arguments) != NULL || !table_find(arguments, X_MATCH, &match))
        return NULL;
    headers_print(value, &match);
    if (match.tag == 'S')
        return fault_set(
            f, REPLY_PRECONDITION_FAILED,
            "Invalid x-match field value %s; expected all, any, all-with-x, or any-with-x", value);
    return fault_set(f, REPLY_PRECONDITION_FAILED,
                     "Invalid x-match field type %s (value %s); expected longstr",
                     field_type_name(match.tag), value);
}

static enum err headers_bind(struct exchange *x, struct binding *b)
{
    (void)x;
    b->index_node = (void *)headers_mode(b->arguments);
    ASSERT(b->index_node != NULL);
    return OK;
}

static void headers_unbind(struct exchange *x, struct binding *b)
{
    (void)x;
    b->index_node = NULL;
}

/* What RabbitMQ does not tell apart once decoded: byte arrays are strings, and seconds are
 * integers. */
static struct field headers_plain(const struct field *f)
{
    struct field plain = *f;
    if (f->tag == 'x')
        plain.tag = 'S';
    else if (f->tag == 'T')
        plain.tag = 'l';
    return plain;
}

static bool headers_value_eq(const struct field *argument, const struct field *header)
{
    if (argument->tag == 't' && header->tag == 't')
        return (argument->value.at[0] != 0) == (header->value.at[0] != 0);
    struct field a = headers_plain(argument);
    struct field h = headers_plain(header);
    return field_eq(&a, &h);
}

static bool headers_met(const struct field *argument, const struct sorted_table *headers,
                        size_t nth)
{
    const struct field *header = sorted_table_find(headers, argument->name, nth);
    return header != NULL && (argument->tag == 'V' || headers_value_eq(argument, header));
}

enum headers_answer { HEADERS_DIFFER, HEADERS_MATCH, HEADERS_TIRED };

/* Goes on inside the binding where a tired route has stopped. */
static enum headers_answer headers_match(const struct binding *b,
                                         const struct sorted_table *headers, struct route *r)
{
    const struct headers_mode *mode = b->index_node;
    struct route_arguments *at = &r->arguments;
    if (!at->inside)
        *at = (struct route_arguments){.inside = true, .rest = b->arguments};
    for (struct field argument; !route_is_tired(r);) {
        if (!table_next(&at->rest, &argument)) {
            at->inside = false;
            return mode->any ? HEADERS_DIFFER : HEADERS_MATCH;
        }
        r->looks += LOOKS_PER_ARGUMENT;
        at->nth = at->last.at != NULL && span_eq(at->last, argument.name) ? at->nth + 1 : 0;
        at->last = argument.name;
        if (mode->with_x ? span_eq(argument.name, X_MATCH)
                         : span_starts(argument.name, SPAN_LIT("x-")))
            continue;
        bool met = headers_met(&argument, headers, at->nth);
        if (met == mode->any) {
            at->inside = false;
            return met ? HEADERS_MATCH : HEADERS_DIFFER;
        }
    }
    return HEADERS_TIRED;
}

static bool headers_route(const struct exchange *x, const struct routed_message *m, struct route *r)
{
    if (list_empty(&x->bindings))
        return true;
    const struct sorted_table *headers = route_headers(r, m);
    if (headers == NULL)
        return true;
    for (struct list *it; (it = route_next(r, &x->bindings)) != NULL;) {
        const struct binding *b = CONTAINER_OF(it, struct binding, in_source);
        r->looks += LOOKS_PER_BINDING;
        enum headers_answer answer = headers_match(b, headers, r);
        if (answer == HEADERS_TIRED) {
            r->next = it;
            return false;
        }
        if (answer == HEADERS_MATCH)
            route_add(r, b);
    }
    return r->next == NULL;
}

const struct exchange_type exchange_type_headers = {
    .name = "headers",
    .by_headers = true,
    .check_arguments = headers_check_arguments,
    .bind = headers_bind,
    .unbind = headers_unbind,
    .route = headers_route,
};
