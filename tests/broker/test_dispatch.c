// SPDX-License-Identifier: Apache-2.0
#include "broker/core/dispatch.h"

#include <stdio.h>
#include <string.h>

#include "tests/broker/core_fixture.h"

/* Whatever a client may say on a channel gets an answer; whatever only servers say is refused. */
START_TEST(every_method_is_executed_or_refused)
{
    for (enum method_id id = METHOD_NONE + 1; id < METHOD_COUNT; id++) {
        const struct method_info *info = method_info(id);
        if (info->content || id == METHOD_channel_close_ok)
            continue;
        struct fixture *fx = fixture_new(0);
        struct client *c = fixture_connect(fx);
        struct method m;
        memset(&m, 0, sizeof(m));
        m.id = id;
        put_method(c, 1, &m);
        fixture_run(fx);
        bool refused = n_heard(c) != 0 && strncmp(line_heard(c, 0), "0 connection_close", 18) == 0;
        bool server_only = info->sender == FROM_SERVER || info->class_id == 10;
        if (server_only && !refused)
            ck_abort_msg("%s is not refused: %s", info->name, n_heard(c) ? line_heard(c, 0) : "");
        if (refused) {
            char wanted[64];
            snprintf(wanted, sizeof(wanted), "class_id=%u method_id=%u", info->class_id,
                     info->method_id);
            if (strstr(line_heard(c, 0), wanted) == NULL)
                ck_abort_msg("%s: %s", info->name, line_heard(c, 0));
        }
        fixture_free(fx);
    }
}
END_TEST

SUITE("dispatch", every_method_is_executed_or_refused)
