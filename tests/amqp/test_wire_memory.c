// SPDX-License-Identifier: Apache-2.0
/* Each allocation of a session of split contents fails in turn: the wire says 506 and nothing
 * leaks, until none fails and all contents come out. */
#include "base/limits.h"
#include "tests/amqp/wire_play.h"
#include "tests/base/memory.h"
#include "tests/base/suite.h"

/* A piece at a time, as the wire itself sees it: the play's own allocations must not fail. */
static enum wire_got play(struct wire *w, struct span in, size_t step, struct fault *fault,
                          unsigned *n_publishes)
{
    struct wire_event ev;
    struct span ready = span_of(in.at, 0);
    while (ready.at + ready.size < in.at + in.size) {
        size_t left = (size_t)(in.at + in.size - ready.at) - ready.size;
        ready.size += step < left ? step : left;
        for (enum wire_got got; (got = wire_next(w, &ready, &ev)) != WIRE_MORE;) {
            if (got == WIRE_PUBLISH) {
                body_free(ev.large_body);
                ++*n_publishes;
            }
            if (got == WIRE_FAULT) {
                *fault = ev.fault;
                return got;
            }
        }
    }
    return WIRE_MORE;
}

START_TEST(without_memory_a_content_is_a_resource_error)
{
    static uint8_t body[BODY_INLINE_MAX + 50];
    struct buf b;
    buf_init(&b);
    wire_put_opening(&b, 4096);
    for (unsigned i = 0; i < 3; i++) {
        size_t size = i == 1 ? sizeof(body) : 300;
        wire_put_publish(&b, 1, "key");
        wire_put_header(&b, 1, size, SPAN_LIT("\0\0"));
        for (size_t at = 0; at < size; at += 4000)
            wire_put_frame(&b, FRAME_BODY, 1,
                           span_of(body + at, 4000 < size - at ? 4000 : size - at));
    }
    enum wire_got got = WIRE_FAULT;
    unsigned n_publishes = 0;
    unsigned n = 0;
    for (; got == WIRE_FAULT; n++) {
        struct wire w;
        struct fault f;
        n_publishes = 0;
        wire_init(&w, 131072, 1 << 20, 0);
        memory_fail_once(n);
        got = play(&w, buf_span(&b), 50, &f, &n_publishes);
        memory_heal();
        if (got == WIRE_FAULT) {
            ck_assert_str_eq(f.text, "RESOURCE_ERROR - out of memory");
            ck_assert_uint_eq(f.reply->code, 506);
        }
        wire_fini(&w);
    }
    ck_assert_uint_eq(n_publishes, 3);
    ck_assert_uint_ge(n, 8);
    buf_fini(&b);
}
END_TEST

SUITE("wire_memory", without_memory_a_content_is_a_resource_error)
