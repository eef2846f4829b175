// SPDX-License-Identifier: Apache-2.0
/* What comes in on a channel: answers, confirms, messages. */
#include <stdlib.h>
#include <string.h>

#include "tests/crash/chan.h"
#include "tests/crash/message.h"

/* ---- Confirms ---- */

static void chan_confirm_one(struct chan *ch, uint64_t tag, bool nack)
{
    struct model *m = &ch->ground->model;
    uint32_t *message = deque_at(&ch->unconfirmed, (size_t)(tag - ch->first_tag));
    if (*message == 0)
        return;
    if (nack)
        model_nacked(m, *message);
    else
        model_confirmed(m, *message);
    ch->ground->n_confirmed += !nack;
    ch->n_unconfirmed--;
    *message = 0;
}

static void chan_on_confirm(struct chan *ch, uint64_t tag, bool multiple, bool nack)
{
    uint64_t end = ch->first_tag + ch->unconfirmed.n;
    bool known = tag >= ch->first_tag && tag < end;
    bool due = known && *(uint32_t *)deque_at(&ch->unconfirmed, (size_t)(tag - ch->first_tag)) != 0;
    if (!known || (!due && !multiple)) {
        model_flaw(&ch->ground->model, FLAW_CONFIRM, 0, "channel %u: tag %llu%s", ch->uid,
                   (unsigned long long)tag, multiple ? ", multiple" : "");
        return;
    }
    for (uint64_t i = multiple ? ch->first_tag : tag; i <= tag; i++)
        chan_confirm_one(ch, i, nack);
    while (ch->unconfirmed.n != 0 && *(uint32_t *)deque_at(&ch->unconfirmed, 0) == 0) {
        deque_pop(&ch->unconfirmed);
        ch->first_tag++;
    }
}

/* ---- Answers ---- */

/* The end of a transaction is known: what it settled is no longer held. */
static void chan_tx_ended(struct chan *ch, bool committed)
{
    struct model *m = &ch->ground->model;
    size_t n = 0;
    if (committed)
        model_tx_committed(m, ch->tx, ch->uid);
    else
        model_tx_rolled_back(m, ch->tx);
    for (size_t i = 0; i < ch->held.n; i++) {
        struct held h = *(struct held *)deque_at(&ch->held, i);
        if (model_copy(m, h.copy)->holder == ch->uid)
            *(struct held *)deque_at(&ch->held, n++) = h;
    }
    deque_cut(&ch->held, n);
    ch->ground->n_txs++;
    ch->n_in_tx = 0;
    ch->tx = model_tx_begin(m);
}

static void chan_on_answer(struct chan *ch, const struct method *m)
{
    struct model *model = &ch->ground->model;
    if (ch->role != ROLE_TRANSACTOR)
        model_answered(model, ch->uid, ch->awaited_cmd);
    ch->awaited = METHOD_NONE;
    if (m->id == METHOD_tx_commit_ok || m->id == METHOD_tx_rollback_ok)
        chan_tx_ended(ch, m->id == METHOD_tx_commit_ok);
    else if (m->id == METHOD_tx_select_ok)
        ch->tx = model_tx_begin(model);
    else
        chan_layout_answered(ch, m);
}

/* A passive declare of what is not there costs the channel; it is opened again. */
static void chan_on_close(struct chan *ch, const struct method *m)
{
    bool asked = ch->awaited == METHOD_queue_declare_ok ||
                 ch->awaited == METHOD_exchange_declare_ok;
    if (ch->role != ROLE_CHECKER || !asked || m->channel_close.reply_code != 404) {
        client_set_refused(&ch->link->client, m);
        model_flaw(&ch->ground->model, FLAW_BROKER, 0, "channel %u: %s", ch->uid,
                   ch->link->client.why);
        return;
    }
    struct method close_ok = {.id = METHOD_channel_close_ok};
    struct method open = {.id = METHOD_channel_open};
    enum err e = client_put(&ch->link->client, ch->number, &close_ok);
    ASSERT(e == OK);
    ch->missing = true;
    ch->awaited = METHOD_NONE;
    chan_call(ch, &open, METHOD_channel_open_ok, ch->subject);
    deque_cut(&ch->unconfirmed, 0);
}

void chan_on_method(struct chan *ch, const struct method *m)
{
    if (m->id == METHOD_basic_ack) {
        chan_on_confirm(ch, m->basic_ack.delivery_tag, m->basic_ack.multiple, false);
    } else if (m->id == METHOD_basic_nack) {
        chan_on_confirm(ch, m->basic_nack.delivery_tag, m->basic_nack.multiple, true);
    } else if (m->id == METHOD_channel_close) {
        chan_on_close(ch, m);
    } else if (m->id == ch->awaited ||
               (m->id == METHOD_basic_get_empty && ch->awaited == METHOD_basic_get_ok)) {
        chan_on_answer(ch, m);
    } else {
        client_set_refused(&ch->link->client, m);
        model_flaw(&ch->ground->model, FLAW_BROKER, 0, "channel %u: %s", ch->uid,
                   ch->link->client.why);
    }
}

/* ---- Messages ---- */

struct arrival {
    uint32_t queue;
    uint64_t tag;
    struct span exchange;
    struct span key;
    bool redelivered;
    bool auto_ack;
};

/* False when it is no delivery that we asked for. */
static bool chan_read_arrival(struct chan *ch, const struct method *m, struct arrival *a)
{
    if (m->id == METHOD_basic_get_ok && ch->awaited == METHOD_basic_get_ok) {
        *a = (struct arrival){ch->subject,
                              m->basic_get_ok.delivery_tag,
                              m->basic_get_ok.exchange,
                              m->basic_get_ok.routing_key,
                              m->basic_get_ok.redelivered,
                              ch->no_ack};
        return true;
    }
    struct span tag = m->basic_deliver.consumer_tag;
    char text[16] = "";
    if (m->id != METHOD_basic_deliver || tag.size < 2 || tag.size >= sizeof(text))
        return false;
    memcpy(text, tag.at, tag.size);
    *a = (struct arrival){(uint32_t)strtoul(text + 1, NULL, 10),
                          m->basic_deliver.delivery_tag,
                          m->basic_deliver.exchange,
                          m->basic_deliver.routing_key,
                          m->basic_deliver.redelivered,
                          text[0] == 'n'};
    return a->queue < ch->ground->model.layout.n_queues;
}

static bool chan_same_route(const struct record *r, const struct arrival *a)
{
    return span_eq(a->exchange, span_str(r->exchange)) && span_eq(a->key, span_str(r->key));
}

static uint32_t chan_take(struct chan *ch, const struct arrival *a, struct span header,
                          struct span body)
{
    struct model *m = &ch->ground->model;
    uint32_t message = message_number(header);
    const struct record *r = model_record(m, message);
    if (r == NULL) {
        model_stranger(m, a->queue, message);
        return UINT32_MAX;
    }
    if (!message_is_intact(r, message, header, body) || !chan_same_route(r, a)) {
        model_flaw(m, FLAW_ALTERED, message, "queue %s: message %u, %zu bytes",
                   m->layout.queues[a->queue].name, message, body.size);
        return UINT32_MAX;
    }
    if (ch->role == ROLE_CHECKER)
        return model_scan_take(m, a->queue, message, ch->uid, a->redelivered);
    return model_delivered(m, a->queue, message, ch->uid, a->redelivered, a->auto_ack);
}

void chan_on_content(struct chan *ch, const struct method *m, struct span header, struct span body)
{
    struct arrival a;
    if (!chan_read_arrival(ch, m, &a)) {
        model_flaw(&ch->ground->model, FLAW_BROKER, 0, "channel %u: %s that nobody asked for",
                   ch->uid, method_info(m->id)->name);
        return;
    }
    uint32_t copy = chan_take(ch, &a, header, body);
    ch->ground->n_delivered++;
    ch->n_taken++;
    if (copy != UINT32_MAX && !a.auto_ack) {
        struct held *h = deque_push(&ch->held);
        ASSERT(h != NULL);
        *h = (struct held){a.tag, copy};
    }
    if (m->id == METHOD_basic_get_ok)
        chan_on_answer(ch, m);
}
