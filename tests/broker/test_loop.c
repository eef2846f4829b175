// SPDX-License-Identifier: Apache-2.0
#include "broker/net/loop.h"

#include <poll.h>
#include <pthread.h>
#include <sys/resource.h>
#include <time.h>

#include "tests/broker/net_fixture.h"

struct end {
    struct loop_socket *socket;
    bool loopback;
    bool readable;
    bool writable;
};

static void on_ready(void *arg, bool readable, bool writable)
{
    struct end *e = arg;
    e->readable = e->readable || readable;
    e->writable = e->writable || writable;
}

static void on_accept(void *arg, struct loop_socket *socket, bool loopback)
{
    struct end *e = arg;
    e->socket = socket;
    e->loopback = loopback;
    ck_assert_int_eq(loop_watch(socket, on_ready, e), OK);
}

static struct loop *loop;
static struct loop_listener *listener;
static struct end server;
static int fd;

static void begin(void)
{
    char address[32];
    char why[256];
    uint16_t port = net_free_port();
    memset(&server, 0, sizeof(server));
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    ck_assert_int_eq(loop_new(&loop), OK);
    ck_assert_int_eq(listener_open(&listener, address, why, sizeof(why)), OK);
    ck_assert_int_eq(loop_accept_on(loop, listener, on_accept, &server), OK);
    fd = net_connect(port);
    for (int i = 0; i < NET_TURNS_MAX && server.socket == NULL; i++)
        loop_turn(loop, 1000000);
    ck_assert_ptr_nonnull(server.socket);
    ck_assert(server.loopback);
}

static void end(void)
{
    if (server.socket != NULL)
        loop_close(server.socket);
    close(fd);
    loop_free(loop);
    listener_close(listener);
}

static void until_readable(void)
{
    server.readable = false;
    for (int i = 0; i < NET_TURNS_MAX && !server.readable; i++)
        loop_turn(loop, 1000000);
    ck_assert(server.readable);
}

static ssize_t read_into(uint8_t *at, size_t size)
{
    return loop_read(server.socket, &(struct iovec){at, size}, 1);
}

START_TEST(bytes_are_read_and_what_is_left_is_reported_again)
{
    uint8_t got[8];
    begin();
    ck_assert_int_eq(read_into(got, sizeof(got)), LOOP_LATER);
    ck_assert_int_eq(send(fd, "abcdef", 6, 0), 6);
    until_readable();
    ck_assert_int_eq(read_into(got, 2), 2);
    until_readable();
    struct iovec parts[] = {{got + 2, 1}, {got + 3, sizeof(got) - 3}};
    ck_assert_int_eq(loop_read(server.socket, parts, 2), 4);
    ck_assert_mem_eq(got, "abcdef", 6);
    close(fd);
    until_readable();
    ck_assert_int_eq(read_into(got, sizeof(got)), LOOP_END);
    fd = -1;
    end();
}
END_TEST

START_TEST(a_write_gathers_and_a_full_socket_says_later)
{
    static uint8_t block[1 << 16];
    begin();
    struct iovec parts[] = {{(void *)(uintptr_t) "ab", 2}, {(void *)(uintptr_t) "cd", 2}};
    ck_assert_int_eq(loop_write(server.socket, parts, 2), 4);
    struct iovec large = {block, sizeof(block)};
    ssize_t wrote = 0;
    size_t total = 4;
    for (int i = 0; i < 10000 && (wrote = loop_write(server.socket, &large, 1)) > 0; i++)
        total += (size_t)wrote;
    ck_assert_int_eq(wrote, LOOP_LATER);
    ck_assert_int_eq(loop_want(server.socket, false, true), OK);
    loop_turn(loop, 1000000);
    ck_assert(!server.writable);
    for (size_t got = 0; got < total;) {
        ssize_t r = recv(fd, block, sizeof(block), 0);
        ck_assert_int_ne(r, 0);
        if (r > 0)
            got += (size_t)r;
    }
    for (int i = 0; i < NET_TURNS_MAX && !server.writable; i++)
        loop_turn(loop, 1000000);
    ck_assert(server.writable);
    end();
}
END_TEST

START_TEST(after_a_shutdown_the_peer_reads_the_end_and_may_still_speak)
{
    uint8_t byte;
    ssize_t r = -1;
    begin();
    loop_shutdown(server.socket);
    for (int i = 0; i < NET_TURNS_MAX && r < 0; i++) {
        r = recv(fd, &byte, 1, 0);
        loop_turn(loop, 1000000);
    }
    ck_assert_int_eq(r, 0);
    ck_assert_int_eq(send(fd, "x", 1, MSG_NOSIGNAL), 1);
    until_readable();
    ck_assert_int_eq(read_into(&byte, 1), 1);
    end();
}
END_TEST

START_TEST(unwanted_readiness_is_not_reported)
{
    begin();
    ck_assert_int_eq(loop_want(server.socket, false, false), OK);
    ck_assert_int_eq(send(fd, "x", 1, 0), 1);
    for (int i = 0; i < 20; i++)
        loop_turn(loop, 1000000);
    ck_assert(!server.readable);
    ck_assert_int_eq(loop_want(server.socket, true, false), OK);
    until_readable();
    end();
}
END_TEST

/* The descriptor is taken away behind the loop: the kernel refuses to watch it, as it may for want
 * of memory. */
START_TEST(what_the_kernel_does_not_watch_is_reported)
{
    begin();
    close(net_other_end(fd));
    ck_assert_int_eq(loop_want(server.socket, false, false), ERR_NOMEM);
    end();
}
END_TEST

static int stderr_before;
static FILE *log_file;

/* What is logged goes to a file, until log_lines_end counts its lines. */
static void log_lines_begin(void)
{
    log_file = tmpfile();
    stderr_before = dup(STDERR_FILENO);
    ck_assert(log_file != NULL && stderr_before >= 0);
    ck_assert_int_ge(dup2(fileno(log_file), STDERR_FILENO), 0);
}

static unsigned log_lines_end(void)
{
    unsigned n = 0;
    fflush(stderr);
    ck_assert_int_ge(dup2(stderr_before, STDERR_FILENO), 0);
    close(stderr_before);
    rewind(log_file);
    for (int c; (c = getc(log_file)) != EOF;)
        n += c == '\n';
    fclose(log_file);
    return n;
}

/* No descriptor from this number on can be had. */
static void limit_descriptors(int from)
{
    struct rlimit limit;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = from < 0 ? limit.rlim_max : (rlim_t)from;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static int next_descriptor(void)
{
    int next = dup(0);
    ck_assert_int_ge(next, 0);
    close(next);
    return next;
}

static bool is_turned_away(int peer)
{
    char byte;
    for (int i = 0; i < 200; i++) {
        loop_turn(loop, 1000000);
        if (recv(peer, &byte, 1, 0) == 0)
            return true;
    }
    return false;
}

static uint16_t port_of_server(void)
{
    struct sockaddr_in a;
    socklen_t size = sizeof(a);
    ck_assert_int_eq(getpeername(fd, (struct sockaddr *)&a, &size), 0);
    return ntohs(a.sin_port);
}

START_TEST(without_descriptors_peers_are_turned_away)
{
    begin();
    int peers[3];
    for (int i = 0; i < 3; i++)
        peers[i] = net_connect(port_of_server());
    limit_descriptors(next_descriptor());
    for (int i = 0; i < 3; i++)
        ck_assert(is_turned_away(peers[i]));
    limit_descriptors(-1);
    for (int i = 0; i < 3; i++)
        close(peers[i]);
    end();
}
END_TEST

static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The spare descriptor is of no use either: its number is beyond the limit. Whoever waits has to
 * wait then, for a loop that does not spin, and is heard once there are descriptors again. */
START_TEST(without_a_spare_descriptor_accepting_rests)
{
    begin();
    int peer = net_connect(port_of_server());
    log_lines_begin();
    limit_descriptors(3);
    struct loop_socket *first = server.socket;
    server.socket = NULL;
    uint64_t began = now_ms();
    unsigned turns = 0;
    while (now_ms() < began + 250) {
        loop_turn(loop, UINT64_C(10000000));
        turns++;
    }
    limit_descriptors(-1);
    ck_assert_uint_eq(log_lines_end(), 1);
    ck_assert_uint_lt(turns, 50);
    ck_assert_ptr_null(server.socket);
    for (int i = 0; i < 200 && server.socket == NULL; i++)
        loop_turn(loop, 1000000);
    ck_assert_ptr_nonnull(server.socket);
    /* The spare was taken again. */
    int another = net_connect(port_of_server());
    limit_descriptors(next_descriptor());
    ck_assert(is_turned_away(another));
    limit_descriptors(-1);
    close(peer);
    close(another);
    loop_close(first);
    end();
}
END_TEST

static void *waker(void *arg)
{
    for (int i = 0; i < 1000; i++)
        loop_wake(arg);
    return NULL;
}

/* The turn would wait for a minute: only the wake-up ends it in time for the test's deadline. */
START_TEST(a_wake_up_ends_a_wait)
{
    pthread_t thread;
    begin();
    loop_about_to_wait(loop);
    ck_assert_int_eq(pthread_create(&thread, NULL, waker, loop), 0);
    loop_turn(loop, UINT64_C(60000000000));
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    /* One that comes before the wait is not lost either. */
    loop_about_to_wait(loop);
    loop_wake(loop);
    loop_turn(loop, UINT64_C(60000000000));
    end();
}
END_TEST

START_TEST(an_address_that_cannot_be_had_is_explained)
{
    struct loop_listener *none;
    static const char *const WRONG[] = {"", "127.0.0.1:", "127.0.0.1:99999", "nonsense:1:2:x",
                                        "203.0.113.7:1"};
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        char why[256] = "";
        ck_assert_msg(listener_open(&none, WRONG[i], why, sizeof(why)) == ERR_IO, "%s", WRONG[i]);
        ck_assert_uint_gt(strlen(why), 0);
    }
}
END_TEST

SUITE("loop", bytes_are_read_and_what_is_left_is_reported_again,
      a_write_gathers_and_a_full_socket_says_later,
      after_a_shutdown_the_peer_reads_the_end_and_may_still_speak,
      unwanted_readiness_is_not_reported, what_the_kernel_does_not_watch_is_reported,
      without_descriptors_peers_are_turned_away, without_a_spare_descriptor_accepting_rests,
      a_wake_up_ends_a_wait, an_address_that_cannot_be_had_is_explained)
