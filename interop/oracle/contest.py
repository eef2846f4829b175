# SPDX-License-Identifier: Apache-2.0
"""Plays seeds to both brokers and decides which of them failed."""

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Optional

import compare
import report
from player import Player
from shrink import shrink

N_REPLAYS = 2
SHRINK_SECONDS = 30.0


class Verdict(NamedTuple):
    """What became of one seed."""

    passed: bool
    note: str
    explained: tuple = ()
    difference: Optional[compare.Difference] = None
    steps: tuple = ()
    indexes: tuple = ()
    transcript: tuple = ()
    signature: str = ""


class Contest:
    """Two brokers and the rules by which their answers are compared."""

    def __init__(self, reference, subject, shrinks=True, at_once=True):
        self.reference = reference
        self.subject = subject
        self.shrinks = shrinks
        self.at_once = at_once and reference.port != subject.port
        self.pool = ThreadPoolExecutor(2)
        self.seen = set()

    def play(self, broker, session, steps):
        """One play on one broker. A broker of ours that died is started again for the next."""
        transcript = Player(broker.port, session).play(steps)
        if not broker.alive():
            transcript[-1].setdefault("broker", []).append(
                f"[{broker.name} ended during the session:\n{broker.log_tail()}]")
            broker.start()
            broker.wait()
        return transcript

    def play_both(self, session, steps):
        """(transcript of the reference, transcript of the subject). Both at once, unless there is
        one broker behind both."""
        if not self.at_once:
            return (self.play(self.reference, session, steps),
                    self.play(self.subject, session, steps))
        theirs = self.pool.submit(self.play, self.reference, session, steps)
        ours = self.pool.submit(self.play, self.subject, session, steps)
        return theirs.result(), ours.result()

    def judge(self, session, only=None):
        """The verdict over one seed."""
        indexes = list(range(len(session.steps))) if only is None else list(only)
        steps = [session.steps[index] for index in indexes]
        theirs, ours = self.play_both(session, steps)
        difference, explained = compare.first_difference(theirs, ours)
        if difference is None:
            return Verdict(True, "", tuple(explained), None, tuple(steps), tuple(indexes),
                           tuple(theirs))
        unstable = self.is_unstable(session, steps, theirs, ours, difference)
        if unstable:
            return Verdict(True, unstable, tuple(explained))
        note = f"differs at step {indexes[difference.step]}" if difference.step < len(indexes) \
            else "differs after the last step"
        verdict = Verdict(False, note, tuple(explained), difference, tuple(steps), tuple(indexes),
                          tuple(theirs), report.signature(difference))
        if not self.shrinks or verdict.signature in self.seen:
            return verdict
        self.seen.add(verdict.signature)
        return self.shortened(session, indexes[:difference.step + 1], verdict)

    def is_unstable(self, session, steps, theirs, ours, difference):
        """A word about it when the reference does not repeat its own answers up to the
        difference, or empty. Played against itself, any difference says so."""
        if self.reference.port == self.subject.port:
            return f"{self.reference.name} does not repeat its answer to step {difference.step}"
        for _ in range(N_REPLAYS):
            again = self.play(self.reference, session, steps)
            if not compare.same_until(theirs, again, difference.step):
                return (f"{self.reference.name} does not repeat its own answers up to step "
                        f"{difference.step}")
        return ""

    def shortened(self, session, indexes, verdict):
        """The verdict with as few steps as still show a difference."""
        best = [verdict]

        def still_fails(candidate):
            steps = [session.steps[index] for index in candidate]
            theirs, ours = self.play_both(session, steps)
            difference, _explained = compare.first_difference(theirs, ours)
            if difference is None:
                return False
            best[0] = verdict._replace(difference=difference, steps=tuple(steps),
                                       indexes=tuple(candidate), transcript=tuple(theirs))
            return True

        last, setup = indexes[-1:], indexes[:1]
        if not still_fails(last) and not still_fails(setup + last) and still_fails(indexes):
            shrink(indexes, still_fails, SHRINK_SECONDS)
        return best[0]
