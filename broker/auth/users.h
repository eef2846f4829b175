// SPDX-License-Identifier: Apache-2.0
/* broker/auth/users.h — who may log in.
 *
 * Passwords are kept as RabbitMQ keeps them: a random salt of four bytes and the SHA-256 of salt
 * and password. A login costs the same whether the name or the password was wrong.
 *
 * Thread: core, after set-up.
 */
#ifndef BROKER_AUTH_USERS_H
#define BROKER_AUTH_USERS_H

#include "base/assert.h"
#include "base/err.h"
#include "base/span.h"

enum { PASSWORD_SALT = 4, PASSWORD_DIGEST = 32 };

struct user {
    struct span name; /* owned */
    uint8_t salt[PASSWORD_SALT];
    uint8_t digest[PASSWORD_DIGEST];
    bool loopback_only;
};

struct users {
    struct user *list;
    size_t n;
};

void users_init(struct users *u);
void users_fini(struct users *u);

/* ERR_NOMEM; ERR_IO when the digest could not be computed. */
MUST_USE enum err users_add(struct users *u, struct span name, struct span password,
                            const uint8_t salt[PASSWORD_SALT], bool loopback_only);

/* Why a login is refused: for the log alone, never for the peer. */
enum users_verdict {
    USERS_RIGHT,
    USERS_UNKNOWN,
    USERS_WRONG_PASSWORD, /* a blank one too */
    USERS_NOT_LOOPBACK,   /* this user may come from this machine only */
    USERS_NO_DIGEST       /* it could not be computed */
};

/* A few words. */
const char *users_verdict_text(enum users_verdict verdict);

/* May this user log in with this password from a peer that is, or is not, on this machine? */
enum users_verdict users_check(const struct users *u, struct span name, struct span password,
                               bool loopback);

#endif
