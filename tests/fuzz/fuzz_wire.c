// SPDX-License-Identifier: Apache-2.0
/* Two bytes of seed, then a session after its opening. In one piece, and in pieces drawn from the
 * seed, with large bodies put straight into their memory or not, it must give the same events. */
#include "base/rng.h"
#include "tests/amqp/wire_play.h"
#include "tests/fuzz/target.h"

enum { OURS = 8192, BODY_MAX = 64 * 1024, INPUT_MAX = 64 * 1024 };

static void play(struct wire_play *p, struct span opening, struct span bytes, struct rng *rng)
{
    wire_play_init(p, OURS, BODY_MAX);
    wire_play_feed(p, opening);
    p->direct = rng != NULL && rng_below(rng, 2) == 0;
    for (size_t at = 0, n; at < bytes.size; at += n) {
        n = rng == NULL ? bytes.size : 1 + rng_below(rng, rng_below(rng, 4) == 0 ? 300 : 12);
        n = n < bytes.size - at ? n : bytes.size - at;
        wire_play_feed(p, span_of(bytes.at + at, n));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_MAX)
        return 0;
    /* One of the bits leaves the opening to the input. */
    struct buf opening;
    buf_init(&opening);
    if ((data[0] & 1) == 0)
        wire_put_opening(&opening, (data[0] & 2) == 0 ? 4096 : OURS);
    struct rng rng = {(uint64_t)data[0] << 8 | data[1]};
    struct span bytes = span_of(data + 2, size - 2);
    struct wire_play whole;
    struct wire_play pieces;
    play(&whole, buf_span(&opening), bytes, NULL);
    play(&pieces, buf_span(&opening), bytes, &rng);
    ASSERT(span_eq(buf_span(&whole.log), buf_span(&pieces.log)));
    ASSERT(whole.w.assembled_bytes == pieces.w.assembled_bytes || whole.w.state == WIRE_STOPPED);
    wire_play_fini(&whole);
    wire_play_fini(&pieces);
    buf_fini(&opening);
    return 0;
}
