# SPDX-License-Identifier: Apache-2.0
"""Prints sessions and differences for people."""

import differences
from steps import show_step

STEPS_SHOWN_MAX = 12
OPENING = ("connection.start ", "connection.tune ", "connection.open-ok", "channel.open-ok")


def show_lines(label, lines_by_channel, out):
    """Prints the answer of one broker to a step."""
    for channel, lines in lines_by_channel.items():
        for line in lines:
            if not line.startswith(OPENING):
                out(f"        {label:9} {channel} {line}")


def show_difference(names, difference, out):
    """Prints what only one broker answered, and what both did."""
    theirs = differences.labelled(difference.theirs)
    ours = differences.labelled(difference.ours)
    only_theirs = differences.only_in_first(theirs, ours)
    only_ours = differences.only_in_first(ours, theirs)
    for line in theirs:
        if line not in only_theirs and not line.split(" ", 1)[1].startswith(OPENING):
            out(f"        {'both':9} {line}")
    for label, lines in ((names[0], only_theirs), (names[1], only_ours)):
        for line in lines or ["(nothing else)"]:
            out(f"        {label:9} {line}")
    if not only_theirs and not only_ours:
        out("        the same lines in another order:")
        for label, lines in ((names[0], theirs), (names[1], ours)):
            for line in lines:
                out(f"        {label:9} {line}")


def show_failure(names, steps, transcript, difference, out):
    """Prints the steps up to the difference with their common answers, then the difference. Of a
    long session only the last steps are shown."""
    first = max(0, difference.step - STEPS_SHOWN_MAX)
    if first:
        out(f"    ({first} steps before)")
    for index, step in list(enumerate([*steps, None]))[first:difference.step + 1]:
        out("    " + (show_step(step) if step is not None else "(the end of the session)"))
        if index < difference.step:
            show_lines("both", transcript[index], out)
    show_difference(names, difference, out)


def show_session(steps, transcript, out):
    """Prints a whole session with the answers of one broker."""
    for step, answer in zip([*steps, None], transcript):
        out("    " + (show_step(step) if step is not None else "(the end of the session)"))
        show_lines("", answer, out)


def signature(difference):
    """A short form of a difference: the same fault in many seeds gives the same one."""
    theirs = differences.labelled(difference.theirs)
    ours = differences.labelled(difference.ours)
    first = differences.only_in_first(theirs, ours)[:1] or ["(nothing)"]
    second = differences.only_in_first(ours, theirs)[:1] or ["(nothing)"]
    return " / ".join(shorten(line) for line in (*first, *second))


def shorten(line):
    """A line without what changes from seed to seed."""
    words = []
    for word in line.split(" ")[1:40]:
        name = word.split("=")[0]
        if name in ("header", "body", "properties", "consumer_tag", "delivery_tag", "frames",
                    "exchange", "routing_key", "queue"):
            continue
        words.append("'…'" if word.strip("\"',:;.").startswith("o") and ".".join(
            word.split(".")[1:]) else word)
    return " ".join(words)[:160]
