// SPDX-License-Identifier: Apache-2.0
/* tests/broker/refusal.h — the sentence of a refusal, in short.
 *
 * Q stands for `queue 'q' in vhost '/'`; the code in front, which is always the same, is left out.
 *
 * Deliberate: a body in a header, because a unit test is one file and two of them read this.
 *
 * Thread: any.   Allocates: never; the answer stays valid until the next.
 */
#ifndef TESTS_BROKER_REFUSAL_H
#define TESTS_BROKER_REFUSAL_H

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "amqp/reply.h"

static char answer[2 * REPLY_TEXT_MAX];

/* "ok" when there is none. */
static const char *said(const struct reply *refusal, const struct fault *f)
{
    static const char CODE[] = "PRECONDITION_FAILED - ";
    static const char QUEUE[] = "queue 'q' in vhost '/'";
    if (refusal == NULL)
        return "ok";
    ck_assert_ptr_eq(refusal, REPLY_PRECONDITION_FAILED);
    ck_assert_ptr_eq(f->reply, refusal);
    ck_assert_int_eq(strncmp(f->text, CODE, sizeof(CODE) - 1), 0);
    const char *sentence = f->text + sizeof(CODE) - 1;
    const char *at = strstr(sentence, QUEUE);
    if (at == NULL)
        snprintf(answer, sizeof(answer), "%s", sentence);
    else
        snprintf(answer, sizeof(answer), "%.*sQ%s", (int)(at - sentence), sentence,
                 at + sizeof(QUEUE) - 1);
    return answer;
}

#endif
