// SPDX-License-Identifier: Apache-2.0
#include "tests/broker/core_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "amqp/table.h"
#include "base/bytes.h"
#include "base/limits.h"
#include "base/log.h"
#include "broker/core/messages.h"
#include "broker/core/restore.h"
#include "broker/core/vhost.h"

enum { TEXT_MAX = 4096 };

/* ---- The world ---- */

static uint64_t fixture_now_ns(struct env *env)
{
    return ((struct fixture *)env->self)->now_ns;
}

static void fixture_secret(struct env *env, void *at, size_t size)
{
    (void)env;
    memset(at, 0x5a, size);
}

static uint64_t fixture_delay(void *arg)
{
    return ((struct fixture *)arg)->delay;
}

static uint64_t fixture_wall_ns(struct env *env)
{
    return UINT64_C(1700000000000000000) + fixture_now_ns(env);
}

static struct fixture *fixture_begin(void)
{
    struct fixture *fx = calloc(1, sizeof(*fx));
    ck_assert_ptr_nonnull(fx);
    log_set_level(LOG_LEVEL_ERROR);
    fx->env = (struct env){
        .now_ns = fixture_now_ns, .secret = fixture_secret, .wall_ns = fixture_wall_ns, .self = fx};
    fx->message_size_max = 1 << 24;
    users_init(&fx->users);
    ck_assert_int_eq(
        users_add(&fx->users, SPAN_LIT("guest"), SPAN_LIT("guest"), (const uint8_t *)"salt", true),
        OK);
    return fx;
}

static void fixture_new_core(struct fixture *fx, uint64_t memory_limit_bytes)
{
    struct link *links[FIXTURE_LINKS];
    for (unsigned i = 0; i < FIXTURE_LINKS; i++) {
        ck_assert_int_eq(link_init(&fx->links[i]), OK);
        links[i] = &fx->links[i];
    }
    struct core_options options = {.env = &fx->env,
                                   .store = fx->store,
                                   .users = &fx->users,
                                   .version = SPAN_LIT("4.2.0"),
                                   .default_vhost = SPAN_LIT("/"),
                                   .frame_max = 131072,
                                   .channel_max = 2047,
                                   .heartbeat_s = 60,
                                   .message_size_max = fx->message_size_max,
                                   .memory_limit_bytes = memory_limit_bytes};
    ck_assert_int_eq(core_new(&fx->core, &options, links, FIXTURE_LINKS), OK);
}

struct fixture *fixture_new(uint64_t memory_limit_bytes)
{
    struct fixture *fx = fixture_begin();
    ck_assert_int_eq(null_keeper_init(&fx->keeper, fixture_delay, fx), OK);
    fx->store = fx->keeper.store;
    fixture_new_core(fx, memory_limit_bytes);
    return fx;
}

static void fixture_wake(void *arg)
{
    (void)arg; /* both sides look for themselves */
}

enum err fixture_new_kept(struct fixture **out, struct disk *disk)
{
    struct fixture *fx = fixture_begin();
    struct keeper_options options = {.disk = disk,
                                     .env = &fx->env,
                                     .file_bytes = FIXTURE_FILE_BYTES,
                                     .journal_bytes = FIXTURE_JOURNAL_BYTES,
                                     .parts = message_stored_parts,
                                     .wake_core = fixture_wake,
                                     .wake_disk = fixture_wake};
    uint64_t holder;
    *out = NULL;
    enum err e = keeper_open(&fx->kept, &options, &holder);
    if (e != OK) {
        users_fini(&fx->users);
        free(fx);
        return e;
    }
    fx->store = keeper_store(fx->kept);
    fixture_new_core(fx, 0);
    struct recovery_target target = restore_target(fx->core);
    e = keeper_restore(fx->kept, &target);
    if (e != OK) {
        fixture_drop(fx);
        return e;
    }
    core_check(fx->core);
    *out = fx;
    return OK;
}

bool fixture_work(struct fixture *fx)
{
    return keeper_work(fx->kept) == KEEPER_WORKED;
}

/* Between two turns. True when the core should have one at once. */
static bool fixture_keep(struct fixture *fx)
{
    bool more;
    if (fx->kept == NULL) {
        more = null_keeper_step(&fx->keeper);
    } else {
        more = keeper_step(fx->kept, fx->now_ns);
        more |= fixture_work(fx);
        more |= keeper_step(fx->kept, fx->now_ns);
    }
    return more || store_durable(fx->store) != fx->core->durable;
}

static void fixture_drain(struct fixture *fx);

static void fixture_close(struct fixture *fx)
{
    fx->store_held = false;
    fx->out_held = false;
    for (unsigned i = 0; i < fx->n_clients; i++)
        if (fx->clients[i].open && !fx->clients[i].closed)
            put_closed(&fx->clients[i]);
    fixture_run(fx);
    for (unsigned i = 0; i < fx->n_clients; i++) {
        ck_assert_msg(!fx->clients[i].open, "client %u was not released", i);
    }
}

void fixture_free(struct fixture *fx)
{
    fixture_close(fx);
    fixture_drop(fx);
}

void fixture_stop(struct fixture *fx)
{
    fixture_close(fx);
    ck_assert(keeper_stop(fx->kept, restore_mark(fx->core)));
    fixture_drop(fx);
}

void fixture_drop(struct fixture *fx)
{
    for (unsigned i = 0; i < fx->n_clients; i++)
        forget(&fx->clients[i]);
    core_free(fx->core);
    fixture_drain(fx);
    for (unsigned i = 0; i < FIXTURE_LINKS; i++)
        link_fini(&fx->links[i]);
    if (fx->kept == NULL)
        null_keeper_fini(&fx->keeper);
    keeper_close(fx->kept);
    users_fini(&fx->users);
    free(fx);
}

bool fixture_step(struct fixture *fx)
{
    for (unsigned i = 0; i < FIXTURE_LINKS; i++)
        ring_publish(&fx->links[i].in);
    bool more = core_step(fx->core);
    core_check(fx->core);
    if (!fx->store_held)
        more |= fixture_keep(fx);
    if (!fx->out_held)
        fixture_drain(fx);
    return more;
}

static bool fixture_has_input(struct fixture *fx)
{
    bool has = false;
    for (unsigned i = 0; i < FIXTURE_LINKS; i++) {
        ring_publish(&fx->links[i].in);
        has |= ring_see_published(&fx->links[i].in);
    }
    return has;
}

void fixture_run(struct fixture *fx)
{
    unsigned n = 0;
    bool more;
    do {
        more = fixture_step(fx) && !fx->out_held;
        ck_assert_msg(n++ < 1000000, "the core never comes to rest");
    } while (more || (!fx->out_held && fixture_has_input(fx)));
    core_check_rest(fx->core);
}

struct queue *fixture_queue(struct fixture *fx, const char *name)
{
    return vhost_queue(fx->core->vhost, span_str(name));
}

/* ---- What the core says ---- */

static void client_add_line(struct client *c, const char *text)
{
    ck_assert_uint_lt(c->n_lines, FIXTURE_LINES);
    c->lines[c->n_lines] = strdup(text);
    ck_assert_ptr_nonnull(c->lines[c->n_lines++]);
}

static uint64_t field_number(const struct method *m, const struct method_field *f)
{
    const void *at = (const uint8_t *)m + f->offset;
    switch (f->type) {
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

static size_t print_method(char *text, uint16_t channel, const struct method *m)
{
    size_t n_fields;
    const struct method_field *fields = method_fields(m->id, &n_fields);
    size_t n = (size_t)snprintf(text, TEXT_MAX, "%u %s", channel, method_info(m->id)->name);
    for (size_t i = 0; i < n_fields; i++) {
        const struct method_field *f = &fields[i];
        const struct span *s = (const void *)((const uint8_t *)m + f->offset);
        uint64_t number = field_number(m, f);
        if (f->type == METHOD_TYPE_table)
            continue;
        if ((f->type == METHOD_TYPE_shortstr || f->type == METHOD_TYPE_longstr) && s->size != 0)
            n += (size_t)snprintf(text + n, TEXT_MAX - n, " %s=%.*s", f->name, SPAN_FMT(*s));
        else if (f->type == METHOD_TYPE_bit && number != 0)
            n += (size_t)snprintf(text + n, TEXT_MAX - n, " %s", f->name);
        else if (number != 0)
            n += (size_t)snprintf(text + n, TEXT_MAX - n, " %s=%llu", f->name,
                                  (unsigned long long)number);
    }
    return n;
}

static void client_hear_frames(struct client *c, struct span bytes)
{
    char text[TEXT_MAX];
    while (bytes.size != 0) {
        uint8_t type;
        uint16_t channel;
        uint32_t size;
        uint8_t end;
        struct span payload;
        struct method m;
        struct fault f;
        ck_assert(take_u8(&bytes, &type) && take_u16(&bytes, &channel) && take_u32(&bytes, &size) &&
                  take_span(&bytes, size, &payload) && take_u8(&bytes, &end));
        ck_assert_uint_eq(type, FRAME_METHOD);
        ck_assert_uint_eq(end, FRAME_END);
        ck_assert_ptr_null(method_decode(payload, &m, &f));
        print_method(text, channel, &m);
        client_add_line(c, text);
    }
}

static void client_hear_content(struct client *c, const struct out_content *out)
{
    char text[TEXT_MAX];
    uint8_t payload[TEXT_MAX];
    struct method m;
    struct fault f;
    uint8_t *p = put_bytes(payload, span_of(out->bytes, out->prefix_size));
    p = put_bytes(p, message_route(out->message));
    p = put_bytes(p, span_of(out->bytes + out->prefix_size, out->suffix_size));
    ck_assert_ptr_null(method_decode(span_of(payload, (size_t)(p - payload)), &m, &f));
    size_t n = print_method(text, out->head.channel, &m);
    struct span body = message_body(out->message);
    if (body.size > 200)
        snprintf(text + n, sizeof(text) - n, " | %zu bytes", body.size);
    else
        snprintf(text + n, sizeof(text) - n, " | %.*s", SPAN_FMT(body));
    client_add_line(c, text);
    c->contents++;
}

static void client_hear_order(struct client *c, enum order order)
{
    static const char *const NAMES[] = {
        [ORDER_OPEN] = "order OPEN",         [ORDER_CLOSING] = "order CLOSING",
        [ORDER_CLOSE] = "order CLOSE",       [ORDER_CLOSE_LATE] = "order CLOSE_LATE",
        [ORDER_PAUSE] = "order PAUSE",       [ORDER_RESUME] = "order RESUME",
        [ORDER_THROTTLE] = "order THROTTLE", [ORDER_UNTHROTTLE] = "order UNTHROTTLE",
        [ORDER_RELEASED] = "order RELEASED"};
    client_add_line(c, NAMES[order]);
    if (order == ORDER_RELEASED)
        c->open = false;
}

static void fixture_take_home(struct fixture *fx, struct body *b)
{
    for (struct body *next; b != NULL; b = next, fx->n_bodies_home++) {
        next = b->next;
        body_free(b);
    }
}

static void fixture_record(struct fixture *fx, const struct out_head *head)
{
    if (head->kind == OUT_BODIES) {
        fixture_take_home(fx, ((const struct out_bodies *)head)->first);
        return;
    }
    ck_assert_uint_lt(head->conn.index, fx->n_clients);
    struct client *c = &fx->clients[head->conn.index];
    ck_assert_uint_eq(head->conn.generation, c->conn.generation);
    if (head->kind == OUT_CONTENT && c->closed)
        return; /* after IN_CLOSED the message may be gone */
    if (head->kind == OUT_BYTES)
        client_hear_frames(c, span_of(((const struct out_bytes *)head)->bytes,
                                      ((const struct out_bytes *)head)->size));
    else if (head->kind == OUT_CONTENT)
        client_hear_content(c, (const struct out_content *)head);
    else
        client_hear_order(c, (enum order)((const struct out_order *)head)->order);
}

static void fixture_drain(struct fixture *fx)
{
    uint64_t before[FIXTURE_CLIENTS];
    for (unsigned i = 0; i < fx->n_clients; i++)
        before[i] = fx->clients[i].contents;
    for (unsigned i = 0; i < FIXTURE_LINKS; i++) {
        size_t size;
        ring_see_published(&fx->links[i].out);
        for (void *at; (at = ring_peek(&fx->links[i].out, &size)) != NULL;
             ring_skip(&fx->links[i].out))
            fixture_record(fx, at);
        ring_release(&fx->links[i].out);
    }
    for (unsigned i = 0; i < fx->n_clients; i++) {
        struct client *c = &fx->clients[i];
        if (c->open && !c->closed && !c->stalled && c->contents != before[i])
            put_sent(c);
    }
}

size_t n_heard(const struct client *c)
{
    return c->n_lines;
}

const char *line_heard(const struct client *c, size_t i)
{
    ck_assert_uint_lt(i, c->n_lines);
    return c->lines[i];
}

void forget(struct client *c)
{
    while (c->n_lines != 0)
        free(c->lines[--c->n_lines]);
}

void heard_lines(struct client *c, const char *file, int line, const char *const *lines)
{
    size_t n = 0;
    for (; lines[n] != NULL; n++) {
        const char *got = n < c->n_lines ? c->lines[n] : "(nothing)";
        ck_assert_msg(strcmp(got, lines[n]) == 0, "%s:%d: line %zu is\n  %s\nand not\n  %s", file,
                      line, n, got, lines[n]);
    }
    ck_assert_msg(n == c->n_lines, "%s:%d: there is a line more:\n  %s", file, line,
                  n < c->n_lines ? c->lines[n] : "");
    forget(c);
}

/* ---- What clients say ---- */

static void *client_record(struct client *c, size_t size, enum in_kind kind, uint16_t channel)
{
    struct ring *in = &c->fx->links[c->link].in;
    struct in_head *head = ring_reserve(in, size);
    if (head == NULL) {
        fixture_step(c->fx); /* the ring is full: let the core take what is there */
        ring_see_released(in);
        head = ring_reserve(in, size);
    }
    ck_assert_ptr_nonnull(head);
    memset(head, 0, size);
    *head = (struct in_head){.kind = kind, .conn = c->conn, .channel = channel};
    ring_commit(in, size);
    return head;
}

static void set_field(struct method *m, const char *name, const char *value)
{
    size_t n_fields;
    const struct method_field *fields = method_fields(m->id, &n_fields);
    for (size_t i = 0; i < n_fields; i++) {
        void *at = (uint8_t *)m + fields[i].offset;
        if (strcmp(fields[i].name, name) != 0)
            continue;
        uint64_t number = value == NULL ? 1 : strtoull(value, NULL, 10);
        switch (fields[i].type) {
        case METHOD_TYPE_octet: *(uint8_t *)at = (uint8_t)number; return;
        case METHOD_TYPE_shortu: *(uint16_t *)at = (uint16_t)number; return;
        case METHOD_TYPE_longu: *(uint32_t *)at = (uint32_t)number; return;
        case METHOD_TYPE_longlongu: *(uint64_t *)at = number; return;
        case METHOD_TYPE_bit: *(bool *)at = number != 0; return;
        case METHOD_TYPE_shortstr:
        case METHOD_TYPE_longstr:
        case METHOD_TYPE_table: *(struct span *)at = span_str(value); return;
        }
    }
    ck_abort_msg("%s has no field %s", method_info(m->id)->name, name);
}

/* `text` is cut into words; the method borrows it. */
static uint16_t parse_method(char *text, struct method *m)
{
    char *rest = text;
    uint16_t channel = (uint16_t)strtoul(strsep(&rest, " "), NULL, 10);
    const char *name = strsep(&rest, " ");
    memset(m, 0, sizeof(*m));
    m->id = method_by_name(span_str(name));
    ck_assert_msg(m->id != METHOD_NONE, "no method %s", name);
    while (rest != NULL) {
        char *value = strsep(&rest, " ");
        char *field = strsep(&value, "=");
        if (*field != 0)
            set_field(m, field, value);
    }
    return channel;
}

static void put_publish(struct client *c, uint16_t channel, const struct method *m,
                        struct span body, uint64_t size, struct body *large)
{
    uint8_t payload[1024];
    uint8_t *end = method_encode(payload, m);
    bool publish = m->id == METHOD_basic_publish;
    struct span route = publish ? span_of(payload + 6, (size_t)(end - payload) - 7) : SPAN_NONE;
    struct span properties = c->properties.size != 0 ? c->properties : SPAN_LIT("\0\0");
    size_t behind = route.size + 12 + properties.size + body.size;
    struct in_publish *in = client_record(c, sizeof(*in) + behind, IN_PUBLISH, channel);
    in->method_id = (uint8_t)m->id;
    in->mandatory = publish && m->basic_publish.mandatory;
    in->immediate = publish && m->basic_publish.immediate;
    uint8_t *at = (uint8_t *)(in + 1);
    in->route = span_of(at, route.size);
    at = put_bytes(at, route);
    in->header = span_of(at, 12 + properties.size);
    at = put_bytes(put_u64(put_u16(put_u16(at, CLASS_BASIC), 0), size), properties);
    in->body = span_of(at, body.size);
    put_bytes(at, body);
    in->body_size = size;
    in->large = large;
}

void put_body(struct client *c, uint16_t channel, const char *exchange, const char *key,
              struct span body, uint64_t size, struct body *large)
{
    struct method m = {.id = METHOD_basic_publish};
    m.basic_publish = (struct amqp_basic_publish){.exchange = span_str(exchange),
                                                  .routing_key = span_str(key)};
    put_publish(c, channel, &m, body, size, large);
}

void hand_out(struct client *c, unsigned n)
{
    say(c, "1 queue_declare queue=q no_wait");
    for (unsigned i = 1; i <= n; i++)
        put(c, "1 basic_publish routing_key=q | %u", i);
    fixture_run(c->fx);
    for (unsigned i = 1; i <= n; i++)
        put(c, "1 basic_get queue=q");
    fixture_run(c->fx);
    ck_assert_uint_eq(n_heard(c), n);
    forget(c);
}

void put_method(struct client *c, uint16_t channel, const struct method *m)
{
    size_t size = method_size(m);
    struct in_method *in = client_record(c, sizeof(*in) + size, IN_METHOD, channel);
    struct fault f;
    method_encode((uint8_t *)(in + 1), m);
    in->payload = span_of(in + 1, size);
    ck_assert_ptr_null(method_decode(in->payload, &in->method, &f));
}

__attribute__((format(printf, 2, 0))) static void put_line(struct client *c, const char *line,
                                                           va_list args)
{
    char text[TEXT_MAX];
    struct method m;
    vsnprintf(text, sizeof(text), line, args);
    char *bar = strstr(text, " | ");
    if (bar != NULL)
        *bar = 0;
    uint16_t channel = parse_method(text, &m);
    if (bar == NULL)
        put_method(c, channel, &m);
    else
        put_publish(c, channel, &m, span_str(bar + 3), strlen(bar + 3), NULL);
}

void put(struct client *c, const char *line, ...)
{
    va_list args;
    va_start(args, line);
    put_line(c, line, args);
    va_end(args);
}

void say(struct client *c, const char *line, ...)
{
    va_list args;
    va_start(args, line);
    put_line(c, line, args);
    va_end(args);
    fixture_run(c->fx);
}

void put_closed(struct client *c)
{
    client_record(c, sizeof(struct in_head), IN_CLOSED, 0);
    c->closed = true;
}

void put_fault(struct client *c, const struct reply *reply, const char *text)
{
    struct in_fault *in = client_record(c, sizeof(*in), IN_FAULT, 0);
    fault_set(&in->fault, reply, "%s", text);
}

void put_sent(struct client *c)
{
    struct in_sent *in = client_record(c, sizeof(*in), IN_SENT, 0);
    in->contents = c->contents;
}

struct client *fixture_socket(struct fixture *fx, unsigned link)
{
    ck_assert_uint_lt(fx->n_clients, FIXTURE_CLIENTS);
    struct client *c = &fx->clients[fx->n_clients];
    c->fx = fx;
    c->link = link;
    c->conn = (struct slot_id){fx->n_clients++, 1};
    c->open = true;
    struct in_opened *in = client_record(c, sizeof(*in), IN_OPENED, 0);
    in->loopback = true;
    in->peer[0] = 0;
    fixture_run(fx);
    return c;
}

struct client *fixture_connect(struct fixture *fx)
{
    static const uint8_t RESPONSE[] = "\0guest\0guest";
    struct client *c = fixture_socket(fx, fx->n_clients % FIXTURE_LINKS);
    struct buf caps;
    struct buf properties;
    buf_init(&caps);
    buf_init(&properties);
    ck_assert_int_eq(table_add_bool(&caps, SPAN_LIT("consumer_cancel_notify"), true), OK);
    ck_assert_int_eq(table_add(&properties, SPAN_LIT("capabilities"), 'F', buf_span(&caps)), OK);
    struct method m = {.id = METHOD_connection_start_ok};
    m.connection_start_ok.client_properties = buf_span(&properties);
    m.connection_start_ok.mechanism = SPAN_LIT("PLAIN");
    m.connection_start_ok.response = span_of(RESPONSE, sizeof(RESPONSE) - 1);
    m.connection_start_ok.locale = SPAN_LIT("en_US");
    put_method(c, 0, &m);
    buf_fini(&caps);
    buf_fini(&properties);
    put(c, "0 connection_tune_ok channel_max=2047 frame_max=131072");
    put(c, "0 connection_open virtual_host=/");
    say(c, "1 channel_open");
    ck_assert_str_eq(line_heard(c, n_heard(c) - 1), "1 channel_open_ok");
    forget(c);
    return c;
}
