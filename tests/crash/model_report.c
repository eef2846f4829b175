// SPDX-License-Identifier: Apache-2.0
/* The first flaw in words, with everything that is known of its message. */
#include <stdio.h>

#include "tests/crash/model.h"

#define FLAW_ROW(name, text) text,
const char *const FLAW_TEXT[FLAW_N] = {FLAWS(FLAW_ROW)};
#undef FLAW_ROW

#define DEED_ROW(name, text) text,
static const char *const DEED_TEXT[DEED_N] = {DEEDS(DEED_ROW)};
#undef DEED_ROW

static const char *const EXPECT_TEXT[] = {"there", "perhaps there", "not there",
                                          "there if its transaction was committed",
                                          "there unless the transaction that settled it was"};

static void model_print_event(const struct model *m, const struct event *e)
{
    bool of_broker = e->deed == DEED_KILL || e->deed == DEED_FOUND || e->deed == DEED_MISSED;
    fprintf(stderr, "  %10.3f ms  %-12s %s %s%u", (double)(e->at_ns - m->begin_ns) / 1e6,
            e->queue == UINT32_MAX ? "" : m->layout.queues[e->queue].name, DEED_TEXT[e->deed],
            of_broker ? "" : "channel ", e->who);
    if (e->deed == DEED_KILL)
        fprintf(stderr, ": %s", EXPECT_TEXT[e->expect]);
    fprintf(stderr, "\n");
}

void model_print(const struct model *m)
{
    fprintf(stderr, "%s: %s\n", FLAW_TEXT[m->flaw], m->report);
    const struct record *r = model_record(m, m->flaw_message);
    if (r == NULL)
        return;
    fprintf(stderr, "message %u: %u bytes, %s, exchange '%s', key '%s'", m->flaw_message, r->size,
            r->persistent ? "persistent" : "transient", r->exchange, r->key);
    if (r->tx != 0)
        fprintf(stderr, ", in transaction %u", r->tx);
    fprintf(stderr, ", %u copies\n", r->n_copies);
    for (size_t i = 0; i < m->events.n; i++) {
        const struct event *e = deque_at(&m->events, i);
        if (e->message == m->flaw_message)
            model_print_event(m, e);
    }
}
