#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who may include whom, and who may talk to the world.

The arrows are the design's; a row here changes only together with it. Three rules:
  1. a quoted include names a file of a layer that MAY lists for the includer;
  2. a library's headers, and the headers of the system that reach outside the process, are
     included only where HEADERS says;
  3. functions that read the clock, draw random numbers, or touch files, sockets or threads are
     called only where CALLS says, because the simulation replaces exactly these.
"""

import os
import re
import sys

import tree

# Longest prefix wins. A value may be a layer or one header of a layer.
MAY = {
    "base": {"base"},
    "amqp": {"amqp", "base"},
    "storage": {"storage", "base"},
    "broker/link": {"broker/link", "amqp", "base"},
    "broker/auth": {"broker/auth", "amqp", "base"},  # AMQPLAIN's response is a field table
    "broker/core": {"broker/core", "broker/auth", "broker/link", "amqp", "storage", "base"},
    "broker/net": {"broker/net", "broker/link", "amqp", "base"},
    "broker/admin": {"broker/admin", "broker/core/query.h", "base"},
    "broker/cli": {"broker/cli", "amqp", "base"},
    "broker/server": {"broker", "amqp", "storage", "base"},
    "tests": {"tests", "broker", "amqp", "storage", "base"},
}

# What a layer without sockets, files, threads and clocks may take from the C library.
PURE = ("amqp", "broker/core", "broker/auth", "broker/link")
PURE_HEADERS = {
    "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdalign.h",
    "stdarg.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "stdnoreturn.h",
    "string.h", "strings.h",
}

# (pattern of the header, prefixes of the files that may include it)
HEADERS = [
    (r"event2/|event\.h$", ("broker/net/", "broker/admin/http")),
    (r"openssl/", ("broker/net/tls", "broker/auth/")),
    (r"pcre2\.h$", ("broker/auth/", "broker/core/policy")),
    (r"jansson\.h$", ("broker/admin/", "broker/cli/")),
    (r"pthread\.h$|threads\.h$|semaphore\.h$",
     ("base/", "broker/link/", "broker/server/", "storage/disk_posix")),
    # The keeper is where core and disk thread meet.
    (r"stdatomic\.h$",
     ("base/", "broker/link/", "broker/net/", "broker/server/", "storage/keeper")),
    (r"sys/sdt\.h$", ("base/probe.h",)),
    (r"sys/socket\.h$|netinet/|arpa/inet\.h$|netdb\.h$|sys/un\.h$|sys/epoll\.h$",
     ("broker/net/", "broker/cli/", "broker/server/", "broker/admin/http")),
]

POSIX = (r"base/\w+_posix\.c$", r"storage/\w+_posix\.c$")
PROGRAMS = (r"broker/server/", r"broker/cli/")

# (what it is, names of the functions, patterns of the files that may call them)
CALLS = [
    ("reads the clock or sleeps",
     "time|clock_gettime|gettimeofday|clock|nanosleep|clock_nanosleep|usleep|sleep|"
     "localtime|localtime_r|gmtime|alarm|timerfd_create",
     (r"base/(clock|env|log)\w*\.c$", *POSIX, *PROGRAMS)),
    ("draws random numbers",
     "rand|rand_r|srand|random|srandom|drand48|getrandom|getentropy|arc4random\\w*",
     (r"base/(rng|env)\w*\.c$", *POSIX, r"broker/server/")),
    ("touches files",
     "open|openat|creat|fopen|freopen|unlink|unlinkat|rename|renameat|fsync|fdatasync|pread|"
     "pwrite|pwritev|preadv|fallocate|posix_fallocate|ftruncate|mkdir|rmdir|opendir|flock|mmap",
     (r"base/(log|env)\w*\.c$", *POSIX, *PROGRAMS, r"broker/auth/\w+_file\.c$")),
    ("touches sockets",
     "socket|socketpair|accept|accept4|listen|connect|setsockopt|getsockopt|recv|recvmsg|"
     "recvfrom|send|sendmsg|sendto|shutdown|getaddrinfo|epoll_\\w+|poll|select",
     (r"broker/net/", r"broker/cli/", r"broker/server/", r"broker/admin/http")),
    ("starts or locks threads",
     "pthread_\\w+|thrd_\\w+|mtx_\\w+|cnd_\\w+|sem_\\w+|fork|vfork|signal|sigaction",
     (r"base/thread\w*\.c$", *POSIX, *PROGRAMS)),
    # Deliberate: malloc itself is called everywhere. Tests that make memory fail replace malloc,
    # calloc and realloc when they are linked, which reaches every call of ours; it does not reach
    # the calls that the C library makes for us in these.
    ("takes memory where no test can make it fail",
     "strdup|strndup|asprintf|vasprintf|getline|getdelim|open_memstream|alloca",
     (*POSIX, *PROGRAMS)),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def layer_of(path):
    """The longest row of MAY that path lies in, or None for a file outside all layers."""
    best = None
    for layer in MAY:
        if path.startswith(layer + "/") and (best is None or len(layer) > len(best)):
            best = layer
    return best


def may_include(layer, target):
    return any(target == row or target.startswith(row + "/") for row in MAY[layer])


def check_include(report, path, number, quote, target):
    layer = layer_of(path)
    if quote == '"':
        if target.startswith("../") or "/../" in target or "/" not in target:
            report.add(path, number, f'"{target}": write the full path from the root of the tree')
        elif not may_include(layer, target):
            report.add(path, number, f'{layer} may not include "{target}"')
        return
    if layer == "tests":
        return
    if layer in PURE and target not in PURE_HEADERS:
        if not any(re.match(p, target) and path.startswith(where) for p, where in HEADERS):
            report.add(path, number, f"<{target}>: {layer} does no I/O and knows no library")
            return
    for pattern, where in HEADERS:
        if re.match(pattern, target) and not path.startswith(where):
            report.add(path, number, f"<{target}> belongs to {', '.join(where)} only")


def call_patterns():
    # A member (`disk->open(`), a longer name (`queue_open(`) and a declaration with a type before
    # it in our own namespace are not calls of the C library.
    return [
        (what, re.compile(rf"(?<![\w.>])({names})\s*\("), [re.compile(w) for w in where])
        for what, names, where in CALLS
    ]


def check_calls(report, path, code, patterns):
    for what, pattern, where in patterns:
        if any(w.match(path) for w in where):
            continue
        for number, line in enumerate(code.split("\n"), 1):
            match = pattern.search(line)
            if match and not line.lstrip().startswith("#include"):
                report.add(path, number, f"{match.group(1)}() {what}: not in this layer")


def check(root):
    report = tree.Report(root, "layers")
    patterns = call_patterns()
    for path in tree.files(root, (".c", ".h", ".def")):
        layer = layer_of(path)
        if layer is None:
            if not path.startswith("interop/"):
                report.add(path, 0, "lies in no layer of the tree")
            continue
        code = tree.code_only(tree.read(root, path))
        for number, line in enumerate(code.split("\n"), 1):
            match = INCLUDE.match(line)
            if match:
                check_include(report, path, number, *match.groups())
        if layer != "tests":
            check_calls(report, path, code, patterns)
    return report.result()


CLEAN = {
    "base/span.h": "#include <stddef.h>\n",
    "base/rng_posix.c": '#include "base/span.h"\nint f(void) { return getrandom(0, 0, 0); }\n',
    "amqp/wire.c": '#include "base/span.h"\n/* time() would be wrong */\n',
    "storage/disk_posix.c": "#include <fcntl.h>\nint f(void) { return open(\"x\", 0); }\n",
    "broker/core/queue.c": '#include <string.h>\n#include "amqp/wire.h"\n'
                           'int g(struct disk *d) { return d->open(d) + queue_open("time("); }\n',
    "broker/net/loop.c": "#include <event2/event.h>\n#include <sys/socket.h>\n",
    "broker/auth/password.c": "#include <openssl/evp.h>\n",
    "broker/server/main.c": '#include "broker/net/loop.h"\n#include <pthread.h>\n',
    "tests/broker/test_queue.c": '#include "broker/core/queue.h"\n#include <time.h>\n',
}

PLANTED = {
    "amqp includes the broker": (
        {"amqp/bad.c": '#include "broker/core/queue.h"\n'}, "amqp may not include"),
    "base includes amqp": ({"base/bad.h": '#include "amqp/wire.h"\n'}, "base may not include"),
    "storage includes amqp": (
        {"storage/bad.c": '#include "amqp/table.h"\n'}, "storage may not include"),
    "core includes net": (
        {"broker/core/bad.c": '#include "broker/net/conn.h"\n'}, "core may not include"),
    "net includes core": (
        {"broker/net/bad.c": '#include "broker/core/queue.h"\n'}, "net may not include"),
    "admin includes more of core than the query": (
        {"broker/admin/bad.c": '#include "broker/core/queue.h"\n'}, "admin may not include"),
    "cli includes net": (
        {"broker/cli/bad.c": '#include "broker/net/loop.h"\n'}, "cli may not include"),
    "relative include": (
        {"broker/core/bad.c": '#include "../net/conn.h"\n'}, "full path"),
    "bare include": ({"broker/core/bad.c": '#include "queue.h"\n'}, "full path"),
    "libevent in core": (
        {"broker/core/bad.c": "#include <event2/event.h>\n"}, "<event2/event.h>"),
    "libevent in server": (
        {"broker/server/bad.c": "#include <event2/event.h>\n"}, "belongs to broker/net/"),
    "openssl in net outside tls": (
        {"broker/net/conn.c": "#include <openssl/ssl.h>\n"}, "belongs to broker/net/tls"),
    "sockets in amqp": ({"amqp/bad.c": "#include <sys/socket.h>\n"}, "does no I/O"),
    "clock in core": (
        {"broker/core/bad.c": "long f(void)\n{\n    return time(0);\n}\n"}, "reads the clock"),
    "random numbers in core": (
        {"broker/core/bad.c": "int f(void) { return rand(); }\n"}, "draws random numbers"),
    "files in storage outside the disk": (
        {"storage/journal.c": 'int f(void) { return open("x", 0); }\n'}, "touches files"),
    "atomics in core": (
        {"broker/core/bad.c": "#include <stdatomic.h>\n"}, "<stdatomic.h>"),
    "socket in core": (
        {"broker/core/bad.c": "int f(void) { return socket(1, 2, 3); }\n"}, "touches sockets"),
    "threads in net": (
        {"broker/net/bad.c": "void f(void) { pthread_join(0, 0); }\n"}, "threads"),
    "hidden allocation in core": (
        {"broker/core/bad.c": "char *f(void) { return strdup(\"\"); }\n"}, "takes memory"),
    "a file in no layer": ({"src/utils.c": "int x;\n"}, "lies in no layer"),
    "a stale exception": (
        {tree.EXCEPTIONS: "layers broker/core/gone.c it was needed once\n"}, "excuses nothing"),
}

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tree.main(check, CLEAN, PLANTED)
