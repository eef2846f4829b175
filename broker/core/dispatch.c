// SPDX-License-Identifier: Apache-2.0
#include "broker/core/dispatch.h"

static handler *const HANDLERS[METHOD_COUNT] = {
    [METHOD_channel_open] = on_channel_open,
    [METHOD_channel_flow] = on_channel_flow,
    [METHOD_channel_close] = on_channel_close,
    [METHOD_access_request] = on_access_request,
    [METHOD_exchange_declare] = on_exchange_declare,
    [METHOD_exchange_delete] = on_exchange_delete,
    [METHOD_exchange_bind] = on_exchange_bind,
    [METHOD_exchange_unbind] = on_exchange_unbind,
    [METHOD_queue_declare] = on_queue_declare,
    [METHOD_queue_bind] = on_queue_bind,
    [METHOD_queue_unbind] = on_queue_unbind,
    [METHOD_queue_purge] = on_queue_purge,
    [METHOD_queue_delete] = on_queue_delete,
    [METHOD_basic_qos] = on_basic_qos,
    [METHOD_basic_consume] = on_basic_consume,
    [METHOD_basic_cancel] = on_basic_cancel,
    [METHOD_basic_get] = on_basic_get,
    [METHOD_basic_ack] = on_basic_ack,
    [METHOD_basic_reject] = on_basic_reject,
    [METHOD_basic_nack] = on_basic_nack,
    [METHOD_basic_recover] = on_basic_recover,
    [METHOD_basic_recover_async] = on_basic_recover_async,
    [METHOD_confirm_select] = on_confirm_select,
    [METHOD_tx_select] = on_tx_select,
    [METHOD_tx_commit] = on_tx_commit,
    [METHOD_tx_rollback] = on_tx_rollback,
};

const struct reply *dispatch(struct channel *ch, const struct method *m, struct fault *f)
{
    handler *h = HANDLERS[m->id];
    if (h == NULL)
        return fault_set(f, REPLY_COMMAND_INVALID, "unimplemented method");
    return h(ch, m, f);
}
