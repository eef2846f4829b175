// SPDX-License-Identifier: Apache-2.0
#include "base/err.h"

const char *err_text(enum err e)
{
#define ERR_ROW(name, text) [name] = text,
    static const char *const TEXTS[] = {ERRS(ERR_ROW)};
#undef ERR_ROW
    return TEXTS[e];
}
