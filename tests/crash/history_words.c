// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/history.h"

uint32_t say_publish_to(struct model *m, const uint32_t *queues, size_t n, uint32_t tx)
{
    struct record r = {.producer = 1, .size = 100, .persistent = true, .tx = tx};
    return model_publish(m, &r, queues, n);
}

uint32_t say_publish(struct model *m, uint32_t tx)
{
    static const uint32_t BOTH[] = {ONE, TWO};
    return say_publish_to(m, BOTH, 2, tx);
}

uint32_t say_confirmed(struct model *m)
{
    static const uint32_t FIRST[] = {ONE};
    uint32_t message = say_publish_to(m, FIRST, 1, 0);
    model_confirmed(m, message);
    return message;
}

void say_kill(struct model *m, unsigned after_ms)
{
    m->now_ns += after_ms * 1000000ull;
    model_killed(m, false);
    m->now_ns += SECOND_NS;
}

void say_scan(struct model *m, uint32_t queue, const struct found *found)
{
    model_scan_begin(m, queue);
    for (; found->message != 0 && m->flaw == FLAW_NONE; found++)
        model_scan_take(m, queue, found->message, READER, found->redelivered);
    model_scan_end(m, queue);
    model_channel_ended(m, READER, true);
}

uint32_t say_deliver(struct model *m, uint32_t message, uint32_t channel, bool redelivered)
{
    return model_delivered(m, ONE, message, channel, redelivered, false);
}

void say_acked(struct model *m, uint32_t message)
{
    model_settle(m, say_deliver(m, message, 2, false), 1);
    model_answered(m, 2, 2);
}
