// SPDX-License-Identifier: Apache-2.0
#include "broker/server/recording.h"

#include <string.h>

#include "base/bytes.h"
#include "base/checksum.h"
#include "base/limits.h"
#include "tests/broker/core_fixture.h"

/* A recording in memory. */
static struct buf out;
static uint64_t seen[FIXTURE_LINKS];

static void began(void *arg, const struct core *core)
{
    (void)arg;
    for (uint32_t i = 0; i < FIXTURE_LINKS; i++) {
        const struct ring *in = &core->links[i].link->in;
        while (seen[i] != in->r_head)
            ck_assert_int_eq(recording_put_input(&out, core, i, &seen[i], in->r_head), OK);
    }
    ck_assert_int_eq(recording_put_turn(&out, core), OK);
}

static void ended(void *arg, const struct core *core, bool more)
{
    (void)arg;
    ck_assert_int_eq(recording_put_done(&out, recording_digest(core, more)), OK);
}

static const struct core_observer OBSERVER = {began, ended, NULL};

static struct fixture *begin(void)
{
    struct fixture *fx = fixture_new(0);
    buf_init(&out);
    memset(seen, 0, sizeof(seen));
    ck_assert_int_eq(recording_put_head(&out, fx->core, SPAN_LIT("1.2")), OK);
    fx->core->options.observer = &OBSERVER;
    return fx;
}

/* Events of all kinds, small and large bodies. */
static struct span play(void)
{
    struct fixture *fx = begin();
    struct client *c = fixture_connect(fx);
    struct client *d = fixture_connect(fx);
    say(c, "1 queue_declare queue=q durable");
    say(c, "1 basic_consume queue=q consumer_tag=t no_ack");
    say(c, "1 basic_publish routing_key=q mandatory | hello");
    struct body *large = body_new(20000, 1);
    ck_assert_ptr_nonnull(large);
    large->size = 20000;
    memset(large->bytes, 'x', 20000);
    put_body(c, 1, "", "q", SPAN_NONE, 20000, large);
    put_fault(d, REPLY_FRAME_ERROR, "something");
    fixture_run(fx);
    put_closed(d);
    core_shutdown(fx->core);
    fixture_run(fx);
    forget(c);
    forget(d);
    fixture_free(fx);
    return buf_span(&out);
}

static bool head_of(struct span *in, struct recording_head *head)
{
    struct recording_record r;
    return recording_take_magic(in) && recording_next(in, &r) == RECORDING_RECORD &&
           r.kind == RECORDING_HEAD && recording_take_head(r.payload, head);
}

START_TEST(the_head_says_what_a_core_is_made_of)
{
    struct fixture *fx = begin();
    struct span in = buf_span(&out);
    struct recording_head head;
    struct user user;
    ck_assert(head_of(&in, &head));
    ck_assert(span_eq(head.build, SPAN_LIT("1.2")));
    ck_assert(span_eq(head.options.version, SPAN_LIT("4.2.0")));
    ck_assert(span_eq(head.options.default_vhost, SPAN_LIT("/")));
    ck_assert_uint_eq(head.options.frame_max, 131072);
    ck_assert_uint_eq(head.options.channel_max, 2047);
    ck_assert_uint_eq(head.options.heartbeat_s, 60);
    ck_assert_uint_eq(head.options.message_size_max, 1 << 24);
    ck_assert_uint_eq(head.options.memory_limit_bytes, 0);
    ck_assert_uint_eq(head.options.turn_work, TURN_WORK_MAX);
    ck_assert_uint_eq(head.options.pacing_messages, PACING_MESSAGES);
    ck_assert_uint_eq(head.n_links, FIXTURE_LINKS);
    for (size_t i = 0; i < RECORDING_SECRETS; i++)
        ck_assert_uint_eq(head.secrets.at[i], 0x5a);
    ck_assert_uint_eq(head.n_users, 1);
    ck_assert(recording_take_user(&head.users, &user));
    ck_assert(span_eq(user.name, SPAN_LIT("guest")));
    ck_assert(user.loopback_only);
    ck_assert_mem_eq(user.digest, fx->users.list[0].digest, PASSWORD_DIGEST);
    ck_assert_uint_eq(in.size, 0);
    fixture_free(fx);
    buf_fini(&out);
}
END_TEST

START_TEST(every_kind_of_event_comes_back)
{
    struct span in = play();
    struct recording_head head;
    struct recording_record r;
    struct recording_turn turn;
    struct recording_event ev;
    unsigned n[IN_CLOSED + 1] = {0};
    unsigned n_large = 0;
    unsigned n_shutdowns = 0;
    uint32_t link;
    ck_assert(head_of(&in, &head));
    while (recording_next(&in, &r) == RECORDING_RECORD) {
        if (r.kind == RECORDING_TURN) {
            ck_assert(recording_take_turn(r.payload, FIXTURE_LINKS, &turn));
            n_shutdowns += turn.shutdown;
        }
        if (r.kind != RECORDING_INPUT)
            continue;
        ck_assert(recording_take_link(&r.payload, &link));
        for (; r.payload.size != 0; n[ev.head.kind]++) {
            ck_assert(recording_take_event(&r.payload, &head.options, &ev));
            ck_assert_uint_eq(ev.head.conn.index % FIXTURE_LINKS, link);
            n_large += ev.head.kind == IN_PUBLISH && ev.large;
            if (ev.head.kind == IN_PUBLISH)
                ck_assert(ev.large ? ev.publish.body.size == 20000 && ev.home == 1
                                   : ev.publish.mandatory &&
                                         span_eq(ev.publish.body, SPAN_LIT("hello")));
            if (ev.head.kind == IN_FAULT)
                ck_assert_str_eq(ev.fault.fault.text, "FRAME_ERROR - something");
        }
    }
    ck_assert_uint_eq(in.size, 0);
    ck_assert_uint_eq(n[IN_OPENED], 2);
    ck_assert_uint_ge(n[IN_METHOD], 8);
    ck_assert_uint_eq(n[IN_PUBLISH], 2);
    ck_assert_uint_eq(n_large, 1);
    ck_assert_uint_eq(n[IN_FAULT], 1);
    ck_assert_uint_ge(n[IN_SENT], 1);
    ck_assert_uint_eq(n[IN_CLOSED], 2);
    ck_assert_uint_eq(n_shutdowns, 1);
    buf_fini(&out);
}
END_TEST

START_TEST(the_same_life_is_the_same_recording)
{
    struct span first = play();
    struct span kept = span_dup(first);
    buf_fini(&out);
    struct span second = play();
    ck_assert(span_eq(kept, second));
    free((void *)(uintptr_t)kept.at);
    buf_fini(&out);
}
END_TEST

/* However a recording is cut off, it is the same up to the last whole record. */
START_TEST(a_prefix_is_the_same_and_then_torn)
{
    struct span all = play();
    for (size_t size = RECORDING_MAGIC.size; size <= all.size; size++) {
        struct span in = span_of(all.at, size);
        struct span whole = all;
        struct recording_record r;
        struct recording_record w;
        enum recording_got got;
        if (!recording_take_magic(&in) || !recording_take_magic(&whole))
            ck_abort_msg("no magic");
        while ((got = recording_next(&in, &r)) == RECORDING_RECORD)
            if (recording_next(&whole, &w) != RECORDING_RECORD || r.payload.at != w.payload.at)
                ck_abort_msg("%zu bytes", size);
        if (got != (in.size == 0 ? RECORDING_END : RECORDING_TORN))
            ck_abort_msg("%zu bytes", size);
    }
    buf_fini(&out);
}
END_TEST

START_TEST(a_flipped_bit_is_noticed)
{
    struct span all = play();
    uint8_t *bytes = out.bytes + out.first;
    for (size_t i = 0; i < all.size; i += 7) {
        bytes[i] ^= 1;
        struct span in = all;
        struct recording_record r;
        enum recording_got got = RECORDING_DAMAGED;
        if (recording_take_magic(&in))
            while ((got = recording_next(&in, &r)) == RECORDING_RECORD)
                continue;
        if (got == RECORDING_END)
            ck_abort_msg("byte %zu", i);
        bytes[i] ^= 1;
    }
    buf_fini(&out);
}
END_TEST

/* One event, as octets: kind, connection 0 of generation 1, channel, and the rest. */
static bool takes(uint8_t kind, uint16_t channel, struct span rest)
{
    uint8_t bytes[256];
    struct core_options options = {.message_size_max = 100};
    struct recording_event ev;
    uint8_t *p = put_u16(put_u32(put_u32(put_u8(bytes, kind), 0), 1), channel);
    struct span in = span_of(bytes, (size_t)(put_bytes(p, rest) - bytes));
    return recording_take_event(&in, &options, &ev) && in.size == 0;
}

/* Of basic.publish to exchange "", key "q", 3 octets of body announced. */
#define PUBLISH_HEAD   "\0\0\0\0\0\0\0\0\0\0\0\0\3"
#define PUBLISH_ROUTE  "\0\0\0\3\0\1q"
#define PUBLISH_HEADER "\0\0\0\16\0\74\0\0\0\0\0\0\0\0\0\3\0\0"

START_TEST(what_no_peer_can_send_is_refused)
{
    uint8_t id = METHOD_basic_publish;
    char text[128];
    ck_assert(takes(IN_CLOSED, 0, SPAN_NONE));
    ck_assert(!takes(IN_CLOSED + 1, 0, SPAN_NONE));
    ck_assert(takes(IN_OPENED, 0, SPAN_LIT("\1\0031:2")));
    ck_assert(takes(IN_OPENED, 0, SPAN_LIT("\1\0")));
    ck_assert(!takes(IN_OPENED, 0, SPAN_LIT("\1")));
    ck_assert(!takes(IN_OPENED, 0, SPAN_LIT("\1\0041:2")));
    ck_assert(!takes(IN_OPENED, 0,
                     SPAN_LIT("\1\070"
                              "0123456789012345678901234567"
                              "0123456789012345678901234567")));
    ck_assert(!takes(IN_OPENED, 0, SPAN_NONE));
    ck_assert(takes(IN_METHOD, 1, SPAN_LIT("\0\0\0\4\0\132\0\12"))); /* tx.select */
    ck_assert(!takes(IN_METHOD, 1, SPAN_LIT("\0\0\0\4\0\132\0\15")));
    ck_assert(!takes(IN_METHOD, 1, SPAN_LIT("\0\0\0\5\0\132\0\12")));
    ck_assert(takes(IN_FAULT, 0, SPAN_LIT("\1\365\0\0\0\0\2no"))); /* 501 */
    ck_assert(!takes(IN_FAULT, 0, SPAN_LIT("\1\224\0\0\0\0\2no")));
    ck_assert(!takes(IN_FAULT, 0, SPAN_LIT("\1\365\0\0\0\0\3no")));
#define PUBLISH(...)                                                     \
    (memcpy(text, __VA_ARGS__, sizeof(__VA_ARGS__)), text[0] = (char)id, \
     span_of(text, sizeof(__VA_ARGS__) - 1))
    ck_assert(
        takes(IN_PUBLISH, 1, PUBLISH(" " PUBLISH_HEAD PUBLISH_ROUTE PUBLISH_HEADER "\0\0\0\3abc")));
    /* Channel 0, another size than announced, a route in pieces, a header of another class. */
    ck_assert(!takes(IN_PUBLISH, 0,
                     PUBLISH(" " PUBLISH_HEAD PUBLISH_ROUTE PUBLISH_HEADER "\0\0\0\3abc")));
    ck_assert(
        !takes(IN_PUBLISH, 1, PUBLISH(" " PUBLISH_HEAD PUBLISH_ROUTE PUBLISH_HEADER "\0\0\0\2ab")));
    ck_assert(!takes(IN_PUBLISH, 1,
                     PUBLISH(" " PUBLISH_HEAD "\0\0\0\3\0\2q" PUBLISH_HEADER "\0\0\0\3abc")));
    ck_assert(!takes(IN_PUBLISH, 1,
                     PUBLISH(" " PUBLISH_HEAD PUBLISH_ROUTE "\0\0\0\16\0\75\0\0\0\0\0\0\0\0\0\3\0\0"
                             "\0\0\0\3abc")));
    id = METHOD_basic_get;
    ck_assert(!takes(IN_PUBLISH, 1,
                     PUBLISH(" " PUBLISH_HEAD PUBLISH_ROUTE PUBLISH_HEADER "\0\0\0\3abc")));
#undef PUBLISH
}
END_TEST

SUITE("recording", the_head_says_what_a_core_is_made_of, every_kind_of_event_comes_back,
      the_same_life_is_the_same_recording, a_prefix_is_the_same_and_then_torn,
      a_flipped_bit_is_noticed, what_no_peer_can_send_is_refused)
