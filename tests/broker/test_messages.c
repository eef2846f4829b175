// SPDX-License-Identifier: Apache-2.0
#include "broker/core/messages.h"

#include <string.h>

#include "tests/broker/core_fixture.h"

static struct message *make(struct fixture *fx, struct span body, struct body *large)
{
    struct in_publish p = {.route = SPAN_LIT("\0\1q"),
                           .header = SPAN_LIT("fourteen bytes"),
                           .body = body,
                           .body_size = large == NULL ? body.size : large->size,
                           .large = large};
    struct message_traits t = {.persistent = true, .priority = 3};
    struct message *m = message_new(fx->core, &p, &t);
    ck_assert_ptr_nonnull(m);
    ck_assert_ptr_null(p.large);
    return m;
}

START_TEST(a_message_is_what_was_published)
{
    struct fixture *fx = fixture_new(0);
    struct message *m = make(fx, SPAN_LIT("hello"), NULL);
    ck_assert(m->persistent);
    ck_assert_uint_eq(m->priority, 3);
    ck_assert(span_eq(message_route(m), SPAN_LIT("\0\1q")));
    ck_assert(span_eq(message_header(m), SPAN_LIT("fourteen bytes")));
    ck_assert(span_eq(message_body(m), SPAN_LIT("hello")));
    message_unref(fx->core, m);
    fixture_free(fx);
}
END_TEST

START_TEST(the_last_reference_frees_it_and_its_charge)
{
    struct fixture *fx = fixture_new(0);
    struct message *m = make(fx, SPAN_LIT("hello"), NULL);
    uint64_t charge = fx->core->message_bytes;
    ck_assert_uint_eq(charge, message_footprint(m));
    ck_assert_ptr_eq(message_ref(m), m);
    message_unref(fx->core, m);
    ck_assert_uint_eq(fx->core->message_bytes, charge);
    message_unref(fx->core, m);
    ck_assert_uint_eq(fx->core->message_bytes, 0);
    fixture_free(fx);
}
END_TEST

START_TEST(a_large_body_is_freed_by_the_thread_that_made_it)
{
    struct fixture *fx = fixture_new(0);
    for (uint32_t home = 0; home < FIXTURE_LINKS; home++) {
        struct body *large = body_new(50000, home);
        large->size = 50000;
        struct message *m = make(fx, SPAN_NONE, large);
        ck_assert_uint_ge(fx->core->message_bytes, 50000);
        message_unref(fx->core, m);
        ck_assert_ptr_eq(fx->core->links[home].bodies_home, large);
        ck_assert_uint_eq(fx->core->message_bytes, 0);
    }
    messages_send_bodies_home(fx->core);
    fixture_run(fx);
    ck_assert_uint_eq(fx->n_bodies_home, 2);
    fixture_free(fx);
}
END_TEST

SUITE("messages", a_message_is_what_was_published, the_last_reference_frees_it_and_its_charge,
      a_large_body_is_freed_by_the_thread_that_made_it)
