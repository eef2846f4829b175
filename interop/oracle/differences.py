# SPDX-License-Identifier: Apache-2.0
"""Differences from RabbitMQ 3.10 that are kept on purpose, each with its reason.

RabbitMQ 3.10 is what Debian has; where a newer RabbitMQ (3.13, 4.x) answers differently, Whippet
follows the newer one, and it does better where RabbitMQ drops a connection without a word.

An entry speaks about one step. `theirs` and `ours` are patterns of the lines that one broker wrote
and the other did not; a named group must have the same text on both sides. An entry with
`ends=True` leaves the brokers in different states, so nothing after it can be compared.
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


def closed(code, text, ids=r"\d+ method_id=\d+"):
    """A pattern for connection.close."""
    return (rf"0 connection\.close reply_code={code} reply_text=(['\"]){text}\1 "
            rf"class_id={ids}$")


def refused(text, ids=r"\d+ method_id=\d+"):
    """A pattern for channel.close with 406."""
    return (rf"channel\.close reply_code=406 reply_text=(['\"])PRECONDITION_FAILED - {text}\1 "
            rf"class_id={ids}$")


END = r"0 \[end of connection\]$"
DROPPED = r"0 \[LinkClosed: end of connection\]$"
ANY_MALFORMED = closed("50[12]", r"(FRAME|SYNTAX)_ERROR - .*")

ENTRIES = (
    Entry("unknown exchange type",
          "RabbitMQ since 3.13 closes the channel with 406; only older ones close the connection. "
          "Whether the text says invalid or unknown depends on what Erlang has heard of.",
          (closed(503, r"COMMAND_INVALID - (unknown|invalid) exchange type '(?P<type>.*)'"), END),
          (refused(r"(unknown|invalid) exchange type '(?P<type>.*)'", "40 method_id=10"),),
          ends=True),
    Entry("x-match value in the text",
          "RabbitMQ 4.x prints the value as a string; 3.10 prints the Erlang binary.",
          (refused(r"Invalid x-match field value <<(?P<value>.*)>>; expected .*"),),
          (refused(r"Invalid x-match field value (?P<value>.*); expected .*"),)),
    Entry("empty x-match value in the text",
          "As above; the empty binary has no quotes in Erlang.",
          (refused(r"Invalid x-match field value <<>>; expected .*"),),
          (refused(r'Invalid x-match field value ""; expected .*'),)),
    Entry("unsupported queue mode",
          "RabbitMQ 4.x takes any x-queue-mode: it has no effect since 3.12.",
          (refused(r"invalid arg 'x-queue-mode' for queue .*", "50 method_id=10"),),
          (r"queue\.declare-ok queue=.* message_count=0 consumer_count=0$",), ends=True),
    Entry("x-queue-leader-locator on classic queues",
          "RabbitMQ 4.x knows this argument for classic queues; 3.10 only x-queue-master-locator.",
          (refused(r"invalid arg 'x-queue-leader-locator' for queue .*", "50 method_id=10"),),
          (r"queue\.declare-ok queue=.* message_count=0 consumer_count=0$",), ends=True),
    Entry("default queue type",
          "RabbitMQ 4.x reads an empty or undefined x-queue-type as the default type.",
          (refused(r"invalid arg 'x-queue-type' for queue .*unsupported queue type "
                   r"\\?'(undefined)?\\?'.*", "50 method_id=10"),),
          (r"queue\.declare-ok queue=.* message_count=0 consumer_count=0$",), ends=True),
    Entry("unknown delivery mode",
          "RabbitMQ 4.x takes any delivery mode, and everything but 2 is transient.",
          (refused(r"invalid message: \{delivery_mode_unknown,\d+\}", "60 method_id=40"),), (),
          ends=True),
    Entry("body longer than announced",
          "RabbitMQ 4.x calls a body that exceeds the announced size a frame error.",
          (closed(505, "UNEXPECTED_FRAME - expected content body, got non content body frame "
                       "instead"), END),
          (closed(501, ".*content body frame exceeds remaining content size"),)),
    Entry("undecodable table",
          "RabbitMQ's reader dies of it and the client never learns why; a close frame is sent "
          "here.", (DROPPED,), (ANY_MALFORMED,)),
    Entry("undecodable content header",
          "RabbitMQ's channel process dies of it, which shows as an internal error; the client's "
          "fault is named here.", (closed(541, "INTERNAL_ERROR"), END), (ANY_MALFORMED,)),
    Entry("refusal of tune-ok",
          "RabbitMQ 4.x explains it with 530; 3.10 ends the connection after three seconds.",
          (DROPPED,), (closed(530, "NOT_ALLOWED - negotiated .*"), END)),
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


def match_all(patterns, lines):
    """The named groups when every line is matched by a pattern of its own and every pattern is
    used; None otherwise."""
    if len(patterns) != len(lines):
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
        groups = match_all(entry.theirs, only_theirs)
        if groups is not None and match_all(entry.ours, only_ours) == groups:
            return entry
    return None
