// SPDX-License-Identifier: Apache-2.0
#include "tests/crash/node.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <netinet/in.h>

#include "broker/cli/client.h"
#include "tests/crash/load.h"

/* Below the kernel's ephemeral range: no outgoing connection sits on it while the broker is dead.
 */
enum { NODE_PORT_FIRST = 20000, NODE_PORTS = 10000, NODE_PORT_TRIES = 100, NODE_POLL_MS = 3 };

static enum err node_failed(struct node *n, const char *what)
{
    snprintf(n->why, sizeof(n->why), "%s: %s", what, strerror(errno));
    return ERR_IO;
}

static bool node_port_is_free(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_free = fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

static bool node_pick_port(struct node *n)
{
    for (int i = 0; i < NODE_PORT_TRIES; i++) {
        n->port = (uint16_t)(NODE_PORT_FIRST +
                             (load_now_ns() / 1000 + (uint64_t)getpid() * 7) % NODE_PORTS);
        if (node_port_is_free(n->port))
            return true;
    }
    return false;
}

enum err node_init(struct node *n, const char *command, const char *parent)
{
    *n = (struct node){.pidfd = -1};
    snprintf(n->command, sizeof(n->command), "%s", command);
    snprintf(n->directory, sizeof(n->directory), "%s/run-XXXXXX", parent);
    if (mkdtemp(n->directory) == NULL) {
        enum err e = node_failed(n, n->directory);
        n->directory[0] = 0;
        return e;
    }
    return node_pick_port(n) ? OK : node_failed(n, "no free port");
}

/* In the child: never returns. */
static void node_exec(const struct node *n)
{
    char line[NODE_COMMAND_SIZE + 2 * NODE_PATH_SIZE];
    char log[NODE_PATH_SIZE + 8];
    snprintf(log, sizeof(log), "%s/log", n->directory);
    snprintf(line, sizeof(line), "exec %s --listen 127.0.0.1:%u --data '%s/data'", n->command,
             n->port, n->directory);
    /* Whoever ends us ends the broker too. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setpgid(0, 0);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (out < 0 || in < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        _exit(127);
    execl("/bin/sh", "sh", "-c", line, (char *)NULL);
    _exit(127);
}

enum err node_start(struct node *n)
{
    n->pid = fork();
    if (n->pid == 0)
        node_exec(n);
    if (n->pid < 0) {
        n->pid = 0;
        return node_failed(n, "fork");
    }
    /* The child does the same: whoever comes first. */
    setpgid(n->pid, n->pid);
    n->pidfd = pidfd_open(n->pid, 0);
    return n->pidfd >= 0 ? OK : node_failed(n, "pidfd_open");
}

bool node_lives(struct node *n, uint32_t wait_ms)
{
    struct pollfd fd = {.fd = n->pidfd, .events = POLLIN};
    int ready;
    do
        ready = poll(&fd, 1, (int)wait_ms);
    while (ready < 0 && errno == EINTR);
    return ready == 0;
}

static bool node_greets(const struct node *n)
{
    struct client client;
    struct client_address address;
    char uri[64];
    snprintf(uri, sizeof(uri), "amqp://127.0.0.1:%u", n->port);
    client_init(&client);
    bool greets = client_address_parse(&address, uri) == OK &&
                  client_connect(&client, &address, LINK_TIMEOUT_MS) == OK &&
                  client_greet(&client) == OK;
    client_abort(&client);
    return greets;
}

enum err node_await(struct node *n, uint32_t timeout_ms)
{
    uint64_t deadline_ns = load_now_ns() + (uint64_t)timeout_ms * 1000000u;
    while (!node_greets(n)) {
        if (!node_lives(n, NODE_POLL_MS)) {
            snprintf(n->why, sizeof(n->why), "the broker ended while it started: see %s/log",
                     n->directory);
            return ERR_IO;
        }
        if (load_now_ns() > deadline_ns) {
            snprintf(n->why, sizeof(n->why), "the broker did not come up: see %s/log",
                     n->directory);
            return ERR_IO;
        }
    }
    return OK;
}

void node_kill(struct node *n)
{
    if (n->pid == 0)
        return;
    kill(-n->pid, SIGKILL);
    while (waitpid(n->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(n->pidfd);
    n->pid = 0;
    n->pidfd = -1;
}

enum err node_stop(struct node *n, uint32_t timeout_ms)
{
    int status = -1;
    kill(n->pid, SIGTERM);
    if (node_lives(n, timeout_ms)) {
        snprintf(n->why, sizeof(n->why), "the broker did not stop: see %s/log", n->directory);
        return ERR_IO;
    }
    waitpid(n->pid, &status, 0);
    close(n->pidfd);
    n->pid = 0;
    n->pidfd = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OK;
    snprintf(n->why, sizeof(n->why), "the broker did not stop well: see %s/log", n->directory);
    return ERR_IO;
}

static int node_unlink(const char *path, const struct stat *about, int kind, struct FTW *where)
{
    (void)about;
    (void)kind;
    (void)where;
    remove(path);
    return 0;
}

void node_fini(struct node *n, bool keep)
{
    node_kill(n);
    if (!keep && n->directory[0] != 0)
        nftw(n->directory, node_unlink, 16, FTW_DEPTH | FTW_PHYS);
}
