// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/play.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "amqp/wire.h"
#include "base/bytes.h"
#include "tests/wire/dialogue.h"
#include "tests/wire/fields.h"

enum { UNTIL_PAUSE_NS = 5000000 };

struct where {
    struct peer *peer;
    uint16_t channel; /* as named, or 1 */
    bool named;
};

/* ---- Small parts ---- */

static uint16_t play_channel(const struct where *w, enum method_id id)
{
    return !w->named && method_info(id)->class_id == 10 ? 0 : w->channel;
}

static void play_remember(struct amqt *a, bool exchange, struct span name)
{
    if (name.size == 0 || (exchange && span_starts(name, SPAN_LIT("amq."))))
        return;
    struct declared *d = script_alloc(&a->script, sizeof(*d));
    *d = (struct declared){a->declared, exchange, script_copy(&a->script, name)};
    a->declared = d;
}

/* ---- Clients ---- */

static struct peer *play_find(const struct amqt *a, struct span name)
{
    for (struct peer *p = a->peers; p != NULL; p = p->next)
        if (span_eq(p->name, name))
            return p;
    return NULL;
}

/* A name that is used again names the new connection; the old one stays until the case ends. */
static void play_client(struct amqt *a)
{
    struct script *s = &a->script;
    struct span name = script_word(s);
    if (name.size < 2 || name.at[name.size - 1] != ':')
        script_fail(s, "'client NAME:' is wanted");
    struct peer *p = peer_connect(s, a->port, span_of(name.at, name.size - 1), a->rabbitmq);
    p->next = a->peers;
    a->peers = p;
    if (script_take(s, "open"))
        dialogue_open(p);
    else
        script_need(s, "connect");
}

/* ---- Sending ---- */

static void play_send_frame(struct script *s, const struct where *w)
{
    uint8_t type = (uint8_t)script_number(s);
    struct span payload = script_payload(s);
    uint8_t end = script_take(s, "end") ? (uint8_t)script_number(s) : FRAME_END;
    uint8_t *frame = script_alloc(s, payload.size + FRAME_OVERHEAD);
    uint8_t *at = frame_put_head(frame, type, w->channel, (uint32_t)payload.size);
    put_u8(put_bytes(at, payload), end);
    peer_send(w->peer, span_of(frame, payload.size + FRAME_OVERHEAD));
}

static void play_send(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    if (script_take(s, "raw")) {
        peer_send(w->peer, script_payload(s));
        return;
    }
    if (script_take(s, "frame")) {
        play_send_frame(s, w);
        return;
    }
    if (script_take(s, "heartbeat")) {
        peer_send_frame(w->peer, FRAME_HEARTBEAT, w->channel == 1 && !w->named ? 0 : w->channel,
                        SPAN_NONE);
        return;
    }
    struct message_script m;
    fields_read(s, &m);
    uint16_t channel = play_channel(w, m.method.id);
    if (m.method.id == METHOD_queue_declare)
        play_remember(a, false, m.method.queue_declare.queue);
    if (m.method.id == METHOD_exchange_declare)
        play_remember(a, true, m.method.exchange_declare.exchange);
    peer_send_method(w->peer, channel, &m.method);
    if (m.method.id == METHOD_connection_tune_ok)
        peer_set_frame_max(w->peer, m.method.connection_tune_ok.frame_max);
    if (method_info(m.method.id)->content && !m.bare)
        peer_send_content(w->peer, channel, m.rest, m.body);
}

/* ---- Expecting ---- */

static void play_expect_end(struct script *s, struct peer *p)
{
    uint64_t from_ns = p->sent_ns;
    peer_end(p);
    if (!script_take(s, "after"))
        return;
    double wanted = (double)script_number(s);
    double took = (double)(peer_now_ns() - from_ns) / 1e9;
    if (took < wanted - 0.1)
        script_fail(s, "%.*s ended after %.1f s, too soon", SPAN_FMT(p->name), took);
}

static void play_expect(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    bool skip = script_take(s, "~");
    if (script_take(s, "end")) {
        play_expect_end(s, w->peer);
        return;
    }
    if (script_take(s, "heartbeat")) {
        peer_heartbeat(w->peer);
        return;
    }
    if (script_take(s, "raw")) {
        struct span want = script_payload(s);
        struct span got = peer_raw(w->peer, want.size);
        if (!span_eq(want, got))
            script_fail(s, "%.*s got other bytes, %zu of them", SPAN_FMT(w->peer->name), got.size);
        return;
    }
    enum method_id id = fields_method(s);
    uint16_t channel = play_channel(w, id);
    struct item *item = skip ? peer_next(w->peer, channel, id)
                             : dialogue_expect(w->peer, channel, id);
    fields_expect(s, item, false);
    if (id == METHOD_queue_declare_ok)
        play_remember(a, false, item->method.queue_declare_ok.queue);
}

/* `CODE [CLASS.METHOD] "text"` against the fields that channel.close and connection.close share. */
static void play_check_close(struct script *s, const struct where *w, const struct item *item,
                             const struct amqp_channel_close *got)
{
    uint64_t code = script_number(s);
    const struct method_info *last = method_info(w->peer->last_method[w->channel]);
    unsigned class_id = last->class_id;
    unsigned method_id = last->method_id;
    if (script_peek(s, 0)->kind == TOKEN_WORD) {
        char word[32];
        struct span method = script_word(s);
        snprintf(word, sizeof(word), "%.*s", SPAN_FMT(method));
        if (sscanf(word, "%u.%u", &class_id, &method_id) != 2)
            script_fail(s, "'%s' is not CLASS.METHOD", word);
    }
    struct span text = script_text(s);
    if (got->reply_code != code || got->class_id != class_id || got->method_id != method_id ||
        !span_eq(got->reply_text, text))
        script_fail(s, "wanted %u %u.%u \"%.*s\", got %s", (unsigned)code, class_id, method_id,
                    SPAN_FMT(text), peer_print(s, item));
}

static void play_fails(struct amqt *a, struct where *w)
{
    struct item *item = dialogue_expect(w->peer, w->channel, METHOD_channel_close);
    play_check_close(&a->script, w, item, &item->method.channel_close);
    dialogue_reopen(w->peer, w->channel);
}

static void play_dies(struct amqt *a, struct where *w)
{
    struct item *item = dialogue_expect(w->peer, 0, METHOD_connection_close);
    const struct amqp_connection_close *c = &item->method.connection_close;
    struct amqp_channel_close got = {c->reply_code, c->reply_text, c->class_id, c->method_id};
    play_check_close(&a->script, w, item, &got);
    dialogue_end(w->peer);
}

/* What answers a barrier came after everything that was already on its way. */
static void play_quiet(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    struct method flow = {.id = METHOD_channel_flow, .channel_flow = {.active = true}};
    struct method declare = {.id = METHOD_queue_declare, .queue_declare = {.passive = true}};
    if (script_peek(s, 0)->kind != TOKEN_END && !script_is(s, 0, ";")) {
        declare.queue_declare.queue = script_text(s);
        peer_send_method(w->peer, w->channel, &declare);
        peer_next(w->peer, w->channel, METHOD_queue_declare_ok);
    } else {
        peer_send_method(w->peer, w->channel, &flow);
        peer_next(w->peer, w->channel, METHOD_channel_flow_ok);
    }
    struct item *item = peer_untaken(w->peer);
    if (item != NULL)
        script_fail(s, "%.*s wanted nothing and got on channel %u %s", SPAN_FMT(w->peer->name),
                    item->channel, peer_print(s, item));
}

/* Each tag of the range once; an ack of several reaches back to the range's beginning. */
static void play_confirms(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    char word[32];
    uint64_t low = 0;
    uint64_t high = 0;
    struct span range = script_word(s);
    snprintf(word, sizeof(word), "%.*s", SPAN_FMT(range));
    int n = sscanf(word, "%lu-%lu", &low, &high);
    high = n == 1 ? low : high;
    if (n < 1 || high < low)
        script_fail(s, "'%s' is not a range", word);
    bool *acked = script_alloc(s, high - low + 1);
    for (uint64_t left = high - low + 1; left != 0;) {
        struct item *item = dialogue_expect(w->peer, w->channel, METHOD_basic_ack);
        uint64_t tag = item->method.basic_ack.delivery_tag;
        bool multiple = item->method.basic_ack.multiple;
        if (tag < low || tag > high || acked[tag - low])
            script_fail(s, "%s is not due", peer_print(s, item));
        for (uint64_t t = multiple ? low : tag; t <= tag; t++) {
            left -= !acked[t - low];
            acked[t - low] = true;
        }
    }
}

/* The question is asked again while the answer is another one, or an error of the channel. */
static void play_until(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    uint64_t deadline_ns = peer_now_ns() + PEER_PATIENCE_MS * UINT64_C(1000000);
    struct message_script question;
    fields_read(s, &question);
    script_need(s, "gives");
    enum method_id wanted = fields_method(s);
    size_t answer_at = s->at;
    for (;;) {
        peer_send_method(w->peer, w->channel, &question.method);
        struct item *item = peer_next(w->peer, w->channel, METHOD_NONE);
        s->at = answer_at;
        if (item->method.id == wanted && fields_expect(s, item, true))
            return;
        if (peer_now_ns() > deadline_ns)
            script_fail(s, "%.*s still gets %s", SPAN_FMT(w->peer->name), peer_print(s, item));
        if (item->method.id == METHOD_channel_close)
            dialogue_reopen(w->peer, w->channel);
        nanosleep(&(struct timespec){.tv_nsec = UNTIL_PAUSE_NS}, NULL);
    }
}

/* ---- Leaving ---- */

static void play_close(struct amqt *a, struct where *w)
{
    (void)a;
    struct method m = {.id = METHOD_connection_close, .connection_close = {.reply_code = 200}};
    dialogue_call(w->peer, 0, &m, METHOD_connection_close_ok);
    peer_close(w->peer, false);
}

static void play_drop(struct amqt *a, struct where *w)
{
    (void)a;
    peer_close(w->peer, false);
}

static void play_reset(struct amqt *a, struct where *w)
{
    (void)a;
    peer_close(w->peer, true);
}

static void play_shutdown(struct amqt *a, struct where *w)
{
    (void)a;
    peer_shutdown(w->peer);
}

/* ---- Statements ---- */

static struct where play_where(struct amqt *a)
{
    struct script *s = &a->script;
    struct span word = script_word(s);
    const uint8_t *dot = memchr(word.at, '.', word.size);
    struct where w = {.channel = 1, .named = dot != NULL};
    w.peer = play_find(a, dot == NULL ? word : span_of(word.at, (size_t)(dot - word.at)));
    if (w.peer == NULL)
        script_fail(s, "there is no client %.*s", SPAN_FMT(word));
    if (dot != NULL)
        w.channel = (uint16_t)strtoul((const char *)dot + 1, NULL, 10);
    return w;
}

static void play_client_statement(struct amqt *a)
{
    static const struct {
        const char *verb;
        void (*play)(struct amqt *a, struct where *w);
    } VERBS[] = {{">", play_send},      {"<", play_expect},         {"fails", play_fails},
                 {"dies", play_dies},   {"quiet", play_quiet},      {"confirms", play_confirms},
                 {"until", play_until}, {"close", play_close},      {"drop", play_drop},
                 {"reset", play_reset}, {"shutdown", play_shutdown}};
    struct where w = play_where(a);
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++)
        if (script_take(&a->script, VERBS[i].verb)) {
            VERBS[i].play(a, &w);
            return;
        }
    script_fail(&a->script, "'%.*s' is not a verb", SPAN_FMT(script_peek(&a->script, 0)->text));
}

static void play_only(struct amqt *a)
{
    script_need(&a->script, "whippet");
    if (script_word(&a->script).size == 0)
        script_fail(&a->script, "a reason is wanted");
    a->skip_case = a->rabbitmq;
    a->skip_script = a->rabbitmq && a->title[0] == 0;
    a->n_skipped += a->rabbitmq;
}

static void play_stop(struct amqt *a)
{
    script_need(&a->script, "broker");
    if (a->broker <= 0 || kill(a->broker, SIGTERM) != 0)
        script_fail(&a->script, "there is no broker to stop");
    a->declared = NULL; /* what it held goes with it */
}

void play_line(struct amqt *a)
{
    struct script *s = &a->script;
    while (script_peek(s, 0)->kind != TOKEN_END) {
        if (script_take(s, ";"))
            continue;
        if (script_take(s, "only"))
            play_only(a);
        else if (script_take(s, "stop"))
            play_stop(a);
        else if (script_take(s, "client"))
            play_client(a);
        else
            play_client_statement(a);
    }
}

/* ---- After a case ---- */

/* Another connection's exclusive queue goes away by itself, soon. */
static void play_delete(struct amqt *a, struct peer *p, const struct declared *d)
{
    struct script *s = &a->script;
    struct where w = {.peer = p, .channel = 1};
    char line[600];
    snprintf(line, sizeof(line), "%s.delete %s=$name gives %s.delete-ok",
             d->exchange ? "exchange" : "queue", d->exchange ? "exchange" : "queue",
             d->exchange ? "exchange" : "queue");
    s->n_variables = 0;
    script_set_variable(s, SPAN_LIT("name"), d->name);
    script_tokenize(s, line);
    play_until(a, &w);
}

void play_clean(struct amqt *a)
{
    if (a->declared == NULL)
        return;
    struct peer *p = peer_connect(&a->script, a->port, SPAN_LIT("cleaner"), a->rabbitmq);
    p->next = a->peers;
    a->peers = p;
    script_tokenize(&a->script, "");
    dialogue_open(p);
    for (; a->declared != NULL; a->declared = a->declared->next)
        play_delete(a, p, a->declared);
}

void play_close_all(struct amqt *a)
{
    for (; a->peers != NULL; a->peers = a->peers->next)
        peer_close(a->peers, false);
}
