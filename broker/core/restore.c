// SPDX-License-Identifier: Apache-2.0
#include "broker/core/restore.h"

#include "base/log.h"
#include "broker/core/messages.h"
#include "broker/core/queue.h"
#include "broker/core/vhost.h"

static void restore_last_object(void *arg, uint64_t object)
{
    struct core *core = arg;
    if (object > core->catalogue.last_number)
        core->catalogue.last_number = object;
}

static enum err restore_declared(void *arg, uint64_t object, struct span what)
{
    struct core *core = arg;
    struct catalogue_item item;
    if (catalogue_take(what, &item) && !span_eq(item.vhost, core->vhost->name)) {
        /* Without it, it would count as gone, and be let go of for good. */
        log_event(LOG_OTHER_VHOST, "vhost=\"%.*s\" default_vhost=\"%.*s\"", SPAN_FMT(item.vhost),
                  SPAN_FMT(core->vhost->name));
        return ERR_SYNTAX;
    }
    (void)store_reserve(core->options.store); /* for an end that has gone */
    enum err e = catalogue_restore(core, object, what);
    if (e == ERR_SYNTAX)
        log_event(LOG_JOURNAL_DAMAGED, "object=%llu what=\"not understood\"",
                  (unsigned long long)object);
    return e == ERR_NOMEM ? e : OK;
}

static enum err restore_message(void *arg, struct span bytes, uint32_t n, void **message)
{
    struct message *m = NULL;
    enum err e = message_from_store(arg, bytes, n, &m);
    *message = m;
    return e;
}

static void restore_drop(void *arg, void *message)
{
    message_unref(arg, message);
}

static enum err restore_queue(void *arg, uint64_t queue, const struct recovered_message *messages,
                              size_t n, uint64_t flagged, uint64_t next_seq)
{
    struct core *core = arg;
    struct queue *q = queue_by_number(core, queue);
    enum err e = OK;
    size_t i = 0;
    for (; q != NULL && i < n && e == OK; i++)
        e = queue_restore(q, messages[i].message, messages[i].seq);
    for (i -= e != OK; i < n; i++)
        message_unref(core, messages[i].message);
    if (q != NULL && e == OK) {
        q->flagged_seq = flagged;
        q->next_seq = next_seq > q->next_seq ? next_seq : q->next_seq;
    }
    return e;
}

struct recovery_target restore_target(struct core *core)
{
    return (struct recovery_target){.last_object = restore_last_object,
                                    .declared = restore_declared,
                                    .message = restore_message,
                                    .drop = restore_drop,
                                    .queue = restore_queue,
                                    .arg = core};
}

bool restore_mark(struct core *core)
{
    for (uint32_t i = 0; i < slots_end(&core->queues); i++) {
        uint32_t generation;
        const struct queue *q = slots_at_index(&core->queues, i, &generation);
        if (q == NULL || q->deleted || q->stored.n == 0)
            continue;
        const struct queue_entry *first = fifo_front(&q->ready);
        uint64_t handed_out = first == NULL ? q->next_seq - 1 : first->seq - 1;
        uint64_t mark = handed_out > q->flagged_seq ? handed_out : q->flagged_seq;
        if (store_reserve(core->options.store) == 0)
            return false;
        store_mark(core->options.store, (struct store_target){q->number, mark});
    }
    return store_reserve(core->options.store) != 0;
}
