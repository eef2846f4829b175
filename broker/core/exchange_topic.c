// SPDX-License-Identifier: Apache-2.0
/* A binding's key is a pattern of words between dots: `*` stands for one word, `#` for any number
 * of them.
 *
 * The patterns form a trie, one node per word. The edges to plain words are in one map for the
 * whole exchange, by parent and word, so that a million bindings cost memory in proportion and a
 * node of a million children is as quick as one of two. The edges `*` and `#` are pointers. A map
 * that has become empty gives its buckets back.
 *
 * A message's key is matched from the root down. With each node goes the set of places in the key
 * that some way of reading the words before it leads to: a word's edge takes those where this word
 * follows, `*` all but the end, `#` everything from the first on. So a node is visited at most
 * once, whatever the patterns are, and only if its set is not empty. Of a node's words the key's
 * are tried, or all if these are fewer.
 *
 * Bound: a route looks at no more edges than all the patterns have words.
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
    struct list bindings;  /* whose pattern ends here; by binding.in_index */
    struct list words;     /* children by TOPIC_WORD, by in_parent */
    struct list in_parent; /* of TOPIC_WORD */
    uint32_t number;       /* spreads the edges of different parents over the map */
    uint32_t n_words;
    uint8_t edge; /* enum topic_edge */
    uint8_t word_size;
    uint8_t word[];
};

struct topic {
    struct map edges;
    struct topic_node *root;
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
    list_init(&n->words);
    list_init(&n->in_parent);
    return n;
}

static bool topic_is_leaf(const struct topic_node *n)
{
    return n->n_words == 0 && n->star == NULL && n->hash == NULL;
}

static void topic_remove_word(struct topic *t, struct topic_node *n)
{
    map_remove(&t->edges, &n->by_edge);
    list_remove(&n->in_parent);
    n->parent->n_words--;
}

/* Frees `n` and then its parents as long as nothing needs them; the root stays. */
static void topic_prune(struct topic *t, struct topic_node *n)
{
    while (n->parent != NULL && topic_is_leaf(n) && list_empty(&n->bindings)) {
        struct topic_node *parent = n->parent;
        if (n->edge == TOPIC_STAR)
            parent->star = NULL;
        else if (n->edge == TOPIC_HASH)
            parent->hash = NULL;
        else
            topic_remove_word(t, n);
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
        if (child == NULL)
            return NULL;
        map_insert(&t->edges, &child->by_edge, topic_edge_hash(n, word_hash));
        list_push_back(&n->words, &child->in_parent);
        n->n_words++;
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

/* ---- Matching ---- */

enum {
    TOPIC_WORDS_MAX = 256, /* of a key: 255 bytes, all of them dots */
    TOPIC_SET_PARTS = TOPIC_WORDS_MAX / 64 + 1,
    TOPIC_SLOTS_MAX = 2 * TOPIC_WORDS_MAX,
    TOPIC_LOOKS_PER_NODE = 2 /* a node is rarely in the cache */
};

/* Places in the key: before each word, by its number, and after the last. */
struct topic_set {
    uint64_t part[TOPIC_SET_PARTS];
};

struct topic_key_word {
    struct span word;
    uint64_t hash;
    uint16_t first;      /* the number of the first that equals it */
    struct topic_set at; /* where it is: kept at that first one */
};

/* The key in words, and a table of the different ones. */
struct topic_key {
    size_t n;
    size_t n_parts;                  /* of a set, in use */
    size_t n_slots;                  /* a power of two, more than n */
    uint16_t slots[TOPIC_SLOTS_MAX]; /* number of a word + 1; 0 = free */
    struct topic_key_word words[TOPIC_WORDS_MAX];
};

/* The word of the key that equals `word`, the first of them; NULL when there is none. `*slot` is
 * where it is, or would be. */
static struct topic_key_word *topic_key_find(struct topic_key *k, struct span word, uint64_t hash,
                                             size_t *slot)
{
    for (*slot = hash & (k->n_slots - 1); k->slots[*slot] != 0;
         *slot = (*slot + 1) & (k->n_slots - 1)) {
        struct topic_key_word *w = &k->words[k->slots[*slot] - 1];
        if (w->hash == hash && span_eq(w->word, word))
            return w;
    }
    return NULL;
}

static void topic_key_split(struct topic_key *k, struct span key, uint64_t seed)
{
    k->n = 0;
    struct topic_words words = topic_words(key);
    for (struct span word; topic_words_next(&words, &word); k->n++)
        k->words[k->n].word = word;
    k->n_parts = k->n / 64 + 1;
    k->n_slots = 8;
    while (k->n_slots < 2 * k->n)
        k->n_slots *= 2;
    memset(k->slots, 0, k->n_slots * sizeof(k->slots[0]));
    for (size_t i = 0; i < k->n; i++) {
        struct topic_key_word *w = &k->words[i];
        size_t slot;
        w->hash = map_hash(seed, w->word);
        struct topic_key_word *first = topic_key_find(k, w->word, w->hash, &slot);
        if (first == NULL) {
            first = w;
            w->first = (uint16_t)i;
            k->slots[slot] = (uint16_t)(i + 1);
            memset(&w->at, 0, k->n_parts * sizeof(w->at.part[0]));
        }
        w->first = first->first;
        first->at.part[i / 64] |= UINT64_C(1) << (i % 64);
    }
}

/* A node on the way down. */
struct topic_step {
    struct topic_node *node;
    struct topic_set set;
    /* What is left to be tried below it: its `#` and `*`, then either its words from `next` on, or
     * the words of the key from `left`, where places whose word has been tried are taken out. */
    bool hash_tried;
    bool star_tried;
    bool by_key;
    struct list *next;
    struct topic_set left;
};

struct topic_walk {
    const struct topic *topic;
    struct route *route;
    struct topic_key key;
    struct topic_node *ends; /* the node that was reached last matches: its bindings come next */
    size_t depth;
    struct topic_step steps[TOPIC_WORDS_MAX + 1]; /* a pattern is a key, and there is the root */
};

/* The last bit, if any, is the place after the last word: no word follows there. */
static size_t topic_set_next(const struct topic_key *k, const struct topic_set *s)
{
    for (size_t i = 0; i < k->n_parts; i++)
        if (s->part[i] != 0)
            return i * 64 + (size_t)__builtin_ctzll(s->part[i]);
    return SIZE_MAX;
}

static size_t topic_set_count(const struct topic_key *k, const struct topic_set *s)
{
    size_t n = 0;
    for (size_t i = 0; i < k->n_parts; i++)
        n += (size_t)__builtin_popcountll(s->part[i]);
    return n;
}

/* `from`, or what of it is in `only`, one word on. */
static void topic_set_advance(const struct topic_key *k, struct topic_set *to,
                              const struct topic_set *from, const struct topic_set *only)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < k->n_parts; i++) {
        uint64_t part = only == NULL ? from->part[i] : from->part[i] & only->part[i];
        to->part[i] = part << 1 | carry;
        carry = part >> 63;
    }
}

/* From the first place on all, up to the one after the last word. */
static void topic_set_fill(const struct topic_key *k, struct topic_set *to,
                           const struct topic_set *from)
{
    size_t first = topic_set_next(k, from);
    for (size_t i = 0; i < k->n_parts; i++)
        to->part[i] = i < first / 64 ? 0 : UINT64_MAX;
    to->part[first / 64] &= UINT64_MAX << (first % 64);
    to->part[k->n / 64] &= UINT64_MAX >> (63 - k->n % 64);
}

static bool topic_set_has_end(const struct topic_key *k, const struct topic_set *s)
{
    /* The last of its n_parts, which the analyser does not see.
     * NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    return (s->part[k->n / 64] >> (k->n % 64) & 1) != 0;
}

/* Goes down to `n`, whose set has been put into the next step: not if it is empty. */
static void topic_enter(struct topic_walk *w, struct topic_node *n)
{
    struct topic_step *s = &w->steps[w->depth];
    const struct topic_key *k = &w->key;
    w->route->looks += TOPIC_LOOKS_PER_NODE;
    if (topic_set_next(k, &s->set) == SIZE_MAX)
        return;
    if (!list_empty(&n->bindings) && topic_set_has_end(k, &s->set))
        w->ends = n;
    if (topic_is_leaf(n))
        return;
    s->node = n;
    s->hash_tried = n->hash == NULL;
    s->left = s->set;
    s->left.part[k->n / 64] &= ~(UINT64_C(1) << (k->n % 64)); /* no word follows there */
    s->star_tried = n->star == NULL;
    s->by_key = n->n_words > topic_set_count(k, &s->left);
    s->next = n->words.next;
    w->depth++;
}

/* The next word of the node that may be in the key. */
static void topic_try_word(struct topic_walk *w, struct topic_step *s)
{
    struct topic_node *n = s->node;
    struct topic_node *child = CONTAINER_OF(s->next, struct topic_node, in_parent);
    uint64_t hash = topic_edge_hash(n, child->by_edge.hash); /* twice is not at all */
    size_t slot;
    s->next = s->next->next;
    const struct topic_key_word *word = topic_key_find(
        &w->key, span_of(child->word, child->word_size), hash, &slot);
    if (word == NULL) {
        w->route->looks++;
        return;
    }
    topic_set_advance(&w->key, &s[1].set, &s->left, &word->at);
    topic_enter(w, child);
}

/* The next word of the key that may lead on from the node. */
static void topic_try_key(struct topic_walk *w, struct topic_step *s, size_t place)
{
    struct topic_key *k = &w->key;
    const struct topic_key_word *word = &k->words[k->words[place].first];
    topic_set_advance(k, &s[1].set, &s->left, &word->at);
    for (size_t i = 0; i < k->n_parts; i++)
        s->left.part[i] &= ~word->at.part[i];
    struct topic_node *child = topic_child(w->topic, s->node, word->word, word->hash);
    if (child != NULL)
        topic_enter(w, child);
    else
        w->route->looks++;
}

/* One step down from the node at hand, or up when nothing is left below it. */
static void topic_go_on(struct topic_walk *w)
{
    struct topic_step *s = &w->steps[w->depth - 1];
    struct topic_node *n = s->node;
    size_t place;
    if (!s->hash_tried) {
        s->hash_tried = true;
        topic_set_fill(&w->key, &s[1].set, &s->set);
        topic_enter(w, n->hash);
    } else if (!s->star_tried) {
        s->star_tried = true;
        topic_set_advance(&w->key, &s[1].set, &s->left, NULL);
        topic_enter(w, n->star);
    } else if (!s->by_key && s->next != &n->words) {
        topic_try_word(w, s);
    } else if (s->by_key && (place = topic_set_next(&w->key, &s->left)) != SIZE_MAX) {
        topic_try_key(w, s, place);
    } else {
        w->depth--;
    }
}

static struct topic_walk *topic_begin(struct route *r, const struct exchange *x, struct span key)
{
    if (r->topic == NULL)
        r->topic = malloc(sizeof(*r->topic));
    struct topic_walk *w = r->topic;
    if (w == NULL) {
        r->failed = true;
        return NULL;
    }
    /* As much of it as the key needs is touched. */
    w->topic = x->index;
    w->route = r;
    w->ends = NULL;
    w->depth = 0;
    topic_key_split(&w->key, key, x->vhost->hash_seed);
    memset(&w->steps[0].set, 0, sizeof(w->steps[0].set));
    w->steps[0].set.part[0] = 1;
    topic_enter(w, w->topic->root);
    return w;
}

static bool topic_route(const struct exchange *x, const struct routed_message *m, struct route *r)
{
    if (x->index == NULL)
        return true;
    struct topic_walk *w = r->in_topic ? r->topic : topic_begin(r, x, m->key);
    r->in_topic = w != NULL;
    while (w != NULL && (w->ends != NULL || w->depth != 0)) {
        if (route_is_tired(r))
            return false;
        if (w->ends == NULL) {
            topic_go_on(w);
            continue;
        }
        for (struct list *it; (it = route_next(r, &w->ends->bindings)) != NULL;)
            route_add(r, CONTAINER_OF(it, struct binding, in_index));
        if (r->next == NULL)
            w->ends = NULL;
    }
    r->in_topic = false;
    return true;
}

static void topic_fini(struct exchange *x)
{
    struct topic *t = x->index;
    if (t == NULL)
        return;
    ASSERT(t->edges.n == 0 && topic_is_leaf(t->root) && list_empty(&t->root->bindings));
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
