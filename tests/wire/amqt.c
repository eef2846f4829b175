// SPDX-License-Identifier: Apache-2.0
/* tests/wire/amqt.c — plays wire scripts against a broker and says which hold.
 *
 *   amqt --port N [--rabbitmq] [--all-fail] [--label TEXT] [--verbose] SCRIPT...
 *
 * A script is cases; a case begins with no connections, and what it declared is deleted after it.
 * Statements stand on a line of their own or, before the next `client >` or `client <` or behind
 * a semicolon, share one. A line goes on after a backslash. `a.2` is channel 2 of client a; `a` is
 * channel 1, for methods of class connection 0.
 *
 *   case "title"
 *   only whippet "reason"            RabbitMQ 3.10 differs on purpose: not played to it
 *   client a: connect                the socket alone
 *   client a: open vhost="/" …       … and the handshake, and channel 1. Also user= password=
 *                                    channel_max= frame_max= heartbeat= properties={…}
 *   a > METHOD name=value …          for basic.publish also properties, body= and `bare`
 *   a > frame TYPE "text" 00ff [end N]    a > raw "AMQP" 00000901    a > heartbeat
 *   a < METHOD name=value …          the next thing on the channel is this method
 *   a <~ METHOD …                    the first such method on the channel, whatever is before it
 *   a < raw "AMQP" 00000901          a < heartbeat          a < end [after SECONDS]
 *   a fails CODE "text"              channel.close for the method sent last (or `50.10`); the
 *                                    channel is opened again
 *   a dies CODE [10.40] "text"       connection.close, close-ok, the orderly end
 *   a quiet ["queue"]                a round trip, through that queue: nothing else has come
 *   a confirms 1-5                   each of these publishes is acked once, in any grouping
 *   a until METHOD … gives METHOD …  asks again until the answer is that; it is an event that
 *                                    other connections cause and that nobody is told about
 *   a close | drop | reset | shutdown     orderly; the socket; by RST; our side of the socket
 *
 * Values are in script.h, names in fields.h. One line of TAP per script. With --all-fail a script
 * is well when every case of it fails.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "amqp/wire.h"
#include "base/bytes.h"
#include "tests/wire/dialogue.h"
#include "tests/wire/fields.h"

enum { LINE_MAX_BYTES = 16384, UNTIL_PAUSE_NS = 5000000 };

struct declared {
    struct declared *next;
    bool exchange;
    struct span name;
};

struct amqt {
    struct script script;
    struct peer *peers;
    struct declared *declared;
    uint16_t port;
    bool rabbitmq;
    bool verbose;
    bool all_fail;
    const char *label;
    char title[256];
    uint64_t began_ns;
    bool case_failed;
    bool skip_case;
    bool skip_script;
    unsigned n_cases;
    unsigned n_failed;
    unsigned n_skipped;
};

struct where {
    struct peer *peer;
    uint16_t channel; /* as named, or 1 */
    bool named;
};

/* ---- Small parts ---- */

static uint16_t amqt_channel(const struct where *w, enum method_id id)
{
    return !w->named && method_info(id)->class_id == 10 ? 0 : w->channel;
}

static void amqt_remember(struct amqt *a, bool exchange, struct span name)
{
    if (name.size == 0 || (exchange && span_starts(name, SPAN_LIT("amq."))))
        return;
    struct declared *d = script_alloc(&a->script, sizeof(*d));
    *d = (struct declared){a->declared, exchange, script_copy(&a->script, name)};
    a->declared = d;
}

/* ---- Clients ---- */

static struct peer *amqt_find(const struct amqt *a, struct span name)
{
    for (struct peer *p = a->peers; p != NULL; p = p->next)
        if (span_eq(p->name, name))
            return p;
    return NULL;
}

/* A name that is used again names the new connection; the old one stays until the case ends. */
static void amqt_client(struct amqt *a)
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

static void amqt_send_frame(struct script *s, const struct where *w)
{
    uint8_t type = (uint8_t)script_number(s);
    struct span payload = script_payload(s);
    uint8_t end = script_take(s, "end") ? (uint8_t)script_number(s) : FRAME_END;
    uint8_t *frame = script_alloc(s, payload.size + FRAME_OVERHEAD);
    uint8_t *at = frame_put_head(frame, type, w->channel, (uint32_t)payload.size);
    put_u8(put_bytes(at, payload), end);
    peer_send(w->peer, span_of(frame, payload.size + FRAME_OVERHEAD));
}

static void amqt_send(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    if (script_take(s, "raw")) {
        peer_send(w->peer, script_payload(s));
        return;
    }
    if (script_take(s, "frame")) {
        amqt_send_frame(s, w);
        return;
    }
    if (script_take(s, "heartbeat")) {
        peer_send_frame(w->peer, FRAME_HEARTBEAT, w->channel == 1 && !w->named ? 0 : w->channel,
                        SPAN_NONE);
        return;
    }
    struct message_script m;
    fields_read(s, &m);
    uint16_t channel = amqt_channel(w, m.method.id);
    if (m.method.id == METHOD_queue_declare)
        amqt_remember(a, false, m.method.queue_declare.queue);
    if (m.method.id == METHOD_exchange_declare)
        amqt_remember(a, true, m.method.exchange_declare.exchange);
    peer_send_method(w->peer, channel, &m.method);
    if (m.method.id == METHOD_connection_tune_ok)
        peer_set_frame_max(w->peer, m.method.connection_tune_ok.frame_max);
    if (method_info(m.method.id)->content && !m.bare)
        peer_send_content(w->peer, channel, m.rest, m.body);
}

/* ---- Expecting ---- */

static void amqt_expect_end(struct script *s, struct peer *p)
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

static void amqt_expect(struct amqt *a, struct where *w)
{
    struct script *s = &a->script;
    bool skip = script_take(s, "~");
    if (script_take(s, "end")) {
        amqt_expect_end(s, w->peer);
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
    uint16_t channel = amqt_channel(w, id);
    struct item *item = skip ? peer_next(w->peer, channel, id)
                             : dialogue_expect(w->peer, channel, id);
    fields_expect(s, item, false);
    if (id == METHOD_queue_declare_ok)
        amqt_remember(a, false, item->method.queue_declare_ok.queue);
}

/* `CODE [CLASS.METHOD] "text"` against the fields that channel.close and connection.close share. */
static void amqt_check_close(struct script *s, const struct where *w, const struct item *item,
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

static void amqt_fails(struct amqt *a, struct where *w)
{
    struct item *item = dialogue_expect(w->peer, w->channel, METHOD_channel_close);
    amqt_check_close(&a->script, w, item, &item->method.channel_close);
    dialogue_reopen(w->peer, w->channel);
}

static void amqt_dies(struct amqt *a, struct where *w)
{
    struct item *item = dialogue_expect(w->peer, 0, METHOD_connection_close);
    const struct amqp_connection_close *c = &item->method.connection_close;
    struct amqp_channel_close got = {c->reply_code, c->reply_text, c->class_id, c->method_id};
    amqt_check_close(&a->script, w, item, &got);
    dialogue_end(w->peer);
}

/* What answers a barrier came after everything that was already on its way. */
static void amqt_quiet(struct amqt *a, struct where *w)
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
static void amqt_confirms(struct amqt *a, struct where *w)
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
static void amqt_until(struct amqt *a, struct where *w)
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

static void amqt_close(struct amqt *a, struct where *w)
{
    (void)a;
    struct method m = {.id = METHOD_connection_close, .connection_close = {.reply_code = 200}};
    dialogue_call(w->peer, 0, &m, METHOD_connection_close_ok);
    peer_close(w->peer, false);
}

static void amqt_drop(struct amqt *a, struct where *w)
{
    (void)a;
    peer_close(w->peer, false);
}

static void amqt_reset(struct amqt *a, struct where *w)
{
    (void)a;
    peer_close(w->peer, true);
}

static void amqt_shutdown(struct amqt *a, struct where *w)
{
    (void)a;
    peer_shutdown(w->peer);
}

/* ---- Statements ---- */

static struct where amqt_where(struct amqt *a)
{
    struct script *s = &a->script;
    struct span word = script_word(s);
    const uint8_t *dot = memchr(word.at, '.', word.size);
    struct where w = {.channel = 1, .named = dot != NULL};
    w.peer = amqt_find(a, dot == NULL ? word : span_of(word.at, (size_t)(dot - word.at)));
    if (w.peer == NULL)
        script_fail(s, "there is no client %.*s", SPAN_FMT(word));
    if (dot != NULL)
        w.channel = (uint16_t)strtoul((const char *)dot + 1, NULL, 10);
    return w;
}

static void amqt_client_statement(struct amqt *a)
{
    static const struct {
        const char *verb;
        void (*play)(struct amqt *a, struct where *w);
    } VERBS[] = {{">", amqt_send},      {"<", amqt_expect},         {"fails", amqt_fails},
                 {"dies", amqt_dies},   {"quiet", amqt_quiet},      {"confirms", amqt_confirms},
                 {"until", amqt_until}, {"close", amqt_close},      {"drop", amqt_drop},
                 {"reset", amqt_reset}, {"shutdown", amqt_shutdown}};
    struct where w = amqt_where(a);
    for (size_t i = 0; i < sizeof(VERBS) / sizeof(VERBS[0]); i++)
        if (script_take(&a->script, VERBS[i].verb)) {
            VERBS[i].play(a, &w);
            return;
        }
    script_fail(&a->script, "'%.*s' is not a verb", SPAN_FMT(script_peek(&a->script, 0)->text));
}

static void amqt_only(struct amqt *a)
{
    script_need(&a->script, "whippet");
    if (script_word(&a->script).size == 0)
        script_fail(&a->script, "a reason is wanted");
    a->skip_case = a->rabbitmq;
    a->skip_script = a->rabbitmq && a->title[0] == 0;
    a->n_skipped += a->rabbitmq;
}

static void amqt_line(struct amqt *a)
{
    struct script *s = &a->script;
    while (script_peek(s, 0)->kind != TOKEN_END) {
        if (script_take(s, ";"))
            continue;
        if (script_take(s, "only"))
            amqt_only(a);
        else if (script_take(s, "client"))
            amqt_client(a);
        else
            amqt_client_statement(a);
    }
}

/* ---- Cases ---- */

/* Another connection's exclusive queue goes away by itself, soon. */
static void amqt_delete(struct amqt *a, struct peer *p, const struct declared *d)
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
    amqt_until(a, &w);
}

static void amqt_clean(struct amqt *a)
{
    if (a->declared == NULL)
        return;
    struct peer *p = peer_connect(&a->script, a->port, SPAN_LIT("cleaner"), a->rabbitmq);
    p->next = a->peers;
    a->peers = p;
    script_tokenize(&a->script, "");
    dialogue_open(p);
    for (; a->declared != NULL; a->declared = a->declared->next)
        amqt_delete(a, p, a->declared);
}

static void amqt_close_peers(struct amqt *a)
{
    for (; a->peers != NULL; a->peers = a->peers->next)
        peer_close(a->peers, false);
}

/* A case fails once, whatever else goes wrong in it. */
static void amqt_failed(struct amqt *a, const char *path, unsigned line)
{
    if (a->verbose || !a->all_fail)
        printf("# %s:%u: case \"%s\": %s\n", path, line, a->title, a->script.why);
    a->n_failed += !a->case_failed;
    a->case_failed = true;
}

static void amqt_end_case(struct amqt *a, const char *path, unsigned line)
{
    if (a->verbose && a->title[0] != 0)
        printf("# %6.3f s %s: %s\n", (double)(peer_now_ns() - a->began_ns) / 1e9, path, a->title);
    amqt_close_peers(a);
    if (setjmp(a->script.failed) == 0)
        amqt_clean(a);
    else
        amqt_failed(a, path, line);
    amqt_close_peers(a);
    a->declared = NULL;
    script_reset(&a->script);
}

static void amqt_begin_case(struct amqt *a, const char *line)
{
    a->began_ns = peer_now_ns();
    a->case_failed = false;
    snprintf(a->title, sizeof(a->title), "%.*s", (int)strcspn(line + 6, "\""), line + 6);
    a->skip_case = a->skip_script;
    a->n_cases++;
}

/* A line with those that it goes on in. The number of lines read, 0 at the end. */
static unsigned amqt_read_line(FILE *f, char *line)
{
    size_t size = 0;
    for (unsigned n = 1; fgets(line + size, (int)(LINE_MAX_BYTES - size), f) != NULL; n++) {
        size += strlen(line + size);
        if (size == 0 || line[size - 1] != '\n')
            return n;
        line[--size] = 0;
        if (size == 0 || line[size - 1] != '\\')
            return n;
        line[--size] = 0;
    }
    return 0;
}

static void amqt_play(struct amqt *a, FILE *f, const char *path)
{
    static char line[LINE_MAX_BYTES];
    static unsigned at;
    at = 0;
    for (unsigned n; (n = amqt_read_line(f, line)) != 0;) {
        at += n;
        if (strncmp(line, "case \"", 6) == 0) {
            amqt_end_case(a, path, at - n);
            amqt_begin_case(a, line);
            continue;
        }
        if (a->case_failed || a->skip_case)
            continue;
        if (setjmp(a->script.failed) == 0) {
            script_tokenize(&a->script, line);
            amqt_line(a);
        } else {
            amqt_failed(a, path, at);
        }
    }
    amqt_end_case(a, path, at);
}

/* One line of TAP. */
static bool amqt_script(struct amqt *a, const char *path)
{
    FILE *f = fopen(path, "r");
    const char *name = strrchr(path, '/') == NULL ? path : strrchr(path, '/') + 1;
    a->title[0] = 0;
    a->case_failed = a->skip_case = a->skip_script = false;
    a->n_cases = a->n_failed = a->n_skipped = 0;
    if (f == NULL) {
        printf("not ok - %s%s: cannot be read\n", a->label, name);
        return false;
    }
    amqt_play(a, f, path);
    fclose(f);
    bool good = a->n_cases != 0 && a->n_failed == (a->all_fail ? a->n_cases : 0);
    printf("%s - %s%s: %u cases, %u failed, %u not for this broker\n", good ? "ok" : "not ok",
           a->label, name, a->n_cases, a->n_failed, a->n_skipped);
    fflush(stdout);
    return good;
}

int main(int argc, char **argv)
{
    static struct amqt a = {.label = ""};
    bool good = true;
    int n_scripts = 0;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--port") == 0 && i + 1 < argc) {
            a.port = (uint16_t)strtoul(argv[++i], NULL, 10);
        } else if (strcmp(argv[i], "--label") == 0 && i + 1 < argc) {
            a.label = argv[++i];
        } else if (strcmp(argv[i], "--rabbitmq") == 0) {
            a.rabbitmq = true;
        } else if (strcmp(argv[i], "--all-fail") == 0) {
            a.all_fail = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            a.verbose = true;
        } else {
            good = amqt_script(&a, argv[i]) && good;
            n_scripts++;
        }
    }
    return good && n_scripts != 0 ? 0 : 1;
}
