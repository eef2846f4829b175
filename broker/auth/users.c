// SPDX-License-Identifier: Apache-2.0
#include "broker/auth/users.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

void users_init(struct users *u)
{
    *u = (struct users){.list = NULL};
}

void users_fini(struct users *u)
{
    for (size_t i = 0; i < u->n; i++)
        free((void *)(uintptr_t)u->list[i].name.at);
    free(u->list);
    users_init(u);
}

static bool users_digest(const uint8_t *salt, struct span password, uint8_t digest[PASSWORD_DIGEST])
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool done = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
                EVP_DigestUpdate(ctx, salt, PASSWORD_SALT) == 1 &&
                EVP_DigestUpdate(ctx, password.at, password.size) == 1 &&
                EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
    EVP_MD_CTX_free(ctx);
    return done;
}

enum err users_add(struct users *u, struct span name, struct span password,
                   const uint8_t salt[PASSWORD_SALT], bool loopback_only)
{
    struct user user = {.loopback_only = loopback_only};
    memcpy(user.salt, salt, PASSWORD_SALT);
    if (!users_digest(salt, password, user.digest))
        return ERR_IO;
    struct user *list = realloc(u->list, (u->n + 1) * sizeof(*list));
    if (list == NULL)
        return ERR_NOMEM;
    u->list = list;
    user.name = span_dup(name);
    if (user.name.at == NULL)
        return ERR_NOMEM;
    u->list[u->n++] = user;
    return OK;
}

const char *users_verdict_text(enum users_verdict verdict)
{
    static const char *const TEXTS[] = {[USERS_RIGHT] = "right",
                                        [USERS_UNKNOWN] = "unknown user",
                                        [USERS_WRONG_PASSWORD] = "wrong password",
                                        [USERS_NOT_LOOPBACK] = "user may not come from elsewhere",
                                        [USERS_NO_DIGEST] = "digest failed"};
    return TEXTS[verdict];
}

enum users_verdict users_check(const struct users *u, struct span name, struct span password,
                               bool loopback)
{
    static const struct user NOBODY = {.loopback_only = false};
    const struct user *found = &NOBODY;
    for (size_t i = 0; i < u->n; i++)
        if (span_eq(u->list[i].name, name))
            found = &u->list[i];
    uint8_t digest[PASSWORD_DIGEST];
    if (!users_digest(found->salt, password, digest))
        return USERS_NO_DIGEST;
    bool right = CRYPTO_memcmp(digest, found->digest, PASSWORD_DIGEST) == 0;
    /* A blank password never logs in. */
    if (found == &NOBODY)
        return USERS_UNKNOWN;
    if (!right || password.size == 0)
        return USERS_WRONG_PASSWORD;
    return loopback || !found->loopback_only ? USERS_RIGHT : USERS_NOT_LOOPBACK;
}
