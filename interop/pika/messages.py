# SPDX-License-Identifier: Apache-2.0
"""Checks about messages: what they carry, and what happens to them."""

import datetime
import decimal

import pika
from pika.compat import long

from checks import body_of, contains, equal, raises, same, unique, until
from session import (Consumer, bodies_ready, channel_open, check, connected, counts, parameters,
                     publish, temporary_queue, wait_counts)

# Every field type pika writes: S x t I l D T F A V. It has no way to write floats, nor integers of
# other sizes. Its decimals are written normalized, and `long` is its mark for the type `l`.
HEADERS = {
    "longstr": "Grüße, 世界",
    "longstr-empty": "",
    "longstr-long": "x" * 3000,
    "bytes": b"\x00\x01\xfe\xff",
    "true": True,
    "false": False,
    "int": 2147483647,
    "int-negative": -2147483648,
    "longlong": long(2 ** 40),
    "longlong-small": long(7),
    "decimal": decimal.Decimal("-3.14"),
    "decimal-whole": decimal.Decimal("7"),
    "timestamp": datetime.datetime(2024, 2, 29, 12, 34, 56),
    "void": None,
    "table": {"inner": {"deep": [1, "two", None]}, "empty": {}},
    "array": [1, long(2 ** 33), "three", b"\x04", False, None, [5, [6]], {"seven": 7}],
    "array-empty": [],
    "k" * 255: "the longest name",
}

PROPERTIES = {
    "content_type": "application/json",
    "content_encoding": "gzip",
    "headers": HEADERS,
    "delivery_mode": 2,
    "priority": 9,
    "correlation_id": "correlation-1",
    "reply_to": "some.queue",
    "expiration": "3600000",
    "message_id": "m" * 255,
    "timestamp": 1700000000,
    "type": "kind",
    "user_id": "guest",
    "app_id": "interop",
    "cluster_id": "cluster",
}


@check("all properties and header types pass unchanged through get and consume")
def properties():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        publish(channel, queue, b"one", **PROPERTIES)
        publish(channel, queue, b"two", **PROPERTIES)
        _, got, body = channel.basic_get(queue, auto_ack=True)
        equal(body, b"one", "body")
        _same_properties(got, PROPERTIES)
        _, delivered, body = Consumer(channel, queue, auto_ack=True).wait(1)[0]
        equal(body, b"two", "body")
        _same_properties(delivered, PROPERTIES)


@check("properties that were not set stay unset, and zero and empty ones stay set")
def absent_properties():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        edge = {"headers": {}, "priority": 0, "correlation_id": "", "timestamp": 0}
        publish(channel, queue, b"")
        publish(channel, queue, b"", **edge)
        _same_properties(channel.basic_get(queue, auto_ack=True)[1], {})
        _same_properties(channel.basic_get(queue, auto_ack=True)[1], edge)


def _same_properties(got, want):
    for name in PROPERTIES:
        same(getattr(got, name), want.get(name), name)


@check("bodies of 0 bytes, 1 byte, around the frame size and 10 MiB")
def bodies():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        largest_payload = 131072 - 8
        sizes = [0, 1, largest_payload, largest_payload + 1, 10 * 1024 * 1024, 1, 0]
        for size in sizes:
            publish(channel, queue, body_of(size))
        for size in sizes:
            method, _, body = channel.basic_get(queue, auto_ack=True)
            equal(body, body_of(size), "a body of %d bytes from get" % size)
        equal(method.message_count, 0, "messages left")
        consumer = Consumer(channel, queue, auto_ack=True)
        for size in sizes:
            publish(channel, queue, body_of(size))
        consumer.expect([body_of(size) for size in sizes])


@check("frame_max 4096 is honoured both ways")
def small_frames():
    with channel_open(frame_max=4096) as channel:
        queue = temporary_queue(channel)
        publish(channel, queue, body_of(100000), headers={"h": "v" * 2000})
        _, got, body = channel.basic_get(queue, auto_ack=True)
        equal(body, body_of(100000), "body")
        equal(got.headers, {"h": "v" * 2000}, "headers")


@check("publisher confirms")
def confirms():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        channel.confirm_delivery()
        for i in range(100):
            publish(channel, queue, b"%d" % i, delivery_mode=1 + i % 2)
        equal(counts(channel, queue), (100, 0), "messages and consumers after the confirms")
        channel.basic_publish(unique_fanout(channel), "", b"dropped, and confirmed all the same")


def unique_fanout(channel):
    name = unique("fanout")
    channel.exchange_declare(name, "fanout", auto_delete=True)
    return name


@check("mandatory: an unroutable message is returned, and confirmed")
def mandatory():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        channel.confirm_delivery()
        channel.basic_publish("", queue, b"routed", mandatory=True)
        key = unique("nowhere")
        with raises(pika.exceptions.UnroutableError) as caught:
            channel.basic_publish("amq.direct", key, b"lost",
                                  pika.BasicProperties(**PROPERTIES), mandatory=True)
        returned, = caught.error.messages
        equal(returned.method.reply_code, 312, "reply code")
        equal(returned.method.reply_text, "NO_ROUTE", "reply text")
        equal((returned.method.exchange, returned.method.routing_key), ("amq.direct", key))
        equal(returned.body, b"lost", "body")
        _same_properties(returned.properties, PROPERTIES)


@check("mandatory without confirms")
def mandatory_plain():
    with channel_open() as channel:
        returns = []
        channel.add_on_return_callback(lambda *args: returns.append(args))
        channel.basic_publish("", unique("nowhere"), b"lost", mandatory=True)
        channel.basic_publish("", unique("nowhere"), b"dropped")
        temporary_queue(channel)
        channel.connection.process_data_events()
        equal([body for _, _, _, body in returns], [b"lost"], "what came back")


@check("mandatory, pipelined on the callback adapter: each confirmed once, returns before confirms")
def pipelined_confirms():
    total, unroutable = 500, set(range(10, 501, 10))
    seen, open_tags = [], set(range(1, total + 1))

    def on_confirm(frame):
        method = frame.method
        equal(method.NAME, "Basic.Ack")
        last = method.delivery_tag
        tags = [tag for tag in open_tags if tag <= last] if method.multiple else [last]
        for tag in tags:
            open_tags.remove(tag)  # raises if it was confirmed before
            seen.append(("ack", tag))
        if not open_tags:
            channel_of[0].connection.close()

    def on_return(_channel, _method, _properties, body):
        seen.append(("return", int(body)))

    def on_queue(frame):
        channel = channel_of[0]
        for tag in range(1, total + 1):
            key = "nowhere" if tag in unroutable else frame.method.queue
            channel.basic_publish("", key, b"%d" % tag, mandatory=True)

    def on_confirm_mode(_frame):
        channel_of[0].queue_declare("", exclusive=True, callback=on_queue)

    def on_channel(channel):
        channel_of.append(channel)
        channel.add_on_return_callback(on_return)
        channel.confirm_delivery(on_confirm, callback=on_confirm_mode)

    channel_of = []
    connection = pika.SelectConnection(
        parameters(), on_open_callback=lambda opened: opened.channel(on_open_callback=on_channel),
        on_close_callback=lambda closed, _reason: closed.ioloop.stop())
    connection.ioloop.start()
    equal(open_tags, set(), "tags without a confirm")
    equal({tag for kind, tag in seen if kind == "return"}, unroutable, "returned tags")
    for tag in unroutable:
        if seen.index(("return", tag)) > seen.index(("ack", tag)):
            raise AssertionError("message %d was confirmed before it was returned" % tag)


@check("nack and reject with requeue: redelivered, in the old place")
def requeue():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        for body in (b"1", b"2", b"3"):
            publish(channel, queue, body)
        for settle in (channel.basic_nack, channel.basic_reject):
            method, _, body = channel.basic_get(queue)
            equal((body, method.message_count), (b"1", 2))
            settle(method.delivery_tag, requeue=True)
        method, _, body = channel.basic_get(queue)
        equal((body, method.redelivered), (b"1", True))
        second = channel.basic_get(queue)[0]
        equal(second.redelivered, False, "redelivered of a fresh message")
        channel.basic_nack(second.delivery_tag, multiple=True, requeue=True)
        equal(bodies_ready(channel, queue), [b"1", b"2", b"3"], "after nack multiple")


@check("nack and reject without requeue, ack multiple")
def settle():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        for body in (b"1", b"2", b"3", b"4", b"5"):
            publish(channel, queue, body)
        tags = [channel.basic_get(queue)[0].delivery_tag for _ in range(4)]
        equal(tags, [1, 2, 3, 4], "delivery tags")
        channel.basic_nack(1, requeue=False)
        channel.basic_reject(2, requeue=False)
        channel.basic_ack(4, multiple=True)
        wait_counts(channel, queue, 1, 0)
        channel.basic_recover(requeue=True)
        equal(bodies_ready(channel, queue), [b"5"], "what is left")


@check("unacked messages return when their channel closes, and by recover")
def channel_close_requeues():
    with connected() as connection:
        first, second = connection.channel(), connection.channel()
        queue = temporary_queue(first)
        publish(first, queue, b"1")
        publish(first, queue, b"2")
        Consumer(first, queue).wait(2)
        first.close()
        method, _, body = second.basic_get(queue)
        equal((body, method.redelivered, method.message_count), (b"1", True, 1))
        second.basic_recover(requeue=True)
        equal(bodies_ready(second, queue), [b"1", b"2"], "after recover")


@check("prefetch per consumer: exactly N outstanding, more after acks")
def prefetch():
    with channel_open() as channel:
        queue = temporary_queue(channel)
        for i in range(10):
            publish(channel, queue, b"%d" % i)
        channel.basic_qos(prefetch_count=3)
        consumer = Consumer(channel, queue)
        consumer.wait(3)
        wait_counts(channel, queue, 7, 1)
        equal(len(consumer.got), 3, "deliveries")
        channel.basic_ack(consumer.got[0][0].delivery_tag)
        consumer.wait(4)
        wait_counts(channel, queue, 6, 1)
        channel.basic_ack(0, multiple=True)
        consumer.wait(7)
        wait_counts(channel, queue, 3, 1)
        channel.basic_ack(0, multiple=True)
        consumer.expect([b"%d" % i for i in range(10)])


@check("prefetch per channel is shared by its consumers")
def global_prefetch():
    with channel_open() as channel:
        queues = [temporary_queue(channel), temporary_queue(channel)]
        channel.basic_qos(prefetch_count=4, global_qos=True)
        consumers = [Consumer(channel, queue) for queue in queues]
        for i in range(20):
            publish(channel, queues[i % 2], b"%d" % i)
        until(lambda: sum(counts(channel, queue)[0] for queue in queues) == 16, lambda: None,
              "16 messages held back")
        while sum(len(consumer.got) for consumer in consumers) < 20:
            channel.connection.process_data_events(time_limit=0.2)
            channel.basic_ack(0, multiple=True)


@check("tx commit and rollback of publishes and acks")
def transactions():
    with connected() as connection:
        channel, witness = connection.channel(), connection.channel()
        queue = temporary_queue(channel)
        channel.tx_select()
        publish(channel, queue, b"committed")
        equal(counts(witness, queue)[0], 0, "messages before the commit")
        channel.tx_commit()
        equal(counts(witness, queue)[0], 1, "messages after the commit")
        publish(channel, queue, b"rolled back")
        tag = channel.basic_get(queue)[0].delivery_tag
        channel.basic_ack(tag)
        channel.tx_rollback()
        equal(counts(witness, queue)[0], 0, "messages after the rollback")
        channel.basic_nack(tag, requeue=True)
        channel.tx_commit()
        equal(bodies_ready(witness, queue), [b"committed"], "after a rolled back ack and a nack")
        with raises(pika.exceptions.ChannelClosedByBroker) as caught:
            witness.tx_commit()
        equal(caught.error.reply_code, 406, "reply code")
        contains(caught.error.reply_text, "PRECONDITION_FAILED - channel is not transactional")
