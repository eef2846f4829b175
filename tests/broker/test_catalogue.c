// SPDX-License-Identifier: Apache-2.0
/* What the store is told of declared things, read by a keeper that only looks; that it comes back
 * is shown in test_restore.c. */
#include "broker/core/catalogue.h"

#include "broker/core/queue.h"
#include "broker/core/vhost.h"
#include "tests/broker/core_fixture.h"

static struct fixture *fx;
static struct client *c;

static void begin(void)
{
    fx = fixture_new(0);
    c = fixture_connect(fx);
    fx->store_held = true;
}

/* What was told of this kind since the last seal: how often, and the last. */
static unsigned told(enum parcel_kind kind, struct parcel_entry *last, struct span *what)
{
    const struct parcel *p = store_seal(fx->store);
    unsigned n = 0;
    for (size_t i = 0; i < p->n; i++) {
        if (p->entries[i].kind != kind)
            continue;
        n++;
        *last = p->entries[i];
        if (kind == PARCEL_DECLARED)
            *what = span_of(buf_span(&p->bytes).at + last->at, last->n);
    }
    return n;
}

START_TEST(only_what_is_durable_is_told)
{
    struct parcel_entry e;
    struct span what;
    begin();
    say(c, "1 queue_declare queue=a no_wait");
    say(c, "1 queue_declare queue=b durable exclusive no_wait");
    say(c, "1 exchange_declare exchange=x type=fanout no_wait");
    say(c, "1 queue_bind queue=a exchange=amq.fanout no_wait");
    ck_assert_uint_eq(told(PARCEL_DECLARED, &e, &what), 0);
    say(c, "1 queue_declare queue=d durable no_wait");
    say(c, "1 queue_declare queue=d durable no_wait"); /* once */
    say(c, "1 queue_bind queue=d exchange=x no_wait"); /* from one that is not */
    ck_assert_uint_eq(told(PARCEL_DECLARED, &e, &what), 1);
    ck_assert_uint_eq(e.with.object, fixture_queue(fx, "d")->number);
    say(c, "1 queue_delete queue=a no_wait");
    ck_assert_uint_eq(told(PARCEL_UNDECLARED, &e, &what), 0);
    say(c, "1 queue_delete queue=d no_wait");
    ck_assert_uint_eq(told(PARCEL_UNDECLARED, &e, &what), 1);
    fixture_free(fx);
}
END_TEST

START_TEST(what_was_told_is_had_until_it_goes)
{
    struct parcel_entry e;
    struct span what;
    begin();
    say(c, "1 queue_declare queue=d durable no_wait");
    ck_assert_uint_eq(told(PARCEL_DECLARED, &e, &what), 1);
    ck_assert(catalogue_has(fx->core, e.with.object, what));
    ck_assert(!catalogue_has(fx->core, e.with.object + 1, what)); /* another of that name */
    say(c, "1 queue_bind queue=d exchange=amq.direct routing_key=k no_wait");
    struct parcel_entry bound;
    struct span binding;
    ck_assert_uint_eq(told(PARCEL_DECLARED, &bound, &binding), 1);
    ck_assert(catalogue_has(fx->core, bound.with.object, binding));
    say(c, "1 queue_unbind queue=d exchange=amq.direct routing_key=k");
    ck_assert(!catalogue_has(fx->core, bound.with.object, binding));
    say(c, "1 queue_delete queue=d no_wait");
    ck_assert(!catalogue_has(fx->core, e.with.object, what));
    fixture_free(fx);
}
END_TEST

START_TEST(bytes_that_make_no_sense_are_refused)
{
    struct parcel_entry e;
    struct span what;
    begin();
    say(c, "1 exchange_declare exchange=x type=topic durable no_wait");
    ck_assert_uint_eq(told(PARCEL_DECLARED, &e, &what), 1);
    say(c, "1 exchange_delete exchange=x no_wait");
    for (size_t n = 0; n < what.size; n++)
        ck_assert_int_eq(catalogue_restore(fx->core, 99, span_of(what.at, n)), ERR_SYNTAX);
    ck_assert_int_eq(catalogue_restore(fx->core, e.with.object, what), OK);
    ck_assert_int_eq(catalogue_restore(fx->core, 99, what), ERR_SYNTAX); /* the name is taken */
    ck_assert(catalogue_has(fx->core, e.with.object, what));
    fixture_free(fx);
}
END_TEST

START_TEST(a_binding_without_its_ends_is_forgotten)
{
    struct parcel_entry e;
    struct span what;
    begin();
    say(c, "1 queue_declare queue=d durable no_wait");
    ck_assert_uint_eq(told(PARCEL_DECLARED, &e, &what), 1);
    say(c, "1 queue_bind queue=d exchange=amq.direct routing_key=k no_wait");
    ck_assert_uint_eq(told(PARCEL_DECLARED, &e, &what), 1);
    say(c, "1 queue_delete queue=d no_wait");
    say(c, "1 queue_declare queue=d durable no_wait"); /* of that name, and not that one */
    struct parcel_entry gone;
    struct span none;
    (void)told(PARCEL_UNDECLARED, &gone, &none);
    ck_assert_uint_ne(store_reserve(fx->store), 0);
    ck_assert_int_eq(catalogue_restore(fx->core, e.with.object, what), ERR_NOT_FOUND);
    ck_assert_uint_eq(told(PARCEL_UNDECLARED, &gone, &none), 1);
    ck_assert_uint_eq(gone.object, e.with.object);
    fixture_free(fx);
}
END_TEST

SUITE("catalogue", only_what_is_durable_is_told, what_was_told_is_had_until_it_goes,
      bytes_that_make_no_sense_are_refused, a_binding_without_its_ends_is_forgotten)
