// SPDX-License-Identifier: Apache-2.0
/* What a channel finds in what comes in. */
#include <stdlib.h>
#include <string.h>

#include "amqp/wire.h"
#include "base/limits.h"
#include "tests/crash/chan.h"
#include "tests/crash/history.h"
#include "tests/crash/message.h"

/* Delivers a message of that size whose body is wrong from byte `wrong` on; none if it is larger.
 */
static void say_arrival(struct model *m, uint32_t size, size_t wrong)
{
    static const uint32_t FIRST[] = {ONE};
    struct ground *g = calloc(1, sizeof(*g));
    struct chan ch;
    struct buf out;
    struct record r = {.producer = 1, .size = size, .persistent = true};
    struct method deliver = {.id = METHOD_basic_deliver,
                             .basic_deliver = {.consumer_tag = SPAN_LIT("c0"), .delivery_tag = 1}};
    ASSERT(g != NULL);
    g->model = *m;
    uint32_t message = model_publish(&g->model, &r, FIRST, 1);
    chan_init(&ch, g, NULL, 1, ROLE_CONSUMER);
    buf_init(&out);
    message_put(&out, 1, &r, message, FRAME_MAX_MIN);
    const uint8_t *at = buf_span(&out).at;
    size_t header_size = (size_t)at[5] << 8 | at[6];
    uint8_t body[FRAME_MAX_MIN];
    memcpy(body, at + header_size + FRAME_OVERHEAD + FRAME_HEAD, size);
    if (wrong < size)
        body[wrong] ^= 1;
    chan_on_content(&ch, &deliver, span_of(at + FRAME_HEAD, header_size), span_of(body, size));
    *m = g->model;
    buf_fini(&out);
    chan_fini(&ch);
    free(g);
}

void history_clean_arrival(struct model *m)
{
    say_arrival(m, 1000, SIZE_MAX);
    say_arrival(m, 5, SIZE_MAX);
}

void history_altered(struct model *m)
{
    say_arrival(m, 1000, 999);
}

void history_altered_head(struct model *m)
{
    say_arrival(m, 5, 3);
}

void history_confirmed_twice(struct model *m)
{
    struct ground *g = calloc(1, sizeof(*g));
    struct chan ch;
    struct method ack = {.id = METHOD_basic_ack, .basic_ack = {1, false}};
    ASSERT(g != NULL);
    g->model = *m;
    chan_init(&ch, g, NULL, 1, ROLE_PUBLISHER);
    uint32_t *place = deque_push(&ch.unconfirmed);
    ASSERT(place != NULL);
    *place = say_publish(&g->model, 0);
    ch.n_unconfirmed = 1;
    chan_on_method(&ch, &ack);
    chan_on_method(&ch, &ack);
    *m = g->model;
    chan_fini(&ch);
    free(g);
}
