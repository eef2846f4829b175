// SPDX-License-Identifier: Apache-2.0
/* whippet-crash: what a broker has promised, and what is there after kill -9. See README.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/crash/checker.h"
#include "tests/crash/crash_options.h"
#include "tests/crash/load.h"
#include "tests/crash/node.h"
#include "tests/crash/self_test.h"

enum {
    EXIT_WRONG_USAGE = 64,
    LOAD_MS_MIN = 20,
    OTHER_LOAD_PART = 4,
    RECOVERY_KILLS = 3,
    RECOVERY_MS = 50,
    CUT_CHECK_MS = 60
};

struct crash {
    const struct crash_options *options;
    struct ground ground;
    struct node node;
    struct load load;
    struct checker checker;
    uint64_t n_cycles;
    uint64_t n_kills;
    uint64_t begin_ns;
};

static struct model *crash_model(struct crash *c)
{
    return &c->ground.model;
}

/* Starts the broker and waits for it, after as many starts that are cut short. */
static void crash_start(struct crash *c, uint64_t n_cut)
{
    struct rng *rng = &c->ground.rng;
    bool started = true;
    for (uint64_t i = 0; started && i < n_cut; i++) {
        started = node_start(&c->node) == OK;
        if (started && !node_lives(&c->node, (uint32_t)rng_below(rng, RECOVERY_MS + 1)))
            model_flaw(crash_model(c), FLAW_BROKER, 0, "it ended during its start: see %s/log",
                       c->node.directory);
        node_kill(&c->node);
        c->n_kills++;
    }
    if (!started || node_start(&c->node) != OK ||
        node_await(&c->node, (uint32_t)c->options->start_ms) != OK)
        model_flaw(crash_model(c), FLAW_BROKER, 0, "%s", c->node.why);
}

static void crash_verify(struct crash *c, bool founding, bool all)
{
    if (crash_model(c)->flaw != FLAW_NONE)
        return;
    checker_open(&c->checker, &c->ground, c->node.port, UINT64_MAX);
    if (founding)
        checker_found(&c->checker);
    checker_verify(&c->checker, all);
    checker_close(&c->checker);
}

/* A kill while the checker compares, settles and requeues. */
static void crash_cut_check(struct crash *c)
{
    struct model *m = crash_model(c);
    uint64_t ms = rng_below(&c->ground.rng, CUT_CHECK_MS);
    if (m->flaw != FLAW_NONE)
        return;
    checker_open(&c->checker, &c->ground, c->node.port, load_now_ns() + ms * 1000000u);
    checker_verify(&c->checker, false);
    uint64_t killed_ns = load_now_ns();
    node_kill(&c->node);
    c->n_kills++;
    m->now_ns = load_now_ns();
    checker_bury(&c->checker);
    m->now_ns = killed_ns;
    if (m->flaw == FLAW_NONE)
        model_killed(m, false);
}

/* ---- How a life ends ---- */

enum ending { END_KILL, END_RECOVERY, END_STOP, END_ALIVE };

static void crash_kill(struct crash *c)
{
    struct model *m = crash_model(c);
    uint64_t killed_ns = load_now_ns();
    if (!node_lives(&c->node, 0))
        model_flaw(m, FLAW_BROKER, 0, "it ended by itself: see %s/log", c->node.directory);
    node_kill(&c->node);
    c->n_kills++;
    m->now_ns = load_now_ns();
    load_bury(&c->load);
    m->now_ns = killed_ns;
    if (m->flaw == FLAW_NONE)
        model_killed(m, false);
}

static void crash_close(struct crash *c, enum ending ending)
{
    struct model *m = crash_model(c);
    load_close(&c->load);
    load_bury(&c->load);
    if (m->flaw == FLAW_NONE && ending == END_STOP &&
        node_stop(&c->node, (uint32_t)c->options->start_ms) != OK)
        model_flaw(m, FLAW_BROKER, 0, "%s", c->node.why);
    if (m->flaw == FLAW_NONE)
        model_killed(m, true);
}

/* A load of random length, more often a short one, and the end in the midst of it. */
static void crash_load(struct crash *c, enum ending ending)
{
    struct model *m = crash_model(c);
    uint64_t most = c->options->load_ms / (ending == END_KILL ? 1 : OTHER_LOAD_PART);
    uint64_t x = rng_below(&c->ground.rng, 1000);
    uint64_t ms = LOAD_MS_MIN + most * x / 1000 * x / 1000 * x / 1000 * x / 1000;
    load_open(&c->load, &c->ground, c->node.port);
    load_run(&c->load, load_now_ns() + ms * 1000000u);
    if (m->flaw != FLAW_NONE)
        load_bury(&c->load);
    else if (ending == END_KILL || ending == END_RECOVERY)
        crash_kill(c);
    else
        crash_close(c, ending);
}

/* Whether the i-th of `n` things is one of the `part` that are spread evenly among them. */
static bool crash_is_due(uint64_t i, uint64_t n, uint64_t part)
{
    return (i + 1) * part / n != i * part / n;
}

static enum ending crash_ending(const struct crash_options *o, uint64_t i)
{
    uint64_t others = o->recovery + o->stops;
    uint64_t n = o->cycles + others;
    if (o->alive)
        return END_ALIVE;
    if (!crash_is_due(i, n, others))
        return END_KILL;
    return crash_is_due(i * others / n, others, o->stops) ? END_STOP : END_RECOVERY;
}

static bool crash_has_time(const struct crash *c)
{
    uint64_t limit_ns = c->options->seconds * 1000000000u;
    return limit_ns == 0 || load_now_ns() - c->begin_ns < limit_ns;
}

static void crash_run(struct crash *c)
{
    const struct crash_options *o = c->options;
    uint64_t n = o->cycles + o->recovery + o->stops;
    crash_start(c, 0);
    crash_verify(c, true, false);
    for (uint64_t i = 0; i < n && crash_has_time(c) && crash_model(c)->flaw == FLAW_NONE; i++) {
        enum ending ending = crash_ending(o, i);
        crash_load(c, ending);
        if (crash_model(c)->flaw != FLAW_NONE)
            return;
        if (ending != END_ALIVE)
            model_restarted(crash_model(c));
        if (ending == END_RECOVERY) {
            crash_start(c, 1 + rng_below(&c->ground.rng, RECOVERY_KILLS));
            crash_cut_check(c);
        }
        if (ending != END_ALIVE)
            crash_start(c, 0);
        crash_verify(c, false, i + 1 == n || !crash_has_time(c));
        c->n_cycles++;
    }
}

static int crash_report(struct crash *c, uint64_t seed)
{
    const struct ground *g = &c->ground;
    const struct model *m = &g->model;
    printf("%s seed %llu: %llu cycles, %llu kills, %llu published, %llu confirmed, %llu delivered, "
           "%llu redelivered, %llu tx, %llu checks, %.1f s\n",
           m->flaw == FLAW_NONE ? "ok" : "FAILED", (unsigned long long)seed,
           (unsigned long long)c->n_cycles, (unsigned long long)c->n_kills,
           (unsigned long long)g->n_published, (unsigned long long)g->n_confirmed,
           (unsigned long long)g->n_delivered, (unsigned long long)m->n_redelivered,
           (unsigned long long)g->n_txs, (unsigned long long)m->n_checks,
           (double)(load_now_ns() - c->begin_ns) / 1e9);
    if (m->flaw == FLAW_NONE)
        return EXIT_SUCCESS;
    fflush(stdout);
    fprintf(stderr, "cycle %llu of seed %llu, comparison %u; the data is in %s\n",
            (unsigned long long)c->n_cycles, (unsigned long long)seed, m->n_kills,
            c->node.directory);
    model_print(m);
    return EXIT_FAILURE;
}

static int crash_main(const struct crash_options *o)
{
    struct crash *c = calloc(1, sizeof(*c));
    ASSERT(c != NULL);
    c->options = o;
    c->begin_ns = load_now_ns();
    uint64_t seed = o->seed != 0 ? o->seed : c->begin_ns % 1000000007u;
    c->ground.rng.state = seed;
    model_init(crash_model(c));
    crash_model(c)->begin_ns = c->begin_ns;
    crash_model(c)->ack_interval_ns = o->ack_interval_ms * 1000000u;
    crash_model(c)->lax = o->lax;
    if (mkdir(o->directory, 0700) != 0 && errno != EEXIST)
        fprintf(stderr, "whippet-crash: %s: %s\n", o->directory, strerror(errno));
    int status = EXIT_FAILURE;
    if (node_init(&c->node, o->broker, o->directory) == OK) {
        crash_run(c);
        status = crash_report(c, seed);
    } else {
        fprintf(stderr, "whippet-crash: %s\n", c->node.why);
    }
    node_fini(&c->node, o->keep || status != EXIT_SUCCESS);
    model_fini(crash_model(c));
    free(c);
    return status;
}

int main(int argc, char **argv)
{
    struct crash_options options;
    if (!crash_options_parse(&options, argc, argv))
        return EXIT_WRONG_USAGE;
    if (options.help) {
        crash_options_help();
        return EXIT_SUCCESS;
    }
    return options.self_test ? self_test_run() : crash_main(&options);
}
