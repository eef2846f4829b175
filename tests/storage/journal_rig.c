// SPDX-License-Identifier: Apache-2.0
#include "tests/storage/journal_rig.h"

#include <string.h>

static uint64_t rig_now_ns(struct env *env)
{
    (void)env;
    return 0;
}

static void rig_secret(struct env *env, void *at, size_t size)
{
    struct rig *r = env->self;
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)at)[i] = (uint8_t)rng_next(&r->chance);
}

struct rig *rig_new(uint64_t seed)
{
    struct rig *r = calloc(1, sizeof(*r));
    ASSERT(r != NULL);
    r->chance.state = seed;
    r->env = (struct env){.now_ns = rig_now_ns, .secret = rig_secret, .self = r};
    r->fd = false_disk_new(0);
    r->options = (struct journal_options){.disk = false_disk(r->fd),
                                          .env = &r->env,
                                          .store_id = "0123456789abcde",
                                          .file_bytes = RIG_FILE_BYTES,
                                          .time_ns = 1};
    batch_init(&r->batch);
    return r;
}

static void rig_close(struct rig *r)
{
    journal_close(r->journal);
    r->journal = NULL;
}

void rig_free(struct rig *r)
{
    rig_close(r);
    batch_fini(&r->batch);
    false_disk_free(r->fd);
    free(r);
}

/* ---- Records ---- */

static struct record rig_record(uint64_t id, size_t body_size)
{
    return (struct record){.kind = RECORD_publish, .time_ns = id, .body = {NULL, body_size}};
}

void rig_body(uint8_t *at, uint64_t id, size_t size)
{
    struct rng bytes = {id};
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)(rng_next(&bytes) >> 32);
}

static bool rig_is_record(const struct record *rec)
{
    static uint8_t body[RIG_BODY_MAX];
    if (rec->kind != RECORD_publish || rec->body.size > sizeof(body))
        return false;
    rig_body(body, rec->time_ns, rec->body.size);
    return span_eq(rec->body, span_of(body, rec->body.size));
}

/* ---- Opening ---- */

/* A record that follows the confirmed ones as number `i`. */
static void rig_shown_attempt(struct rig *r, uint64_t id, size_t i)
{
    unsigned n_possible = 0;
    for (size_t k = 0; k < r->n_attempts; k++) {
        struct rig_attempt *a = &r->attempts[k];
        a->possible = (i == 0 || a->possible) && i < a->n && a->ids[i] == id;
        n_possible += a->possible;
    }
    ck_assert_msg(n_possible != 0, "record %llu: invented", (unsigned long long)id);
}

static enum err rig_shown(void *arg, uint64_t lsn, struct journal_place place,
                          const struct record *rec)
{
    struct rig *r = arg;
    ck_assert_msg(r->last_shown == 0 || lsn == r->last_shown + 1 || r->expects_damage ||
                      false_disk_is_cut(r->fd),
                  "LSN %llu after %llu", (unsigned long long)lsn,
                  (unsigned long long)r->last_shown);
    ck_assert_msg(rig_is_record(rec), "LSN %llu: not as it was written", (unsigned long long)lsn);
    uint64_t id = rec->time_ns;
    if (lsn <= r->confirmed) {
        ck_assert_msg(id == r->ids[lsn], "LSN %llu: another record", (unsigned long long)lsn);
        ck_assert_msg(r->files[lsn] >= r->let_go_true, "LSN %llu: was let go of",
                      (unsigned long long)lsn);
    } else {
        rig_shown_attempt(r, id, (size_t)(lsn - r->confirmed - 1));
    }
    if (r->first_shown == 0)
        r->first_shown = lsn;
    r->last_shown = lsn;
    r->ids[lsn] = id;
    r->files[lsn] = place.file;
    return OK;
}

static void rig_damaged(void *arg, uint64_t lsn, uint64_t n, uint64_t file)
{
    struct rig *r = arg;
    (void)file;
    /* Without power nothing can be read: such an opening does not count. */
    ck_assert_msg(r->expects_damage || false_disk_is_cut(r->fd), "LSN %llu and %llu more: lost",
                  (unsigned long long)lsn, (unsigned long long)n - 1);
    r->n_damaged += n;
}

/* The first that must be shown, when files before `oldest` are not needed. */
static uint64_t rig_needed(const struct rig *r, uint64_t oldest)
{
    uint64_t lsn = 1;
    while (lsn <= r->confirmed && r->files[lsn] < oldest)
        lsn++;
    return lsn;
}

/* Files with something confirmed in them were let go of by a confirmed batch, or by one that has
 * come back. */
static void rig_check_oldest(const struct rig *r)
{
    uint64_t oldest = journal_oldest(r->journal);
    bool said = rig_needed(r, oldest) == rig_needed(r, r->let_go_true);
    for (size_t k = 0; k < r->n_attempts; k++)
        said |= rig_needed(r, oldest) == rig_needed(r, r->attempts[k].oldest) &&
                (r->attempts[k].n == 0 ||
                 (r->last_shown > r->confirmed && r->attempts[k].possible));
    ck_assert_msg(said, "file %llu is the oldest needed: who says so?", (unsigned long long)oldest);
}

enum err rig_open(struct rig *r)
{
    struct journal_visitor visitor = {rig_shown, rig_damaged, r};
    /* What is shown may move, and then the opening may fail. */
    static uint64_t files[RIG_RECORDS_MAX];
    memcpy(files, r->files, sizeof(files));
    r->first_shown = r->last_shown = r->n_damaged = 0;
    enum err e = journal_open(&r->journal, &r->options, &visitor);
    if (e != OK || false_disk_is_cut(r->fd)) {
        memcpy(r->files, files, sizeof(files));
        return e != OK ? e : ERR_IO;
    }
    uint64_t durable = journal_durable_lsn(r->journal);
    ck_assert_uint_ge(durable, r->confirmed);
    if (!r->expects_damage) {
        uint64_t needed = rig_needed(r, journal_oldest(r->journal));
        rig_check_oldest(r);
        ck_assert_uint_eq(r->last_shown, r->first_shown == 0 ? 0 : durable);
        if (needed <= r->confirmed)
            ck_assert_msg(r->first_shown != 0 && r->first_shown <= needed,
                          "from LSN %llu on, needed is %llu", (unsigned long long)r->first_shown,
                          (unsigned long long)needed);
    }
    r->confirmed = durable;
    r->n_attempts = 0;
    ck_assert_uint_ge(journal_oldest(r->journal), r->let_go_true);
    r->let_go = r->let_go_true = journal_oldest(r->journal);
    return OK;
}

void rig_end(struct rig *r)
{
    rig_close(r);
    false_disk_process_ended(r->fd);
}

void rig_power(struct rig *r)
{
    rig_close(r);
    if (!false_disk_is_cut(r->fd))
        false_disk_cut(r->fd);
    false_disk_power_on(r->fd, &r->chance);
    false_disk_cut_at(r->fd, UINT64_MAX); /* the one that was to come does not */
}

void rig_recover(struct rig *r, unsigned n_cuts)
{
    rig_power(r);
    for (; n_cuts != 0; n_cuts--) {
        false_disk_cut_at(r->fd, false_disk_count(r->fd) + 1 + rng_below(&r->chance, 20));
        (void)rig_open(r);
        rig_power(r);
    }
    enum err e;
    for (int i = 0; (e = rig_open(r)) != OK && i < 20; i++) /* what was to fail does */
        rig_end(r);
    ck_assert_int_eq(e, OK);
}

/* ---- Reading back ---- */

static enum err rig_read(void *arg, uint64_t lsn, struct journal_place place,
                         const struct record *rec)
{
    struct rig *r = arg;
    ck_assert_uint_eq(place.file, r->file_read);
    ck_assert_uint_gt(lsn, r->last_read);
    ck_assert_uint_le(lsn, r->confirmed);
    ck_assert_uint_eq(r->files[lsn], place.file);
    ck_assert_uint_eq(r->ids[lsn], rec->time_ns);
    ck_assert(rig_is_record(rec));
    r->last_read = lsn;
    r->n_read++;
    return OK;
}

void rig_read_back(struct rig *r)
{
    struct journal_visitor visitor = {rig_read, rig_damaged, r};
    uint64_t oldest = journal_oldest(r->journal);
    uint64_t newest = journal_newest(r->journal);
    r->n_read = r->last_read = r->n_damaged = 0;
    for (r->file_read = oldest; r->file_read < newest; r->file_read++) {
        struct journal_cursor c = {.file = r->file_read};
        enum err e = OK;
        for (bool more = true; e == OK && more;)
            e = journal_read_file(r->journal, &c, &visitor, &more);
        ck_assert(e == OK || e == ERR_NOT_FOUND);
    }
    uint64_t n = 0;
    for (uint64_t lsn = 1; lsn <= r->confirmed; lsn++)
        n += r->files[lsn] >= oldest && r->files[lsn] < newest;
    if (!false_disk_is_cut(r->fd))
        ck_assert_uint_eq(r->n_read + r->n_damaged, n);
}

/* ---- Writing ---- */

enum err rig_write(struct rig *r, size_t n, size_t body_max)
{
    struct journal_place place;
    ck_assert_uint_lt(r->n_attempts, RIG_ATTEMPTS_MAX);
    struct rig_attempt *a = &r->attempts[r->n_attempts++];
    batch_reset(&r->batch);
    for (a->n = 0; a->n < n; a->n++) {
        struct record rec = rig_record(++r->last_id, (size_t)rng_below(&r->chance, body_max + 1));
        uint8_t *body;
        if (batch_bytes_with(&r->batch, &rec) > journal_batch_max(r->journal))
            break;
        ck_assert_int_eq(batch_add(&r->batch, &rec, &body), OK);
        rig_body(body, r->last_id, rec.body.size);
        a->ids[a->n] = r->last_id;
    }
    ck_assert((a->n == 0) == (n == 0));
    a->oldest = r->let_go;
    enum err e = journal_write(r->journal, &r->batch, r->let_go, 1, &place);
    if (e != OK)
        return e;
    for (size_t i = 0; i < a->n; i++) {
        r->ids[++r->confirmed] = a->ids[i];
        r->files[r->confirmed] = place.file;
    }
    ck_assert_uint_eq(journal_durable_lsn(r->journal), r->confirmed);
    r->n_attempts = 0;
    r->let_go_true = r->let_go;
    return OK;
}

void rig_let_go(struct rig *r, uint64_t oldest)
{
    r->let_go = oldest;
}

static void rig_count_name(void *arg, const char *name)
{
    unsigned *n = arg;
    (void)name;
    (*n)++;
}

unsigned rig_n_files(struct rig *r)
{
    unsigned n = 0;
    ck_assert_int_eq(disk_list(r->options.disk, JOURNAL_FOLDER, rig_count_name, &n), OK);
    return n;
}
