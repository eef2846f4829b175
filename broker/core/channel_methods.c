// SPDX-License-Identifier: Apache-2.0
/* Methods of the classes channel and access, and those that switch a channel's mode. */
#include "base/limits.h"
#include "broker/core/core.h"
#include "broker/core/dispatch.h"
#include "broker/core/tx.h"

const struct reply *on_channel_open(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)ch;
    (void)m;
    return fault_set(f, REPLY_CHANNEL_ERROR, "second 'channel.open' seen");
}

const struct reply *on_channel_flow(struct channel *ch, const struct method *m, struct fault *f)
{
    if (!m->channel_flow.active)
        return fault_set(f, REPLY_NOT_IMPLEMENTED, "active=false");
    struct method ok = {.id = METHOD_channel_flow_ok};
    ok.channel_flow_ok.active = true;
    replies_method(ch, &ok, 0);
    return NULL;
}

static bool channel_close_some(struct channel *ch, void *state, unsigned *work)
{
    (void)state;
    if (!channel_release_some(ch, work))
        return false;
    struct method ok = {.id = METHOD_channel_close_ok};
    replies_method_then(ch, &ok, 0, THEN_FREE_CHANNEL, (struct slot_id){0, 0});
    return true;
}

const struct reply *on_channel_close(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)m;
    (void)f;
    channel_move(ch, CHANNEL_CLOSING);
    replies_drop_confirms(ch);
    if (!channel_close_some(ch, NULL, &ch->session->core->work))
        parking_job(ch, channel_close_some, NULL);
    return NULL;
}

const struct reply *on_access_request(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)m;
    (void)f;
    struct method ok = {.id = METHOD_access_request_ok};
    ok.access_request_ok.ticket = 1;
    replies_method(ch, &ok, 0);
    return NULL;
}

const struct reply *on_confirm_select(struct channel *ch, const struct method *m, struct fault *f)
{
    if (ch->tx != NULL)
        return fault_set(f, REPLY_PRECONDITION_FAILED, "cannot switch from tx to confirm mode");
    ch->confirm = true;
    struct method ok = {.id = METHOD_confirm_select_ok};
    if (!m->confirm_select.no_wait)
        replies_method(ch, &ok, 0);
    return NULL;
}

const struct reply *on_tx_select(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)m;
    if (ch->confirm)
        return fault_set(f, REPLY_PRECONDITION_FAILED, "cannot switch from confirm to tx mode");
    if (tx_select(ch) != OK)
        return fault_set(f, REPLY_RESOURCE_ERROR, "out of memory");
    struct method ok = {.id = METHOD_tx_select_ok};
    replies_method(ch, &ok, 0);
    return NULL;
}

static const struct reply *channel_not_transactional(struct fault *f)
{
    return fault_set(f, REPLY_PRECONDITION_FAILED, "channel is not transactional");
}

const struct reply *on_tx_commit(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)m;
    if (ch->tx == NULL)
        return channel_not_transactional(f);
    tx_commit(ch);
    return NULL;
}

static bool channel_rollback_some(struct channel *ch, void *state, unsigned *work)
{
    (void)state;
    if (!tx_rollback_some(ch, work))
        return false;
    struct method ok = {.id = METHOD_tx_rollback_ok};
    replies_method(ch, &ok, 0);
    return true;
}

const struct reply *on_tx_rollback(struct channel *ch, const struct method *m, struct fault *f)
{
    (void)m;
    if (ch->tx == NULL)
        return channel_not_transactional(f);
    if (!channel_rollback_some(ch, NULL, &ch->session->core->work))
        parking_job(ch, channel_rollback_some, NULL);
    return NULL;
}
