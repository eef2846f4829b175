// SPDX-License-Identifier: Apache-2.0
/* Any bytes as a configuration file: it loads, or says where and why not. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/log.h"
#include "broker/server/config.h"
#include "tests/fuzz/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        log_set_level(LOG_LEVEL_ERROR);
        fd = memfd_create("config", 0);
        ASSERT(fd >= 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    }
    ASSERT(ftruncate(fd, 0) == 0);
    ASSERT(pwrite(fd, data, size, 0) == (ssize_t)size);
    struct config c;
    char why[256] = "";
    ASSERT(config_init(&c, why, sizeof(why)) == OK);
    enum err e = config_load(&c, path, why, sizeof(why));
    ASSERT(e == OK || why[0] != 0);
    ASSERT(strlen(why) < sizeof(why));
    ASSERT(e != ERR_IO);
    ASSERT(c.frame_max >= 4096 && c.frame_max <= 131072);
    ASSERT(c.heartbeat_s <= 65535 && c.channel_max >= 1 && c.channel_max <= 65535);
    ASSERT(c.default_user != NULL && strlen(c.default_user) < CONFIG_TEXT_MAX);
    config_fini(&c);
    return 0;
}
