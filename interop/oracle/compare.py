# SPDX-License-Identifier: Apache-2.0
"""Compares what two brokers answered to the same session."""

from typing import NamedTuple

import differences
from records import ORDER_REMARK


class Difference(NamedTuple):
    """The first step at which two transcripts differ without a kept reason."""

    step: int
    theirs: dict
    ours: dict


def without_silence(lines_by_channel):
    """A step's answer without the channels on which nothing is left to compare."""
    return {channel: lines for channel, lines in lines_by_channel.items() if lines}


def without_remarks(lines_by_channel):
    """The reference's answer to a step: what it orders strangely does not count."""
    return without_silence({channel: [line for line in lines if not line.startswith(ORDER_REMARK)]
                            for channel, lines in lines_by_channel.items()})


def first_difference(theirs, ours):
    """The first unexplained difference, and the names of the entries that explained others.

    Where an entry says that the brokers are in different states afterwards, the comparison ends
    there.
    """
    explained = []
    for index, (their_step, our_step) in enumerate(zip(theirs, ours)):
        their_step, our_step = without_remarks(their_step), without_silence(our_step)
        if their_step == our_step:
            continue
        entry = differences.explain(their_step, our_step)
        if entry is None:
            return Difference(index, their_step, our_step), explained
        explained.append(entry.name)
        if entry.ends:
            break
    return None, explained


def same_until(first, second, step):
    """Whether two transcripts agree up to a step, that step included."""
    return all(without_remarks(one) == without_remarks(other)
               for one, other in zip(first[:step + 1], second[:step + 1]))
