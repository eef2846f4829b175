// SPDX-License-Identifier: Apache-2.0
/* whippet-perf: a load generator for AMQP 0-9-1 brokers that costs less than the broker it
 * measures. */
#include <stdio.h>

#include "broker/cli/perf_options.h"
#include "broker/cli/perf_report.h"
#include "broker/cli/perf_steps.h"
#include "broker/cli/perf_traffic.h"

/* As RabbitMQ's tools exit: sysexits' EX_USAGE and EX_UNAVAILABLE. 1 = the counts were not reached.
 */
enum { EXIT_INCOMPLETE = 1, EXIT_WRONG_USAGE = 64, EXIT_NO_BROKER = 69 };

static const char USAGE[] =
    "Usage: whippet-perf [OPTION]...\n"
    "\n"
    "Publishes to and consumes from an AMQP 0-9-1 broker and prints rates, latencies and, with\n"
    "--broker-pid, what the broker's process needed.\n"
    "\n"
    "  a million messages of 16 bytes through amq.direct, one publisher and one consumer:\n"
    "    whippet-perf -e amq.direct -s 16 -a -C 1000000 -D 1000000\n"
    "  ten seconds of confirmed persistent messages of 1 KiB:\n"
    "    whippet-perf -s 1024 -f persistent -c 100 -q 500 -A 50 -z 10\n"
    "  5,000 idle connections:\n"
    "    whippet-perf --hold 5000 --broker-pid PID\n"
    "\n"
    "Exit status: 0; 1 when -C or -D was not reached within -z; 64 for wrong options; 69 when the\n"
    "broker refuses, ends the connection or does not answer.\n"
    "\n";

static enum err perf_do(const struct perf_options *o, struct perf_result *r, char *why,
                        size_t why_size)
{
    if (o->hold != 0)
        return steps_hold(o, r, why, why_size);
    if (o->connect != 0)
        return steps_connect(o, r, why, why_size);
    if (o->declare != 0)
        return steps_declare(o, r, why, why_size);
    return traffic_run(o, r, why, why_size);
}

int main(int argc, char **argv)
{
    static struct perf_result result;
    struct perf_options options;
    char why[1024] = "";
    switch (perf_options_parse(&options, argc, argv, why, sizeof(why))) {
    case PERF_HELP:
        fputs(USAGE, stdout);
        perf_options_print(stdout);
        return 0;
    case PERF_VERSION: puts("whippet-perf " WHIPPET_VERSION); return 0;
    case PERF_WRONG: fprintf(stderr, "whippet-perf: %s\n", why); return EXIT_WRONG_USAGE;
    case PERF_RUN: break;
    }
    perf_result_init(&result);
    enum err e = perf_do(&options, &result, why, sizeof(why));
    if (e != OK) {
        fprintf(stderr, "whippet-perf: %s\n", why[0] == 0 ? err_text(e) : why);
        return EXIT_NO_BROKER;
    }
    if (options.json)
        perf_report_json(stdout, &options, &result);
    else
        perf_report_summary(stdout, &options, &result);
    return result.complete ? 0 : EXIT_INCOMPLETE;
}
