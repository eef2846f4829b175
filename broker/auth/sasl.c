// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/sasl.h"

#include <string.h>

#include "amqp/table.h"

/* RFC 4616: [authzid] NUL user NUL password; the first is not used. */
static enum err sasl_plain(struct span response, struct span *user, struct span *password)
{
    if (response.size == 0)
        return ERR_SYNTAX;
    const uint8_t *end = response.at + response.size;
    const uint8_t *first = memchr(response.at, 0, response.size);
    if (first == NULL)
        return ERR_SYNTAX;
    const uint8_t *second = memchr(first + 1, 0, (size_t)(end - first - 1));
    if (second == NULL)
        return ERR_SYNTAX;
    *user = span_of(first + 1, (size_t)(second - first - 1));
    *password = span_of(second + 1, (size_t)(end - second - 1));
    return memchr(password->at, 0, password->size) == NULL ? OK : ERR_SYNTAX;
}

/* A field table without its length in front. */
static enum err sasl_amqplain(struct span response, struct span *user, struct span *password)
{
    struct field login;
    struct field pass;
    if (table_check(response) != TABLE_OK || !table_find(response, SPAN_LIT("LOGIN"), &login) ||
        !table_find(response, SPAN_LIT("PASSWORD"), &pass) || login.tag != 'S' || pass.tag != 'S')
        return ERR_SYNTAX;
    *user = login.value;
    *password = pass.value;
    return OK;
}

enum err sasl_response(struct span mechanism, struct span response, struct span *user,
                       struct span *password)
{
    if (span_eq(mechanism, SPAN_LIT("PLAIN")))
        return sasl_plain(response, user, password);
    if (span_eq(mechanism, SPAN_LIT("AMQPLAIN")))
        return sasl_amqplain(response, user, password);
    return ERR_NOT_FOUND;
}
