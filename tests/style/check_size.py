#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Files, functions and lines stay small enough to be read.

A file of more than 500 lines is named, one of more than 800 fails. A function of more than 70
lines fails. A line is at most 100 columns wide. Tables (.def) are exempt from the function rule
because they have no functions; lock files of package managers are not ours to break.
"""

import ast
import os
import re
import sys

import tree

FILE_WARN = 500
FILE_MAX = 800
FUNCTION_MAX = 70
COLUMNS_MAX = 100


def c_functions(text):
    """(name, first line, last line) of each function; text has comments and strings blanked.

    A brace at depth 0 whose introduction ends with a parenthesis opens a function; one after `=`,
    `struct`, `enum` or `union` does not.
    """
    # A macro's body is not C of its own: its braces need not balance.
    text = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: "\n" * m.group(0).count("\n"),
                  text, flags=re.M)
    depth, head_at, found, opened = 0, 0, [], None
    for i, char in enumerate(text):
        if char == "{":
            if depth == 0:
                head = text[head_at:i]
                if head.rstrip().endswith(")"):
                    opened = (head, head_at)
            depth += 1
        elif char == "}":
            depth = max(depth - 1, 0)
            if depth == 0:
                if opened:
                    found.append(function_row(text, opened, i))
                opened, head_at = None, i + 1
        elif char == ";" and depth == 0:
            head_at = i + 1
    return found


def function_row(text, opened, end):
    head, head_at = opened
    # END_TEST of the function before stands between two functions without a semicolon.
    skipped = re.match(r"(\s*END_TEST\b)?\s*", head).end()
    first = text.count("\n", 0, head_at + skipped) + 1
    last = text.count("\n", 0, end) + 1
    name = re.search(r"(\w+)\s*\(\s*(\w*)", head[skipped:])
    label = name.group(1) if name else "?"
    if name and label in ("START_TEST", "TEST"):
        label = name.group(2)
    return label, first, last


def python_functions(text):
    return [
        (node.name, node.lineno, node.end_lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def functions_of(path, text):
    if path.endswith((".c", ".h")):
        return c_functions(tree.code_only(text))
    if path.endswith(".py"):
        return python_functions(text)
    return []


def check(root):
    report = tree.Report(root, "size")
    for path in tree.code_files(root):
        text = tree.read(root, path)
        lines = text.split("\n")
        n_lines = len(lines) - (lines[-1] == "")
        if n_lines > FILE_MAX:
            report.add(path, 0, f"{n_lines} lines, more than {FILE_MAX}: it is several things")
        elif n_lines > FILE_WARN and path not in report.allowed:
            print(f"warning: {path}: {n_lines} lines, more than {FILE_WARN}")
        for number, line in enumerate(lines, 1):
            if len(line) > COLUMNS_MAX:
                report.add(path, number, f"{len(line)} columns, more than {COLUMNS_MAX}")
        for name, first, last in functions_of(path, text):
            if last - first + 1 > FUNCTION_MAX:
                report.add(path, first, f"{name} has {last - first + 1} lines, "
                                        f"more than {FUNCTION_MAX}")
    return report.result()


def c_body(n_lines):
    return "int f(int a)\n{\n" + "    a++;\n" * (n_lines - 4) + "    return a;\n}\n"


CLEAN = {
    "base/a.c": c_body(FUNCTION_MAX),
    "base/b.h": "struct s {\n" + "    int a;\n" * 100 + "};\n",
    "base/rows.c": "static const int rows[] = {\n" + "    1,\n" * 100 + "};\n",
    "base/macro.c": "#define OPEN(x) \\\n    if (x) { \\\n        x++;\n\n" + c_body(8) * 20,
    "base/brace.c": "int g(void)\n{\n    return '{' + \"{\"[0]; /* { */\n}\n" + c_body(60),
    "amqp/methods.def": "ROW(1)\n" * 700,
    "tests/base/test_a.c": ("START_TEST(one)\n{\n" + "    a++;\n" * 40 + "}\nEND_TEST\n\n") * 3,
    "tests/style/a.py": "def f():\n" + "    pass\n" * (FUNCTION_MAX - 1),
    "base/wide.c": "/* " + "\u2500" * (COLUMNS_MAX - 6) + " */\n",
}

PLANTED = {
    "a function one line too long": (
        {"base/a.c": c_body(FUNCTION_MAX + 1)}, "base/a.c:1: f has 71 lines"),
    "a long function behind short ones": (
        {"base/a.c": c_body(10) * 3 + c_body(90)}, "base/a.c:31: f has 90 lines"),
    "a long test": (
        {"tests/base/test_a.c": "START_TEST(keeps_order)\n{\n" + "    a++;\n" * 80
                                + "}\nEND_TEST\n"}, "keeps_order has 83 lines"),
    "a long python function": (
        {"tests/style/a.py": "def f():\n" + "    pass\n" * FUNCTION_MAX}, "f has 71 lines"),
    "a file too long": ({"base/a.c": "int a;\n" * (FILE_MAX + 1)}, "801 lines"),
    "a table too long": ({"amqp/methods.def": "ROW(1)\n" * (FILE_MAX + 1)}, "801 lines"),
    "a line too wide": (
        {"dev": "#!/bin/sh\n" + "x" * (COLUMNS_MAX + 1) + "\n"}, "dev:2: 101 columns"),
    "an exception that is stale": (
        {tree.EXCEPTIONS: "size base/a.c it used to be long\n"}, "excuses nothing"),
}

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    tree.main(check, CLEAN, PLANTED)
