// SPDX-License-Identifier: Apache-2.0
/* A peer that keeps no rule: garbage, half-spoken handshakes, methods nobody expects, silence. It
 * checks nothing; the broker must live through it and let go of it. */
#include "base/bytes.h"
#include "tests/sim/actor.h"

enum { GARBAGE_MAX = 600 };

static uint64_t vandal_draw(struct actor *a, uint64_t n)
{
    return world_draw(a->world, n);
}

static void vandal_garbage(struct actor *a)
{
    uint8_t bytes[GARBAGE_MAX];
    size_t n = 1 + vandal_draw(a, GARBAGE_MAX);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)vandal_draw(a, 256);
    /* A head that looks right leads further into the broker. */
    if (n > 8 && vandal_draw(a, 2) == 0) {
        uint8_t *p = put_u8(bytes, (uint8_t)(1 + vandal_draw(a, 4)));
        p = put_u16(p, (uint16_t)vandal_draw(a, 4));
        put_u32(p, (uint32_t)(vandal_draw(a, 2) == 0 ? n - 8 : vandal_draw(a, 1 << 20)));
        bytes[n - 1] = 0xce;
    }
    client_garbage(&a->client, span_of(bytes, n));
}

static void vandal_method(struct actor *a)
{
    static const enum method_id METHODS[] = {
        METHOD_connection_start_ok, METHOD_connection_tune_ok, METHOD_connection_open,
        METHOD_connection_close,    METHOD_channel_open,       METHOD_channel_open,
        METHOD_channel_close_ok,    METHOD_channel_close,      METHOD_basic_get,
        METHOD_tx_commit,           METHOD_basic_deliver,      METHOD_exchange_bind,
        METHOD_connection_close_ok, METHOD_basic_qos,          METHOD_confirm_select,
    };
    struct method m = {.id = METHODS[vandal_draw(a, sizeof(METHODS) / sizeof(METHODS[0]))]};
    client_method(&a->client, (uint16_t)vandal_draw(a, 4), &m);
}

/* A content that ends too early or says too much. */
static void vandal_content(struct actor *a)
{
    struct amqp_basic_publish m = {.routing_key = SPAN_LIT("nowhere"),
                                   .mandatory = vandal_draw(a, 2) == 0};
    uint8_t flags[2] = {0, vandal_draw(a, 2) == 0 ? 0 : 1};
    uint8_t body[64] = {0};
    client_publish(&a->client, (uint16_t)(1 + vandal_draw(a, 3)), &m, span_of(flags, 2),
                   span_of(body, vandal_draw(a, sizeof(body))));
}

void vandal_step(struct actor *a)
{
    switch (vandal_draw(a, 12)) {
    case 0: vandal_garbage(a); break;
    case 1:
    case 2:
    case 3: vandal_method(a); break;
    case 4:
    case 5: vandal_content(a); break;
    case 6: client_heartbeat(&a->client); break;
    case 7: peer_shutdown(a->client.peer); break;
    case 8: actor_reset(a); break;
    default: break;
    }
}
