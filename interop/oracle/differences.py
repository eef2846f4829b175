# SPDX-License-Identifier: Apache-2.0
"""Differences from RabbitMQ 3.10 that are kept on purpose, each with its reason.

RabbitMQ 3.10 is what Debian has; where a newer RabbitMQ (3.13, 4.x) answers differently, Whippet
follows the newer one, and it does better where RabbitMQ drops a connection without a word.

An entry speaks about one step. `theirs` and `ours` are patterns of the lines that one broker wrote
and the other did not; a named group must have the same text on both sides. An entry with
`ends=True` leaves the brokers in different states: it may have other effects in the same step (what
a closed channel gives back, for example), and nothing after it can be compared.
"""

import re
from typing import NamedTuple


class Entry(NamedTuple):
    """One difference: why it is right, and what it looks like."""

    name: str
    reason: str
    theirs: tuple
    ours: tuple
    ends: bool = False


def fold_term_breaks(text):
    """RabbitMQ prints Erlang terms into its texts, and Erlang breaks long terms over several
    lines, depending on the column. Nobody can rely on that; the breaks are folded away."""
    return re.sub(r"\n +", "", text)


def closed(code, text, ids=r"\d+ method_id=\d+"):
    """A pattern for connection.close."""
    return rf"0 connection\.close reply_code={code} reply_text='{text}' class_id={ids}$"


def refused(text, ids=r"\d+ method_id=\d+"):
    """A pattern for channel.close with 406."""
    return (rf"channel\.close reply_code=406 reply_text='PRECONDITION_FAILED - {text}' "
            rf"class_id={ids}$")


DROPPED = r"0 \[LinkClosed: end of connection\]$"
MALFORMED = closed("50[12]", r"(FRAME|SYNTAX)_ERROR - .*")
DECLARED = r"queue\.declare-ok queue=.* message_count=0 consumer_count=0$"

ENTRIES = (
    Entry("unknown exchange type",
          "RabbitMQ since 3.13 closes the channel with 406; only older ones close the connection. "
          "Whether the text says invalid or unknown depends on what Erlang has heard of.",
          (closed(503, r"COMMAND_INVALID - (unknown|invalid) exchange type '(?P<type>.*)'"),),
          (refused(r"(unknown|invalid) exchange type '(?P<type>.*)'", "40 method_id=10"),),
          ends=True),
    Entry("unsupported queue mode",
          "RabbitMQ 4.x takes any x-queue-mode: it has no effect since 3.12.",
          (refused(r"invalid arg 'x-queue-mode' for queue .*", "50 method_id=10"),),
          (DECLARED,), ends=True),
    Entry("x-queue-leader-locator on classic queues",
          "RabbitMQ 4.x knows this argument for classic queues; 3.10 only x-queue-master-locator.",
          (refused(r"invalid arg 'x-queue-leader-locator' for queue .*", "50 method_id=10"),),
          (DECLARED,), ends=True),
    Entry("default queue type",
          "RabbitMQ 4.x reads an empty or undefined x-queue-type as the default type.",
          (refused(r"invalid arg 'x-queue-type' for queue .*unsupported queue type "
                   r"'(undefined)?'.*", "50 method_id=10"),),
          (DECLARED,), ends=True),
    Entry("unknown delivery mode",
          "RabbitMQ 4.x takes any delivery mode, and everything but 2 is transient.",
          (refused(r"invalid message: \{delivery_mode_unknown,\d+\}", "60 method_id=40"),), (),
          ends=True),
    Entry("order of checks on properties",
          "RabbitMQ 4.x looks at the expiration before the user id, 3.10 after it.",
          (refused(r"user_id property set to '.*' but .*", "60 method_id=40"),),
          (refused(r"invalid expiration '.*': .*", "60 method_id=40"),)),
    Entry("body longer than announced",
          "RabbitMQ 4.x calls a body that exceeds the announced size a frame error.",
          (closed(505, "UNEXPECTED_FRAME - expected content body, got non content body frame "
                       "instead"),),
          (closed(501, ".*content body frame exceeds remaining content size"),)),
    Entry("unknown method",
          "RabbitMQ's reader dies of a class or method that it does not know, and ends the "
          "connection without a word; a close frame is sent here.",
          (DROPPED,), (closed(503, "COMMAND_INVALID - .*"),)),
    Entry("undecodable table",
          "RabbitMQ's reader dies of it and the client never learns why; a close frame is sent "
          "here.", (DROPPED,), (MALFORMED,)),
    Entry("undecodable content header",
          "RabbitMQ's channel process dies of it, which shows as an internal error; the client's "
          "fault is named here.", (closed(541, "INTERNAL_ERROR"),), (MALFORMED,)),
    Entry("refusal of tune-ok",
          "RabbitMQ 4.x explains it with 530; 3.10 ends the connection after three seconds.",
          (DROPPED,), (closed(530, "NOT_ALLOWED - negotiated .*"),)),
)


def labelled(lines_by_channel):
    """The lines of a step, each with its channel before it."""
    return [f"{channel} {line}" for channel, lines in lines_by_channel.items() for line in lines]


def only_in_first(first, second):
    """Lines of the first list that the second does not have."""
    left = list(second)
    result = []
    for line in first:
        if line in left:
            left.remove(line)
        else:
            result.append(line)
    return result


def match_all(patterns, lines, others_allowed):
    """The named groups when every pattern matches a line of its own, and no line is left unless
    that is allowed; None otherwise."""
    if len(patterns) != len(lines) and not others_allowed:
        return None
    groups, left = {}, list(lines)
    for pattern in patterns:
        found = next((match for match in (re.search(pattern, line, re.DOTALL) for line in left)
                      if match), None)
        if found is None:
            return None
        left.remove(found.string)
        groups.update(found.groupdict())
    return groups


def explain(theirs, ours):
    """The entry that explains why two answers to a step differ, or None."""
    theirs, ours = labelled(theirs), labelled(ours)
    only_theirs, only_ours = only_in_first(theirs, ours), only_in_first(ours, theirs)
    for entry in ENTRIES:
        groups = match_all(entry.theirs, only_theirs, entry.ends)
        if groups is not None and match_all(entry.ours, only_ours, entry.ends) == groups:
            return entry
    return None
