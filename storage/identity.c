// SPDX-License-Identifier: Apache-2.0
#include "storage/identity.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "storage/batch.h"
#include "storage/journal.h"

#define IDENTITY_FILE "store"

struct identity_search {
    struct disk *disk;
    uint8_t *id;
    enum file_role role;
    enum file_state state;
    enum err failed; /* to read one */
};

/* The first of a file's heads that is valid. */
static enum err identity_read(struct identity_search *s, const char *path)
{
    uint8_t block[BLOCK_BYTES] = {0};
    struct disk_file *f;
    size_t got = 0;
    enum err e = disk_open(s->disk, path, DISK_READ, &f);
    if (e != OK)
        return e;
    e = disk_read(f, 0, block, sizeof(block), &got);
    disk_close(f);
    s->state = FILE_INVALID;
    for (size_t i = 0; e == OK && i < got && s->state == FILE_INVALID;
         i += BLOCK_BYTES / FILE_HEAD_COPIES) {
        struct file_head h;
        s->state = file_head_read_any(span_of(block + i, got - i), s->role, &h);
        if (s->state == FILE_OURS)
            memcpy(s->id, h.store_id, STORE_ID_SIZE);
    }
    return e;
}

static void identity_look(void *arg, const char *name)
{
    struct identity_search *s = arg;
    char path[DISK_PATH_MAX];
    int n = snprintf(path, sizeof(path), JOURNAL_FOLDER "/%s", name);
    if (s->state == FILE_OURS || n <= 0 || (size_t)n >= sizeof(path))
        return;
    enum err e = identity_read(s, path);
    if (e != OK) {
        s->failed = e; /* which store it is of must not be guessed */
        s->state = FILE_INVALID;
    }
}

static enum err identity_write(struct disk *d, struct env *env, const uint8_t id[STORE_ID_SIZE])
{
    struct file_head h = {.role = ROLE_STORE};
    uint8_t block[BLOCK_BYTES] = {0};
    memcpy(h.store_id, id, STORE_ID_SIZE);
    env_secret(env, &h.nonce, sizeof(h.nonce));
    for (size_t i = 0; i < BLOCK_BYTES; i += BLOCK_BYTES / FILE_HEAD_COPIES)
        file_head_put(block + i, &h);
    struct disk_file *f;
    enum err e = disk_remove(d, IDENTITY_FILE);
    if (e == OK || e == ERR_NOT_FOUND)
        e = disk_open(d, IDENTITY_FILE, DISK_NEW, &f);
    if (e != OK)
        return e;
    struct span part = span_of(block, sizeof(block));
    e = disk_write(f, 0, &part, 1);
    if (e == OK)
        e = disk_sync(f);
    disk_close(f);
    return e == OK ? disk_sync_folder(d, "") : e;
}

enum err identity_open(struct disk *d, struct env *env, uint8_t id[STORE_ID_SIZE])
{
    struct identity_search s = {.disk = d, .id = id, .role = ROLE_STORE, .state = FILE_INVALID};
    enum err e = identity_read(&s, IDENTITY_FILE);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    if (e == OK && s.state == FILE_FUTURE)
        return ERR_FUTURE;
    if (e == OK && s.state == FILE_OURS)
        return OK;
    s.role = ROLE_JOURNAL;
    s.state = FILE_INVALID;
    e = disk_list(d, JOURNAL_FOLDER, identity_look, &s);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    if (s.state != FILE_OURS && s.failed != OK)
        return s.failed;
    if (s.state == FILE_OURS)
        log_event(LOG_JOURNAL_DAMAGED, "file=" IDENTITY_FILE " what=\"taken from the journal\"");
    else
        env_secret(env, id, STORE_ID_SIZE);
    return identity_write(d, env, id);
}
