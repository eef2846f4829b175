// SPDX-License-Identifier: Apache-2.0
#include "broker/core/publish_check.h"

#include "amqp/table.h"

/* Ten years, as RabbitMQ bounds every time. */
#define EXPIRATION_MS_MAX UINT64_C(315360000000)

static const struct reply *publish_bad_expiration(struct span text, const char *why,
                                                  struct span detail, const char *end,
                                                  struct fault *f)
{
    return fault_set(f, REPLY_PRECONDITION_FAILED, "invalid expiration '%.*s': %s%.*s%s",
                     SPAN_FMT(text), why, SPAN_FMT(detail), end);
}

/* Milliseconds as a decimal string, which is read as Erlang's string:to_integer does. */
static const struct reply *publish_check_expiration(struct span text, struct fault *f)
{
    size_t i = 0;
    bool negative = text.size != 0 && text.at[0] == '-';
    if (text.size != 0 && (text.at[0] == '-' || text.at[0] == '+'))
        i++;
    size_t first = i;
    uint64_t value = 0;
    for (; i < text.size && text.at[i] >= '0' && text.at[i] <= '9'; i++)
        value = value > EXPIRATION_MS_MAX ? value : value * 10 + (uint64_t)(text.at[i] - '0');
    size_t digits = first;
    while (digits + 1 < i && text.at[digits] == '0')
        digits++;
    struct span number = span_of(text.at + digits, i - digits);
    if (i == first)
        return publish_bad_expiration(text, "no_integer", SPAN_LIT(""), "", f);
    if (i < text.size)
        return publish_bad_expiration(text, "{leftover_string,\"",
                                      span_of(text.at + i, text.size - i), "\"}", f);
    if (negative && value != 0)
        return publish_bad_expiration(text, "{value_negative,-", number, "}", f);
    if (value > EXPIRATION_MS_MAX)
        return publish_bad_expiration(text, "{value_too_large,", number, "}", f);
    return NULL;
}

static const struct reply *publish_check_keys(struct span headers, const char *name,
                                              struct fault *f)
{
    struct field field;
    if (!table_find(headers, span_str(name), &field) || field.tag == 'A')
        return NULL;
    return fault_set(f, REPLY_PRECONDITION_FAILED,
                     "invalid message: {unacceptable_type_in_header,\"%s\",%s}", name,
                     field_type_name(field.tag));
}

const struct reply *publish_check(const struct session *s, struct span rest, struct properties *p,
                                  struct fault *f)
{
    const struct reply *bad = NULL;
    if (!properties_take(rest, p))
        return fault_set(f, REPLY_SYNTAX_ERROR, "malformed properties");
    if ((p->flags & PROPERTY_expiration) != 0)
        bad = publish_check_expiration(p->expiration, f);
    if (bad == NULL && (p->flags & PROPERTY_headers) != 0)
        bad = publish_check_keys(p->headers, "CC", f);
    if (bad == NULL && (p->flags & PROPERTY_headers) != 0)
        bad = publish_check_keys(p->headers, "BCC", f);
    if (bad == NULL && (p->flags & PROPERTY_user_id) != 0 && !span_eq(p->user_id, s->user))
        bad = fault_set(f, REPLY_PRECONDITION_FAILED,
                        "user_id property set to '%.*s' but authenticated user was '%.*s'",
                        SPAN_FMT(p->user_id), SPAN_FMT(s->user));
    return bad;
}
