// SPDX-License-Identifier: Apache-2.0
/* base/probe.h — places that a tracer (bpftrace, perf, SystemTap) can hook into: USDT.
 *
 *     bpftrace -e 'usdt:./whippet:whippet:durable { @[arg1] = count(); }'
 *
 * An untraced probe is one no-op instruction; without the header that makes them there is none.
 *
 *     publish  seq's queue, seq, size      a message enters durable queues (the first of them)
 *     settle   queue, seq                  one is done with
 *     deliver  queue, seq                  one is handed to a consumer, durable or not
 *     seal     parcel, entries             what is to be written together
 *     durable  parcel, nanoseconds         it is written, and how long that took
 *
 * Thread: any.
 */
#ifndef BASE_PROBE_H
#define BASE_PROBE_H

#if defined(__has_include) && __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define PROBE2(name, a, b)    DTRACE_PROBE2(whippet, name, a, b)
#define PROBE3(name, a, b, c) DTRACE_PROBE3(whippet, name, a, b, c)
#else
#define PROBE2(name, a, b)    ((void)(a), (void)(b))
#define PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
