// SPDX-License-Identifier: Apache-2.0
/* The trie against a matcher that tries everything, and against hand-made edge cases that were
 * taken from a stock RabbitMQ. */
#include "base/rng.h"
#include "tests/broker/routing.h"

enum { WORDS_MAX = 260 };

static size_t split(const char *key, struct span words[WORDS_MAX])
{
    size_t n = 0;
    if (key[0] == '\0')
        return 0;
    for (const char *start = key;; start++) {
        const char *dot = strchr(start, '.');
        size_t size = dot == NULL ? strlen(start) : (size_t)(dot - start);
        words[n++] = span_of(start, size);
        if (dot == NULL)
            return n;
        start = dot;
    }
}

/* reaches[p][w]: the first p words of the pattern can stand for the first w words of the key. */
static bool naive_match(const char *pattern, const char *key)
{
    struct span p[WORDS_MAX];
    struct span w[WORDS_MAX];
    size_t n_p = split(pattern, p);
    size_t n_w = split(key, w);
    bool reaches[WORDS_MAX + 1][WORDS_MAX + 1] = {{false}};
    reaches[0][0] = true;
    for (size_t i = 1; i <= n_p; i++) {
        bool many = span_eq(p[i - 1], SPAN_LIT("#"));
        bool any = span_eq(p[i - 1], SPAN_LIT("*"));
        for (size_t j = 0; j <= n_w; j++) {
            if (many)
                reaches[i][j] = reaches[i - 1][j] || (j > 0 && reaches[i][j - 1]);
            else
                reaches[i][j] = j > 0 && reaches[i - 1][j - 1] &&
                                (any || span_eq(p[i - 1], w[j - 1]));
        }
    }
    return reaches[n_p][n_w];
}

struct topic_case {
    const char *pattern;
    const char *key;
    bool matches;
};

static const struct topic_case CASES[] = {
    {"", "", true},         {"#", "", true},
    {"*", "", false},       {"*.*", ".", true},
    {"#.#.#", "", true},    {"a.*.b", "a..b", true},
    {"*", "a", true},       {".", ".", true},
    {"a.", "a.", true},     {"a.*", "a.", true},
    {"a.#", "a", true},     {"#.a", "a", true},
    {"*.#", "a", true},     {"*.#", "", false},
    {"#.*", "", false},     {"#.*.#", "a", true},
    {"a#", "ab", false},    {"a*", "ab", false},
    {"#a", "#a", true},     {"*", "*", true},
    {"#", "a..b", true},    {"a", "A", false},
    {"..", "..", true},     {"*.*.*", "..", true},
    {"*.*", "..", false},   {"a", "a.b", false},
    {"a.b", "a", false},    {"*", "#", true},
    {"#.b", "a.b.b", true}, {"#.b", "b.a", false},
    {"a.#.b", "a.b", true}, {"a.#.b", "a.x.y.b", true},
};

START_TEST(edge_cases_match_as_they_do_in_rabbitmq)
{
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct topic_case *c = &CASES[i];
        struct world w;
        world_init(&w);
        world_queue(&w, "q");
        world_bind(&w, "amq.topic", "q", c->pattern);
        ck_assert_msg((world_route(&w, "amq.topic", c->key)[0] != '\0') == c->matches,
                      "pattern '%s' key '%s'", c->pattern, c->key);
        ck_assert_msg(naive_match(c->pattern, c->key) == c->matches, "naive: '%s' '%s'", c->pattern,
                      c->key);
        world_unbind(&w, "amq.topic", "q", c->pattern);
        ck_assert_str_eq(world_route(&w, "amq.topic", c->key), "");
        world_fini(&w);
    }
}
END_TEST

/* Few different words, so that patterns share nodes and many of them match. */
static void random_key(struct rng *rng, char key[256], bool pattern)
{
    static const char *const WORDS[] = {"a", "b", "", "c", "*", "#", "#"};
    size_t n = rng_below(rng, 7);
    key[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        if (i != 0)
            strcat(key, ".");
        strcat(key, WORDS[rng_below(rng, pattern ? 7 : 4)]);
    }
}

struct topic_model {
    char pattern[256];
    bool bound;
};

START_TEST(random_bindings_route_as_the_naive_matcher_does)
{
    enum { N_QUEUES = 40, N_STEPS = 6000 };
    struct world w;
    struct rng rng = {2026};
    struct topic_model model[N_QUEUES] = {{"", false}};
    char name[8];
    char key[256];
    size_t n_matches = 0;
    world_init(&w);
    for (size_t i = 0; i < N_QUEUES; i++) {
        snprintf(name, sizeof(name), "%02zu", i);
        world_queue(&w, name);
    }
    for (int step = 0; step < N_STEPS; step++) {
        size_t i = rng_below(&rng, N_QUEUES);
        snprintf(name, sizeof(name), "%02zu", i);
        if (model[i].bound) {
            ck_assert_str_eq(world_unbind(&w, "amq.topic", name, model[i].pattern), "ok");
        } else {
            random_key(&rng, model[i].pattern, true);
            ck_assert_str_eq(world_bind(&w, "amq.topic", name, model[i].pattern), "ok");
        }
        model[i].bound = !model[i].bound;
        random_key(&rng, key, false);
        char wanted[N_QUEUES * 3 + 1] = "";
        for (i = 0; i < N_QUEUES; i++) {
            if (!model[i].bound || !naive_match(model[i].pattern, key))
                continue;
            snprintf(name, sizeof(name), "%s%02zu", wanted[0] == '\0' ? "" : " ", i);
            strcat(wanted, name);
            n_matches++;
        }
        ck_assert_msg(strcmp(world_route(&w, "amq.topic", key), wanted) == 0,
                      "step %d key '%s': got '%s', not '%s'", step, key, w.routed, wanted);
    }
    ck_assert_uint_gt(n_matches, N_STEPS);
    world_fini(&w);
}
END_TEST

/* A long key of few different words, and a pattern like it: words become wildcards, runs of words
 * one `#`, and sometimes a word another one. */
static void random_long_pair(struct rng *rng, char key[256], char pattern[256])
{
    static const char *const WORDS[] = {"a", "", "b", ""};
    size_t n = 1 + rng_below(rng, 255);
    size_t n_different = 1 + rng_below(rng, 4);
    bool first = true;
    bool many = false; /* the pattern ends in `#` */
    key[0] = '\0';
    pattern[0] = '\0';
    for (size_t i = 0; i < n && strlen(key) < 253; i++) {
        const char *word = WORDS[rng_below(rng, n_different)];
        strcat(strcat(key, i == 0 ? "" : "."), word);
        size_t dice = rng_below(rng, 100);
        if (dice < 20 && !many)
            word = "#";
        else if (dice < 40 && many)
            continue;
        else if (dice < 50)
            word = "*";
        else if (dice == 99)
            word = "b";
        if (strlen(pattern) < 253)
            strcat(strcat(pattern, first ? "" : "."), word);
        first = false;
        many = word[0] == '#';
    }
}

START_TEST(long_keys_route_as_the_naive_matcher_does)
{
    enum { ROUNDS = 3, PATTERNS = 24 };
    static char keys[PATTERNS][256];
    static char patterns[PATTERNS][256];
    struct rng rng = {11};
    char name[8];
    size_t n_matches = 0;
    for (int round = 0; round < ROUNDS; round++) {
        struct world w;
        world_init(&w);
        for (size_t i = 0; i < PATTERNS; i++) {
            snprintf(name, sizeof(name), "%02zu", i);
            world_queue(&w, name);
            random_long_pair(&rng, keys[i], patterns[i]);
            ck_assert_str_eq(world_bind(&w, "amq.topic", name, patterns[i]), "ok");
        }
        for (size_t k = 0; k < PATTERNS; k++) {
            char wanted[PATTERNS * 3 + 1] = "";
            for (size_t i = 0; i < PATTERNS; i++) {
                if (!naive_match(patterns[i], keys[k]))
                    continue;
                snprintf(name, sizeof(name), "%s%02zu", wanted[0] == '\0' ? "" : " ", i);
                strcat(wanted, name);
                n_matches++;
            }
            ck_assert_str_eq(world_route(&w, "amq.topic", keys[k]), wanted);
        }
        world_fini(&w);
    }
    ck_assert_uint_gt(n_matches, ROUNDS * PATTERNS / 4);
}
END_TEST

static void repeat(char *out, const char *word, int n)
{
    out[0] = '\0';
    for (int i = 0; i < n; i++)
        strcat(strcat(out, i == 0 ? "" : "."), word);
}

/* A matcher that tries one reading after the other would not come back from any of these. */
START_TEST(many_wildcards_against_many_words_do_not_blow_up)
{
    struct world w;
    char key[256];
    char pattern[256];
    world_init(&w);
    world_queue(&w, "hashes");
    world_queue(&w, "mixed");
    world_queue(&w, "words");
    world_queue(&w, "never");
    repeat(pattern, "#", 128);
    ck_assert_str_eq(world_bind(&w, "amq.topic", "hashes", pattern), "ok");
    repeat(pattern, "#.*", 60);
    ck_assert_str_eq(world_bind(&w, "amq.topic", "mixed", pattern), "ok");
    repeat(pattern, "#.a", 60);
    ck_assert_str_eq(world_bind(&w, "amq.topic", "words", pattern), "ok");
    strcat(pattern, ".#.b");
    ck_assert_str_eq(world_bind(&w, "amq.topic", "never", pattern), "ok");
    repeat(key, "a", 127);
    for (int i = 0; i < 1000; i++)
        ck_assert_str_eq(world_route(&w, "amq.topic", key), "hashes mixed words");
    repeat(key, "a", 59);
    ck_assert_str_eq(world_route(&w, "amq.topic", key), "hashes");
    world_fini(&w);
}
END_TEST

/* All prefixes are live at every word of the key; once, each was looked at again for each word. */
START_TEST(a_route_looks_at_no_more_than_the_patterns_have_words)
{
    enum { DEPTH = 10, BINDINGS = 1 << DEPTH };
    static const char *const TAILS[] = {"#.z", "#.b.#.z", "#.a.#.*.z"};
    struct world w;
    char key[256];
    size_t n_words = 0;
    world_init(&w);
    world_queue(&w, "q");
    for (unsigned i = 0; i < BINDINGS; i++) {
        char pattern[256] = "";
        for (unsigned bit = 0; bit < DEPTH; bit++)
            strcat(pattern, (i >> bit & 1) != 0 ? "*." : "a.");
        strcat(pattern, TAILS[i % 3]);
        struct span words[WORDS_MAX];
        n_words += split(pattern, words);
        ck_assert_str_eq(world_bind(&w, "amq.topic", "q", pattern), "ok");
    }
    repeat(key, "a", 127);
    ck_assert_str_eq(world_route(&w, "amq.topic", key), "");
    ck_assert_uint_le(w.r.looks, 2 * (n_words + 1));
    /* Many different words, of which each `#` is followed by few. */
    size_t size = 0;
    for (int i = 0; i < DEPTH; i++, size += 2)
        memcpy(key + size, "a.", 2);
    for (char c = '!'; c < '~'; c++) {
        if (c == '.' || c == 'z')
            continue;
        key[size++] = c;
        key[size++] = '.';
    }
    memcpy(key + size, "z", 2);
    ck_assert_str_eq(world_route(&w, "amq.topic", key), "q");
    ck_assert_uint_le(w.r.looks, 2 * (n_words + 1) + BINDINGS);
    world_fini(&w);
}
END_TEST

START_TEST(neighbouring_hashes_are_distinct_bindings_that_match_alike)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_bind(&w, "amq.topic", "q", "a.#");
    world_bind(&w, "amq.topic", "q", "a.#.#");
    ck_assert_uint_eq(w.v->bindings.n, 2);
    ck_assert_str_eq(world_unbind(&w, "amq.topic", "q", "a.#"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b"), "q");
    ck_assert_str_eq(world_unbind(&w, "amq.topic", "q", "a.#.#"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b"), "");
    world_fini(&w);
}
END_TEST

START_TEST(a_shorter_pattern_survives_the_longer_one_through_it)
{
    struct world w;
    world_init(&w);
    world_queue(&w, "q");
    world_queue(&w, "r");
    world_bind(&w, "amq.topic", "q", "a.b");
    world_bind(&w, "amq.topic", "r", "a.b.c.d");
    ck_assert_str_eq(world_unbind(&w, "amq.topic", "r", "a.b.c.d"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b"), "q");
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b.c.d"), "");
    world_bind(&w, "amq.topic", "r", "a.b.c.d");
    ck_assert_str_eq(world_unbind(&w, "amq.topic", "q", "a.b"), "ok");
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b.c.d"), "r");
    ck_assert_str_eq(world_route(&w, "amq.topic", "a.b"), "");
    world_fini(&w);
}
END_TEST

WORLD_MAIN("exchange_topic", edge_cases_match_as_they_do_in_rabbitmq,
           random_bindings_route_as_the_naive_matcher_does,
           long_keys_route_as_the_naive_matcher_does,
           a_route_looks_at_no_more_than_the_patterns_have_words,
           many_wildcards_against_many_words_do_not_blow_up,
           neighbouring_hashes_are_distinct_bindings_that_match_alike,
           a_shorter_pattern_survives_the_longer_one_through_it)
