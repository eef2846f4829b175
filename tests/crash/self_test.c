// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/self_test.h"

#include <stdio.h>
#include <stdlib.h>

#include "tests/crash/history.h"

struct history {
    const char *name;
    void (*tell)(struct model *m);
    enum flaw flaw;
};

#define HISTORY_ROW(function, flaw) {#function, history_##function, FLAW_##flaw},
static const struct history HISTORY[] = {HISTORIES(HISTORY_ROW)};
#undef HISTORY_ROW

enum { N_HISTORIES = sizeof(HISTORY) / sizeof(HISTORY[0]) };

/* The flaw that was found. */
static enum flaw self_test_one(const struct history *h)
{
    struct model *m = malloc(sizeof(*m));
    ASSERT(m != NULL);
    model_init(m);
    m->now_ns = SECOND_NS;
    m->ack_interval_ns = SECOND_NS / 10;
    m->layout.queues[layout_add_queue(&m->layout, "one")].fact = FACT_YES;
    m->layout.queues[layout_add_queue(&m->layout, "two")].fact = FACT_YES;
    h->tell(m);
    enum flaw flaw = m->flaw;
    model_fini(m);
    free(m);
    return flaw;
}

int self_test_run(void)
{
    size_t n_failed = 0;
    printf("1..%d\n", N_HISTORIES);
    for (size_t i = 0; i < N_HISTORIES; i++) {
        enum flaw flaw = self_test_one(&HISTORY[i]);
        bool ok = flaw == HISTORY[i].flaw;
        printf("%s %zu - %s%s%s\n", ok ? "ok" : "not ok", i + 1, HISTORY[i].name, ok ? "" : ": ",
               ok ? "" : FLAW_TEXT[flaw]);
        n_failed += !ok;
    }
    return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
