// SPDX-License-Identifier: Apache-2.0
#include "amqp/reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REPLY_DEFINE(name, code, scope) const struct reply REPLY_##name[1] = {{code, scope, #name}};
AMQP_REPLIES(REPLY_DEFINE)
#undef REPLY_DEFINE

const struct reply *fault_set(struct fault *f, const struct reply *reply, const char *format, ...)
{
    f->reply = reply;
    int n = snprintf(f->text, sizeof(f->text), "%s - ", reply->name);
    va_list args;
    va_start(args, format);
    int m = vsnprintf(f->text + n, sizeof(f->text) - (size_t)n, format, args);
    va_end(args);
    if (n + m > REPLY_TEXT_MAX)
        memcpy(f->text + REPLY_TEXT_MAX - 3, "...", 3);
    return reply;
}
