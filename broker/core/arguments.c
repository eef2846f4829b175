// SPDX-License-Identifier: Apache-2.0
/* The tables of arguments, and the checks that walk them.
 *
 * A client's table is gone through once: each entry that has a row is noted under its row
 * (struct arguments_found). After that every question is a walk over rows, so a table of many
 * thousand entries costs no more than one look at each.
 */
#include "broker/core/arguments.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "broker/core/arguments.def"
#include "broker/core/arguments_text.h"

enum argument_kind {
    KIND_ANY, /* not looked at */
    KIND_INT,
    KIND_BOOL,
    KIND_WORD, /* a long string, one of `words` when there are any */
};

/* What becomes of an argument when the queue's type does not know it. */
enum argument_elsewhere { ELSEWHERE_REFUSED, ELSEWHERE_IGNORED };

/* How a value out of range is named: in an Erlang tuple or atom, or in a sentence. */
enum argument_style { STYLE_TERM, STYLE_SENTENCE };

struct argument {
    const char *name;
    size_t name_size;
    uint8_t known[2]; /* by queue type: place in the comparison on redeclare, 0 for not at all */
    enum argument_elsewhere elsewhere;
    enum argument_kind kind;
    int64_t min;
    int64_t max;
    const char *const *words; /* ends with NULL */
    enum argument_style style;
    const char *reason;
};

/* Ten years, which is as far as RabbitMQ's timers go. */
#define EXPIRY_MAX_MS (10LL * 365 * 24 * 3600 * 1000)

/* The last two ask for the default, which is classic. */
static const char *const QUEUE_TYPES[] = {"classic", "quorum", "", "undefined", NULL};
static const char *const STRATEGIES[] = {"at-most-once", "at-least-once", NULL};
static const char *const OVERFLOWS[] = {[OVERFLOW_DROP_HEAD] = "drop-head",
                                        [OVERFLOW_REJECT_PUBLISH] = "reject-publish",
                                        [OVERFLOW_REJECT_PUBLISH_DLX] = "reject-publish-dlx",
                                        [OVERFLOW_REJECT_PUBLISH_DLX + 1] = NULL};
static const char *const LOCATORS[] = {"client-local",  "balanced",    "random",
                                       "least-leaders", "min-masters", NULL};

#define ARGUMENT_ID(id, ...) ARGUMENT_##id,
enum { QUEUE_ARGUMENTS(ARGUMENT_ID) N_QUEUE_ARGUMENTS };
enum { CONSUMER_ARGUMENTS(ARGUMENT_ID) N_CONSUMER_ARGUMENTS };
#undef ARGUMENT_ID

#define TERM(text)            STYLE_TERM, text
#define SENTENCE(text)        STYLE_SENTENCE, text
#define INT(min, max, reason) KIND_INT, min, max, NULL, reason
#define NUMBER                INT(INT64_MIN, INT64_MAX, TERM(NULL))
#define COUNT                 INT(0, INT64_MAX, TERM(NULL))
#define ANY                   KIND_ANY, 0, 0, NULL, TERM(NULL)
#define BOOL                  KIND_BOOL, 0, 0, NULL, TERM(NULL)
#define STRING                KIND_WORD, 0, 0, NULL, TERM(NULL)
#define WORD(list, reason)    KIND_WORD, 0, 0, list, reason
#define ARGUMENT_ROW(id, name, classic, quorum, elsewhere, ...) \
    {name,                                                      \
     sizeof(name) - 1,                                          \
     {[QUEUE_CLASSIC] = (classic), [QUEUE_QUORUM] = (quorum)},  \
     ELSEWHERE_##elsewhere,                                     \
     __VA_ARGS__},
static const struct argument QUEUE_ROWS[] = {QUEUE_ARGUMENTS(ARGUMENT_ROW)};
static const struct argument CONSUMER_ROWS[] = {CONSUMER_ARGUMENTS(ARGUMENT_ROW)};
#undef TERM
#undef SENTENCE
#undef INT
#undef NUMBER
#undef COUNT
#undef ANY
#undef BOOL
#undef STRING
#undef WORD
#undef ARGUMENT_ROW
#undef QUEUE_ARGUMENTS
#undef CONSUMER_ARGUMENTS

enum { N_ROWS_MAX = N_QUEUE_ARGUMENTS };
_Static_assert((int)N_CONSUMER_ARGUMENTS <= (int)N_ROWS_MAX, "arguments_found holds both tables");

static const char *const MODULES[] = {
    [QUEUE_CLASSIC] = "rabbit_classic_queue", [QUEUE_QUORUM] = "rabbit_quorum_queue"};

/* The entries of a client's table that have a row. */
struct arguments_found {
    const struct argument *rows;
    size_t n_rows;
    size_t place[N_ROWS_MAX]; /* in the client's table, counted from 1; 0: not there */
    struct field fields[N_ROWS_MAX];
};

/* Whom a refusal is about, and where it is written. */
struct arguments_subject {
    struct span queue_name;
    struct span vhost_name;
    struct fault *f;
};

static void arguments_find(struct arguments_found *found, const struct argument *rows,
                           size_t n_rows, struct span table)
{
    struct field f;
    *found = (struct arguments_found){.rows = rows, .n_rows = n_rows};
    for (size_t place = 1; table_next(&table, &f); place++) {
        for (size_t i = 0; i < n_rows; i++) {
            if (f.name.size != rows[i].name_size ||
                memcmp(f.name.at, rows[i].name, f.name.size) != 0)
                continue;
            if (found->place[i] == 0) {
                found->place[i] = place;
                found->fields[i] = f;
            }
            break;
        }
    }
}

static void queue_arguments_find(struct arguments_found *found, struct span table)
{
    arguments_find(found, QUEUE_ROWS, N_QUEUE_ARGUMENTS, table);
}

/* NULL when the table does not have it. */
static const struct field *arguments_at(const struct arguments_found *found, size_t row)
{
    return found->place[row] != 0 ? &found->fields[row] : NULL;
}

static bool field_is_word(const struct field *f, const char *word)
{
    return f != NULL && f->tag == 'S' && span_eq(f->value, span_str(word));
}

/* Asks for the default type, by words or by silence. */
static bool field_is_classic(const struct field *f)
{
    return f == NULL || field_is_word(f, "classic") || field_is_word(f, "") ||
           field_is_word(f, "undefined");
}

static enum queue_type arguments_type(const struct arguments_found *found)
{
    return field_is_word(arguments_at(found, ARGUMENT_TYPE), "quorum") ? QUEUE_QUORUM
                                                                       : QUEUE_CLASSIC;
}

static const struct reply *argument_refuse(const struct argument *row, const char *reason,
                                           const struct arguments_subject *s)
{
    return fault_set(s->f, REPLY_PRECONDITION_FAILED,
                     "invalid arg '%s' for queue '%.*s' in vhost '%.*s': %s", row->name,
                     SPAN_FMT(s->queue_name), SPAN_FMT(s->vhost_name), reason);
}

static const struct reply *argument_refuse_type(const struct argument *row, const struct field *f,
                                                const struct arguments_subject *s)
{
    char reason[64];
    snprintf(reason, sizeof(reason),
             row->kind == KIND_INT ? "\"expected integer, got %s\"" : "{unacceptable_type,%s}",
             field_type_name(f->tag));
    return argument_refuse(row, reason, s);
}

/* A value of the right type that is out of range. */
static const struct reply *argument_refuse_value(const struct argument *row, const struct field *f,
                                                 const struct arguments_subject *s)
{
    struct argument_text text;
    int64_t v = 0;
    bool number = field_int(f, &v);
    char digits[64];
    snprintf(digits, sizeof(digits), "%" PRId64, v);
    if (row->style == STYLE_SENTENCE && v >= 0) {
        argument_text_sentence(&text, row->reason, number ? span_str(digits) : f->value, "'");
        return argument_refuse(row, text.at, s);
    }
    if (!number)
        return argument_refuse(row, row->reason, s);
    const char *why = v < 0 ? "value_negative" : v < row->min ? "value_zero" : row->reason;
    snprintf(digits, sizeof(digits), "{%s,%" PRId64 "}", why, v);
    return argument_refuse(row, digits, s);
}

static bool argument_has_word(const struct argument *row, const struct field *f)
{
    if (row->words == NULL)
        return true;
    for (const char *const *word = row->words; *word != NULL; word++)
        if (field_is_word(f, *word))
            return true;
    return false;
}

static const struct reply *argument_check(const struct argument *row, const struct field *f,
                                          const struct arguments_subject *s)
{
    int64_t v;
    switch (row->kind) {
    case KIND_ANY: return NULL;
    case KIND_INT:
        if (!field_int(f, &v))
            return argument_refuse_type(row, f, s);
        return v < row->min || v > row->max ? argument_refuse_value(row, f, s) : NULL;
    case KIND_BOOL: return f->tag != 't' ? argument_refuse_type(row, f, s) : NULL;
    case KIND_WORD:
        if (f->tag != 'S')
            return argument_refuse_type(row, f, s);
        return argument_has_word(row, f) ? NULL : argument_refuse_value(row, f, s);
    }
    return NULL;
}

/* Each argument that `type` knows, by its row. */
static const struct reply *arguments_check_values(const struct arguments_found *found,
                                                  enum queue_type type,
                                                  const struct arguments_subject *s)
{
    for (size_t i = 0; i < found->n_rows; i++) {
        const struct field *f = arguments_at(found, i);
        if (f == NULL || found->rows[i].known[type] == 0)
            continue;
        const struct reply *refusal = argument_check(&found->rows[i], f, s);
        if (refusal != NULL)
            return refusal;
        if (found->rows == QUEUE_ROWS && i == ARGUMENT_DLX_KEY &&
            arguments_at(found, ARGUMENT_DLX) == NULL)
            return argument_refuse(&found->rows[i], "routing_key_but_no_dlx_defined", s);
    }
    return NULL;
}

/* Names the first argument in the client's table that belongs to other types alone. */
static const struct reply *arguments_check_known(const struct arguments_found *found,
                                                 enum queue_type type,
                                                 const struct arguments_subject *s)
{
    size_t first = 0;
    const struct argument *foreign = NULL;
    for (size_t i = 0; i < found->n_rows; i++) {
        const struct argument *row = &found->rows[i];
        if (found->place[i] == 0 || row->known[type] != 0 || row->elsewhere == ELSEWHERE_IGNORED)
            continue;
        if (foreign == NULL || found->place[i] < first) {
            foreign = row;
            first = found->place[i];
        }
    }
    if (foreign == NULL)
        return NULL;
    return fault_set(s->f, REPLY_PRECONDITION_FAILED,
                     "invalid arg '%s' for queue '%.*s' in vhost '%.*s' of queue type %s",
                     foreign->name, SPAN_FMT(s->queue_name), SPAN_FMT(s->vhost_name),
                     MODULES[type]);
}

static const struct reply *queue_check_property(bool wrong, const char *property,
                                                const struct arguments_subject *s)
{
    if (!wrong)
        return NULL;
    return fault_set(s->f, REPLY_PRECONDITION_FAILED,
                     "invalid property '%s' for queue '%.*s' in vhost '%.*s'", property,
                     SPAN_FMT(s->queue_name), SPAN_FMT(s->vhost_name));
}

const struct reply *queue_arguments_check_unnamed(struct span arguments, struct fault *f)
{
    struct arguments_found found;
    queue_arguments_find(&found, arguments);
    const struct field *type = arguments_at(&found, ARGUMENT_TYPE);
    const char *module = field_is_word(type, "quorum")   ? MODULES[QUEUE_QUORUM]
                         : field_is_word(type, "stream") ? "rabbit_stream_queue"
                                                         : NULL;
    if (module == NULL)
        return NULL;
    return fault_set(f, REPLY_PRECONDITION_FAILED,
                     "Cannot declare a server-named queue for type %s", module);
}

const struct reply *queue_arguments_check(struct span arguments, bool durable, bool exclusive,
                                          bool auto_delete, struct span queue_name,
                                          struct span vhost_name, struct fault *f)
{
    const struct arguments_subject s = {queue_name, vhost_name, f};
    struct arguments_found found;
    const struct reply *refusal;
    queue_arguments_find(&found, arguments);
    const struct field *dlx = arguments_at(&found, ARGUMENT_DLX);
    if (dlx != NULL && dlx->tag != 'S')
        return fault_set(f, REPLY_PRECONDITION_FAILED,
                         "invalid type '%s' for arg '%s' in queue '%.*s' in vhost '%.*s'",
                         field_type_name(dlx->tag), QUEUE_ROWS[ARGUMENT_DLX].name,
                         SPAN_FMT(queue_name), SPAN_FMT(vhost_name));
    enum queue_type type = arguments_type(&found);
    if ((refusal = arguments_check_values(&found, type, &s)) != NULL ||
        (refusal = arguments_check_known(&found, type, &s)) != NULL || type == QUEUE_CLASSIC)
        return refusal;
    if ((refusal = queue_check_property(auto_delete, "auto-delete", &s)) != NULL ||
        (refusal = queue_check_property(exclusive, "exclusive-owner", &s)) != NULL)
        return refusal;
    return queue_check_property(!durable, "non-durable", &s);
}

/* A timestamp, or any other integer that is not negative. */
static bool argument_natural(const struct field *f, uint64_t *v)
{
    struct span in = f->value;
    int64_t n = 0;
    if (f->tag == 'T')
        return take_u64(&in, v);
    if (!field_int(f, &n) || n < 0)
        return false;
    *v = (uint64_t)n;
    return true;
}

/* Equal as Erlang terms, whose kinds are fewer than AMQP's: a timestamp is an integer, bytes are a
 * string, and an empty table is an empty array. */
static bool argument_equal(const struct field *a, const struct field *b)
{
    uint64_t ia = 0;
    uint64_t ib = 0;
    if (field_eq(a, b))
        return true;
    if (argument_natural(a, &ia) && argument_natural(b, &ib))
        return ia == ib;
    if ((a->tag == 'S' || a->tag == 'x') && (b->tag == 'S' || b->tag == 'x'))
        return span_eq(a->value, b->value);
    if (a->tag == 't' && b->tag == 't')
        return (a->value.at[0] != 0) == (b->value.at[0] != 0);
    return (a->tag == 'A' || a->tag == 'F') && (b->tag == 'A' || b->tag == 'F') &&
           a->value.size == 0 && b->value.size == 0;
}

/* At least one of the two fields is there. */
static const struct reply *argument_refuse_unequal(const char *name, const struct field *declared,
                                                   const struct field *current,
                                                   const struct arguments_subject *s)
{
    struct argument_text received;
    struct argument_text kept;
    ASSERT(declared != NULL || current != NULL);
    if (declared != NULL)
        argument_text_value(&received, declared);
    if (current != NULL)
        argument_text_value(&kept, current);
    if (current == NULL)
        return fault_set(s->f, REPLY_PRECONDITION_FAILED,
                         "inequivalent arg '%s' for queue '%.*s' in vhost '%.*s': "
                         "received the value '%s' of type '%s' but current is none",
                         name, SPAN_FMT(s->queue_name), SPAN_FMT(s->vhost_name), received.at,
                         field_type_name(declared->tag));
    if (declared == NULL)
        return fault_set(s->f, REPLY_PRECONDITION_FAILED,
                         "inequivalent arg '%s' for queue '%.*s' in vhost '%.*s': "
                         "received none but current is the value '%s' of type '%s'",
                         name, SPAN_FMT(s->queue_name), SPAN_FMT(s->vhost_name), kept.at,
                         field_type_name(current->tag));
    bool received_void = declared->tag == 'V';
    bool kept_void = current->tag == 'V';
    return fault_set(s->f, REPLY_PRECONDITION_FAILED,
                     "inequivalent arg '%s' for queue '%.*s' in vhost '%.*s': "
                     "received %s%s%s but current is %s%s%s",
                     name, SPAN_FMT(s->queue_name), SPAN_FMT(s->vhost_name),
                     received_void ? "" : "'", received_void ? "none" : received.at,
                     received_void ? "" : "'", kept_void ? "" : "'", kept_void ? "none" : kept.at,
                     kept_void ? "" : "'");
}

static bool arguments_differ(const struct arguments_found *declared,
                             const struct arguments_found *current, size_t row)
{
    const struct field *d = arguments_at(declared, row);
    const struct field *c = arguments_at(current, row);
    if (row == ARGUMENT_TYPE && field_is_classic(d) && field_is_classic(c))
        return false;
    if (d == NULL || c == NULL)
        return d != c;
    return !argument_equal(d, c);
}

const struct reply *queue_arguments_equal(struct span declared, struct span current,
                                          struct span queue_name, struct span vhost_name,
                                          struct fault *f)
{
    const struct arguments_subject s = {queue_name, vhost_name, f};
    struct arguments_found d;
    struct arguments_found c;
    if (span_eq(declared, current))
        return NULL;
    queue_arguments_find(&d, declared);
    queue_arguments_find(&c, current);
    enum queue_type type = arguments_type(&c);
    size_t first = N_QUEUE_ARGUMENTS;
    for (size_t i = 0; i < N_QUEUE_ARGUMENTS; i++) {
        uint8_t place = QUEUE_ROWS[i].known[type];
        if (place == 0 || !arguments_differ(&d, &c, i))
            continue;
        if (first == N_QUEUE_ARGUMENTS || place < QUEUE_ROWS[first].known[type])
            first = i;
    }
    if (first == N_QUEUE_ARGUMENTS)
        return NULL;
    return argument_refuse_unequal(QUEUE_ROWS[first].name, arguments_at(&d, first),
                                   arguments_at(&c, first), &s);
}

static int64_t arguments_int(const struct arguments_found *found, size_t row)
{
    const struct field *f = arguments_at(found, row);
    int64_t v;
    return f != NULL && field_int(f, &v) ? v : QUEUE_SETTING_NONE;
}

/* `.at` is NULL only when there is none: an empty value still points into the table. */
static struct span arguments_span(const struct arguments_found *found, size_t row)
{
    const struct field *f = arguments_at(found, row);
    return f != NULL && f->tag == 'S' ? f->value : SPAN_NONE;
}

void queue_settings_read(struct span arguments, struct queue_settings *settings)
{
    struct arguments_found found;
    queue_arguments_find(&found, arguments);
    const struct field *single = arguments_at(&found, ARGUMENT_SINGLE_ACTIVE);
    const struct field *overflow = arguments_at(&found, ARGUMENT_OVERFLOW);
    int64_t priority_max = arguments_int(&found, ARGUMENT_PRIORITY);
    enum queue_type type = arguments_type(&found);
    *settings = (struct queue_settings){
        .type = type,
        .overflow = OVERFLOW_DROP_HEAD,
        .single_active_consumer = single != NULL && single->tag == 't' && single->value.at[0] != 0,
        .priority_max = priority_max > 0 ? (uint8_t)priority_max : 0,
        .message_ttl_ms = arguments_int(&found, ARGUMENT_MESSAGE_TTL),
        .expires_ms = arguments_int(&found, ARGUMENT_EXPIRES),
        .length_max = arguments_int(&found, ARGUMENT_LENGTH),
        .length_bytes_max = arguments_int(&found, ARGUMENT_LENGTH_BYTES),
        .delivery_limit = arguments_int(&found, ARGUMENT_DELIVERY_LIMIT),
        .dead_letter_exchange = arguments_span(&found, ARGUMENT_DLX),
        .dead_letter_routing_key = arguments_span(&found, ARGUMENT_DLX_KEY),
    };
    for (size_t i = 0; OVERFLOWS[i] != NULL; i++)
        if (field_is_word(overflow, OVERFLOWS[i]))
            settings->overflow = (enum queue_overflow)i;
}

const struct reply *consumer_arguments_check(struct span arguments, enum queue_type type,
                                             struct span queue_name, struct span vhost_name,
                                             int32_t *priority, struct fault *f)
{
    const struct arguments_subject s = {queue_name, vhost_name, f};
    struct arguments_found found;
    const struct reply *refusal;
    *priority = 0;
    arguments_find(&found, CONSUMER_ROWS, N_CONSUMER_ARGUMENTS, arguments);
    if ((refusal = arguments_check_values(&found, type, &s)) != NULL ||
        (refusal = arguments_check_known(&found, type, &s)) != NULL)
        return refusal;
    const struct field *given = arguments_at(&found, ARGUMENT_CONSUMER_PRIORITY);
    int64_t v = 0;
    if (given != NULL && field_int(given, &v))
        *priority = v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
    return NULL;
}
