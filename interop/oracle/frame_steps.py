# SPDX-License-Identifier: Apache-2.0
"""Steps that break the rules of framing and encoding. Each function returns a whole step, or only
its operations."""

import struct

import codec
from channel_steps import forget
from codec import Raw
from message_steps import publish_call
from steps import Call, Content, RawBytes, RawFrame, Step

PUBLISH = codec.encode_method("basic.publish", {"routing_key": "nowhere"})
QOS = codec.encode_method("basic.qos", {})


def header(size, class_id=60, weight=0):
    """A content header frame without properties."""
    return RawFrame(2, struct.pack(">HHQH", class_id, weight, size, 0))


def broken_frame(context, channel):
    """A frame that cannot be taken as one; the connection ends with 501."""
    forget(context, channel[0])
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return context.pick((
        (RawFrame(1, QOS, end=context.pick((0, 0xCD, 0xFF))),),
        (RawFrame(context.pick((0, 4, 5, 7, 9, 255)), context.pick((b"", b"abc", b"\0\1\2"))),),
        (RawFrame(4, letters[:context.pick((15, 16, 17, 26))]),),
        (RawFrame(1, PUBLISH), header(3), RawFrame(3, b"abc", end=0x41)),
        (RawFrame(1, context.pick((b"", b"\0\x32", b"\0\x32\0"))),),
        (RawFrame(1, PUBLISH), RawFrame(2, context.pick((b"", b"\0\x3c\0\0")))),
        (RawBytes(struct.pack(">BHI", 1, channel[1], context.pick((131073, 0xFFFFFFFF)))),),
        Step(channel[0], 0, (RawFrame(8, b"abc"),)),
        Step(channel[0], 0, (RawFrame(5, b"x"),)),
        Step(channel[0], 0, (RawFrame(1, b""),)),
        Step(channel[0], channel[1], (RawBytes(codec.PROTOCOL_HEADER),))))


def misplaced_frame(context, channel):
    """A frame where another kind must stand; the connection ends with 505."""
    forget(context, channel[0])
    body = RawFrame(3, b"abc")
    return context.pick((
        (header(1),), (body,), (RawFrame(1, PUBLISH), header(1, class_id=50)),
        (RawFrame(1, PUBLISH), header(1, weight=5)), (RawFrame(1, PUBLISH), RawFrame(1, QOS)),
        (RawFrame(1, PUBLISH), header(3), RawFrame(1, QOS)),
        (RawFrame(1, PUBLISH), RawFrame(1, PUBLISH)), (RawFrame(1, PUBLISH), body),
        (RawFrame(1, PUBLISH), header(3), header(3)), (RawFrame(1, QOS), header(3)),
        (RawFrame(1, PUBLISH), header(3), body, RawFrame(3, b"")),
        (RawFrame(1, PUBLISH), header(3), RawFrame(3, b"abcd")),
        (RawFrame(1, PUBLISH), header(0), RawFrame(3, b"")), (RawFrame(8, b""),),
        (RawFrame(1, PUBLISH), RawFrame(8, b"")),
        (RawFrame(1, PUBLISH), RawFrame(1, codec.encode_method("channel.close", {}))),
        Step(channel[0], 0, (header(1),)), Step(channel[0], 0, (body,)),
        Step(channel[0], 9, (header(1),), opens=False), Step(channel[0], 9, (body,), opens=False),
        Step(channel[0], 9, (RawFrame(8, b""),), opens=False)))


def unfinished_content(context, channel):
    """A publish that stops in the middle. Whatever this channel sends next is out of place, and
    other channels go on meanwhile."""
    forget(context, channel[0])
    call = publish_call(context)
    parts = context.pick(("", "header"))
    content = Content({}, b"never sent", parts=parts)
    return Step(channel[0], channel[1], (call._replace(content=content),), clean=False)


def broken_arguments(context, channel):
    """A method whose arguments end too soon or too late."""
    forget(context, channel[0])
    declare = codec.encode_method("queue.declare", {"queue": "q"})
    short_table = {"queue": "q", "arguments": Raw(b"\0\0\0\x02\x01aI\0\0\0\x01")}
    long_table = {"queue": "q", "arguments": Raw(b"\0\0\x01\0\x01aI\0\0\0\x01")}
    return context.pick((
        (RawFrame(1, declare[:context.random.randrange(4, len(declare))]),),
        (RawFrame(1, declare + b"zz"),), (RawFrame(1, QOS + b"zz"),), (RawFrame(1, QOS[:-1]),),
        (Call("queue.declare", short_table),), (Call("queue.declare", long_table),)))


def broken_table(context, channel):
    """A table or a content header that cannot be decoded."""
    forget(context, channel[0])
    table = context.pick((b"\0\0\0\x03\x01aU", b"\0\0\0\x04\x01aI\0", b"\0\0\0\x02\x05a",
                          b"\0\0\0\x07\x01aS\0\0\0\x09", b"\0\0\0\x04\x01aD\0",
                          b"\0\0\0\x0a\x01aA\0\0\0\x03I\0\0", b"\0\0\0\x03\x01a!"))
    if context.chance(0.5):
        name, fields = context.pick((
            ("queue.declare", {"queue": context.missing}), ("exchange.declare", {"type": "fanout"}),
            ("queue.bind", {"exchange": "amq.direct"}), ("basic.consume", {})))
        return (Call(name, {**fields, "arguments": Raw(table)}),)
    flags, data = context.pick(((0x2000, table), (0x8000, b"\x05ab"), (0xF000, b""),
                                (0x1000, b"\x01xyz")))
    bytes_of_header = struct.pack(">HHQH", 60, 0, 2, flags) + data
    return (Call("basic.publish", {"routing_key": "nowhere"},
                 Content({}, b"hi", header=bytes_of_header)),)


def unknown_method(context, channel):
    """A method that no table has, on a channel or on none."""
    forget(context, channel[0])
    ids = context.pick(((99, 10), (50, 99), (0, 0), (60, 0), (65535, 65535), (70, 10)))
    number = context.pick((channel[1], 0))
    return Step(channel[0], number, (RawFrame(1, struct.pack(">HH", *ids)),))


def unusual_bits(_context, _channel):
    """Bits beyond those that the specification names; they are ignored."""
    return (RawFrame(1, QOS[:-1] + b"\xfe"),)
