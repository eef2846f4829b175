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

static bool fault_is_text(struct span s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.at[i] < 32 || s.at[i] > 126 || s.at[i] == '"' || s.at[i] == '\\')
            return false;
    return s.size != 0;
}

void fault_print_octets(char *text, size_t size, struct span octets, bool as_text)
{
    if (as_text && fault_is_text(octets)) {
        snprintf(text, size, "<<\"%.*s\">>", SPAN_FMT(octets));
        return;
    }
    size_t n = (size_t)snprintf(text, size, "<<");
    for (size_t i = 0; i < octets.size && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, "%s%u", i == 0 ? "" : ",", octets.at[i]);
    if (n < size)
        snprintf(text + n, size - n, ">>");
}
