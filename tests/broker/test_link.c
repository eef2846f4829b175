// SPDX-License-Identifier: Apache-2.0
#include "broker/link/link.h"

#include "base/limits.h"
#include "tests/base/suite.h"

START_TEST(a_link_is_two_empty_rings)
{
    struct link l;
    ck_assert_int_eq(link_init(&l), OK);
    ck_assert(!ring_see_published(&l.in));
    ck_assert(!ring_see_published(&l.out));
    ck_assert(ring_has_room(&l.in, LINK_RING_BYTES));
    ck_assert_ptr_null(l.wake_core);
    ck_assert_ptr_null(l.wake_io);
    link_fini(&l);
}
END_TEST

/* Where the ring has room by its count, a record must find it in one piece. */
static void check_room(size_t room, size_t record)
{
    struct ring r;
    ck_assert_int_eq(ring_init(&r, LINK_RING_BYTES), OK);
    for (size_t at = 0; at < LINK_RING_BYTES; at += 4096 - 8) {
        uint64_t base = at & ~(size_t)7;
        r.w_at = base + LINK_RING_BYTES - room; /* exactly `room` is free */
        r.w_tail = base;
        atomic_store(&r.tail, base);
        if (!ring_has_room(&r, room) || ring_reserve(&r, record) == NULL)
            ck_abort_msg("no room for %zu at %zu", record, at);
    }
    ring_fini(&r);
}

START_TEST(the_room_kept_free_holds_the_largest_record_in_one_piece)
{
    /* A publish put together: method, header frame, small body. */
    check_room(LINK_IN_ROOM,
               sizeof(struct in_publish) + 1024 + FRAME_MAX_DEFAULT + BODY_INLINE_MAX);
    check_room(LINK_IN_ROOM, sizeof(struct in_method));
    check_room(LINK_OUT_ROOM, sizeof(struct out_bytes) + LINK_BYTES_MAX);
    check_room(LINK_OUT_ROOM, sizeof(struct out_order));
}
END_TEST

/* A body belongs to whoever takes the record; when nobody does any more, to the link. The
 * leak sanitizer looks whether it has freed them. */
START_TEST(bodies_that_are_under_way_go_with_the_link)
{
    struct link l;
    ck_assert_int_eq(link_init(&l), OK);
    struct in_publish *in = ring_reserve(&l.in, sizeof(*in));
    ck_assert_ptr_nonnull(in);
    *in = (struct in_publish){.head = {.kind = IN_PUBLISH}, .large = body_new(100000, 0)};
    ck_assert_ptr_nonnull(in->large);
    ring_commit(&l.in, sizeof(*in));
    struct out_bodies *out = ring_reserve(&l.out, sizeof(*out));
    ck_assert_ptr_nonnull(out);
    *out = (struct out_bodies){.head = {.kind = OUT_BODIES}, .first = body_new(100000, 0)};
    ck_assert_ptr_nonnull(out->first);
    out->first->next = body_new(100000, 0);
    ck_assert_ptr_nonnull(out->first->next);
    out->first->next->next = NULL;
    ring_commit(&l.out, sizeof(*out));
    ring_publish(&l.out);
    link_fini(&l);
}
END_TEST

SUITE("link", a_link_is_two_empty_rings, bodies_that_are_under_way_go_with_the_link,
      the_room_kept_free_holds_the_largest_record_in_one_piece)
