// SPDX-License-Identifier: Apache-2.0
/* broker/core/dispatch.h — from a method to the function that executes it.
 *
 * One table by method id; a method without a row is not for clients on a channel: 503. Handlers
 * answer the client themselves through replies.h and return NULL, or a reply row with its sentence
 * in `f`. One that cannot finish now parks the channel.
 *
 * Thread: core.
 */
#ifndef BROKER_CORE_DISPATCH_H
#define BROKER_CORE_DISPATCH_H

#include "broker/core/channel.h"

typedef const struct reply *handler(struct channel *ch, const struct method *m, struct fault *f);

/* Executes a method on an open channel. Class and method of `f` are the caller's to set. */
handler dispatch;

/* Handlers by class: broker/core/{channel,exchange,queue,basic,tx}_methods.c. */
handler on_channel_open, on_channel_flow, on_channel_close;
handler on_access_request;
handler on_exchange_declare, on_exchange_delete, on_exchange_bind, on_exchange_unbind;
handler on_queue_declare, on_queue_bind, on_queue_unbind, on_queue_purge, on_queue_delete;
handler on_basic_qos, on_basic_consume, on_basic_cancel, on_basic_get, on_basic_ack,
    on_basic_reject;
handler on_basic_nack, on_basic_recover, on_basic_recover_async;
handler on_confirm_select, on_tx_select, on_tx_commit, on_tx_rollback;

#endif
