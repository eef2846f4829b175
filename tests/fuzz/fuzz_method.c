// SPDX-License-Identifier: Apache-2.0
/* Any bytes as the payload of a method frame: what is decoded is encoded to the same bytes, unused
 * bits excepted, and is decoded from these again. */
#include <stdlib.h>
#include <string.h>

#include "amqp/method.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct method m;
    struct method again;
    struct fault f;
    memset(&m, 0, sizeof(m));
    memset(&again, 0, sizeof(again));
    const struct reply *bad = method_decode(span_of(data, size), &m, &f);
    if (bad != NULL) {
        ASSERT(f.reply == bad && bad->scope == SCOPE_CONNECTION);
        ASSERT(strlen(f.text) <= REPLY_TEXT_MAX);
        return 0;
    }
    ASSERT(method_size(&m) == size);
    uint8_t *first = malloc(size);
    uint8_t *second = malloc(size);
    ASSERT(first != NULL && second != NULL);
    ASSERT(method_encode(first, &m) == first + size);
    ASSERT(method_decode(span_of(first, size), &again, &f) == NULL);
    ASSERT(again.id == m.id);
    ASSERT(method_encode(second, &again) == second + size);
    ASSERT(memcmp(first, second, size) == 0);
    ASSERT(memcmp(first, data, 4) == 0);
    free(first);
    free(second);
    return 0;
}
