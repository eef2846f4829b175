// SPDX-License-Identifier: Apache-2.0
#include "broker/server/workers.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>

#include "tests/broker/net_fixture.h"
#include "tests/storage/temporary.h"

enum { PATIENCE_MS = 20000 };

struct broker {
    struct config config;
    struct env env;
    struct users users;
    struct loop_listener *listener;
    struct workers *workers;
    struct temporary data;
    pthread_t thread;
    uint16_t port;
};

static void *broker_thread(void *arg)
{
    struct broker *b = arg;
    ck_assert_int_eq(workers_run(b->workers), OK);
    return NULL;
}

static void broker_start(struct broker *b, const char *io_threads)
{
    char why[256];
    char address[32];
    log_set_level(LOG_LEVEL_ERROR);
    b->port = net_free_port();
    snprintf(address, sizeof(address), "127.0.0.1:%u", b->port);
    b->env = env_real();
    users_init(&b->users);
    ck_assert_int_eq(
        users_add(&b->users, SPAN_LIT("guest"), SPAN_LIT("guest"), (const uint8_t *)"salt", true),
        OK);
    ck_assert_int_eq(config_init(&b->config, why, sizeof(why)), OK);
    ck_assert_int_eq(config_set(&b->config, "io_threads", io_threads, why, sizeof(why)), OK);
    ck_assert_int_eq(listener_open(&b->listener, address, why, sizeof(why)), OK);
    b->data = temporary_begin();
    struct workers_options options = {.config = &b->config,
                                      .data = b->data.path,
                                      .env = &b->env,
                                      .users = &b->users,
                                      .listener = b->listener};
    ck_assert_int_eq(workers_new(&b->workers, &options, why, sizeof(why)), OK);
    ck_assert_int_eq(pthread_create(&b->thread, NULL, broker_thread, b), 0);
}

static void broker_join(struct broker *b)
{
    ck_assert_int_eq(pthread_join(b->thread, NULL), 0);
    workers_free(b->workers);
    listener_close(b->listener);
    users_fini(&b->users);
    config_fini(&b->config);
    temporary_end(&b->data);
}

/* What comes, or 0 at the end, be it orderly or not. */
static size_t receive(int fd, uint8_t *at, size_t size)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    ck_assert_msg(poll(&p, 1, PATIENCE_MS) == 1, "nothing comes");
    ssize_t n = recv(fd, at, size, 0);
    return n > 0 ? (size_t)n : 0;
}

static void receive_method(int fd, enum method_id id)
{
    static uint8_t frame[70000];
    struct method m = {.id = METHOD_connection_start};
    struct fault f;
    do {
        for (size_t got = 0, size = FRAME_HEAD; got < size;) {
            size_t n = receive(fd, frame + got, size - got);
            ck_assert_uint_ne(n, 0);
            got += n;
            struct span head = span_of(frame + 3, 4);
            uint32_t payload;
            if (got == FRAME_HEAD && take_u32(&head, &payload))
                size = FRAME_OVERHEAD + payload;
            ck_assert_uint_le(size, sizeof(frame));
            if (got == size)
                ck_assert_ptr_null(
                    method_decode(span_of(frame + FRAME_HEAD, size - FRAME_OVERHEAD), &m, &f));
        }
    } while (m.id != id);
}

static void put_methods(int fd, const struct method *methods, size_t n)
{
    struct buf b;
    buf_init(&b);
    for (size_t i = 0; i < n; i++)
        wire_put_method(&b, 0, &methods[i]);
    ck_assert_int_eq(send(fd, buf_span(&b).at, buf_span(&b).size, MSG_NOSIGNAL),
                     (ssize_t)buf_span(&b).size);
    buf_fini(&b);
}

static int connect_and_open(const struct broker *b)
{
    static const uint8_t RESPONSE[] = "\0guest\0guest";
    struct method m[3] = {{.id = METHOD_connection_start_ok},
                          {.id = METHOD_connection_tune_ok},
                          {.id = METHOD_connection_open}};
    m[0].connection_start_ok.mechanism = SPAN_LIT("PLAIN");
    m[0].connection_start_ok.response = span_of(RESPONSE, sizeof(RESPONSE) - 1);
    m[0].connection_start_ok.locale = SPAN_LIT("en_US");
    m[1].connection_tune_ok = (struct amqp_connection_tune_ok){2047, 131072, 0};
    m[2].connection_open.virtual_host = SPAN_LIT("/");
    int fd = net_connect(b->port);
    ck_assert_int_eq(send(fd, WIRE_PROTOCOL_HEADER, 8, MSG_NOSIGNAL), 8);
    put_methods(fd, m, 3);
    receive_method(fd, METHOD_connection_open_ok);
    return fd;
}

static bool is_refused(const struct broker *b)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(b->port)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_ge(fd, 0);
    bool refused = connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0 && errno == ECONNREFUSED;
    close(fd);
    return refused;
}

/* One client takes its time to answer connection.close: until then nobody else is let in, neither
 * who comes anew nor who had only connected before. */
static void check_stop(const char *io_threads)
{
    struct broker b;
    uint8_t byte;
    broker_start(&b, io_threads);
    int silent = net_connect(b.port);
    int client = connect_and_open(&b);
    workers_stop(b.workers);
    receive_method(client, METHOD_connection_close);
    ck_assert_msg(is_refused(&b), "a new client is let in");
    send(silent, WIRE_PROTOCOL_HEADER, 8, MSG_NOSIGNAL);
    ck_assert_msg(receive(silent, &byte, 1) == 0, "an old one is let in");
    struct method ok = {.id = METHOD_connection_close_ok};
    put_methods(client, &ok, 1);
    ck_assert_uint_eq(receive(client, &byte, 1), 0);
    close(client);
    broker_join(&b);
    close(silent);
}

START_TEST(nobody_is_let_in_while_it_stops)
{
    check_stop("0");
    check_stop("2");
}
END_TEST

/* With clients that connect all the while, the end still comes: they are told too, or refused. */
static void *connecting_thread(void *arg)
{
    const struct broker *b = arg;
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}, .sin_port = htons(b->port)};
    for (;;) {
        uint8_t got[4096];
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        ck_assert_int_ge(fd, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
            close(fd);
            return NULL;
        }
        send(fd, WIRE_PROTOCOL_HEADER, 8, MSG_NOSIGNAL);
        receive(fd, got, sizeof(got));
        close(fd);
    }
}

static void check_stop_in_a_crowd(const char *io_threads)
{
    struct broker b;
    pthread_t threads[2];
    broker_start(&b, io_threads);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, connecting_thread, &b), 0);
    close(connect_and_open(&b));
    workers_stop(b.workers);
    for (unsigned i = 0; i < 2; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    broker_join(&b);
}

START_TEST(it_stops_in_a_crowd)
{
    check_stop_in_a_crowd("0");
    check_stop_in_a_crowd("2");
}
END_TEST

SUITE("workers", nobody_is_let_in_while_it_stops, it_stops_in_a_crowd)
