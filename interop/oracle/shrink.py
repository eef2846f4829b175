# SPDX-License-Identifier: Apache-2.0
"""Makes a failing session short: drops steps for as long as a difference remains."""

import time


def shrink(indexes, still_fails, seconds):
    """A shorter list of step indexes for which `still_fails` holds. Tries to leave out large
    pieces first, then smaller ones, until nothing can go or the time is over."""
    deadline = time.monotonic() + seconds
    piece = max(1, len(indexes) // 2)
    while time.monotonic() < deadline:
        indexes, changed = drop_pieces(indexes, piece, still_fails, deadline)
        if piece > 1:
            piece //= 2
        elif not changed:
            break
    return indexes


def drop_pieces(indexes, piece, still_fails, deadline):
    """One pass from the back to the front that tries to leave out each piece of the given size."""
    changed = False
    end = len(indexes)
    while end > 0 and time.monotonic() < deadline:
        start = max(0, end - piece)
        candidate = indexes[:start] + indexes[end:]
        if candidate and still_fails(candidate):
            indexes, changed = candidate, True
        end = start
    return indexes, changed
