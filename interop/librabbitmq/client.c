// SPDX-License-Identifier: Apache-2.0
/* librabbitmq against the broker at AMQP_HOST and AMQP_PORT: the list of the checks.
 *
 * What the library leaves to the program: it answers a channel.close with nothing, keeps consumers
 * nowhere, and hands out returns, confirms and cancels as frames; session.c does what is needed.
 * It knows all fourteen basic properties and all of RabbitMQ's field types. It sends heartbeats
 * only while it waits.
 */
#include "checks.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A check that still stands after this time hangs inside the library. */
#define CHECK_DEADLINE_S 45

static const char *running = "";

static void give_up(int number)
{
    static const char BEFORE[] = "not ok - ";
    static const char AFTER[] = ": no end\n";
    (void)number;
    if (write(STDOUT_FILENO, BEFORE, sizeof BEFORE - 1) < 0 ||
        write(STDOUT_FILENO, running, strlen(running)) < 0 ||
        write(STDOUT_FILENO, AFTER, sizeof AFTER - 1) < 0) {
        _exit(2);
    }
    _exit(1);
}

static const struct {
    const char *name;
    void (*check)(struct session *);
} CHECKS[] = {
    {"connect", check_connect},
    {"refused login", check_refused_login},
    {"refused virtual host", check_refused_vhost},
    {"direct exchange", check_direct},
    {"fanout exchange", check_fanout},
    {"topic exchange", check_topic},
    {"headers exchange", check_headers},
    {"exchange to exchange binding", check_exchange_to_exchange},
    {"basic properties by get", check_properties_by_get},
    {"basic properties by consume", check_properties_by_consume},
    {"absent properties stay absent", check_properties_absent},
    {"header field types", check_field_types},
    {"empty body", check_body_empty},
    {"body of 1 byte", check_body_small},
    {"body of 10 MiB", check_body_large},
    {"publisher confirms", check_confirms},
    {"mandatory return before its confirm", check_return},
    {"tx commit", check_commit},
    {"tx rollback", check_rollback},
    {"nack requeue", check_nack},
    {"reject requeue", check_reject},
    {"recover", check_recover},
    {"prefetch", check_prefetch},
    {"consumer cancel", check_cancel},
    {"consumer cancelled by the server", check_server_cancel},
    {"exclusive queue", check_exclusive_queue},
    {"auto-delete queue", check_auto_delete_queue},
    {"channel error 404", check_not_found},
    {"channel error 406", check_precondition_failed},
    {"two connections", check_two_connections},
    {"heartbeat", check_heartbeat},
};

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGALRM, give_up);
    int n_failed = 0;
    for (size_t i = 0; i < sizeof CHECKS / sizeof CHECKS[0]; i++) {
        running = CHECKS[i].name;
        alarm(CHECK_DEADLINE_S);
        n_failed += !session_check(CHECKS[i].name, CHECKS[i].check);
    }
    return n_failed > 0;
}
