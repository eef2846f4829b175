// SPDX-License-Identifier: Apache-2.0
#include "base/list.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "tests/base/suite.h"

struct item {
    char name;
    struct list in_list;
};

static struct list head;
static struct list other;
static struct item items[5];

static void set_up(void)
{
    list_init(&head);
    list_init(&other);
    for (unsigned i = 0; i < 5; i++) {
        items[i].name = (char)('a' + i);
        list_init(&items[i].in_list);
    }
}

static const char *names(const struct list *list)
{
    static char text[16];
    size_t n = 0;
    LIST_EACH(list, it)
        text[n++] = CONTAINER_OF(it, struct item, in_list)->name;
    text[n] = 0;
    /* The way back must be the same way. */
    for (const struct list *it = list->prev; it != list; it = it->prev)
        ck_assert_int_eq(CONTAINER_OF(it, struct item, in_list)->name, text[--n]);
    ck_assert_uint_eq(n, 0);
    return text;
}

START_TEST(nodes_stand_where_they_were_put)
{
    set_up();
    ck_assert(list_empty(&head));
    list_push_back(&head, &items[1].in_list);
    list_push_back(&head, &items[3].in_list);
    list_push_front(&head, &items[0].in_list);
    list_insert_before(&items[3].in_list, &items[2].in_list);
    ck_assert_str_eq(names(&head), "abcd");
    ck_assert_ptr_eq(list_first(&head), &items[0].in_list);
    ck_assert_ptr_eq(list_pop_front(&head), &items[0].in_list);
    ck_assert(!list_linked(&items[0].in_list));
    ck_assert(list_linked(&items[1].in_list));
    ck_assert_str_eq(names(&head), "bcd");
}
END_TEST

START_TEST(removing_twice_is_removing_once)
{
    set_up();
    list_push_back(&head, &items[0].in_list);
    list_push_back(&head, &items[1].in_list);
    list_remove(&items[0].in_list);
    list_remove(&items[0].in_list);
    ck_assert_str_eq(names(&head), "b");
    list_remove(&items[1].in_list);
    ck_assert(list_empty(&head));
    ck_assert_ptr_null(list_first(&head));
    ck_assert_ptr_null(list_pop_front(&head));
}
END_TEST

START_TEST(the_current_node_may_go_during_a_walk)
{
    set_up();
    for (unsigned i = 0; i < 5; i++)
        list_push_back(&head, &items[i].in_list);
    LIST_EACH(&head, it) {
        struct item *item = CONTAINER_OF(it, struct item, in_list);
        list_remove(it);
        if (item->name % 2 == 0)
            list_push_back(&other, it);
    }
    ck_assert(list_empty(&head));
    ck_assert_str_eq(names(&other), "bd");
}
END_TEST

START_TEST(a_splice_to_the_front_goes_before_what_is_there)
{
    set_up();
    list_push_back(&head, &items[2].in_list);
    list_splice_front(&head, &other);
    ck_assert_str_eq(names(&head), "c");
    list_push_back(&other, &items[0].in_list);
    list_push_back(&other, &items[1].in_list);
    list_splice_front(&head, &other);
    ck_assert(list_empty(&other));
    ck_assert_str_eq(names(&head), "abc");
}
END_TEST

START_TEST(a_splice_moves_everything_in_order)
{
    set_up();
    list_splice_back(&head, &other);
    ck_assert(list_empty(&head));
    for (unsigned i = 0; i < 5; i++)
        list_push_back(i < 2 ? &head : &other, &items[i].in_list);
    list_splice_back(&head, &other);
    ck_assert_str_eq(names(&head), "abcde");
    ck_assert(list_empty(&other));
    list_splice_back(&other, &head);
    ck_assert_str_eq(names(&other), "abcde");
}
END_TEST

SUITE("list", nodes_stand_where_they_were_put, removing_twice_is_removing_once,
      the_current_node_may_go_during_a_walk, a_splice_moves_everything_in_order,
      a_splice_to_the_front_goes_before_what_is_there)
