# SPDX-License-Identifier: Apache-2.0
"""Bytes of AMQP 0-9-1: frames, methods, field tables and content headers.

The codec is independent of the broker's own on purpose. Text is kept as str with undecodable
bytes escaped (surrogateescape), so that decoding and encoding again gives the same bytes; whoever
needs bytes that no encoder would write puts a `Raw` where the value would stand.
"""

import struct
from typing import NamedTuple

import methods

FRAME_METHOD, FRAME_HEADER, FRAME_BODY, FRAME_HEARTBEAT = 1, 2, 3, 8
FRAME_END = 0xCE
PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
DEPTH_MAX = 32

_FIXED = {"octet": "B", "short": ">H", "long": ">I", "longlong": ">Q"}
_TABLE_FIXED = {"t": "B", "b": "b", "B": "B", "s": ">h", "u": ">H", "I": ">i", "i": ">I",
                "l": ">q", "L": ">q", "f": ">f", "d": ">d", "T": ">Q", "D": ">BI"}


class Malformed(Exception):
    """Bytes that the specification does not allow."""


class Raw(NamedTuple):
    """Bytes to be written as they are in place of an encoded value."""

    data: bytes


class Frame(NamedTuple):
    """One frame as it stood on the wire."""

    type: int
    channel: int
    payload: bytes


def to_bytes(text):
    """The bytes of a str (or bytes) value."""
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")


def to_text(data):
    """The str that stands for some bytes."""
    return bytes(data).decode("utf-8", "surrogateescape")


def encode_frame(kind, channel, payload, end=FRAME_END):
    """One frame."""
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + bytes([end])


def take_frame(buffer):
    """Removes the first complete frame from a bytearray; None when it is not complete yet."""
    if len(buffer) < 7:
        return None
    kind, channel, size = struct.unpack_from(">BHI", buffer)
    if len(buffer) < size + 8:
        return None
    if buffer[7 + size] != FRAME_END:
        raise Malformed(f"frame end {buffer[7 + size]:#x}")
    frame = Frame(kind, channel, bytes(buffer[7:7 + size]))
    del buffer[:size + 8]
    return frame


def encode_shortstr(value):
    """A string of up to 255 bytes with its length before it."""
    data = to_bytes(value)
    return bytes([len(data)]) + data


def encode_longstr(value):
    """A string with a length of four bytes before it."""
    data = to_bytes(value)
    return struct.pack(">I", len(data)) + data


def encode_value(tag, value):
    """A typed table value: its tag and its bytes."""
    if isinstance(value, Raw):
        return tag.encode("latin-1") + value.data
    if tag in ("S", "x"):
        data = encode_longstr(value)
    elif tag == "F":
        data = encode_table(value)
    elif tag == "A":
        data = encode_longstr(b"".join(encode_value(*item) for item in value))
    elif tag == "V":
        data = b""
    elif tag == "D":
        data = struct.pack(">BI", *value)
    else:
        data = struct.pack(_TABLE_FIXED[tag], value)
    return tag.encode("latin-1") + data


def encode_table(rows):
    """A field table; rows are (name, tag, value)."""
    if isinstance(rows, Raw):
        return rows.data
    return encode_longstr(b"".join(encode_shortstr(name) + encode_value(tag, value)
                                   for name, tag, value in rows))


def encode_argument(kind, value):
    """A method argument or a property that is not a bit."""
    if isinstance(value, Raw):
        return value.data
    if kind == "shortstr":
        return encode_shortstr(value)
    if kind == "longstr":
        return encode_longstr(value)
    if kind == "table":
        return encode_table(value)
    return struct.pack(_FIXED[kind], value)


def default_of(kind):
    """What an argument is when a step does not name it."""
    return {"shortstr": "", "longstr": "", "table": []}.get(kind, 0)


def encode_method(name, fields):
    """The payload of a method frame."""
    row = methods.BY_NAME[name]
    out = bytearray(struct.pack(">HH", row.class_id, row.method_id))
    bits = n_bits = 0
    for kind, field in row.arguments:
        value = fields.get(field, default_of(kind))
        if kind == "bit":
            bits |= bool(value) << n_bits
            n_bits += 1
            continue
        if n_bits:
            out.append(bits)
            bits = n_bits = 0
        out += encode_argument(kind, value)
    if n_bits:
        out.append(bits)
    return bytes(out)


def encode_header(properties, body_size, class_id=60):
    """The payload of a content header frame; properties is a dict."""
    flags, data = 0, b""
    for index, (name, kind) in enumerate(methods.PROPERTIES):
        if name in properties:
            flags |= 0x8000 >> index
            data += encode_argument(kind, properties[name])
    return struct.pack(">HHQH", class_id, 0, body_size, flags) + data


class Reader:
    """Takes values from the front of some bytes, and never reads past their end."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, size):
        """The next bytes."""
        if self.at + size > len(self.data):
            raise Malformed("truncated")
        self.at += size
        return self.data[self.at - size:self.at]

    def fixed(self, code):
        """One number, or several."""
        values = struct.unpack(code, self.take(struct.calcsize(code)))
        return values if len(values) > 1 else values[0]

    def longstr(self):
        """The bytes of a long string."""
        return self.take(self.fixed(">I"))

    def argument(self, kind):
        """A method argument or property that is not a bit."""
        if kind == "shortstr":
            return to_text(self.take(self.fixed("B")))
        if kind == "longstr":
            return to_text(self.longstr())
        if kind == "table":
            return Reader(self.longstr()).table()
        return self.fixed(_FIXED[kind])

    def value(self, depth):
        """A typed value as (tag, value)."""
        if depth > DEPTH_MAX:
            raise Malformed("nested too deep")
        tag = chr(self.fixed("B"))
        if tag in ("S", "x"):
            return tag, to_text(self.longstr())
        if tag == "F":
            return tag, Reader(self.longstr()).table(depth + 1)
        if tag == "A":
            inner, items = Reader(self.longstr()), []
            while inner.at < len(inner.data):
                items.append(inner.value(depth + 1))
            return tag, items
        if tag == "V":
            return tag, None
        if tag not in _TABLE_FIXED:
            raise Malformed(f"table tag {tag!r}")
        return tag, self.fixed(_TABLE_FIXED[tag])

    def table(self, depth=0):
        """The rows of a table whose bytes are all of this reader's."""
        rows = []
        while self.at < len(self.data):
            name = to_text(self.take(self.fixed("B")))
            rows.append((name, *self.value(depth)))
        return rows


def decode_method(payload):
    """(name, fields) of a method frame; raises unless encoding it again gives the same bytes."""
    reader = Reader(payload)
    row = methods.BY_ID.get(reader.fixed(">HH"))
    if row is None:
        raise Malformed("unknown method")
    fields, bits, n_bits = {}, 0, 8
    for kind, field in row.arguments:
        if kind != "bit":
            fields[field], n_bits = reader.argument(kind), 8
            continue
        if n_bits == 8:
            bits, n_bits = reader.fixed("B"), 0
        fields[field] = bits >> n_bits & 1
        n_bits += 1
    if encode_method(row.name, fields) != payload:
        raise Malformed(f"{row.name} is not encoded canonically")
    return row.name, fields


def decode_header(payload):
    """(class id, body size, properties) of a content header; for printing only."""
    reader = Reader(payload)
    class_id, _weight, size, flags = reader.fixed(">HHQH")
    properties = {}
    for index, (name, kind) in enumerate(methods.PROPERTIES):
        if flags & 0x8000 >> index:
            properties[name] = reader.argument(kind)
    if flags & 3 or reader.at != len(payload):
        raise Malformed("content header")
    return class_id, size, properties
