# SPDX-License-Identifier: Apache-2.0
"""Steps about channels and connections: modes, opening and closing, handshakes. Each function
returns a whole step, or only its operations."""

import codec
from steps import Call, ConnectOptions, Drop, Handshake, RawFrame, Step

CLOSE = {"reply_code": 200, "reply_text": "done"}
FEW_CAPABILITIES = ("basic.nack",)


def transaction(context, channel):
    """Moves through the life of a transaction."""
    if context.modes.get(channel) == "tx" and context.chance(0.85):
        return (Call(context.pick(("tx.commit", "tx.commit", "tx.commit", "tx.rollback")), {}),)
    if context.modes.get(channel) == "confirm" and context.chance(0.8):
        return None
    if context.chance(0.05):
        return (Call(context.pick(("tx.commit", "tx.rollback")), {}),)
    context.modes[channel] = "tx"
    return (Call("tx.select", {}),)


def confirm(context, channel):
    """Turns confirms on."""
    if context.modes.get(channel) == "tx" and context.chance(0.8):
        return None
    context.modes[channel] = "confirm"
    return (Call("confirm.select", {"nowait": int(context.chance(0.2))}),)


def forget(context, slot, number=None):
    """The session supposes that a channel, or a whole connection, has started anew."""
    for channel in [*context.tags, *context.modes, *context.has_declared]:
        if channel[0] == slot and number in (None, channel[1]):
            context.tags.pop(channel, None)
            context.modes.pop(channel, None)
            context.has_declared.discard(channel)


def close_channel(context, channel):
    """Closes a channel; a later step opens it again."""
    forget(context, *channel)
    return (Call("channel.close", CLOSE),)


def close_connection(context, channel):
    """Closes a connection the right way."""
    forget(context, channel[0])
    return Step(channel[0], 0, (Call("connection.close", CLOSE),))


def drop_connection(context, channel):
    """Ends a connection without a word, or in the middle of one."""
    forget(context, channel[0])
    frame = codec.encode_frame(1, channel[1], codec.encode_method("basic.qos", {}))
    words = context.pick((b"", b"", frame[:context.random.randrange(len(frame))]))
    return Step(channel[0], channel[1], (Drop(words),))


def refused_channel_call(context, channel):
    """Methods of channels and connections that are out of place, and kill the connection."""
    forget(context, channel[0])
    return context.pick((
        (Call("channel.open", {}),), (Call("channel.flow", {}),),
        Step(channel[0], 9, (Call("basic.qos", {}),), opens=False),
        Step(channel[0], 9, (Call("channel.close", CLOSE),), opens=False),
        Step(channel[0], 9, (RawFrame(1, codec.encode_method("channel.close-ok", {})),),
             opens=False),
        (RawFrame(1, codec.encode_method("channel.close-ok", {})),)))


def harmless_call(context, channel):
    """Methods that nobody needs and that must do no harm."""
    return context.pick((
        (Call("access.request", {"realm": "/data", "active": 1}),),
        Step(channel[0], 0, (Call("connection.update-secret",
                                  {"new_secret": "guest", "reason": "renewed"}),)),
        Step(channel[0], 0, (RawFrame(8, b""),)), Step(channel[0], 0, (RawFrame(8, b""),))))


FROM_SERVER = ("queue.declare-ok", "exchange.declare-ok", "exchange.bind-ok", "exchange.unbind-ok",
               "queue.bind-ok", "queue.unbind-ok", "queue.delete-ok", "queue.purge-ok",
               "basic.qos-ok", "basic.consume-ok", "basic.get-empty", "basic.recover-ok",
               "confirm.select-ok", "tx.select-ok", "tx.commit-ok", "tx.rollback-ok",
               "channel.open-ok", "channel.flow-ok", "access.request-ok", "basic.credit-ok")
OF_CONNECTIONS = ("connection.start", "connection.start-ok", "connection.secure",
                  "connection.secure-ok", "connection.tune", "connection.tune-ok",
                  "connection.open", "connection.open-ok", "connection.close-ok",
                  "connection.blocked", "connection.unblocked", "connection.update-secret-ok")
OF_CHANNELS = ("channel.open", "channel.close", "channel.close-ok", "channel.flow",
               "queue.declare", "exchange.declare", "basic.publish", "basic.ack", "basic.get",
               "tx.select", "confirm.select")


def misuse(context, channel):
    """A method that the client may not send, or not on this channel."""
    forget(context, channel[0])
    dice = context.random.random()
    if dice < 0.4:
        name = context.pick((*FROM_SERVER, *OF_CONNECTIONS, "connection.close",
                             "connection.update-secret"))
        return (RawFrame(1, codec.encode_method(name, {})),)
    if dice < 0.55:
        name = context.pick(("basic.deliver", "basic.return", "basic.get-ok"))
        header = codec.encode_header({}, 1)
        return (RawFrame(1, codec.encode_method(name, {})), RawFrame(2, header),
                RawFrame(3, b"x"))
    name = context.pick((*OF_CONNECTIONS, *OF_CHANNELS))
    return Step(channel[0], 0, (RawFrame(1, codec.encode_method(name, {})),))


def handshake(context, channel):
    """A connection of its own that begins rightly, or wrongly in a way that is answered soon."""
    login = codec.encode_table([("LOGIN", "S", "guest"), ("PASSWORD", "S", "guest")])[4:]
    wrong = codec.encode_table([("LOGIN", "S", "guest"), ("PASSWORD", "S", "no")])[4:]
    close = codec.encode_frame(1, 0, codec.encode_method("connection.close", CLOSE))
    early = codec.encode_frame(1, 1, codec.encode_method("channel.open", {}))
    options = context.pick((
        {"mechanism": "AMQPLAIN", "response": login}, {"response": b"\0guest\0wrong"},
        {"mechanism": "AMQPLAIN", "response": wrong}, {"response": b"\0nobody\0guest"},
        {"tune": (2047, 4096, 0)}, {"tune": (1, 8192, 60)}, {"tune": (2047, 131072, 65535)},
        {"virtual_host": "nope"}, {"virtual_host": ""}, {"capabilities": ()},
        {"header": b"AMQP\x01\x01\x00\x09"}, {"header": b"HTTP/1.0"},
        {"header": b"AMQP\0\0\x0a\0"}, {"header": b"AMQQ\0\0\x09\x01"},
        {"virtual_host": None, "instead": (close,)}, {"virtual_host": None, "instead": (early,)}))
    return Step(channel[0], channel[1], (Handshake(ConnectOptions(**options)),), opens=False)


def slow_handshake(context, channel):
    """A beginning that RabbitMQ only answers after some seconds, by ending the connection."""
    tune = codec.encode_frame(1, 0, codec.encode_method("connection.tune-ok", {}))
    early = codec.encode_frame(1, 1, codec.encode_method("basic.qos", {}))
    options = context.pick((
        {"tune": context.pick(((0, 131072, 0), (2048, 131072, 0), (2047, 0, 0),
                               (2047, 131073, 0), (2047, 4095, 0)))},
        {"mechanism": "OTHER"}, {"mechanism": ""}, {"response": b"guest"}, {"response": b""},
        {"response": b"\0guest\0wrong", "capabilities": FEW_CAPABILITIES},
        {"mechanism": "AMQPLAIN", "response": b"\x01aU"},
        {"mechanism": None, "instead": (tune,)}, {"mechanism": None, "instead": (early,)}))
    return Step(channel[0], channel[1], (Handshake(ConnectOptions(**options)),), opens=False)
