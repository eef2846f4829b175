// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "broker/link/link.h"
#include "broker/net/loop.h"

enum { LISTEN_BACKLOG = 4096, ACCEPTS_PER_TURN = 64 };

/* How long nobody is accepted when there is no descriptor, not even to turn peers away with: the
 * listener stays ready, and to look at it would only burn the processor. */
#define ACCEPT_REST_US 100000

struct loop_acceptor {
    struct list in_loop;
    struct event event;
    struct event rest; /* accepting goes on when it fires */
    struct loop *loop;
    /* Kept so that one connection can be accepted and closed when descriptors have run out:
     * otherwise the listener would stay ready and the loop would spin. -1 = somebody else took it.
     * One per acceptor, for each belongs to another thread. */
    int spare_fd;
    bool rest_logged; /* once per shortage */
    loop_on_accept *on_accept;
    void *arg;
};

struct loop {
    struct event_base *base;
    struct event timer;
    struct event wake;
    int wake_fd;
    _Atomic bool waiting;
    struct list acceptors;
};

struct loop_listener {
    int fd;
};

struct loop_socket {
    struct loop *loop;
    int fd;
    bool watched;
    short wanted; /* EV_READ, EV_WRITE */
    loop_on_ready *on_ready;
    void *arg;
    struct event event;
    char peer[LINK_PEER_MAX];
};

/* ---- The loop ---- */

static void loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    (void)arg;
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof(count));
    (void)n; /* empty is as good as read */
}

enum err loop_new(struct loop **out)
{
    *out = NULL;
    struct loop *l = calloc(1, sizeof(*l));
    if (l == NULL)
        return ERR_NOMEM;
    list_init(&l->acceptors);
    l->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct event_config *config = event_config_new();
    if (config != NULL) {
        event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
        l->base = event_base_new_with_config(config);
        event_config_free(config);
    }
    if (l->wake_fd < 0 || l->base == NULL)
        goto fail;
    evtimer_assign(&l->timer, l->base, loop_on_timer, l);
    event_assign(&l->wake, l->base, l->wake_fd, EV_READ | EV_PERSIST, loop_on_wake, l);
    if (event_add(&l->wake, NULL) != 0)
        goto fail;
    *out = l;
    return OK;
fail:
    if (l->base != NULL)
        event_base_free(l->base);
    if (l->wake_fd >= 0)
        close(l->wake_fd);
    free(l);
    return ERR_IO;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    loop_stop_accepting(l);
    event_del(&l->wake);
    event_del(&l->timer);
    event_base_free(l->base);
    close(l->wake_fd);
    free(l);
}

void loop_about_to_wait(struct loop *l)
{
    atomic_store(&l->waiting, true);
}

void loop_turn(struct loop *l, uint64_t timeout_ns)
{
    if (timeout_ns == 0) {
        /* Without EVLOOP_ONCE it would go on for as long as anything is ready, and nothing is read
         * here. */
        event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
    } else {
        if (timeout_ns != UINT64_MAX) {
            uint64_t us = timeout_ns / 1000 + 1;
            struct timeval tv = {(time_t)(us / 1000000), (suseconds_t)(us % 1000000)};
            evtimer_add(&l->timer, &tv);
        }
        event_base_loop(l->base, EVLOOP_ONCE);
        evtimer_del(&l->timer);
    }
    atomic_store_explicit(&l->waiting, false, memory_order_relaxed);
}

void loop_wake(struct loop *l)
{
    if (!atomic_exchange(&l->waiting, false))
        return;
    uint64_t one = 1;
    ssize_t n = write(l->wake_fd, &one, sizeof(one));
    (void)n; /* a full counter is a wake-up too */
}

/* ---- Listening ---- */

static int listener_bind(const struct addrinfo *a)
{
    int one = 1;
    int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, LISTEN_BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* "HOST:PORT", "[V6]:PORT", or a port alone for all interfaces. False when it is neither. */
static bool listener_split(const char *address, char *host, size_t host_size, const char **port)
{
    const char *colon = strrchr(address, ':');
    size_t n = colon == NULL ? 0 : (size_t)(colon - address);
    *port = colon == NULL ? address : colon + 1;
    if (n >= 2 && address[0] == '[' && address[n - 1] == ']') {
        address++;
        n -= 2;
    }
    /* getaddrinfo takes larger numbers modulo 65536. */
    if (n >= host_size || (*port)[0] == 0 || strlen(*port) > 5 || strtoul(*port, NULL, 10) > 65535)
        return false;
    memcpy(host, address, n);
    host[n] = 0;
    return true;
}

enum err listener_open(struct loop_listener **out, const char *address, char *why, size_t why_size)
{
    char host[256];
    const char *port;
    *out = NULL;
    if (!listener_split(address, host, sizeof(host), &port)) {
        snprintf(why, why_size, "cannot listen on '%s': not PORT or HOST:PORT", address);
        return ERR_IO;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    int failed = getaddrinfo(host[0] == 0 ? NULL : host, port, &hints, &list);
    if (failed != 0) {
        snprintf(why, why_size, "cannot listen on '%s', which is to be PORT or HOST:PORT: %s",
                 address, gai_strerror(failed));
        return ERR_IO;
    }
    int fd = -1;
    for (struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
        fd = listener_bind(a);
    freeaddrinfo(list);
    struct loop_listener *listener = fd < 0 ? NULL : malloc(sizeof(*listener));
    if (listener == NULL) {
        snprintf(why, why_size, "cannot listen on %s: %s%s", address,
                 errno == EADDRINUSE ? "another process listens there: " : "", strerror(errno));
        if (fd >= 0)
            close(fd);
        return ERR_IO;
    }
    *listener = (struct loop_listener){fd};
    *out = listener;
    return OK;
}

void listener_close(struct loop_listener *listener)
{
    if (listener == NULL)
        return;
    close(listener->fd);
    free(listener);
}

void listener_shutdown(struct loop_listener *listener)
{
    shutdown(listener->fd, SHUT_RD); /* a socket that listens does not any more: Linux */
}

static bool loop_is_loopback(const struct sockaddr_storage *peer)
{
    if (peer->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const void *)peer;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const void *)peer;
    if (peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return v6->sin6_addr.s6_addr[12] == 127;
    return peer->ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* An IPv4 address that came by an IPv6 socket is shown as what it is. */
static void loop_print_peer(const struct sockaddr_storage *peer, char out[LINK_PEER_MAX])
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    char ip[INET6_ADDRSTRLEN] = "?";
    memcpy(&v4, peer, sizeof(v4));
    memcpy(&v6, peer, sizeof(v6));
    if (peer->ss_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
        inet_ntop(AF_INET6, &v6.sin6_addr, ip, sizeof(ip));
        snprintf(out, LINK_PEER_MAX, "[%s]:%u", ip, ntohs(v6.sin6_port));
        return;
    }
    if (peer->ss_family == AF_INET6) {
        memcpy(&v4.sin_addr, &v6.sin6_addr.s6_addr[12], sizeof(v4.sin_addr));
        v4.sin_port = v6.sin6_port;
    }
    inet_ntop(AF_INET, &v4.sin_addr, ip, sizeof(ip));
    snprintf(out, LINK_PEER_MAX, "%s:%u", ip, ntohs(v4.sin_port));
}

static void acceptor_take_spare(struct loop_acceptor *a)
{
    if (a->spare_fd < 0)
        a->spare_fd = eventfd(0, EFD_CLOEXEC);
}

static void acceptor_rest(struct loop_acceptor *a, int why)
{
    struct timeval tv = {0, ACCEPT_REST_US};
    if (!a->rest_logged)
        log_event(LOG_ACCEPT_FAILED, "reason=\"%s\" accepting=paused", strerror(why));
    a->rest_logged = true;
    if (evtimer_add(&a->rest, &tv) != 0)
        return; /* no memory for a timer: better to spin than to be deaf */
    event_del(&a->event);
}

static void acceptor_on_rest_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct loop_acceptor *a = arg;
    acceptor_take_spare(a);
    if (event_add(&a->event, NULL) != 0)
        acceptor_rest(a, ENOMEM);
}

/* Out of descriptors: turn the peer away with the spare one. */
static void acceptor_turn_away(struct loop_acceptor *a, int listen_fd)
{
    int why = errno;
    acceptor_take_spare(a);
    if (a->spare_fd < 0) {
        acceptor_rest(a, why);
        return;
    }
    close(a->spare_fd);
    a->spare_fd = -1;
    int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC);
    bool gone = fd < 0 && errno == EAGAIN; /* another thread was faster */
    if (fd >= 0) {
        log_event(LOG_ACCEPT_FAILED, "reason=\"%s\"", strerror(why));
        close(fd);
    }
    acceptor_take_spare(a);
    if (a->spare_fd < 0 || (fd < 0 && !gone))
        acceptor_rest(a, why);
}

static void loop_on_acceptable(evutil_socket_t listen_fd, short what, void *arg)
{
    (void)what;
    struct loop_acceptor *a = arg;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t size = sizeof(peer);
        int fd = accept4(listen_fd, (struct sockaddr *)&peer, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            acceptor_turn_away(a, listen_fd);
        if (fd < 0)
            return;
        a->rest_logged = false;
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        struct loop_socket *s = calloc(1, sizeof(*s));
        if (s == NULL) {
            close(fd);
            return;
        }
        s->loop = a->loop;
        s->fd = fd;
        loop_print_peer(&peer, s->peer);
        a->on_accept(a->arg, s, loop_is_loopback(&peer));
    }
}

enum err loop_accept_on(struct loop *l, struct loop_listener *listener, loop_on_accept *on_accept,
                        void *arg)
{
    struct loop_acceptor *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return ERR_NOMEM;
    a->loop = l;
    a->spare_fd = -1;
    a->on_accept = on_accept;
    a->arg = arg;
    evtimer_assign(&a->rest, l->base, acceptor_on_rest_over, a);
    event_assign(&a->event, l->base, listener->fd, EV_READ | EV_PERSIST, loop_on_acceptable, a);
    if (event_add(&a->event, NULL) != 0) {
        free(a);
        return ERR_NOMEM;
    }
    acceptor_take_spare(a);
    list_push_back(&l->acceptors, &a->in_loop);
    return OK;
}

void loop_stop_accepting(struct loop *l)
{
    for (struct list *node; (node = list_pop_front(&l->acceptors)) != NULL;) {
        struct loop_acceptor *a = CONTAINER_OF(node, struct loop_acceptor, in_loop);
        event_del(&a->event);
        event_del(&a->rest);
        if (a->spare_fd >= 0)
            close(a->spare_fd);
        free(a);
    }
}

/* ---- Sockets ---- */

static void loop_on_socket(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    struct loop_socket *s = arg;
    bool gone = false;
    if ((s->wanted & EV_READ) == 0) {
        struct pollfd p = {.fd = s->fd, .events = POLLRDHUP};
        gone = poll(&p, 1, 0) == 1;
    }
    bool readable = (what & s->wanted & EV_READ) != 0;
    s->on_ready(s->arg, gone || readable, (what & EV_WRITE) != 0);
}

enum err loop_watch(struct loop_socket *s, loop_on_ready *on_ready, void *arg)
{
    s->on_ready = on_ready;
    s->arg = arg;
    s->wanted = EV_READ;
    event_assign(&s->event, s->loop->base, s->fd, EV_READ | EV_PERSIST, loop_on_socket, s);
    if (event_add(&s->event, NULL) != 0)
        return ERR_NOMEM;
    s->watched = true;
    return OK;
}

enum err loop_want(struct loop_socket *s, bool readable, bool writable)
{
    /* A socket that is not read is watched for its end alone. libevent reports a reset as readable
     * and writable, and only where that is asked for; edge-triggered, so that mere room to write,
     * which there mostly is, wakes nobody twice. */
    short wanted = (short)(readable ? EV_READ | (writable ? EV_WRITE : 0)
                                    : EV_CLOSED | EV_WRITE | EV_ET);
    if (wanted == s->wanted)
        return OK;
    s->wanted = wanted;
    event_del(&s->event);
    event_assign(&s->event, s->loop->base, s->fd, (short)(wanted | EV_PERSIST), loop_on_socket, s);
    /* libevent has room for this descriptor since loop_watch; the kernel may have none. */
    s->watched = event_add(&s->event, NULL) == 0;
    return s->watched ? OK : ERR_NOMEM;
}

ssize_t loop_read(struct loop_socket *s, const struct iovec *parts, int n_parts)
{
    ssize_t n = n_parts == 1 ? read(s->fd, parts->iov_base, parts->iov_len)
                             : readv(s->fd, parts, n_parts);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? LOOP_LATER : LOOP_BROKEN;
}

ssize_t loop_write(struct loop_socket *s, const struct iovec *parts, int n_parts)
{
    struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n_parts};
    ssize_t n = sendmsg(s->fd, &m, MSG_NOSIGNAL);
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EINTR ? LOOP_LATER : LOOP_BROKEN;
}

void loop_shutdown(struct loop_socket *s)
{
    shutdown(s->fd, SHUT_WR);
}

const char *loop_peer(const struct loop_socket *s)
{
    return s->peer;
}

void loop_close(struct loop_socket *s)
{
    if (s->watched)
        event_del(&s->event);
    close(s->fd);
    free(s);
}
