// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

#include <string.h>

#include "tests/base/suite.h"

START_TEST(every_error_has_a_sentence_of_its_own)
{
#define ERR_NAME(name, text) name,
    const enum err all[] = {ERRS(ERR_NAME)};
#undef ERR_NAME
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        ck_assert_uint_gt(strlen(err_text(all[i])), 0);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(err_text(all[i]), err_text(all[j]));
    }
    ck_assert_int_eq(OK, 0);
}
END_TEST

SUITE("err", every_error_has_a_sentence_of_its_own)
