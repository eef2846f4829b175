#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every header compiles alone, and twice in a row.

A header that needs another one included before it is a trap for its next user; one without a
guard is a trap for the user after that. Both are found by a translation unit that consists of the
header, twice.
"""

import concurrent.futures
import os
import subprocess
import sys

import tree

COMMAND = ["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Wmissing-prototypes",
           "-Wno-unused-function", "-Werror", "-fsyntax-only", "-x", "c", "-I.", "-"]
WORKERS = 2

# Sources of client programs are built by their own folder with its own flags.
LAYERS = ("base/", "amqp/", "storage/", "broker/", "tests/")


def compile_alone(root, path):
    unit = f'#include "{path}"\n#include "{path}"\n'
    run = subprocess.run(COMMAND, cwd=root, input=unit, capture_output=True, text=True)
    return path, run.returncode, run.stderr


def first_error(stderr):
    errors = [line for line in stderr.split("\n") if "error:" in line]
    return errors[0] if errors else stderr.strip().split("\n")[0]


def check(root):
    report = tree.Report(root, "headers")
    headers = [p for p in tree.files(root, (".h",)) if p.startswith(LAYERS)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for path, code, stderr in pool.map(lambda p: compile_alone(root, p), headers):
            if code != 0:
                report.add(path, 0, f"does not compile alone: {first_error(stderr)}")
    return report.result()


CLEAN = {
    "base/span.h": "#ifndef BASE_SPAN_H\n#define BASE_SPAN_H\n#include <stddef.h>\n"
                   "struct span { const char *at; size_t size; };\n#endif\n",
    "amqp/frame.h": "#ifndef AMQP_FRAME_H\n#define AMQP_FRAME_H\n#include \"base/span.h\"\n"
                    "struct frame { struct span payload; };\n#endif\n",
}

PLANTED = {
    "a header that needs another": (
        {"base/bad.h": "#ifndef BAD_H\n#define BAD_H\nsize_t f(void);\n#endif\n"},
        "base/bad.h: does not compile alone"),
    "a header without a guard": ({"base/bad.h": "struct bad { int a; };\n"}, "base/bad.h"),
    "a body that is not static": (
        {"base/bad.h": "#ifndef BAD_H\n#define BAD_H\nint f(void)\n{\n    return 1;\n}\n#endif\n"},
        "base/bad.h"),
}

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tree.main(check, CLEAN, PLANTED)
