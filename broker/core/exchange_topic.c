// SPDX-License-Identifier: Apache-2.0
/* A binding's key is a pattern of words between dots: `*` stands for one word, `#` for any number
 * of them.
 *
 * The patterns form a trie, one node per word. The edges to plain words are in one map for the
 * whole exchange, by parent and word, so that a million bindings cost memory in proportion and a
 * node of a million children is as quick as one of two. The edges `*` and `#` are pointers. A map
 * that has become empty gives its buckets back.
 *
 * A message's key is matched word by word against all of the trie at once: the live nodes are those
 * that some way of reading the words so far leads to. A node is live at most once per word,
 * therefore the cost is O(words x live nodes), whatever the patterns are; bindings whose nodes are
 * not live cost nothing.
 *
 * Neighbouring `#` are one: "#.#" matches what "#" does, and is kept in its node. The empty key, of
 * messages and patterns, has no words; any other has one more than it has dots, and words may be
 * empty.
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "broker/core/exchange.h"
#include "broker/core/route.h"

enum topic_edge { TOPIC_ROOT, TOPIC_WORD, TOPIC_STAR, TOPIC_HASH };

struct topic_node {
    struct map_node by_edge; /* of TOPIC_WORD */
    struct topic_node *parent;
    struct topic_node *star;
    struct topic_node *hash;
    struct list bindings;            /* whose pattern ends here; by binding.in_index */
    struct topic_node *live_next[2]; /* in the sets of live nodes, which take turns */
    uint64_t live_mark;              /* of the set it was added to last */
    uint32_t number;                 /* spreads the edges of different parents over the map */
    uint32_t n_children;
    uint8_t edge; /* enum topic_edge */
    uint8_t word_size;
    uint8_t word[];
};

struct topic {
    struct map edges;
    struct topic_node *root;
    uint64_t live_mark;
    uint32_t last_number;
};

/* The words of a key, one by one. */
struct topic_words {
    struct span rest;
    bool more;
};

static struct topic_words topic_words(struct span key)
{
    return (struct topic_words){.rest = key, .more = key.size != 0};
}

static bool topic_words_next(struct topic_words *w, struct span *word)
{
    if (!w->more)
        return false;
    const uint8_t *dot = w->rest.size == 0 ? NULL : memchr(w->rest.at, '.', w->rest.size);
    *word = w->rest;
    w->more = dot != NULL;
    if (dot != NULL) {
        word->size = (size_t)(dot - w->rest.at);
        w->rest = span_of(dot + 1, w->rest.size - word->size - 1);
    }
    return true;
}

/* Numbers of parents differ, and an odd factor keeps them different in every power of two. */
static uint64_t topic_edge_hash(const struct topic_node *parent, uint64_t word_hash)
{
    return word_hash ^ (parent->number * UINT64_C(0x9e3779b97f4a7c15));
}

static struct topic_node *topic_child(const struct topic *t, const struct topic_node *parent,
                                      struct span word, uint64_t word_hash)
{
    struct map_node *n = map_find(&t->edges, topic_edge_hash(parent, word_hash));
    for (; n != NULL; n = map_find_next(n)) {
        struct topic_node *child = CONTAINER_OF(n, struct topic_node, by_edge);
        if (child->parent == parent && span_eq(span_of(child->word, child->word_size), word))
            return child;
    }
    return NULL;
}

static struct topic_node *topic_node_new(struct topic *t, struct topic_node *parent,
                                         enum topic_edge edge, struct span word)
{
    struct topic_node *n = calloc(1, sizeof(struct topic_node) + word.size);
    if (n == NULL)
        return NULL;
    n->parent = parent;
    n->edge = (uint8_t)edge;
    n->number = ++t->last_number;
    n->word_size = (uint8_t)word.size;
    put_bytes(n->word, word);
    list_init(&n->bindings);
    if (parent != NULL)
        parent->n_children++;
    return n;
}

/* Frees `n` and then its parents as long as nothing needs them; the root stays. */
static void topic_prune(struct topic *t, struct topic_node *n)
{
    while (n->parent != NULL && n->n_children == 0 && list_empty(&n->bindings)) {
        struct topic_node *parent = n->parent;
        if (n->edge == TOPIC_STAR)
            parent->star = NULL;
        else if (n->edge == TOPIC_HASH)
            parent->hash = NULL;
        else
            map_remove(&t->edges, &n->by_edge);
        parent->n_children--;
        free(n);
        n = parent;
    }
}

/* The node that `word` of a pattern leads to from `n`, made if need be; NULL when memory is out. */
static struct topic_node *topic_descend(struct topic *t, struct topic_node *n, struct span word,
                                        uint64_t seed)
{
    if (span_eq(word, SPAN_LIT("#"))) {
        if (n->edge == TOPIC_HASH)
            return n;
        if (n->hash == NULL)
            n->hash = topic_node_new(t, n, TOPIC_HASH, SPAN_NONE);
        return n->hash;
    }
    if (span_eq(word, SPAN_LIT("*"))) {
        if (n->star == NULL)
            n->star = topic_node_new(t, n, TOPIC_STAR, SPAN_NONE);
        return n->star;
    }
    uint64_t word_hash = map_hash(seed, word);
    struct topic_node *child = topic_child(t, n, word, word_hash);
    if (child == NULL) {
        child = topic_node_new(t, n, TOPIC_WORD, word);
        if (child != NULL)
            map_insert(&t->edges, &child->by_edge, topic_edge_hash(n, word_hash));
    }
    return child;
}

static struct topic *topic_new(void)
{
    struct topic *t = calloc(1, sizeof(struct topic));
    if (t == NULL)
        return NULL;
    map_init(&t->edges);
    t->root = topic_node_new(t, NULL, TOPIC_ROOT, SPAN_NONE);
    if (t->root == NULL) {
        free(t);
        return NULL;
    }
    return t;
}

static enum err topic_bind(struct exchange *x, struct binding *b)
{
    if (x->index == NULL)
        x->index = topic_new();
    struct topic *t = x->index;
    if (t == NULL)
        return ERR_NOMEM;
    struct topic_node *n = t->root;
    struct topic_words words = topic_words(b->key);
    for (struct span word; topic_words_next(&words, &word);) {
        struct topic_node *next = topic_descend(t, n, word, x->vhost->hash_seed);
        if (next == NULL) {
            topic_prune(t, n);
            return ERR_NOMEM;
        }
        n = next;
    }
    list_push_back(&n->bindings, &b->in_index);
    b->index_node = n;
    return OK;
}

static void topic_unbind(struct exchange *x, struct binding *b)
{
    struct topic *t = x->index;
    list_remove(&b->in_index);
    topic_prune(t, b->index_node);
    if (t->edges.n == 0)
        map_fini(&t->edges);
}

/* The nodes that are live before a word, in the order in which they were found. */
struct topic_live {
    struct topic_node *first;
    struct topic_node *last;
    unsigned side; /* which live_next */
    uint64_t mark;
    size_t n;
};

static struct topic_live topic_live(struct topic *t, unsigned side)
{
    return (struct topic_live){.side = side, .mark = ++t->live_mark};
}

/* With `n` everything becomes live that is reached from it without a word: its `#`. */
static void topic_live_add(struct topic_live *live, struct topic_node *n)
{
    for (; n != NULL && n->live_mark != live->mark; n = n->hash) {
        n->live_mark = live->mark;
        live->n++;
        n->live_next[live->side] = NULL;
        if (live->last == NULL)
            live->first = n;
        else
            live->last->live_next[live->side] = n;
        live->last = n;
    }
}

static void topic_live_step(const struct topic *t, const struct topic_live *now,
                            struct topic_live *next, struct span word, uint64_t word_hash)
{
    for (struct topic_node *n = now->first; n != NULL; n = n->live_next[now->side]) {
        if (n->edge == TOPIC_HASH)
            topic_live_add(next, n);
        if (n->n_children == 0)
            continue;
        topic_live_add(next, n->star);
        topic_live_add(next, topic_child(t, n, word, word_hash));
    }
}

static void topic_route(const struct exchange *x, const struct routed_message *m, struct route *r)
{
    struct topic *t = x->index;
    if (t == NULL)
        return;
    struct topic_live now = topic_live(t, 0);
    topic_live_add(&now, t->root);
    struct topic_words words = topic_words(m->key);
    for (struct span word; now.first != NULL && topic_words_next(&words, &word);) {
        struct topic_live next = topic_live(t, now.side ^ 1);
        topic_live_step(t, &now, &next, word, map_hash(x->vhost->hash_seed, word));
        now = next;
        r->looks += now.n;
    }
    for (struct topic_node *n = now.first; n != NULL; n = n->live_next[now.side])
        LIST_EACH(&n->bindings, it)
            route_add(r, CONTAINER_OF(it, struct binding, in_index));
}

static void topic_fini(struct exchange *x)
{
    struct topic *t = x->index;
    if (t == NULL)
        return;
    ASSERT(t->edges.n == 0 && t->root->n_children == 0 && list_empty(&t->root->bindings));
    map_fini(&t->edges);
    free(t->root);
    free(t);
    x->index = NULL;
}

const struct exchange_type exchange_type_topic = {
    .name = "topic",
    .bind = topic_bind,
    .unbind = topic_unbind,
    .route = topic_route,
    .fini = topic_fini,
};
