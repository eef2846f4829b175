// SPDX-License-Identifier: Apache-2.0
#include "tests/sim/false_disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/false_tree.h"

enum { FAULTS_MAX = 64 };

static const uint64_t FREE_WITHOUT_LIMIT = UINT64_C(1) << 40;

struct false_fault {
    uint64_t at;
    enum err e;
};

struct false_disk {
    struct disk disk;
    uint64_t capacity; /* 0 = no limit */
    uint64_t process;  /* number of the present one */
    uint64_t count;
    uint64_t cut_at;
    bool cut;
    struct false_fault faults[FAULTS_MAX];
    size_t n_faults;
    size_t n_open;
    struct false_tree tree;
};

struct false_file {
    struct disk_file file;
    struct false_node *node;
    bool locks;
};

static struct false_disk *false_of(struct disk *d)
{
    return CONTAINER_OF(d, struct false_disk, disk);
}

static struct false_node *false_node_of(struct disk_file *f)
{
    return CONTAINER_OF(f, struct false_file, file)->node;
}

/* ---- What goes wrong ---- */

static enum err false_fault(const struct false_disk *fd)
{
    for (size_t i = 0; i < fd->n_faults; i++)
        if (fd->faults[i].at == fd->count)
            return fd->faults[i].e;
    return OK;
}

/* Counts an operation. True: it is made, and answers *e, which is ERR_IO if the power goes with it.
 * False: it is not, and answers *e. */
static bool false_begin(struct false_disk *fd, enum err *e)
{
    fd->count++;
    *e = fd->cut ? ERR_IO : false_fault(fd);
    if (*e != OK)
        return false;
    if (fd->count == fd->cut_at) {
        fd->cut = true;
        *e = ERR_IO;
    }
    return true;
}

/* How much of `size` is done by an operation that fails half-way. */
static size_t false_part(const struct false_disk *fd, size_t size)
{
    struct rng chance = {fd->count};
    return rng_below(&chance, size + 1);
}

/* ---- Files ---- */

static void false_change_names(struct false_node *folder, enum false_change_kind kind,
                               const char *name, const char *to, size_t node)
{
    struct false_change change = {.kind = kind, .node = node};
    memcpy(change.name, name, strlen(name) + 1);
    memcpy(change.to, to, strlen(to) + 1);
    false_node_change(folder, &change);
}

static enum err false_reach(struct false_disk *fd, const char *path, enum disk_how how,
                            struct false_node **out)
{
    const char *name;
    struct false_node *folder = false_tree_folder(&fd->tree, path, &name);
    *out = false_tree_find(&fd->tree, path);
    if (*out != NULL)
        return how == DISK_NEW || (*out)->folder ? ERR_IO : OK;
    if (how != DISK_NEW || folder == NULL)
        return ERR_NOT_FOUND;
    *out = false_node_new(false);
    false_change_names(folder, CHANGE_MAKE, name, "", false_tree_add(&fd->tree, *out));
    return OK;
}

static struct false_file *false_file_new(struct false_disk *fd, struct false_node *node)
{
    struct false_file *f = false_room(NULL, 1, sizeof(*f));
    *f = (struct false_file){.node = node};
    node->n_open++;
    fd->n_open++;
    return f;
}

static enum err false_open(struct disk *d, const char *path, enum disk_how how,
                           struct disk_file **out)
{
    struct false_disk *fd = false_of(d);
    struct false_node *node;
    enum err e;
    if (!false_begin(fd, &e))
        return e;
    enum err reached = false_reach(fd, path, how, &node);
    if (e == OK)
        e = reached;
    if (e == OK)
        *out = &false_file_new(fd, node)->file;
    return e;
}

static void false_close(struct disk_file *f)
{
    struct false_file *file = CONTAINER_OF(f, struct false_file, file);
    if (file->locks)
        file->node->locked = false;
    file->node->n_open--;
    false_of(f->disk)->n_open--;
    free(file);
}

static enum err false_size(struct disk_file *f, uint64_t *size)
{
    enum err e;
    if (false_begin(false_of(f->disk), &e))
        *size = false_node_of(f)->now.size;
    return e;
}

static enum err false_next_data(struct disk_file *f, uint64_t offset, uint64_t *at)
{
    const struct false_content *c = &false_node_of(f)->now;
    enum err e;
    if (!false_begin(false_of(f->disk), &e) || e != OK)
        return e;
    *at = offset;
    while (*at < c->size && c->bytes[*at] == 0)
        ++*at;
    return OK;
}

static enum err false_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size,
                           size_t *got)
{
    const struct false_content *c = &false_node_of(f)->now;
    enum err e;
    if (!false_begin(false_of(f->disk), &e) || e != OK || offset >= c->size)
        return e;
    *got = size < c->size - offset ? size : c->size - offset;
    if (*got != 0)
        memcpy(at, c->bytes + offset, *got);
    return OK;
}

/* ---- Space ---- */

static uint64_t false_free(struct false_disk *fd)
{
    if (fd->capacity == 0)
        return FREE_WITHOUT_LIMIT;
    uint64_t used = 0;
    false_tree_mark(&fd->tree, false);
    for (size_t i = 0; i < fd->tree.n; i++)
        if (fd->tree.nodes[i] != NULL && fd->tree.nodes[i]->marked)
            used += fd->tree.nodes[i]->now.size;
    return used < fd->capacity ? fd->capacity - used : 0;
}

/* How far a node that should grow to `size` can. */
static uint64_t false_reachable(struct false_disk *fd, const struct false_node *node, uint64_t size)
{
    uint64_t has = node->now.size;
    if (size <= has)
        return size;
    uint64_t available = false_free(fd);
    return size - has <= available ? size : has + available;
}

static enum err false_reserve(struct disk_file *f, uint64_t size)
{
    struct false_disk *fd = false_of(f->disk);
    struct false_node *node = false_node_of(f);
    enum err e;
    bool whole = false_begin(fd, &e);
    if ((fd->cut && !whole) || size <= node->now.size)
        return e;
    uint64_t to = false_reachable(fd, node, size);
    if (e == OK && to < size)
        e = ERR_FULL;
    if (!whole || to < size)
        to = node->now.size + false_part(fd, to - node->now.size);
    struct false_change change = {.kind = CHANGE_SIZE, .size = to};
    false_node_change(node, &change);
    return e;
}

static enum err false_write(struct disk_file *f, uint64_t offset, const struct span *parts,
                            size_t n)
{
    struct false_disk *fd = false_of(f->disk);
    struct false_node *node = false_node_of(f);
    struct false_change change = {.kind = CHANGE_WRITE, .offset = offset};
    enum err e;
    bool whole = false_begin(fd, &e);
    if (fd->cut && !whole)
        return e;
    for (size_t i = 0; i < n; i++) {
        change.bytes = false_room(change.bytes, change.size + parts[i].size, 1);
        if (parts[i].size != 0)
            memcpy(change.bytes + change.size, parts[i].at, parts[i].size);
        change.size += parts[i].size;
    }
    uint64_t end = false_reachable(fd, node, offset + change.size);
    if (e == OK && end < offset + change.size)
        e = ERR_FULL;
    change.size = end > offset ? end - offset : 0;
    if (!whole)
        change.size = false_part(fd, change.size);
    change.state = e == OK ? CHANGE_PENDING : CHANGE_IN_DOUBT;
    if (change.size != 0)
        false_node_change(node, &change);
    free(change.bytes);
    return e;
}

static enum err false_sync(struct disk_file *f)
{
    enum err e;
    if (false_begin(false_of(f->disk), &e) && e == OK)
        false_node_sync(false_node_of(f));
    else
        false_node_doubt(false_node_of(f));
    return e;
}

static enum err false_free_bytes(struct disk *d, uint64_t *bytes)
{
    enum err e;
    if (false_begin(false_of(d), &e))
        *bytes = false_free(false_of(d));
    return e;
}

/* ---- Names ---- */

static enum err false_rename(struct disk *d, const char *from, const char *to)
{
    struct false_disk *fd = false_of(d);
    enum err e;
    if (!false_begin(fd, &e))
        return e;
    if (false_tree_find(&fd->tree, from) == NULL)
        return e == OK ? ERR_NOT_FOUND : e;
    const char *old_name;
    const char *new_name;
    struct false_node *folder = false_tree_folder(&fd->tree, from, &old_name);
    false_tree_folder(&fd->tree, to, &new_name);
    false_change_names(folder, CHANGE_RENAME, old_name, new_name,
                       false_node_named(folder, old_name));
    return e;
}

static enum err false_remove(struct disk *d, const char *path)
{
    struct false_disk *fd = false_of(d);
    enum err e;
    if (!false_begin(fd, &e))
        return e;
    const struct false_node *node = false_tree_find(&fd->tree, path);
    if (node == NULL)
        return e == OK ? ERR_NOT_FOUND : e;
    if (node->folder)
        return ERR_IO;
    const char *name;
    struct false_node *folder = false_tree_folder(&fd->tree, path, &name);
    false_change_names(folder, CHANGE_REMOVE, name, "", 0);
    return e;
}

static enum err false_make_folder(struct disk *d, const char *path)
{
    struct false_disk *fd = false_of(d);
    enum err e;
    if (false_begin(fd, &e) && false_tree_find(&fd->tree, path) == NULL)
        false_change_names(fd->tree.nodes[0], CHANGE_MAKE, path, "",
                           false_tree_add(&fd->tree, false_node_new(true)));
    return e;
}

static enum err false_sync_folder(struct disk *d, const char *path)
{
    struct false_disk *fd = false_of(d);
    struct false_node *folder = false_tree_find_folder(&fd->tree, path);
    enum err e;
    bool begun = false_begin(fd, &e);
    if (folder == NULL)
        return e == OK ? ERR_NOT_FOUND : e;
    if (!begun || e != OK) {
        false_node_doubt(folder);
        return e;
    }
    false_node_sync(folder);
    false_tree_sweep(&fd->tree);
    return OK;
}

static enum err false_list(struct disk *d, const char *path, disk_name_fn each, void *arg)
{
    struct false_disk *fd = false_of(d);
    const struct false_node *folder = false_tree_find_folder(&fd->tree, path);
    enum err e;
    if (!false_begin(fd, &e) || e != OK)
        return e;
    if (folder == NULL)
        return ERR_NOT_FOUND;
    for (size_t i = 0; i < folder->now.n_names; i++)
        each(arg, folder->now.names[i].name);
    return OK;
}

/* The numbers of processes only grow, so that a new one covers the old one. */
static void false_write_holder(const struct false_disk *fd, struct false_node *node)
{
    char text[24];
    int size = snprintf(text, sizeof(text), "%llu\n", (unsigned long long)fd->process);
    struct false_change change = {
        .kind = CHANGE_WRITE, .size = (size_t)size, .bytes = (uint8_t *)text};
    false_node_change(node, &change);
}

static enum err false_lock(struct disk *d, const char *path, struct disk_file **out,
                           uint64_t *holder)
{
    struct false_disk *fd = false_of(d);
    struct false_node *node;
    enum err e;
    if (!false_begin(fd, &e))
        return e;
    enum err reached = false_reach(fd, path, DISK_WRITE, &node);
    if (reached == ERR_NOT_FOUND)
        reached = false_reach(fd, path, DISK_NEW, &node);
    if (e != OK || reached != OK)
        return e == OK ? reached : e;
    if (node->locked) {
        *holder = fd->process;
        return ERR_TAKEN;
    }
    false_write_holder(fd, node);
    struct false_file *f = false_file_new(fd, node);
    f->locks = node->locked = true;
    *out = &f->file;
    return OK;
}

/* ---- The disk ---- */

static const struct disk_ops FALSE_OPS = {
    .open = false_open,
    .close = false_close,
    .size = false_size,
    .next_data = false_next_data,
    .reserve = false_reserve,
    .write = false_write,
    .read = false_read,
    .sync = false_sync,
    .rename = false_rename,
    .remove = false_remove,
    .make_folder = false_make_folder,
    .sync_folder = false_sync_folder,
    .list = false_list,
    .lock = false_lock,
    .free_bytes = false_free_bytes,
};

static struct false_disk *false_new(uint64_t capacity)
{
    struct false_disk *fd = false_room(NULL, 1, sizeof(*fd));
    *fd = (struct false_disk){.disk = {&FALSE_OPS}, .capacity = capacity, .process = 1};
    return fd;
}

struct false_disk *false_disk_new(uint64_t capacity)
{
    struct false_disk *fd = false_new(capacity);
    false_tree_add(&fd->tree, false_node_new(true));
    return fd;
}

void false_disk_free(struct false_disk *fd)
{
    if (fd == NULL)
        return;
    ASSERT(fd->n_open == 0);
    for (size_t i = 0; i < fd->tree.n; i++)
        false_node_free(fd->tree.nodes[i]);
    free(fd->tree.nodes);
    free(fd);
}

struct disk *false_disk(struct false_disk *fd)
{
    return &fd->disk;
}

struct false_disk *false_disk_copy(const struct false_disk *fd)
{
    struct false_disk *copy = false_new(fd->capacity);
    copy->process = fd->process;
    copy->cut = fd->cut;
    copy->tree.n = fd->tree.n;
    copy->tree.nodes = false_room(NULL, fd->tree.n, sizeof(struct false_node *));
    for (size_t i = 0; i < fd->tree.n; i++)
        copy->tree.nodes[i] = fd->tree.nodes[i] == NULL ? NULL : false_node_copy(fd->tree.nodes[i]);
    return copy;
}

uint64_t false_disk_count(const struct false_disk *fd)
{
    return fd->count;
}

void false_disk_cut_at(struct false_disk *fd, uint64_t n)
{
    ASSERT(n > fd->count);
    fd->cut_at = n;
}

void false_disk_cut(struct false_disk *fd)
{
    fd->cut = true;
}

bool false_disk_is_cut(const struct false_disk *fd)
{
    return fd->cut;
}

void false_disk_power_on(struct false_disk *fd, struct rng *chance)
{
    ASSERT(fd->cut && fd->n_open == 0);
    for (size_t i = 0; i < fd->tree.n; i++)
        if (fd->tree.nodes[i] != NULL)
            false_node_power_on(fd->tree.nodes[i], chance);
    false_tree_sweep(&fd->tree);
    fd->cut = false;
    fd->process++;
}

void false_disk_process_ended(struct false_disk *fd)
{
    ASSERT(!fd->cut && fd->n_open == 0);
    fd->process++;
}

void false_disk_fail_at(struct false_disk *fd, uint64_t n, enum err e)
{
    ASSERT(n > fd->count && e != OK);
    size_t kept = 0;
    for (size_t i = 0; i < fd->n_faults; i++)
        if (fd->faults[i].at > fd->count)
            fd->faults[kept++] = fd->faults[i];
    ASSERT(kept < FAULTS_MAX);
    fd->faults[kept++] = (struct false_fault){n, e};
    fd->n_faults = kept;
}

void false_disk_set_capacity(struct false_disk *fd, uint64_t capacity)
{
    fd->capacity = capacity;
}

void false_disk_flip(struct false_disk *fd, const char *path, uint64_t offset, uint8_t mask)
{
    struct false_node *node = false_tree_find(&fd->tree, path);
    ASSERT(node != NULL && !node->folder && offset < node->now.size);
    struct false_change change = {
        .kind = CHANGE_FLIP, .state = CHANGE_DURABLE, .offset = offset, .size = 1, .bytes = &mask};
    false_node_change(node, &change);
}

uint64_t false_disk_file_size(struct false_disk *fd, const char *path)
{
    const struct false_node *node = false_tree_find(&fd->tree, path);
    return node == NULL || node->folder ? UINT64_MAX : node->now.size;
}
