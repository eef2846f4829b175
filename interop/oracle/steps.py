# SPDX-License-Identifier: Apache-2.0
"""What a session consists of: steps, the things one step sends, and the symbols inside them.

A step is written before anything is played, so whatever only the broker knows (the names it
generates, the delivery tags it hands out) stands in it as a symbol that the player fills in.
"""

from typing import Any, NamedTuple, Optional


class GeneratedQueue(NamedTuple):
    """The name of a queue that the broker named, by order of appearance."""

    index: int


class GeneratedTag(NamedTuple):
    """A consumer tag that the broker made, by order of appearance."""

    index: int


class DeliveryTag(NamedTuple):
    """A delivery tag of the channel: outstanding, stale, future, zero, or literal."""

    kind: str
    index: int = 0


class Content(NamedTuple):
    """Properties and body of a message. `header` overrides the encoded header, `cuts` the sizes
    of the body frames, and `parts` how much of it is sent: "header", "body" or both."""

    properties: dict
    body: bytes
    header: Optional[bytes] = None
    cuts: Optional[tuple] = None
    parts: str = "header body"


class Call(NamedTuple):
    """A method, with content if it has any."""

    name: str
    fields: dict
    content: Optional[Content] = None


class RawFrame(NamedTuple):
    """A frame as it is given, on the channel of the step unless it names one."""

    type: int
    payload: bytes
    channel: Optional[int] = None
    end: int = 0xCE


class RawBytes(NamedTuple):
    """Bytes that need not be a frame."""

    data: bytes


class Drop(NamedTuple):
    """The client vanishes: its side of the TCP connection ends, after these bytes."""

    last_words: bytes = b""


class ConnectOptions(NamedTuple):
    """How a client introduces itself. A stage that is None is where it stops talking."""

    header: bytes = b"AMQP\x00\x00\x09\x01"
    capabilities: tuple = ("authentication_failure_close", "consumer_cancel_notify", "basic.nack",
                           "publisher_confirms", "connection.blocked")
    mechanism: str = "PLAIN"
    response: Any = b"\0guest\0guest"
    tune: Optional[tuple] = (2047, 131072, 0)
    virtual_host: Optional[str] = "/"
    instead: tuple = ()


class Handshake(NamedTuple):
    """A connection of its own that only goes through the beginning, rightly or wrongly."""

    options: ConnectOptions


class Step(NamedTuple):
    """One thing a client does on one channel, after which the player waits until all is quiet.

    opens     a closed connection or channel is opened first
    safely    what would fail is left out: a burst that ends in an error leaves it to chance what
              was still delivered before
    clean     the channel can take a method afterwards, so the barrier may use it
    diverges  known to leave the two brokers in different states: the session ends with it
    """

    slot: int
    channel: int
    ops: tuple
    opens: bool = True
    safely: bool = False
    clean: bool = True
    diverges: bool = False


def show_value(value):
    """A value as a reader wants to see it: short, and exact where it matters."""
    if isinstance(value, GeneratedQueue):
        return f"<generated queue {value.index}>"
    if isinstance(value, GeneratedTag):
        return f"<generated tag {value.index}>"
    if isinstance(value, DeliveryTag):
        return f"<{value.kind} tag {value.index}>"
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:300]}… ({len(text)} characters)"


def show_content(content):
    """One line about a message."""
    words = [f"{name}={show_value(value)}" for name, value in content.properties.items()]
    if content.header is not None:
        words.append(f"header={content.header.hex()}")
    if content.cuts is not None:
        words.append(f"cuts={content.cuts}")
    if content.parts != "header body":
        words.append(f"only={content.parts or 'nothing'}")
    body = content.body if len(content.body) <= 24 else content.body[:12] + b"..."
    return f"{{{' '.join(words)}}} body={len(content.body)} {body!r}"


def show_op(operation):
    """One line about one thing that is sent."""
    if isinstance(operation, Call):
        words = [operation.name] + [f"{name}={show_value(value)}"
                                    for name, value in operation.fields.items()
                                    if value or value == "" or isinstance(value, tuple)]
        if operation.content is not None:
            words.append(show_content(operation.content))
        return " ".join(words)
    if isinstance(operation, RawFrame):
        channel = "" if operation.channel is None else f" channel={operation.channel}"
        return (f"frame type={operation.type}{channel} size={len(operation.payload)} "
                f"payload={operation.payload[:48].hex()} end={operation.end:#x}")
    return show_value(operation)


def show_step(step):
    """A step as one or more lines."""
    return f"{step.slot}.{step.channel}  " + "; ".join(show_op(op) for op in step.ops)
