// SPDX-License-Identifier: Apache-2.0
/* checks.h — every check of this client, for the list in client.c. */
#ifndef INTEROP_CHECKS_H
#define INTEROP_CHECKS_H

#include "session.h"

/* connecting.c */
void check_connect(struct session *s);
void check_refused_login(struct session *s);
void check_refused_vhost(struct session *s);
void check_two_connections(struct session *s);
void check_heartbeat(struct session *s);

/* routing.c */
void check_direct(struct session *s);
void check_fanout(struct session *s);
void check_topic(struct session *s);
void check_headers(struct session *s);
void check_exchange_to_exchange(struct session *s);

/* content.c */
void check_properties_by_get(struct session *s);
void check_properties_by_consume(struct session *s);
void check_properties_absent(struct session *s);
void check_field_types(struct session *s);
void check_body_empty(struct session *s);
void check_body_small(struct session *s);
void check_body_large(struct session *s);

/* publishing.c */
void check_confirms(struct session *s);
void check_return(struct session *s);
void check_commit(struct session *s);
void check_rollback(struct session *s);

/* consuming.c */
void check_nack(struct session *s);
void check_reject(struct session *s);
void check_recover(struct session *s);
void check_prefetch(struct session *s);
void check_cancel(struct session *s);
void check_server_cancel(struct session *s);

/* lifetime.c */
void check_exclusive_queue(struct session *s);
void check_auto_delete_queue(struct session *s);
void check_not_found(struct session *s);
void check_precondition_failed(struct session *s);

#endif
