// SPDX-License-Identifier: Apache-2.0
/* The first byte chooses the mechanism, the rest is the response: names and passwords lie inside
 * it, and nobody gets in who is not there. */
#include "broker/auth/sasl.h"
#include "broker/auth/users.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct users users;
    if (users.n == 0) {
        users_init(&users);
        static const uint8_t SALT[PASSWORD_SALT] = {1, 2, 3, 4};
        ASSERT(users_add(&users, SPAN_LIT("guest"), SPAN_LIT("secret"), SALT, false) == OK);
    }
    if (size == 0)
        return 0;
    const struct span mechanisms[] = {SPAN_LIT("PLAIN"), SPAN_LIT("AMQPLAIN"), SPAN_LIT("EXTERNAL"),
                                      SPAN_LIT("")};
    struct span response = span_of(data + 1, size - 1);
    struct span user;
    struct span password;
    if (sasl_response(mechanisms[data[0] & 3], response, &user, &password) != OK)
        return 0;
    ASSERT(user.size + password.size <= response.size);
    ASSERT(user.at >= response.at && user.at + user.size <= response.at + response.size);
    ASSERT(password.at >= response.at &&
           password.at + password.size <= response.at + response.size);
    bool in = users_check(&users, user, password, true) == USERS_RIGHT;
    ASSERT(in == (span_eq(user, SPAN_LIT("guest")) && span_eq(password, SPAN_LIT("secret"))));
    return 0;
}
