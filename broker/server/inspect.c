// SPDX-License-Identifier: Apache-2.0
/* First a look at the files, then a start that is thrown away. The lines of the look come as they
 * are found; those of the start at the end, in the order of object numbers. */
#include "broker/server/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "broker/core/messages.h"
#include "broker/server/inspect_text.h"
#include "storage/disk_overlay.h"
#include "storage/disk_posix.h"
#include "storage/identity.h"
#include "storage/recovery.h"

/* Something declared, and of a queue what is in it. */
struct inspect_object {
    uint64_t number;
    struct catalogue_item item; /* borrows from `what` */
    struct span what;           /* owned */
    bool understood;
    size_t n_messages;
    uint64_t bytes;
    size_t n_flagged;
    uint64_t first_seq;
    uint64_t next_seq;
};

struct inspection {
    const struct inspect_options *options;
    struct inspect_figures figures;
    struct inspect_object *objects; /* by number */
    size_t n_objects;
    size_t capacity;
    bool damaged;
    bool refused;
};

/* ---- The look ---- */

static void look_file(void *arg, const struct inspect_file *f)
{
    (void)arg;
    inspect_put_file(f);
}

static void look_batch(void *arg, const struct inspect_batch *b)
{
    (void)arg;
    inspect_put_batch(b);
}

static void look_record(void *arg, const struct inspect_record *r)
{
    const struct inspection *s = arg;
    if (s->options->records)
        inspect_put_record(r);
}

static void look_damaged(void *arg, const struct inspect_damage *d)
{
    struct inspection *s = arg;
    s->damaged = true;
    inspect_put_damage(d);
}

static enum err inspection_look(struct inspection *s, struct disk *disk)
{
    struct inspect_visitor visitor = {look_file, look_batch, look_record, look_damaged, s};
    uint64_t holder;
    if (disk_posix_is_locked(disk, "lock", &holder))
        printf("broker running=yes pid=%" PRIu64 "\n", holder);
    else
        printf("broker running=no\n");
    enum err e = inspect_run(disk, &visitor, &s->figures);
    if (e != OK)
        return e;
    const struct inspect_figures *g = &s->figures;
    printf("store id=");
    for (size_t i = 0; i < STORE_ID_SIZE; i++)
        printf("%02x", g->store_id[i]);
    printf(" told_by=%s\n", g->identity);
    printf("journal oldest=%" PRIu64 " durable_lsn=%" PRIu64 " durable=%" PRIu64 " doubt=%" PRIu64
           " torn=%" PRIu64 " lost=%" PRIu64 " damages=%" PRIu64 "\n",
           g->oldest, g->durable_lsn, g->n_durable, g->n_doubt, g->n_torn, g->n_lost, g->n_damages);
    for (unsigned kind = 0; kind < INSPECT_KINDS; kind++)
        if (g->n_of_kind[kind] != 0)
            printf("records kind=%s n=%" PRIu64 "\n", record_kind_name(kind), g->n_of_kind[kind]);
    return OK;
}

/* ---- What a start tells ---- */

static struct inspect_object *object_find(const struct inspection *s, uint64_t number)
{
    size_t low = 0;
    size_t high = s->n_objects;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s->objects[middle].number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low == s->n_objects || s->objects[low].number != number ? NULL : &s->objects[low];
}

static void start_last_object(void *arg, uint64_t object)
{
    (void)arg;
    (void)object;
}

static enum err start_declared(void *arg, uint64_t object, struct span what)
{
    struct inspection *s = arg;
    if (s->n_objects == s->capacity) {
        size_t capacity = s->capacity == 0 ? 64 : 2 * s->capacity;
        struct inspect_object *grown = realloc(s->objects, capacity * sizeof(*grown));
        if (grown == NULL)
            return ERR_NOMEM;
        s->objects = grown;
        s->capacity = capacity;
    }
    struct inspect_object *o = &s->objects[s->n_objects];
    *o = (struct inspect_object){.number = object, .what = span_dup(what)};
    if (o->what.at == NULL)
        return ERR_NOMEM;
    o->understood = catalogue_take(o->what, &o->item);
    s->damaged |= !o->understood;
    s->n_objects++;
    return OK;
}

/* Of a message nothing is kept but its size: it stands in for the reference. */
static enum err start_message(void *arg, struct span bytes, uint32_t n, void **message)
{
    struct stored_message m;
    (void)arg;
    (void)n;
    if (!message_take_stored(bytes, &m))
        return ERR_SYNTAX;
    *message = (void *)(uintptr_t)bytes.size;
    return OK;
}

static void start_drop(void *arg, void *message)
{
    (void)arg;
    (void)message;
}

static enum err start_queue(void *arg, uint64_t queue, const struct recovered_message *messages,
                            size_t n, uint64_t flagged, uint64_t next_seq)
{
    struct inspect_object *o = object_find(arg, queue);
    if (o == NULL)
        return OK;
    o->n_messages = n;
    o->next_seq = next_seq;
    o->first_seq = n == 0 ? 0 : messages[0].seq;
    for (size_t i = 0; i < n; i++) {
        o->bytes += (uintptr_t)messages[i].message;
        o->n_flagged += messages[i].seq <= flagged;
    }
    return OK;
}

/* ---- The start ---- */

static void put_object(const struct inspection *s, const struct inspect_object *o)
{
    if (!o->understood) {
        printf("object number=%" PRIu64 " what=\"not understood\" bytes=%zu\n", o->number,
               o->what.size);
        return;
    }
    const struct catalogue_item *i = &o->item;
    printf("%s number=%" PRIu64,
           i->kind == 'x'   ? "exchange"
           : i->kind == 'q' ? "queue"
                            : "binding",
           o->number);
    if (i->kind == 'q')
        printf(" messages=%zu bytes=%" PRIu64 " redelivered=%zu first_seq=%" PRIu64
               " next_seq=%" PRIu64,
               o->n_messages, o->bytes, o->n_flagged, o->first_seq, o->next_seq);
    if (i->kind == 'b') {
        bool source = i->source_number < CATALOGUE_FIRST_NUMBER ||
                      object_find(s, i->source_number) != NULL;
        bool there = source && (i->destination_number < CATALOGUE_FIRST_NUMBER ||
                                object_find(s, i->destination_number) != NULL);
        printf(" ends=%s", there ? "there" : "gone");
    }
    inspect_put_item(i);
    putchar('\n');
}

static void put_started(struct inspection *s, const struct recovery_figures *g)
{
    size_t n_of['z'] = {0};
    uint64_t n_messages = 0;
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->n_objects; i++) {
        const struct inspect_object *o = &s->objects[i];
        put_object(s, o);
        n_of[o->understood ? o->item.kind : 0]++;
        n_messages += o->n_messages;
        bytes += o->bytes;
    }
    s->damaged |= g->n_lost != 0 || g->n_groups_dropped != 0 || g->n_messages_lost != 0;
    printf("start result=ok clean=%s records=%" PRIu64 " lost=%" PRIu64 " groups_dropped=%" PRIu64
           " messages_lost=%" PRIu64 " exchanges=%zu queues=%zu bindings=%zu messages=%" PRIu64
           " bytes=%" PRIu64 " last_object=%" PRIu64 " last_group=%" PRIu64 "\n",
           g->clean ? "yes" : "no", g->n_records, g->n_lost, g->n_groups_dropped,
           g->n_messages_lost, n_of['x'], n_of['q'], n_of['b'], n_messages, bytes, g->last_object,
           g->last_group);
}

static enum err inspection_start_on(struct inspection *s, struct disk *overlay)
{
    struct journal_options options = {.disk = overlay,
                                      .env = s->options->env,
                                      .file_bytes = s->options->file_bytes,
                                      .time_ns = env_wall_ns(s->options->env)};
    struct recovery_target target = {start_last_object, start_declared, start_message,
                                     start_drop,        start_queue,    s};
    struct recovery *r = NULL;
    struct journal *j = NULL;
    enum err e = identity_open(overlay, s->options->env, options.store_id);
    if (e == OK)
        e = recovery_begin(&r, &j, &options);
    if (e == OK)
        e = recovery_restore(r, j, &target);
    if (e == OK)
        put_started(s, recovery_figures(r));
    recovery_free(r);
    journal_close(j);
    return e;
}

static enum err inspection_start(struct inspection *s, struct disk *disk)
{
    struct disk *overlay;
    enum err e = disk_overlay_new(&overlay, disk);
    if (e != OK)
        return e;
    e = inspection_start_on(s, overlay);
    disk_overlay_free(overlay);
    s->refused = e == ERR_FUTURE || e == ERR_IO;
    if (s->refused)
        printf("start result=refused reason=\"%s\"\n", err_text(e));
    return s->refused ? OK : e;
}

/* ---- All of it ---- */

int inspect_print(const struct inspect_options *options, char *why, size_t why_size)
{
    struct inspection s = {.options = options};
    struct disk *disk;
    enum err e = disk_posix_open(&disk, options->data);
    if (e == OK)
        e = inspection_look(&s, disk);
    if (e == OK)
        e = inspection_start(&s, disk);
    disk_posix_close(disk);
    for (size_t i = 0; i < s.n_objects; i++)
        free((void *)(uintptr_t)s.objects[i].what.at);
    free(s.objects);
    bool sound = !s.damaged && !s.refused;
    if (e == OK)
        printf("summary %s\n", s.refused ? "result=refused"
                               : sound   ? "result=sound"
                                         : "result=damaged");
    if (e == OK && (fflush(stdout) != 0 || ferror(stdout)))
        e = ERR_IO;
    if (e != OK)
        snprintf(why, why_size, "data directory %s: %s", options->data, err_text(e));
    return e != OK ? 2 : sound ? 0 : 1;
}
