// SPDX-License-Identifier: Apache-2.0
/* The files of a data directory and their heads, and the heads of batches. What of it counts is
 * found out in inspect_walk.c. */
#include "storage/inspect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/inspect_priv.h"

enum { ARRAY_MIN = 64, DECIMALS_MAX = 18, NAME_MAX_BYTES = 256, PATH_BYTES = 16 + NAME_MAX_BYTES };

struct inspect_name {
    char text[NAME_MAX_BYTES];
    uint64_t number; /* 0 = none */
};

struct inspect_names {
    struct inspect_name *at;
    size_t n;
    size_t capacity;
    bool failed;
};

#define INSPECT_NAME(name) [USE_##name] = #name,
const char *inspect_use_name(enum inspect_use use)
{
    static const char *const NAMES[] = {INSPECT_USES(INSPECT_NAME)};
    return NAMES[use];
}
#undef INSPECT_NAME

#define INSPECT_NAME(name) [STATE_##name] = #name,
const char *inspect_state_name(enum inspect_state state)
{
    static const char *const NAMES[] = {INSPECT_STATES(INSPECT_NAME)};
    return NAMES[state];
}
#undef INSPECT_NAME

static void *inspect_grow(void *array, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return array;
    size_t more = *capacity == 0 ? ARRAY_MIN : 2 * *capacity;
    void *grown = realloc(array, more * size);
    if (grown != NULL)
        *capacity = more;
    return grown;
}

void inspect_damaged(struct inspect *s, const struct inspect_damage *d)
{
    s->figures->n_damages++;
    s->figures->n_lost += d->n;
    s->visitor->damaged(s->visitor->arg, d);
}

/* ---- Names ---- */

/* The number that a file's name is, 0 if it is none. */
static uint64_t inspect_number(const char *name)
{
    size_t n = strspn(name, "0123456789");
    bool is_number = n != 0 && n <= DECIMALS_MAX && name[n] == '\0' && name[0] != '0';
    return is_number ? strtoull(name, NULL, 10) : 0;
}

static void inspect_name(void *arg, const char *name)
{
    struct inspect_names *names = arg;
    struct inspect_name *at = inspect_grow(names->at, names->n, &names->capacity, sizeof(*at));
    if (at == NULL) {
        names->failed = true;
        return;
    }
    names->at = at;
    at += names->n++;
    snprintf(at->text, sizeof(at->text), "%s", name);
    at->number = inspect_number(name);
}

static int inspect_by_name(const void *a, const void *b)
{
    const struct inspect_name *x = a;
    const struct inspect_name *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return strcmp(x->text, y->text);
}

/* A folder's names in order; none when it is not there. */
static enum err inspect_list(struct inspect *s, const char *folder, struct inspect_names *names)
{
    *names = (struct inspect_names){.at = NULL};
    enum err e = disk_list(s->disk, folder, inspect_name, names);
    if (e == OK && names->failed)
        e = ERR_NOMEM;
    if (e == OK && names->n != 0)
        qsort(names->at, names->n, sizeof(*names->at), inspect_by_name);
    return e == ERR_NOT_FOUND ? OK : e;
}

void inspect_show(struct inspect *s, const struct inspect_file *f)
{
    s->visitor->file(s->visitor->arg, f);
}

static void inspect_show_as(struct inspect *s, const char *folder, const char *name,
                            enum inspect_use use)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s%s%s", folder, folder[0] == 0 ? "" : "/", name);
    inspect_show(s, &(struct inspect_file){.path = path, .use = use});
}

/* ---- Heads of files ---- */

/* What the copies of a head are worth. */
static const char *inspect_heads(struct inspect *s, struct disk_file *file, enum file_role role,
                                 struct file_head *h, enum file_state *state, bool *scratched)
{
    static const char *const WORTH[] = {"none", "first", "second", "both"};
    size_t valid = 0;
    *state = FILE_INVALID;
    *scratched = false;
    for (size_t i = 0; i < FILE_HEAD_COPIES; i++) {
        struct file_head head;
        struct span copy = journal_read(&s->journal, file, i * (BLOCK_BYTES / FILE_HEAD_COPIES),
                                        FILE_HEAD_SIZE);
        enum file_state found = file_head_read_any(copy, role, &head);
        if (found == FILE_INVALID) {
            *scratched |= !journal_is_zeros(copy);
            continue;
        }
        valid |= (size_t)1 << i;
        if (*state == FILE_INVALID) {
            *state = found;
            *h = head;
        }
    }
    return WORTH[valid];
}

static void inspect_head_damaged(struct inspect *s, const char *path, const char *what)
{
    inspect_damaged(s, &(struct inspect_damage){.path = path, .what = what});
}

/* A copy of a head that is neither valid nor zeros was damaged: a crash does not do that. */
static void inspect_check_heads(struct inspect *s, const struct inspect_file *f, bool scratched)
{
    if (f->use == USE_damaged)
        inspect_head_damaged(s, f->path, "file");
    else if (f->heads != NULL && strcmp(f->heads, "batch") == 0)
        inspect_head_damaged(s, f->path, "head");
    else if (scratched)
        inspect_head_damaged(s, f->path, "copy of head");
}

/* ---- The directory ---- */

static enum err inspect_identity(struct inspect *s)
{
    struct inspect_file f = {.path = "store", .role = ROLE_STORE, .use = USE_unreadable};
    struct disk_file *file;
    enum file_state state;
    bool scratched;
    enum err e = disk_open(s->disk, f.path, DISK_READ, &file);
    if (e != OK) {
        inspect_show(s, &f);
        inspect_head_damaged(s, f.path, "unreadable");
        return e == ERR_LIMIT || e == ERR_NOMEM ? e : OK;
    }
    e = disk_size(file, &f.size);
    f.heads = inspect_heads(s, file, ROLE_STORE, &f.head, &state, &scratched);
    journal_file_close(&s->journal, file);
    f.has_head = state != FILE_INVALID;
    f.use = state == FILE_OURS ? USE_needed : state == FILE_FUTURE ? USE_future : USE_damaged;
    if (f.has_head) {
        memcpy(s->figures->store_id, f.head.store_id, STORE_ID_SIZE);
        s->figures->identity = "store";
    }
    inspect_show(s, &f);
    inspect_check_heads(s, &f, scratched);
    return e;
}

/* Of a name in the directory itself. */
static enum err inspect_top(struct inspect *s, const char *name)
{
    static const char *const FOLDERS[] = {JOURNAL_FOLDER, "segments", "settled", "catalogue",
                                          "transient"};
    for (size_t i = 0; i < sizeof(FOLDERS) / sizeof(FOLDERS[0]); i++)
        if (strcmp(name, FOLDERS[i]) == 0)
            return OK;
    if (strcmp(name, "store") == 0)
        return inspect_identity(s);
    inspect_show_as(s, "", name, strcmp(name, "lock") == 0 ? USE_needed : USE_unknown);
    return OK;
}

static enum err inspect_directory(struct inspect *s)
{
    static const char *const TO_COME[] = {"segments", "settled", "catalogue", "transient"};
    struct inspect_names names;
    enum err e = inspect_list(s, "", &names);
    for (size_t i = 0; i < names.n && e == OK; i++)
        e = inspect_top(s, names.at[i].text);
    free(names.at);
    for (size_t k = 0; k < sizeof(TO_COME) / sizeof(TO_COME[0]) && e == OK; k++) {
        e = inspect_list(s, TO_COME[k], &names);
        for (size_t i = 0; i < names.n && e == OK; i++)
            inspect_show_as(s, TO_COME[k], names.at[i].text, USE_unknown);
        free(names.at);
    }
    return e;
}

/* The store's id by a file of the journal, when nothing else tells. */
static enum err inspect_id_by_journal(struct inspect *s, const struct inspect_names *names)
{
    enum err e = OK;
    for (size_t i = 0; i < names->n && e == OK && s->figures->identity == NULL; i++) {
        char path[DISK_PATH_MAX];
        struct disk_file *file;
        struct file_head h;
        enum file_state state;
        bool scratched;
        if (names->at[i].number == 0)
            continue;
        journal_path(path, names->at[i].number);
        e = disk_open(s->disk, path, DISK_READ, &file);
        if (e != OK)
            continue;
        (void)inspect_heads(s, file, ROLE_JOURNAL, &h, &state, &scratched);
        journal_file_close(&s->journal, file);
        if (state == FILE_OURS) {
            memcpy(s->figures->store_id, h.store_id, STORE_ID_SIZE);
            s->figures->identity = "journal";
        }
    }
    return e == ERR_IO || e == ERR_NOT_FOUND ? OK : e;
}

/* ---- Files of the journal ---- */

/* The file is ours: it is kept, to be shown later. */
static enum err inspect_keep(struct inspect *s, const struct inspect_file *f,
                             struct disk_file *file /* taken */)
{
    struct journal *j = &s->journal;
    struct inspect_file *shown = inspect_grow(s->shown, j->n_files, &s->shown_capacity,
                                              sizeof(*shown));
    if (shown != NULL)
        s->shown = shown;
    if (shown == NULL || journal_files_reserve(j) != OK) {
        journal_file_close(j, file);
        return ERR_NOMEM;
    }
    shown[j->n_files] = *f;
    shown[j->n_files].path = file->path;
    j->files[j->n_files++] = (struct journal_file){.head = f->head, .file = file, .bytes = f->size};
    return OK;
}

static enum inspect_use inspect_use_of(enum file_state state)
{
    switch (state) {
    case FILE_OURS: return USE_needed;
    case FILE_FOREIGN: return USE_foreign;
    case FILE_FUTURE: return USE_future;
    case FILE_OTHER: return USE_spare;
    case FILE_INVALID: break;
    }
    return USE_damaged;
}

static enum err inspect_look(struct inspect *s, const struct inspect_file *named,
                             struct disk_file *file, uint64_t number)
{
    struct inspect_file f = *named;
    enum file_state state;
    bool scratched;
    bool by_batch;
    enum err e = disk_size(file, &f.size);
    f.heads = inspect_heads(s, file, ROLE_JOURNAL, &f.head, &state, &scratched);
    f.has_head = state != FILE_INVALID;
    struct file_head head = {.number = 0};
    state = journal_look(&s->journal, file, number, &head, &by_batch);
    if (state == FILE_OURS)
        f.head = head;
    if (by_batch)
        f.heads = "batch";
    f.has_head |= by_batch;
    f.use = s->journal.window.unreadable ? USE_unreadable : inspect_use_of(state);
    if (f.use == USE_unreadable)
        inspect_head_damaged(s, f.path, "unreadable");
    inspect_check_heads(s, &f, scratched);
    if (e == OK && state == FILE_OURS)
        return inspect_keep(s, &f, file);
    inspect_show(s, &f);
    journal_file_close(&s->journal, file);
    return e;
}

static enum err inspect_journal_file(struct inspect *s, uint64_t number)
{
    char path[DISK_PATH_MAX];
    struct disk_file *file;
    journal_path(path, number);
    struct inspect_file f = {.path = path, .role = ROLE_JOURNAL, .use = USE_unreadable};
    enum err e = disk_open(s->disk, path, DISK_READ, &file);
    s->journal.window.unreadable = false;
    if (e == OK)
        return inspect_look(s, &f, file, number);
    inspect_show(s, &f);
    inspect_head_damaged(s, path, "unreadable");
    return e == ERR_LIMIT || e == ERR_NOMEM ? e : OK;
}

static enum err inspect_batches_of(struct inspect *s, size_t i)
{
    struct journal_file *f = &s->journal.files[i];
    struct inspect_found b = {.file = i, .offset = BLOCK_BYTES};
    for (uint64_t step; b.offset < f->bytes; b.offset += step) {
        if (!journal_batch_at(&s->journal, f, b.offset, &b.head, &step))
            continue;
        struct inspect_found *found = inspect_grow(s->found, s->n_found, &s->found_capacity,
                                                   sizeof(*found));
        if (found == NULL)
            return ERR_NOMEM;
        s->found = found;
        found[s->n_found++] = b;
    }
    return OK;
}

static enum err inspect_journal(struct inspect *s)
{
    struct inspect_names names;
    enum err e = inspect_list(s, JOURNAL_FOLDER, &names);
    if (e == OK)
        e = inspect_id_by_journal(s, &names);
    if (s->figures->identity == NULL)
        s->figures->identity = "none";
    memcpy(s->journal.options.store_id, s->figures->store_id, STORE_ID_SIZE);
    for (size_t i = 0; i < names.n && e == OK; i++)
        if (names.at[i].number != 0)
            e = inspect_journal_file(s, names.at[i].number);
        else
            inspect_show_as(s, JOURNAL_FOLDER, names.at[i].text, USE_unknown);
    free(names.at);
    for (size_t i = 0; i < s->journal.n_files && e == OK; i++)
        e = inspect_batches_of(s, i);
    return e;
}

/* ---- All of it ---- */

enum err inspect_run(struct disk *d, const struct inspect_visitor *visitor,
                     struct inspect_figures *figures)
{
    struct inspect s = {.disk = d, .visitor = visitor, .figures = figures};
    *figures = (struct inspect_figures){.identity = NULL};
    s.journal.options.disk = d;
    enum err e = journal_window_take(&s.journal);
    if (e == OK)
        e = inspect_directory(&s);
    if (e == OK)
        e = inspect_journal(&s);
    if (e == OK)
        inspect_walk(&s);
    for (size_t i = 0; i < s.journal.n_files; i++)
        disk_close(s.journal.files[i].file);
    free(s.journal.files);
    free(s.shown);
    free(s.found);
    journal_window_drop(&s.journal);
    return e;
}
