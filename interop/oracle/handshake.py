# SPDX-License-Identifier: Apache-2.0
"""The beginning and the end of a connection, done rightly or wrongly as its options say."""

import codec
from link import Link
from receiver import TROUBLE


def send_method(connection, number, name, fields):
    """Sends one method at once."""
    payload = codec.encode_method(name, fields)
    connection.link.send(codec.encode_frame(codec.FRAME_METHOD, number, payload))


def start_ok(options):
    """Arguments of connection.start-ok, or None when the client stops there."""
    if options.mechanism is None:
        return None
    capabilities = [(name, "t", 1) for name in options.capabilities]
    return {"client_properties": [("product", "S", "oracle"), ("capabilities", "F", capabilities)],
            "mechanism": options.mechanism, "response": options.response, "locale": "en_US"}


def tune_ok(options):
    """Arguments of connection.tune-ok, or None when the client stops there."""
    if options.tune is None:
        return None
    return dict(zip(("channel_max", "frame_max", "heartbeat"), options.tune))


def open_arguments(options):
    """Arguments of connection.open, or None when the client stops there."""
    return None if options.virtual_host is None else {"virtual_host": options.virtual_host}


def connect(receiver, connection, port):
    """Goes through the beginning of a connection; its frames are events of channel 0. Returns
    whether it came to the end of its options."""
    connection.lost()
    connection.link = Link(port)
    options = connection.options
    connection.link.send(options.header)
    stages = (("connection.start-ok", start_ok(options)), ("connection.tune-ok", tune_ok(options)),
              ("connection.open", open_arguments(options)))
    for name, fields in stages:
        if name != "connection.open":
            receiver.one_answer(connection)
        if connection.link is None or fields is None:
            return False
        send_method(connection, 0, name, fields)
    connection.frame_max = options.tune[1] or 131072
    receiver.one_answer(connection)
    return connection.link is not None


def handshake_only(receiver, connection, port):
    """Plays a handshake on a connection of its own, to the end of that connection."""
    try:
        complete = connect(receiver, connection, port)
        if connection.link is not None and connection.options.instead:
            connection.link.send(b"".join(connection.options.instead))
            receiver.one_answer(connection)
        if complete:
            close_politely(receiver, connection)
    except TROUBLE as error:
        receiver.trouble(connection, error)
    connection.lost()


def close_politely(receiver, connection):
    """Closes a connection the right way and waits for the answer."""
    if connection.link is None:
        return
    try:
        send_method(connection, 0, "connection.close", {"reply_code": 200, "reply_text": "Goodbye"})
        receiver.read_until(connection, lambda: False)
    except TROUBLE as error:
        receiver.trouble(connection, error)
    connection.lost()
