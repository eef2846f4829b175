// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/false_tree.h"

#include <string.h>

static void false_tree_mark_names(struct false_tree *t, const struct false_content *c)
{
    for (size_t i = 0; i < c->n_names; i++)
        t->nodes[c->names[i].node]->marked = true;
}

/* In one pass: a folder is in the directory, which comes first. */
void false_tree_mark(struct false_tree *t, bool ever)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->nodes[i] != NULL)
            t->nodes[i]->marked = i == 0 || t->nodes[i]->n_open != 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct false_node *node = t->nodes[i];
        if (node == NULL || !node->marked)
            continue;
        false_tree_mark_names(t, &node->now);
        if (ever)
            false_tree_mark_names(t, &node->synced);
        for (size_t j = 0; ever && j < node->n_changes; j++)
            if (node->changes[j].kind == CHANGE_MAKE)
                t->nodes[node->changes[j].node]->marked = true;
    }
}

void false_tree_sweep(struct false_tree *t)
{
    false_tree_mark(t, true);
    for (size_t i = 0; i < t->n; i++)
        if (t->nodes[i] != NULL && !t->nodes[i]->marked) {
            false_node_free(t->nodes[i]);
            t->nodes[i] = NULL;
        }
}

size_t false_tree_add(struct false_tree *t, struct false_node *node)
{
    size_t number = 0;
    while (number < t->n && t->nodes[number] != NULL)
        number++;
    if (number == t->n)
        t->nodes = false_room(t->nodes, ++t->n, sizeof(struct false_node *));
    t->nodes[number] = node;
    return number;
}

struct false_node *false_tree_folder(struct false_tree *t, const char *path, const char **last)
{
    char folder[DISK_PATH_MAX];
    const char *slash = strchr(path, '/');
    *last = slash == NULL ? path : slash + 1;
    if (slash == NULL)
        return t->nodes[0];
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = 0;
    const struct false_name *name = false_node_find(t->nodes[0], folder);
    return name != NULL && t->nodes[name->node]->folder ? t->nodes[name->node] : NULL;
}

struct false_node *false_tree_find(struct false_tree *t, const char *path)
{
    const char *last;
    const struct false_node *folder = false_tree_folder(t, path, &last);
    const struct false_name *name = folder == NULL ? NULL : false_node_find(folder, last);
    return name == NULL ? NULL : t->nodes[name->node];
}

struct false_node *false_tree_find_folder(struct false_tree *t, const char *path)
{
    struct false_node *node = path[0] == 0 ? t->nodes[0] : false_tree_find(t, path);
    return node != NULL && node->folder ? node : NULL;
}
