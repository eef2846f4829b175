// SPDX-License-Identifier: Apache-2.0
/* Names lead to nodes; a node is a file below, or none, and the pages that were written over it. A
 * name that is not known here is looked up below, once it is asked for. */
#include "storage/disk_overlay.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"

enum { PAGE_BYTES = 4096 };

struct overlay_page {
    struct map_node by_number;
    uint64_t number;
    uint8_t bytes[PAGE_BYTES];
};

struct overlay_node {
    struct overlay_node *next; /* of all */
    struct disk_file *below;   /* or NULL */
    uint64_t below_bytes;
    uint64_t bytes; /* its size */
    struct map pages;
};

struct overlay_name {
    struct overlay_name *next;
    struct overlay_node *node; /* NULL = it was removed */
    char path[DISK_PATH_MAX];
};

struct disk_overlay {
    struct disk disk;
    struct disk *below;
    struct overlay_name *names;
    struct overlay_node *nodes;
};

struct overlay_file {
    struct disk_file file;
    struct overlay_node *node;
};

static struct disk_overlay *overlay_of(struct disk *d)
{
    return CONTAINER_OF(d, struct disk_overlay, disk);
}

static struct overlay_node *overlay_node_of(struct disk_file *f)
{
    return CONTAINER_OF(f, struct overlay_file, file)->node;
}

/* ---- Names ---- */

static struct overlay_name *overlay_name_find(const struct disk_overlay *o, const char *path)
{
    struct overlay_name *n = o->names;
    while (n != NULL && strcmp(n->path, path) != 0)
        n = n->next;
    return n;
}

/* The name's own entry, made if need be. NULL when memory is out. */
static struct overlay_name *overlay_name_get(struct disk_overlay *o, const char *path)
{
    struct overlay_name *n = overlay_name_find(o, path);
    if (n != NULL)
        return n;
    n = calloc(1, sizeof(*n));
    if (n == NULL)
        return NULL;
    memcpy(n->path, path, strlen(path) + 1);
    n->next = o->names;
    o->names = n;
    return n;
}

static struct overlay_node *overlay_node_new(struct disk_overlay *o)
{
    struct overlay_node *node = calloc(1, sizeof(*node));
    if (node == NULL)
        return NULL;
    map_init(&node->pages);
    node->next = o->nodes;
    o->nodes = node;
    return node;
}

/* What is below under a name that nothing is known of here. */
static enum err overlay_fetch(struct disk_overlay *o, const char *path, struct overlay_node **out)
{
    struct disk_file *below;
    enum err e = disk_open(o->below, path, DISK_READ, &below);
    if (e != OK)
        return e;
    uint64_t bytes;
    e = disk_size(below, &bytes);
    struct overlay_name *name = e == OK ? overlay_name_get(o, path) : NULL;
    struct overlay_node *node = name == NULL ? NULL : overlay_node_new(o);
    if (node == NULL) {
        disk_close(below);
        return e == OK ? ERR_NOMEM : e;
    }
    node->below = below;
    node->below_bytes = node->bytes = bytes;
    name->node = *out = node;
    return OK;
}

static enum err overlay_node_find(struct disk_overlay *o, const char *path,
                                  struct overlay_node **out)
{
    const struct overlay_name *n = overlay_name_find(o, path);
    if (n == NULL)
        return overlay_fetch(o, path, out);
    *out = n->node;
    return n->node == NULL ? ERR_NOT_FOUND : OK;
}

static enum err overlay_make(struct disk_overlay *o, const char *path, struct overlay_node **out)
{
    struct overlay_name *name = overlay_name_get(o, path);
    struct overlay_node *node = name == NULL ? NULL : overlay_node_new(o);
    if (node == NULL)
        return ERR_NOMEM;
    name->node = *out = node;
    return OK;
}

/* ---- Files ---- */

static enum err overlay_open_node(struct overlay_node *node, struct disk_file **out)
{
    struct overlay_file *f = calloc(1, sizeof(*f));
    if (f == NULL)
        return ERR_NOMEM;
    f->node = node;
    *out = &f->file;
    return OK;
}

static enum err overlay_open(struct disk *d, const char *path, enum disk_how how,
                             struct disk_file **out)
{
    struct disk_overlay *o = overlay_of(d);
    struct overlay_node *node;
    enum err e = overlay_node_find(o, path, &node);
    if (how == DISK_NEW && e == OK)
        return ERR_IO;
    if (how == DISK_NEW && e == ERR_NOT_FOUND)
        e = overlay_make(o, path, &node);
    return e == OK ? overlay_open_node(node, out) : e;
}

static void overlay_close(struct disk_file *f)
{
    free(CONTAINER_OF(f, struct overlay_file, file));
}

static enum err overlay_size(struct disk_file *f, uint64_t *size)
{
    *size = overlay_node_of(f)->bytes;
    return OK;
}

static struct overlay_page *overlay_page_find(const struct overlay_node *node, uint64_t number)
{
    struct map_node *n = map_find(&node->pages, number);
    return n == NULL ? NULL : CONTAINER_OF(n, struct overlay_page, by_number);
}

static enum err overlay_next_data(struct disk_file *f, uint64_t offset, uint64_t *at)
{
    const struct overlay_node *node = overlay_node_of(f);
    *at = node->bytes;
    if (node->below != NULL && offset < node->below_bytes) {
        enum err e = disk_next_data(node->below, offset, at);
        if (e != OK)
            return e;
        if (*at >= node->below_bytes)
            *at = node->bytes;
    }
    struct map_walk walk = {0};
    for (const struct map_node *n; (n = map_each(&node->pages, &walk)) != NULL;) {
        const struct overlay_page *p = CONTAINER_OF(n, const struct overlay_page, by_number);
        uint64_t from = p->number * PAGE_BYTES;
        if (from + PAGE_BYTES > offset && from < *at)
            *at = from > offset ? from : offset;
    }
    return OK;
}

static enum err overlay_reserve(struct disk_file *f, uint64_t size)
{
    struct overlay_node *node = overlay_node_of(f);
    if (size > node->bytes)
        node->bytes = size;
    return OK;
}

/* What the file below has there, and zeros behind it. */
static enum err overlay_read_below(const struct overlay_node *node, uint64_t offset, uint8_t *at,
                                   size_t size)
{
    size_t got = 0;
    if (node->below != NULL && offset < node->below_bytes) {
        uint64_t left = node->below_bytes - offset;
        size_t there = left < size ? (size_t)left : size;
        enum err e = disk_read(node->below, offset, at, there, &got);
        if (e != OK)
            return e;
    }
    memset(at + got, 0, size - got);
    return OK;
}

static enum err overlay_read(struct disk_file *f, uint64_t offset, uint8_t *at, size_t size,
                             size_t *got)
{
    const struct overlay_node *node = overlay_node_of(f);
    if (offset >= node->bytes)
        return OK;
    if (size > node->bytes - offset)
        size = (size_t)(node->bytes - offset);
    enum err e = overlay_read_below(node, offset, at, size);
    if (e != OK)
        return e;
    *got = size;
    for (size_t done = 0; done < size && node->pages.n != 0;) {
        size_t in_page = (size_t)((offset + done) % PAGE_BYTES);
        size_t n = PAGE_BYTES - in_page < size - done ? PAGE_BYTES - in_page : size - done;
        const struct overlay_page *p = overlay_page_find(node, (offset + done) / PAGE_BYTES);
        if (p != NULL)
            memcpy(at + done, p->bytes + in_page, n);
        done += n;
    }
    return OK;
}

/* The page to be written to, with what was there. */
static enum err overlay_page_get(struct overlay_node *node, uint64_t number,
                                 struct overlay_page **out)
{
    *out = overlay_page_find(node, number);
    if (*out != NULL)
        return OK;
    struct overlay_page *p = malloc(sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    enum err e = overlay_read_below(node, number * PAGE_BYTES, p->bytes, PAGE_BYTES);
    if (e != OK) {
        free(p);
        return e;
    }
    p->number = number;
    map_insert(&node->pages, &p->by_number, number);
    *out = p;
    return OK;
}

static enum err overlay_write_part(struct overlay_node *node, uint64_t offset, struct span part)
{
    for (size_t done = 0; done < part.size;) {
        struct overlay_page *p;
        enum err e = overlay_page_get(node, (offset + done) / PAGE_BYTES, &p);
        if (e != OK)
            return e;
        size_t in_page = (size_t)((offset + done) % PAGE_BYTES);
        size_t left = part.size - done;
        size_t n = PAGE_BYTES - in_page < left ? PAGE_BYTES - in_page : left;
        memcpy(p->bytes + in_page, part.at + done, n);
        done += n;
    }
    if (offset + part.size > node->bytes)
        node->bytes = offset + part.size;
    return OK;
}

static enum err overlay_write(struct disk_file *f, uint64_t offset, const struct span *parts,
                              size_t n)
{
    enum err e = OK;
    for (size_t i = 0; i < n && e == OK; i++) {
        e = overlay_write_part(overlay_node_of(f), offset, parts[i]);
        offset += parts[i].size;
    }
    return e;
}

static enum err overlay_sync(struct disk_file *f)
{
    (void)f;
    return OK;
}

/* ---- Folders ---- */

static enum err overlay_rename(struct disk *d, const char *from, const char *to)
{
    struct disk_overlay *o = overlay_of(d);
    struct overlay_node *node;
    enum err e = overlay_node_find(o, from, &node);
    if (e != OK)
        return e;
    struct overlay_name *target = overlay_name_get(o, to);
    if (target == NULL)
        return ERR_NOMEM;
    overlay_name_find(o, from)->node = NULL;
    target->node = node;
    return OK;
}

static enum err overlay_remove(struct disk *d, const char *path)
{
    struct overlay_node *node;
    enum err e = overlay_node_find(overlay_of(d), path, &node);
    if (e == OK)
        overlay_name_find(overlay_of(d), path)->node = NULL;
    return e;
}

static enum err overlay_make_folder(struct disk *d, const char *path)
{
    (void)d;
    (void)path;
    return OK;
}

static enum err overlay_sync_folder(struct disk *d, const char *path)
{
    (void)d;
    (void)path;
    return OK;
}

struct overlay_listing {
    const struct disk_overlay *o;
    const char *folder;
    disk_name_fn each;
    void *arg;
};

/* The name in the folder if the path lies there, else NULL. */
static const char *overlay_in_folder(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    if (n == 0)
        return strchr(path, '/') == NULL ? path : NULL;
    return strncmp(path, folder, n) == 0 && path[n] == '/' ? path + n + 1 : NULL;
}

/* A name of the disk below, unless something is known of it here. */
static void overlay_list_below(void *arg, const char *name)
{
    struct overlay_listing *l = arg;
    for (const struct overlay_name *n = l->o->names; n != NULL; n = n->next) {
        const char *known = overlay_in_folder(n->path, l->folder);
        if (known != NULL && strcmp(known, name) == 0)
            return;
    }
    l->each(l->arg, name);
}

/* A folder that is not below may have been made here. */
static enum err overlay_list(struct disk *d, const char *path, disk_name_fn each, void *arg)
{
    struct overlay_listing l = {overlay_of(d), path, each, arg};
    enum err e = disk_list(l.o->below, path, overlay_list_below, &l);
    if (e != OK && e != ERR_NOT_FOUND)
        return e;
    for (const struct overlay_name *n = l.o->names; n != NULL; n = n->next) {
        const char *name = overlay_in_folder(n->path, path);
        if (name != NULL && n->node != NULL)
            each(arg, name);
    }
    return OK;
}

static enum err overlay_lock(struct disk *d, const char *path, struct disk_file **out,
                             uint64_t *holder)
{
    struct disk_overlay *o = overlay_of(d);
    struct overlay_node *node;
    (void)holder;
    enum err e = overlay_node_find(o, path, &node);
    if (e == ERR_NOT_FOUND)
        e = overlay_make(o, path, &node);
    return e == OK ? overlay_open_node(node, out) : e;
}

static enum err overlay_free_bytes(struct disk *d, uint64_t *bytes)
{
    return disk_free_bytes(overlay_of(d)->below, bytes);
}

/* ---- The disk ---- */

static const struct disk_ops DISK_OVERLAY_OPS = {
    .open = overlay_open,
    .close = overlay_close,
    .size = overlay_size,
    .next_data = overlay_next_data,
    .reserve = overlay_reserve,
    .write = overlay_write,
    .read = overlay_read,
    .sync = overlay_sync,
    .rename = overlay_rename,
    .remove = overlay_remove,
    .make_folder = overlay_make_folder,
    .sync_folder = overlay_sync_folder,
    .list = overlay_list,
    .lock = overlay_lock,
    .free_bytes = overlay_free_bytes,
};

enum err disk_overlay_new(struct disk **out, struct disk *below)
{
    *out = NULL;
    struct disk_overlay *o = calloc(1, sizeof(*o));
    if (o == NULL)
        return ERR_NOMEM;
    o->disk.ops = &DISK_OVERLAY_OPS;
    o->below = below;
    *out = &o->disk;
    return OK;
}

static void overlay_node_free(struct overlay_node *node)
{
    struct map_walk walk = {0};
    for (struct map_node *n; (n = map_each(&node->pages, &walk)) != NULL;)
        free(CONTAINER_OF(n, struct overlay_page, by_number));
    map_fini(&node->pages);
    disk_close(node->below);
    free(node);
}

void disk_overlay_free(struct disk *d)
{
    if (d == NULL)
        return;
    struct disk_overlay *o = overlay_of(d);
    for (struct overlay_name *n = o->names; n != NULL;) {
        struct overlay_name *next = n->next;
        free(n);
        n = next;
    }
    for (struct overlay_node *node = o->nodes; node != NULL;) {
        struct overlay_node *next = node->next;
        overlay_node_free(node);
        node = next;
    }
    free(o);
}
