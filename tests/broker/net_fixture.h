// SPDX-License-Identifier: Apache-2.0
/* tests/broker/net_fixture.h — an io on a real loop, a client on a real socket, and the test in the
 * place of the core: it reads the ring in and writes the ring out.
 *
 * Time is the fixture's own: deadlines come when the test says so.
 *
 * Deliberate: function bodies in a header, because every test is a program of one file.
 */
#ifndef TESTS_BROKER_NET_FIXTURE_H
#define TESTS_BROKER_NET_FIXTURE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "amqp/wire.h"
#include "base/bytes.h"
#include "base/log.h"
#include "broker/net/io.h"
#include "tests/amqp/wire_play.h"
#include "tests/base/suite.h"

enum { NET_TURNS_MAX = 20000 };

struct net {
    struct env env;
    uint64_t now_ns;
    struct link link;
    struct loop *loop;
    struct loop_listener *listener;
    struct io *io;
    int fd; /* the client's */
    char address[32];
};

static inline uint64_t net_now_ns(struct env *env)
{
    return ((struct net *)env->self)->now_ns;
}

static inline void net_secret(struct env *env, void *at, size_t size)
{
    (void)env;
    memset(at, 1, size);
}

static inline uint16_t net_free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&a, size), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static inline int net_connect(uint16_t port)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

/* The descriptor of the accepted end of a client's socket. */
static inline int net_other_end(int client)
{
    struct sockaddr_in name;
    struct sockaddr_in peer;
    socklen_t size = sizeof(name);
    ck_assert_int_eq(getsockname(client, (struct sockaddr *)&name, &size), 0);
    for (int fd = 3; fd < 1000; fd++) {
        size = sizeof(peer);
        if (getpeername(fd, (struct sockaddr *)&peer, &size) == 0 && peer.sin_port == name.sin_port)
            return fd;
    }
    ck_abort_msg("the socket has no other end");
    return -1;
}

/* One turn of the I/O thread; what was asked for comes without waiting for long. */
static inline void net_turn(struct net *n)
{
    io_read(n->io);
    io_write(n->io);
    loop_turn(n->loop, 1000000);
}

static inline struct net *net_new(void)
{
    struct net *n = calloc(1, sizeof(*n));
    char why[256];
    ck_assert_ptr_nonnull(n);
    log_set_level(LOG_LEVEL_ERROR);
    n->env = (struct env){.now_ns = net_now_ns, .secret = net_secret, .self = n};
    n->now_ns = 1000000000;
    uint16_t port = net_free_port();
    snprintf(n->address, sizeof(n->address), "127.0.0.1:%u", port);
    ck_assert_int_eq(link_init(&n->link), OK);
    ck_assert_int_eq(loop_new(&n->loop), OK);
    ck_assert_int_eq(listener_open(&n->listener, n->address, why, sizeof(why)), OK);
    struct io_options options = {.env = &n->env,
                                 .loop = n->loop,
                                 .link = &n->link,
                                 .frame_max = 131072,
                                 .message_size_max = 1 << 24,
                                 .handshake_timeout_ns = 10000000000};
    ck_assert_int_eq(io_new(&n->io, &options), OK);
    ck_assert_int_eq(loop_accept_on(n->loop, n->listener, io_on_accept, n->io), OK);
    n->fd = net_connect(port);
    for (int i = 0; i < NET_TURNS_MAX && io_n_connections(n->io) == 0; i++)
        net_turn(n);
    ck_assert_uint_eq(io_n_connections(n->io), 1);
    return n;
}

static inline void net_free(struct net *n)
{
    if (n->fd >= 0)
        close(n->fd);
    io_free(n->io);
    loop_free(n->loop);
    listener_close(n->listener);
    link_fini(&n->link);
    free(n);
}

static inline void net_send(struct net *n, struct span bytes)
{
    while (bytes.size != 0) {
        ssize_t sent = send(n->fd, bytes.at, bytes.size, MSG_NOSIGNAL);
        if (sent > 0)
            bytes = span_of(bytes.at + sent, bytes.size - (size_t)sent);
        else
            net_turn(n);
    }
}

/* The next record for the core; it stays valid until net_done. */
static inline struct in_head *net_event(struct net *n)
{
    size_t size;
    for (int i = 0; i < NET_TURNS_MAX && !ring_see_published(&n->link.in); i++)
        net_turn(n);
    struct in_head *head = ring_peek(&n->link.in, &size);
    ck_assert_msg(head != NULL, "nothing comes from the socket");
    return head;
}

static inline void net_done(struct net *n)
{
    ring_skip(&n->link.in);
    ring_release(&n->link.in);
}

/* Protocol header sent, IN_OPENED seen. */
static inline struct slot_id net_open(struct net *n)
{
    net_send(n, span_of(WIRE_PROTOCOL_HEADER, 8));
    struct in_head *head = net_event(n);
    ck_assert_uint_eq(head->kind, IN_OPENED);
    ck_assert(((struct in_opened *)head)->loopback);
    struct slot_id conn = head->conn;
    net_done(n);
    return conn;
}

/* Likewise, and tune-ok with a heartbeat of 10 s handed on. */
static inline struct slot_id net_open_tuned(struct net *n, uint32_t frame_max)
{
    struct slot_id conn = net_open(n);
    struct buf b;
    buf_init(&b);
    struct method m = {.id = METHOD_connection_tune_ok};
    m.connection_tune_ok = (struct amqp_connection_tune_ok){2047, frame_max, 10};
    wire_put_method(&b, 0, &m);
    net_send(n, buf_span(&b));
    ck_assert_uint_eq(net_event(n)->kind, IN_METHOD);
    net_done(n);
    buf_fini(&b);
    return conn;
}

static inline void net_order(struct net *n, struct slot_id conn, enum order order)
{
    struct out_order *out = ring_reserve(&n->link.out, sizeof(*out));
    ck_assert_ptr_nonnull(out);
    *out = (struct out_order){.head = {.kind = OUT_ORDER, .conn = conn}, .order = order};
    ring_commit(&n->link.out, sizeof(*out));
    ring_publish(&n->link.out);
}

static inline void net_bytes(struct net *n, struct slot_id conn, struct span bytes)
{
    struct out_bytes *out = ring_reserve(&n->link.out, sizeof(*out) + bytes.size);
    ck_assert_ptr_nonnull(out);
    out->head = (struct out_head){.kind = OUT_BYTES, .conn = conn};
    out->size = (uint32_t)bytes.size;
    put_bytes(out->bytes, bytes);
    ring_commit(&n->link.out, sizeof(*out) + bytes.size);
    ring_publish(&n->link.out);
}

/* Exactly `size` bytes from the server. */
static inline void net_receive(struct net *n, uint8_t *at, size_t size)
{
    int idle = 0;
    for (size_t got = 0; got < size;) {
        ssize_t r = recv(n->fd, at + got, size - got, 0);
        ck_assert_msg(r != 0, "the server has ended after %zu bytes", got);
        if (r > 0)
            got += (size_t)r;
        else
            net_turn(n);
        ck_assert_int_lt(idle++, NET_TURNS_MAX);
    }
}

/* The server ends in an orderly way, with nothing before it. */
static inline void net_receive_end(struct net *n)
{
    uint8_t byte;
    ssize_t r = -1;
    for (int i = 0; i < NET_TURNS_MAX && (r = recv(n->fd, &byte, 1, 0)) < 0; i++)
        net_turn(n);
    ck_assert_int_eq(r, 0);
}

#endif
