# SPDX-License-Identifier: Apache-2.0
"""What the style checks share: which files there are, C text without comments, the exceptions
file, and the self-test that plants a violation in a throw-away tree and expects it to be found.
"""

import os
import re
import sys
import tempfile

# What counts as code of ours, besides scripts, which are known by their first two bytes.
CODE = (".c", ".h", ".def", ".py", ".sh", ".js", ".mjs", ".go", ".rb", ".php", ".java",
        "meson.build", "meson_options.txt")

# Folders that hold results of a build or of another tool, never sources of ours.
SKIPPED_DIRS = {".git", "build", "run", "node_modules", "__pycache__", ".cache", "vendor"}

EXCEPTIONS = "tests/style/exceptions.txt"


def files(root, suffixes):
    """Every file under root whose name ends in one of suffixes, relative to root and sorted."""
    found = []
    for folder, dirs, names in os.walk(root):
        dirs[:] = sorted(
            d for d in dirs if d not in SKIPPED_DIRS and not is_build_tree(folder, d))
        for name in names:
            if name.endswith(tuple(suffixes)):
                found.append(os.path.relpath(os.path.join(folder, name), root))
    return sorted(found)


def code_files(root):
    found = []
    for path in files(root, ("",)):
        if path.endswith(CODE):
            found.append(path)
        elif not os.path.islink(os.path.join(root, path)):
            with open(os.path.join(root, path), "rb") as f:
                if f.read(2) == b"#!":
                    found.append(path)
    return found


def is_build_tree(folder, name):
    return os.path.exists(os.path.join(folder, name, "meson-private"))


def read(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as f:
        return f.read()


_TOKEN = re.compile(
    r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.S)


def code_only(text):
    """C text with comments blanked and strings emptied; every line keeps its number."""

    def blank(match):
        token = match.group(0)
        if token.startswith("/"):
            return "\n" * token.count("\n") or " "
        return token[0] * 2

    # Whether it is an #include or a string, a quoted path must survive for the include rules.
    lines = text.split("\n")
    kept = {i: line for i, line in enumerate(lines) if line.lstrip().startswith("#include")}
    out = _TOKEN.sub(blank, text).split("\n")
    for i, line in kept.items():
        if i < len(out) and "#include" in out[i]:
            out[i] = re.sub(r"/[/*].*", "", line)
    return "\n".join(out)


def exceptions(root, rule):
    """{path: reason} of the rows for one rule; a row without a reason is an error."""
    rows = {}
    if not os.path.exists(os.path.join(root, EXCEPTIONS)):
        return rows
    for number, line in enumerate(read(root, EXCEPTIONS).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = line.split(None, 2)
        if len(parts) < 3:
            sys.exit(f"{EXCEPTIONS}:{number}: a row is RULE PATH REASON, and the reason counts")
        if parts[0] == rule:
            rows[parts[1]] = parts[2]
    return rows


class Report:
    """Collects findings of one rule, lets exceptions through, and notices stale exceptions."""

    def __init__(self, root, rule):
        self.rule = rule
        self.allowed = exceptions(root, rule)
        self.used = set()
        self.findings = []

    def add(self, path, line, text):
        if path in self.allowed:
            self.used.add(path)
            return
        self.findings.append(f"{path}:{line}: {text}" if line else f"{path}: {text}")

    def result(self):
        stale = [
            f"{EXCEPTIONS}: the row `{self.rule} {path}` excuses nothing any more: remove it"
            for path in sorted(set(self.allowed) - self.used)
        ]
        return self.findings + stale


def plant(root, tree):
    for path, text in tree.items():
        full = os.path.join(root, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "w", encoding="utf-8") as f:
            f.write(text)


def self_test(check, clean, planted):
    """check(root) must pass the clean tree and reject each planted one for the stated reason.

    planted maps a name to (files that are added to the clean tree, text a finding must contain).
    Returns the number of things that went wrong.
    """
    wrong = 0
    cases = {"clean tree": ({}, None), **planted}
    for name, (extra, expected) in cases.items():
        with tempfile.TemporaryDirectory(prefix="whippet-style-") as root:
            plant(root, {**clean, **extra})
            findings = check(root)
        if expected is None:
            good = not findings
        else:
            good = any(expected in finding for finding in findings)
        print(f"{'ok' if good else 'not ok'} - {name}")
        if not good:
            wrong += 1
            print(f"    wanted: {expected or 'no finding'}")
            for finding in findings or ["(no finding)"]:
                print(f"    got: {finding}")
    return wrong


def main(check, clean, planted):
    """`check.py ROOT` checks a tree, `check.py --self-test` checks the checker."""
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} ROOT | --self-test")
    if sys.argv[1] == "--self-test":
        sys.exit(1 if self_test(check, clean, planted) else 0)
    findings = check(sys.argv[1])
    for finding in findings:
        print(finding)
    if findings:
        sys.exit(f"{len(findings)} findings")
