// SPDX-License-Identifier: Apache-2.0
/* Walks over several exchanges; what a single one matches is tested with its type. */
#include "base/rng.h"
#include "tests/broker/routing.h"

#define AE(name) "alternate-exchange:S:" name

START_TEST(the_default_exchange_routes_to_the_queue_of_that_name)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_queue(&w, "r");
    ck_assert_str_eq(world_route(&w, "", "q"), "q");
    ck_assert_str_eq(world_route(&w, "", "nope"), "");
    ck_assert_str_eq(world_route(&w, "", ""), "");
    struct routed_message keys[] = {{.key = SPAN_LIT("r")},
                                    {.key = SPAN_LIT("q")},
                                    {.key = SPAN_LIT("r")},
                                    {.key = SPAN_LIT("x")}};
    ck_assert_str_eq(world_route_keys(&w, "", keys, 4), "q r");
    struct queue *q = vhost_queue(w.v, SPAN_LIT("q"));
    world_queue_delete(q);
    ck_assert_str_eq(world_route(&w, "", "q"), "");
    world_queue_free(q);
    world_fini(&w);
}
END_TEST

START_TEST(a_queue_gets_one_copy_however_many_ways_lead_to_it)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "x", "topic", "", "");
    world_declare(&w, "y", "fanout", "", "");
    world_bind(&w, "x", "q", "a.*");
    world_bind(&w, "x", "q", "#");
    world_bind(&w, "y", "q", "");
    world_bind_exchange(&w, "x", "y", "*.b");
    ck_assert_str_eq(world_route(&w, "x", "a.b"), "q");
    struct routed_message keys[] = {{.key = SPAN_LIT("a.b")}, {.key = SPAN_LIT("c")}};
    ck_assert_str_eq(world_route_keys(&w, "x", keys, 2), "q");
    ck_assert_uint_eq(w.r.n, 1);
    world_fini(&w);
}
END_TEST

START_TEST(every_key_is_routed)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "a");
    world_queue(&w, "b");
    world_queue(&w, "c");
    world_bind(&w, "amq.direct", "a", "1");
    world_bind(&w, "amq.direct", "b", "2");
    world_bind(&w, "amq.direct", "c", "3");
    struct routed_message keys[] = {{.key = SPAN_LIT("1")}, {.key = SPAN_LIT("3")}};
    ck_assert_str_eq(world_route_keys(&w, "amq.direct", keys, 2), "a c");
    world_fini(&w);
}
END_TEST

START_TEST(loops_of_exchanges_come_to_an_end)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_queue(&w, "r");
    world_declare(&w, "x", "fanout", "", "");
    world_declare(&w, "y", "fanout", "i", "");
    world_bind_exchange(&w, "x", "x", "");
    world_bind_exchange(&w, "x", "y", "");
    world_bind_exchange(&w, "y", "x", "");
    ck_assert_str_eq(world_route(&w, "x", ""), "");
    world_bind(&w, "y", "q", "");
    world_bind(&w, "x", "r", "");
    ck_assert_str_eq(world_route(&w, "x", ""), "q r");
    ck_assert_str_eq(world_route(&w, "y", ""), "q r");
    world_fini(&w);
}
END_TEST

START_TEST(the_alternate_exchange_gets_what_matches_nothing)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_queue(&w, "rest");
    world_declare(&w, "x", "direct", "", AE("y"));
    ck_assert_str_eq(world_route(&w, "x", "k"), "");
    world_declare(&w, "y", "fanout", "i", "");
    world_bind(&w, "y", "rest", "");
    world_bind(&w, "x", "q", "k");
    ck_assert_str_eq(world_route(&w, "x", "k"), "q");
    ck_assert_str_eq(world_route(&w, "x", "other"), "rest");
    struct routed_message keys[] = {{.key = SPAN_LIT("other")}, {.key = SPAN_LIT("k")}};
    ck_assert_str_eq(world_route_keys(&w, "x", keys, 2), "q");
    world_delete(&w, "y", false);
    ck_assert_str_eq(world_route(&w, "x", "other"), "");
    world_fini(&w);
}
END_TEST

START_TEST(a_match_that_leads_nowhere_is_a_match_all_the_same)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "rest");
    world_declare(&w, "rest", "fanout", "", "");
    world_bind(&w, "rest", "rest", "");
    world_declare(&w, "dead", "fanout", "", "");
    world_declare(&w, "x", "fanout", "", AE("rest"));
    world_bind_exchange(&w, "x", "dead", "");
    ck_assert_str_eq(world_route(&w, "x", ""), "");
    /* The alternate of an exchange further on is asked as well. */
    world_declare(&w, "deeper", "direct", "", AE("rest"));
    world_bind_exchange(&w, "dead", "deeper", "");
    ck_assert_str_eq(world_route(&w, "x", ""), "rest");
    /* So is a match with where the walk has been. */
    world_declare(&w, "loop", "fanout", "", AE("rest"));
    world_bind_exchange(&w, "loop", "loop", "");
    ck_assert_str_eq(world_route(&w, "loop", ""), "");
    world_fini(&w);
}
END_TEST

START_TEST(alternates_form_chains_and_loops)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "a", "direct", "", AE("b"));
    world_declare(&w, "b", "headers", "", AE("c"));
    world_declare(&w, "c", "topic", "", AE("a"));
    ck_assert_str_eq(world_route(&w, "a", "k"), "");
    world_bind(&w, "c", "q", "#");
    ck_assert_str_eq(world_route(&w, "a", "k"), "q");
    world_declare(&w, "self", "direct", "", AE("self"));
    ck_assert_str_eq(world_route(&w, "self", "k"), "");
    world_fini(&w);
}
END_TEST

START_TEST(an_empty_alternate_leads_nowhere)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "x", "direct", "", AE(""));
    ck_assert_str_eq(world_route(&w, "x", "q"), "");
    world_fini(&w);
}
END_TEST

START_TEST(deleted_queues_and_exchanges_count_for_nothing)
{
    struct world w;
    world_init(&w);
    struct queue *q = world_queue(&w, "q");
    world_queue(&w, "rest");
    world_declare(&w, "rest", "fanout", "", "");
    world_bind(&w, "rest", "rest", "");
    world_declare(&w, "x", "fanout", "", AE("rest"));
    world_bind(&w, "x", "q", "");
    ck_assert_str_eq(world_route(&w, "x", ""), "q");
    world_queue_delete(q);
    ck_assert_str_eq(world_route(&w, "x", ""), "rest");
    world_queue_free(q);
    world_fini(&w);
}
END_TEST

START_TEST(a_route_says_whether_headers_played_a_part)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_declare(&w, "x", "fanout", "", "");
    world_bind(&w, "x", "q", "");
    world_route(&w, "x", "");
    ck_assert(!w.r.by_headers);
    world_bind_exchange(&w, "x", "amq.headers", "");
    world_route(&w, "x", "");
    ck_assert(w.r.by_headers);
    world_route(&w, "amq.direct", "");
    ck_assert(!w.r.by_headers);
    world_declare(&w, "y", "direct", "", AE("amq.match"));
    world_route(&w, "y", "");
    ck_assert(w.r.by_headers);
    world_fini(&w);
}
END_TEST

START_TEST(headers_are_seen_behind_other_exchanges)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_bind_exchange(&w, "amq.topic", "amq.headers", "a.#");
    world_bind_as(&w, NULL, "amq.headers", "q", "", "kind:S:x");
    struct routed_message m = {.key = SPAN_LIT("a.b"), .headers = table_of(&w.table, "kind:S:x")};
    ck_assert_str_eq(world_route_keys(&w, "amq.topic", &m, 1), "q");
    m.key = SPAN_LIT("b");
    ck_assert_str_eq(world_route_keys(&w, "amq.topic", &m, 1), "");
    world_fini(&w);
}
END_TEST

START_TEST(queues_come_in_the_order_in_which_their_bindings_were_made)
{
    static const char *const NAMES[] = {"d", "a", "c", "b"};
    struct world w;
    struct routed_message m = {.key = SPAN_LIT("k")};
    world_init(&w);
    for (size_t i = 0; i < 4; i++) {
        world_queue(&w, NAMES[i]);
        world_bind(&w, "amq.direct", NAMES[i], "k");
        world_bind(&w, "amq.fanout", NAMES[i], "k");
        world_bind(&w, "amq.topic", NAMES[i], "k");
        world_bind(&w, "amq.headers", NAMES[i], "k");
    }
    static const char *const EXCHANGES[] = {"amq.direct", "amq.fanout", "amq.topic", "amq.headers"};
    for (size_t x = 0; x < 4; x++) {
        world_find(&w, vhost_exchange(w.v, span_str(EXCHANGES[x])), &m, 1);
        ck_assert_uint_eq(w.r.n, 4);
        for (size_t i = 0; i < 4; i++)
            ck_assert(span_eq(w.r.queues[i]->name, span_str(NAMES[i])));
    }
    world_fini(&w);
}
END_TEST

/* A graph of fanout and direct exchanges as two matrices, walked the slow way. */
enum { N_X = 7, N_Q = 7 };

struct graph {
    bool fanout[N_X];
    bool to_x[N_X][N_X][2]; /* by key */
    bool to_q[N_X][N_Q][2];
    int alternate[N_X]; /* -1: none */
};

static void graph_route(const struct graph *g, size_t from, size_t key, bool reached[N_Q])
{
    bool asked[N_X] = {false};
    bool due[N_X] = {false};
    due[from] = true;
    for (bool again = true; again;) {
        again = false;
        for (size_t x = 0; x < N_X; x++) {
            if (!due[x] || asked[x])
                continue;
            bool matched = false;
            asked[x] = again = true;
            for (size_t k = 0; k < 2; k++) {
                if (!g->fanout[x] && k != key)
                    continue;
                for (size_t i = 0; i < N_X; i++)
                    if (g->to_x[x][i][k])
                        matched = due[i] = true;
                for (size_t i = 0; i < N_Q; i++)
                    if (g->to_q[x][i][k])
                        matched = reached[i] = true;
            }
            if (!matched && g->alternate[x] >= 0)
                due[g->alternate[x]] = true;
        }
    }
}

static void graph_random(struct graph *g, struct rng *rng, struct world *w)
{
    static const char *const KEYS[] = {"0", "1"};
    for (size_t i = 0; i < N_Q; i++)
        world_queue(w, (char[]){'q', (char)('0' + i), '\0'});
    for (size_t x = 0; x < N_X; x++) {
        char arguments[64] = "";
        g->fanout[x] = rng_below(rng, 3) == 0;
        g->alternate[x] = rng_below(rng, 2) == 0 ? (int)rng_below(rng, N_X) : -1;
        if (g->alternate[x] >= 0)
            snprintf(arguments, sizeof(arguments), AE("x%d"), g->alternate[x]);
        world_declare(w, (char[]){'x', (char)('0' + x), '\0'}, g->fanout[x] ? "fanout" : "direct",
                      "", arguments);
    }
    for (size_t n = rng_below(rng, 20); n != 0; n--) {
        size_t x = rng_below(rng, N_X);
        size_t to = rng_below(rng, N_X);
        size_t key = rng_below(rng, 2);
        char source[] = {'x', (char)('0' + x), '\0'};
        char destination[] = {'x', (char)('0' + to), '\0'};
        if (rng_below(rng, 2) == 0) {
            g->to_x[x][to][key] = true;
            ck_assert_str_eq(world_bind_exchange(w, source, destination, KEYS[key]), "ok");
        } else {
            g->to_q[x][to][key] = true;
            destination[0] = 'q';
            ck_assert_str_eq(world_bind(w, source, destination, KEYS[key]), "ok");
        }
    }
}

START_TEST(random_graphs_route_like_their_matrices)
{
    struct rng rng = {31};
    size_t n_reached = 0;
    for (int round = 0; round < 400; round++) {
        struct world w;
        struct graph g = {.fanout = {false}};
        world_init(&w);
        graph_random(&g, &rng, &w);
        for (size_t x = 0; x < N_X; x++) {
            for (size_t key = 0; key < 2; key++) {
                bool reached[N_Q] = {false};
                char wanted[N_Q * 3 + 1] = "";
                graph_route(&g, x, key, reached);
                for (size_t i = 0; i < N_Q; i++) {
                    char name[] = {' ', 'q', (char)('0' + i), '\0'};
                    if (reached[i])
                        strcat(wanted, wanted[0] == '\0' ? name + 1 : name);
                    n_reached += reached[i];
                }
                ck_assert_str_eq(
                    world_route(&w, (char[]){'x', (char)('0' + x), '\0'}, key == 0 ? "0" : "1"),
                    wanted);
            }
        }
        world_fini(&w);
    }
    ck_assert_uint_gt(n_reached, 1000);
}
END_TEST

WORLD_MAIN("route", the_default_exchange_routes_to_the_queue_of_that_name,
           a_queue_gets_one_copy_however_many_ways_lead_to_it, every_key_is_routed,
           loops_of_exchanges_come_to_an_end, the_alternate_exchange_gets_what_matches_nothing,
           a_match_that_leads_nowhere_is_a_match_all_the_same, alternates_form_chains_and_loops,
           an_empty_alternate_leads_nowhere, deleted_queues_and_exchanges_count_for_nothing,
           a_route_says_whether_headers_played_a_part, headers_are_seen_behind_other_exchanges,
           queues_come_in_the_order_in_which_their_bindings_were_made,
           random_graphs_route_like_their_matrices)
