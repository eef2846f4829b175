# SPDX-License-Identifier: Apache-2.0
"""What the Python clients share: a list of named checks, and comparisons that mind the types.

A check is a function, plain or async. It passes by returning; anything it raises is its failure,
and so is a deadline passed. Checks do not stop each other: every one opens its own connections.
"""

import asyncio
import inspect
import itertools
import os
import random
import signal
import sys
import time
import traceback
from contextlib import contextmanager

HOST = os.environ["AMQP_HOST"]
PORT = int(os.environ["AMQP_PORT"])
URL = os.environ["AMQP_URL"]

# What a server of RabbitMQ's kind must announce; clients switch features on by these.
CAPABILITIES = {
    "publisher_confirms", "exchange_exchange_bindings", "basic.nack", "consumer_cancel_notify",
    "connection.blocked", "consumer_priorities", "authentication_failure_close",
    "per_consumer_qos", "direct_reply_to",
}

REFUSED_LOGIN = ("ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN. "
                 "For details see the broker logfile.")

# Long enough for a sanitizer build on a busy machine, short enough to end a hung run.
CHECK_SECONDS = 60
WAIT_SECONDS = 20

# Topic pattern, a key that it matches, a key that it does not match.
TOPIC_CASES = [
    ("stock.*.nyse", "stock.ibm.nyse", "stock.nyse"),
    ("stock.#", "stock", "stocks.ibm"),
    ("#.nyse", "a.b.c.nyse", "nyse.a"),
    ("*.*", "a.b", "a.b.c"),
    ("*.b", ".b", "b"),
]

# Binding arguments of a headers exchange, headers that match them, headers that do not.
HEADERS_CASES = [
    ({"x-match": "all", "a": 1, "b": "two"}, {"a": 1, "b": "two", "c": 3}, {"a": 1}),
    ({"x-match": "any", "a": 1, "b": "two"}, {"b": "two"}, {"a": 2, "b": "three"}),
    ({"a": True}, {"a": True}, {"a": False}),
    ({"x-match": "any-with-x", "x-a": 7, "b": 0}, {"x-a": 7}, {"x-a": 8}),
]

_serial = itertools.count(1)
_run_id = "%08x" % random.SystemRandom().getrandbits(32)


class Overdue(BaseException):
    """Not an Exception, so that no `except Exception` of a library can swallow it."""


class Checks:
    def __init__(self):
        self._list = []

    def __call__(self, name, needed=False):
        """Decorator: makes a function the check of this name; `needed` by those that follow."""
        def register(function):
            self._list.append((name, function, needed))
            return function
        return register

    def run(self):
        """Runs every check in order and ends the process."""
        signal.signal(signal.SIGALRM, _overdue)
        failed = 0
        for name, function, needed in self._list:
            if not _passes(name, function):
                failed += 1
                if needed:
                    break
        sys.exit(1 if failed else 0)


def _passes(name, function):
    signal.alarm(CHECK_SECONDS)
    try:
        if inspect.iscoroutinefunction(function):
            asyncio.run(asyncio.wait_for(function(), CHECK_SECONDS - 5))
        else:
            function()
    except (Exception, Overdue) as error:
        signal.alarm(0)
        reason = " ".join(("%s: %s" % (type(error).__name__, error)).split())
        print("not ok - %s: %s" % (name, reason[:400]), flush=True)
        traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        return False
    signal.alarm(0)
    print("ok - " + name, flush=True)
    return True


def _overdue(_signal, _frame):
    raise Overdue("not done within %d s" % CHECK_SECONDS)


def unique(kind):
    """A name nobody has used, so that one run does not meet the remains of another."""
    return "interop.%s.%s.%d" % (_run_id, kind, next(_serial))


def body_of(size):
    """The same bytes for the same size, with no period that could hide a lost or doubled frame."""
    return random.Random(size).randbytes(size)


def equal(got, want, what="value"):
    if got != want:
        raise AssertionError("%s is %s, not %s" % (what, _brief(got), _brief(want)))


def same(got, want, what="value"):
    """Equal, and of equal types, all the way down."""
    if type(got) is not type(want):
        raise AssertionError("%s is %s of type %s, not %s of type %s" % (
            what, _brief(got), type(got).__name__, _brief(want), type(want).__name__))
    if isinstance(want, dict):
        equal(sorted(got), sorted(want), "the keys of " + what)
        for key in want:
            same(got[key], want[key], "%s[%r]" % (what, key))
    elif isinstance(want, (list, tuple)):
        equal(len(got), len(want), "the length of " + what)
        for index, value in enumerate(want):
            same(got[index], value, "%s[%d]" % (what, index))
    else:
        equal(got, want, what)


def _brief(value):
    text = repr(value)
    return text if len(text) <= 300 else "%s... (%d characters)" % (text[:300], len(text))


def contains(text, part):
    if part not in str(text):
        raise AssertionError("%r does not contain %r" % (str(text), part))


@contextmanager
def raises(kind):
    """Expects an exception of this kind; what it was is in the `error` of the yielded object."""
    class Caught:
        error = None
    try:
        yield Caught
    except kind as error:
        Caught.error = error
        return
    raise AssertionError("no %s was raised" % getattr(kind, "__name__", kind))


def until(reached, step, what, seconds=WAIT_SECONDS):
    """Calls step() until reached() holds. step() waits for input itself, at most briefly."""
    deadline = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > deadline:
            raise AssertionError("waited %d s for %s" % (seconds, what))
        step()
