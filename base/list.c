// SPDX-License-Identifier: Apache-2.0
#include "base/list.h"

void list_init(struct list *l)
{
    l->next = l;
    l->prev = l;
}

bool list_empty(const struct list *head)
{
    return head->next == head;
}

bool list_linked(const struct list *node)
{
    return node->next != node;
}

void list_insert_before(struct list *at, struct list *node)
{
    node->next = at;
    node->prev = at->prev;
    at->prev->next = node;
    at->prev = node;
}

void list_push_back(struct list *head, struct list *node)
{
    list_insert_before(head, node);
}

void list_push_front(struct list *head, struct list *node)
{
    list_insert_before(head->next, node);
}

void list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

struct list *list_first(const struct list *head)
{
    return list_empty(head) ? NULL : head->next;
}

struct list *list_pop_front(struct list *head)
{
    struct list *node = list_first(head);
    if (node != NULL)
        list_remove(node);
    return node;
}

void list_splice_back(struct list *to, struct list *from)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

void list_splice_front(struct list *to, struct list *from)
{
    list_splice_back(from, to);
    list_splice_back(to, from);
}
