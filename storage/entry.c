// SPDX-License-Identifier: Apache-2.0
#include "storage/entry.h"

#include "base/bytes.h"

enum { PAIR_SIZE = 16 };

static size_t entry_head_size(const struct entry *e)
{
    switch (e->kind) {
    case RECORD_publish: return 8 + (e->n_chunks == 0 ? 0 : PAIR_SIZE);
    case RECORD_chunk: return 8 + PAIR_SIZE;
    case RECORD_settle:
    case RECORD_mark: return 16;
    case RECORD_declared:
    case RECORD_undeclared:
    case RECORD_dropped: return 8;
    case RECORD_commit: return 24;
    case RECORD_stopped:
    case RECORD_started:
    case RECORD_segment:
    case RECORD_snapshot:
    case RECORD_settled_log:
    case RECORD_message:
    case RECORD_part:
    case RECORD_reference: break;
    }
    return 0;
}

size_t entry_size(const struct entry *e)
{
    return entry_head_size(e) + (size_t)e->n * (e->kind == RECORD_commit ? 0 : PAIR_SIZE) +
           e->bytes.size;
}

static uint8_t *put_pair(uint8_t *p, struct store_target pair)
{
    return put_u64(put_u64(p, pair.queue), pair.seq);
}

static uint8_t *put_list(uint8_t *p, const struct entry *e, const struct store_target *targets)
{
    if (e->list.at != NULL)
        return put_bytes(p, e->list);
    for (uint32_t i = 0; i < e->n; i++)
        p = put_pair(p, targets[i]);
    return p;
}

uint8_t *entry_put(uint8_t *p, const struct entry *e, const struct store_target *targets)
{
    switch (e->kind) {
    case RECORD_publish:
        p = put_u32(put_u32(p, e->n), e->n_chunks);
        if (e->n_chunks != 0)
            p = put_pair(p, e->name);
        return put_list(p, e, targets);
    case RECORD_chunk:
        p = put_pair(put_u32(put_u32(p, e->n), e->chunk), e->name);
        return put_list(p, e, targets);
    case RECORD_settle:
        p = put_u32(put_u32(put_u64(p, e->target.queue), e->n), 0);
        return put_list(p, e, targets);
    case RECORD_mark: return put_pair(p, e->target);
    case RECORD_declared:
    case RECORD_undeclared: return put_u64(p, e->object);
    case RECORD_commit:
        return put_u32(put_u32(put_u64(put_u64(p, e->group), e->first_lsn), e->n), 0);
    case RECORD_dropped: return put_u64(p, e->group);
    case RECORD_stopped:
    case RECORD_started:
    case RECORD_segment:
    case RECORD_snapshot:
    case RECORD_settled_log:
    case RECORD_message:
    case RECORD_part:
    case RECORD_reference: break;
    }
    return p;
}

static bool take_pair(struct span *in, struct store_target *pair)
{
    return take_u64(in, &pair->queue) && take_u64(in, &pair->seq);
}

static bool take_list(struct span *in, struct entry *e)
{
    return take_span(in, (size_t)e->n * PAIR_SIZE, &e->list);
}

/* Seqs count from 1, and the largest has no next. */
static bool seq_is_possible(uint64_t seq)
{
    return seq != 0 && seq != UINT64_MAX;
}

static bool take_message(struct span *in, struct entry *e)
{
    if (!take_list(in, e) || e->n == 0)
        return false;
    for (uint32_t i = 0; i < e->n; i++)
        if (!seq_is_possible(entry_pair(e, i).seq))
            return false;
    e->bytes = *in;
    *in = SPAN_NONE;
    return true;
}

static bool take_ranges(struct span *in, struct entry *e)
{
    if (!take_list(in, e))
        return false;
    for (uint32_t i = 0; i < e->n; i++) {
        struct store_target range = entry_pair(e, i); /* first and last */
        if (range.queue > range.seq || range.seq == UINT64_MAX)
            return false;
    }
    return true;
}

static bool take_entry(struct span *in, struct entry *e)
{
    uint32_t zero;
    switch (e->kind) {
    case RECORD_publish:
        return take_u32(in, &e->n) && take_u32(in, &e->n_chunks) &&
               (e->n_chunks == 0 || take_pair(in, &e->name)) && take_message(in, e);
    case RECORD_chunk:
        return take_u32(in, &e->n) && take_u32(in, &e->chunk) && take_pair(in, &e->name) &&
               take_message(in, e);
    case RECORD_settle:
        return take_u64(in, &e->target.queue) && take_u32(in, &e->n) && take_u32(in, &zero) &&
               take_ranges(in, e);
    case RECORD_mark: return take_pair(in, &e->target) && e->target.seq != UINT64_MAX;
    case RECORD_declared:
        e->bytes = SPAN_NONE;
        if (!take_u64(in, &e->object))
            return false;
        e->bytes = *in;
        *in = SPAN_NONE;
        return true;
    case RECORD_undeclared: return take_u64(in, &e->object);
    case RECORD_commit:
        return take_u64(in, &e->group) && take_u64(in, &e->first_lsn) && take_u32(in, &e->n) &&
               take_u32(in, &zero);
    case RECORD_dropped: return take_u64(in, &e->group);
    case RECORD_stopped:
    case RECORD_started: return true;
    case RECORD_segment:
    case RECORD_snapshot:
    case RECORD_settled_log:
    case RECORD_message:
    case RECORD_part:
    case RECORD_reference: break;
    }
    return false;
}

bool entry_read(const struct record *r, struct entry *e)
{
    *e = (struct entry){.in_group = r->in_group, .group = r->in_group ? r->group : 0};
    if (record_kind_name(r->kind) == NULL)
        return false;
    e->kind = (enum record_kind)r->kind;
    struct span in = r->body;
    return take_entry(&in, e) && in.size == 0;
}

struct store_target entry_pair(const struct entry *e, uint32_t i)
{
    ASSERT(i < e->n);
    struct span in = e->list;
    in.at += (size_t)i * PAIR_SIZE;
    struct store_target pair;
    bool whole = take_pair(&in, &pair);
    ASSERT(whole);
    return pair;
}
