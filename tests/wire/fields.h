// SPDX-License-Identifier: Apache-2.0
/* tests/wire/fields.h — method arguments and properties by the names of the tables.
 *
 *   sent       name=value, or the bare name of a bit; what is not named is zero
 *   expected   name=value exactly · name~"pattern" with * and ? · name~{table} at least these
 *              entries · name=$v sets $v, and compares once it is set · `no name`: the property is
 *              absent · what is not named may be anything
 *
 * Thread: one.
 */
#ifndef TESTS_WIRE_FIELDS_H
#define TESTS_WIRE_FIELDS_H

#include "tests/wire/peer.h"

/* A method as a script sends it. */
struct message_script {
    struct method method;
    struct span rest; /* flags and properties, when the method carries content */
    struct span body;
    bool bare; /* the method frame alone */
};

/* `queue.declare-ok`, as the specification writes it. */
enum method_id fields_method(struct script *s);

void fields_read(struct script *s, struct message_script *m);

/* Compares with the script's words up to the end of the statement. A difference ends the case,
 * unless it `may_differ`: then the answer is false. */
bool fields_expect(struct script *s, const struct item *item, bool may_differ);

/* Does the statement end here? */
bool fields_done(const struct script *s);

#endif
