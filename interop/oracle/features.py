# SPDX-License-Identifier: Apache-2.0
"""Groups of behaviour that sessions may or may not touch, one row each.

A group that is off stays out of effect: its arguments are still declared, validated and compared,
but with values that cannot make a message expire, overflow, change its place or die. Rows are
turned on by default as the broker learns what they ask for.
"""

# name, on by default, what it lets a session do
TABLE = (
    ("several_consumers", True, "let several consumers share a queue"),
    ("requeue_bursts", True, "give messages back and look for them in one write"),
    ("consumer_priority", True, "consume with x-priority"),
    ("global_qos", True, "limit a whole channel with basic.qos"),
    ("transactions", True, "tx.select, commit and rollback"),
    ("confirms", True, "confirm.select"),
    ("alternate_exchanges", True, "declare exchanges with alternate-exchange"),
    ("exchange_bindings", True, "bind exchanges to exchanges"),
    ("large_bodies", True, "publish bodies that need several frames"),
    ("broken_frames", True, "send frames that the specification forbids"),
    ("broken_tables", True, "send field tables and properties that cannot be decoded"),
    ("misuse", True, "send methods that a client may not send, or not there"),
    ("handshakes", True, "begin connections rightly and wrongly"),
    ("slow_handshakes", True, "begin connections in ways that RabbitMQ answers after 3 s"),
    ("drops", True, "end TCP connections without a word"),
    ("endings", True, "end sessions with steps whose difference is kept on purpose"),
    ("shared_ends", False, "end connections that have several channels: what one of them gives "
     "back may reach a consumer of another that is about to end"),
    ("message_ttl", False, "let messages and queues expire"),
    ("max_length", False, "let queues overflow"),
    ("message_priority", False, "publish with priorities to queues with x-max-priority"),
    ("dead_letters", False, "let rejected messages reach a dead-letter exchange"),
    ("single_active_consumer", False, "declare queues with x-single-active-consumer=true"),
    ("queue_type_refusals", False, "declare quorum and stream queues in ways that are refused"),
    ("cc_bcc", False, "publish with CC and BCC headers"),
    ("direct_reply_to", False, "use amq.rabbitmq.reply-to"),
    ("duplicate_keys", True, "repeat keys in tables, and mix several faults in one method"),
)

NAMES = tuple(row[0] for row in TABLE)


def chosen(enable=(), disable=()):
    """The set of features that are on, given the names to turn on and off."""
    unknown = [name for name in (*enable, *disable) if name not in NAMES]
    if unknown:
        raise ValueError(f"unknown feature: {', '.join(unknown)}")
    on = {name for name, default, _what in TABLE if default}
    return frozenset(on.union(enable).difference(disable))
