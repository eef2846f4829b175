// SPDX-License-Identifier: Apache-2.0
#include "broker/server/inspect_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "amqp/table.h"
#include "broker/core/arguments_text.h"
#include "broker/core/messages.h"
#include "storage/entry.h"

/* ---- Values ---- */

static void put_bytes_plain(struct span bytes)
{
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = bytes.at[i];
        if (c >= ' ' && c <= '~' && c != '"' && c != '\\')
            putchar(c);
        else
            printf("\\x%02x", c);
    }
}

void inspect_put_quoted(const char *key, struct span bytes)
{
    printf(" %s=\"", key);
    put_bytes_plain(bytes);
    putchar('"');
}

static void put_number(const char *key, uint64_t n)
{
    printf(" %s=%" PRIu64, key, n);
}

void inspect_put_time(const char *key, uint64_t time_ns)
{
    time_t seconds = (time_t)(time_ns / 1000000000);
    struct tm at;
    char text[32];
    if (time_ns == 0 || gmtime_r(&seconds, &at) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &at) == 0)
        printf(" %s=-", key);
    else
        printf(" %s=%s.%09" PRIu64 "Z", key, text, time_ns % 1000000000);
}

/* Names and values of a table, which may be anything. */
static void put_arguments(struct span table)
{
    struct field f;
    struct argument_text text;
    const char *between = "";
    printf(" arguments=\"");
    if (table_check(table) != TABLE_OK)
        printf("(malformed)");
    else
        while (table_next(&table, &f)) {
            fputs(between, stdout);
            put_bytes_plain(f.name);
            putchar('=');
            argument_text_value(&text, &f);
            put_bytes_plain(span_of(text.at, text.size));
            between = ",";
        }
    putchar('"');
}

/* ---- Files and batches ---- */

static const char *role_name(enum file_role role)
{
    switch (role) {
    case ROLE_STORE: return "store";
    case ROLE_JOURNAL: return "journal";
    case ROLE_SEGMENT: return "segment";
    case ROLE_SETTLED_LOG: return "settled_log";
    case ROLE_CATALOGUE: return "catalogue";
    }
    return "none";
}

void inspect_put_file(const struct inspect_file *f)
{
    const struct file_head *h = &f->head;
    printf("file");
    inspect_put_quoted("path", span_str(f->path));
    printf(" role=%s use=%s", role_name(f->role), inspect_use_name(f->use));
    if (f->heads != NULL) {
        printf(" heads=%s", f->heads);
        put_number("size", f->size);
    }
    if (f->has_head && f->role == ROLE_JOURNAL) {
        put_number("number", h->number);
        printf(" epoch=%" PRIu32, h->epoch);
        put_number("first_lsn", h->first_lsn);
        put_number("prev_end", h->prev_end);
        put_number("copied_to", h->copied_to);
    }
    if (f->has_head)
        printf(" nonce=%016" PRIx64, h->nonce);
    putchar('\n');
}

void inspect_put_batch(const struct inspect_batch *b)
{
    const struct batch_head *h = &b->head;
    printf("batch file=%s", b->file->path);
    put_number("offset", b->offset);
    put_number("first_lsn", h->first_lsn);
    printf(" records=%" PRIu32 " bytes=%" PRIu32 " state=%s", h->count, h->size,
           inspect_state_name(b->state));
    put_number("durable_lsn", h->durable_lsn);
    put_number("oldest", h->oldest);
    printf(" epoch=%" PRIu32, h->epoch);
    inspect_put_time("time", h->time_ns);
    putchar('\n');
}

void inspect_put_damage(const struct inspect_damage *d)
{
    printf("damage");
    inspect_put_quoted("file", span_str(d->path));
    put_number("offset", d->offset);
    inspect_put_quoted("what", span_str(d->what));
    put_number("lost", d->n);
    if (d->n != 0)
        put_number("first_lsn", d->lsn);
    putchar('\n');
}

/* ---- Records ---- */

void inspect_put_item(const struct catalogue_item *i)
{
    inspect_put_quoted("vhost", i->vhost);
    inspect_put_quoted(i->kind == 'b' ? "source" : "name", i->name);
    if (i->kind == 'x')
        inspect_put_quoted("type", i->type);
    if (i->kind == 'b') {
        put_number("source_number", i->source_number);
        inspect_put_quoted((i->flags & CATALOGUE_TO_QUEUE) != 0 ? "queue" : "exchange",
                           i->destination);
        put_number("destination_number", i->destination_number);
        inspect_put_quoted("key", i->key);
    }
    if ((i->flags & CATALOGUE_AUTO_DELETE) != 0 && i->kind != 'b')
        printf(" auto_delete=yes");
    if ((i->flags & CATALOGUE_INTERNAL) != 0 && i->kind == 'x')
        printf(" internal=yes");
    put_arguments(i->arguments);
}

static void put_pairs(const char *key, const struct entry *e, char between)
{
    printf(" %s=", key);
    for (uint32_t i = 0; i < e->n; i++) {
        struct store_target t = entry_pair(e, i);
        printf("%s%" PRIu64 "%c%" PRIu64, i == 0 ? "" : ",", t.queue, between, t.seq);
    }
}

static void put_message(const struct entry *e)
{
    struct stored_message m;
    put_pairs("targets", e, ':');
    put_number("message_bytes", e->bytes.size);
    if (e->kind == RECORD_chunk)
        printf(" chunk=%" PRIu32 " name=%" PRIu64 ":%" PRIu64, e->chunk, e->name.queue,
               e->name.seq);
    else if (e->n_chunks != 0)
        printf(" chunks=%" PRIu32 " name=%" PRIu64 ":%" PRIu64, e->n_chunks, e->name.queue,
               e->name.seq);
    else if (message_take_stored(e->bytes, &m)) {
        inspect_put_quoted("exchange", m.exchange);
        inspect_put_quoted("key", m.key);
        put_number("body_bytes", m.body.size);
        put_number("priority", m.priority);
    } else
        printf(" message=malformed");
}

static void put_declared(const struct entry *e)
{
    struct catalogue_item i;
    put_number("object", e->object);
    if (!catalogue_take(e->bytes, &i)) {
        printf(" what=malformed");
        return;
    }
    printf(" what=%s", i.kind == 'x' ? "exchange" : i.kind == 'q' ? "queue" : "binding");
    inspect_put_item(&i);
}

static void put_entry(const struct entry *e)
{
    switch (e->kind) {
    case RECORD_publish:
    case RECORD_chunk: put_message(e); break;
    case RECORD_settle:
        put_number("queue", e->target.queue);
        put_pairs("ranges", e, '-');
        break;
    case RECORD_mark:
        put_number("queue", e->target.queue);
        put_number("seq", e->target.seq);
        break;
    case RECORD_declared: put_declared(e); break;
    case RECORD_undeclared: put_number("object", e->object); break;
    case RECORD_commit:
        put_number("commits", e->group);
        put_number("first_lsn", e->first_lsn);
        printf(" records=%" PRIu32, e->n);
        break;
    case RECORD_dropped: put_number("dropped", e->group); break;
    case RECORD_stopped:
    case RECORD_started:
    case RECORD_segment:
    case RECORD_snapshot:
    case RECORD_settled_log:
    case RECORD_message:
    case RECORD_part:
    case RECORD_reference: break;
    }
}

void inspect_put_record(const struct inspect_record *shown)
{
    const struct record *r = shown->record;
    const char *kind = record_kind_name(r->kind);
    struct entry e;
    printf("record");
    put_number("lsn", shown->lsn);
    printf(" file=%s", shown->batch->file->path);
    put_number("offset", shown->offset);
    if (kind != NULL)
        printf(" kind=%s", kind);
    else
        printf(" kind=%u", r->kind);
    printf(" state=%s", inspect_state_name(shown->state));
    put_number("bytes", record_size(r));
    if (r->in_group)
        put_number("group", r->group);
    inspect_put_time("time", r->time_ns);
    if (entry_read(r, &e))
        put_entry(&e);
    else
        printf(" what=\"not understood\"");
    putchar('\n');
}
