// SPDX-License-Identifier: Apache-2.0
/* base/list.h — a doubly linked list through its members.
 *
 * The head is a node that belongs to nobody. A node that is in no list points at itself, so
 * list_remove may be called twice and list_linked answers whether it is in one.
 *
 * Thread: that of the owner.   Allocates: never.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next;
    struct list *prev;
};

void list_init(struct list *l);
bool list_empty(const struct list *head);
bool list_linked(const struct list *node);
void list_push_back(struct list *head, struct list *node);
void list_push_front(struct list *head, struct list *node);

/* Puts `node`, which is in no list, right before `at`. */
void list_insert_before(struct list *at, struct list *node);
void list_remove(struct list *node);

/* The first node, NULL when there is none. */
struct list *list_first(const struct list *head);

/* The first node, removed; NULL when there is none. */
struct list *list_pop_front(struct list *head);

/* Moves everything from `from` to the end, or the beginning, of `to`. */
void list_splice_back(struct list *to, struct list *from);
void list_splice_front(struct list *to, struct list *from);

/* Walks from first to last; the current node may be removed and freed in the body. */
#define LIST_EACH(head, it)                                                   \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head); \
         it = it##_next, it##_next = it->next)

#endif
