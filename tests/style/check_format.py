#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""All C is shaped by .clang-format; `./dev format` mends what this finds.

The version is part of the rule: another clang-format would shape the same file differently.
"""

import os
import shutil
import subprocess
import sys

import tree

FORMATTER = "clang-format-14"


def check(root):
    report = tree.Report(root, "format")
    if not shutil.which(FORMATTER):
        return [f"{FORMATTER} is not installed: nothing was checked"]
    config = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../.clang-format")
    style = os.path.join(root, ".clang-format")
    if not os.path.exists(style):
        style = config
    for path in tree.files(root, (".c", ".h")):
        run = subprocess.run(
            [FORMATTER, f"--style=file:{os.path.abspath(style)}", "--dry-run", "-Werror",
             "--ferror-limit=1", path], cwd=root, capture_output=True, text=True)
        if run.returncode != 0:
            where = run.stderr.split(":", 2)
            line = int(where[1]) if len(where) > 2 and where[1].isdigit() else 0
            report.add(path, line, "not in shape: run ./dev format")
    return report.result()


CLEAN = {
    "base/a.c": "int f(int a)\n{\n    return a;\n}\n",
    "base/table.c": "/* clang-format off */\nint rows[] = { 1,   2,\n  30,  4 };\n"
                    "/* clang-format on */\n",
    "amqp/methods.def": "ROW( 1,2 )\n",
}

PLANTED = {
    "a brace in the wrong place": ({"base/a.c": "int f(int a) {\n    return a;\n}\n"},
                                   "base/a.c:1: not in shape"),
    "a tab": ({"base/a.c": "int f(int a)\n{\n\treturn a;\n}\n"}, "base/a.c:2: not in shape"),
    "a pointer to the left": ({"base/a.h": "int* f(void);\n"}, "base/a.h:1: not in shape"),
}

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tree.main(check, CLEAN, PLANTED)
