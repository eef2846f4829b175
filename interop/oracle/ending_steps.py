# SPDX-License-Identifier: Apache-2.0
"""Steps whose difference from RabbitMQ 3.10 is kept on purpose and leaves the two brokers in
different states. A session may end with one of them; `differences` says what each must give."""

from steps import Call, Content


def ending(context, _channel):
    """The operations of a last step."""
    fresh = f"{context.prefix}fresh"
    rows = (("x-queue-mode", "S", context.pick(("foo", ""))), ("x-queue-mode", "I", 1),
            ("x-queue-leader-locator", "S", "client-local"),
            ("x-queue-leader-locator", "S", "balanced"),
            ("x-queue-type", "S", context.pick(("", "undefined"))))
    return context.pick((
        (Call("exchange.declare", {"exchange": fresh,
                                   "type": context.pick(("no-such-type", "x-none", "Direct"))}),),
        (Call("queue.declare", {"queue": fresh, "arguments": [context.pick(rows)]}),),
        (Call("queue.declare", {"queue": fresh, "arguments": [context.pick(rows)]}),),
        (Call("basic.publish", {"routing_key": "nowhere"},
              Content({"delivery_mode": context.pick((0, 3, 255))}, b"x")),),
    ))
